//! Waiting for what other threads make true.

use crate::participants::{self, Participant};
use crate::seeded::{Bug, seeded};
use crate::solo::{fence, fence_of};
use crate::sync::{AtomicUsize, Condvar, Mutex, Relaxed, wait_for};

/// Waiting for a condition that other threads make true: register, check again, park.
#[derive(Debug)]
pub(crate) struct Event {
    waiters: AtomicUsize,
    lock: Mutex<()>,
    condvar: Condvar,
}

impl Event {
    pub(crate) fn new() -> Self {
        Self { waiters: AtomicUsize::new(0), lock: Mutex::new(()), condvar: Condvar::new() }
    }

    /// Returns when `ready` does, or false once `deadline` has passed.
    ///
    /// `ready` runs under this event's lock and must not run user code or notify.
    pub(crate) fn wait(
        &self,
        deadline: Option<std::time::Instant>,
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        // Relaxed: the fence below orders the registration before the check.
        self.waiters.fetch_add(1, Relaxed);
        if !seeded(Bug::NoWaitFence) {
            // Pairs with the fence in `notify`: either it sees this waiter, or `ready` sees its
            // news.
            fence();
        }
        let mut guard = self.lock.lock();
        let done = loop {
            if ready() {
                break true;
            }
            if deadline.is_some_and(|at| std::time::Instant::now() >= at) {
                break false;
            }
            wait_for(&self.condvar, &mut guard, deadline);
        };
        drop(guard);
        // Relaxed: a stale count costs a needless notification.
        self.waiters.fetch_sub(1, Relaxed);
        done
    }

    /// Wakes every waiter; the news must have been stored before the call.
    pub(crate) fn notify(&self) {
        self.notify_of(participants::current());
    }

    /// The same for who knows this thread's participant.
    #[inline]
    pub(crate) fn notify_of(&self, me: &Participant) {
        if !seeded(Bug::NotifyUnfenced) {
            // Pairs with the fence in `wait`.
            fence_of(me);
        }
        self.notify_unfenced();
    }

    /// The same without the fence: may miss a waiter that registers at this moment, so a fenced
    /// `notify` must follow later.
    #[inline]
    pub(crate) fn notify_unfenced(&self) {
        // Relaxed: see `wait`; the count is only a hint whether to take the lock.
        if self.waiters.load(Relaxed) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // The empty section orders this wake-up after a waiter's check and before its sleep.
        drop(self.lock.lock());
        self.condvar.notify_all();
    }
}
