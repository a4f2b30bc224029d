//! A node's observers: slots that any thread may add to and remove from under a short lock, and
//! that the marker reads without one.
//!
//! Protocol: docs/protocols/marks.md, steps M2 and T3.
//!
//! ```text
//!   inline [o]   more -> chunk [o|free|o] -> chunk (newest) [o|o|.] -> null
//!                                ^ `free`: list of removed slots, linked through the slots
//! ```
//! A removed slot holds the address of the next removed one, tagged by its lowest bit; the
//! marker skips tagged and null slots. Chunks live as long as the node.

use super::node::Node;
use crate::solo::Guarded;
use crate::sync::{Acquire, AtomicPtr, AtomicUsize, Relaxed, Release, UnsafeCell};
use std::ptr::{NonNull, null_mut};

const INLINE: usize = 1;
#[cfg(not(loom))]
const FIRST_CHUNK: usize = 4;
#[cfg(loom)]
const FIRST_CHUNK: usize = 1;
#[cfg(not(loom))]
const LARGEST_CHUNK: usize = 64;
#[cfg(loom)]
const LARGEST_CHUNK: usize = 2;

type Slot = AtomicPtr<Node>;

#[derive(Debug)]
pub(crate) struct Observers {
    inline: [Slot; INLINE],
    /// The oldest chunk: observers are told in the order in which they came.
    more: AtomicPtr<Chunk>,
    /// Guards adding and removing; counts the observers.
    live: Guarded<u32>,
}

#[derive(Debug)]
struct Chunk {
    next: AtomicPtr<Chunk>,
    /// Slots in use from the front; the marker looks no further.
    used: AtomicUsize,
    slots: Box<[Slot]>,
    /// Of the oldest chunk, for all: what only who adds and removes looks at; under the lock.
    list: UnsafeCell<List>,
}

#[derive(Debug)]
struct List {
    newest: *mut Chunk,
    /// First removed slot of any chunk.
    free: *const Slot,
}

/// Where an observer stands in its source's list; handed back to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotRef(NonNull<Slot>);

fn tagged(slot: *const Slot) -> *mut Node {
    slot.cast_mut().cast::<Node>().map_addr(|address| address | 1)
}

fn untagged(link: *mut Node) -> *const Slot {
    link.map_addr(|address| address & !1).cast()
}

fn observer(found: *mut Node) -> Option<NonNull<Node>> {
    NonNull::new(found).filter(|node| node.addr().get() & 1 == 0)
}

impl Observers {
    pub(crate) fn new() -> Self {
        Self {
            inline: std::array::from_fn(|_| Slot::new(null_mut())),
            more: AtomicPtr::new(null_mut()),
            live: Guarded::new(0),
        }
    }

    /// Adds an observer. The caller's fence orders the slot before its look at the stamps.
    pub(crate) fn add(&self, node: NonNull<Node>) -> SlotRef {
        self.live.with(|live| {
            *live += 1;
            let slot = self.free_slot();
            // Release: the marker that finds the observer sees it initialised; pairs with `each`.
            slot.store(node.as_ptr(), Release);
            SlotRef(NonNull::from(slot))
        })
    }

    /// A slot nobody uses; the lock must be held.
    fn free_slot(&self) -> &Slot {
        // Relaxed: slots change under the lock only.
        if let Some(slot) = self.inline.iter().find(|slot| slot.load(Relaxed).is_null()) {
            return slot;
        }
        // Relaxed: changed under the lock only.
        let oldest = self.more.load(Relaxed);
        // SAFETY: chunks live as long as the node.
        let Some(oldest) = (unsafe { oldest.as_ref() }) else {
            let chunk = Chunk::leak(FIRST_CHUNK);
            // SAFETY: just made, and lives as long as the node.
            let made = unsafe { &*chunk };
            // SAFETY: the cell is guarded by the lock.
            made.list.with_mut(|list| unsafe { (*list).newest = chunk });
            // Release: pairs with the Acquire in `each`.
            self.more.store(chunk, Release);
            return made.next_slot().expect("a new chunk is empty");
        };
        let newest = oldest.list.with_mut(|list| {
            // SAFETY: the cell is guarded by the lock.
            let list = unsafe { &mut *list };
            // SAFETY: removed slots live as long as the node.
            let Some(slot) = (unsafe { list.free.as_ref() }) else { return Err(list.newest) };
            // Relaxed: changed under the lock only.
            list.free = untagged(slot.load(Relaxed));
            Ok(slot)
        });
        let newest = match newest {
            Ok(removed) => return removed,
            // SAFETY: chunks live as long as the node.
            Err(newest) => unsafe { &*newest },
        };
        if let Some(slot) = newest.next_slot() {
            return slot;
        }
        let chunk = Chunk::leak((newest.slots.len() * 2).min(LARGEST_CHUNK));
        // Release: pairs with the Acquire in `each`.
        newest.next.store(chunk, Release);
        // SAFETY: the cell is guarded by the lock.
        oldest.list.with_mut(|list| unsafe { (*list).newest = chunk });
        // SAFETY: just made, and lives as long as the node.
        unsafe { &*chunk }.next_slot().expect("a new chunk is empty")
    }

