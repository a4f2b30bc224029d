//! The node record: what every signal, computed and effect is to the engine.
//!
//! The typed part (the closure, the equality) stands behind the record in the same allocation and
//! is reached through `Kind`. Protocols: docs/protocols/marks.md for the stamps,
//! docs/protocols/lifetime.md for counts and drops.

use super::observers::{Observers, SlotRef};
use super::world::{Doomed, World};
use crate::block::memory::{self, Class, Returned};
use crate::block::{Header, Shared};
use crate::seeded::{Bug, seeded};
use crate::solo;
use crate::sync::count::{AtomicU16, AtomicU32};
use crate::sync::{AcqRel, Acquire, AtomicPtr, AtomicU8, AtomicU64, Relaxed, SeqCst, UnsafeCell};
use smallvec::SmallVec;
use std::alloc::Layout;
use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum NodeKind {
    /// A root value, set from outside.
    Signal,
    /// A cached, derived value.
    Computed,
    /// An outward action.
    Effect,
}

/// What stands behind a record. Dropping it is user code.
pub(crate) trait Payload: Send + Sync + Sized + 'static {
    const ROLE: NodeKind;

    /// A computed's function: a new value, or what it panicked with.
    fn run(&self) -> Result<Shared, Box<dyn Any + Send>>;

    /// Are two resolved blocks of the node's value type equal? User code, in a frame that refuses
    /// writes.
    fn equal(&self, old: &Header, new: &Header) -> bool;

    /// Drops what it owns; parts that others may still look at, under their pins, must own
    /// nothing and stay.
    ///
    /// # Safety
    /// Once, when only pins may know of the payload.
    unsafe fn drop_owned(this: NonNull<Self>) {
        // SAFETY: the caller's duty.
        unsafe { std::ptr::drop_in_place(this.as_ptr()) }
    }
}

/// The operations behind the record, one static per payload type.
#[derive(Debug)]
struct Kind {
    run: unsafe fn(&Node) -> Result<Shared, Box<dyn Any + Send>>,
    equal: unsafe fn(&Node, &Header, &Header) -> bool,
    drop_payload: unsafe fn(NonNull<Node>),
    memory: Class,
}

struct KindOf<P>(PhantomData<P>);

impl<P: Payload> KindOf<P> {
    const KIND: &'static Kind = &Kind {
        // SAFETY: a node of this kind has this payload.
        run: |node| unsafe { node.payload_unchecked::<P>() }.run(),
        // SAFETY: as above.
        equal: |node, old, new| unsafe { node.payload_unchecked::<P>() }.equal(old, new),
        drop_payload: drop_payload::<P>,
        memory: Class::of(Layout::new::<NodeWith<P>>()),
    };
}

/// One edge, as its observer knows it. Owns a count of the source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) node: NodeRef,
    pub(crate) slot: SlotRef,
}

pub(crate) type Sources = SmallVec<[Source; 1]>;

