//! Time as a source: clocks, and computeds that change by themselves as time goes by.
//!
//! A clock calls its timers in the order of their deadlines, all of one deadline in one batch. It
//! never runs user code under its lock: what a timer does is of this crate, and the effects that
//! it wakes run in the commit. Times are durations since the clock was made: they add up, a
//! manual clock begins at zero, and no test has to make up an instant.

mod core;
mod now;

use self::core::{Core, Due, Key};
use crate::engine::frame::Frame;
use crate::error::ZeroDuration;
use crate::handle::{Computed, Node};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A source of time for computeds and operators; handles are clones of one clock.
///
/// Times are [`Duration`]s since the clock was made. What belongs to one deadline is one commit in
/// each graph it concerns, and commits come in the order of their deadlines.
///
/// ```
/// use isobar::{Clock, Graph, computed};
/// use std::time::Duration;
///
/// Graph::new().enter(|| {
///     let clock = Clock::manual();
///     let seen_at = clock.time();
///     let now = clock.now(Duration::from_millis(100));
///     let stale = computed!([now] now.get() - seen_at >= Duration::from_secs(30));
///     clock.advance(Duration::from_millis(29_900));
///     assert!(!stale.get());
///     clock.advance(Duration::from_millis(100));
///     assert!(stale.get());
/// });
/// ```
#[derive(Clone)]
pub struct Clock {
    keeper: Arc<Keeper>,
}

/// A [`Clock`] that stands still until it is told to advance: for tests and simulations.
///
/// ```
/// use isobar::{Clock, Edge, Graph};
/// use std::time::Duration;
///
/// let (g, clock) = (Graph::new(), Clock::manual());
/// let query = g.signal("");
/// let asked = query.debounce(&clock, Duration::from_millis(300), Edge::Trailing);
/// query.set("iso");
/// clock.advance(Duration::from_millis(299));
/// assert_eq!(asked.get(), "");
/// clock.advance(Duration::from_millis(1));
/// assert_eq!(asked.get(), "iso");
/// ```
#[derive(Clone)]
pub struct ManualClock {
    clock: Clock,
}

