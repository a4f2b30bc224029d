//! When memory may go: pins, epochs and grace periods.
//!
//! A pin protects what a thread finds through shared pointers for the few nanoseconds until it
//! has made the find its own (see `holds`); no user code runs under one. What is unlinked in one
//! epoch may be freed two epochs later: by then every thread that could have found it has
//! unpinned. Protocol: docs/protocols/reclaim.md; the scheme is that of Fraser's "Practical
//! lock-freedom" (2004), with the epochs driven by whoever frees.

use crate::participants::{self, Participant, registry};
use crate::seeded::{Bug, seeded};
use crate::solo::fence;
use crate::sync::{Acquire, AtomicU64, Relaxed, Release};
use std::marker::PhantomData;

/// Epochs go 2, 4, 6 ..: a pinned epoch is never 0.
const STEP: u64 = 2;

#[cfg(not(loom))]
fn epoch() -> &'static AtomicU64 {
    static EPOCH: crossbeam_utils::CachePadded<AtomicU64> =
        crossbeam_utils::CachePadded::new(AtomicU64::new(STEP));
    &EPOCH
}

#[cfg(loom)]
fn epoch() -> impl std::ops::Deref<Target = AtomicU64> {
    loom::lazy_static! {
        static ref EPOCH: AtomicU64 = AtomicU64::new(STEP);
    }
    struct Static;
    impl std::ops::Deref for Static {
        type Target = AtomicU64;
        fn deref(&self) -> &AtomicU64 {
            &EPOCH
        }
    }
    Static
}

/// While it lives, nothing unlinked after its creation is freed. Not `Send`.
#[derive(Debug)]
pub(crate) struct Guard {
    #[cfg(loom)]
    id: u64,
    participant: &'static Participant,
    _thread: PhantomData<*const ()>,
}

/// Pins this thread.
#[inline]
pub(crate) fn pin() -> Guard {
    let participant = participants::current();
    let guard = Guard {
        #[cfg(loom)]
        id: oracle::pinned(),
        participant,
        _thread: PhantomData,
    };
    let pins = participant.pins.get();
    participant.pins.set(pins + 1);
    if pins == 0 && !seeded(Bug::NoPin) {
        // Relaxed: an older epoch than the newest holds up more than needed.
        let now = epoch().load(Relaxed);
        // Release: who finds this pin instead of the end of the one before learns as much of it;
        // pairs with `try_advance`. The fence orders the pin itself.
        participant.pinned.store(now, Release);
        if !seeded(Bug::NoPinFence) {
            // Pairs with the fence in `try_advance`: either it sees this pin, or this thread
            // sees everything unlinked before (claim R1).
            fence();
        }
    }
    guard
}

impl Guard {
    /// The pinned thread's record.
    #[inline]
    pub(crate) fn participant(&self) -> &'static Participant {
        self.participant
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        #[cfg(loom)]
        oracle::unpinned(self.id);
        let pins = self.participant.pins.get() - 1;
        self.participant.pins.set(pins);
        if pins == 0 {
            // Release: what was found was looked at before; pairs with `try_advance`.
            self.participant.pinned.store(0, Release);
        }
    }
}

/// The epoch that what was unlinked before this call belongs to.
pub(crate) fn stamp() -> u64 {
    // The unlinking comes before the epoch is read: a pin that does not see it is as old as
    // this epoch at most. Pairs with the fence in `pin`.
    fence();
    // Relaxed: ordered by the fence.
    epoch().load(Relaxed)
}

/// Is the grace period of a stamp over?
pub(crate) fn is_over(stamp: u64) -> bool {
    // Acquire: pairs with the Release of each step: all pins of the epochs before are over.
    epoch().load(Acquire) >= stamp + 2 * STEP
        || seeded(Bug::NoGrace)
        || (seeded(Bug::OneEpoch) && epoch().load(Acquire) > stamp)
}

/// Moves the epoch one step, unless some thread is still pinned at an older one.
pub(crate) fn try_advance() {
    let epoch = epoch();
    // Relaxed: the exchange decides.
    let now = epoch.load(Relaxed);
    // Pairs with the fence in `pin`.
    fence();
    let mut held_up = false;
    registry().each(|participant| {
        // Acquire: pairs with the Release of the unpin.
        let pinned = participant.pinned.load(Acquire);
        held_up |= pinned != 0 && pinned != now;
    });
    if !held_up || seeded(Bug::PinsIgnored) {
        // Release: passes on what the unpins gave; pairs with `is_over`. A lost race means
        // that somebody else made the step.
        let _ = epoch.compare_exchange(now, now + STEP, Release, Relaxed);
    }
}