/// Field order is a statement about cache lines: a clean read, and whoever checks a source, looks
/// at the first alone.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Node {
    /// Signal: the newest installed version. Computed: the memo, null before the first. Written
    /// by the committer or the claim's owner.
    pub(crate) value: AtomicPtr<Header>,
    /// Computed, effect: the newest revision at which value and sources were checked. Written by
    /// the claim's owner (effect: the runner), after `value`. Only grows.
    pub(crate) verified_at: AtomicU64,
    /// The newest commit that may concern this node, for a signal the newest installed version.
    /// Written by the committer. Only grows.
    pub(crate) marked_at: AtomicU64,
    /// A mark the marker could not give: taken over from the sources by the claim's owner. Only
    /// grows. A node is clean iff neither mark is above `verified_at`.
    pub(crate) inherited_at: AtomicU64,
    /// Computed: the memo is exact from this revision to `verified_at`. Written by the claim's
    /// owner, before `value`.
    pub(crate) valid_from: AtomicU64,
    /// The chain of evaluations that owns this node's computation; 0 free.
    pub(crate) claim: AtomicU64,
    /// Not counted: the world's register keeps it while any node has contents.
    world: ManuallyDrop<Arc<World>>,
    role: NodeKind,
    /// Signal: is it in the list to trim? See `listed`.
    listed: AtomicU8,
    /// What a run costs, in units of `COST_UNIT` ns, when last measured; 0 unknown. A hint.
    cost: AtomicU16,
    /// Handles and edges.
    strong: AtomicU32,
    // The second line: what evaluations and markers need beyond that.
    /// Owned by the claim's owner, for an effect by its runner.
    pub(crate) sources: UnsafeCell<Sources>,
    pub(crate) observers: Observers,
    /// Computed, effect: the marker's list. Signal: the list of signals to trim. Owned by the
    /// commit right.
    pub(crate) next: UnsafeCell<*const Node>,
    kind: &'static Kind,
    // The third: what is rarely looked at; behind it the payload.
    /// 1 + the highest level of the sources, when they were last recorded: a hint for waves.
    pub(crate) level: AtomicU32,
    /// Place in the world's register.
    index: u32,
    pub(crate) id: u64,
    /// Where it was made.
    pub(crate) place: &'static Location<'static>,
    /// Boxed, for most nodes have none.
    name: Option<Box<Arc<str>>>,
}

/// The unit of `Node::cost`, in ns.
const COST_UNIT: u64 = 64;

// SAFETY: shared fields are atomics; each cell has the one owner its docs name; payloads are
// `Send + Sync` by the bounds of `NodeRef::new`.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

/// Values of `Node::listed`: who frees a dropped signal. Protocol: docs/protocols/lifetime.md.
pub(crate) mod listed {
    pub(crate) const NO: u8 = 0;
    pub(crate) const YES: u8 = 1;
    /// The trimmer is looking at its versions.
    pub(crate) const TRIMMED: u8 = 2;
    /// The same, and a version was superseded meanwhile: it stays listed.
    pub(crate) const AGAIN: u8 = 7;
    /// Dropped, contents not freed yet.
    pub(crate) const DEAD: u8 = 3;
    /// Dropped while trimmed: all of it is the trimmer's.
    pub(crate) const LEFT: u8 = 4;
    /// Dropped while listed, and the contents are freed: the memory is the trimmer's.
    pub(crate) const EMPTY: u8 = 5;
    /// Dropped, and no longer listed: whoever frees the contents frees the memory.
    pub(crate) const UNLISTED: u8 = 6;
}

#[repr(C)]
struct NodeWith<P> {
    node: Node,
    payload: P,
}

/// A count on a node.
#[derive(Debug)]
pub(crate) struct NodeRef(NonNull<Node>);

// SAFETY: a counted pointer to a `Send + Sync` record.
unsafe impl Send for NodeRef {}
// SAFETY: as above.
unsafe impl Sync for NodeRef {}

impl NodeRef {
    pub(crate) fn new<P: Payload>(
        world: &Arc<World>,
        value: Option<Shared>,
        name: Option<Arc<str>>,
        place: &'static Location<'static>,
        payload: P,
    ) -> Self {
        let valid_from = if value.is_some() { 0 } else { u64::MAX };
        let node = Node {
            value: AtomicPtr::new(value.map_or(null_mut(), |v| v.into_raw().as_ptr())),
            verified_at: AtomicU64::new(0),
            marked_at: AtomicU64::new(0),
            inherited_at: AtomicU64::new(0),
            valid_from: AtomicU64::new(valid_from),
            kind: KindOf::<P>::KIND,
            role: P::ROLE,
            level: AtomicU32::new(0),
            strong: AtomicU32::new(1),
            index: 0,
            cost: AtomicU16::new(0),
            listed: AtomicU8::new(listed::NO),
            claim: AtomicU64::new(0),
            observers: Observers::new(),
            sources: UnsafeCell::new(Sources::new()),
            next: UnsafeCell::new(std::ptr::null()),
            id: 0,
            place,
            name: name.map(Box::new),
            // SAFETY: a copy that is never dropped, and used while the world is kept.
            world: ManuallyDrop::new(unsafe { std::ptr::read(world) }),
        };
        let record = memory::take(KindOf::<P>::KIND.memory).cast::<NodeWith<P>>();
        // SAFETY: memory of this layout, and nobody else's.
        unsafe { record.write(NodeWith { node, payload }) };
        let node = record.cast::<Node>();
        // For `Node::as_ptr`.
        node.expose_provenance();
        // SAFETY: just made.
        unsafe { World::register(world, node, P::ROLE) };
        Self(node)
    }

