//! Drafts: writes not committed yet, with everything derived from them.

use super::inspect::Node;
use super::loaded::Loaded;
use super::readable::{Readable, raise};
use super::signal::Signal;
use super::snapshot::try_load;
use crate::block::Shared;
use crate::engine::evaluate;
use crate::engine::frame::{Frame, Reads, View, Writes};
use crate::engine::overlay::{Overlay, Taken};
use crate::engine::write::{self, Refused, Strictness, What};
use crate::engine::{private, read};
use crate::revision::Revision;
use crate::structure::node::{NodeKind, NodeRef};
use crate::structure::world::World;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::null;
use std::sync::Arc;

/// What-if: writes that nobody else sees, readable with all derived values, to be committed or
/// dropped.
///
/// ```
/// let g = isobar::Graph::new();
/// let price = g.signal(100);
/// let with_tax = price.map(|p| p * 119 / 100);
/// let draft = g.draft();
/// draft.set(&price, 200);
/// assert_eq!((draft.get(&with_tax), with_tax.get()), (238, 119));
/// draft.commit().unwrap();
/// assert_eq!(with_tax.get(), 238);
/// ```
///
/// It may be sent to another thread, and holds the revision it is based on for as long as it
/// lives; see [`Snapshot`](crate::Snapshot) for what that costs. What is read in it is not tracked.
#[must_use = "a draft that is dropped commits nothing; `commit` it"]
#[derive(Debug)]
pub struct Draft {
    overlay: Arc<Overlay>,
}

/// A draft was not committed: signals it wrote have changed since its base.
#[derive(Debug)]
pub struct DraftConflict {
    draft: Draft,
    /// The names of the signals that changed, in the order in which the draft wrote them.
    pub signals: Vec<String>,
}

impl DraftConflict {
    /// The draft, as it was: `rebase` it, `commit_over`, or drop it.
    pub fn into_draft(self) -> Draft {
        self.draft
    }
}

impl std::fmt::Display for DraftConflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signals = self.signals.join(", ");
        write!(f, "changed since the draft's base: {signals}; rebase the draft or commit it over")
    }
}

impl std::error::Error for DraftConflict {}

/// A node whose value in a draft differs from the draft's base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    node: Node,
}

impl Difference {
    /// The node; read it in the draft and in a snapshot to see the values.
    pub fn node(&self) -> &Node {
        &self.node
    }
}

