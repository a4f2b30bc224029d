//! How long a test goes on: a count in the short form, a time in the long form.
//!
//! `ISOBAR_TORTURE=long` asks for the long form, `ISOBAR_TORTURE_SECONDS` for its seconds per test.

use std::env;
use std::time::{Duration, Instant};

const USUAL_LONG: u64 = 30;

/// The seconds per test in the long form; `None` in the short one.
pub(crate) fn long_seconds() -> Option<u64> {
    if env::var("ISOBAR_TORTURE").ok()? != "long" {
        return None;
    }
    let seconds = env::var("ISOBAR_TORTURE_SECONDS").ok().and_then(|text| text.parse().ok());
    Some(seconds.unwrap_or(USUAL_LONG))
}

/// A budget of repetitions.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    count: u64,
    until: Option<Instant>,
}

impl Effort {
    /// `count` repetitions in the short form, as many as fit into the time in the long form.
    pub(crate) fn of(count: u64) -> Effort {
        Effort::share(count, 1)
    }

    /// The same for one of `parts` equal parts of a test.
    pub(crate) fn share(count: u64, parts: u32) -> Effort {
        let time = long_seconds().map(|seconds| Duration::from_secs(seconds) / parts);
        Effort { count, until: time.map(|time| Instant::now() + time) }
    }

    /// Whether to go on after `done` repetitions.
    pub(crate) fn goes_on(&self, done: u64) -> bool {
        match self.until {
            None => done < self.count,
            // The clock is asked now and then: asking is slower than much that is tortured.
            Some(end) => !done.is_multiple_of(16) || Instant::now() < end,
        }
    }
}
