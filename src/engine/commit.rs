//! From requests to a revision: install, mark, flip the clock.
//!
//! Writers leave their requests; whoever holds the commit right commits all that wait, as one
//! group of consecutive revisions that becomes visible in one store. No user code runs here,
//! nothing is allocated, no system call is made before the right is released.
//! Protocol: docs/protocols/commit.md.

use super::mark::Marker;
use super::trim;
use crate::block::{Header, Shared};
use crate::participants;
use crate::reclaim;
use crate::seeded::{Bug, seeded};
use crate::solo::{self, fence};
use crate::structure::node::{Node, NodeRef};
use crate::structure::request::{Answer, Condition, Request, Write, state};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed, Release, Spin, thread};
use smallvec::SmallVec;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

/// How often the right is tried before the request is queued: barging keeps short commits short.
#[cfg(not(loom))]
const BARGE: usize = 4;
#[cfg(loom)]
const BARGE: usize = 1;

/// Commits `writes` as one revision, or refuses them as a whole. Runs no waves.
pub(crate) fn commit(world: &Arc<World>, writes: &mut [Write], rounds: u32) -> Answer {
    // Loom: a set has barged in `commit_alone`, and a second try takes a preemption of the few.
    let is_set = matches!(writes, [write] if write.condition == Condition::Always);
    let tries = if cfg!(loom) && is_set { 0 } else { BARGE };
    let request = Request::new(writes, rounds);
    let spin = Spin::default();
    for _ in 0..tries {
        if try_right(world) {
            let right = Right(world);
            let collected = right.commit_with(&request);
            right.leave(collected);
            return answer_of(&request);
        }
        spin.turn();
    }
    queue(world, &request);
    wait(world, &request);
    answer_of(&request)
}

/// Commits one unconditional write if nobody else is committing or waits to: a group of one,
/// without the request that others would look at. Gives the block back otherwise.
#[inline]
pub(crate) fn commit_alone(signal: &NodeRef, block: Shared, rounds: u32) -> Result<u64, Shared> {
    let world = signal.world();
    let me = participants::current();
    // Relaxed: a request missed here is seen by `look_again`.
    if !world.inbox.load(Relaxed).is_null() || !solo::take(me, &world.right, Acquire) {
        return Err(block);
    }
    let right = Right(world);
    // Relaxed: only the holder of the right writes the clock.
    let revision = world.clock.load(Relaxed) + 1;
    let header = install_block(signal, block, revision);
    // Acquire: the slots of those counted are found; pairs with `resubscribe`.
    let subscriptions = world.subscriptions.load(Acquire);
    if !seeded(Bug::NoMarkFence) {
        // As in `Group::mark`.
        solo::fence_of(me);
    }
    if signal.observers.any() {
        let mut marker = Marker::new(world, revision);
        marker.mark_from(signal, rounds, me.number());
        marker.finish(subscriptions);
    }
    // Release: the flip, as in `Group::show`.
    world.clock.store(revision, Release);
    let lone = world.config.history == 0 && world.holds.is_lone(me, 0);
    // SAFETY: the newest version of a counted signal, under the right.
    supersede(world, signal, unsafe { header.as_ref() }, lone);
    count(world, 1, 1);
    let to_trim = right.due();
    right.leave(Collected { done: null(), to_trim });
    Ok(revision)
}

/// One graph's part of a commit over several graphs.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) writes: &'a mut [Write],
}

/// Commits one revision in each graph, or nothing in any; `Err`: the part, and in it the write,
/// that did not meet its condition. Holds all the rights at once, taken in the order in which the
/// graphs were made.
pub(crate) fn commit_together(
    parts: &mut [Part<'_>],
    rounds: u32,
) -> Result<Vec<Answer>, (usize, usize)> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    if !seeded(Bug::RightsUnordered) {
        order.sort_unstable_by_key(|index| parts[*index].world.number);
    }
    let worlds: Vec<Arc<World>> = parts.iter().map(|part| part.world.clone()).collect();
    let rights: Vec<Right<'_>> = order.iter().map(|index| Right::wait(&worlds[*index])).collect();
    let waiting: Vec<*const Request> = rights.iter().map(Right::commit_waiting).collect();
    let refused = parts.iter().enumerate().find_map(|(part, of)| {
        of.writes.iter().position(|write| !holds(write)).map(|index| (part, index))
    });
    let mut answers = vec![None; parts.len()];
    if refused.is_none() {
        for (right, part) in rights.iter().zip(&order) {
            let request = Request::new(parts[*part].writes, rounds);
            right.commit_group(&request);
            answers[*part] = Some(answer_of(&request));
        }
    }
    leave_all(rights, waiting);
    match refused {
        Some(refused) => Err(refused),
        None => Ok(answers.into_iter().map(|answer| answer.expect("each was asked")).collect()),
    }
}

