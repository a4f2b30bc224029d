//! What surrounds the code that runs on this thread: which graph, at which revision, tracked by
//! whom, writing where, owned by whom.
//!
//! Frames live on the stack of the function that opens them and are linked from the inside out.
//! A thread starts with none, and so does a pool's job; `Context` carries one across.

use super::evaluate;
use super::overlay::{self, Overlay};
use super::owner::Owner;
use crate::block::{Header, Shared};
use crate::error::WriteError;
use crate::participants::{self, Participant};
use crate::solo;
use crate::structure::holds::Held;
use crate::structure::node::{Node, NodeRef, Source, Sources};
use crate::structure::world::{self, Reading, World};
use crate::sync::count::AtomicU64;
use crate::sync::{Mutex, Relaxed};
use smallvec::SmallVec;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ptr::{NonNull, null};
use std::sync::Arc;

/// One graph at one revision, with the pending writes and private results on top of it.
pub(crate) struct View<'w> {
    pub(crate) world: &'w Arc<World>,
    pub(crate) revision: u64,
    /// The thread that reads.
    pub(crate) me: &'static Participant,
    /// The chain of evaluations that reads here; names the owner of claims.
    pub(crate) chain: u64,
    overlay: OnceCell<Arc<Overlay>>,
    pub(crate) recomputes: Cell<u32>,
    pub(crate) cutoffs: Cell<u32>,
    pub(crate) private_runs: Cell<u32>,
    pub(crate) effect_runs: Cell<u32>,
    /// Memos replaced under this view, linked; given to the graph when the view ends.
    retired: Cell<Option<(NonNull<Header>, NonNull<Header>)>>,
    retirements: Cell<u32>,
    /// Is nothing held or kept but this view's revision, as long as this thread is solo?
    pub(crate) lone: bool,
    /// Of a view carried from another thread: the computeds that thread was inside of.
    inside: &'w [NodeRef],
    /// The node whose claim made a result private.
    pub(crate) blocked_on: Cell<Option<NodeRef>>,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { revision, chain, .. } = self;
        f.debug_struct("View").field("revision", revision).field("chain", chain).finish()
    }
}

impl<'w> View<'w> {
    #[inline(always)]
    pub(crate) fn new(world: &'w Arc<World>, revision: u64) -> Self {
        Self::made(participants::current(), world, revision, false)
    }

    #[inline(always)]
    fn made(me: &'static Participant, world: &'w Arc<World>, revision: u64, lone: bool) -> Self {
        Self {
            me,
            world,
            revision,
            chain: next_chain(),
            overlay: OnceCell::new(),
            recomputes: Cell::new(0),
            cutoffs: Cell::new(0),
            private_runs: Cell::new(0),
            inside: &[],
            blocked_on: Cell::new(None),
            effect_runs: Cell::new(0),
            retired: Cell::new(None),
            retirements: Cell::new(0),
            lone,
        }
    }

    /// At a revision that is held for this view alone.
    #[inline(always)]
    pub(crate) fn held(world: &'w Arc<World>, held: &Held<'_>) -> Self {
        Self::made(held.me(), world, held.revision, world.holds.is_lone(held.me(), 1))
    }

    /// Forgets what one effect left, before the next is run at the same revision.
    pub(crate) fn renew(&mut self) {
        self.take_overlay().into_iter().for_each(overlay::recycle);
        self.blocked_on.take();
    }

    /// For a thread that `Context` carries an evaluation to, from inside of some computeds.
    pub(crate) fn carried(overlay: &'w Arc<Overlay>, revision: u64, inside: &'w [NodeRef]) -> Self {
        let mut view = Self::new(overlay.world(), revision);
        view.inside = inside;
        view.overlay.set(overlay.clone()).expect("a new view has no overlay");
        view
    }

    /// Is it being brought up to date by the thread this view was carried from?
    pub(crate) fn is_inside(&self, node: &Node) -> bool {
        self.inside.iter().any(|outer| outer.same(node))
    }

