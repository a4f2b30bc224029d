//! Bringing a computed up to date at a held revision: check its sources, run its function only
//! if one of them really changed, publish what may be published.
//!
//! A chain of dirty nodes is walked with a stack of our own, kept per thread; only the user's
//! functions recurse, and for them the machine's stack grows.
//! Protocol: docs/protocols/evaluate.md.

use super::frame::{self, Frame, Recorded, Tracker, View};
use super::{private, read};
use crate::block::{Header, Shared};
use crate::error::{ReadError, panic_message};
use crate::participants::{self, Participant};
use crate::reclaim;
use crate::seeded::{Bug, seeded};
use crate::solo::{self, fence};
use crate::structure::holds::Kept;
use crate::structure::node::{Node, NodeKind, NodeRef, Source, Sources};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed, Release, SeqCst};
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// What a read found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kept: Kept,
    pub(crate) changed_at: u64,
    /// Exact from here to the revision it was asked for.
    pub(crate) valid_from: u64,
    /// May results built on it be published? Only if its subscriptions cover what it read.
    pub(crate) published: bool,
}

/// A memo that is exact at a revision somebody holds.
#[derive(Clone, Copy)]
pub(crate) struct Memo {
    pub(crate) block: NonNull<Header>,
    pub(crate) valid_from: u64,
}

impl Memo {
    #[inline]
    fn changed_at(&self) -> u64 {
        reclaim::check(self.block.as_ptr());
        // Relaxed: written before the memo was published.
        // SAFETY: exact at a held revision, so kept for it (holds.md, claim H2).
        unsafe { self.block.as_ref() }.stamp.load(Relaxed)
    }

    #[inline]
    pub(crate) fn found(self) -> Found {
        let (changed_at, valid_from) = (self.changed_at(), self.valid_from);
        // SAFETY: as above.
        let kept = unsafe { Kept::by_revision(self.block) };
        Found { kept, changed_at, valid_from, published: true }
    }
}

/// The memo, if it is exact at `revision`, which the caller holds.
///
/// The order of the loads is the protocol: `verified_at`, `value`, `valid_from`, stamp
/// (evaluate.md, claim E2).
#[inline]
pub(crate) fn usable(node: &Node, revision: u64) -> Option<Memo> {
    look(node, revision).ok()
}

/// The same; else when the node was verified by then.
#[inline(always)]
fn look(node: &Node, revision: u64) -> Result<Memo, u64> {
    // Acquire: pairs with the Release in `publish`: a memo at least as new follows.
    let verified_at = node.verified_at.load(Acquire);
    // Acquire: as above; the memo, its `valid_from` and the stamps taken over are visible.
    let block = NonNull::new(node.value.load(Acquire)).ok_or(verified_at)?;
    // Acquire: a value newer than the memo's asks for more than needed.
    let valid_from = node.valid_from.load(Acquire);
    let too_new = valid_from > revision && !seeded(Bug::ValidFromIgnored);
    if too_new || (node.stamp_of_computed() > verified_at && revision > verified_at) {
        return Err(verified_at);
    }
    Ok(Memo { block, valid_from })
}

/// The right to evaluate a node and to publish the result. Its owner never waits.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    node: &'a Node,
}

impl<'a> Claim<'a> {
    pub(crate) fn try_take(node: &'a Node, view: &'a View<'_>) -> Option<Self> {
        // SeqCst: pairs with the fence of `Marker::is_still_dirty`: either that sees the node
        // claimed, or this claim's evaluation, and all who build on it, see the mark (claim
        // M3). Pairs as Acquire with the Release in `drop`, too: the owner before is done.
        let free = solo::exchange(view.me, &node.claim, 0, view.chain, SeqCst);
        // The stand-in would hide what a release without order does.
        if free && !seeded(Bug::NoClaimFence) && !seeded(Bug::ClaimRelaxed) {
            crate::sync::fence_of_claim();
        }
        free.then(|| {
            frame::count_claim(1);
            Self { node }
        })
    }

    /// The sources of the last published run.
    pub(crate) fn sources(&self) -> &[Source] {
        sources_of(self.node)
    }
}

/// The sources of the last published run, for the claim's owner, who does not change them
/// meanwhile.
#[inline]
fn sources_of(node: &Node) -> &[Source] {
    // SAFETY: the claim's own cell.
    node.sources.with(|sources| unsafe { (*sources).as_slice() })
}

