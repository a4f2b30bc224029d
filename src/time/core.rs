//! What the handles of one clock share: its timers, and who calls them.

use super::now::Timeline;
use crate::handle::batch;
use crate::structure::world::World;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What a timer does, in the batch of its deadline: it writes signals of this crate, in one graph.
pub(super) struct Due {
    pub(super) world: Arc<World>,
    pub(super) action: Box<dyn FnOnce() + Send>,
}

/// A timer's deadline, and a number that tells it from others of that deadline.
pub(super) type Key = (Duration, u64);

pub(super) struct Core {
    /// Of the system's clock: when it was made.
    start: Option<Instant>,
    state: Mutex<State>,
    /// A nearer deadline, an end, or the turn to advance.
    news: Condvar,
    timelines: Mutex<Vec<Weak<Timeline>>>,
}

#[derive(Default)]
struct State {
    /// A manual clock's time.
    time: Duration,
    timers: BTreeMap<Key, Due>,
    /// How many timers there have been.
    made: u64,
    /// The deadline whose commit is under way.
    firing: Option<Duration>,
    has_thread: bool,
    is_closed: bool,
    /// Who advances the manual clock.
    driver: Option<ThreadId>,
}

impl Core {
    pub(super) fn system() -> Arc<Self> {
        Self::new(Some(Instant::now()))
    }

    pub(super) fn manual() -> Arc<Self> {
        Self::new(None)
    }

    fn new(start: Option<Instant>) -> Arc<Self> {
        let (state, timelines) = (Mutex::default(), Mutex::default());
        Arc::new(Self { start, state, news: Condvar::new(), timelines })
    }

    pub(super) fn time(&self) -> Duration {
        self.time_in(&self.lock())
    }

    fn time_in(&self, state: &State) -> Duration {
        self.start.map_or(state.time, |start| start.elapsed())
    }

    /// The time, but before every deadline that has not been committed: what has not been told
    /// to the graphs has not happened.
    pub(super) fn told_time(&self) -> Duration {
        let state = self.lock();
        let next = state.timers.first_key_value().map(|((at, _), _)| *at);
        let next = state.firing.into_iter().chain(next).min();
        let limit = next.map_or(Duration::MAX, |at| at.saturating_sub(Duration::from_nanos(1)));
        self.time_in(&state).min(limit)
    }

    pub(super) fn schedule(self: &Arc<Self>, at: Duration, due: Due) -> Key {
        let mut state = self.lock();
        let key = (at, state.made);
        state.made += 1;
        let is_next = state.timers.first_key_value().is_none_or(|(first, _)| key < *first);
        state.timers.insert(key, due);
        if self.start.is_none() {
            return key;
        }
        if !std::mem::replace(&mut state.has_thread, true) {
            drop(state);
            self.start_thread();
        } else if is_next {
            self.news.notify_all();
        }
        key
    }

    pub(super) fn cancel(&self, key: Key) {
        let due = self.lock().timers.remove(&key);
        // Outside of the lock, for it may end a node.
        drop(due);
    }

    /// The last handle is gone, so nobody can set a timer any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let timers = std::mem::take(&mut state.timers);
        drop(state);
        self.news.notify_all();
        drop(timers);
    }

    /// The timeline of a graph; of each graph there is one.
    pub(super) fn timeline(&self, world: &Arc<World>) -> Arc<Timeline> {
        let made = Timeline::of(world);
        let mut all = self.timelines.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|timeline| timeline.strong_count() > 0);
        let living: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        let found = living.iter().position(|timeline| timeline.is_of(world));
        if found.is_none() {
            all.push(Arc::downgrade(&made));
        }
        // Before the counts, one of which may have become the last.
        drop(all);
        found.map_or(made, |found| living[found].clone())
    }

    fn timelines(&self, which: impl Fn(&Timeline) -> bool) -> Vec<Arc<Timeline>> {
        let all = self.timelines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut living: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        drop(all);
        living.retain(|timeline| which(timeline));
        living
    }

    /// Takes the timers of the earliest deadline up to `until`; its commit is now under way.
    fn take_due(&self, state: &mut State, until: Duration) -> Option<(Duration, Vec<Due>)> {
        let at =
            state.timers.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= until)?;
        let later = state.timers.split_off(&(at, u64::MAX));
        let due = std::mem::replace(&mut state.timers, later);
        state.time = state.time.max(at);
        state.firing = Some(at);
        Some((at, due.into_values().collect()))
    }

    /// One deadline: one commit in each graph it concerns, which is also told the time.
    fn fire(&self, at: Duration, all: Vec<Due>) {
        /// Also when a commit unwinds.
        struct Fired<'c>(&'c Core);
        impl Drop for Fired<'_> {
            fn drop(&mut self) {
                self.0.lock().firing = None;
            }
        }
        let _fired = Fired(self);
        let struck = self.timelines(|timeline| all.iter().any(|due| timeline.is_of(&due.world)));
        batch(|| {
            struck.iter().for_each(|timeline| timeline.strike(at));
            all.into_iter().for_each(|due| (due.action)());
        });
    }

    pub(super) fn advance(&self, by: Duration) {
        let _turn = Turn::take(self);
        let until = self.time().saturating_add(by);
        loop {
            let mut state = self.lock();
            let Some((at, due)) = self.take_due(&mut state, until) else {
                state.time = until;
                return;
            };
            drop(state);
            self.fire(at, due);
        }
    }

    fn start_thread(self: &Arc<Self>) {
        let core = self.clone();
        thread::Builder::new()
            .name("isobar-clock".into())
            .spawn(move || core.call_timers())
            .expect("the system starts a thread for a clock that has timers");
    }

    fn call_timers(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            let now = self.time_in(&state);
            if let Some((at, due)) = self.take_due(&mut state, now) {
                drop(state);
                self.fire(at, due);
                state = self.lock();
                continue;
            }
            let next = state.timers.first_key_value().map(|((at, _), _)| at.saturating_sub(now));
            state = match next {
                Some(wait) => {
                    let woken = self.news.wait_timeout(state, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread at a time advances a manual clock.
struct Turn<'c>(&'c Core);

impl<'c> Turn<'c> {
    fn take(core: &'c Core) -> Self {
        let this = thread::current().id();
        let mut state = core.lock();
        while let Some(driver) = state.driver {
            assert!(driver != this, "a clock was advanced by what its advance woke; do it after");
            state = core.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.driver = Some(this);
        Self(core)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().driver = None;
        self.0.news.notify_all();
    }
}