    pub(crate) fn over(overlay: &'w Arc<Overlay>) -> Self {
        let view = Self::new(overlay.world(), overlay.base());
        view.overlay.set(overlay.clone()).expect("a new view has no overlay");
        view
    }

    /// The overlay, made at the first need.
    pub(crate) fn overlay(&self) -> &Arc<Overlay> {
        self.overlay.get_or_init(|| Overlay::within(self.world, self.revision))
    }

    /// Gives a replaced memo back, for revisions below `until`; asked by the claim's owner.
    pub(crate) fn retire(&self, memo: NonNull<Header>, until: u64) {
        // SAFETY: alive until retired, and readers do not look at the cells.
        let header = unsafe { memo.as_ref() };
        // SAFETY: the claim's owner asks.
        unsafe { header.set_until(until) };
        let (first, last) = self.retired.get().map_or((std::ptr::null_mut(), memo), |ends| {
            let (first, last) = ends;
            (first.as_ptr(), last)
        });
        // SAFETY: as above.
        header.next.with_mut(|cell| unsafe { *cell = first });
        self.retired.set(Some((memo, last)));
        self.retirements.set(self.retirements.get() + 1);
    }

    pub(crate) fn take_overlay(&mut self) -> Option<Arc<Overlay>> {
        self.overlay.take()
    }

    pub(crate) fn overlay_if_any(&self) -> Option<&Arc<Overlay>> {
        self.overlay.get()
    }
}

impl View<'_> {
    /// Adds to the graph's statistics; for the trimmer a hint.
    #[inline]
    fn count(&self, mine: &Cell<u32>, total: &AtomicU64) {
        if mine.get() > 0 {
            solo::add(self.me, total, u64::from(mine.get()));
        }
    }
}

impl Drop for View<'_> {
    #[inline]
    fn drop(&mut self) {
        let counters = &self.world.counters;
        self.count(&self.recomputes, &counters.recomputes);
        self.count(&self.effect_runs, &counters.effect_runs);
        self.count(&self.cutoffs, &counters.cutoffs);
        self.count(&self.private_runs, &counters.private_runs);
        self.count(&self.retirements, &counters.awaiting);
        if let Some((first, last)) = self.retired.get() {
            self.world.retired.push(first, last);
        }
        // Last, for it may be what keeps the world.
        self.take_overlay().into_iter().for_each(overlay::recycle);
    }
}

/// What a frame reads from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads {
    /// No fixed revision: each read is on its own.
    Newest,
    /// One graph, one revision; other graphs are refused.
    One(NonNull<View<'static>>),
    /// A batch: a view per graph, made at the first touch.
    Each(NonNull<BatchViews>),
}

impl Reads {
    /// From a view that outlives the frame.
    pub(crate) fn one(view: &View<'_>) -> Self {
        // Only the lifetime is changed; whoever follows the pointer is inside the frame.
        Self::One(NonNull::from(view).cast())
    }
}

/// Who owns what is made; named by address, as in all of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnedBy {
    Graph,
    Owner(NonNull<Arc<Owner>>),
    /// The runs of an effect, most of which make nothing: the owner is made at the first need.
    Effect(NonNull<Node>),
}

/// Where writes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writes {
    /// Each write commits.
    Commit,
    /// Into the overlay of the frame's view.
    Collect,
    RefusedInComputed,
    RefusedInUpdate,
}