    /// A count on a node found through a raw pointer, unless it is being dropped.
    ///
    /// # Safety
    /// The record's memory must be protected: by a pin, or by the registry's lock.
    pub(crate) unsafe fn revive(node: NonNull<Node>) -> Option<Self> {
        // SAFETY: the caller's duty.
        let strong = unsafe { &node.as_ref().strong };
        // Acquire: pairs with nothing stronger than the count itself; the record was published by
        // the slot or the registry.
        solo::count_unless_0(strong, Acquire).then_some(Self(node))
    }

    /// Takes over a count that was given away by forgetting a `NodeRef`.
    ///
    /// # Safety
    /// Once for each forgotten one.
    pub(crate) unsafe fn adopt(node: NonNull<Node>) -> Self {
        Self(node)
    }

    pub(crate) fn as_ptr(&self) -> NonNull<Node> {
        self.0
    }

    /// Is there no other count of the node, be it a handle's or an edge's?
    pub(crate) fn is_only_count(&self) -> bool {
        // Relaxed: a hint; only this count's owner could make another meanwhile.
        self.strong.load(Relaxed) == 1
    }

    pub(crate) fn same(&self, other: &Node) -> bool {
        std::ptr::eq(self.0.as_ptr(), other)
    }
}

impl Deref for NodeRef {
    type Target = Node;

    #[inline(always)]
    fn deref(&self) -> &Node {
        // SAFETY: counted.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for NodeRef {
    fn clone(&self) -> Self {
        // Relaxed: a new count is made from an existing one.
        let before = solo::count(&self.strong, 1, Relaxed);
        assert!(before < u32::MAX / 2, "fewer than 2^31 handles and edges of one node");
        Self(self.0)
    }
}

impl Drop for NodeRef {
    fn drop(&mut self) {
        // AcqRel: the last owner sees what all others did; pairs with itself.
        if solo::count(&self.strong, -1, AcqRel) == 1 {
            unlink_all(self.0);
        }
    }
}

impl Node {
    /// # Safety
    /// Nobody else may know of the node yet.
    pub(crate) unsafe fn set_place(node: NonNull<Node>, id: u64, index: u32) {
        let record = node.as_ptr();
        // SAFETY: the caller's duty.
        unsafe { (*record).id = id };
        // SAFETY: as above.
        unsafe { (*record).index = index };
    }

