//! Effects: when they are queued, how one run goes, how they end.
//!
//! Protocol: docs/protocols/effects.md. An effect's word is its `status`; whoever set RUNNING is
//! its runner and owns body and sources until it clears the bit.

use super::evaluate;
use super::frame::{self, Frame, OwnedBy, Reads, Recorded, Tracker, View, Writes};
use super::owner::{Owned, Owner};
use super::{read, wave, write};
use crate::block::{Header, Shared};
use crate::error::{Failure, WriteError, panic_message};
use crate::participants::{self, NOBODY, Participant, ThreadNumber};
use crate::seeded::{Bug, seeded};
use crate::solo;
use crate::structure::node::{Node, NodeKind, NodeRef, Payload, Sources};
use crate::structure::world::World;
use crate::sync::count::{AtomicU32, AtomicUsize};
use crate::sync::{AcqRel, Acquire, AtomicBool, AtomicU8, Relaxed, Release, Spin, UnsafeCell};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::{NonNull, drop_in_place};
use std::sync::{Arc, OnceLock, Weak};

/// On which thread an effect runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum RunOn {
    /// On the thread whose commit woke it, before `set` returns, unless another thread is
    /// running effects of the graph already.
    #[default]
    Writer,
    /// On the worker pool; `set` does not wait for it.
    Pool,
    /// On a thread of its own, which ends when the effect is disposed.
    Thread,
}

type Body = Box<dyn FnMut() + Send>;
pub(crate) type Schedule = Box<dyn Fn(PendingRun) + Send + Sync>;

/// Who decides where and when an effect runs.
pub(crate) enum Runs {
    On(RunOn),
    /// A function of the user's, which is given each run that is due.
    With(Schedule),
}

/// A run that an effect is due, for whoever schedules its runs; see
/// [`EffectBuilder::run_with`](crate::EffectBuilder::run_with).
///
/// There is at most one for an effect at a time: what changes meanwhile is seen by the same run.
/// Until it is run, [`Graph::settle`](crate::Graph::settle) waits for it. Dropped, it goes to the
/// worker pool, or runs on the spot if the graph has no other threads: no change is lost.
#[must_use = "dropped, the run goes to the worker pool"]
#[derive(Debug)]
pub struct PendingRun(Option<EffectRef>);

impl PendingRun {
    /// Runs the effect on this thread, at the newest revision, if it was not disposed and if what
    /// it read has changed.
    pub fn run(mut self) {
        if let Some(effect) = self.0.take() {
            wave::run_alone(&effect);
        }
    }

    /// The effect's name.
    pub fn name(&self) -> String {
        self.0.as_ref().map(|effect| effect.name().to_string()).unwrap_or_default()
    }
}

impl Drop for PendingRun {
    fn drop(&mut self) {
        if let Some(effect) = self.0.take() {
            wave::run_elsewhere(&effect);
        }
    }
}

/// What stands behind an effect's node. Field order is a statement about cache lines.
#[repr(C)]
pub(crate) struct Record {
    status: AtomicU8,
    /// Stopped as part of a loop, and not run since.
    stopped: AtomicBool,
    /// How many runs of effects led to the queued run.
    rounds: AtomicU32,
    /// The thread whose commit queued it last: on that thread, or on one that waits for nobody's
    /// commit, it should run.
    asker: AtomicUsize,
    body: UnsafeCell<Option<Body>>,
    /// The private values that the last run read; the runner's own.
    private: UnsafeCell<Vec<(NodeRef, Shared)>>,
    /// Of what a run made and has not been cleaned up; there once one has made anything.
    owner: OnceLock<Arc<Owner>>,
    // What follows is rarely looked at.
    runs: Runs,
    /// Who owns the effect.
    parent: Weak<Owner>,
    /// Wakes the effect's own thread.
    own_thread: std::sync::Mutex<Option<std::sync::mpsc::Sender<()>>>,
}

// SAFETY: body is `Send` and used by the runner only; everything else is shared as it is.
unsafe impl Sync for Record {}