impl Writes {
    pub(crate) fn refusal(self) -> Option<WriteError> {
        match self {
            Self::Commit | Self::Collect => None,
            Self::RefusedInComputed => Some(WriteError::InComputed),
            Self::RefusedInUpdate => Some(WriteError::InUpdate),
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) reads: Reads,
    /// Who records what is read; null: nobody.
    pub(crate) tracker: *const Tracker,
    pub(crate) writes: Writes,
    /// Who owns effects and cleanups made here.
    pub(crate) owner: OwnedBy,
    /// The graph that was entered; null: the default one.
    pub(crate) graph: *const Arc<World>,
    /// The computed whose function this frame surrounds; null: none.
    pub(crate) node: *const Node,
    /// How many steps this thread's walks had when it was entered.
    pub(crate) steps: usize,
    /// How many functions of computeds this frame is inside of.
    pub(crate) depth: u32,
    /// The frame around this one, once entered.
    pub(crate) parent: *const Frame,
}

impl Frame {
    /// Of a thread that has entered nothing.
    pub(crate) const OUTSIDE: Self = Self {
        reads: Reads::Newest,
        tracker: null(),
        writes: Writes::Commit,
        owner: OwnedBy::Graph,
        graph: null(),
        node: null(),
        steps: 0,
        depth: 0,
        parent: null(),
    };

    /// The frame of a computed's function.
    #[inline]
    pub(crate) fn of_computed(
        view: &View<'_>,
        tracker: &Tracker,
        node: &Node,
        steps: usize,
    ) -> Self {
        Self {
            reads: Reads::one(view),
            tracker,
            writes: Writes::RefusedInComputed,
            graph: node.world(),
            node,
            steps,
            ..Self::OUTSIDE
        }
    }

    /// The innermost frame; `None`: a plain thread.
    ///
    /// # Safety
    /// The reference is good for as long as the code that asks runs inside the frame.
    #[inline]
    pub(crate) unsafe fn top<'f>() -> Option<&'f Self> {
        let top = TOP.try_with(Cell::get).unwrap_or(null());
        // SAFETY: frames outlive the code they surround, which is what asks.
        unsafe { top.as_ref() }
    }

    /// The frame a new one is derived from: the innermost, or a plain thread's.
    pub(crate) fn current() -> Self {
        // SAFETY: copied at once.
        match unsafe { Self::top() } {
            // What is derived surrounds a part of the same run, not another one.
            Some(top) => Self { node: null(), ..*top },
            None => Self::OUTSIDE,
        }
    }

    /// Runs `f` in a frame that does not track.
    #[inline]
    pub(crate) fn without_tracking<R>(f: impl FnOnce() -> R) -> R {
        Self { tracker: null(), ..Self::current() }.enter(f)
    }

    /// A frame that shares nothing with what surrounds it but the entered graph.
    pub(crate) fn detached() -> Self {
        Self { graph: Self::current().graph, ..Self::OUTSIDE }
    }

    /// Runs a closure that must not write, derived from whatever surrounds it.
    #[inline]
    pub(crate) fn enter_closure<R>(f: impl FnOnce() -> R) -> R {
        Self { writes: Writes::RefusedInUpdate, tracker: null(), ..Self::current() }.enter(f)
    }

    /// Runs `f` inside this frame.
    #[inline]
    pub(crate) fn enter<R>(&mut self, f: impl FnOnce() -> R) -> R {
        struct Restore(*const Frame);
        impl Drop for Restore {
            fn drop(&mut self) {
                let _ = TOP.try_with(|top| top.set(self.0));
            }
        }
        self.parent = TOP.try_with(Cell::get).unwrap_or(null());
        let _restore = Restore(self.parent);
        let _ = TOP.try_with(|top| top.set(self));
        f()
    }

    /// Runs a computed's function inside this frame, with room on the stack for more of them.
    #[inline]
    pub(crate) fn enter_nested<R>(&mut self, f: impl FnOnce() -> R) -> R {
        // SAFETY: looked at at once.
        let around = unsafe { Self::top() }.map_or(0, |frame| frame.depth);
        self.depth = around + 1;
        // Whoever reads from outside of any has brought a stack of the usual size.
        if around == 0 { self.enter(f) } else { evaluate::with_stack(|| self.enter(f)) }
    }

