//! What threads hold: revisions, for as long as user code reads at them, and single values, for
//! as long as user code looks at one.
//!
//! Protocol: docs/protocols/holds.md. A held revision keeps the versions it needs, a kept value
//! keeps itself; neither keeps anything else, however long the user's code takes.

use crate::block::{Header, Shared};
use crate::participants::{
    self, HELD, HeldSlot, KEPT, NOTHING, OR_NEWER, Participant, free_slot, registry, take_slot,
};
use crate::reclaim::Guard;
use crate::seeded::{Bug, seeded};
use crate::solo::{self, fence, fence_of};
use crate::sync::{Acquire, AtomicU64, Mutex, Relaxed, Release, count};
use std::ptr::{NonNull, null_mut};

/// The revisions of one graph that somebody holds beyond their thread's slots, and the scan.
#[derive(Debug)]
pub(crate) struct Holds {
    shared: Mutex<Vec<u64>>,
    /// How many entries `shared` and `followed` have; changed under their locks.
    listed: count::AtomicUsize,
    #[cfg(any(feature = "async", feature = "store"))]
    /// Nodes (by address) of which everything is held from a revision on.
    followed: Mutex<Vec<(usize, u64)>>,
}

/// A revision held by this thread; not `Send`.
#[derive(Debug)]
pub(crate) struct Held<'g> {
    me: &'static Participant,
    holds: &'g Holds,
    /// `None`: in the shared list.
    slot: Option<usize>,
    pub(crate) revision: u64,
    _thread: std::marker::PhantomData<*const ()>,
}

impl Holds {
    pub(crate) fn new() -> Self {
        Self {
            shared: Mutex::new(Vec::new()),
            listed: count::AtomicUsize::new(0),
            #[cfg(any(feature = "async", feature = "store"))]
            followed: Mutex::new(Vec::new()),
        }
    }

    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Holds the newest revision for this thread.
    #[inline]
    pub(crate) fn newest(&self, clock: &AtomicU64) -> Held<'_> {
        let participant = participants::current();
        let slot = take_slot(&participant.held_used, HELD);
        let revision = match slot {
            Some(slot) => self.announce(participant, &participant.held[slot], clock),
            None => self.share(clock),
        };
        Held { me: participant, holds: self, slot, revision, _thread: std::marker::PhantomData }
    }

    fn announce(&self, me: &Participant, held: &HeldSlot, clock: &AtomicU64) -> u64 {
        // Release: a scan that sees this graph in place of the one before sees that the reads
        // under that hold are over; pairs with `scan`.
        held.graph.store(self.id(), Release);
        // Relaxed: a guess from below; what counts is read after the fence.
        let guess = clock.load(Relaxed);
        // Which one is not known yet, so this must keep all from here on: exact, it would keep the
        // guess and let go of what is newer, and read below.
        let at_least = if seeded(Bug::GuessExact) { guess } else { guess | OR_NEWER };
        // Release: a scan that sees the revision sees the graph.
        held.revision.store(at_least, Release);
        if !seeded(Bug::NoHoldFence) {
            // Pairs with the fence of `scan`: either the scan sees this hold, or the clock read
            // below is the scan's or newer (claim H1).
            fence_of(me);
        }
        // Acquire: pairs with the flip; all of that commit is visible.
        let revision = clock.load(Acquire);
        // Release: from here on only this one is kept; a scan that sees it sees the graph.
        held.revision.store(revision, Release);
        revision
    }

    /// Holds the newest revision for whoever has the number; undone by `unshare`.
    pub(crate) fn share(&self, clock: &AtomicU64) -> u64 {
        let mut shared = self.shared.lock();
        // Acquire: pairs with the flip. The lock orders this read after the clock of any scan
        // that did not see this entry.
        let revision = clock.load(Acquire);
        shared.push(revision);
        // Relaxed: asked by a thread that is the only one.
        self.listed.fetch_add(1, Relaxed);
        revision
    }

    /// A further hold on a revision that is held now.
    pub(crate) fn share_held(&self, revision: u64) {
        let mut shared = self.shared.lock();
        shared.push(revision);
        // Relaxed: as in `share`.
        self.listed.fetch_add(1, Relaxed);
    }

    pub(crate) fn unshare(&self, revision: u64) {
        let mut shared = self.shared.lock();
        if let Some(index) = shared.iter().position(|held| *held == revision) {
            shared.swap_remove(index);
            // Relaxed: as in `share`.
            self.listed.fetch_sub(1, Relaxed);
        }
    }

    /// Is this thread solo, with `own` revisions held and nothing else held or kept anywhere? Then
    /// a value that is replaced, and not exact at these revisions, is nobody's (claim O3 of
    /// docs/protocols/solo.md).
    #[inline]
    pub(crate) fn is_lone(&self, me: &Participant, own: u32) -> bool {
        solo::is_solo(me)
            && me.held_used.get().count_ones() == own
            && (me.kept_used.get() == 0 || seeded(Bug::LoneIgnoresKept))
            // Relaxed: changed by this thread, or by one whose end it has acquired.
            && self.listed.load(Relaxed) == 0
    }

    /// What is followed, in `into`. As with `scan`, what is missing begins at `clock`'s value from
    /// before the call, or later.
    pub(crate) fn scan_followed(&self, into: &mut Vec<(usize, u64)>) {
        into.clear();
        #[cfg(any(feature = "async", feature = "store"))]
        into.extend_from_slice(&self.followed.lock());
    }

    /// Every held revision, in `into`, sorted; returns the revision from which on all are to be
    /// treated as held, for threads that are about to read. A hold that is missing reads at least
    /// `clock`'s value from before the call.
    pub(crate) fn scan(&self, into: &mut Vec<u64>) -> u64 {
        into.clear();
        let mut or_newer = u64::MAX;
        // Pairs with the fence of `newest`, see there.
        fence();
        registry().each(|participant| {
            for slot in &participant.held {
                // Acquire: pairs with the Release in `newest` and in `Held::drop`.
                let revision = slot.revision.load(Acquire);
                // Acquire: pairs with the Release in `newest`; also what was read for the graph
                // before is over.
                if revision == NOTHING || slot.graph.load(Acquire) != self.id() {
                    continue;
                }
                if revision & OR_NEWER == 0 {
                    into.push(revision);
                } else {
                    or_newer = or_newer.min(revision & !OR_NEWER);
                }
            }
        });
        into.extend_from_slice(&self.shared.lock());
        into.sort_unstable();
        or_newer
    }
}