mod status {
    pub(super) const RUNNING: u8 = 1;
    pub(super) const DISPOSED: u8 = 2;
    /// Woken while running.
    pub(super) const AGAIN: u8 = 4;
    /// Somebody takes it down.
    pub(super) const ENDING: u8 = 8;
    pub(super) const ENDED: u8 = 16;
    /// Somebody looks at the sources, for a moment and without user code.
    pub(super) const LOOKED_AT: u8 = 32;
    /// In the graph's queue, or about to be.
    pub(super) const QUEUED: u8 = 64;
}

impl Payload for Record {
    const ROLE: NodeKind = NodeKind::Effect;

    fn run(&self) -> Result<Shared, Box<dyn Any + Send>> {
        unreachable!("an effect has no value to compute")
    }

    fn equal(&self, _old: &Header, _new: &Header) -> bool {
        unreachable!("an effect has no value to compare")
    }

    /// Not the record as a whole: a marker that found the effect in a slot may be writing `rounds`
    /// and `status` at this moment; they end with the memory, after a grace period.
    unsafe fn drop_owned(this: NonNull<Self>) {
        let record = this.as_ptr();
        // SAFETY: the caller's duty.
        unsafe { drop_in_place(&raw mut (*record).owner) };
        // SAFETY: as above.
        unsafe { drop_in_place(&raw mut (*record).parent) };
        // SAFETY: as above.
        unsafe { drop_in_place(&raw mut (*record).own_thread) };
        // Last, for these are user code, which may panic.
        // SAFETY: as above.
        unsafe { drop_in_place(&raw mut (*record).private) };
        // SAFETY: as above.
        unsafe { drop_in_place(&raw mut (*record).runs) };
        // SAFETY: as above.
        unsafe { drop_in_place(&raw mut (*record).body) };
    }
}

/// A counted effect.
#[derive(Clone, Debug)]
pub(crate) struct EffectRef(NodeRef);

/// What a look at an effect's sources tells.
enum Look {
    Changed,
    Same,
    /// Some source could only be evaluated privately, beside another thread.
    Unknown,
}

/// What follows a run, or a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Rest,
    /// What was read was private: look again when it is published.
    Again,
}

/// Does a dispose wait for a run on another thread?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waits {
    IfOutside,
    No,
}

/// The effects around the code that runs on this thread.
#[derive(Clone, Copy)]
struct Here {
    /// How many this thread is running.
    running: u32,
    /// See `rounds_here`.
    rounds: u32,
}

crate::sync::per_thread! {
    static HERE: Cell<Here> = Cell::new(Here { running: 0, rounds: 0 });
}