/// All rights are released before anything is done that takes time or runs user code: a drop that
/// sets a signal of a graph whose right this thread still held would wait for itself.
fn leave_all(rights: Vec<Right<'_>>, waiting: Vec<*const Request>) {
    let collected = rights.into_iter().zip(waiting).map(|(right, done)| {
        let collected = right.collected(done);
        if seeded(Bug::LeaveOneByOne) {
            let world = right.0;
            right.leave(collected);
            return (world, Collected { done: null_mut(), to_trim: None });
        }
        (right.release(), collected)
    });
    let collected: Vec<_> = collected.collect();
    let looked =
        collected.into_iter().map(|(world, collected)| (world, look_again(world, collected)));
    let looked: Vec<_> = looked.collect();
    for (world, to_trim) in looked {
        trim_each(world, to_trim);
    }
}

fn answer_of(request: &Request) -> Answer {
    // SAFETY: answered, so the committer is done with the request.
    request.answer.with(|answer| unsafe { *answer }).expect("a done request is answered")
}

fn try_right(world: &World) -> bool {
    // Acquire: pairs with the Release of the holder before; his writes are visible.
    solo::take(participants::current(), &world.right, Acquire)
}

fn queue(world: &World, request: &Request) {
    // Relaxed: the exchange decides.
    let mut head = world.inbox.load(Relaxed);
    loop {
        link(request, head);
        let request = std::ptr::from_ref(request).cast_mut();
        // Release: the committer sees the request; pairs with the swap in `take_inbox`.
        match world.inbox.compare_exchange(head, request, Release, Relaxed) {
            Ok(_) => return,
            Err(found) => head = found,
        }
    }
}

/// The request that follows in the list.
fn next_of(request: &Request) -> *const Request {
    // SAFETY: asked by whoever owns the list.
    request.next.with(|next| unsafe { *next })
}

fn link(request: &Request, to: *const Request) {
    // SAFETY: done by whoever owns the list.
    request.next.with_mut(|next| unsafe { *next = to });
}

/// Until the request is done: try the right, spin, park. Whoever holds the right looks into the
/// inbox again after releasing it (claim C5), so a parked request is never forgotten.
fn wait(world: &Arc<World>, request: &Request) {
    let mut parked = false;
    let spin = Spin::default();
    loop {
        // Acquire: pairs with the Release in `finish`: the answer is visible.
        if request.state.load(Acquire) == state::DONE {
            return;
        }
        // Pairs with the fence in `look_again`: either that look sees this request, or this
        // thread sees the right free.
        fence();
        if try_right(world) {
            let right = Right(world);
            let collected = right.commit_inbox();
            right.leave(collected);
            // Acquire: as above.
            if request.state.load(Acquire) == state::DONE {
                return;
            }
            // Whoever committed it before is about to answer.
            spin.turn();
        } else if spin.is_over() {
            park(request, &mut parked);
        } else {
            spin.turn();
        }
    }
}

fn park(request: &Request, parked: &mut bool) {
    if !*parked {
        if !announce(request) {
            return;
        }
        *parked = true;
    } else if seeded(Bug::ParkTwice) {
        announce(request);
    }
    thread::park();
}

/// Says who is to be woken, once: from then on the committer may read it. False if the request
/// is done.
fn announce(request: &Request) -> bool {
    // SAFETY: the committer looks at the writer only after it saw PARKED.
    request.writer.with_mut(|writer| unsafe { *writer = Some(thread::current()) });
    // Release: the committer sees the writer; pairs with the Acquire in `finish`.
    request.state.compare_exchange(state::WAITING, state::PARKED, Release, Relaxed).is_ok()
}

/// Evidence that this thread holds the commit right.
pub(crate) struct Right<'w>(&'w Arc<World>);

/// What a commit leaves to do once the right is released.
pub(crate) struct Collected {
    /// Answered requests whose writers still wait.
    done: *const Request,
    /// Signals to trim, when that is due; see `trim`.
    to_trim: Option<*const Node>,
}

impl<'w> Right<'w> {
    /// Waits for the right; for collecting, never for committing.
    pub(crate) fn wait(world: &'w Arc<World>) -> Self {
        let spin = Spin::default();
        while !try_right(world) {
            spin.turn();
            if spin.is_over() {
                thread::yield_now();
            }
        }
        Self(world)
    }

