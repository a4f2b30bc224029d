//! Writes, from wherever the code stands: commits of their own at top level, collected in the
//! overlay of a batch, an effect or a draft. Protocol: docs/protocols/overlay.md.
//!
//! All conditional writes are one mechanism: compute outside, commit only if what it was computed
//! from is still there, else compute again.

use super::commit::{Part, commit, commit_alone, commit_together};
use super::frame::{BatchViews, Frame, Reads, View, Writes};
use super::overlay::{self, Act, Op, Overlay, Pending, Pushed, Replay, Savepoint, Taken};
use super::read::{newest_version, version_at};
use super::{react, trim, wave};
use crate::block::{Header, Shared};
use crate::error::WriteError;
use crate::revision::Revision;
use crate::seeded::{Bug, seeded};
use crate::structure::holds::Kept;
use crate::structure::node::{Node, NodeRef};
use crate::structure::request::{Answer, Condition, Write};
use crate::structure::world::{LogEntry, World};
use crate::sync::{Relaxed, Spin};
use smallvec::SmallVec;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

/// A committed write of one signal.
#[derive(Debug)]
pub(crate) struct Done {
    /// What `replace` asks for: the value before; in a batch, before this write.
    pub(crate) old: Option<Shared>,
}

type Place = &'static Location<'static>;

/// What to write.
pub(crate) enum What<'f> {
    Set(Shared),
    /// The same, in a batch, effect or draft, for who asks what was there before.
    Replace(Shared),
    /// A set, only if the signal has not changed after a revision.
    CompareSet(u64, Shared),
    Update(&'f mut (dyn FnMut(&Header) -> Shared + Send)),
    Touch,
}

/// Writes one signal at top level. Updates are recorded by `record_update` where they must be.
pub(crate) fn write(signal: &NodeRef, what: What<'_>, place: Place) -> Result<Done, WriteError> {
    // SAFETY: looked at within the frame only.
    let Some(frame) = (unsafe { Frame::top() }) else { return commit_one(signal, what, place) };
    if let Some(refusal) = frame.writes.refusal() {
        return Err(refusal);
    }
    match collecting(frame, signal) {
        Some(view) => collect(view, signal, what),
        None => commit_one(signal, what, place),
    }
}

/// The view whose overlay takes writes to `signal` here.
fn collecting<'f>(frame: &'f Frame, signal: &Node) -> Option<&'f View<'f>> {
    if frame.writes != Writes::Collect {
        return None;
    }
    // An effect's writes to another graph are commits of their own there.
    frame.view(signal.world()).ok().flatten()
}

/// Would a write to `signal` be collected here? Then an update must be given away.
pub(crate) fn is_collecting(signal: &Node) -> Result<bool, WriteError> {
    let frame = Frame::current();
    match frame.writes.refusal() {
        Some(refusal) => Err(refusal),
        None => Ok(collecting(&frame, signal).is_some()),
    }
}

/// Records a read-modify-write in the overlay here, to be replayed until the commit lands.
pub(crate) fn record_update(signal: &NodeRef, mut replay: Replay) {
    let frame = Frame::current();
    let view = collecting(&frame, signal).expect("asked with is_collecting");
    record_in(view, signal, &mut replay, |replay| Act::Replay(replay));

    fn record_in(
        view: &View,
        signal: &NodeRef,
        replay: &mut Replay,
        act: impl FnOnce(Replay) -> Act,
    ) {
        let shown = Shown::of(view, signal);
        let old = &shown.value;
        let new = in_closure(|| replay(old.header().resolved()));
        let taken = std::mem::replace(replay, Box::new(|_| unreachable!("given away")));
        let changed = !signal.equal(old.header(), new.header());
        let value = Some(if changed { new } else { old.share() });
        shown.push(view, signal, act(taken), changed, value);
    }
}

/// What the view's layer shows of a signal.
struct Shown {
    value: Kept,
    /// The version below the layer.
    made_on: u64,
    /// As in `Pushed`.
    absent_at: Option<u32>,
}