impl Drop for Claim<'_> {
    #[inline]
    fn drop(&mut self) {
        release(participants::current(), self.node);
    }
}

#[inline(always)]
fn release(me: &Participant, node: &Node) {
    frame::count_claim(-1);
    if seeded(Bug::ClaimLost) && node.has_failed() {
        return;
    }
    // Release: pairs with the next owner's Acquire.
    node.claim.store(0, if seeded(Bug::ClaimRelaxed) { Relaxed } else { Release });
    node.world().progress.notify_of(me);
}

/// One node being brought up to date.
struct Step<'a> {
    claim: Claim<'a>,
    /// The source to look at next; `RUN`: none, for the function must run.
    at: usize,
    verified_at: u64,
    valid_from: u64,
    published: bool,
}

const RUN: usize = usize::MAX;

/// What became of a node that was asked for.
#[derive(Clone, Copy)]
enum Start {
    /// It is up to date.
    Usable,
    /// It is the walk's innermost step.
    Begun,
    /// Another evaluation has it, or has published something newer.
    Private,
    /// This chain of evaluations is running it already.
    Cycle,
}

/// The value of a computed at the view's revision. Waits for another thread that is running it,
/// unless this thread holds a claim.
pub(crate) fn evaluate(view: &View, node: &Node) -> Result<Found, ReadError> {
    loop {
        if let Some(memo) = usable(node, view.revision) {
            return Ok(memo.found());
        }
        match bring_up_to_date(view, node) {
            Brought::Published => {}
            Brought::Privately => return private::plain(view, node),
            Brought::Cycle => return Err(cycle(node)),
        }
    }
}

/// See `read::changed_after`.
#[inline]
pub(crate) fn changed_after(view: &View, node: &Node, revision: u64) -> Option<bool> {
    if let Some(memo) = usable(node, view.revision) {
        return Some(memo.changed_at() > revision);
    }
    if bring_up_to_date(view, node) == Brought::Published
        && let Some(memo) = usable(node, view.revision)
    {
        return Some(memo.changed_at() > revision);
    }
    match evaluate(view, node) {
        Ok(found) => found.published.then_some(found.changed_at > revision),
        Err(_) => Some(true),
    }
}

/// How a computed stands after it was brought up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Brought {
    /// Its memo is exact at the view's revision, unless it is newer by now.
    Published,
    /// Only for this view: what there is, is in the overlay.
    Privately,
    /// This chain of evaluations is running it already.
    Cycle,
}

/// Brings a computed up to date that was found not to be. The memo is then at hand: results are
/// not handed up, for they are dear to move.
pub(crate) fn bring_up_to_date(view: &View, node: &Node) -> Brought {
    loop {
        // What the owner of the claim compares is of the look that found it out of date: loaded
        // later, it could be of a publication that this look has not seen.
        let Err(seen) = look(node, view.revision) else { return Brought::Published };
        let walk = Walk::begin(view);
        match walk.start(node, seen) {
            Start::Usable => return Brought::Published,
            Start::Cycle => return Brought::Cycle,
            Start::Begun if walk.drive() => return Brought::Published,
            Start::Begun => return Brought::Privately,
            Start::Private if wait_for(view, node) => {}
            Start::Private => return Brought::Privately,
        }
    }
}

/// Waits for the claim's owner, if nobody can be waiting for this thread; false if not.
fn wait_for(view: &View, node: &Node) -> bool {
    if frame::claims_held() > 0 && !seeded(Bug::WaitWithClaim) {
        return false;
    }
    // Acquire: what the owner published is looked at next.
    if node.claim.load(Acquire) == 0 {
        // Free, so it has something newer than this view's revision, or was just released.
        // Acquire: pairs with the Release in `publish`.
        return node.verified_at.load(Acquire) <= view.revision;
    }
    let spin = crate::sync::Spin::default();
    while !spin.is_over() {
        spin.turn();
        // Acquire: as above.
        if node.claim.load(Acquire) == 0 {
            return true;
        }
    }
    wait_for_release(node);
    true
}