    /// Releases the right and does what was left to do.
    #[inline]
    pub(crate) fn leave(self, collected: Collected) {
        let world = self.release();
        if collected.done.is_null() && !has_missed(world) {
            if let Some(list) = collected.to_trim {
                trim::signals(world, list);
            }
            return;
        }
        trim_each(world, look_again(world, collected));
    }

    fn release(self) -> &'w Arc<World> {
        // Release: the next holder sees everything; pairs with the exchange in `try_right`.
        self.0.right.store(false, Release);
        self.0
    }

    fn take_inbox(&self) -> *const Request {
        // Relaxed: a request missed here is seen by `look_again`.
        if self.0.inbox.load(Relaxed).is_null() {
            return null();
        }
        // Acquire: pairs with the Release in `queue`.
        let mut newest = self.0.inbox.swap(null_mut(), Acquire).cast_const();
        let mut oldest = null();
        // SAFETY: queued requests live until they are done, and are ours until then.
        while let Some(request) = unsafe { newest.as_ref() } {
            newest = next_of(request);
            link(request, oldest);
            oldest = request;
        }
        oldest
    }

    fn commit_inbox(&self) -> Collected {
        self.collected(self.commit_waiting())
    }

    fn commit_waiting(&self) -> *const Request {
        let group = self.take_inbox();
        self.commit_group(group);
        group
    }

    /// Commits what waits and then `own`, which nobody else knows of.
    fn commit_with(&self, own: &Request) -> Collected {
        let waiting = self.take_inbox();
        // SAFETY: as in `take_inbox`.
        let Some(mut last) = (unsafe { waiting.as_ref() }) else {
            self.commit_group(own);
            return self.collected(null());
        };
        // SAFETY: as above.
        while let Some(next) = unsafe { next_of(last).as_ref() } {
            last = next;
        }
        link(last, own);
        self.commit_group(waiting);
        // `own` needs no waking.
        link(last, null());
        self.collected(waiting)
    }

    fn collected(&self, done: *const Request) -> Collected {
        Collected { done, to_trim: self.due() }
    }

    /// The signals to trim, if that is due.
    #[inline]
    fn due(&self) -> Option<*const Node> {
        // Relaxed: a hint.
        self.take_to_trim(self.0.trim_at.load(Relaxed).max(trim::batch()))
    }

    /// Commits what waits, and makes trimming due after `at_least` superseded versions.
    pub(crate) fn collect(&self, at_least: u32) -> Collected {
        let done = self.commit_waiting();
        Collected { done, to_trim: self.take_to_trim(at_least) }
    }

    /// The signals to trim, once `at_least` versions were superseded.
    fn take_to_trim(&self, at_least: u32) -> Option<*const Node> {
        self.0.superseded.with_mut(|count| {
            // SAFETY: the right's own cell.
            let count = unsafe { &mut *count };
            if *count < at_least {
                return None;
            }
            *count = 0;
            let list = &self.0.to_trim;
            // SAFETY: as above.
            Some(list.with_mut(|list| unsafe { std::mem::replace(&mut *list, null()) }))
        })
    }

    fn commit_group(&self, first: *const Request) {
        let mut group = Group::new(self.0);
        let mut at = first;
        // SAFETY: requests of the group are ours until finished.
        while let Some(request) = unsafe { at.as_ref() } {
            let answer = group.install(request, first);
            // SAFETY: the writer reads the answer after DONE.
            request.answer.with_mut(|cell| unsafe { *cell = Some(answer) });
            at = next_of(request);
        }
        group.show(first, null());
    }
}

/// Lists of signals to trim, see `trim`.
type ToTrim = SmallVec<[*const Node; 2]>;

/// Once the right is released: answers the requests that were committed, and looks whether one
/// came into the inbox too late to be seen, and too early to find the right free (claim C5).
fn look_again(world: &Arc<World>, mut collected: Collected) -> ToTrim {
    let mut to_trim = ToTrim::new();
    loop {
        if let Some(list) = collected.to_trim {
            to_trim.push(list);
        }
        finish(collected.done);
        if !has_missed(world) || !try_right(world) {
            return to_trim;
        }
        let right = Right(world);
        collected = right.commit_inbox();
        right.release();
    }
}

/// Is there a request in the inbox, now that the right is released?
#[inline]
fn has_missed(world: &World) -> bool {
    if !seeded(Bug::NoInboxFence) {
        // Pairs with the fence in `wait`.
        fence();
    }
    // Relaxed: ordered by the fences.
    !world.inbox.load(Relaxed).is_null() && !seeded(Bug::InboxForgotten)
}

