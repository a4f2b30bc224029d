//! Evaluations whose results nobody else may see: over pending writes, at an old revision, or
//! beside another thread's claim. Results stay in the view's overlay, so no closure runs twice
//! for one state of the layer. Protocol: docs/protocols/overlay.md.

use super::evaluate::{self, Found};
use super::frame::{Frame, Tracker, View};
use super::overlay::{Lookup, Outcome, Overlay};
use super::read;
use crate::block::Shared;
use crate::error::ReadError;
use crate::seeded::{Bug, seeded};
use crate::structure::holds::Kept;
use crate::structure::node::{Node, NodeKind, NodeRef};
use std::sync::Arc;

/// The value of a computed at the view's revision, from a private run. The layer has no writes.
pub(crate) fn plain(view: &View, node: &Node) -> Result<Found, ReadError> {
    if view.is_inside(node) {
        return Err(evaluate::cycle(node));
    }
    let overlay = view.overlay();
    match overlay.look_up(node, view.chain) {
        Lookup::Fresh(outcome) => Ok(outcome.found()),
        Lookup::Running => Err(evaluate::cycle(node)),
        Lookup::Stale(_, sequence) | Lookup::Absent(sequence) => {
            Ok(run(view, overlay, node, None, sequence).found())
        }
    }
}

/// The value of a node over the view's pending writes, and when the layer last changed it.
pub(crate) fn over(view: &View, node: &Node) -> Result<(Found, u32), ReadError> {
    let overlay = view.overlay();
    if node.role() == NodeKind::Signal {
        return Ok(match overlay.pending(node) {
            Ok(shown) => (Found::private(shown.value, view.revision), shown.changed),
            Err(_) => (read::version_at(node, view.revision), 0),
        });
    }
    if view.is_inside(node) {
        return Err(evaluate::cycle(node));
    }
    let (stale, sequence) = match overlay.look_up(node, view.chain) {
        Lookup::Fresh(outcome) => return Ok((outcome.found(), outcome.changed)),
        Lookup::Running => return Err(evaluate::cycle(node)),
        Lookup::Stale(outcome, sequence) => (Some(outcome), sequence),
        Lookup::Absent(sequence) => {
            overlay.begin(node, view.chain);
            (import(view, node), sequence)
        }
    };
    let outcome = match stale {
        Some(mut outcome) if verify(view, &outcome) => {
            outcome.verified = sequence;
            overlay.finish(node, outcome.clone());
            outcome
        }
        stale => run(view, overlay, node, stale, sequence),
    };
    Ok((outcome.found(), outcome.changed))
}

/// The memo everyone sees, as a result to check against the layer. Its sources are the claim
/// owner's, so without the claim there is nothing to import.
fn import(view: &View, node: &Node) -> Option<Outcome> {
    let claim = evaluate::Claim::try_take(node, view)?;
    let found = evaluate::usable(node, view.revision)?.found();
    let sources = claim.sources().iter().map(|source| source.node.clone()).collect();
    Some(Outcome {
        block: found.kept.share(),
        sources,
        changed: 0,
        verified: 0,
        valid_from: found.valid_from,
    })
}

/// Has none of the sources changed in the layer since the outcome was checked?
fn verify(view: &View, outcome: &Outcome) -> bool {
    outcome.sources.iter().all(|source| {
        let now = evaluate::with_stack(|| over(view, source));
        // A source that is running itself closes a cycle: the run will find it.
        now.is_ok_and(|(_, changed)| changed <= outcome.verified)
    })
}

fn run(
    view: &View,
    overlay: &Arc<Overlay>,
    node: &Node,
    old: Option<Outcome>,
    sequence: u32,
) -> Outcome {
    overlay.begin(node, view.chain);
    let tracker = Tracker::new(None);
    let mut frame = Frame::of_computed(view, &tracker, node, evaluate::depth());
    view.private_runs.set(view.private_runs.get() + 1);
    let ran = frame.enter_nested(|| node.run());
    let mut recorded = tracker.finish();
    let sources = recorded.take_more();
    let block = ran.unwrap_or_else(|payload| Shared::failure(evaluate::failure(node, payload)));
    overlay.remember(sources.iter());
    let mut outcome = Outcome {
        block,
        sources: sources.into(),
        changed: sequence,
        verified: sequence,
        valid_from: recorded.valid_from,
    };
    if let Some(old) = old
        && evaluate::is_equal(node, old.block.header(), outcome.block.header())
    {
        outcome.changed = old.changed;
        outcome.block = old.block;
    }
    if seeded(Bug::NoTable) {
        overlay.forget(node);
    } else {
        overlay.finish(node, outcome.clone());
    }
    outcome
}

impl Outcome {
    fn found(&self) -> Found {
        Found::private(self.block.clone(), self.valid_from)
    }
}

impl Found {
    fn private(block: Shared, valid_from: u64) -> Self {
        let kept = Kept::counted(block);
        let published = seeded(Bug::OverlayPublished);
        Self { kept, changed_at: valid_from, valid_from, published }
    }
}

/// Keeps what a claimed evaluation may not publish.
pub(crate) fn keep(
    view: &View,
    node: &Node,
    block: Shared,
    sources: Vec<NodeRef>,
    valid_from: u64,
) -> Found {
    let overlay = view.overlay();
    overlay.remember(sources.iter());
    let sources = sources.into();
    let verified = overlay.sequence();
    let outcome = Outcome { block, sources, changed: verified, verified, valid_from };
    if !seeded(Bug::NoTable) {
        overlay.finish(node, outcome.clone());
    }
    outcome.found()
}
