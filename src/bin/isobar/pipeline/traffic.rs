//! An access log in the graph: requests counted by path and answer, judged by its server errors.

use std::sync::Arc;

use isobar::{Computed, Effect, Graph, Signal};
use jiff::Timestamp;
use rpds::HashTrieMapSync;

use super::Settings;
use super::alarm::Alarms;
use super::limit::Status;
use super::track::{Sample, Track};
use super::turnstile::Turnstile;
use crate::view::{PathView, TrafficView};

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) at: Timestamp,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
}

/// Persistent, because each request is a new version of it and a log may have many paths.
type Paths = HashTrieMapSync<Arc<str>, Count>;

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    requests: u64,
    bytes: f64,
}

#[derive(Clone, Debug, Default)]
struct Tallies {
    paths: Paths,
    /// 1xx, 2xx and so on.
    responses: [u64; 5],
}

#[derive(Debug)]
pub(crate) struct Traffic {
    bytes: Signal<Track>,
    /// 1 for a server error, 0 for any other answer.
    errors: Signal<Track>,
    tallies: Signal<Tallies>,
    pub(crate) view: Computed<TrafficView>,
    _alarm: Effect,
}

impl Traffic {
    pub(crate) fn new(
        graph: &Graph,
        name: &Arc<str>,
        settings: Settings,
        alarms: &Alarms,
    ) -> Traffic {
        let track = |of: &str| {
            let empty = Track::new(settings.window);
            Signal::builder(empty).always().name(format!("{name} {of}")).graph(graph).build()
        };
        let (bytes, errors) = (track("bytes"), track("errors"));
        let tallies = Signal::builder(Tallies::default()).always();
        let tallies = tallies.name(format!("{name} tallies")).graph(graph).build();
        let error_percent = error_percent(graph, &errors);
        let status = status(graph, &error_percent, settings);
        let derived = Derived { error_percent, status: status.clone() };
        let busiest = busiest(graph, &tallies, settings.busiest);
        let view = view(graph, name.clone(), (&bytes, &tallies), derived, busiest);
        let dated = errors.clone();
        let now = move || dated.peek_with(|track| track.latest().map(|sample| sample.at));
        let alarm = alarms.watch(graph, name, &status, now);
        Traffic { bytes, errors, tallies, view, _alarm: alarm }
    }

    pub(crate) fn take(&self, request: Request, turnstile: &Turnstile) {
        let Request { at, path, status, bytes } = request;
        let bytes = bytes as f64;
        turnstile.pass(1, || {
            let error = if status >= 500 { 1.0 } else { 0.0 };
            self.bytes.mutate(move |track| track.push(Sample { at, value: bytes }));
            self.errors.mutate(move |track| track.push(Sample { at, value: error }));
            self.tallies.mutate(move |tallies| tallies.add(&path, status, bytes));
        });
    }
}

impl Tallies {
    fn add(&mut self, path: &str, status: u16, bytes: f64) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(responses) = self.responses.get_mut(class) {
            *responses += 1;
        }
        if let Some(count) = self.paths.get_mut(path) {
            count.requests += 1;
            count.bytes += bytes;
        } else {
            self.paths.insert_mut(path.into(), Count { requests: 1, bytes });
        }
    }

    fn busiest(&self, count: usize) -> Vec<PathView> {
        let mut paths: Vec<(&Arc<str>, &Count)> = self.paths.iter().collect();
        paths.sort_by(|(path_a, a), (path_b, b)| {
            b.requests.cmp(&a.requests).then_with(|| path_a.cmp(path_b))
        });
        let path = |(path, count): &(&Arc<str>, &Count)| PathView {
            path: Arc::clone(path),
            requests: count.requests,
            bytes: count.bytes,
        };
        paths.iter().take(count).map(path).collect()
    }
}

struct Derived {
    error_percent: Computed<f64>,
    status: Computed<Status>,
}

fn error_percent(graph: &Graph, errors: &Signal<Track>) -> Computed<f64> {
    let errors = errors.clone();
    Computed::builder(move || errors.with(Track::mean) * 100.0).graph(graph).build()
}

fn status(graph: &Graph, error_percent: &Computed<f64>, settings: Settings) -> Computed<Status> {
    let error_percent = error_percent.clone();
    let judge = move || settings.limits.errors.judge(error_percent.get());
    Computed::builder(judge).graph(graph).build()
}

fn busiest(graph: &Graph, tallies: &Signal<Tallies>, count: usize) -> Computed<Vec<PathView>> {
    let tallies = tallies.clone();
    Computed::builder(move || tallies.with(|tallies| tallies.busiest(count))).graph(graph).build()
}

fn view(
    graph: &Graph,
    log: Arc<str>,
    (bytes, tallies): (&Signal<Track>, &Signal<Tallies>),
    derived: Derived,
    busiest: Computed<Vec<PathView>>,
) -> Computed<TrafficView> {
    let (bytes, tallies) = (bytes.clone(), tallies.clone());
    let body = move || {
        let (bytes, tallies) = (bytes.load(), tallies.load());
        TrafficView {
            log: log.clone(),
            status: derived.status.get(),
            at: bytes.latest().map(|sample| sample.at),
            requests: bytes.count(),
            requests_per_second: bytes.frequency(),
            bytes: bytes.sum(),
            average_bytes: bytes.mean(),
            error_percent: derived.error_percent.get(),
            responses: tallies.responses,
            paths: tallies.paths.size(),
            busiest: busiest.get(),
            late: bytes.late(),
        }
    };
    Computed::builder(body).graph(graph).build()
}
