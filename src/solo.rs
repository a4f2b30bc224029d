//! What a thread need not pay while it is the only one that uses any graph: fences, and locked
//! instructions. Protocol: docs/protocols/solo.md.

use crate::barrier;
use crate::participants::{self, Participant};
use crate::sync::{
    Acquire, AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering, Relaxed,
    Release, count, machine_fence,
};
use std::ptr::null_mut;

/// Under loom only where a scenario asks for it: each look would be a step to explore.
#[inline(always)]
fn may_be_solo() -> bool {
    !cfg!(loom) || barrier::is_available()
}

/// A sequentially consistent fence; while this thread is solo, only the compiler's order. Who
/// ends that makes up for every fence left out (claim O1).
#[inline(always)]
pub(crate) fn fence() {
    if cfg!(loom) && !barrier::is_available() {
        // Threads that end under loom cannot ask who they are.
        return machine_fence();
    }
    fence_of(participants::current());
}

/// The same for who knows this thread's participant.
#[inline(always)]
pub(crate) fn fence_of(me: &Participant) {
    if cfg!(loom) && !barrier::is_available() {
        return machine_fence();
    }
    // What was stored before is stored before the look: who says no makes up for a yes that came
    // too early, by a barrier after it.
    barrier::light();
    if !is_solo(me) {
        machine_fence();
    }
}

/// Is this thread the only one? What decides is asked again where it matters, see `plainly`.
#[inline(always)]
pub(crate) fn is_solo(me: &Participant) -> bool {
    // Acquire: pairs with the Release of who left, in `begin_solo`: what that thread did before is
    // seen by what follows, as after the fence that is left out.
    may_be_solo() && me.solo.load(Acquire)
}

/// Runs `plain`, a read-modify-write in several plain steps, if this thread is solo and stays so
/// meanwhile; else `None`, and the caller does it in one step. No user code, no waiting inside.
#[inline(always)]
pub(crate) fn plainly<R>(me: &Participant, plain: impl FnOnce() -> R) -> Option<R> {
    let plainly = Plainly::begin(me)?;
    let done = plain();
    drop(plainly);
    Some(done)
}

/// While it lives, this thread is busy, and solo.
struct Plainly<'p>(&'p Participant, bool);

impl<'p> Plainly<'p> {
    #[inline(always)]
    fn begin(me: &'p Participant) -> Option<Self> {
        // A stale no costs an instruction; a stale yes is found out below.
        if !is_solo(me) {
            return None;
        }
        // Relaxed: this thread's own. Plain steps may stand inside of others.
        let plainly = Self(me, me.busy.load(Relaxed));
        // Relaxed: ordered by the barrier.
        me.busy.store(true, Relaxed);
        // Pairs with the barrier in `end_solo`: either that sees this thread busy, and waits, or
        // this thread sees that it is no longer solo (claim O2).
        barrier::light();
        // Acquire: pairs with the Release in `begin_solo`.
        me.solo.load(Acquire).then_some(plainly)
    }
}

impl Drop for Plainly<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: who waited sees what was stored; pairs with `end_solo`.
        self.0.busy.store(self.1, Release);
    }
}

/// What a lock guards, without the lock for a thread that is solo. Whoever gets at it is a
/// participant, so nobody does while another thread is solo (claim O2).
#[derive(Debug, Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs `f`, which must run no user code, wait for nothing, and not come back here.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let me = participants::current();
        #[cfg(not(loom))]
        if let Some(_plainly) = Plainly::begin(me) {
            // SAFETY: the one participant there is: who comes waits until this is done, and a
            // guard of this thread's own is not held, for `f` does not come back here.
            return f(unsafe { &mut *self.0.data_ptr() });
        }
        let _ = me;
        f(&mut self.0.lock())
    }

    /// The lock itself, for what is rare or takes its time.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        // From here on nobody else is solo.
        participants::current();
        self.0.lock()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// Stores `new` if the word is `old`; false if it is not.
#[inline(always)]
pub(crate) fn exchange(
    me: &Participant,
    word: &AtomicU64,
    old: u64,
    new: u64,
    order: Ordering,
) -> bool {
    // Relaxed: only a hint that spares the exchange; solo, this thread's own store or one it has
    // acquired.
    if word.load(Relaxed) != old {
        return false;
    }
    plainly(me, || {
        // Relaxed: as above; who ends the solo sees it.
        let same = word.load(Relaxed) == old;
        if same {
            // Relaxed: as above.
            word.store(new, Relaxed);
        }
        same
    })
    // Relaxed: a failure tells nothing.
    .unwrap_or_else(|| word.compare_exchange(old, new, order, Relaxed).is_ok())
}

/// Sets a flag; false if it was set.
#[inline(always)]
pub(crate) fn take(me: &Participant, flag: &AtomicBool, order: Ordering) -> bool {
    // Relaxed: only a hint that spares the exchange.
    if flag.load(Relaxed) {
        return false;
    }
    plainly(me, || {
        // Relaxed: as in `exchange`.
        let free = !flag.load(Relaxed);
        // Relaxed: as above.
        flag.store(true, Relaxed);
        free
    })
    // Relaxed: a failure tells nothing.
    .unwrap_or_else(|| flag.compare_exchange(false, true, order, Relaxed).is_ok())
}