    /// The view a read of a node of `world` looks at; `Err`: another graph's evaluation.
    pub(crate) fn view(&self, world: &Arc<World>) -> Result<Option<&View<'_>>, &View<'_>> {
        match self.reads {
            Reads::Newest => Ok(None),
            // SAFETY: views outlive the frames that name them.
            Reads::One(view) => match unsafe { view.as_ref() } {
                view if Arc::ptr_eq(view.world, world) => Ok(Some(view)),
                view => Err(view),
            },
            // SAFETY: as above.
            Reads::Each(views) => Ok(Some(unsafe { views.as_ref() }.of(world))),
        }
    }

    #[inline]
    pub(crate) fn tracker(&self) -> Option<&Tracker> {
        // SAFETY: trackers outlive the frames that name them.
        unsafe { self.tracker.as_ref() }
    }

    pub(crate) fn owner(&self) -> Option<&Arc<Owner>> {
        match self.owner {
            OwnedBy::Graph => None,
            // SAFETY: owners outlive the frames that name them.
            OwnedBy::Owner(owner) => Some(unsafe { owner.as_ref() }),
            // SAFETY: an effect outlives its runs.
            OwnedBy::Effect(effect) => Some(super::react::owner(unsafe { effect.as_ref() })),
        }
    }

    pub(crate) fn graph(&self) -> Option<&Arc<World>> {
        // SAFETY: an entered graph is kept by whoever entered it.
        unsafe { self.graph.as_ref() }
    }

    /// The view of the evaluation that runs here, if one does.
    #[inline]
    pub(crate) fn fixed_view(&self) -> Option<&View<'_>> {
        match self.reads {
            // SAFETY: views outlive the frames that name them.
            Reads::One(view) => Some(unsafe { view.as_ref() }),
            _ => None,
        }
    }

    /// The world that new nodes belong to.
    pub(crate) fn world(&self) -> Arc<World> {
        self.graph().cloned().unwrap_or_else(world::default_world)
    }

    /// Inside a computed, an effect, a batch, a draft?
    pub(crate) fn is_fixed(&self) -> bool {
        !matches!(self.reads, Reads::Newest)
    }
}

/// The views of one batch.
#[derive(Debug, Default)]
pub(crate) struct BatchViews {
    /// The view that most batches have only, without an allocation.
    first: OnceCell<BatchView>,
    #[expect(clippy::vec_box, reason = "views are named by address while others are added")]
    more: RefCell<Vec<Box<BatchView>>>,
    /// A transaction's: what is read becomes a condition of the commit.
    remembering: bool,
}

#[derive(Debug)]
pub(crate) struct BatchView {
    // Declared first, so dropped first: it names the world that the view's overlay keeps.
    held: RefCell<Option<Held<'static>>>,
    view: View<'static>,
}

impl BatchView {
    fn new(world: &Arc<World>, remembering: bool) -> Self {
        // SAFETY: only the lifetime is changed; the overlay below keeps the world, and is dropped
        // after the hold.
        let kept: &'static World = unsafe { &*Arc::as_ptr(world) };
        let held = kept.holds.newest(&kept.clock);
        let overlay = Overlay::within(world, held.revision);
        if remembering {
            overlay.remember_reads();
        }
        // SAFETY: only the lifetime is changed; the overlay does not move, and the view keeps it.
        let named: &'static Arc<World> = unsafe { &*std::ptr::from_ref(overlay.world()) };
        let view = View::new(named, held.revision);
        view.overlay.set(overlay).expect("a new view has no overlay");
        Self { held: RefCell::new(Some(held)), view }
    }

    /// Ends view and hold.
    fn into_overlay(mut self) -> Arc<Overlay> {
        self.view.take_overlay().expect("a batch's view keeps its overlay")
    }
}

impl BatchViews {
    pub(crate) fn remembering() -> Self {
        Self { remembering: true, ..Self::default() }
    }

