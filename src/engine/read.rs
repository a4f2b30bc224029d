//! Reads, from wherever the code stands: at top level, or inside an evaluation, a batch, a draft
//! or a snapshot. Protocol: docs/protocols/read.md.

use super::evaluate::{self, Brought, Found};
use super::frame::{self, Frame, HeldView, View};
use super::private;
use crate::block::Header;
use crate::error::ReadError;
use crate::reclaim;
use crate::seeded::{Bug, seeded};
use crate::structure::holds::Kept;
use crate::structure::node::{Node, NodeKind};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed};
use std::ptr::NonNull;
use std::sync::Arc;

/// Should the innermost evaluation depend on what is read?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Track {
    Yes,
    No,
}

/// The node's value for the code that asks. A failure of the node itself is in the block.
#[inline]
pub(crate) fn read(node: &Node, track: Track) -> Result<Kept, ReadError> {
    match at_hand(node, track) {
        Some(kept) => Ok(kept),
        None => read_afar(node, track),
    }
}

/// The same for what was not at hand.
pub(crate) fn read_afar(node: &Node, track: Track) -> Result<Kept, ReadError> {
    // SAFETY: the frame is looked at before anything else runs here.
    match unsafe { Frame::top() } {
        None => evaluated(node),
        Some(frame) => match source_brought(frame, node, track) {
            Some(kept) => Ok(kept),
            None => find_in(frame, node, track).map(|found| found.kept),
        },
    }
}

/// A computed in the evaluation's own graph that is not up to date: it is then at hand.
#[inline]
fn source_brought(frame: &Frame, node: &Node, track: Track) -> Option<Kept> {
    let view = frame.fixed_view()?;
    let own = Arc::ptr_eq(view.world, node.world()) && view.overlay_if_any().is_none();
    if !own || node.role() == NodeKind::Signal {
        return None;
    }
    match evaluate::bring_up_to_date(view, node) {
        Brought::Published => source_at_hand(frame, node, track),
        Brought::Privately | Brought::Cycle => None,
    }
}

/// The value if that takes no more than a look; `None` tells nothing. Of `read`, what is worth
/// being inlined into the user's code.
#[inline(always)]
pub(crate) fn at_hand(node: &Node, track: Track) -> Option<Kept> {
    // SAFETY: as in `read`.
    match unsafe { Frame::top() } {
        Some(frame) => source_at_hand(frame, node, track),
        None => newest_at_hand(node),
    }
}

/// What evaluations mostly read: a source in their own graph that is up to date. Anything else is
/// left to `find_in`.
#[inline(always)]
fn source_at_hand(frame: &Frame, node: &Node, track: Track) -> Option<Kept> {
    let tracker = frame.tracker().filter(|_| track == Track::Yes)?;
    let view = frame.fixed_view()?;
    if !Arc::ptr_eq(view.world, node.world()) || view.overlay_if_any().is_some() {
        return None;
    }
    let (block, valid_from) = match node.role() {
        NodeKind::Signal => current(node, view.revision).map(|head| (head, revision_of(head)))?,
        _ => evaluate::usable(node, view.revision).map(|memo| (memo.block, memo.valid_from))?,
    };
    tracker.record(node);
    tracker.note(valid_from);
    // SAFETY: kept for the view's revision, which is held.
    Some(unsafe { Kept::by_revision(block) })
}

/// The same, with when it changed.
pub(crate) fn find(node: &Node, track: Track) -> Result<Found, ReadError> {
    // SAFETY: as in `read`.
    match unsafe { Frame::top() } {
        None => newest(node).map(|kept| Found::newest(node, kept)),
        Some(frame) => find_in(frame, node, track),
    }
}

fn find_in(frame: &Frame, node: &Node, track: Track) -> Result<Found, ReadError> {
    let view = match frame.view(node.world()) {
        Ok(Some(view)) => view,
        Ok(None) => return newest(node).map(|kept| Found::newest(node, kept)),
        Err(view) => return Err(other_graph(node, view.world)),
    };
    let tracker = frame.tracker().filter(|_| track == Track::Yes);
    if let Some(tracker) = tracker {
        tracker.record(node);
    }
    let found = at(view, node)?;
    if let Some(tracker) = tracker {
        tracker.note(found.valid_from);
        if !found.published {
            tracker.note_private(node, found.kept.share());
        }
    } else if let Some(overlay) = view.overlay_if_any()
        && overlay.remembers_reads()
    {
        overlay.remember(std::iter::once(&node.counted()));
    }
    Ok(found)
}

