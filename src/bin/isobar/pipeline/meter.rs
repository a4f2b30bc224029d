//! One host series and how it moves; most are counters, of which only the movement is of interest.

use isobar::{Computed, Graph, Signal};

use super::track::{Sample, Track};

#[derive(Debug)]
pub(crate) struct Meter {
    track: Signal<Track>,
    pub(crate) motion: Computed<Motion>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Motion {
    pub(crate) latest: f64,
    pub(crate) mean: f64,
    pub(crate) rate: f64,
    pub(crate) mean_rate: f64,
    pub(crate) growth: f64,
}

impl Meter {
    pub(crate) fn new(graph: &Graph, name: &str, window: usize, first: Sample) -> Meter {
        let start = Track::starting_with(window, first);
        let track = Signal::builder(start).always().name(name).graph(graph).build();
        let moving = track.clone();
        let motion = Computed::builder(move || moving.with(Motion::of)).graph(graph).build();
        Meter { track, motion }
    }

    pub(crate) fn push(&self, sample: Sample) {
        self.track.mutate(move |track| track.push(sample));
    }
}

impl Motion {
    fn of(track: &Track) -> Motion {
        Motion {
            latest: track.latest().map_or(0.0, |sample| sample.value),
            mean: track.mean(),
            // A counter that fell was restarted; it did not run backwards.
            rate: track.rate().max(0.0),
            mean_rate: track.mean_rate().max(0.0),
            growth: track.growth(),
        }
    }
}