/// Waits until a node's claim, if there is one, is released; the next owner may have it then.
pub(crate) fn wait_for_release(node: &Node) {
    // Acquire: what the owner published is looked at next.
    node.world().progress.wait(None, || node.claim.load(Acquire) == 0);
}

crate::sync::per_thread! {
    /// The steps of all walks of this thread, the innermost walk's last. Not dropped, so that it is
    /// there for the destructors of other thread-local values; its memory goes with `STEPS_END`.
    static STEPS: UnsafeCell<ManuallyDrop<Vec<Step<'static>>>> =
        UnsafeCell::new(ManuallyDrop::new(Vec::new()));
    static STEPS_END: StepsEnd = StepsEnd;
    /// Kept for its memory.
    static SPARE: Cell<Option<Box<Sources>>> = Cell::new(None);
}

struct StepsEnd;

impl Drop for StepsEnd {
    fn drop(&mut self) {
        // SAFETY: as in `steps`.
        let memory = STEPS.try_with(|steps| std::mem::take(unsafe { &mut **steps.get() }));
        drop(memory);
    }
}

/// The explicit stack of one evaluation.
struct Walk<'a> {
    view: &'a View<'a>,
    /// The thread's; other walks push and pop above while user code runs.
    steps: NonNull<Vec<Step<'static>>>,
    base: usize,
    /// Was the last step's result not for everybody?
    private: Cell<bool>,
    /// The subscriptions to end once the innermost step is left.
    ended: Cell<Option<Box<Sources>>>,
}

/// What a finished step tells the one that asked.
struct Told {
    changed_at: u64,
    valid_from: u64,
    published: bool,
}

impl From<&Found> for Told {
    #[inline]
    fn from(found: &Found) -> Self {
        let Found { changed_at, valid_from, published, .. } = *found;
        Self { changed_at, valid_from, published }
    }
}

/// What a look at the sources of a step tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Unchanged,
    Changed,
    /// A source became the innermost step.
    Descended,
}

impl<'a> Walk<'a> {
    #[inline]
    fn begin(view: &'a View<'_>) -> Self {
        // SAFETY: the thread's own cell, which is never dropped; borrowed for moments only, in
        // which nothing comes back here.
        let steps = STEPS.with(|steps| unsafe { NonNull::from(&mut **steps.get()) });
        // SAFETY: as above.
        let (base, room) = unsafe { (steps.as_ref().len(), steps.as_ref().capacity()) };
        if room == 0 {
            // The destructor is to run. A thread that is past it does without.
            let _ = STEPS_END.try_with(|_| ());
        }
        Self { view, steps, base, private: Cell::new(false), ended: Cell::new(None) }
    }

    #[inline]
    fn push(&self, step: Step<'a>) {
        // SAFETY: only the lifetime is changed; a walk pops all it pushed, also when unwinding
        // (see `Drop`), so no step outlives the nodes and the view it borrows.
        let step = unsafe { std::mem::transmute::<Step<'a>, Step<'static>>(step) };
        // SAFETY: as in `begin`.
        unsafe { (*self.steps.as_ptr()).push(step) };
    }