/// A read whose changes the evaluation learns of by other sources: as exact as a tracked one, and
/// the node does not become a source. What a collection's readers of one key do.
#[cfg(feature = "collections")]
pub(crate) fn find_followed(node: &Node) -> Result<Found, ReadError> {
    let frame = Frame::current();
    let Ok(Some(view)) = frame.view(node.world()) else { return find_in(&frame, node, Track::No) };
    let found = at(view, node)?;
    if let Some(tracker) = frame.tracker() {
        tracker.note(found.valid_from);
    }
    Ok(found)
}

/// The node's value in a view.
pub(crate) fn at(view: &View, node: &Node) -> Result<Found, ReadError> {
    if let Some(overlay) = view.overlay_if_any()
        && overlay.has_writes()
        && !(seeded(Bug::OverlayPublished) && node.role() == NodeKind::Computed)
    {
        return private::over(view, node).map(|(found, _)| found);
    }
    match node.role() {
        NodeKind::Signal => Ok(version_at(node, view.revision)),
        _ => evaluate::evaluate(view, node),
    }
}

/// Has a node changed between a revision and that of the view, which has no overlay? `None`: only
/// a private result could tell. A failure to read counts as a change.
#[inline]
pub(crate) fn changed_after(view: &View, node: &Node, revision: u64) -> Option<bool> {
    if node.role() == NodeKind::Signal {
        return Some(version_told(node, view.revision).0 > revision);
    }
    evaluate::changed_after(view, node, revision)
}

/// The version of a signal that is current at `revision`, which the caller holds.
pub(crate) fn version_at(signal: &Node, revision: u64) -> Found {
    let version = current(signal, revision).unwrap_or_else(|| {
        let _guard = reclaim::pin();
        walk(signal, revision)
    });
    let changed_at = revision_of(version);
    // SAFETY: needed at a revision that is held.
    let kept = unsafe { Kept::by_revision(version) };
    Found { kept, changed_at, valid_from: changed_at, published: true }
}

/// The same, as when it changed and from where on it is exact.
#[inline]
pub(crate) fn version_told(signal: &Node, revision: u64) -> (u64, u64) {
    let changed_at = match current(signal, revision) {
        Some(version) => revision_of(version),
        None => version_at(signal, revision).changed_at,
    };
    (changed_at, changed_at)
}

/// The newest version, if it is current at `revision`, which the caller holds.
#[inline]
fn current(signal: &Node, revision: u64) -> Option<NonNull<Header>> {
    // Acquire: pairs with the committer's Release; the stamp below is at least this version's.
    let head = signal.value.load(Acquire);
    // Not newer than the held revision, so kept for it until something newer is held (holds.md,
    // claim H2).
    (signal.stamp_of_signal() <= revision || seeded(Bug::ReadHead)).then(|| {
        // SAFETY: a signal has a version at all times.
        unsafe { NonNull::new_unchecked(head) }
    })
}

/// The revision of a version that the caller's held revision needs.
#[inline]
fn revision_of(version: NonNull<Header>) -> u64 {
    reclaim::check(version.as_ptr());
    // Acquire: pairs with the committer's Release.
    // SAFETY: needed, so kept.
    unsafe { version.as_ref() }.stamp.load(Acquire) >> 1
}

/// From the head down to the version current at `revision`, which the caller holds. Needs a pin.
fn walk(signal: &Node, revision: u64) -> NonNull<Header> {
    // Acquire: pairs with the committer's Release.
    let mut at = signal.value.load(Acquire);
    loop {
        reclaim::check(at);
        // SAFETY: linked when found under the caller's pin.
        let version = unsafe { &*at };
        // Acquire: pairs with the committer's Release. A group may have several pending
        // versions of one signal, so one step may not be enough.
        if version.stamp.load(Acquire) >> 1 <= revision {
            return version.as_ptr();
        }
        // Acquire: pairs with the Release of committer and trimmer.
        at = version.older.load(Acquire);
        if let (true, Some(at)) = (seeded(Bug::OneStepBack), NonNull::new(at)) {
            return at;
        }
    }
}

/// The newest state, of a signal or a clean computed.
#[inline(always)]
fn newest_at_hand(node: &Node) -> Option<Kept> {
    if node.role() == NodeKind::Signal { Some(newest_version(node)) } else { clean(node) }
}

/// A read on its own: the newest state. Waits for nobody unless the node is a dirty computed
/// that another thread is running.
fn newest(node: &Node) -> Result<Kept, ReadError> {
    match newest_at_hand(node) {
        Some(kept) => Ok(kept),
        None => evaluated(node),
    }
}