impl Shown {
    #[inline]
    fn of(view: &View, signal: &Node) -> Self {
        match view.overlay().pending(signal) {
            Ok(shown) => {
                let value = Kept::counted(shown.value);
                Self { value, made_on: shown.made_on, absent_at: None }
            }
            Err(absent_at) => {
                let found = version_at(signal, view.revision);
                Self { value: found.kept, made_on: found.changed_at, absent_at }
            }
        }
    }

    fn push(&self, view: &View, signal: &Node, act: Act, changed: bool, value: Option<Shared>) {
        let Self { made_on, absent_at, .. } = *self;
        view.overlay().push(signal, Pushed { act, changed, value, made_on, absent_at });
    }

    fn push_set(&self, view: &View, signal: &Node, new: Shared) {
        let old = &self.value;
        let changed = !signal.equal(old.header(), new.header());
        let value = (!changed).then(|| old.share());
        self.push(view, signal, Act::Set(Some(new)), changed, value);
    }
}

/// Runs a user's update closure: no writes, nothing tracked.
fn in_closure<R>(f: impl FnOnce() -> R) -> R {
    Frame::enter_closure(f)
}

fn collect(view: &View, signal: &NodeRef, what: What<'_>) -> Result<Done, WriteError> {
    let shown = Shown::of(view, signal);
    match what {
        What::Set(new) => shown.push_set(view, signal, new),
        What::Replace(new) => {
            shown.push_set(view, signal, new);
            return Ok(Done { old: Some(shown.value.share()) });
        }
        What::CompareSet(at, new) => {
            let changed_at = version_at(signal, view.revision).changed_at;
            if changed_at > at {
                return Err(conflict(signal, changed_at));
            }
            view.overlay().push_condition(signal, Condition::NotAfter(at));
            shown.push_set(view, signal, new);
        }
        What::Update(_) => unreachable!("updates are recorded by record_update"),
        What::Touch => {
            shown.push(view, signal, Act::Touch, true, Some(shown.value.share()));
        }
    }
    Ok(Done { old: None })
}

fn conflict(signal: &Node, changed_at: u64) -> WriteError {
    WriteError::Conflict { node: signal.name(), changed_at: Revision(changed_at) }
}

pub(crate) fn version_of(kept: &Kept) -> u64 {
    // Relaxed: a visible version's number no longer changes.
    kept.header().stamp.load(Relaxed) >> 1
}

fn commit_one(signal: &NodeRef, what: What<'_>, place: Place) -> Result<Done, WriteError> {
    match what {
        What::Set(new) => {
            let head = newest_version(signal);
            if !signal.equal(head.header(), new.header()) {
                drop(head);
                set(signal, new, place);
            }
            Ok(Done { old: None })
        }
        What::Replace(_) => unreachable!("only where writes are collected"),
        What::CompareSet(at, new) => {
            let head = newest_version(signal);
            let version = version_of(&head);
            if version > at {
                return Err(conflict(signal, version));
            }
            let equal = signal.equal(head.header(), new.header());
            drop(head);
            if equal || try_commit(signal, new, Condition::NotAfter(at), place) {
                return Ok(Done { old: None });
            }
            Err(conflict(signal, version_of(&newest_version(signal))))
        }
        What::Update(f) => commit_made(signal, place, |head| {
            let new = in_closure(|| f(head.header().resolved()));
            (!signal.equal(head.header(), new.header())).then_some(new)
        }),
        What::Touch => {
            commit_made(signal, place, |head| Some(Shared::alias(head.share().resolved())))
        }
    }
}

/// Commits what `make` makes of the newest value, as soon as nothing comes between.
fn commit_made(
    signal: &NodeRef,
    place: Place,
    mut make: impl FnMut(&Kept) -> Option<Shared>,
) -> Result<Done, WriteError> {
    let spin = Spin::default();
    loop {
        let head = newest_version(signal);
        let condition = Condition::HeadIs(version_of(&head));
        let new = make(&head);
        let old = Some(head.share());
        drop(head);
        if new.is_none_or(|new| try_commit(signal, new, condition, place)) {
            return Ok(Done { old });
        }
        spin.turn();
    }
}