impl std::ops::Deref for EffectRef {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

#[inline]
fn record(effect: &Node) -> &Record {
    assert!(effect.role() == NodeKind::Effect, "only effects have a record");
    // SAFETY: effects are made by `create`, and with a record.
    unsafe { effect.payload_unchecked() }
}

/// The owner of what an effect's runs make.
pub(crate) fn owner(effect: &Node) -> &Arc<Owner> {
    let record = record(effect);
    record.owner.get_or_init(|| Owner::new(effect.world(), record.parent.clone()))
}

/// Makes an effect and, unless that must wait, runs it.
#[track_caller]
pub(crate) fn create(
    world: &Arc<World>,
    body: Body,
    name: Option<Arc<str>>,
    runs: Runs,
    place: &'static Location<'static>,
) -> EffectRef {
    let frame = Frame::current();
    if let Some(refusal) = frame.writes.refusal() {
        let place = match refusal {
            WriteError::InUpdate => "an update or equality closure",
            _ => "a computed",
        };
        panic!("an effect was made inside {place}, which may run again; make it outside");
    }
    let owner = frame.owner();
    let record = Record {
        body: UnsafeCell::new(Some(body)),
        status: AtomicU8::new(0),
        private: UnsafeCell::new(Vec::new()),
        rounds: AtomicU32::new(rounds_here()),
        asker: AtomicUsize::new(NOBODY),
        stopped: AtomicBool::new(false),
        owner: OnceLock::new(),
        parent: owner.map_or_else(Weak::new, Arc::downgrade),
        runs,
        own_thread: std::sync::Mutex::new(None),
    };
    let node = NodeRef::new(world, None, name, place, record);
    let effect = EffectRef(node);
    if let Some(owner) = owner {
        owner.own(Owned::Effect(effect.clone()));
    }
    // Acquire: pairs with the Release in `shutdown`.
    if world.closed.load(Acquire) {
        effect.dispose(Waits::No);
        return effect;
    }
    if matches!(effect.record().runs, Runs::On(RunOn::Thread)) {
        effect.start_thread();
    }
    effect.first_run(&frame);
    effect
}

/// Says whose commit is about to concern an effect, before the mark tells of it.
pub(crate) fn ask(effect: &Node, rounds: u32, asker: ThreadNumber) {
    let record = record(effect);
    // Relaxed: a hint for the loop limit; a run that starts meanwhile counts for the next.
    record.rounds.store(rounds, Relaxed);
    // Relaxed: who runs it makes no difference to what it sees; published by the mark.
    record.asker.store(asker, Relaxed);
}

/// Queues an effect that a commit concerns. The committer's verb: the pin protects the node.
pub(crate) fn enqueue(effect: &Node, into: &mut Queue) {
    let record = record(effect);
    // AcqRel: pairs with the exchange in `begin`: a run that begins after it sees this mark.
    if solo::change(participants::current(), &record.status, AcqRel, |now| now | status::QUEUED)
        & status::QUEUED
        != 0
    {
        return;
    }
    // SAFETY: found by the marker under its pin, or counted by the caller.
    if let Some(effect) = unsafe { NodeRef::revive(effect.as_ptr()) } {
        into.push(effect);
    }
}

/// Effects on their way into the graph's queue, linked through `next`; counted.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
}

impl Queue {
    pub(crate) fn push(&mut self, effect: NodeRef) {
        let node = effect.as_ptr();
        std::mem::forget(effect);
        link(node, self.first.map_or(std::ptr::null_mut(), NonNull::as_ptr));
        if self.first.replace(node).is_none() {
            self.last = Some(node);
        }
    }

    /// Queues all of them in one step.
    pub(crate) fn leave_to(&mut self, world: &World) {
        let (Some(first), Some(last)) = (self.first.take(), self.last.take()) else { return };
        solo::push(participants::current(), &world.pending, first.as_ptr(), |head| {
            link(last, head)
        });
    }
}

fn link(node: NonNull<Node>, to: *mut Node) {
    // SAFETY: counted; a queued effect's link belongs to the queue.
    let link = unsafe { &node.as_ref().next };
    // SAFETY: as above.
    link.with_mut(|next| unsafe { *next = to });
}

/// The queued effects, in creation order.
pub(crate) fn take_pending(world: &World, into: &mut Vec<EffectRef>) {
    let mut at = solo::pull(participants::current(), &world.pending);
    while let Some(node) = NonNull::new(at) {
        // SAFETY: queued effects are counted by the queue.
        let next = unsafe { &node.as_ref().next };
        // SAFETY: the list is ours.
        at = next.with(|next| unsafe { *next }).cast_mut();
        // SAFETY: the queue's count becomes the vector's.
        into.push(EffectRef(unsafe { NodeRef::adopt(node) }));
    }
    if into.len() < 2 {
        return;
    }
    // The newest came first; the marker mostly tells observers in the order of their creation.
    into.reverse();
    if !into.is_sorted_by_key(|effect| effect.id) {
        into.sort_unstable_by_key(|effect| effect.id);
    }
}

impl EffectRef {
    fn record(&self) -> &Record {
        record(&self.0)
    }

    pub(crate) fn node(&self) -> &NodeRef {
        &self.0
    }

    pub(crate) fn of(node: NodeRef) -> Self {
        debug_assert_eq!(node.role(), NodeKind::Effect, "only effects are effects");
        Self(node)
    }

    pub(crate) fn runs(&self) -> &Runs {
        &self.record().runs
    }