#[cfg(not(loom))]
mod oracle {
    #[inline(always)]
    pub(crate) fn retired<T>(_record: *const T) {}

    #[inline(always)]
    pub(crate) fn freed<T>(_record: *const T) {}

    #[inline(always)]
    pub(crate) fn kept<T>(_record: *const T) {}

    #[inline(always)]
    pub(crate) fn unkept<T>(_record: *const T) {}

    #[inline(always)]
    pub(crate) fn check<T>(_record: *const T) {}
}

/// The oracle: a retired record is dead as soon as every guard that lived at its retirement is
/// gone and nobody keeps it, or when the epochs say so (with the oracle off, only then); touching
/// a dead one fails the model.
/// Records are never freed under loom, so a failure is a report, not undefined behaviour.
#[cfg(loom)]
mod oracle {
    use crate::sync::machine_fence;
    use std::collections::{HashMap, HashSet};
    use std::sync::{Mutex, OnceLock};

    #[derive(Default)]
    struct Oracle {
        next: u64,
        live: Vec<u64>,
        /// Retired record -> guards that still protect it; empty means dead.
        retired: HashMap<usize, Vec<u64>>,
        /// Records announced as kept, once for each announcement.
        kept: Vec<usize>,
        /// Records that the epochs gave free.
        freed: HashSet<usize>,
    }

    impl Oracle {
        fn is_dead(&self, record: usize) -> bool {
            let ended = self.retired.get(&record).is_some_and(Vec::is_empty);
            self.freed.contains(&record) || (ended && !self.kept.contains(&record))
        }
    }

    static ORACLE: Mutex<Option<Oracle>> = Mutex::new(None);

    fn with<R>(f: impl FnOnce(&mut Oracle) -> R) -> R {
        f(ORACLE.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_default())
    }

    /// With the oracle off its fence is off too: it could hide one the code lacks.
    fn is_on() -> bool {
        static MODE: OnceLock<bool> = OnceLock::new();
        *MODE.get_or_init(|| std::env::var_os("ISOBAR_LOOM_NO_ORACLE").is_none())
    }

    /// Forgets the execution before; called at the start of each.
    pub fn reset() {
        with(|oracle| *oracle = Oracle::default());
    }

    pub(super) fn pinned() -> u64 {
        if crate::seeded::seeded(crate::seeded::Bug::NoPin) {
            return 0;
        }
        with(|oracle| {
            oracle.next += 1;
            oracle.live.push(oracle.next);
            oracle.next
        })
    }

    pub(super) fn unpinned(id: u64) {
        with(|oracle| {
            oracle.live.retain(|live| *live != id);
            for guards in oracle.retired.values_mut() {
                guards.retain(|guard| *guard != id);
            }
        });
    }

    /// The record was unlinked; from here on only the guards that live now protect it.
    pub(crate) fn retired<T>(record: *const T) {
        if is_on() {
            // Pairs with the fence of each pin, as a collector's would.
            machine_fence();
            with(|oracle| {
                let live = oracle.live.clone();
                oracle.retired.insert(record as usize, live);
            });
        }
    }

    /// The epochs say that the record may be freed.
    pub(crate) fn freed<T>(record: *const T) {
        with(|oracle| oracle.freed.insert(record as usize));
    }

    /// Somebody announces that the record must stay.
    #[track_caller]
    pub(crate) fn kept<T>(record: *const T) {
        check(record);
        with(|oracle| oracle.kept.push(record as usize));
    }

    /// The announcement is over.
    pub(crate) fn unkept<T>(record: *const T) {
        with(|oracle| {
            let index = oracle.kept.iter().position(|kept| *kept == record as usize);
            oracle.kept.swap_remove(index.expect("an announcement ends once"));
        });
    }

    /// Fails the model if the record is dead.
    #[track_caller]
    pub(crate) fn check<T>(record: *const T) {
        let dead = with(|oracle| oracle.is_dead(record as usize));
        assert!(!dead, "use after reclaim");
    }
}

#[cfg(loom)]
pub use oracle::reset;
pub(crate) use oracle::{check, freed, kept, retired, unkept};