impl Draft {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let base = world.holds.share(&world.clock);
        Self { overlay: Overlay::within(world, base) }
    }

    /// Sets a signal in the draft.
    ///
    /// # Panics
    /// If the signal is of another graph; with what its equality function panics with.
    #[track_caller]
    pub fn set<T: Send + Sync + 'static>(&self, signal: &Signal<T>, value: T) {
        self.check(signal.node().inner());
        let done = self.inside(|| signal.write(What::Set(Shared::value(value))));
        done.expect("nothing is refused in a draft's frame, and no condition was given");
    }

    /// Updates a signal in the draft; replayed on the newest value after a `rebase`.
    ///
    /// # Panics
    /// If the signal is of another graph.
    #[track_caller]
    pub fn update<T: Send + Sync + 'static>(
        &self,
        signal: &Signal<T>,
        f: impl FnMut(&T) -> T + Send + 'static,
    ) {
        self.check(signal.node().inner());
        self.inside(|| signal.update(f));
    }

    /// [`update`](Self::update) on a clone of the value.
    ///
    /// # Panics
    /// If the signal is of another graph.
    #[track_caller]
    pub fn mutate<T: Clone + Send + Sync + 'static>(
        &self,
        signal: &Signal<T>,
        f: impl FnMut(&mut T) + Send + 'static,
    ) {
        self.check(signal.node().inner());
        self.inside(|| signal.mutate(f));
    }

    #[track_caller]
    fn check(&self, node: &NodeRef) {
        if !Arc::ptr_eq(node.world(), self.overlay.world()) {
            raise(read::other_graph(node, self.overlay.world()));
        }
    }

    /// A clone of the node's value in the draft.
    ///
    /// # Panics
    /// With a [`ReadError`](crate::ReadError) if the computed fails, or if the node is of
    /// another graph.
    pub fn get<R: Readable + ?Sized>(&self, node: &R) -> R::Value
    where
        R::Value: Clone,
    {
        self.with(node, Clone::clone)
    }

    /// Looks at the node's value in the draft.
    ///
    /// # Panics
    /// Like [`get`](Self::get).
    pub fn with<R: Readable + ?Sized, U>(&self, node: &R, f: impl FnOnce(&R::Value) -> U) -> U {
        f(&self.load(node))
    }

    /// Keeps the node's value in the draft.
    ///
    /// # Panics
    /// Like [`get`](Self::get).
    pub fn load<R: Readable + ?Sized>(&self, node: &R) -> Loaded<R::Value> {
        try_load(&self.overlay, node).unwrap_or_else(|error| raise(error))
    }

    /// Runs `f` inside the draft: reads see it, writes go to it. Writes to signals of another graph
    /// are no part of a draft: each commits at once, there.
    ///
    /// # Panics
    /// Inside a computed, or an `update` or equality closure: these must not write.
    #[track_caller]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        check_may_write();
        self.inside(f)
    }

    fn inside<R>(&self, f: impl FnOnce() -> R) -> R {
        let view = View::over(&self.overlay);
        let mut frame = Frame {
            reads: Reads::one(&view),
            tracker: null(),
            writes: Writes::Collect,
            graph: self.overlay.world(),
            ..Frame::detached()
        };
        frame.enter(f)
    }

    /// The revision the draft is based on.
    pub fn base(&self) -> Revision {
        Revision(self.overlay.base())
    }

    /// The nodes whose values in the draft differ from the base: the signals written, and of the
    /// computeds downstream those that have been read before. Evaluates them in the draft.
    pub fn diff(&self) -> Vec<Difference> {
        let written = self.overlay.written();
        let mut seen: HashSet<_> = written.iter().map(NodeRef::as_ptr).collect();
        let mut open = written;
        let mut differing = Vec::new();
        while let Some(node) = open.pop() {
            if node.role() == NodeKind::Effect {
                continue;
            }
            let fresh = node.live_observers().into_iter();
            open.extend(fresh.filter(|observer| seen.insert(observer.as_ptr())));
            if self.differs(&node) {
                differing.push(node);
            }
        }
        differing.sort_unstable_by_key(|node| node.id);
        differing.into_iter().map(|node| Difference { node: Node::new(node) }).collect()
    }

    fn differs(&self, node: &NodeRef) -> bool {
        let over = View::over(&self.overlay);
        let here = private::over(&over, node);
        let base = View::new(self.overlay.world(), over.revision);
        match (here, read::at(&base, node)) {
            (Ok((here, _)), Ok(base)) => {
                !evaluate::is_equal(node, base.kept.header(), here.kept.header())
            }
            (Err(_), Err(_)) => false,
            _ => true,
        }
    }

    /// Commits the draft, if none of the signals it wrote has changed since its base. A draft that
    /// wrote nothing gives its base.
    ///
    /// It is a commit of its own, also inside a batch or effect: it does not wait for their end,
    /// and their failure does not take it back. Effects it wakes have run when it returns, as with
    /// [`Signal::set`].
    ///
    /// # Errors
    /// [`DraftConflict`], which gives the draft back.
    ///
    /// # Panics
    /// Inside a computed, or an `update` or equality closure: these must not write.
    #[track_caller]
    pub fn commit(self) -> Result<Revision, DraftConflict> {
        check_may_write();
        let world = self.overlay.world().clone();
        match write::commit_overlay(&self.overlay, Strictness::Draft, 0, Location::caller()) {
            Ok(revision) => {
                let revision = revision.map_or_else(|| self.base(), Revision);
                drop(self);
                write::after(&world);
                Ok(revision)
            }
            Err(refused) => {
                let Refused { taken, signal } = *refused;
                let newest = |node: &NodeRef| write::version_of(&read::newest_version(node));
                let written = taken.pending.iter().map(|pending| &pending.node);
                let mut changed: Vec<_> =
                    written.filter(|node| newest(node) > taken.base).collect();
                if changed.is_empty() {
                    // Another condition than that of a draft: a `compare_set` inside.
                    changed.push(&signal);
                }
                let signals = changed.into_iter().map(|node| node.name().to_string()).collect();
                self.overlay.restore(taken);
                Err(DraftConflict { draft: self, signals })
            }
        }
    }

    /// Moves the draft onto the newest revision: sets stay, updates run again.
    ///
    /// # Panics
    /// With what an update or equality function panics with; the draft stays on its base.
    pub fn rebase(&mut self) {
        let mut taken = self.overlay.take();
        let world = self.overlay.world();
        let base = world.holds.share(&world.clock);
        let moved = catch_unwind(AssertUnwindSafe(|| replay_on(&mut taken, base)));
        if moved.is_ok() {
            world.holds.unshare(std::mem::replace(&mut taken.base, base));
        } else {
            // Both bases are held until one of them is the draft's.
            let before = taken.base;
            let _ = catch_unwind(AssertUnwindSafe(|| replay_on(&mut taken, before)));
            world.holds.unshare(base);
        }
        self.overlay.restore(taken);
        moved.unwrap_or_else(|payload| resume_unwind(payload));
    }

    /// Commits the draft over whatever has changed since: its sets win, its updates are replayed
    /// on the newest values. Otherwise like [`commit`](Self::commit).
    ///
    /// # Panics
    /// If a `compare_set` inside [`enter`](Self::enter) does not hold. Inside a computed, or an
    /// `update` or equality closure: these must not write.
    #[track_caller]
    pub fn commit_over(self) -> Revision {
        check_may_write();
        let world = self.overlay.world().clone();
        let place = Location::caller();
        match write::commit_overlay(&self.overlay, Strictness::Batch, 0, place) {
            Ok(revision) => {
                let revision = revision.map_or_else(|| self.base(), Revision);
                drop(self);
                write::after(&world);
                revision
            }
            Err(refused) => panic!(
                "a draft was not committed: {} changed after the revision given to compare_set",
                refused.signal.name()
            ),
        }
    }
}

/// Makes what is pending anew, on the values of a held revision.
fn replay_on(taken: &mut Taken, revision: u64) {
    for pending in &mut taken.pending {
        let head = read::version_at(&pending.node, revision);
        pending.made_on = head.changed_at;
        write::replay(pending, &head.kept);
    }
}

/// A draft must not be the way around a refusal.
#[track_caller]
fn check_may_write() {
    if let Some(refusal) = Frame::current().writes.refusal() {
        panic!("a draft was entered or committed where nothing may be written: {refusal}");
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.overlay.world().holds.unshare(self.overlay.base());
    }
}
