//! What each thread announces to the others: that it is looking (a pin), at which revisions it
//! reads, which values it keeps.
//!
//! One record per thread, on lines of its own, never freed; the record of an ended thread serves
//! the next one. Who may draw which conclusion from it is said in `reclaim` and `holds`.

use crate::block::Header;
use crate::sync::count::AtomicU32;
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
#[derive(Debug)]
pub(crate) struct Participant {
    next: AtomicPtr<Participant>,
    taken: AtomicBool,
    /// The epoch this thread is pinned at, see `reclaim`; 0: not pinned.
    pub(crate) pinned: AtomicU64,
    pub(crate) held: [HeldSlot; HELD],
    pub(crate) kept: [AtomicPtr<Header>; KEPT],
    /// Pins inside pins.
    pub(crate) pins: Own,
    /// Which slots are in use, a bit each.
    pub(crate) held_used: Own,
    pub(crate) kept_used: Own,
}

#[derive(Debug)]
pub(crate) struct HeldSlot {
    pub(crate) graph: AtomicUsize,
    /// `NOTHING`, a revision, or a revision with `OR_NEWER`.
    pub(crate) revision: AtomicU64,
}

/// Tells threads apart that live at the same time.
pub(crate) type ThreadNumber = usize;
/// No thread's number.
pub(crate) const NOBODY: ThreadNumber = 0;

impl Participant {
    pub(crate) fn number(&self) -> ThreadNumber {
        std::ptr::from_ref(self).addr()
    }

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
            pins: Own::new(),
            held_used: Own::new(),
            kept_used: Own::new(),
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

/// A number of the owner's own, which nobody else reads; atomic only because records are shared.
#[derive(Debug)]
pub(crate) struct Own(AtomicU32);

impl Own {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // Relaxed: of this thread, or of one whose end it has acquired.
        self.0.load(Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u32) {
        // Relaxed: as in `get`.
        self.0.store(value, Relaxed);
    }
}

crate::sync::per_thread! {
    static CURRENT: Cell<Option<&'static Participant>> = Cell::new(None);
    static LEAVING: Leaving = Leaving(Cell::new(None));
}

/// Gives a thread's record back at its end.
struct Leaving(Cell<Option<&'static Participant>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(participant) = self.0.take() {
            let _ = CURRENT.try_with(|current| current.set(None));
            // Release: pairs with the Acquire in `join`.
            participant.taken.store(false, Release);
        }
    }
}

/// This thread's record.
#[inline]
pub(crate) fn current() -> &'static Participant {
    match CURRENT.try_with(Cell::get) {
        Ok(Some(participant)) => participant,
        _ => enter(),
    }
}

/// The first use by a thread; or one by the destructor of a thread-local value that outlives
/// ours, whose record is not given back: it costs a few hundred bytes.
#[cold]
fn enter() -> &'static Participant {
    let participant = registry().join();
    let _ = CURRENT.try_with(|current| current.set(Some(participant)));
    let _ = LEAVING.try_with(|leaving| leaving.0.set(Some(participant)));
    participant
}

/// Takes one of `slots` slots, if one is free.
#[inline]
pub(crate) fn take_slot(used: &Own, slots: usize) -> Option<usize> {
    let index = used.get().trailing_ones() as usize;
    (index < slots).then(|| {
        used.set(used.get() | 1 << index);
        index
    })
}

#[inline]
pub(crate) fn free_slot(used: &Own, index: usize) {
    used.set(used.get() & !(1 << index));
}
