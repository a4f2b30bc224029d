//! Telling everything downstream of a commit that it may be out of date.
//!
//! Marks are stamps that only grow, so no later store can erase one. The marker goes breadth
//! first through the observers, without recursion: nodes link themselves through their own
//! `next`. Protocol: docs/protocols/marks.md.

use super::react::{self, Queue};
use crate::reclaim::{self, Guard};
use crate::seeded::{Bug, seeded};
use crate::structure::node::{Node, NodeKind};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed, Release, SeqCst, fence};
use std::ptr::NonNull;
use std::sync::Arc;

/// Marks for one group of commits; exists under the commit right only.
pub(crate) struct Marker<'w> {
    world: &'w Arc<World>,
    revision: u64,
    /// Nodes marked, whose observers are not; linked through `next`.
    frontier: *const Node,
    /// The most nodes marked at one distance from the signals.
    widest: u64,
    /// How many in the frontier.
    width: u64,
    queue: Queue,
    /// Protects the observers, found through raw pointers.
    _guard: Guard,
}

impl<'w> Marker<'w> {
    pub(crate) fn new(world: &'w Arc<World>, revision: u64) -> Self {
        let (frontier, queue) = (std::ptr::null(), Queue::default());
        Self { world, revision, frontier, widest: 0, width: 0, queue, _guard: reclaim::pin() }
    }

    /// Marks everything downstream of a signal whose stamp is stored and fenced.
    pub(crate) fn mark_from(&mut self, signal: &Node, rounds: u32) {
        signal.observers.each(|node| self.mark(node, rounds));
        while !self.frontier.is_null() {
            self.widest = self.widest.max(std::mem::take(&mut self.width));
            if !seeded(Bug::NoMarkFence) {
                // Pairs with the fence of `inherit`, as in `Group::mark`: one for the whole
                // frontier, between its stamps and the look at its observers.
                fence(SeqCst);
            }
            let mut at = std::mem::replace(&mut self.frontier, std::ptr::null());
            // SAFETY: found under the pin; the links are the right's.
            while let Some(node) = unsafe { at.as_ref() } {
                reclaim::check(node);
                // SAFETY: the right's own cell.
                at = node.next.with(|next| unsafe { *next });
                node.observers.each(|observer| self.mark(observer, rounds));
                reclaim::check(node);
            }
        }
    }

    fn mark(&mut self, node: NonNull<Node>, rounds: u32) {
        reclaim::check(node.as_ptr());
        // SAFETY: found in a slot under the pin.
        let node = unsafe { node.as_ref() };
        // Relaxed: written under the right only.
        let before = node.marked_at.load(Relaxed);
        if before >= self.revision {
            return;
        }
        // Acquire: pairs with the claim owner's Release.
        let dirty_at = before.max(node.inherited_at.load(Acquire));
        // Acquire: as above.
        let was_dirty = dirty_at > node.verified_at.load(Acquire);
        // Release: a reader that sees the mark sees the versions it tells of.
        node.marked_at.store(self.revision, Release);
        if node.role() == NodeKind::Effect {
            return react::enqueue(node, rounds, &mut self.queue);
        }
        self.width += 1;
        if was_dirty && self.is_still_dirty(node, dirty_at) {
            return;
        }
        // SAFETY: the right's own cell; a node is marked, and so linked, once.
        node.next.with_mut(|next| unsafe { *next = self.frontier });
        self.frontier = node;
    }

    /// A node that was dirty, and still is after its new mark, has its observers dirty already:
    /// whoever cleaned one of them since must have looked at this node's new mark (claim M3).
    fn is_still_dirty(&self, node: &Node, dirty_at: u64) -> bool {
        if seeded(Bug::MarkStopsEarly) {
            return true;
        }
        if !seeded(Bug::NoMarkFence) {
            // Pairs with the fence of `inherit` in an observer of this node.
            fence(SeqCst);
        }
        // Acquire: pairs with the claim owner's Release.
        dirty_at > node.verified_at.load(Acquire)
    }
}

impl Drop for Marker<'_> {
    fn drop(&mut self) {
        std::mem::take(&mut self.queue).leave_to(self.world);
        // Relaxed: a hint for the next wave, written under the right; a wave that resets it
        // meanwhile loses nothing but precision.
        if self.widest > self.world.widest.load(Relaxed) {
            // Relaxed: as above.
            self.world.widest.store(self.widest, Relaxed);
        }
    }
}