impl Held<'_> {
    /// The thread that holds.
    #[inline]
    pub(crate) fn me(&self) -> &'static Participant {
        self.me
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(slot) = self.slot else {
            return self.holds.unshare(self.revision);
        };
        let participant = self.me;
        // Release: what was read under this hold was read before; pairs with `scan`.
        participant.held[slot].revision.store(NOTHING, Release);
        free_slot(&participant.held_used, slot);
    }
}

/// A value that stays while this lives; two words, so that it travels in registers.
#[derive(Debug)]
pub(crate) struct Kept {
    block: NonNull<Header>,
    by: Keeping,
    _thread: std::marker::PhantomData<*const ()>,
}

/// What keeps a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Keeping(u8);

impl Keeping {
    /// A revision the reader holds for longer than this.
    const REVISION: Self = Self(u8::MAX);
    /// A count.
    const COUNT: Self = Self(u8::MAX - 1);

    /// This thread's slot.
    fn slot(index: usize) -> Self {
        debug_assert!(index < KEPT, "a thread has few slots");
        Self(index as u8)
    }
}

impl Kept {
    #[inline]
    fn new(block: NonNull<Header>, by: Keeping) -> Self {
        Self { block, by, _thread: std::marker::PhantomData }
    }

    /// Keeps a block found under `guard` beyond the guard's life.
    #[inline]
    pub(crate) fn found(guard: &Guard, block: NonNull<Header>) -> Self {
        let participant = guard.participant();
        match take_slot(&participant.kept_used, KEPT) {
            Some(slot) => {
                // Release: the reclaimer learns of it through the end of the pin, whose grace
                // period comes before its look at the kept values (claim H3).
                participant.kept[slot].store(block.as_ptr(), Release);
                crate::reclaim::kept(block.as_ptr());
                Self::new(block, Keeping::slot(slot))
            }
            // SAFETY: the pin protects the block, so the graph's count is still there.
            None => Self::counted(unsafe { Shared::retain(block) }),
        }
    }

