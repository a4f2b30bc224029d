//! What each thread announces to the others: that it is looking (a pin), at which revisions it
//! reads, which values it keeps.
//!
//! One record per thread, on lines of its own, never freed; the record of an ended thread serves
//! the next one. Who may draw which conclusion from it is said in `reclaim` and `holds`.

use crate::block::Header;
use crate::sync::{Acquire, AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Relaxed, Release};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

/// Holds per thread before the shared list is used: one for each graph nested in another.
pub(crate) const HELD: usize = if cfg!(loom) { 2 } else { 4 };
/// Kept values per thread before counting is used: one for each `with` inside another.
pub(crate) const KEPT: usize = if cfg!(loom) { 2 } else { 4 };
pub(crate) const NOTHING: u64 = u64::MAX;
/// In `HeldSlot::revision`: the thread is about to read at this revision or a newer one.
pub(crate) const OR_NEWER: u64 = 1 << 63;

/// One thread's announcements.
pub(crate) struct Participant {
    next: AtomicPtr<Participant>,
    taken: AtomicBool,
    /// The epoch this thread is pinned at, see `reclaim`; 0: not pinned.
    pub(crate) pinned: AtomicU64,
    pub(crate) held: [HeldSlot; HELD],
    pub(crate) kept: [AtomicPtr<Header>; KEPT],
}

pub(crate) struct HeldSlot {
    pub(crate) graph: AtomicUsize,
    /// `NOTHING`, a revision, or a revision with `OR_NEWER`.
    pub(crate) revision: AtomicU64,
}

impl Participant {
    fn new() -> Self {
        Self {
            next: AtomicPtr::new(null_mut()),
            taken: AtomicBool::new(true),
            pinned: AtomicU64::new(0),
            held: std::array::from_fn(|_| HeldSlot {
                graph: AtomicUsize::new(0),
                revision: AtomicU64::new(NOTHING),
            }),
            kept: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
        }
    }
}

/// All participants of the process, newest first.
pub(crate) struct Registry(AtomicPtr<CachePadded<Participant>>);

#[cfg(not(loom))]
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: Registry = Registry(AtomicPtr::new(null_mut()));
    &REGISTRY
}

#[cfg(loom)]
pub(crate) fn registry() -> impl std::ops::Deref<Target = Registry> {
    loom::lazy_static! {
        static ref REGISTRY: Registry = Registry(AtomicPtr::new(null_mut()));
    }
    struct Static;
    impl std::ops::Deref for Static {
        type Target = Registry;
        fn deref(&self) -> &Registry {
            &REGISTRY
        }
    }
    Static
}

impl Registry {
    pub(crate) fn each(&self, mut f: impl FnMut(&Participant)) {
        // Acquire: pairs with the Release of `join`; the participant is initialised.
        let mut at = self.0.load(Acquire).cast::<Participant>();
        // SAFETY: participants are never freed; null ends the list.
        while let Some(participant) = unsafe { at.as_ref() } {
            f(participant);
            // Relaxed: written before the participant was published.
            at = participant.next.load(Relaxed);
        }
    }

    fn join(&self) -> &'static Participant {
        let mut free = None;
        self.each(|participant| {
            // Acquire: pairs with the Release at the former owner's end.
            if free.is_none()
                && participant.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok()
            {
                free = Some(NonNull::from(participant));
            }
        });
        if let Some(participant) = free {
            // SAFETY: never freed.
            return unsafe { participant.as_ref() };
        }
        let fresh = Box::leak(Box::new(CachePadded::new(Participant::new())));
        // Relaxed: the exchange below decides.
        let mut head = self.0.load(Relaxed);
        loop {
            // Relaxed: published by the exchange.
            fresh.next.store(head.cast(), Relaxed);
            // Release: pairs with the Acquire in `each`.
            match self.0.compare_exchange(head, fresh, Release, Relaxed) {
                Ok(_) => return fresh,
                Err(found) => head = found,
            }
        }
    }
}

pub(crate) struct Local {
    pub(crate) participant: &'static Participant,
    /// Pins inside pins.
    pub(crate) pins: Cell<u32>,
    /// Which slots are in use, a bit each.
    pub(crate) held: Cell<u8>,
    pub(crate) kept: Cell<u8>,
}

impl Drop for Local {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `join`.
        self.participant.taken.store(false, Release);
    }
}

crate::sync::thread_local! {
    pub(crate) static LOCAL: Local = Local {
        participant: registry().join(),
        pins: Cell::new(0),
        held: Cell::new(0),
        kept: Cell::new(0),
    };
}

pub(crate) fn free_slot(used: &Cell<u8>, slots: usize) -> Option<usize> {
    let index = used.get().trailing_ones() as usize;
    (index < slots).then(|| {
        used.set(used.get() | 1 << index);
        index
    })
}
