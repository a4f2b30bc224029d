//! Letting go of versions and memos that no held revision needs.
//!
//! Done by threads that commit, settle or collect, after the commit right is released; never
//! inside somebody's read. Protocol: docs/protocols/reclaim.md.
//!
//! ```text
//!   superseded version --trim--> unlinked --+
//!   replaced memo ----- retired ------------+-- limbo, a grace period --not kept--> dropped
//! ```

use super::commit::Right;
use crate::block::{Header, Shared};
use crate::reclaim;
use crate::seeded::{Bug, seeded};
use crate::solo::fence;
use crate::structure::holds;
use crate::structure::node::{Node, NodeKind, Share};
use crate::structure::world::{Trim, World, is_reading};
use crate::sync::{Acquire, Relaxed, Release};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// How many superseded versions a graph lets come together before it looks at the holds.
const BATCH: u32 = 64;
/// Loom: the scenario says whether it is about trimming; it makes for many more executions.
#[cfg(loom)]
static TRIMS: crate::sync::count::AtomicU32 = crate::sync::count::AtomicU32::new(0);

pub(crate) fn batch() -> u32 {
    #[cfg(loom)]
    // Relaxed: set before the scenario starts.
    if TRIMS.load(Relaxed) > 0 {
        // Relaxed: as above.
        return TRIMS.load(Relaxed);
    }
    BATCH
}

/// Every commit trims from here on.
#[cfg(loom)]
pub fn trim_at_once() {
    trim_every(1);
}

/// From here on a commit trims once so many versions were superseded.
#[cfg(loom)]
pub fn trim_every(versions: u32) {
    // Relaxed: as in `batch`.
    TRIMS.store(versions, Relaxed);
}

/// Trims, with the signals of a list taken from the commit right.
pub(crate) fn signals(world: &Arc<World>, list: *const Node) {
    let mut at = list;
    let mut trim = world.trim.lock();
    while let Some(signal) = NonNull::new(at.cast_mut()) {
        // SAFETY: listed signals are freed only after they are unlisted.
        let next = unsafe { &signal.as_ref().next };
        // SAFETY: the list is ours.
        at = next.with(|next| unsafe { *next });
        trim.signals.push(signal);
    }
    let over = run(world, &mut trim);
    drop(trim);
    over.free(world);
    drop_ripe(world);
    world.bury_left();
}

/// Lets go of everything that can go now.
pub(crate) fn collect(world: &Arc<World>) {
    // Three epochs from unlinking to freeing, if nobody is pinned.
    for _ in 0..4 {
        let right = Right::wait(world);
        let collected = right.collect(0);
        right.leave(collected);
        drop_ripe(world);
        reclaim::try_advance();
        world.bury_left();
    }
}

/// A cheap look after a commit or a wave: is there garbage enough to be worth it?
pub(crate) fn if_due(world: &Arc<World>) {
    // Relaxed: hints.
    if world.counters.awaiting.load(Relaxed) < world.look_at.load(Relaxed) {
        return;
    }
    if let Some(mut trim) = world.trim.try_lock() {
        let over = run(world, &mut trim);
        drop(trim);
        over.free(world);
        drop_ripe(world);
    }
}

/// Signals dropped since they were listed.
#[derive(Default)]
struct Over {
    /// Their memory is to be freed.
    dead: Vec<NonNull<Node>>,
    /// All of them is.
    left: Vec<NonNull<Node>>,
}

impl Over {
    /// Outside of the trimmer's lock.
    fn free(self, world: &World) {
        if !self.dead.is_empty() {
            world.inter(&self.dead);
        }
        if !self.left.is_empty() {
            world.doom(self.left.into_iter().map(|signal| (signal, Share::All)));
        }
    }
}

