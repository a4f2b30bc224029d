//! When memory may go: pins and grace periods. The only file that names the reclamation crate.
//!
//! A pin protects what a thread finds through shared pointers for the few nanoseconds until it
//! has made the find its own (see `holds`). Protocol: docs/protocols/reclaim.md.

#[cfg(not(loom))]
mod epoch {
    use crossbeam_epoch::{Collector, LocalHandle};
    use std::sync::LazyLock;

    /// Our own collector: what other crates defer is not ours to run, nor ours theirs.
    static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);

    thread_local! {
        static HANDLE: LocalHandle = COLLECTOR.register();
    }

    /// While it lives, nothing retired after its creation is reclaimed.
    pub(crate) type Guard = crossbeam_epoch::Guard;

    #[inline]
    pub(crate) fn pin() -> Guard {
        // A handle dropped in a thread-local destructor may come after our own.
        HANDLE.try_with(LocalHandle::pin).unwrap_or_else(|_| COLLECTOR.register().pin())
    }

    /// Runs `f`, on some thread, once every guard that lives now is gone. `f` must be short and
    /// must not run user code.
    pub(crate) fn after_grace<F: FnOnce() + Send>(guard: &Guard, f: F) {
        // SAFETY: the closures given here capture a graph by reference count and chains of
        // retired records by pointer; neither borrows from the caller.
        unsafe { guard.defer_unchecked(f) }
    }

    /// Moves grace periods along, as far as other threads' pins allow.
    pub(crate) fn hurry() {
        for _ in 0..4 {
            pin().flush();
        }
    }

    #[inline(always)]
    pub(crate) fn retired<T>(_record: *const T) {}

    #[inline(always)]
    pub(crate) fn check<T>(_record: *const T) {}
}

/// The oracle: a retired record is dead as soon as every guard that lived at its retirement is
/// gone, and touching a dead one fails the model. Records are leaked, so a failure is a report,
/// never undefined behaviour.
#[cfg(loom)]
mod oracle {
    use crate::seeded::{Bug, seeded};
    use crate::sync::{SeqCst, fence};
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock};

    #[derive(Default)]
    struct Oracle {
        next: u64,
        live: Vec<u64>,
        /// Retired record -> guards that still protect it; empty means dead.
        retired: HashMap<usize, Vec<u64>>,
    }

    static ORACLE: Mutex<Option<Oracle>> = Mutex::new(None);

    fn with<R>(f: impl FnOnce(&mut Oracle) -> R) -> R {
        f(ORACLE.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_default())
    }

    /// With the oracle off its fences are off too: they could hide a fence the code lacks.
    fn is_on() -> bool {
        static MODE: OnceLock<bool> = OnceLock::new();
        *MODE.get_or_init(|| std::env::var_os("ISOBAR_LOOM_NO_ORACLE").is_none())
    }

    /// Forgets the execution before; called at the start of each.
    pub fn reset() {
        with(|oracle| *oracle = Oracle::default());
    }

    #[derive(Debug)]
    pub(crate) struct Guard(u64);

    pub(crate) fn pin() -> Guard {
        if !is_on() || seeded(Bug::NoPin) {
            return Guard(0);
        }
        let id = with(|oracle| {
            oracle.next += 1;
            oracle.live.push(oracle.next);
            oracle.next
        });
        fence(SeqCst);
        Guard(id)
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            with(|oracle| {
                oracle.live.retain(|id| *id != self.0);
                for guards in oracle.retired.values_mut() {
                    guards.retain(|id| *id != self.0);
                }
            });
        }
    }

    pub(crate) fn after_grace<F: FnOnce() + Send>(_guard: &Guard, f: F) {
        std::mem::forget(f);
    }

    pub(crate) fn hurry() {}

    /// The record was unlinked; from here on only the guards that live now protect it.
    pub(crate) fn retired<T>(record: *const T) {
        if is_on() {
            fence(SeqCst);
            with(|oracle| {
                let live = oracle.live.clone();
                oracle.retired.insert(record as usize, live);
            });
        }
    }

    /// Fails the model if the record is dead.
    #[track_caller]
    pub(crate) fn check<T>(record: *const T) {
        if is_on() {
            let dead = with(|oracle| {
                oracle.retired.get(&(record as usize)).is_some_and(Vec::is_empty)
            });
            assert!(!dead, "use after reclaim");
        }
    }
}

#[cfg(not(loom))]
pub(crate) use epoch::*;
#[cfg(loom)]
pub use oracle::reset;
#[cfg(loom)]
pub(crate) use oracle::*;