    /// The view of `world`, held at the newest revision from the first touch on.
    pub(crate) fn of(&self, world: &Arc<World>) -> &View<'_> {
        let first = self.first.get_or_init(|| BatchView::new(world, self.remembering));
        if Arc::ptr_eq(first.view.world, world) {
            return &first.view;
        }
        self.another(world)
    }

    #[cold]
    fn another(&self, world: &Arc<World>) -> &View<'_> {
        let mut more = self.more.borrow_mut();
        let found = more.iter().position(|another| Arc::ptr_eq(another.view.world, world));
        let index = found.unwrap_or_else(|| {
            more.push(Box::new(BatchView::new(world, self.remembering)));
            more.len() - 1
        });
        // SAFETY: boxed views do not move, and none is removed while `self` is borrowed.
        unsafe { &*std::ptr::from_ref(&more[index].view) }
    }

    pub(crate) fn overlays(&self) -> SmallVec<[&Overlay; 1]> {
        let mut overlays = SmallVec::new();
        self.each(|view| overlays.push(&**view.overlay()));
        overlays
    }

    pub(crate) fn each<'s>(&'s self, mut f: impl FnMut(&'s View<'s>)) {
        if let Some(first) = self.first.get() {
            f(&first.view);
        }
        let count = self.more.borrow().len();
        for index in 0..count {
            // SAFETY: as in `another`; the borrow ends before `f`, which may add views.
            let view = unsafe { &*std::ptr::from_ref(&self.more.borrow()[index].view) };
            f(view);
        }
    }

    /// Ends the holds, when nothing is read any more at the revisions of the views.
    pub(crate) fn let_go(&self) {
        if let Some(first) = self.first.get() {
            *first.held.borrow_mut() = None;
        }
        self.more.borrow().iter().for_each(|view| *view.held.borrow_mut() = None);
    }

    /// Ends all views and holds.
    pub(crate) fn end(&mut self) -> (Option<Arc<Overlay>>, Vec<Arc<Overlay>>) {
        let first = self.first.take().map(BatchView::into_overlay);
        if self.more.get_mut().is_empty() {
            return (first, Vec::new());
        }
        let more = std::mem::take(self.more.get_mut());
        (first, more.into_iter().map(|view| view.into_overlay()).collect())
    }
}

/// Records what one evaluation reads. The common case, the same sources as last time and in the
/// same order, costs a comparison a read and nothing else.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// The sources of the last run, compared by position; null for a private run.
    old: *const Source,
    old_len: usize,
    /// How many of them may still be read in order: 0 once anything else was.
    expected: Cell<usize>,
    /// How many reads were those of the last run, in order.
    same: Cell<usize>,
    pub(crate) valid_from: Cell<u64>,
    /// What is beyond the common case; `None` as long as nothing is.
    beyond: RefCell<Option<Box<Beyond>>>,
}

/// What an evaluation has read beyond the sources of its last run.
#[derive(Debug, Default)]
pub(crate) struct Beyond {
    /// Other sources.
    pub(crate) more: Vec<NodeRef>,
    /// What was read of private results.
    pub(crate) private: Vec<(NodeRef, Shared)>,
    /// The addresses in `more` and `old[..same]`, once a list of them is too long to search.
    seen: Option<HashSet<usize>>,
    /// Reads carried to other threads by `Context`.
    carried: Option<Arc<Carried>>,
}

/// What an evaluation has read, in the end.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) same: usize,
    pub(crate) valid_from: u64,
    pub(crate) beyond: Option<Box<Beyond>>,
}

impl Recorded {
    /// Was anything read that is not what everybody may see?
    pub(crate) fn is_tainted(&self) -> bool {
        self.beyond.as_ref().is_some_and(|beyond| !beyond.private.is_empty())
    }