    /// Does it run on the thread that runs the wave?
    pub(crate) fn runs_in_waves(&self) -> bool {
        matches!(self.runs(), Runs::On(RunOn::Writer))
    }

    /// Gives a run that is due to the user's schedule.
    pub(crate) fn schedule(&self, schedule: &Schedule) {
        let run = PendingRun(Some(self.clone()));
        let told = Frame::detached().enter(|| catch_unwind(AssertUnwindSafe(|| schedule(run))));
        if let Err(payload) = told {
            let message = panic_message(&*payload);
            self.world().report(&Failure::Effect { node: self.name(), message });
        }
    }

    pub(crate) fn rounds(&self) -> u32 {
        // Relaxed: a hint, see `enqueue`.
        self.record().rounds.load(Relaxed)
    }

    pub(crate) fn is_disposed(&self) -> bool {
        // Acquire: pairs with the AcqRel in `dispose`.
        self.record().status.load(Acquire) & status::DISPOSED != 0
    }

    /// Is it this thread that queued it?
    pub(crate) fn is_asked_here(&self) -> bool {
        // Relaxed: see `enqueue`.
        self.record().asker.load(Relaxed) == participants::current().number()
    }

    /// Has it seen `revision`, or is there nothing for it to see?
    pub(crate) fn has_seen(&self, revision: u64) -> bool {
        let record = self.record();
        // Acquire: pairs with the Release at the end of a run.
        let status = record.status.load(Acquire);
        // Acquire: as above; what the run wrote is committed before.
        if status & status::DISPOSED != 0 || self.verified_at.load(Acquire) >= revision {
            return true;
        }
        let idle = status & (status::RUNNING | status::QUEUED) == 0;
        // Dirty and idle: between two steps of somebody who will queue it again.
        // Acquire: as above.
        idle && (self.stamp() <= self.verified_at.load(Acquire) || self.is_stopped())
    }

    fn first_run(&self, frame: &Frame) {
        let world = self.world();
        if !self.runs_in_waves() {
            self.enqueue_here();
            return wave::after_commit(world);
        }
        match frame.reads {
            Reads::Newest => {
                let held = world.holds.newest(&world.clock);
                self.begin_and_run(held.revision);
                drop(held);
                wave::after_commit(world);
            }
            // Inside an effect: at its revision. A draft's or another graph's effect waits.
            Reads::One(_) => match frame.view(world) {
                Ok(Some(view)) if frame.owner != OwnedBy::Graph => {
                    self.begin_and_run(view.revision)
                }
                _ => self.enqueue_here(),
            },
            Reads::Each(_) => {
                // The batch's exit looks after graphs it has a view of.
                let _ = frame.view(world);
                self.enqueue_here();
            }
        }
    }

    /// Is it part of a loop that was stopped?
    pub(crate) fn is_stopped(&self) -> bool {
        // Relaxed: see `react`.
        self.record().stopped.load(Relaxed) && !self.is_disposed()
    }

    fn begin_and_run(&self, revision: u64) {
        if self.begin(participants::current(), 0) {
            let view = View::new(self.world(), revision);
            // What it writes was caused by the run that makes it.
            let next = self.run(&view, rounds_here().saturating_sub(1));
            self.end(&view, next);
            // The fenced twin of the notification in `end`: no wave may follow.
            self.world().progress.notify();
        }
    }

    /// Becomes the runner; false if disposed, or if somebody else is and will look again.
    /// `taken` is QUEUED for who has taken the effect out of the queue, else 0.
    #[inline]
    fn begin(&self, me: &Participant, taken: u8) -> bool {
        let word = &self.record().status;
        // Relaxed: the exchange decides.
        let now = word.load(Relaxed);
        let idle = now & !status::QUEUED == 0;
        // AcqRel: as below.
        (idle && solo::exchange_byte(me, word, now, (now & !taken) | status::RUNNING, AcqRel))
            || self.begin_beside_others(me, taken)
    }