    #[inline]
    fn pop(&self) -> Option<Step<'a>> {
        // SAFETY: as in `begin`.
        let steps = unsafe { &mut *self.steps.as_ptr() };
        if steps.len() > self.base { steps.pop() } else { None }
    }

    /// Takes the node's claim, unless it is up to date or somebody else's, and begins its step.
    /// `seen`: when it was verified by the look that found it out of date.
    #[inline]
    fn start(&self, node: &'a Node, seen: u64) -> Start {
        let view = self.view;
        // Relaxed: this chain's own number was stored by this thread.
        if node.claim.load(Relaxed) == view.chain || view.is_inside(node) {
            return Start::Cycle;
        }
        let Some(claim) = Claim::try_take(node, view) else {
            view.blocked_on.set(Some(node.counted()));
            return Start::Private;
        };
        // Relaxed: written by the claim's owners only.
        let verified_at = node.verified_at.load(Relaxed);
        if verified_at != seen && usable(node, view.revision).is_some() {
            return Start::Usable;
        }
        if verified_at > view.revision {
            return Start::Private;
        }
        // Relaxed: as above.
        let first = node.value.load(Relaxed).is_null();
        let at = if first { RUN } else { 0 };
        self.push(Step { claim, at, verified_at, valid_from: 0, published: true });
        Start::Begun
    }

    /// Brings the node of the step begun up to date, and all it needs before it; false if what
    /// came out is private.
    fn drive(&self) -> bool {
        loop {
            let (changed_at, valid_from) = match self.check() {
                Check::Descended => continue,
                Check::Unchanged => self.verified(),
                Check::Changed => self.run(),
            };
            let published = !self.private.replace(false);
            if self.leave() {
                return published;
            }
            let asker = self.innermost();
            if asker.hears(&Told { changed_at, valid_from, published }) {
                asker.at = RUN;
            }
        }
    }

    /// The innermost step, good until the next one begins. Steps stay where they are while user
    /// code runs, for they are not cheap to move.
    #[expect(clippy::mut_from_ref, reason = "the list is the thread's, and not the walk's")]
    #[inline(always)]
    fn innermost(&self) -> &mut Step<'a> {
        // SAFETY: as in `begin`.
        let steps = unsafe { &mut *self.steps.as_ptr() };
        let step = steps.last_mut().expect("a walk has a step until it ends");
        // SAFETY: only the lifetime is changed, see `push`.
        unsafe { std::mem::transmute::<&mut Step<'static>, &mut Step<'a>>(step) }
    }

    /// Ends the innermost step; true if it was the walk's last.
    #[inline(always)]
    fn leave(&self) -> bool {
        // SAFETY: as in `begin`.
        let steps = unsafe { &mut *self.steps.as_ptr() };
        let last = steps.len() - 1;
        let node = steps[last].claim.node;
        // SAFETY: shorter, and what is cut off is released here and not dropped.
        unsafe { steps.set_len(last) };
        release(self.view.me, node);
        if let Some(ended) = self.ended.take() {
            // Without the claim, for it may drop nodes.
            end(node.world(), ended);
        }
        last == self.base
    }

    /// Looks at the innermost step's sources in order, up to one that must be brought up to date
    /// first.
    #[inline]
    fn check(&self) -> Check {
        loop {
            let step = self.innermost();
            if step.at == RUN {
                return Check::Changed;
            }
            // SAFETY: only the lifetime is changed: the claim protects the sources, and each
            // source is counted by its edge, until the step is finished.
            let sources =
                unsafe { std::mem::transmute::<&[Source], &'a [Source]>(step.claim.sources()) };
            let Some(source) = sources.get(step.at) else { return Check::Unchanged };
            let revision = self.view.revision;
            let told = if source.node.role() == NodeKind::Signal {
                read::version_told(&source.node, revision)
            } else {
                match look(&source.node, revision) {
                    Ok(memo) => (memo.changed_at(), memo.valid_from),
                    Err(seen) => match self.descend(&source.node, seen) {
                        Some(check) => return check,
                        None => continue,
                    },
                }
            };
            if step.hears(&Told { changed_at: told.0, valid_from: told.1, published: true }) {
                return Check::Changed;
            }
        }
    }

    /// A source that is not up to date; `None`: look again.
    #[inline]
    fn descend(&self, source: &'a Node, seen: u64) -> Option<Check> {
        match self.start(source, seen) {
            Start::Begun => Some(Check::Descended),
            Start::Usable => None,
            Start::Cycle => Some(Check::Changed),
            Start::Private => self.ask_privately(source),
        }
    }

    #[cold]
    fn ask_privately(&self, source: &'a Node) -> Option<Check> {
        // Only a run can tell what an error means.
        let Ok(found) = private::plain(self.view, source) else { return Some(Check::Changed) };
        self.innermost().hears(&Told::from(&found)).then_some(Check::Changed)
    }

    /// Runs the user's function and publishes its value, if that may be. Like the other ways to end
    /// a step it returns when the value changed, and from where on it is exact.
    #[inline]
    fn run(&self) -> (u64, u64) {
        let node = self.innermost().claim.node;
        // SAFETY: the claim's own cell; the list changes after the tracker is finished.
        let tracker = Tracker::new(Some(node.sources.with(|sources| unsafe { &*sources })));
        // SAFETY: as in `begin`.
        let steps = unsafe { self.steps.as_ref() }.len();
        let mut frame = Frame::of_computed(self.view, &tracker, node, steps);
        let ran = frame.enter_nested(|| timed(self.view, node));
        let block = ran.unwrap_or_else(|payload| Shared::failure(failure(node, payload)));
        if tracker.is_as_before() {
            let valid_from = tracker.valid_from.get();
            tracker.end_as_before();
            return self.publish(block, valid_from);
        }
        self.changed(block, tracker.finish())
    }

    /// See the function. The step itself may move, for publishing asks the equality, and that may
    /// read.
    #[inline]
    fn publish(&self, block: Shared, valid_from: u64) -> (u64, u64) {
        let step = self.innermost();
        publish(self.view, step.claim.node, step.changed_from(), block, valid_from)
    }

    /// What was read is not what was read before, or not what everybody may see.
    #[cold]
    fn changed(&self, block: Shared, recorded: Recorded) -> (u64, u64) {
        let step = self.innermost();
        if recorded.is_tainted() && !seeded(Bug::NoTaint) {
            return self.unpublished(block, recorded);
        }
        let node = step.claim.node;
        if seeded(Bug::SubscribeLate) {
            inherit(node, step.claim.sources(), self.view.revision);
        }
        let valid_from = recorded.valid_from;
        let dropped = subscribe(node, recorded);
        let told = self.publish(block, valid_from);
        if let Some(dropped) = dropped {
            let mut ended = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
            *ended = dropped;
            self.ended.set(Some(ended));
        }
        told
    }

    /// A result built on a private one: right at this revision, but its subscriptions do not
    /// cover what it read, so nobody else may use it (claim E3).
    fn unpublished(&self, block: Shared, mut recorded: Recorded) -> (u64, u64) {
        let step = self.innermost();
        let read = step.claim.sources()[..recorded.same].iter().map(|source| source.node.clone());
        let sources: Vec<NodeRef> = read.chain(recorded.take_more()).collect();
        self.keep(block, sources, recorded.valid_from)
    }

    /// Keeps the innermost step's result for this view.
    fn keep(&self, block: Shared, sources: Vec<NodeRef>, valid_from: u64) -> (u64, u64) {
        self.private.set(true);
        let node = self.innermost().claim.node;
        let found = private::keep(self.view, node, block, sources, valid_from);
        (found.changed_at, found.valid_from)
    }

    /// No source changed: the memo is as good at this revision.
    fn verified(&self) -> (u64, u64) {
        let (view, step) = (self.view, self.innermost());
        let node = step.claim.node;
        // Relaxed: written by the claim's owners only.
        let block = NonNull::new(node.value.load(Relaxed)).expect("a checked computed has a memo");
        // SAFETY: the claim protects the memo.
        let changed_at = unsafe { block.as_ref() }.stamp.load(Relaxed);
        // Relaxed: as above. Never back, see `publish`.
        let valid_from = step.valid_from.max(node.valid_from.load(Relaxed));
        if !step.published && !seeded(Bug::NoTaint) {
            let sources = step.claim.sources().iter().map(|source| source.node.clone()).collect();
            // SAFETY: as above: the graph's count is there.
            let (_, valid_from) = self.keep(unsafe { Shared::retain(block) }, sources, valid_from);
            return (changed_at, valid_from);
        }
        let valid_from = if seeded(Bug::ValidFromBackdated) { changed_at } else { valid_from };
        settle(node, step.claim.sources(), view.revision, valid_from);
        view.cutoffs.set(view.cutoffs.get() + 1);
        (changed_at, valid_from)
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        // Only an unwinding walk has steps left; their claims are released.
        while let Some(step) = self.pop() {
            drop(step);
        }
    }
}