    /// Are the `before` sources of the last run what was read, in the same order?
    pub(crate) fn is_as_before(&self, before: usize) -> bool {
        let more = self.beyond.as_ref().is_some_and(|beyond| !beyond.more.is_empty());
        !more && self.same == before
    }

    /// The sources beyond the first `same` of the last run.
    pub(crate) fn take_more(&mut self) -> Vec<NodeRef> {
        self.beyond.as_mut().map(|beyond| std::mem::take(&mut beyond.more)).unwrap_or_default()
    }

    pub(crate) fn take_private(&mut self) -> Vec<(NodeRef, Shared)> {
        self.beyond.as_mut().map(|beyond| std::mem::take(&mut beyond.private)).unwrap_or_default()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let Some(mut beyond) = self.beyond.take() else { return };
        beyond.more.clear();
        beyond.private.clear();
        beyond.seen = None;
        let _ = SPARE.try_with(|spare| spare.set(Some(beyond)));
    }
}

/// The reads of an evaluation's other threads.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    reads: Mutex<Option<CarriedReads>>,
}

#[derive(Debug, Default)]
struct CarriedReads {
    nodes: Vec<NodeRef>,
    valid_from: u64,
    private: Vec<(NodeRef, Shared)>,
}

const SEARCHED: usize = 12;

crate::sync::per_thread! {
    /// Kept for its memory, so that sources that come and go cost no allocation.
    static SPARE: Cell<Option<Box<Beyond>>> = Cell::new(None);
}

impl Tracker {
    /// `old`: the sources of the last run, whose list is the caller's to change; `None` for a
    /// private run.
    #[inline]
    pub(crate) fn new(old: Option<&Sources>) -> Self {
        let (old, old_len) = old.map_or((null(), 0), |sources| (sources.as_ptr(), sources.len()));
        Self {
            old,
            old_len,
            expected: Cell::new(old_len),
            same: Cell::new(0),
            valid_from: Cell::new(0),
            beyond: RefCell::new(None),
        }
    }

    #[inline]
    fn old(&self) -> &[Source] {
        if self.old.is_null() {
            return &[];
        }
        // SAFETY: the sources of a node whose claim (effect: whose run) this evaluation is; their
        // list changes after the tracker is finished.
        unsafe { std::slice::from_raw_parts(self.old, self.old_len) }
    }

    /// Was nothing read but what the last run read, in the same order?
    #[inline]
    pub(crate) fn is_as_before(&self) -> bool {
        self.same.get() == self.old_len && !self.has_strayed()
    }

    #[inline]
    fn has_strayed(&self) -> bool {
        self.beyond.borrow().is_some()
    }

    /// Records a read. One that failed is a source, too.
    #[inline]
    pub(crate) fn record(&self, node: &Node) {
        let same = self.same.get();
        if same < self.expected.get()
            // SAFETY: one of the sources, see `old`.
            && unsafe { &*self.old.add(same) }.node.same(node)
        {
            return self.same.set(same + 1);
        }
        // The last one once more.
        // SAFETY: as above.
        if same > 0 && unsafe { &*self.old.add(same - 1) }.node.same(node) {
            return;
        }
        self.record_other(node);
    }

    fn record_other(&self, node: &Node) {
        let (old, same) = (self.old(), self.same.get());
        // One of the last sources again, as in a loop.
        let last = &old[same.saturating_sub(SEARCHED)..same];
        if last.iter().rev().any(|source| source.node.same(node)) && !self.has_strayed() {
            return;
        }
        let mut beyond = self.beyond.borrow_mut();
        let in_order = beyond.as_ref().is_none_or(|beyond| beyond.more.is_empty());
        if in_order && old.get(same).is_some_and(|source| source.node.same(node)) {
            self.same.set(same + 1);
            if let Some(seen) = beyond.as_mut().and_then(|beyond| beyond.seen.as_mut()) {
                seen.insert(std::ptr::from_ref(node) as usize);
            }
            return;
        }
        self.expected.set(0);
        let beyond = beyond.get_or_insert_with(spare);
        if !beyond.has_seen(&old[..same], node) {
            beyond.more.push(node.counted());
        }
    }

