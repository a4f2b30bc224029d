//! A node's observers: slots that any thread may add to and remove from under a short lock, and
//! that the marker reads without one.
//!
//! Protocol: docs/protocols/marks.md, steps M2 and T3.
//!
//! ```text
//!   inline [o|o]   more -> chunk (newest) [o|free|o|.] -> chunk [o|o] -> null
//!                                  ^ `free`: list of removed slots, linked through the slots
//! ```
//! A removed slot holds the address of the next removed one, tagged by its lowest bit; the
//! marker skips tagged and null slots. Chunks live as long as the node.

use super::node::Node;
use crate::sync::{Acquire, AtomicPtr, AtomicUsize, Mutex, Relaxed, Release, UnsafeCell};
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
    more: AtomicPtr<Chunk>,
    /// Guards adding and removing; counts the observers.
    live: Mutex<u32>,
}

#[derive(Debug)]
struct Chunk {
    next: *mut Chunk,
    /// Slots in use from the front; the marker looks no further.
    used: AtomicUsize,
    /// First removed slot of this and older chunks; under the lock.
    free: UnsafeCell<*const Slot>,
    slots: Box<[Slot]>,
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
            live: Mutex::new(0),
        }
    }

    /// Adds an observer. The caller's fence orders the slot before its look at the stamps.
    pub(crate) fn add(&self, node: NonNull<Node>) -> SlotRef {
        let mut live = self.live.lock();
        *live += 1;
        let slot = self.free_slot();
        // Release: the marker that finds the observer sees it initialised; pairs with `each`.
        slot.store(node.as_ptr(), Release);
        SlotRef(NonNull::from(slot))
    }

    /// A slot nobody uses; the lock must be held.
    fn free_slot(&self) -> &Slot {
        // Relaxed: slots change under the lock only.
        if let Some(slot) = self.inline.iter().find(|slot| slot.load(Relaxed).is_null()) {
            return slot;
        }
        // Relaxed: changed under the lock only.
        let newest = self.more.load(Relaxed);
        // SAFETY: chunks live as long as the node.
        if let Some(slot) = unsafe { newest.as_ref() }.and_then(Chunk::free_slot) {
            // SAFETY: a slot of one of the node's chunks.
            return unsafe { &*slot };
        }
        let chunk = NonNull::from(Box::leak(Chunk::after(newest)));
        // Release: pairs with the Acquire in `each`.
        self.more.store(chunk.as_ptr(), Release);
        // SAFETY: just made, and lives as long as the node.
        let slot = unsafe { chunk.as_ref() }.free_slot().expect("a new chunk is empty");
        // SAFETY: a slot of one of the node's chunks.
        unsafe { &*slot }
    }

    /// # Safety
    /// `slot` must come from `add` on this list and not have been removed since.
    pub(crate) unsafe fn remove(&self, slot: SlotRef) {
        let mut live = self.live.lock();
        *live -= 1;
        // SAFETY: the caller's duty; slots live as long as the node.
        let slot = unsafe { slot.0.as_ref() };
        if self.inline.iter().any(|inline| std::ptr::eq(inline, slot)) {
            // Relaxed: whether the marker still sees the observer makes no difference.
            return slot.store(null_mut(), Relaxed);
        }
        // Relaxed: changed under the lock only; a slot outside of the node proves a chunk.
        let newest = self.more.load(Relaxed);
        // SAFETY: chunks live as long as the node.
        let newest = unsafe { &*newest };
        newest.free.with_mut(|free| {
            // SAFETY: the cell is guarded by the lock.
            let free = unsafe { &mut *free };
            // Relaxed: as above.
            slot.store(tagged(*free), Relaxed);
            *free = slot;
        });
    }

    /// Calls `f` with every observer. The pointers are as good as the caller's pin.
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
            at = chunk.next;
        }
    }

    /// Is there any observer? Looks at no node, so it needs no pin.
    pub(crate) fn any(&self) -> bool {
        let mut any = false;
        self.each(|_| any = true);
        any
    }

    pub(crate) fn live(&self) -> u32 {
        *self.live.lock()
    }
}

impl Chunk {
    fn after(next: *mut Chunk) -> Box<Self> {
        // SAFETY: chunks live as long as the node.
        let size = match unsafe { next.as_ref() } {
            Some(before) => (before.slots.len() * 2).min(LARGEST_CHUNK),
            None => FIRST_CHUNK,
        };
        let slots = (0..size).map(|_| Slot::new(null_mut())).collect();
        Box::new(Self {
            next,
            used: AtomicUsize::new(0),
            free: UnsafeCell::new(std::ptr::null()),
            slots,
        })
    }

    /// The lock must be held.
    fn free_slot(&self) -> Option<*const Slot> {
        let removed = self.free.with_mut(|free| {
            // SAFETY: the cell is guarded by the lock.
            let free = unsafe { &mut *free };
            // SAFETY: removed slots live as long as the node.
            let slot = unsafe { free.as_ref() }?;
            // Relaxed: changed under the lock only.
            *free = untagged(slot.load(Relaxed));
            Some(std::ptr::from_ref(slot))
        });
        if removed.is_some() {
            return removed;
        }
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
            at = chunk.next;
        }
    }
}