    pub(crate) fn counted(shared: Shared) -> Self {
        Self::new(shared.into_raw(), Keeping::COUNT)
    }

    /// # Safety
    /// The caller must hold a revision for which the block is kept, for longer than this lives.
    #[inline]
    pub(crate) unsafe fn by_revision(block: NonNull<Header>) -> Self {
        Self::new(block, Keeping::REVISION)
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        if self.by != Keeping::COUNT {
            crate::reclaim::check(self.block.as_ptr());
        }
        // SAFETY: kept alive, one way or another, by `by`.
        unsafe { self.block.as_ref() }
    }

    /// A count of one's own.
    pub(crate) fn share(&self) -> Shared {
        // SAFETY: kept alive while `self` lives.
        unsafe { Shared::retain(self.block) }
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        if self.by == Keeping::REVISION {
            crate::reclaim::check(self.block.as_ptr());
        } else if self.by == Keeping::COUNT {
            // SAFETY: `counted` gave the count away.
            drop(unsafe { Shared::from_raw(self.block) });
        } else {
            crate::reclaim::check(self.block.as_ptr());
            crate::reclaim::unkept(self.block.as_ptr());
            let slot = usize::from(self.by.0);
            // `Kept` is not `Send`, so this is the thread that took the slot.
            let participant = participants::current();
            // Release: the value was looked at before; pairs with `kept_blocks`.
            participant.kept[slot].store(null_mut(), Release);
            free_slot(&participant.kept_used, slot);
        }
    }
}

/// The blocks that some thread keeps in a slot, in `into`, sorted.
pub(crate) fn kept_blocks(into: &mut Vec<*mut Header>) {
    into.clear();
    registry().each(|participant| {
        for slot in &participant.kept {
            // Acquire: pairs with the Release in `Kept::drop`: the look at the value is over.
            let block = slot.load(Acquire);
            if !block.is_null() {
                into.push(block);
            }
        }
    });
    into.sort_unstable();
}

#[cfg(any(feature = "async", feature = "store"))]
pub(crate) use follower::Follower;

#[cfg(any(feature = "async", feature = "store"))]
mod follower {
    use crate::structure::node::Node;
    use crate::structure::world::World;
    use crate::sync::{Acquire, Relaxed};
    use std::sync::Arc;

    /// Holds every version of one signal from a revision on; for who must miss none.
    #[derive(Debug)]
    pub(crate) struct Follower {
        world: Arc<World>,
        /// The node's address; `None`: ended. Whoever follows counts the node.
        node: Option<usize>,
        from: u64,
    }

    impl Follower {
        /// Follows from the newest revision on. The caller counts `node` for as long.
        pub(crate) fn new(world: &Arc<World>, node: &Node) -> Self {
            let node = std::ptr::from_ref(node) as usize;
            let mut followed = world.holds.followed.lock();
            // Acquire: pairs with the flip. The lock orders this read after the clock of any scan
            // that did not see this entry.
            let from = world.clock.load(Acquire);
            followed.push((node, from));
            // Relaxed: as in `share`.
            world.holds.listed.fetch_add(1, Relaxed);
            drop(followed);
            Self { world: world.clone(), node: Some(node), from }
        }

        pub(crate) fn from(&self) -> u64 {
            self.from
        }

        /// Needs nothing before `revision` any more.
        pub(crate) fn advance(&mut self, revision: u64) {
            self.replace(Some(revision.max(self.from)));
        }

        /// Needs nothing any more.
        pub(crate) fn end(&mut self) {
            self.replace(None);
            self.node = None;
        }

        fn replace(&mut self, next: Option<u64>) {
            let Some(node) = self.node else { return };
            let mut followed = self.world.holds.followed.lock();
            if let Some(index) = followed.iter().position(|entry| *entry == (node, self.from)) {
                match next {
                    Some(next) => followed[index].1 = next,
                    None => {
                        followed.swap_remove(index);
                        // Relaxed: as in `share`.
                        self.world.holds.listed.fetch_sub(1, Relaxed);
                    }
                }
            }
            self.from = next.unwrap_or(self.from);
        }
    }

    impl Drop for Follower {
        fn drop(&mut self) {
            self.end();
        }
    }
}