    #[cold]
    fn begin_beside_others(&self, me: &Participant, taken: u8) -> bool {
        let word = &self.record().status;
        let spin = Spin::default();
        // Relaxed: the exchange decides.
        let mut now = word.load(Relaxed);
        loop {
            if now & status::DISPOSED != 0 {
                return false;
            }
            if now & status::LOOKED_AT != 0 {
                spin.turn();
                // Relaxed: as above.
                now = word.load(Relaxed);
                continue;
            }
            let running = now & status::RUNNING != 0;
            if running && seeded(Bug::RunningForgotten) {
                return false;
            }
            let next = (now & !taken) | if running { status::AGAIN } else { status::RUNNING };
            // AcqRel: pairs with the runner before (its run is visible), with the one now running
            // (it sees AGAIN and what led to it), and with `enqueue`: marks from before are seen
            // by this run, marks after it queue the effect again.
            if solo::exchange_byte(me, word, now, next, AcqRel) {
                return !running;
            }
            // Relaxed: as above.
            now = word.load(Relaxed);
        }
    }

    /// Looks whether the effect must run at `revision`, and runs it. The wave's verb.
    pub(crate) fn react(&self, view: &View<'_>) {
        let revision = view.revision;
        let record = self.record();
        if !self.begin(view.me, status::QUEUED) {
            return;
        }
        // Relaxed: the runner's own; a newer one has looked at more than we would.
        if self.verified_at.load(Relaxed) > revision {
            return self.end(view, Next::Rest);
        }
        let rounds = self.rounds();
        if rounds > self.world().config.max_rounds {
            // Relaxed: read by `settle`, after this run.
            record.stopped.store(true, Relaxed);
            wave::stop_loop(self);
            // A dirty source would keep the marker from telling this effect of what comes.
            for source in self.sources() {
                let _ = read::at(view, &source.node);
            }
            return self.end(view, Next::Rest);
        }
        let next = match self.look(view) {
            Look::Changed => {
                // Relaxed: as above.
                if record.stopped.load(Relaxed) {
                    record.stopped.store(false, Relaxed);
                }
                wave::suspect(self, rounds);
                self.run(view, rounds)
            }
            Look::Same => {
                self.settle(view);
                Next::Rest
            }
            Look::Unknown => Next::Again,
        };
        self.end(view, next);
    }

    /// Has a source changed since the last run? Before the first, yes.
    fn look(&self, view: &View) -> Look {
        // Relaxed: the runner's own.
        let verified_at = self.verified_at.load(Relaxed);
        if verified_at == 0 {
            return Look::Changed;
        }
        if view.overlay_if_any().is_none() && self.private(|private| private.is_empty()) {
            return self.look_plainly(view, verified_at);
        }
        for source in self.sources() {
            let node = &source.node;
            let Ok(found) = read::at(view, node) else { return Look::Changed };
            let changed = match self.seen(node) {
                // One revision has one state.
                _ if view.revision == verified_at => false,
                // What the last run read was not what was published, so only its value tells.
                Some(seen) => !is_same(node, seen.header(), found.kept.header()),
                None if !found.published => return Look::Unknown,
                None => found.changed_at > verified_at,
            };
            if changed {
                return Look::Changed;
            }
            if found.published {
                self.forget(node);
            }
        }
        Look::Same
    }

    /// The same where neither the last run nor this look has met a private result.
    #[inline]
    fn look_plainly(&self, view: &View, verified_at: u64) -> Look {
        for source in self.sources() {
            match read::changed_after(view, &source.node, verified_at) {
                // One revision has one state.
                _ if view.revision == verified_at => {}
                Some(false) => {}
                Some(true) => return Look::Changed,
                None => return Look::Unknown,
            }
        }
        Look::Same
    }

    /// The private values of the last run; asked by the runner only, and not within itself.
    fn private<R>(&self, f: impl FnOnce(&mut Vec<(NodeRef, Shared)>) -> R) -> R {
        // SAFETY: the runner's own cell.
        self.record().private.with_mut(|private| f(unsafe { &mut *private }))
    }

    fn seen(&self, node: &NodeRef) -> Option<Shared> {
        self.private(|private| {
            private.iter().find(|(seen, _)| seen.same(node)).map(|(_, value)| value.clone())
        })
    }