/// Last, for drops of values are user code: nobody's request waits for them.
fn trim_each(world: &Arc<World>, lists: ToTrim) {
    for list in lists {
        trim::signals(world, list);
    }
}

/// Requests being committed together.
struct Group<'w> {
    world: &'w Arc<World>,
    /// The newest visible revision.
    visible: u64,
    /// The newest installed revision.
    installed: u64,
    /// Requests before this one are visible already.
    shown_before: *const Request,
    requests: u64,
}

impl<'w> Group<'w> {
    fn new(world: &'w Arc<World>) -> Self {
        // Relaxed: only the holder of the right writes the clock.
        let visible = world.clock.load(Relaxed);
        Self { world, visible, installed: visible, shown_before: null(), requests: 0 }
    }

    fn install(&mut self, request: &Request, first: *const Request) -> Answer {
        self.requests += 1;
        // SAFETY: the writer waits, so its writes are ours.
        let writes = unsafe { &mut *request.writes };
        let on_computeds = writes.iter().any(|w| matches!(w.condition, Condition::CleanSince(_)));
        if on_computeds && self.installed > self.visible && !seeded(Bug::ShowLate) {
            // Marks answer for computeds, so the members before must have theirs first.
            self.show(first, request);
        }
        if let Some(index) = writes.iter().position(|write| !holds(write)) {
            return Answer::Refused { index };
        }
        let revision = self.installed + 1;
        let mut changed = false;
        for write in writes {
            changed |= install(write, revision);
        }
        if changed {
            self.installed = revision;
        }
        Answer::Committed { revision: self.installed, changed }
    }

    /// Marks and flips: the requests from the last shown one up to `end` become visible.
    fn show(&mut self, first: *const Request, end: *const Request) {
        let start = if self.shown_before.is_null() { first } else { self.shown_before };
        self.shown_before = end;
        if self.installed == self.visible {
            return self.count(0);
        }
        let world = self.world;
        if seeded(Bug::FlipBeforeMark) {
            // Release: see below.
            world.clock.store(self.installed, Release);
        }
        self.mark(start, end);
        // Release: the flip. Whoever sees this revision sees its versions and all its marks
        // (claim C2); pairs with every Acquire load of the clock.
        world.clock.store(self.installed, Release);
        let lone = world.config.history == 0 && world.holds.is_lone(participants::current(), 0);
        each_installed(start, end, |_, write, block| supersede(world, write.node(), block, lone));
        self.count(self.installed - self.visible);
        self.visible = self.installed;
    }

    fn mark(&self, start: *const Request, end: *const Request) {
        // Acquire: the slots of those counted are found; pairs with `resubscribe`.
        let subscriptions = self.world.subscriptions.load(Acquire);
        if !seeded(Bug::NoMarkFence) {
            // Pairs with the fence of `resubscribe`: either the marker sees the new observer, or
            // the observer sees the stamp (claim M1). Covers the observers of all signals.
            fence();
        }
        let mut observed = false;
        each_installed(start, end, |_, write, _| observed |= write.node().observers.any());
        if observed {
            // The marker pins, and reads the observers again.
            let mut marker = Marker::new(self.world, self.installed);
            each_installed(start, end, |request, write, _| {
                marker.mark_from(write.node(), request.rounds, request.asker);
            });
            marker.finish(subscriptions);
        }
    }

    fn count(&mut self, commits: u64) {
        count(self.world, std::mem::take(&mut self.requests), commits);
    }
}

/// The version is visible; the one before is superseded.
#[inline]
fn supersede(world: &World, signal: &Node, block: &Header, lone: bool) {
    // Relaxed: only the committer writes a version's stamp.
    let stamp = block.stamp.load(Relaxed);
    // Release: a reader that sees the version as visible sees the flip, and with it a clock
    // at least as new (claim C4).
    block.stamp.store(stamp | 1, Release);
    if lone && drop_older(block) {
        return;
    }
    world.superseded.with_mut(|count| {
        // SAFETY: the right's own cell.
        unsafe { *count += 1 };
    });
    if signal.enlist() {
        world.to_trim.with_mut(|list| {
            // SAFETY: the right's own cells.
            let list = unsafe { &mut *list };
            // SAFETY: as above.
            signal.next.with_mut(|next| unsafe { *next = *list });
            *list = signal.as_ptr().as_ptr();
        });
    }
}

#[inline]
fn count(world: &World, requests: u64, commits: u64) {
    let counters = &world.counters;
    // Relaxed: statistics, written under the right only.
    counters.requests.store(counters.requests.load(Relaxed) + requests, Relaxed);
    // Relaxed: as above.
    counters.commits.store(counters.commits.load(Relaxed) + commits, Relaxed);
}

