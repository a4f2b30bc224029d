//! The time as a node of a graph.
//!
//! ```text
//!  clock ── timer at the next step ──► tick (a signal: when it last struck in this graph)
//!    ▲                                    │ tracked
//!    └── set when evaluated ── now(step) ◄┘  value: the clock's time, between two ticks
//! ```
//!
//! A `now` that nobody evaluates sets no timer. When it is evaluated again it asks the clock, and
//! not the tick, which may be long ago. That all of them agree at one revision is due to two
//! limits: a time told lies before every deadline that is still to be committed, and one told
//! under an older revision lies before the tick that ended that revision.

use super::{Clock, Timer};
use crate::engine::frame::Frame;
use crate::handle::equality::ByValue;
use crate::handle::{Computed, Signal};
use crate::structure::world::World;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the `now`s of one clock in one graph have in common.
pub(super) struct Timeline {
    tick: Signal<Tick>,
}

/// When the time last struck in a graph, and when before that.
#[derive(Clone, Copy, PartialEq)]
struct Tick {
    at: Duration,
    before: Duration,
}

struct Now {
    clock: Clock,
    timeline: Arc<Timeline>,
    step: Duration,
    timer: Mutex<Option<Timer>>,
}

#[track_caller]
pub(super) fn now(clock: &Clock, step: Duration) -> Computed<Duration> {
    let timeline = clock.core().timeline(&Frame::current().world());
    let timer = Mutex::default();
    let now = Now { clock: clock.clone(), timeline, step, timer };
    Computed::builder(move || now.value()).name(format!("now by {step:?}")).build()
}

impl Timeline {
    pub(super) fn of(world: &Arc<World>) -> Arc<Self> {
        let began = Tick { at: Duration::ZERO, before: Duration::ZERO };
        Arc::new(Self { tick: Signal::make(world, began, ByValue, Some("tick".into())) })
    }

    pub(super) fn is_of(&self, world: &Arc<World>) -> bool {
        Arc::ptr_eq(self.tick.node().inner().world(), world)
    }

    /// Tells the graph that it is `at`.
    pub(super) fn strike(&self, at: Duration) {
        self.tick.update(move |tick| {
            // A deadline that was past when it was set strikes late.
            if at > tick.at { Tick { at, before: tick.at } } else { *tick }
        });
    }

    /// The time at the revision that is read here, and whether that is the newest.
    fn time(&self, clock: &Clock) -> (Duration, bool) {
        let here = self.tick.get();
        // In this order: a deadline set after the first look lies behind what it found, and one
        // committed since the first look shows in the second.
        let told = clock.core().told_time();
        let newest = Frame::detached().enter(|| self.tick.peek());
        if newest.at == here.at {
            return (told.max(here.at), true);
        }
        let just_before = newest.at.saturating_sub(Duration::from_nanos(1));
        (if newest.before == here.at { just_before } else { here.at }, false)
    }
}

impl Now {
    fn value(&self) -> Duration {
        let (time, is_newest) = self.timeline.time(&self.clock);
        let steps = time.as_nanos() / self.step.as_nanos();
        let value = nanoseconds(steps * self.step.as_nanos());
        // An old view's next tick is past, and would take the place of the one that is to come.
        if is_newest {
            self.expect_tick_at(value.saturating_add(self.step));
        }
        value
    }

    fn expect_tick_at(&self, at: Duration) {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        if timer.as_ref().is_some_and(|timer| timer.at() == at) {
            return;
        }
        // The clock strikes wherever it does something.
        let node = self.timeline.tick.node();
        let before = timer.replace(self.clock.schedule(at, node, || ()));
        drop(timer);
        drop(before);
    }
}

fn nanoseconds(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).expect("rounded down from a duration");
    let rest = u32::try_from(nanos % SECOND).expect("less than a second");
    Duration::new(seconds, rest)
}