    /// Will the evaluation be published if nothing taints it?
    pub(crate) fn is_claimed(&self) -> bool {
        !self.old.is_null()
    }

    /// Notes from where on a value that was read is exact.
    #[inline]
    pub(crate) fn note(&self, valid_from: u64) {
        self.valid_from.set(self.valid_from.get().max(valid_from));
    }

    /// Notes a result that is not what everybody may see.
    pub(crate) fn note_private(&self, node: &Node, value: Shared) {
        self.expected.set(0);
        let mut beyond = self.beyond.borrow_mut();
        beyond.get_or_insert_with(spare).private.push((node.counted(), value));
    }

    /// What was recorded so far by a tracker that began without sources.
    #[cfg(feature = "async")]
    pub(crate) fn recorded(&self) -> Vec<NodeRef> {
        let beyond = self.beyond.borrow();
        let mut nodes = beyond.as_ref().map(|beyond| beyond.more.clone()).unwrap_or_default();
        if let Some(carried) = beyond.as_ref().and_then(|beyond| beyond.carried.as_ref()) {
            let reads = carried.reads.lock();
            nodes.extend(reads.iter().flat_map(|reads| reads.nodes.iter().cloned()));
        }
        nodes
    }

    pub(crate) fn carried(&self) -> Arc<Carried> {
        self.expected.set(0);
        let mut beyond = self.beyond.borrow_mut();
        let carried = &mut beyond.get_or_insert_with(spare).carried;
        let new = || Arc::new(Carried { reads: Mutex::new(Some(CarriedReads::default())) });
        carried.get_or_insert_with(new).clone()
    }

    /// In place of `finish`, if it is as before: there is nothing to drop.
    #[inline]
    pub(crate) fn end_as_before(self) {
        std::mem::forget(self);
    }

    #[inline]
    pub(crate) fn finish(self) -> Recorded {
        let carried = self.beyond.borrow_mut().as_mut().and_then(|beyond| beyond.carried.take());
        if let Some(carried) = carried {
            self.add_carried(&carried);
        }
        let beyond = self.beyond.into_inner();
        Recorded { same: self.same.get(), valid_from: self.valid_from.get(), beyond }
    }

    #[cold]
    fn add_carried(&self, carried: &Carried) {
        let reads = carried.reads.lock().take().unwrap_or_default();
        for node in &reads.nodes {
            self.record(node);
        }
        self.note(reads.valid_from);
        for (node, value) in reads.private {
            self.note_private(&node, value);
        }
    }
}

fn spare() -> Box<Beyond> {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

impl Beyond {
    fn has_seen(&mut self, same: &[Source], node: &Node) -> bool {
        let address = std::ptr::from_ref(node) as usize;
        if self.seen.is_none() && same.len() + self.more.len() <= SEARCHED {
            return same.iter().any(|source| source.node.same(node))
                || self.more.iter().any(|seen| seen.same(node));
        }
        let seen = self.seen.get_or_insert_with(|| {
            let same = same.iter().map(|source| source.node.as_ptr());
            let more = self.more.iter().map(NodeRef::as_ptr);
            same.chain(more).map(|node| node.as_ptr() as usize).collect()
        });
        !seen.insert(address)
    }
}

impl Carried {
    /// Adds another thread's reads; they come too late once the evaluation is over.
    pub(crate) fn add(&self, mut recorded: Recorded) {
        let (more, private) = (recorded.take_more(), recorded.take_private());
        if let Some(reads) = &mut *self.reads.lock() {
            reads.nodes.extend(more);
            reads.valid_from = reads.valid_from.max(recorded.valid_from);
            reads.private.extend(private);
        }
    }
}

crate::sync::per_thread! {
    static TOP: Cell<*const Frame> = Cell::new(null());
    static CHAINS: Cell<u64> = Cell::new(0);
    /// How many claims this thread holds, whatever it is doing now.
    static CLAIMS: Cell<u32> = Cell::new(0);
}

/// A number no other chain of evaluations has: this thread's number and a counter.
fn next_chain() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(1);
    const COUNTER_BITS: u32 = 40;
    CHAINS
        .try_with(|chains| {
            let next = match chains.get() {
                // Relaxed: only uniqueness matters.
                0 => THREADS.fetch_add(1, Relaxed) << COUNTER_BITS,
                last => last + 1,
            };
            chains.set(next);
            next
        })
        // Relaxed: as above.
        .unwrap_or_else(|_| THREADS.fetch_add(1, Relaxed) << COUNTER_BITS)
}