    pub(crate) fn place_in_register(&self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) fn role(&self) -> NodeKind {
        self.role
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Is there but one handle, and no edge? For caches that own that handle.
    #[cfg(feature = "collections")]
    pub(crate) fn is_sole(&self) -> bool {
        // Relaxed: whoever asks owns the one handle, and lets nobody clone it meanwhile.
        self.strong.load(Relaxed) == 1
    }

    /// A further count on a node somebody counts already.
    pub(crate) fn counted(&self) -> NodeRef {
        // Relaxed: `self` is alive, so a count exists.
        solo::count(&self.strong, 1, Relaxed);
        NodeRef(self.as_ptr())
    }

    /// The record as it was allocated. Whoever counts the node may have to free it, and a pointer
    /// made from a reference may not: it reaches no further than the record, and may write the
    /// record's cells only.
    pub(crate) fn as_ptr(&self) -> NonNull<Node> {
        NonNull::with_exposed_provenance(NonNull::from(self).addr())
    }

    /// # Safety
    /// The node must have been made with a payload of this type.
    #[inline(always)]
    pub(crate) unsafe fn payload_unchecked<P>(&self) -> &P {
        let record = std::ptr::from_ref(self).cast::<NodeWith<P>>();
        // SAFETY: the caller's duty; `NodeWith` is `repr(C)` with the node first.
        unsafe { &(*record).payload }
    }

    /// A computed's function.
    pub(crate) fn run(&self) -> Result<Shared, Box<dyn Any + Send>> {
        // SAFETY: a node has the kind of its payload.
        unsafe { (self.kind.run)(self) }
    }

    /// User code; may panic. Aliases are resolved here; a failure equals nothing.
    #[inline]
    pub(crate) fn equal(&self, old: &Header, new: &Header) -> bool {
        if old.is_value() && new.is_value() {
            // SAFETY: a node has the kind of its payload.
            return unsafe { (self.kind.equal)(self, old, new) };
        }
        self.equal_resolved(old, new)
    }

    #[cold]
    fn equal_resolved(&self, old: &Header, new: &Header) -> bool {
        let (old, new) = (old.resolved(), new.resolved());
        let values = old.failure().is_none() && new.failure().is_none();
        // SAFETY: a node has the kind of its payload.
        values && unsafe { (self.kind.equal)(self, old, new) }
    }

    /// Is the memo an error? Asked by seeded bugs.
    pub(crate) fn has_failed(&self) -> bool {
        // Relaxed: asked by the claim's owner.
        let memo = NonNull::new(self.value.load(Relaxed));
        // SAFETY: asked by the claim's owner, who protects the memo.
        memo.is_some_and(|memo| unsafe { memo.as_ref() }.failure().is_some())
    }

    /// The newest stamp: what may concern this node, visible or not.
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        if self.role() == NodeKind::Signal {
            return self.stamp_of_signal();
        }
        // SeqCst: pairs with the fence of `Marker::is_still_dirty`, after a claim (claim M3). As
        // Acquire, with the marker's Release; the marks of that commit before are visible.
        let marked = self.marked_at.load(SeqCst);
        // Acquire: pairs with the Release of the claim's owner.
        marked.max(self.inherited_at.load(Acquire))
    }

    /// The same of a signal.
    #[inline]
    pub(crate) fn stamp_of_signal(&self) -> u64 {
        // SeqCst: as in `stamp`.
        self.marked_at.load(SeqCst)
    }

    /// The same of a computed or effect.
    #[inline]
    pub(crate) fn stamp_of_computed(&self) -> u64 {
        // SeqCst: as in `stamp`.
        let marked = self.marked_at.load(SeqCst);
        // Acquire: as in `stamp`.
        marked.max(self.inherited_at.load(Acquire))
    }

    /// What a run costs, in ns; `None` if it was never measured.
    pub(crate) fn cost(&self) -> Option<u64> {
        // Relaxed: a hint.
        match self.cost.load(Relaxed) {
            0 => None,
            cost => Some(u64::from(cost) * COST_UNIT),
        }
    }

    #[inline]
    pub(crate) fn is_measured(&self) -> bool {
        // Relaxed: a hint.
        self.cost.load(Relaxed) != 0
    }

    pub(crate) fn set_cost(&self, nanos: u64) {
        let units = nanos.div_ceil(COST_UNIT).clamp(1, u64::from(u16::MAX));
        // Relaxed: a hint.
        self.cost.store(units as u16, Relaxed);
    }