/// Gives up the version before a visible one at once, if its value is plain and nobody can have
/// found it: the thread is solo, and holds and keeps nothing (claim O3 of solo.md).
#[inline]
fn drop_older(block: &Header) -> bool {
    let unlinked = solo::plainly(participants::current(), || {
        // Relaxed: below the head only the trimmer writes, and nobody else is there now.
        let older = NonNull::new(block.older.load(Relaxed))?;
        // SAFETY: linked, so alive.
        let version = unsafe { older.as_ref() };
        // Relaxed: as above. What is older still is the trimmer's.
        if !version.is_plain() || !version.older.load(Relaxed).is_null() {
            return None;
        }
        // Release: whoever walks sees a clock that is beyond the version.
        block.older.store(null_mut(), Release);
        Some(older)
    });
    let Some(older) = unlinked.flatten() else { return false };
    reclaim::retired(older.as_ptr());
    reclaim::freed(older.as_ptr());
    // SAFETY: nobody else was there when it was unlinked: the signal's count is ours.
    drop(unsafe { Shared::from_raw(older) });
    true
}

/// Is the write's condition met by what is installed now?
fn holds(write: &Write) -> bool {
    if seeded(Bug::ConditionUnchecked) {
        return true;
    }
    match write.condition {
        Condition::Always => true,
        Condition::HeadIs(revision) => head_revision(write.node()) == revision,
        Condition::NotAfter(revision) => {
            seeded(Bug::ReadsUnchecked) || head_revision(write.node()) <= revision
        }
        Condition::CleanSince(revision) => {
            seeded(Bug::ReadsUnchecked) || write.node().stamp() <= revision
        }
    }
}

/// The revision of a signal's newest installed version.
fn head_revision(signal: &Node) -> u64 {
    // Relaxed: stamps of signals are written by the holder of the right, who asks.
    signal.marked_at.load(Relaxed)
}

/// Makes the write's block the head; false if there is nothing to install.
fn install(write: &mut Write, revision: u64) -> bool {
    let head = head_revision(write.node());
    let skip = match write.equal_to {
        Some(version) => version == head || seeded(Bug::EqualUnchecked),
        None => false,
    };
    if skip || write.block.is_none() {
        return false;
    }
    let block = write.block.take().expect("looked at above");
    write.installed = install_block(write.node(), block, revision).as_ptr();
    true
}

/// Makes a block the head.
#[inline]
fn install_block(signal: &Node, block: Shared, revision: u64) -> NonNull<Header> {
    let block = block.into_raw();
    // SAFETY: the count now belongs to the signal, which keeps it.
    let header = unsafe { block.as_ref() };
    // Relaxed: published by the head below.
    header.stamp.store(revision << 1, Relaxed);
    // Relaxed: only the holder of the right writes heads; published by the head below.
    header.older.store(signal.value.load(Relaxed), Relaxed);
    // Release: whoever finds the new head sees a stamp at least as new; see `read::version_at`.
    signal.marked_at.store(revision, Release);
    // Release: publishes the version; pairs with the Acquire loads of `value`.
    signal.value.store(block.as_ptr(), Release);
    block
}

/// Every installed version of the requests from `start` up to `end`.
fn each_installed(
    start: *const Request,
    end: *const Request,
    mut f: impl FnMut(&Request, &Write, &Header),
) {
    let mut at = start;
    while at != end {
        // SAFETY: requests of the group, and their writes, are ours until finished.
        let request = unsafe { &*at };
        // SAFETY: as above.
        for write in unsafe { &*request.writes } {
            // SAFETY: installed by us, and superseded versions are trimmed only after this.
            if let Some(block) = unsafe { write.installed.as_ref() } {
                f(request, write, block);
            }
        }
        at = next_of(request);
    }
}

/// Answers the writers that wait. Their requests are gone as soon as DONE is stored.
fn finish(done: *const Request) {
    let mut at = done;
    // SAFETY: a request lives until DONE is stored, and `next` is read before that.
    while let Some(request) = unsafe { at.as_ref() } {
        at = next_of(request);
        // Release: the writer sees the answer. Acquire: we see who parked.
        let waiting = request.state.compare_exchange(state::WAITING, state::DONE, Release, Acquire);
        if waiting.is_err() {
            // SAFETY: PARKED was stored after the writer, and the writer waits.
            let writer = request.writer.with(|writer| unsafe { (*writer).clone() });
            // Release: as above.
            request.state.store(state::DONE, Release);
            let writer = writer.expect("a parked request names its writer");
            if !seeded(Bug::NoWake) {
                writer.unpark();
            }
        }
    }
}