    /// # Safety
    /// `slot` must come from `add` on this list and not have been removed since.
    pub(crate) unsafe fn remove(&self, slot: SlotRef) {
        self.live.with(|live| {
            *live -= 1;
            // SAFETY: the caller's duty; slots live as long as the node.
            let slot = unsafe { slot.0.as_ref() };
            if self.inline.iter().any(|inline| std::ptr::eq(inline, slot)) {
                // Relaxed: whether the marker still sees the observer makes no difference.
                return slot.store(null_mut(), Relaxed);
            }
            // Relaxed: changed under the lock only; a slot outside of the node proves a chunk.
            let oldest = self.more.load(Relaxed);
            // SAFETY: chunks live as long as the node.
            let oldest = unsafe { &*oldest };
            oldest.list.with_mut(|list| {
                // SAFETY: the cell is guarded by the lock.
                let list = unsafe { &mut *list };
                // Relaxed: as above.
                slot.store(tagged(list.free), Relaxed);
                list.free = slot;
            });
        });
    }

    /// Calls `f` with every observer, mostly in the order in which they came. The pointers are as
    /// good as the caller's pin.
    #[inline]
    pub(crate) fn each(&self, mut f: impl FnMut(NonNull<Node>)) {
        for slot in &self.inline {
            // Acquire: pairs with the Release in `add`.
            if let Some(node) = observer(slot.load(Acquire)) {
                f(node);
            }
        }
        // Acquire: pairs with the Release in `free_slot`.
        let mut at = self.more.load(Acquire);
        // SAFETY: chunks live as long as the node; null ends the list.
        while let Some(chunk) = unsafe { at.as_ref() } {
            // Acquire: pairs with the Release in `Chunk::free_slot`.
            for slot in &chunk.slots[..chunk.used.load(Acquire)] {
                // Acquire: pairs with the Release in `add`.
                if let Some(node) = observer(slot.load(Acquire)) {
                    f(node);
                }
            }
            // Acquire: pairs with the Release in `free_slot`.
            at = chunk.next.load(Acquire);
        }
    }

    /// Is there any observer? Looks at no node, so it needs no pin.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        // Acquire: as in `each`.
        if self.inline.iter().any(|slot| observer(slot.load(Acquire)).is_some()) {
            return true;
        }
        // Acquire: as in `each`.
        if self.more.load(Acquire).is_null() {
            return false;
        }
        let mut any = false;
        self.each(|_| any = true);
        any
    }

    pub(crate) fn live(&self) -> u32 {
        *self.live.lock()
    }
}

impl Chunk {
    fn leak(size: usize) -> *mut Self {
        Box::leak(Box::new(Self {
            next: AtomicPtr::new(null_mut()),
            used: AtomicUsize::new(0),
            slots: (0..size).map(|_| Slot::new(null_mut())).collect(),
            list: UnsafeCell::new(List { newest: null_mut(), free: std::ptr::null() }),
        }))
    }

    /// A slot that was never used; the lock must be held.
    fn next_slot(&self) -> Option<&Slot> {
        // Relaxed: changed under the lock only.
        let used = self.used.load(Relaxed);
        let slot = self.slots.get(used)?;
        // Release: pairs with the Acquire in `each`. The slot is filled after this, within the
        // same lock and before the caller's fence; until then it reads null.
        self.used.store(used + 1, Release);
        Some(slot)
    }
}

impl Drop for Observers {
    fn drop(&mut self) {
        // Relaxed: dropping is exclusive.
        let mut at = self.more.load(Relaxed);
        while !at.is_null() {
            // SAFETY: made by `Box::leak`, and freed once, here.
            let chunk = unsafe { Box::from_raw(at) };
            // Relaxed: as above.
            at = chunk.next.load(Relaxed);
        }
    }
}