/// One version in one commit, whatever the newest one is, and what follows.
#[inline]
fn set(signal: &NodeRef, new: Shared, place: Place) {
    match commit_alone(signal, new, react::rounds_here()) {
        Ok(revision) => {
            committed(signal.world(), revision, place);
            after(signal.world());
        }
        Err(new) => {
            try_commit(signal, new, Condition::Always, place);
        }
    }
}

/// One version in one commit, and what follows; false if the condition did not hold.
fn try_commit(signal: &NodeRef, new: Shared, condition: Condition, place: Place) -> bool {
    // SAFETY: `signal` outlives the array.
    let mut writes = [unsafe { Write::new(signal, Some(new), condition) }];
    match commit(signal.world(), &mut writes, react::rounds_here()) {
        Answer::Committed { revision, .. } => {
            committed(signal.world(), revision, place);
            after(signal.world());
            true
        }
        Answer::Refused { .. } => false,
    }
}

/// What follows a commit on the thread that made it.
pub(crate) fn after(world: &Arc<World>) {
    wave::after_commit(world);
    trim::if_due(world);
}

/// Tells those who want to know of a commit, after it.
#[inline]
fn committed(world: &World, revision: u64, place: Place) {
    #[cfg(feature = "tracing")]
    tracing::trace!(graph = %world.name(), revision, %place, "commit");
    if world.config.history > 0 {
        log(world, revision, place);
    }
}

#[cold]
fn log(world: &World, revision: u64, place: Place) {
    let thread = std::thread::current();
    let thread = thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
    let mut log = world.log.lock();
    log.push_back(LogEntry { revision, thread: thread.into(), place });
    let oldest = revision.saturating_sub(world.config.history);
    while log.front().is_some_and(|entry| entry.revision < oldest) {
        log.pop_front();
    }
}

/// A commit of an overlay that was refused: a condition of the user's does not hold.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) taken: Taken,
    pub(crate) signal: NodeRef,
}

/// Which changes of others make a commit fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strictness {
    /// Only explicit conditions; the later commit wins.
    Batch,
    /// Any change, after the base, of a signal that is written.
    Draft,
}

/// Commits what an overlay collected, as one revision. `None`: there was nothing to commit.
pub(crate) fn commit_overlay(
    overlay: &Overlay,
    strictness: Strictness,
    rounds: u32,
    place: Place,
) -> Result<Option<u64>, Box<Refused>> {
    let mut revision = None;
    commit_overlays(&[overlay], strictness, rounds, place, || {}, |of| revision = Some(of))?;
    Ok(revision)
}

/// One overlay's part of a commit.
struct Prepared<'a> {
    overlay: &'a Overlay,
    taken: Taken,
    writes: Vec<Write>,
}

crate::sync::per_thread! {
    /// An empty list, kept for its memory.
    static SPARE: Cell<Vec<Write>> = Cell::new(Vec::new());
}