fn run(world: &Arc<World>, trim: &mut Trim) -> Over {
    // Before the holds are looked at: who took a hold since, and is not among them, cannot have
    // found a memo that was unlinked before (claim H2).
    let retired = (!seeded(Bug::ScanBeforeRetired)).then(|| world.retired.take());
    // Acquire: what this clock shows may be judged by the holds read after it (claim H1).
    let now = world.clock.load(Acquire);
    let mut or_newer = world.holds.scan(&mut trim.held);
    world.holds.scan_followed(&mut trim.followed);
    if seeded(Bug::IgnoreHolds) {
        trim.held.clear();
        or_newer = u64::MAX;
    }
    let retired = retired.unwrap_or_else(|| world.retired.take());
    let oldest_kept = now.saturating_sub(world.config.history).min(or_newer);
    let oldest_kept = if seeded(Bug::TrimPending) { u64::MAX } else { oldest_kept };
    let view = View { held: &trim.held, or_newer, oldest_kept, followed: &trim.followed };
    let mut gone = List::default();
    let mut over = Over::default();
    let unlinked = trim_signals(&mut trim.signals, &view, &mut gone, &mut over);
    // Relaxed: statistics.
    world.counters.awaiting.fetch_add(unlinked, Relaxed);
    let mut waiting = List::default();
    for first in [std::mem::replace(&mut trim.waiting, null_mut()), retired] {
        sort_memos(first, &view, &mut gone, &mut waiting);
    }
    trim.waiting = waiting.first;
    // Looking again pays when as much has come together as was left.
    // Relaxed: hints.
    world.look_at.store(2 * waiting.length + u64::from(batch()), Relaxed);
    world.trim_at.store(trim.signals.len() as u32 / 4 + batch(), Relaxed);
    if let Some((first, _)) = gone.ends() {
        trim.limbo.push_back((reclaim::stamp(), first.as_ptr()));
    }
    over
}

/// What is needed: everything from `oldest_kept` on, and what held revisions read.
struct View<'a> {
    held: &'a [u64],
    /// From here on every revision may be held.
    or_newer: u64,
    /// At most the clock that the holds were judged by: what is current then, or was superseded
    /// since, stays.
    oldest_kept: u64,
    /// Signals of which everything is needed from a revision on.
    followed: &'a [(usize, u64)],
}

impl View<'_> {
    /// What is needed of one signal (holds.md, claim H4).
    fn of(&self, signal: &Node) -> Self {
        let address = std::ptr::from_ref(signal) as usize;
        let followed = self.followed.iter().filter(|(node, _)| *node == address);
        let from = followed.map(|(_, from)| *from).min().unwrap_or(u64::MAX);
        View { oldest_kept: self.oldest_kept.min(from), ..*self }
    }

    /// Is a value that was current for `from..until` still needed?
    fn needs(&self, from: u64, until: u64) -> bool {
        if until > self.oldest_kept {
            return true;
        }
        let first = self.held.partition_point(|held| *held < from);
        self.held.get(first).is_some_and(|held| *held < until)
    }
}

/// Unlinks what nobody needs of the listed signals; returns how many versions.
fn trim_signals(
    signals: &mut Vec<NonNull<Node>>,
    view: &View<'_>,
    gone: &mut List,
    over: &mut Over,
) -> u64 {
    signals.retain(|listed| {
        // SAFETY: the memory of listed signals is freed by the trimmer only.
        let signal = unsafe { listed.as_ref() };
        debug_assert_eq!(signal.role(), NodeKind::Signal, "only signals have versions to trim");
        let lives = signal.begin_trim();
        if !lives && signal.leave_list() {
            over.dead.push(*listed);
        }
        lives
    });
    // Pairs with the fence of `Group::mark`: either the looks below find a commit's version, or
    // that commit finds the signal looked at, and says so (claim L5 of lifetime.md).
    fence();
    let mut unlinked = 0;
    signals.retain(|listed| {
        // SAFETY: as above; and contents of a signal that is looked at are not dropped.
        let signal = unsafe { listed.as_ref() };
        unlinked += trim_chain(signal, &view.of(signal), gone);
        signal.end_trim(has_older(signal)).unwrap_or_else(|| {
            over.left.push(*listed);
            false
        })
    });
    unlinked
}

fn revision_of(version: &Header) -> u64 {
    // Acquire: pairs with the committer's Release.
    version.stamp.load(Acquire) >> 1
}

/// Unlinks the versions nobody needs from below a signal's head; returns how many.
fn trim_chain(signal: &Node, view: &View<'_>, gone: &mut List) -> u64 {
    // Acquire: pairs with the committer's Release; everything below the head is ours to unlink.
    let head = signal.value.load(Acquire);
    // SAFETY: a signal has a version at all times, and only the trimmer unlinks.
    let mut newer = unsafe { &*head };
    let mut unlinked = 0;
    loop {
        // Relaxed: below the head only the trimmer writes, and the head's link was published
        // with the head.
        let Some(older) = NonNull::new(newer.older.load(Relaxed)) else { return unlinked };
        // SAFETY: linked, so alive.
        let version = unsafe { older.as_ref() };
        if view.needs(revision_of(version), revision_of(newer)) {
            newer = version;
            continue;
        }
        // Release: a walker that steps over the unlinked version finds its successor whole.
        newer.older.store(version.older.load(Relaxed), Release);
        reclaim::retired(older.as_ptr());
        gone.push(older);
        unlinked += 1;
    }
}