    fn forget(&self, node: &NodeRef) {
        let gone: Vec<_> =
            self.private(|private| private.extract_if(.., |(seen, _)| seen.same(node)).collect());
        // Values are user code, so they are dropped outside of the cell.
        drop(gone);
    }

    fn sources(&self) -> &Sources {
        // SAFETY: the runner's own cell.
        self.0.sources.with(|sources| unsafe { &*sources })
    }

    /// Calls `f`, which must not run user code, with each source, unless the effect is busy.
    pub(crate) fn each_source(&self, f: impl FnMut(&NodeRef)) {
        let word = &self.record().status;
        // Relaxed: the exchange decides.
        let now = word.load(Relaxed);
        let busy = now & (status::RUNNING | status::DISPOSED | status::LOOKED_AT) != 0;
        // Acquire: pairs with the end of the last run.
        if busy || word.compare_exchange(now, now | status::LOOKED_AT, Acquire, Relaxed).is_err() {
            return;
        }
        self.sources().iter().map(|source| &source.node).for_each(f);
        // Release: pairs with the next runner, and with `take_down`.
        word.fetch_and(!status::LOOKED_AT, Release);
    }

    fn settle(&self, view: &View) {
        evaluate::inherit(self, self.sources(), view.revision);
        // Release: pairs with the marker's and `has_seen`'s Acquire.
        self.verified_at.store(view.revision, Release);
    }

