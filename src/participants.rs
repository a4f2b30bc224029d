//! What each thread announces to the others: that it is looking (a pin), at which revisions it
//! reads, which values it keeps.
//!
//! One record per thread, on lines of its own, never freed; the record of an ended thread serves
//! the next one. Who may draw which conclusion from it is said in `reclaim` and `holds`.

use crate::barrier;
use crate::block::Header;
use crate::seeded::{Bug, seeded};
use crate::sync::count::AtomicU32;
use crate::sync::{
    Acquire, AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Mutex, Relaxed, Release, Spin,
};
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
    /// A worker's, between two jobs: nobody's for the while. Written under the registry's lock.
    resting: AtomicBool,
    /// Is it the only one? Written under the registry's lock; see `solo`.
    pub(crate) solo: AtomicBool,
    /// Is the solo thread between two steps that nobody may see?
    pub(crate) busy: AtomicBool,
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
            resting: AtomicBool::new(false),
            solo: AtomicBool::new(false),
            busy: AtomicBool::new(false),
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
pub(crate) struct Registry {
    newest: AtomicPtr<CachePadded<Participant>>,
    /// Held while a thread comes or goes.
    door: Mutex<()>,
}

#[cfg(not(loom))]
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: Registry =
        Registry { newest: AtomicPtr::new(null_mut()), door: Mutex::new(()) };
    &REGISTRY
}

#[cfg(loom)]
pub(crate) fn registry() -> impl std::ops::Deref<Target = Registry> {
    loom::lazy_static! {
        static ref REGISTRY: Registry =
            Registry { newest: AtomicPtr::new(null_mut()), door: Mutex::new(()) };
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
        let mut at = self.newest.load(Acquire).cast::<Participant>();
        // SAFETY: participants are never freed; null ends the list.
        while let Some(participant) = unsafe { at.as_ref() } {
            f(participant);
            // Relaxed: written before the participant was published.
            at = participant.next.load(Relaxed);
        }
    }

    /// Lets a thread in, and ends the solo of the one that was alone (docs/protocols/solo.md).
    /// `rested`: the record of a worker that comes back.
    fn enter(&self, rested: Option<&'static Participant>) -> &'static Participant {
        if !barrier::is_available() {
            return rested.unwrap_or_else(|| self.join());
        }
        let _door = self.door.lock();
        self.end_solo();
        let participant = rested.unwrap_or_else(|| self.join());
        // Relaxed: under the lock.
        participant.resting.store(false, Relaxed);
        self.begin_solo();
        participant
    }

    /// Lets a worker rest; whoever is left alone is solo.
    #[cfg(not(loom))]
    fn rest(&self, participant: &Participant) {
        let _door = self.door.lock();
        // Relaxed: under the lock.
        participant.solo.store(false, Relaxed);
        // Relaxed: as above.
        participant.resting.store(true, Relaxed);
        self.begin_solo();
    }

    /// Afterwards nobody is solo, and all that was done solo is visible.
    fn end_solo(&self) {
        self.each(|participant| {
            // Relaxed: written under the lock only.
            if !participant.solo.load(Relaxed) {
                return;
            }
            // Release: pairs with the Acquire in `plainly`.
            participant.solo.store(false, Release);
            // Pairs with `light` in `fence` and `plainly`: what was stored before is seen by this
            // thread, what is looked at after sees this thread's stores (claims O1, O2).
            if !seeded(Bug::SoloNoBarrier) && !barrier::heavy() {
                // Release: as in `begin_solo`. Nothing has ended; whoever tries again fails, too.
                participant.solo.store(true, Release);
                panic!("the system refuses the membarrier that it had registered: allow it");
            }
            let spin = Spin::default();
            // Acquire: pairs with the Release in `plainly`.
            while participant.busy.load(Acquire) && !seeded(Bug::SoloBusyIgnored) {
                spin.turn();
            }
        });
    }

    fn begin_solo(&self) {
        let mut taken = None;
        let mut others = false;
        self.each(|participant| {
            // Relaxed: written under the lock only.
            if participant.taken.load(Relaxed) && !participant.resting.load(Relaxed) {
                others |= taken.replace(NonNull::from(participant)).is_some();
            }
        });
        if let Some(alone) = taken.filter(|_| !others) {
            // Release: all that those before did is visible to the one that is left; pairs with
            // the Acquire in `plainly`.
            // SAFETY: never freed.
            unsafe { alone.as_ref() }.solo.store(true, Release);
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
        let mut head = self.newest.load(Relaxed);
        loop {
            // Relaxed: published by the exchange.
            fresh.next.store(head.cast(), Relaxed);
            // Release: pairs with the Acquire in `each`.
            match self.newest.compare_exchange(head, fresh, Release, Relaxed) {
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
    static RESTED: Cell<Option<&'static Participant>> = Cell::new(None);
}

/// Runs a job of the pool's, after which the thread is no participant until its next; unless it was
/// one before: then the job was taken in the middle of something, which goes on as a participant.
#[cfg(not(loom))]
pub(crate) fn at_work<R>(job: impl FnOnce() -> R) -> R {
    /// Does the thread rest after the job?
    struct Job(bool);
    impl Drop for Job {
        fn drop(&mut self) {
            let me = CURRENT.with(Cell::get);
            let idle = |me: &&Participant| {
                me.pins.get() == 0 && me.held_used.get() == 0 && me.kept_used.get() == 0
            };
            if let (true, Some(me)) = (self.0, me.filter(idle))
                && barrier::is_available()
            {
                CURRENT.with(|current| current.set(None));
                RESTED.with(|rested| rested.set(Some(me)));
                registry().rest(me);
            }
        }
    }
    let _job = Job(CURRENT.with(Cell::get).is_none());
    job()
}

/// Gives a thread's record back at its end.
struct Leaving(Cell<Option<&'static Participant>>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(participant) = self.0.take() {
            let _ = CURRENT.try_with(|current| current.set(None));
            #[cfg(not(loom))]
            leave(participant);
            // Release: pairs with the Acquire in `join`. No registry can be reached here.
            #[cfg(loom)]
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

/// Lets a thread out; whoever is left alone is solo.
fn leave(participant: &Participant) {
    let registry = registry();
    let _door = registry.door.lock();
    // Relaxed: under the lock.
    participant.solo.store(false, Relaxed);
    // Release: pairs with the Acquire in `join`.
    participant.taken.store(false, Release);
    if barrier::is_available() {
        registry.begin_solo();
    }
}

/// Lets this thread out before its end, when it cannot reach the registry any more; its next use
/// of a graph would let it in again.
#[cfg(loom)]
pub fn leave_now() {
    if let Some(participant) = LEAVING.with(|leaving| leaving.0.take()) {
        CURRENT.with(|current| current.set(None));
        leave(participant);
    }
}

/// The first use by a thread; or one by the destructor of a thread-local value that outlives
/// ours, whose record is not given back: it costs a few hundred bytes.
#[cold]
fn enter() -> &'static Participant {
    let rested = RESTED.try_with(Cell::take).ok().flatten();
    let participant = registry().enter(rested);
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