/// Commits what overlays of different graphs collected: a revision in each, or nothing in any.
fn commit_overlays(
    overlays: &[&Overlay],
    strictness: Strictness,
    rounds: u32,
    place: Place,
    // Called when nothing is read at the base any more.
    let_go: impl Fn(),
    mut tell: impl FnMut(u64),
) -> Result<(), Box<Refused>> {
    let mut parts: SmallVec<[Prepared<'_>; 1]> = SmallVec::new();
    for overlay in overlays {
        let writes = SPARE.try_with(Cell::take).unwrap_or_default();
        parts.push(Prepared { overlay, taken: overlay.take(), writes });
    }
    if parts.iter().all(|part| part.taken.pending.is_empty()) {
        // What was only read is the state of one revision already.
        return Ok(());
    }
    // Another graph's reads count, too, as soon as anything is written.
    parts.retain(|part| !part.taken.pending.is_empty() || !part.taken.conditions.is_empty());
    let spin = Spin::default();
    loop {
        parts.iter_mut().for_each(|part| part.prepare(strictness));
        let_go();
        let (part, index) = match ask(&mut parts, rounds) {
            Ok(answers) => {
                for (part, answer) in parts.into_iter().zip(answers) {
                    if let Answer::Committed { revision, changed } = answer {
                        if changed {
                            committed(part.overlay.world(), revision, place);
                        }
                        tell(revision);
                    }
                    part.end();
                }
                return Ok(());
            }
            Err(refused) => refused,
        };
        parts.iter_mut().for_each(Prepared::take_back);
        let Prepared { taken, writes, .. } = &mut parts[part];
        if matches!(writes[index].condition, Condition::HeadIs(_)) {
            spin.turn();
            continue;
        }
        let signal = writes[index].node().counted();
        let base = taken.base;
        let taken = std::mem::replace(taken, Taken::nothing(base));
        return Err(Box::new(Refused { taken, signal }));
    }
}

fn ask(parts: &mut [Prepared<'_>], rounds: u32) -> Result<SmallVec<[Answer; 1]>, (usize, usize)> {
    if let [Prepared { overlay, writes, .. }] = parts {
        return match commit(overlay.world(), writes, rounds) {
            Answer::Refused { index } => Err((0, index)),
            answer => Ok(smallvec::smallvec![answer]),
        };
    }
    let parts = parts.iter_mut();
    let mut parts: Vec<Part<'_>> =
        parts.map(|part| Part { world: part.overlay.world(), writes: &mut part.writes }).collect();
    commit_together(&mut parts, rounds).map(SmallVec::from_vec)
}

impl Prepared<'_> {
    /// Makes the writes of what is pending.
    fn prepare(&mut self, strictness: Strictness) {
        let Self { taken, writes, .. } = self;
        writes.clear();
        writes.reserve(taken.pending.len() + taken.conditions.len());
        for pending in &mut taken.pending {
            writes.push(final_write(pending, taken.base, strictness));
        }
        let conditions = taken.conditions.iter();
        // SAFETY: `taken` counts the nodes, and outlives the writes.
        writes.extend(conditions.map(|(node, c)| unsafe { Write::new(node, None, *c) }));
    }

    /// After a refusal, the values that `final_write` took.
    fn take_back(&mut self) {
        for (pending, write) in self.taken.pending.iter_mut().zip(&mut self.writes) {
            if let [Op { act: Act::Set(set @ None), .. }] = &mut pending.ops[..] {
                *set = write.block.take();
            }
        }
    }

    /// Keeps the memory for the next commit.
    fn end(mut self) {
        self.writes.clear();
        self.overlay.reuse(self.taken);
        let _ = SPARE.try_with(|spare| spare.set(self.writes));
    }
}

/// The write that a signal's collected ops come down to.
fn final_write(pending: &mut Pending, base: u64, strictness: Strictness) -> Write {
    // Not changed since the base: the version that everything pending was made from.
    let is_as_at_base = pending.node.stamp() <= base;
    if let [Op { differs: Some(differs), act: Act::Set(set), .. }] = &mut pending.ops[..]
        && is_as_at_base
    {
        // The usual case: compared with this version already.
        let condition = match strictness {
            Strictness::Draft => Condition::NotAfter(base),
            Strictness::Batch => Condition::Always,
        };
        let block = set.take().map(fresh);
        // SAFETY: `pending` counts the signal, and its owner outlives the write.
        let mut write = unsafe { Write::new(&pending.node, block, condition) };
        write.equal_to = (!*differs).then_some(pending.made_on);
        return write;
    }
    let signal = pending.node.clone();
    let head = newest_version(&signal);
    let version = version_of(&head);
    let first = pending.ops.iter().find(|op| !matches!(op.act, Act::Touch));
    let overwrites = first.is_some_and(|op| matches!(op.act, Act::Set(_)));
    let touched = pending.ops.iter().any(|op| matches!(op.act, Act::Touch));
    if !overwrites && version != pending.made_on && !seeded(Bug::NoReplay) {
        replay(pending, &head);
        pending.made_on = version;
    }
    let value = written(pending);
    let condition = match strictness {
        Strictness::Draft => Condition::NotAfter(base),
        Strictness::Batch if overwrites => Condition::Always,
        Strictness::Batch => Condition::HeadIs(version),
    };
    let same = !touched && signal.equal(head.header(), value.header());
    // SAFETY: `pending` counts the signal, and its owner outlives the write.
    let mut write = unsafe { Write::new(&pending.node, Some(fresh(value)), condition) };
    write.equal_to = same.then_some(version);
    write
}

/// A block that is a version already cannot become another one.
fn fresh(value: Shared) -> Shared {
    // Relaxed: installed by this thread or by one whose commit it has seen.
    let installed = value.header().stamp.load(Relaxed) != 0;
    if installed { Shared::alias(value.resolved()) } else { value }
}

/// What the ops come down to: a set's own value even where it equals the one before, for that one
/// may be gone at the commit.
fn written(pending: &Pending) -> Shared {
    let mut seen: Option<&Shared> = None;
    let mut written = None;
    for op in &pending.ops {
        let value = op.value();
        let kept = seen.is_some_and(|seen| std::ptr::eq(seen.header(), value.header()));
        match &op.act {
            Act::Set(new) => written = new.as_ref(),
            Act::Replay(_) | Act::Touch if kept => {}
            Act::Replay(_) | Act::Touch => written = Some(value),
        }
        seen = Some(value);
    }
    written.expect("pending signals have ops").clone()
}

/// Runs the recorded updates again, on a newer value.
pub(crate) fn replay(pending: &mut Pending, head: &Kept) {
    let signal = pending.node.clone();
    let mut value = head.share();
    for op in &mut pending.ops {
        // Of the head here; `made_on` may be another's.
        op.differs = None;
        op.value = match &mut op.act {
            Act::Set(new) => {
                let new = new.as_ref().expect("no commit has it");
                (signal.equal(value.header(), new.header())).then(|| value.clone())
            }
            Act::Touch => Some(value.clone()),
            Act::Replay(replay) => {
                let new = in_closure(|| replay(value.header().resolved()));
                let changed = !signal.equal(value.header(), new.header());
                Some(if changed { new } else { value.clone() })
            }
        };
        value = op.value().clone();
    }
}

/// Commits what an effect's run wrote; `place` is where the effect was made.
pub(crate) fn commit_effect(view: &View, rounds: u32, place: Place) -> Result<(), WriteError> {
    let Some(overlay) = view.overlay_if_any().filter(|overlay| overlay.has_writes()) else {
        return Ok(());
    };
    match commit_overlay(overlay, Strictness::Batch, rounds, place) {
        Ok(Some(revision)) => {
            // Relaxed: read by `settle` after it saw the effect's revision.
            view.world.caused.fetch_max(revision, Relaxed);
            // Relaxed: a hint, see `EffectRef::rounds_after`.
            view.world.caused_rounds.store(rounds, Relaxed);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(refused) => {
            Err(conflict(&refused.signal, version_of(&newest_version(&refused.signal))))
        }
    }
}

/// Runs `f` with all its writes in one commit.
#[track_caller]
pub(crate) fn batch<R>(place: Place, f: impl FnOnce() -> R) -> R {
    let frame = Frame::current();
    match frame.writes {
        Writes::RefusedInComputed | Writes::RefusedInUpdate => f(),
        Writes::Collect => nested(&frame, || (f(), Keep::Yes)),
        Writes::Commit => {
            let mut views = BatchViews::default();
            let ran = catch_unwind(AssertUnwindSafe(|| in_batch(&frame, &views, f)));
            let result = match ran {
                Ok(result) => result,
                Err(payload) => {
                    abandon(&mut views);
                    resume_unwind(payload)
                }
            };
            if let Err(refused) = commit_views(&mut views, place) {
                let changed_at = version_of(&newest_version(&refused.signal));
                let error = conflict(&refused.signal, changed_at);
                panic!("a batch was not committed: {error}; use transaction to try again");
            }
            result
        }
    }
}

/// Ends a batch that commits nothing, or has committed. Effects made inside are still to run.
fn abandon(views: &mut BatchViews) {
    // The holds end before effects run.
    let (first, more) = views.end();
    for overlay in first.into_iter().chain(more) {
        after(overlay.world());
        overlay::recycle(overlay);
    }
}

fn in_batch<R>(frame: &Frame, views: &BatchViews, f: impl FnOnce() -> R) -> R {
    let reads = Reads::Each(NonNull::from(views));
    views.of(&frame.world());
    Frame { reads, tracker: std::ptr::null(), writes: Writes::Collect, ..*frame }.enter(f)
}

/// Commits the overlays of a batch, then runs what they woke.
fn commit_views(views: &mut BatchViews, place: Place) -> Result<(), Box<Refused>> {
    let rounds = react::rounds_here();
    let committed = catch_unwind(AssertUnwindSafe(|| {
        let overlays: SmallVec<[&Overlay; 1]> = views.overlays();
        // What the commit supersedes is not held by the batch itself.
        let let_go = || views.let_go();
        commit_overlays(&overlays, Strictness::Batch, rounds, place, let_go, |_| {})
    }));
    abandon(views);
    committed.unwrap_or_else(|payload| resume_unwind(payload))
}

/// Does a nested batch's work stay?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keep {
    Yes,
    No,
}

/// A batch in a batch: joins it; what fails undoes its own writes only.
fn nested<R>(frame: &Frame, f: impl FnOnce() -> (R, Keep)) -> R {
    struct Undo(Vec<(Arc<Overlay>, Savepoint)>, Reads, Keep);
    impl Drop for Undo {
        fn drop(&mut self) {
            let keep = self.2;
            each_overlay(self.1, |overlay| {
                let known = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, overlay));
                match (known, keep) {
                    (Some((_, savepoint)), Keep::Yes) => overlay.merge(*savepoint),
                    (Some((_, savepoint)), Keep::No) => overlay.roll_back(*savepoint),
                    (None, Keep::Yes) => {}
                    (None, Keep::No) => overlay.roll_back(Savepoint::START),
                }
            });
        }
    }
    let mut savepoints = Vec::new();
    each_overlay(frame.reads, |overlay| savepoints.push((overlay.clone(), overlay.savepoint())));
    let mut undo = Undo(savepoints, frame.reads, Keep::No);
    let (result, keep) = f();
    undo.2 = keep;
    drop(undo);
    result
}