fn evaluated(node: &Node) -> Result<Kept, ReadError> {
    loop {
        // Acquire: what the owner published is looked at next.
        if frame::claims_held() == 0 && node.claim.load(Acquire) != 0 {
            evaluate::wait_for_release(node);
            if let Some(kept) = clean(node) {
                return Ok(kept);
            }
            continue;
        }
        let held = HeldView::newest(node.world());
        let view = &held.view;
        if evaluate::bring_up_to_date(view, node) == Brought::Published
            && let Some(memo) = evaluate::usable(node, view.revision)
        {
            // Still held here, so a pin taken now protects it until it is kept.
            return Ok(Kept::found(&reclaim::pin(), memo.block));
        }
        return evaluate::evaluate(view, node).map(Found::outlive);
    }
}

/// The memo, if nothing concerns it since it was verified: no lock, no shared line written.
#[inline]
fn clean(node: &Node) -> Option<Kept> {
    let guard = reclaim::pin();
    // Acquire: pairs with the Release of publication: memo and stamps at least as new follow.
    let verified_at = node.verified_at.load(Acquire);
    // Acquire: as above.
    let block = NonNull::new(node.value.load(Acquire))?;
    (node.stamp() <= verified_at).then(|| {
        reclaim::check(block.as_ptr());
        Kept::found(&guard, block)
    })
}

/// When a computed's memo last changed, without evaluating; `None` before the first.
pub(crate) fn memo_changed_at(node: &Node) -> Option<u64> {
    let _guard = reclaim::pin();
    // Acquire: pairs with the publication.
    let memo = node.value.load(Acquire);
    // Relaxed: written before the memo was published.
    // SAFETY: found under the pin.
    unsafe { memo.as_ref() }.map(|memo| memo.stamp.load(Relaxed))
}

/// The newest visible version of a signal.
#[inline]
pub(crate) fn newest_version(signal: &Node) -> Kept {
    let guard = reclaim::pin();
    // Acquire: pairs with the committer's Release.
    let head = signal.value.load(Acquire);
    reclaim::check(head);
    // SAFETY: a signal has a version at all times; found under the pin.
    let version = unsafe { &*head };
    // Acquire: a visible version brings its flip, and so every version of that commit.
    if version.stamp.load(Acquire) & 1 == 1 || seeded(Bug::PendingVisible) {
        return Kept::found(&guard, version.as_ptr());
    }
    Kept::found(&guard, newest_from(signal.world(), version))
}

/// The newest visible version from a pending one downwards.
///
/// Nothing is held here, so a version may be unlinked as soon as its successor is visible. A link
/// read while the successor is still pending is whole (claim D2 of docs/protocols/read.md); one
/// read later is read again, from the top. Each such turn needs one more of the versions that
/// were pending at the start to become visible, so there are no more turns than these.
#[cold]
fn newest_from(world: &World, pending: &Header) -> NonNull<Header> {
    let mut newer = pending;
    loop {
        // Acquire: pairs with the Release of committer and trimmer: whoever sees a trimmed link
        // sees the clock that allowed it.
        let older = newer.older.load(Acquire);
        let now = world.now();
        // Acquire: pairs with the committer's Release.
        if newer.stamp.load(Acquire) >> 1 <= now && !seeded(Bug::LinkUnchecked) {
            if std::ptr::eq(newer, pending) {
                return pending.as_ptr();
            }
            newer = pending;
            continue;
        }
        reclaim::check(older);
        // SAFETY: found under the caller's pin.
        let version = unsafe { older.as_ref() }.expect("a pending version has an older one");
        // Acquire: as above.
        if version.stamp.load(Acquire) >> 1 <= now || seeded(Bug::OneStepBack) {
            return version.as_ptr();
        }
        newer = version;
    }
}

impl Found {
    fn newest(node: &Node, kept: Kept) -> Self {
        // Acquire: as when the value was found.
        let stamp = kept.header().stamp.load(Acquire);
        let changed_at = if node.role() == NodeKind::Signal { stamp >> 1 } else { stamp };
        Self { kept, changed_at, valid_from: changed_at, published: true }
    }

    /// Keeps the value beyond the hold that protects it now.
    pub(crate) fn outlive(self) -> Kept {
        let block = self.kept.header().as_ptr();
        if self.published {
            // Still held here, so a pin taken now protects it until it is kept.
            Kept::found(&reclaim::pin(), block)
        } else {
            Kept::counted(self.kept.share())
        }
    }
}

pub(crate) fn other_graph(node: &Node, reader: &Arc<World>) -> ReadError {
    ReadError::OtherGraph { node: node.name(), graph: node.world().name(), reader: reader.name() }
}