/// Adds to a counter for statistics.
#[inline]
pub(crate) fn add(me: &Participant, counter: &count::AtomicU64, n: u64) {
    // Relaxed: statistics.
    if plainly(me, || counter.store(counter.load(Relaxed) + n, Relaxed)).is_none() {
        // Relaxed: as above.
        counter.fetch_add(n, Relaxed);
    }
}

/// Puts `first`, the head of a list that ends at a link which `link` sets, before what is there.
#[inline]
pub(crate) fn push<T>(
    me: &Participant,
    head: &AtomicPtr<T>,
    first: *mut T,
    mut link: impl FnMut(*mut T),
) {
    // Relaxed: the exchange decides; solo, as in `exchange`.
    let pushed = plainly(me, || {
        // Relaxed: as above.
        link(head.load(Relaxed));
        // Release: pairs with the Acquire in `pull`.
        head.store(first, Release);
    });
    if pushed.is_some() {
        return;
    }
    // Relaxed: the exchange decides.
    let mut before = head.load(Relaxed);
    loop {
        link(before);
        // Release: the taker sees the links; pairs with the Acquire in `pull`.
        match head.compare_exchange(before, first, Release, Relaxed) {
            Ok(_) => return,
            Err(found) => before = found,
        }
    }
}

/// Takes a list as a whole.
#[inline]
pub(crate) fn pull<T>(me: &Participant, head: &AtomicPtr<T>) -> *mut T {
    // Relaxed: only a hint; an empty list is the common case.
    if head.load(Relaxed).is_null() {
        return null_mut();
    }
    plainly(me, || {
        // Acquire: pairs with the Release in `push`.
        let first = head.load(Acquire);
        // Relaxed: nothing is told.
        head.store(null_mut(), Relaxed);
        first
    })
    // Acquire: as above.
    .unwrap_or_else(|| head.swap(null_mut(), Acquire))
}

/// Makes of a word what `next` makes of it; returns what it was.
#[inline(always)]
pub(crate) fn change(
    me: &Participant,
    word: &AtomicU8,
    order: Ordering,
    next: impl Fn(u8) -> u8,
) -> u8 {
    plainly(me, || {
        // Acquire: as the exchange below would.
        let now = word.load(Acquire);
        // Release: as above.
        word.store(next(now), Release);
        now
    })
    .unwrap_or_else(|| {
        // Relaxed: the exchange decides.
        let mut now = word.load(Relaxed);
        loop {
            // Relaxed: a failure tells nothing.
            match word.compare_exchange_weak(now, next(now), order, Relaxed) {
                Ok(_) => return now,
                Err(found) => now = found,
            }
        }
    })
}

/// Stores `new` if the word is `old`; false if it is not.
#[inline(always)]
pub(crate) fn exchange_byte(
    me: &Participant,
    word: &AtomicU8,
    old: u8,
    new: u8,
    order: Ordering,
) -> bool {
    plainly(me, || {
        // Acquire: as the exchange below would.
        let same = word.load(Acquire) == old;
        if same {
            // Release: as above.
            word.store(new, Release);
        }
        same
    })
    // Relaxed: a failure tells nothing.
    .unwrap_or_else(|| word.compare_exchange(old, new, order, Relaxed).is_ok())
}

/// Adds 1 to a reference count, or takes 1 off; returns what it was.
#[inline(always)]
pub(crate) fn count(count: &count::AtomicU32, by: i32, order: Ordering) -> u32 {
    #[cfg(loom)]
    // Counts are std's there, and threads that end cannot ask who they are.
    return count.fetch_add(by as u32, order);
    #[cfg(not(loom))]
    plainly(participants::current(), || {
        // Acquire: as the addition below would.
        let now = count.load(Acquire);
        // Release: as above.
        count.store(now.wrapping_add_signed(by), Release);
        now
    })
    .unwrap_or_else(|| count.fetch_add(by as u32, order))
}

/// Adds 1 to a reference count that is not 0 yet; false if it is.
#[inline(always)]
pub(crate) fn count_unless_0(count: &count::AtomicU32, order: Ordering) -> bool {
    let at_once = || {
        let more = |now| if now == 0 { None } else { Some(now + 1) };
        // Relaxed: a failure tells nothing.
        count.fetch_update(order, Relaxed, more).is_ok()
    };
    #[cfg(loom)]
    // As in `count`.
    return at_once();
    #[cfg(not(loom))]
    plainly(participants::current(), || {
        // Acquire: as in `count`.
        let now = count.load(Acquire);
        if now != 0 {
            // Release: as above.
            count.store(now + 1, Release);
        }
        now != 0
    })
    .unwrap_or_else(at_once)
}