    pub(crate) fn name(&self) -> Arc<str> {
        match &self.name {
            Some(name) => Arc::clone(name),
            None => {
                let kind = match self.role() {
                    NodeKind::Signal => "signal",
                    NodeKind::Computed => "computed",
                    NodeKind::Effect => "effect",
                };
                Arc::from(format!("{kind}#{} at {}", self.id, self.place))
            }
        }
    }

    /// A version was superseded: true if the signal is the caller's to put into the list of those
    /// to trim, false if it is in it. Asked by the committer, after its fence.
    pub(crate) fn enlist(&self) -> bool {
        loop {
            // Relaxed: the common case, listed already, needs no exchange; what is not seen here
            // is ordered by the fences of `Group::mark` and of the trimmer.
            let (from, to) = match self.listed.load(Relaxed) {
                listed::NO => (listed::NO, listed::YES),
                listed::TRIMMED if !seeded(Bug::TrimForgets) => (listed::TRIMMED, listed::AGAIN),
                _ => return false,
            };
            if self.move_listed(from, to) {
                return from == listed::NO;
            }
        }
    }

    /// The observers that are alive.
    pub(crate) fn live_observers(&self) -> Vec<NodeRef> {
        let mut live = Vec::new();
        let guard = crate::reclaim::pin();
        // SAFETY: found in a slot under the pin.
        self.observers.each(|node| live.extend(unsafe { NodeRef::revive(node) }));
        drop(guard);
        live
    }