    /// One run: clean up after the last, run the body, subscribe, commit what it wrote.
    fn run(&self, view: &View, rounds: u32) -> Next {
        let world = self.world();
        let record = self.record();
        if let Some(owner) = record.owner.get().filter(|owner| owner.has_any()) {
            Running::here(rounds + 1, || owner.take_down());
        }
        let tracker = Tracker::new(Some(self.sources()));
        let mut frame = Frame {
            reads: Reads::one(view),
            tracker: &tracker,
            writes: Writes::Collect,
            owner: OwnedBy::Effect(self.0.as_ptr()),
            graph: world,
            ..Frame::OUTSIDE
        };
        if self.is_disposed() {
            // By one of the cleanups, or by a computed it was checked against.
            return Next::Rest;
        }
        view.effect_runs.set(view.effect_runs.get() + 1);
        let ran = Running::here(rounds + 1, || {
            frame.enter(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    record.body.with_mut(|body| {
                        // SAFETY: the runner's own cell.
                        if let Some(body) = unsafe { &mut *body } {
                            body();
                        }
                    });
                }))
            })
        });
        let (next, dropped) = if tracker.is_as_before() && self.private(|seen| seen.is_empty()) {
            tracker.end_as_before();
            (Next::Rest, None)
        } else {
            self.changed(tracker.finish())
        };
        if ran.is_err() || view.overlay_if_any().is_some() {
            self.commit_run(view, rounds, ran);
        }
        // After the commit and the report, so that whoever finds the revision seen finds what was
        // written and what failed.
        self.settle(view);
        if let Some(dropped) = dropped {
            evaluate::unsubscribe(world, dropped);
        }
        next
    }

    /// Commits what a run wrote, and reports what failed.
    #[cold]
    fn commit_run(&self, view: &View, rounds: u32, ran: Result<(), Box<dyn Any + Send>>) {
        // Equality functions and replayed updates are user code, too.
        let committed = ran.and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| write::commit_effect(view, rounds + 1, self.place)))
        });
        let committed = match committed {
            Ok(committed) => committed.map_err(|error| Arc::from(error.to_string())),
            Err(payload) => Err(panic_message(&*payload)),
        };
        if let Err(message) = committed {
            self.world().report(&Failure::Effect { node: self.name(), message });
        }
    }

    /// What was read is not what was read before, or not what everybody may see.
    #[cold]
    fn changed(&self, mut recorded: Recorded) -> (Next, Option<Sources>) {
        let tainted = recorded.is_tainted() && !seeded(Bug::NoTaint);
        let next = if tainted { Next::Again } else { Next::Rest };
        let read = recorded.take_private();
        let before = self.private(|private| std::mem::replace(private, read));
        self.world().contain_drop(|| drop(before));
        (next, evaluate::subscribe(self, recorded))
    }

    /// Stops being the runner; does what came up meanwhile.
    fn end(&self, view: &View, next: Next) {
        let record = self.record();
        // AcqRel: pairs with `begin` and `dispose`.
        let over = |now| now & !(status::RUNNING | status::AGAIN);
        let before = solo::change(view.me, &record.status, AcqRel, over);
        // Whoever ran the effect notifies with a fence at the end of its wave.
        self.world().progress.notify_unfenced();
        if before & status::DISPOSED != 0 {
            return self.take_down();
        }
        if next == Next::Again {
            wave::wait_for_blocker(view);
        }
        // A commit newer than the run, which the marker could not tell, or told before the run
        // took the effect out of the queue.
        // Relaxed: written by runners, one of which this thread was.
        let seen = view.revision.max(self.verified_at.load(Relaxed));
        let missed = self.stamp() > seen && !seeded(Bug::NoRequeue);
        if next == Next::Again {
            self.enqueue_here();
        } else if missed || before & status::AGAIN != 0 {
            self.enqueue_again(seen);
        }
    }

    /// Queues it for this thread to run.
    fn enqueue_here(&self) {
        let mut queue = Queue::default();
        ask(&self.0, self.rounds(), participants::current().number());
        enqueue(&self.0, &mut queue);
        queue.leave_to(self.world());
    }

    /// Queues it for the thread whose commit it missed.
    fn enqueue_again(&self, seen: u64) {
        // Acquire: pairs with the marker's Release: who asked is known.
        if self.marked_at.load(Acquire) <= seen {
            self.ask_again(seen);
        }
        let mut queue = Queue::default();
        enqueue(&self.0, &mut queue);
        queue.leave_to(self.world());
    }

    /// Where the marker stopped early, or came before the subscription, it has told nobody who
    /// asks. What is visible by now is for this thread, which ran the effect before. The rest is
    /// to be waited for by whoever has nothing of its own to wait for.
    fn ask_again(&self, seen: u64) {
        let world = self.world();
        if self.stamp() > world.now() {
            return ask(&self.0, self.rounds(), NOBODY);
        }
        // An effect that wrote a source of a dirty computed before this one ran has caused the
        // next run.
        // Relaxed: of the effects that this runner ran; else a hint, as in `ask`.
        let caused = world.caused.load(Relaxed) > seen;
        // Relaxed: as above.
        let rounds = if caused { world.caused_rounds.load(Relaxed) } else { 0 };
        ask(&self.0, self.rounds().max(rounds), participants::current().number());
    }

    /// After this no run starts. Waits, if asked to and if nobody can be waiting for this thread.
    pub(crate) fn dispose(&self, waits: Waits) {
        let record = self.record();
        if !seeded(Bug::DisposeUnannounced) {
            // From here on nobody else is solo, and changes the word in plain steps.
            participants::current();
        }
        // AcqRel: pairs with `begin`, which sees the bit, and `end`, whose run is over.
        let before = record.status.fetch_or(status::DISPOSED, AcqRel);
        if before & status::RUNNING == 0 {
            return self.take_down();
        }
        if waits == Waits::IfOutside && !is_inside() {
            self.world().progress.wait(None, || {
                // Acquire: pairs with the end of `take_down`.
                record.status.load(Acquire) & status::ENDED != 0
            });
        }
    }

    fn take_down(&self) {
        let record = self.record();
        // AcqRel: one thread only takes it down.
        if record.status.fetch_or(status::ENDING, AcqRel) & status::ENDING != 0 {
            return;
        }
        let spin = Spin::default();
        // Acquire: pairs with the end of `each_source`, which no longer begins.
        while record.status.load(Acquire) & status::LOOKED_AT != 0 {
            spin.turn();
        }
        // Disposed and not running: body and sources are ours for good.
        if let Some(owner) = record.owner.get() {
            owner.take_down();
        }
        // SAFETY: as above.
        let body = record.body.with_mut(|body| unsafe { (*body).take() });
        self.world().contain_drop(|| drop(body));
        let private = self.private(std::mem::take);
        self.world().contain_drop(|| drop(private));
        // SAFETY: as above.
        let sources = self.0.sources.with_mut(|sources| unsafe { std::mem::take(&mut *sources) });
        evaluate::unsubscribe(self.world(), sources);
        // Relaxed: statistics.
        self.world().effects.fetch_sub(1, Relaxed);
        let sender = record.own_thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        drop(sender);
        // Release: pairs with whoever waits in `dispose`.
        record.status.fetch_or(status::ENDED, Release);
        self.world().progress.notify();
    }

    fn start_thread(&self) {
        let (sender, wakes) = std::sync::mpsc::channel();
        let effect = self.clone();
        let run = move || {
            while wakes.recv().is_ok() {
                wave::run_alone(&effect);
            }
        };
        std::thread::Builder::new()
            .name(format!("isobar-{}", self.name()))
            .spawn(run)
            .expect("the system starts a thread for an effect that asks for one");
        *self.record().own_thread.lock().unwrap_or_else(|e| e.into_inner()) = Some(sender);
    }

    /// Leaves the effect to its owner, which is the graph if nobody else is.
    pub(crate) fn detach(&self) {
        if !self.is_disposed() && self.record().parent.upgrade().is_none() {
            self.world().detached.lock().push(self.0.clone());
        }
    }

    pub(crate) fn wake_thread(&self) {
        let sender = self.record().own_thread.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(sender) = &*sender {
            // A thread that is gone belongs to an effect that is disposed.
            let _ = sender.send(());
        }
    }
}