fn has_older(signal: &Node) -> bool {
    reclaim::check(signal);
    // Acquire: pairs with the committer's Release.
    let head = signal.value.load(Acquire);
    // SAFETY: a signal has a version at all times, and is not freed while it is trimmed.
    let head = unsafe { &*head };
    // Relaxed: below the head only the trimmer writes.
    !head.older.load(Relaxed).is_null()
}

fn sort_memos(first: *mut Header, view: &View<'_>, gone: &mut List, waiting: &mut List) {
    let mut at = NonNull::new(first);
    while let Some(memo) = at {
        // SAFETY: retired, and the list is ours.
        let header = unsafe { memo.as_ref() };
        // SAFETY: as above.
        at = NonNull::new(header.next.with(|next| unsafe { *next }));
        // SAFETY: as above.
        let (from, until) = unsafe { header.needed_for() };
        if view.needs_memo(from, until) {
            waiting.push(memo);
        } else {
            reclaim::retired(memo.as_ptr());
            gone.push(memo);
        }
    }
}

impl View<'_> {
    /// Memos were unlinked before the holds were looked at, so who is not among these cannot
    /// have found one; and history needs none of them.
    fn needs_memo(&self, from: u64, until: u64) -> bool {
        if until > self.or_newer {
            return true;
        }
        let first = self.held.partition_point(|held| *held < from);
        self.held.get(first).is_some_and(|held| *held < until)
    }
}

/// Drops the values whose grace period is over and which nobody keeps.
fn drop_ripe(world: &Arc<World>) {
    if is_reading() {
        return;
    }
    let mut trim = world.trim.lock();
    if trim.limbo.is_empty() {
        return;
    }
    reclaim::try_advance();
    let mut ripe = std::mem::take(&mut trim.ripe);
    while let Some((_, first)) = trim.limbo.pop_front_if(|(stamp, _)| reclaim::is_over(*stamp)) {
        ripe.push(first);
    }
    if ripe.is_empty() {
        trim.ripe = ripe;
        return;
    }
    // After the grace period: whoever found a block under a pin has announced it (claim H3).
    holds::kept_blocks(&mut trim.kept);
    let mut gone = List::default();
    let mut still = List::default();
    for first in ripe.drain(..) {
        sort_kept(first, &trim.kept, &mut gone, &mut still);
    }
    if let Some((first, _)) = still.ends() {
        let stamp = reclaim::stamp();
        trim.limbo.push_back((stamp, first.as_ptr()));
    }
    trim.ripe = ripe;
    drop(trim);
    drop_all(world, gone);
}

fn sort_kept(first: *mut Header, kept: &[*mut Header], gone: &mut List, still: &mut List) {
    let mut at = NonNull::new(first);
    while let Some(block) = at {
        // SAFETY: the list is ours.
        at = NonNull::new(unsafe { block.as_ref() }.next.with(|next| unsafe { *next }));
        let keep = kept.binary_search(&block.as_ptr()).is_ok() && !seeded(Bug::KeptIgnored);
        let list = if keep { &mut *still } else { &mut *gone };
        list.push(block);
    }
}

/// User code: outside of every lock.
fn drop_all(world: &Arc<World>, gone: List) {
    // Relaxed: statistics.
    world.counters.awaiting.fetch_sub(gone.length, Relaxed);
    let mut at = NonNull::new(gone.first);
    while let Some(block) = at {
        // SAFETY: the list is ours.
        at = NonNull::new(unsafe { block.as_ref() }.next.with(|next| unsafe { *next }));
        reclaim::freed(block.as_ptr());
        // SAFETY: retired, ripe and not kept: the graph's count is ours to give up.
        let shared = unsafe { Shared::from_raw(block) };
        if shared.header().is_plain() {
            drop(shared);
        } else {
            world.contain_drop(|| drop(shared));
        }
    }
}

/// Blocks linked through `next`.
struct List {
    first: *mut Header,
    last: *mut Header,
    length: u64,
}

impl Default for List {
    fn default() -> Self {
        Self { first: null_mut(), last: null_mut(), length: 0 }
    }
}

impl List {
    fn push(&mut self, block: NonNull<Header>) {
        // SAFETY: the block is ours.
        let link = unsafe { &block.as_ref().next };
        // SAFETY: as above.
        link.with_mut(|next| unsafe { *next = self.first });
        self.first = block.as_ptr();
        self.length += 1;
        if self.last.is_null() {
            self.last = self.first;
        }
    }

    fn ends(&self) -> Option<(NonNull<Header>, NonNull<Header>)> {
        NonNull::new(self.first).zip(NonNull::new(self.last))
    }
}