    fn move_listed(&self, from: u8, to: u8) -> bool {
        // AcqRel: pairs with the other exchanges of this word.
        self.listed.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    /// The trimmer's, of a dropped signal: true if the memory is the caller's to free, false if
    /// it is that of whoever frees the contents. The second of the two frees it.
    pub(crate) fn leave_list(&self) -> bool {
        !self.move_listed(listed::DEAD, listed::UNLISTED)
    }

    /// Whoever freed the contents of a listed signal: true if the memory is the caller's, too.
    pub(crate) fn leave_empty(&self) -> bool {
        !self.move_listed(listed::DEAD, listed::EMPTY)
    }

    /// The trimmer's: false if the signal was dropped.
    pub(crate) fn begin_trim(&self) -> bool {
        self.move_listed(listed::YES, listed::TRIMMED)
    }

    /// The trimmer's, for the last look at it: does the signal stay in the list? `None` if it was
    /// dropped meanwhile, and is the caller's to doom.
    pub(crate) fn end_trim(&self, stays: bool) -> Option<bool> {
        if self.move_listed(listed::TRIMMED, if stays { listed::YES } else { listed::NO }) {
            return Some(stays);
        }
        self.move_listed(listed::AGAIN, listed::YES).then_some(true)
    }

    /// The dropper's: what of the node is to be freed by it.
    fn end_listed(&self) -> Option<Share> {
        loop {
            if self.move_listed(listed::NO, listed::DEAD) {
                return Some(Share::All);
            }
            if self.move_listed(listed::YES, listed::DEAD) {
                return Some(Share::Contents);
            }
            let looked_at = self.move_listed(listed::TRIMMED, listed::LEFT)
                || self.move_listed(listed::AGAIN, listed::LEFT);
            if looked_at {
                return if seeded(Bug::DropIgnoresList) { Some(Share::All) } else { None };
            }
        }
    }
}

/// What of a doomed node is to be freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Share {
    All,
    /// The memory stays in the trimmer's list, and is freed by it.
    Contents,
}

crate::sync::per_thread! {
    /// Nodes whose last count went while this thread was unlinking another: no recursion.
    static UNLINKING: Cell<Option<Vec<NonNull<Node>>>> = Cell::new(None);
}

fn unlink_all(first: NonNull<Node>) {
    let queued = UNLINKING
        .try_with(|queue| match queue.take() {
            Some(mut waiting) => {
                waiting.push(first);
                queue.set(Some(waiting));
                true
            }
            None => {
                queue.set(Some(Vec::new()));
                false
            }
        })
        .unwrap_or(false);
    if queued {
        return;
    }
    let mut doomed = Doomed::new();
    let mut next = Some(first);
    while let Some(node) = next {
        if let Some(share) = unlink(node) {
            doomed.push((node, share));
        }
        next = UNLINKING
            .try_with(|queue| {
                let mut waiting = queue.take().unwrap_or_default();
                let node = waiting.pop();
                queue.set(Some(waiting));
                node
            })
            .ok()
            .flatten();
    }
    let _ = UNLINKING.try_with(|queue| queue.set(None));
    let Some((last, _)) = doomed.last() else { return };
    // SAFETY: the record stays until its grace period is over, the world until the contents are
    // dropped. All are of one graph, as edges are.
    let world: &Arc<World> = unsafe { last.as_ref() }.world();
    drop(world.bury(doomed));
}

/// Takes a node nobody counts out of the graph; returns what of it is the caller's to doom.
fn unlink(node: NonNull<Node>) -> Option<Share> {
    // SAFETY: the last count is gone and the memory is freed only by `bury`, after this.
    let record = unsafe { node.as_ref() };
    #[cfg(loom)]
    // Pairs with nothing: loom does not see counts, and so not what the last one acquires.
    crate::sync::machine_fence();
    let sources = record.sources.with_mut(|sources| {
        // SAFETY: nobody counts the node, so nobody evaluates it: the cell is ours.
        std::mem::take(unsafe { &mut *sources })
    });
    if !sources.is_empty() {
        // Relaxed: statistics.
        record.world.edges.fetch_sub(sources.len() as u64, Relaxed);
    }
    for source in sources {
        // SAFETY: the slot was given to this edge and is removed once.
        unsafe { source.node.observers.remove(source.slot) };
    }
    record.end_listed()
}

/// Frees a doomed node's values and payload: user code. The memory stays.
///
/// # Safety
/// Once per node, after `unlink`, by the thread that took it from the doomed.
pub(crate) unsafe fn drop_contents(node: NonNull<Node>) {
    // SAFETY: the memory is freed later, by the same caller.
    let record = unsafe { node.as_ref() };
    // Relaxed: the contents are ours, see `unlink`.
    let mut at = NonNull::new(record.value.swap(null_mut(), Relaxed));
    debug_assert!(record.role() != NodeKind::Signal || at.is_some(), "contents are dropped once");
    while let Some(block) = at {
        // SAFETY: the graph's count of each version of the chain is ours now.
        let version = unsafe { Shared::from_raw(block) };
        // Relaxed: as above.
        at = NonNull::new(version.header().older.load(Relaxed));
        drop(version);
    }
    let drop_payload = record.kind.drop_payload;
    // SAFETY: the kind fits the payload, and this is the one time it is dropped.
    unsafe { drop_payload(node) };
}

/// Frees the memory of a node whose contents are dropped.
///
/// # Safety
/// Once, after `drop_contents` and a grace period.
pub(crate) unsafe fn free(node: NonNull<Node>) {
    // SAFETY: the caller's duty.
    let class = unsafe { node.as_ref() }.kind.memory;
    // SAFETY: the record's own fields; the payload is dropped already.
    unsafe { std::ptr::drop_in_place(node.as_ptr()) };
    // SAFETY: taken with this class, and nobody else's now.
    drop(unsafe { Returned::new(node.cast(), class) });
}

/// # Safety
/// `node` must head a `NodeWith<P>`; once per node.
unsafe fn drop_payload<P: Payload>(node: NonNull<Node>) {
    let record = node.as_ptr().cast::<NodeWith<P>>();
    // SAFETY: the caller's duty; a field of a record is not null.
    let payload = unsafe { NonNull::new_unchecked(&raw mut (*record).payload) };
    // SAFETY: the caller's duty.
    unsafe { P::drop_owned(payload) }
}