/// The computeds this thread is bringing up to date, the innermost first: running ones, by
/// their frames, and between them those that wait for one of their sources, by the steps of the
/// walks.
fn path() -> Vec<NonNull<Node>> {
    let mut path: Vec<NonNull<Node>> = Vec::new();
    let mut end = usize::MAX;
    let mut at = TOP.try_with(Cell::get).unwrap_or(null());
    // SAFETY: frames outlive the code they surround, which is what asks.
    while let Some(frame) = unsafe { at.as_ref() } {
        at = frame.parent;
        let Some(running) = NonNull::new(frame.node.cast_mut()) else { continue };
        add_steps(&mut path, frame.steps, end);
        path.push(running);
        end = frame.steps;
    }
    add_steps(&mut path, 0, end);
    path
}

/// Adds steps, the innermost first; that of a running computed is on the path already.
fn add_steps(path: &mut Vec<NonNull<Node>>, start: usize, end: usize) {
    let steps = evaluate::steps_between(start, end);
    let running = path.last().copied().filter(|last| steps.first() == Some(last));
    path.extend(steps.into_iter().skip(usize::from(running.is_some())));
}

/// The computeds that the code here is inside of, on this thread and those it was carried from.
pub(crate) fn inside() -> Vec<NodeRef> {
    // SAFETY: nodes on the path are being evaluated, so they are counted.
    let here = path().into_iter().map(|node| unsafe { node.as_ref() }.counted());
    let frame = Frame::current();
    let before = frame.fixed_view().map_or(&[][..], |view| view.inside);
    here.chain(before.iter().cloned()).collect()
}

/// The names from `node`'s place on the path to the end, and its own again.
pub(crate) fn path_to(node: &Node) -> Vec<String> {
    let mut path = inside();
    if let Some(start) = path.iter().position(|on| on.same(node)) {
        path.truncate(start + 1);
    }
    let names = path.iter().rev().map(|on| on.name().to_string());
    names.chain([node.name().to_string()]).collect()
}

/// While it lives, this thread counts as holding a claim: its evaluation's thread may.
pub(crate) struct AsIfClaimed;

impl AsIfClaimed {
    pub(crate) fn begin() -> Self {
        count_claim(1);
        Self
    }
}

impl Drop for AsIfClaimed {
    fn drop(&mut self) {
        count_claim(-1);
    }
}

pub(crate) fn claims_held() -> u32 {
    CLAIMS.try_with(Cell::get).unwrap_or(0)
}

pub(crate) fn count_claim(change: i32) {
    let _ = CLAIMS.try_with(|claims| claims.set(claims.get().wrapping_add_signed(change)));
}

/// A read with user code inside, at the newest revision, held.
pub(crate) struct HeldView<'w> {
    pub(crate) view: View<'w>,
    _held: Held<'w>,
    _reading: Reading,
}

impl<'w> HeldView<'w> {
    pub(crate) fn newest(world: &'w Arc<World>) -> Self {
        let held = world.holds.newest(&world.clock);
        let view = View::held(world, &held);
        Self { view, _held: held, _reading: Reading::begin() }
    }
}