/// Is it the same value, or the same failure?
pub(crate) fn is_same(node: &Node, old: &Header, new: &Header) -> bool {
    match (old.failure(), new.failure()) {
        (Some(old), Some(new)) => old == new,
        _ => evaluate::is_equal(node, old, new),
    }
}

/// An effect running on this thread; holds what was around it.
struct Running(Here);

impl Running {
    /// Runs `f`, whose commits are caused by `rounds` runs of effects, one after the other.
    #[inline]
    fn here<R>(rounds: u32, f: impl FnOnce() -> R) -> R {
        let before = here();
        let _ = HERE.try_with(|here| here.set(Here { running: before.running + 1, rounds }));
        let _running = Self(before);
        f()
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        let _ = HERE.try_with(|here| here.set(self.0));
    }
}

#[inline]
fn here() -> Here {
    HERE.try_with(Cell::get).unwrap_or(Here { running: 1, rounds: 0 })
}

/// Is this the inside of an effect or computed, so that somebody may wait for this thread?
pub(crate) fn is_inside() -> bool {
    frame::claims_held() > 0 || here().running > 0
}

/// Runs `f` as if `rounds` runs of effects had led to it: a task goes on where an effect left off.
#[cfg(feature = "async")]
pub(crate) fn caused_by<R>(rounds: u32, f: impl FnOnce() -> R) -> R {
    Running::here(rounds, f)
}

/// How many runs of effects led to the code that asks; 0: none.
pub(crate) fn rounds_here() -> u32 {
    here().rounds
}

/// Runs a cleanup: untracked, its writes one commit, what it makes owned by the owner's parent.
pub(crate) fn run_cleanup(owner: &Owner, cleanup: Box<dyn FnOnce() + Send>) {
    let parent = owner.parent.upgrade();
    let parent = parent.as_ref();
    let parent = parent.map_or(OwnedBy::Graph, |owner| OwnedBy::Owner(NonNull::from(owner)));
    let mut frame = Frame { owner: parent, graph: &owner.world, ..Frame::detached() };
    let ran = Running::here(rounds_here(), || {
        frame.enter(|| catch_unwind(AssertUnwindSafe(|| write::batch(Location::caller(), cleanup))))
    });
    if let Err(payload) = ran {
        owner.world.report(&Failure::Cleanup { message: panic_message(&*payload) });
    }
}
