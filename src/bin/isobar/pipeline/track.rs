//! The last samples of one series and its running totals: what every figure is derived from.
//!
//! Signals conflate, so whatever must count each sample (totals, the window) lives in the signal
//! and is advanced by the writer; whatever is a function of that is a computed elsewhere.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Fewer samples than this say nothing about what is usual.
const BASELINE: usize = 8;
/// A spread below this share of the mean counts as noise: a series that stood still for the whole
/// window would otherwise deviate without bound at its first small step.
const NOISE: f64 = 0.05;
/// Deviations end here, so that a step away from an all-zero window is a number too.
const DEVIATION_CEILING: f64 = 99.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) value: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Track {
    window: usize,
    recent: VecDeque<Sample>,
    count: u64,
    sum: f64,
    growth: f64,
    late: u64,
}

impl Track {
    pub(crate) fn new(window: usize) -> Track {
        let recent = VecDeque::new();
        Track { window, recent, count: 0, sum: 0.0, growth: 0.0, late: 0 }
    }

    pub(crate) fn starting_with(window: usize, sample: Sample) -> Track {
        let mut track = Track::new(window);
        track.push(sample);
        track
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        if let Some(latest) = self.latest() {
            self.late += u64::from(sample.at < latest.at);
            // A counter that fell was restarted: nothing is known about the gap.
            self.growth += (sample.value - latest.value).max(0.0);
        }
        self.count += 1;
        self.sum += sample.value;
        if self.recent.len() == self.window {
            self.recent.pop_front();
        }
        self.recent.push_back(sample);
    }

    pub(crate) fn latest(&self) -> Option<Sample> {
        self.recent.back().copied()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Samples that came with an earlier time than the one before them.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// All values ever, added up.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// All increases ever, added up: the total of a counter since the first sample.
    pub(crate) fn growth(&self) -> f64 {
        self.growth
    }

    /// The moving average.
    pub(crate) fn mean(&self) -> f64 {
        mean(self.recent.iter())
    }

    /// How many standard deviations of the samples before it the latest one lies off their mean.
    pub(crate) fn deviation(&self) -> f64 {
        let Some(before) = self.recent.len().checked_sub(1).filter(|before| *before >= BASELINE)
        else {
            return 0.0;
        };
        let mean = mean(self.recent.iter().take(before));
        let squares = self.recent.iter().take(before).map(|s| (s.value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / before as f64).sqrt();
        let distance = (self.recent[before].value - mean).abs();
        if distance == 0.0 {
            return 0.0;
        }
        (distance / deviation.max(mean.abs() * NOISE)).min(DEVIATION_CEILING)
    }

    /// Change a second from the last sample but one to the last.
    pub(crate) fn rate(&self) -> f64 {
        match self.recent.len().checked_sub(2) {
            Some(before) => slope(self.recent[before], self.recent[before + 1]),
            None => 0.0,
        }
    }

    /// Change a second over the window: the moving average of a counter's rate.
    pub(crate) fn mean_rate(&self) -> f64 {
        match (self.recent.front(), self.recent.back()) {
            (Some(first), Some(last)) => slope(*first, *last),
            _ => 0.0,
        }
    }

    /// Samples a second over the window, by their own times.
    pub(crate) fn frequency(&self) -> f64 {
        let times = || self.recent.iter().map(|sample| sample.at);
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return 0.0;
        };
        let seconds = last.duration_since(first).as_secs_f64();
        if seconds > 0.0 { (self.recent.len() - 1) as f64 / seconds } else { 0.0 }
    }
}

fn mean<'a>(samples: impl ExactSizeIterator<Item = &'a Sample>) -> f64 {
    let count = samples.len();
    if count == 0 { 0.0 } else { samples.map(|sample| sample.value).sum::<f64>() / count as f64 }
}

fn slope(from: Sample, to: Sample) -> f64 {
    let seconds = to.at.duration_since(from.at).as_secs_f64();
    if seconds > 0.0 { (to.value - from.value) / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(window: usize, samples: &[(i64, f64)]) -> Track {
        let mut track = Track::new(window);
        for (second, value) in samples {
            let at = Timestamp::from_second(*second).expect("a small time");
            track.push(Sample { at, value: *value });
        }
        track
    }

    #[test]
    fn the_window_forgets_what_the_totals_keep() {
        let track = track(2, &[(0, 10.0), (1, 20.0), (2, 40.0)]);
        assert_eq!((track.count(), track.sum(), track.mean()), (3, 70.0, 30.0));
        assert_eq!((track.rate(), track.mean_rate(), track.frequency()), (20.0, 20.0, 1.0));
    }

    #[test]
    fn a_restarted_counter_adds_only_what_it_grew() {
        let track = track(10, &[(0, 5.0), (1, 8.0), (2, 1.0), (3, 2.0)]);
        assert_eq!(track.growth(), 4.0);
    }

    #[test]
    fn a_late_sample_is_counted_and_has_no_rate() {
        let track = track(10, &[(5, 1.0), (4, 3.0)]);
        assert_eq!((track.count(), track.late(), track.rate()), (2, 1, 0.0));
        assert_eq!(track.frequency(), 1.0);
    }

    #[test]
    fn a_flat_series_deviates_only_when_it_moves() {
        let mut samples: Vec<(i64, f64)> = (0..20).map(|second| (second, 0.0)).collect();
        assert_eq!(track(30, &samples).deviation(), 0.0);
        samples.push((20, 1.0));
        assert_eq!(track(30, &samples).deviation(), DEVIATION_CEILING);
    }

    #[test]
    fn an_empty_track_has_figures_too() {
        let track = Track::new(3);
        assert_eq!((track.mean(), track.deviation(), track.rate()), (0.0, 0.0, 0.0));
        assert_eq!((track.mean_rate(), track.frequency(), track.latest()), (0.0, 0.0, None));
    }
}