impl Step<'_> {
    /// Takes in what a source says; true if the function must run.
    #[inline]
    fn hears(&mut self, told: &Told) -> bool {
        self.published &= told.published;
        self.valid_from = self.valid_from.max(told.valid_from);
        self.at += 1;
        told.changed_at > self.verified_at
    }

    /// From when on a value is valid that is another one than the memo.
    fn changed_from(&self) -> u64 {
        self.valid_from.max(self.verified_at + 1)
    }
}

fn steps<R>(f: impl FnOnce(&mut Vec<Step<'static>>) -> R) -> R {
    // SAFETY: the thread's own cell; the closures given push, pop or measure, nothing that comes
    // back here. Dropping a popped step happens outside.
    STEPS.with(|steps| f(unsafe { &mut *steps.get() }))
}

/// How many steps this thread's walks have.
pub(crate) fn depth() -> usize {
    steps(|steps| steps.len())
}

/// The nodes of this thread's steps from `start` to before `end`, the last first.
pub(crate) fn steps_between(start: usize, end: usize) -> Vec<NonNull<Node>> {
    steps(|steps| {
        let steps = steps.get(start..end.min(steps.len())).unwrap_or_default();
        steps.iter().rev().map(|step| NonNull::from(step.claim.node)).collect()
    })
}

/// Takes over the stamps and declares the node verified: all readers may use the memo.
#[inline]
fn settle(node: &Node, sources: &[Source], revision: u64, valid_from: u64) {
    if seeded(Bug::PublishBeforeInherit) || seeded(Bug::SubscribeLate) {
        // Release: see below.
        node.valid_from.store(valid_from, Release);
        // Release: see below.
        node.verified_at.store(revision, Release);
        return inherit(node, sources, revision);
    }
    inherit(node, sources, revision);
    // Release: written before `verified_at`; pairs with the Acquire in `usable`.
    node.valid_from.store(valid_from, Release);
    // Release: whoever sees the node verified sees memo and stamps.
    node.verified_at.store(revision, Release);
}

/// Marks for commits after `revision` that the marker could not give this node, because it found
/// the subscription too late (evaluate.md, claim E1).
#[inline]
pub(crate) fn inherit(node: &Node, sources: &[Source], revision: u64) {
    if seeded(Bug::NoInherit) {
        return;
    }
    let skip = |source: &&Source| {
        !(seeded(Bug::InheritSkipsComputeds) && source.node.role() == NodeKind::Computed)
    };
    let newest = sources.iter().filter(skip).map(|source| source.node.stamp()).max();
    // Relaxed: written by the claim's owner only, who asks.
    if let Some(newest) = newest
        && newest > revision
        && newest > node.inherited_at.load(Relaxed)
    {
        // Release: pairs with the Acquire in `stamp`.
        node.inherited_at.store(newest, Release);
    }
}

/// Publishes a result that everybody may see; the node has subscribed to what was read.
/// `changed_from`: from when on a value is valid that is another one than the memo.
#[inline]
fn publish(
    view: &View,
    node: &Node,
    changed_from: u64,
    block: Shared,
    valid_from: u64,
) -> (u64, u64) {
    // Relaxed: written by the claim's owners only.
    let old = NonNull::new(node.value.load(Relaxed));
    // Never back, even if the function is impure: holds protect memos by these numbers.
    let floor = if old.is_some() { node.valid_from.load(Relaxed) } else { 0 };
    let valid_from = valid_from.max(floor);
    // SAFETY: the claim protects the memo.
    let equal = old.filter(|old| is_equal(node, unsafe { old.as_ref() }, block.header()));
    match equal {
        Some(old) if !seeded(Bug::NoCutoff) => {
            view.cutoffs.set(view.cutoffs.get() + 1);
            settle(node, sources_of(node), view.revision, valid_from);
            // Relaxed: written by the claim's owners only.
            // SAFETY: the claim protects the memo.
            (unsafe { old.as_ref() }.stamp.load(Relaxed), valid_from)
        }
        _ => {
            // A peek may have led the function to sources that are older than the change that made
            // it run; but the memo before was exact until that change, so this one is not older.
            let valid_from = valid_from.max(old.map_or(0, |_| changed_from));
            debug_assert!(valid_from <= view.revision, "a node verified here is not run again");
            if let Err(block) = replace_alone(view, node, old, block, valid_from) {
                replace(view, node, old, block, valid_from);
            }
            (valid_from, valid_from)
        }
    }
}

/// The same where nothing but this view's revision is held or kept and no commit is newer: there
/// is no mark to take over, and the value before is nobody's. Gives the block back if there is
/// somebody else, or was meanwhile and has committed, or if there is more to do.
#[inline(always)]
fn replace_alone(
    view: &View,
    node: &Node,
    old: Option<NonNull<Header>>,
    block: Shared,
    valid_from: u64,
) -> Result<(), Shared> {
    // SAFETY: the claim protects the memo.
    let old = old.filter(|old| unsafe { old.as_ref() }.is_plain());
    let (true, Some(old)) = (view.lone, old) else { return Err(block) };
    // Relaxed: a hint for what this thread itself committed.
    let is_newest = || view.world.clock.load(Relaxed) == view.revision;
    if !is_newest() {
        return Err(block);
    }
    // Relaxed: published by `value` below.
    block.header().stamp.store(valid_from, Relaxed);
    // SAFETY: nobody else has the block yet.
    unsafe { block.header().set_from(valid_from) };
    let alone = solo::plainly(view.me, || {
        // Who came and went since the look above may have committed.
        if !is_newest() && !seeded(Bug::LoneLooksEarly) {
            return false;
        }
        // Release: as in `replace`.
        node.valid_from.store(valid_from, Release);
        // Release: as above.
        node.value.store(block.header().as_ptr().as_ptr(), Release);
        // Release: as above.
        node.verified_at.store(view.revision, Release);
        true
    });
    if alone != Some(true) {
        return Err(block);
    }
    reclaim::retired(old.as_ptr());
    reclaim::freed(old.as_ptr());
    // SAFETY: nobody else was there when it was replaced, and this thread has nothing of an older
    // revision (claim O3 of solo.md): the graph's count is ours to give up.
    drop(unsafe { Shared::from_raw(old) });
    block.into_raw();
    Ok(())
}

/// Publishes a changed value.
fn replace(view: &View, node: &Node, old: Option<NonNull<Header>>, block: Shared, valid_from: u64) {
    let sources = sources_of(node);
    // Relaxed: published by `value` below.
    block.header().stamp.store(valid_from, Relaxed);
    // SAFETY: nobody else has the block yet.
    unsafe { block.header().set_from(valid_from) };
    // Release: before `value`, see `usable`.
    node.valid_from.store(valid_from, Release);
    if !seeded(Bug::PublishBeforeInherit) && !seeded(Bug::SubscribeLate) {
        inherit(node, sources, view.revision);
    }
    let new = block.into_raw();
    // Release: publishes the memo; pairs with the Acquire in `usable`.
    node.value.store(new.as_ptr(), Release);
    if let Some(old) = old {
        // Nobody who finds the node clean for the old memo is at this stamp or beyond.
        let until = node.stamp().max(view.revision + 1);
        // Relaxed: written by the claim's owners only.
        let verified_at = node.verified_at.load(Relaxed);
        view.retire(old, if seeded(Bug::UntilShort) { verified_at } else { until });
    }
    // Release: whoever sees the node verified sees memo and stamps.
    node.verified_at.store(view.revision, Release);
    if seeded(Bug::PublishBeforeInherit) {
        inherit(node, sources, view.revision);
    }
}

/// Makes the recorded reads the node's sources, if they are others; returns those that no longer
/// are.
pub(crate) fn subscribe(node: &Node, recorded: Recorded) -> Option<Sources> {
    let before = node.sources.with(|sources| {
        // SAFETY: the cell belongs to the claim's owner, who asks.
        unsafe { (*sources).len() }
    });
    (!recorded.is_as_before(before)).then(|| resubscribe(node, recorded))
}

/// Steps T3 and T4 of docs/protocols/marks.md up to the look at the stamps, which follows.
fn resubscribe(node: &Node, mut recorded: Recorded) -> Sources {
    let rest = node.sources.with_mut(|sources| {
        // SAFETY: the cell belongs to the claim's owner, who asks.
        let sources = unsafe { &mut *sources };
        let mut rest = Sources::new();
        if recorded.same < sources.len() {
            rest.extend(sources.drain(recorded.same..));
        }
        let mut added = 0;
        if let Some(beyond) = recorded.beyond.as_mut() {
            sources.reserve(beyond.more.len());
            for read in beyond.more.drain(..) {
                // Reuses the slot of a source that only moved.
                let moved = rest.iter().position(|source| source.node.same(&read));
                sources.push(moved.map_or_else(
                    || {
                        added += 1;
                        let slot = read.observers.add(node.as_ptr());
                        Source { node: read, slot }
                    },
                    |index| rest.swap_remove(index),
                ));
            }
        }
        solo::add(participants::current(), &node.world().edges, added);
        // Relaxed: a hint for waves.
        let level = sources.iter().map(|source| source.node.level.load(Relaxed) + 1).max();
        // Relaxed: as above.
        node.level.store(level.unwrap_or(0), Relaxed);
        rest
    });
    // Release: a marker that has counted this finds the slots; pairs with `Marker::new`.
    node.world().subscriptions.fetch_add(1, Release);
    if !seeded(Bug::NoInheritFence) {
        // Pairs with the fences of `Group::mark` and `Marker`: either the marker counts this and
        // looks at the slots again, or the sources' stamps show its commit (claim M1).
        fence();
    }
    rest
}

/// Ends subscriptions, after the publication that no longer needs them.
pub(crate) fn unsubscribe(world: &World, dropped: Sources) {
    if dropped.is_empty() {
        return;
    }
    // Relaxed: statistics.
    world.edges.fetch_sub(dropped.len() as u64, Relaxed);
    for source in dropped {
        // SAFETY: the slot was given to this edge and is removed once.
        unsafe { source.node.observers.remove(source.slot) };
    }
}

#[cold]
fn end(world: &World, mut ended: Box<Sources>) {
    unsubscribe(world, std::mem::take(&mut *ended));
    let _ = SPARE.try_with(|spare| spare.set(Some(ended)));
}

/// User code; a panic counts as a change.
pub(crate) fn is_equal(node: &Node, old: &Header, new: &Header) -> bool {
    catch_unwind(AssertUnwindSafe(|| node.equal(old, new))).unwrap_or(false)
}

/// The error a panicking function leaves: what it re-raised, or its own.
pub(crate) fn failure(node: &Node, payload: Box<dyn Any + Send>) -> ReadError {
    match payload.downcast::<ReadError>() {
        Ok(error) => *error,
        Err(payload) => {
            ReadError::Panicked { node: node.name(), message: panic_message(&*payload) }
        }
    }
}

/// The error of a computed that reads itself, with the names of the nodes between.
pub(crate) fn cycle(node: &Node) -> ReadError {
    ReadError::Cycle { path: super::frame::path_to(node).into() }
}

/// Runs `f` with room for a user's function and its reads, growing the stack if need be.
#[cfg(not(any(loom, miri)))]
pub(crate) fn with_stack<R>(f: impl FnOnce() -> R) -> R {
    const RED_ZONE: usize = 128 << 10;
    const GROWTH: usize = 4 << 20;
    stacker::maybe_grow(RED_ZONE, GROWTH, f)
}

#[cfg(any(loom, miri))]
pub(crate) fn with_stack<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Runs the function; now and then its cost is measured, for the waves' estimates.
fn timed(view: &View, node: &Node) -> Result<Shared, Box<dyn Any + Send>> {
    const SAMPLED: u64 = 64;
    /// Of a node whose cost is known.
    const KNOWN: u64 = 1024;
    let runs = view.recomputes.get() + 1;
    view.recomputes.set(runs);
    // The chain's number tells short views apart.
    let turn = view.chain + u64::from(runs);
    let sampled =
        turn.is_multiple_of(SAMPLED) && (turn.is_multiple_of(KNOWN) || !node.is_measured());
    if cfg!(loom) || !sampled { node.run() } else { measured(node) }
}

#[cold]
fn measured(node: &Node) -> Result<Shared, Box<dyn Any + Send>> {
    let before = std::time::Instant::now();
    // The clock's own cost, about the same each time, is taken off.
    let started = std::time::Instant::now();
    let ran = node.run();
    let cost = started.elapsed().saturating_sub(started - before);
    let nanos = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX).clamp(1, 1 << 32);
    node.set_cost(nanos);
    let mean = &node.world().mean_cost;
    // Relaxed: a lost update costs precision only.
    let old = mean.load(Relaxed);
    // One run that was interrupted must not pass for a dear one: it moves the mean by 3/8 at most.
    let new = if old == 0 { nanos } else { (old * 7 + nanos.min(old * 4)).div_ceil(8) };
    // Relaxed: as above.
    mean.store(new, Relaxed);
    ran
}

/// Brings a level's node up to date if nobody else does.
pub(crate) fn refresh(view: &View, node: &Node) {
    let walk = Walk::begin(view);
    // Never verified there, so that it is looked at under the claim.
    const NOT_LOOKED: u64 = u64::MAX;
    if let Start::Begun = walk.start(node, NOT_LOOKED) {
        walk.drive();
    }
}
