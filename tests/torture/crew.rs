//! Threads that start together, and gates at which user code can be made to stall.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Runs `work(0)` to `work(n - 1)` on threads of their own, begun together; the results in order.
/// A panic in one of them is raised again here, after all have ended.
pub(crate) fn crew<R: Send>(n: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(n);
    let member = |index: usize| {
        start.wait();
        work(index)
    };
    thread::scope(|scope| {
        let begin = |index: usize| {
            let member = &member;
            let named = thread::Builder::new().name(format!("crew {index}"));
            let thread = named.spawn_scoped(scope, move || member(index));
            thread.expect("the system gives one more thread")
        };
        let threads: Vec<_> = (0..n).map(begin).collect();
        let ends: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        ends.into_iter().map(|end| end.unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    })
}

/// A barrier that spins: threads leave it within nanoseconds of one another, where those woken by
/// the
/// system come one after the other and never race.
pub(crate) struct Meeting {
    members: u64,
    arrivals: AtomicU64,
}

impl Meeting {
    pub(crate) fn of(members: usize) -> Meeting {
        Meeting { members: members as u64, arrivals: AtomicU64::new(0) }
    }

    pub(crate) fn wait(&self) {
        let mine = self.arrivals.fetch_add(1, Ordering::AcqRel);
        let complete = (mine / self.members + 1) * self.members;
        let mut spins = 0;
        while self.arrivals.load(Ordering::Acquire) < complete {
            spins += 1;
            if spins % 256 == 0 { thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// Counts what readers do while `writers` are at work: readers go on until the last writer has left
/// and they have made `least` rounds themselves, so that no run passes without having looked.
pub(crate) struct Shift {
    writers: AtomicU64,
    least: u64,
}

/// A writer's presence; leaving, also by a panic, lets the readers end.
pub(crate) struct Writing<'a>(&'a Shift);

impl Shift {
    pub(crate) fn new(writers: usize, least: u64) -> Shift {
        Shift { writers: AtomicU64::new(writers as u64), least }
    }

    pub(crate) fn writing(&self) -> Writing<'_> {
        Writing(self)
    }

    pub(crate) fn goes_on(&self, rounds: u64) -> bool {
        rounds < self.least || self.writers.load(Ordering::Acquire) > 0
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A door in user code. The first caller that passes after it was `shut` stays inside until it is
/// opened; others walk through.
#[derive(Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    state: Mutex<GateState>,
    moved: Condvar,
}

#[derive(Default)]
struct GateState {
    inside: bool,
    open: bool,
}

impl Gate {
    /// The next to pass will be held.
    pub(crate) fn shut(&self) {
        *self.state() = GateState::default();
        self.shut.store(true, Ordering::Release);
    }

    /// Called by the user code under test.
    pub(crate) fn pass(&self) {
        if !self.shut.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = self.state();
        state.inside = true;
        self.moved.notify_all();
        while !state.open {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until somebody is held.
    pub(crate) fn await_held(&self) {
        let mut state = self.state();
        while !state.inside {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        let state = self.state();
        state.inside && !state.open
    }

    /// Lets go whoever is held, now or later.
    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::Release);
        self.state().open = true;
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the gate when the test leaves, also by a panic, so that nobody is held for ever.
pub(crate) struct Opening<'a>(pub &'a Gate);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}
