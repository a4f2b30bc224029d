//! A series whose values speak for themselves, judged by how far it strays from its usual.

use std::sync::Arc;

use isobar::{Computed, Effect, Graph, Signal};

use super::Settings;
use super::alarm::Alarms;
use super::limit::Status;
use super::track::{Sample, Track};
use crate::view::SeriesView;

#[derive(Debug)]
pub(crate) struct Gauge {
    track: Signal<Track>,
    pub(crate) view: Computed<SeriesView>,
    _alarm: Effect,
}

impl Gauge {
    pub(crate) fn new(
        graph: &Graph,
        name: &Arc<str>,
        settings: Settings,
        alarms: &Alarms,
    ) -> Gauge {
        let empty = Track::new(settings.window);
        let track = Signal::builder(empty).always().name(name.as_ref()).graph(graph).build();
        let deviation = deviation(graph, &track);
        let status = status(graph, &deviation, settings);
        let view = view(graph, name, &track, &deviation, &status);
        let dated = track.clone();
        let now = move || dated.peek_with(|track| track.latest().map(|sample| sample.at));
        let alarm = alarms.watch(graph, name, &status, now);
        Gauge { track, view, _alarm: alarm }
    }

    pub(crate) fn push(&self, sample: Sample) {
        self.track.mutate(move |track| track.push(sample));
    }
}

fn deviation(graph: &Graph, track: &Signal<Track>) -> Computed<f64> {
    let track = track.clone();
    Computed::builder(move || track.with(Track::deviation)).graph(graph).build()
}

fn status(graph: &Graph, deviation: &Computed<f64>, settings: Settings) -> Computed<Status> {
    let deviation = deviation.clone();
    let judge = move || settings.limits.deviation.judge(deviation.get());
    Computed::builder(judge).graph(graph).build()
}

fn view(
    graph: &Graph,
    name: &Arc<str>,
    track: &Signal<Track>,
    deviation: &Computed<f64>,
    status: &Computed<Status>,
) -> Computed<SeriesView> {
    let (series, track, deviation, status) =
        (name.clone(), track.clone(), deviation.clone(), status.clone());
    let body = move || {
        let track = track.load();
        let latest = track.latest();
        SeriesView {
            series: series.clone(),
            status: status.get(),
            at: latest.map(|sample| sample.at),
            latest: latest.map_or(0.0, |sample| sample.value),
            average: track.mean(),
            deviation: deviation.get(),
            change_per_second: track.rate(),
            total: track.sum(),
            samples: track.count(),
            late: track.late(),
        }
    };
    Computed::builder(body).graph(graph).build()
}