/// Ends the clock's thread with its last handle.
struct Keeper {
    core: Arc<Core>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl Clock {
    /// The system's monotonic clock, beginning at zero now.
    ///
    /// One thread of the clock's own waits for the next deadline. It starts with the first timer
    /// and ends with the last handle; operators and `now` hold handles. Effects that time wakes
    /// run on it, unless built to run elsewhere, so a slow one delays what is due later on this
    /// clock.
    ///
    /// ```
    /// let clock = isobar::Clock::system();
    /// assert!(clock.time() <= clock.time());
    /// ```
    pub fn system() -> Self {
        Self { keeper: Arc::new(Keeper { core: Core::system() }) }
    }

    /// A clock at zero that only [`ManualClock::advance`] moves.
    ///
    /// ```
    /// use std::time::Duration;
    /// let clock = isobar::Clock::manual();
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(clock.time(), Duration::from_secs(1));
    /// ```
    pub fn manual() -> ManualClock {
        let clock = Self { keeper: Arc::new(Keeper { core: Core::manual() }) };
        ManualClock { clock }
    }

    /// The time since the clock was made; not tracked. See [`now`](Self::now) for a time to
    /// compute with.
    ///
    /// ```
    /// use std::time::Duration;
    /// let clock = isobar::Clock::manual();
    /// assert_eq!(clock.time(), Duration::ZERO);
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(clock.time(), Duration::from_secs(2));
    /// ```
    pub fn time(&self) -> Duration {
        self.core().time()
    }

    /// A computed of the current graph: the time, rounded down to a multiple of `step`, changing
    /// by itself.
    ///
    /// All the `now`s of one graph and clock show one time at one revision, whatever their steps.
    /// It costs nothing while nobody observes it: a timer is set only when it is evaluated. A
    /// snapshot older than the last tick shows a time from before that tick.
    ///
    /// ```
    /// use std::time::Duration;
    /// let (g, clock) = (isobar::Graph::new(), isobar::Clock::manual());
    /// let minutes = g.enter(|| clock.now(Duration::from_secs(60))).map(|now| now.as_secs() / 60);
    /// clock.advance(Duration::from_secs(150));
    /// assert_eq!(minutes.get(), 2);
    /// ```
    ///
    /// # Panics
    /// If `step` is zero: such a time would never hold still.
    #[track_caller]
    pub fn now(&self, step: Duration) -> Computed<Duration> {
        unless_zero(self.try_now(step))
    }

    /// [`now`](Self::now) by a step that comes from outside.
    ///
    /// ```
    /// use std::time::Duration;
    /// let clock = isobar::Clock::manual();
    /// let refused = clock.try_now(Duration::ZERO).unwrap_err();
    /// assert_eq!(refused.of, "now");
    /// ```
    ///
    /// # Errors
    /// [`ZeroDuration`].
    #[track_caller]
    pub fn try_now(&self, step: Duration) -> Result<Computed<Duration>, ZeroDuration> {
        Ok(now::now(self, above_zero("now", step)?))
    }

    /// The deadline that is `wait` from now. One beyond all times never comes.
    pub(crate) fn after(&self, wait: Duration) -> Duration {
        self.time().saturating_add(wait)
    }

    /// Calls `action`, which writes to `node`'s graph, once and in a batch, when the clock reaches
    /// `at`; a past deadline comes next.
    pub(crate) fn schedule(
        &self,
        at: Duration,
        node: &Node,
        action: impl FnOnce() + Send + 'static,
    ) -> Timer {
        let due = Due { world: node.inner().world().clone(), action: Box::new(action) };
        Timer { key: self.core().schedule(at, due), core: self.core().clone() }
    }

    fn core(&self) -> &Arc<Core> {
        &self.keeper.core
    }
}

impl ManualClock {
    /// Moves the clock. Every timer due is called, in the order of the deadlines, each deadline
    /// in a commit of its own at its own time; those that timers and effects set on the way, too.
    ///
    /// Effects that run on other threads may not have followed when it returns: settle the
    /// graph. Two threads that advance one clock do it one after the other.
    ///
    /// ```
    /// use std::time::Duration;
    /// let clock = isobar::Clock::manual();
    /// let minutes = clock.now(Duration::from_secs(60)).scan(0, |minutes, _| minutes + 1);
    /// clock.advance(Duration::from_secs(150));
    /// assert_eq!(minutes.get(), 3); // at 0, at 60 and at 120 seconds
    /// ```
    ///
    /// # Panics
    /// Inside a batch, effect or computed, and inside of itself: a commit cannot contain others.
    pub fn advance(&self, by: Duration) {
        let frame = Frame::current();
        let outside = !frame.is_fixed() && frame.writes.refusal().is_none();
        assert!(
            outside,
            "a clock was advanced inside a batch, effect or computed, which are one revision; \
             advance it after"
        );
        self.clock.core().advance(by);
    }
}

impl Deref for ManualClock {
    type Target = Clock;

    fn deref(&self) -> &Clock {
        &self.clock
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("time", &self.time()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("time", &self.time()).finish_non_exhaustive()
    }
}

/// What the clock is to do at a deadline; dropping it calls it off.
pub(crate) struct Timer {
    key: Key,
    core: Arc<Core>,
}

impl Timer {
    pub(crate) fn at(&self) -> Duration {
        self.key.0
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.core.cancel(self.key);
    }
}

/// The one place that refuses durations of zero.
pub(crate) fn above_zero(of: &'static str, duration: Duration) -> Result<Duration, ZeroDuration> {
    if duration.is_zero() { Err(ZeroDuration { of }) } else { Ok(duration) }
}

#[track_caller]
pub(crate) fn unless_zero<T>(made: Result<T, ZeroDuration>) -> T {
    made.unwrap_or_else(|error| panic!("{error}"))
}