fn each_overlay(reads: Reads, mut f: impl FnMut(&Arc<Overlay>)) {
    let mut of_view = |view: &View| view.overlay_if_any().into_iter().for_each(&mut f);
    match reads {
        Reads::Newest => {}
        // SAFETY: views outlive the frames that name them, and so the batch that asks.
        Reads::One(view) => of_view(unsafe { view.as_ref() }),
        // SAFETY: as above.
        Reads::Each(views) => unsafe { views.as_ref() }.each(of_view),
    }
}

/// Runs `f` until what it read is unchanged at its commit.
pub(crate) fn transaction<R, E>(place: Place, mut f: impl FnMut() -> Result<R, E>) -> Result<R, E> {
    let frame = Frame::current();
    match frame.writes {
        Writes::RefusedInComputed | Writes::RefusedInUpdate => return f(),
        Writes::Collect => {
            return nested(&frame, || {
                let result = f();
                let keep = if result.is_ok() { Keep::Yes } else { Keep::No };
                (result, keep)
            });
        }
        Writes::Commit => {}
    }
    let spin = Spin::default();
    loop {
        let mut views = BatchViews::remembering();
        let ran = catch_unwind(AssertUnwindSafe(|| in_batch(&frame, &views, &mut f)));
        let result = match ran {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                abandon(&mut views);
                return Err(error);
            }
            Err(payload) => {
                abandon(&mut views);
                resume_unwind(payload)
            }
        };
        match commit_views(&mut views, place) {
            Ok(()) => return Ok(result),
            Err(_) => spin.turn(),
        }
    }
}
