//! Telling everything downstream of a commit that it may be out of date.
//!
//! Marks are stamps that only grow, so no later store can erase one. The marker goes breadth
//! first through the observers, without recursion: nodes link themselves through their own
//! `next`. Protocol: docs/protocols/marks.md.

use super::react::{self, Queue};
use crate::participants::{NOBODY, ThreadNumber};
use crate::reclaim::{self, Guard};
use crate::seeded::{Bug, seeded};
use crate::solo::fence;
use crate::structure::node::{Node, NodeKind};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed, Release};
use std::ptr::{NonNull, null};
use std::sync::Arc;

/// Marks for one group of commits; exists under the commit right only.
pub(crate) struct Marker<'w> {
    world: &'w Arc<World>,
    revision: u64,
    /// Of the request whose marks are given.
    rounds: u32,
    asker: ThreadNumber,
    /// Every computed that was marked and whose observers are to be, in order; linked through
    /// `next`.
    first: *const Node,
    last: *const Node,
    /// How many were marked at this distance from the signals, and the most at any.
    width: u64,
    widest: u64,
    queue: Queue,
    /// Protects the observers, found through raw pointers.
    _guard: Guard,
}

impl<'w> Marker<'w> {
    #[inline(always)]
    pub(crate) fn new(world: &'w Arc<World>, revision: u64) -> Self {
        Self {
            world,
            revision,
            rounds: 0,
            asker: NOBODY,
            first: null(),
            last: null(),
            width: 0,
            widest: 0,
            queue: Queue::default(),
            _guard: reclaim::pin(),
        }
    }

    /// Marks everything downstream of a signal whose stamp is stored and fenced.
    pub(crate) fn mark_from(&mut self, signal: &Node, rounds: u32, asker: ThreadNumber) {
        (self.rounds, self.asker) = (rounds, asker);
        let before = self.last;
        signal.observers.each(|node| self.mark(node));
        // SAFETY: marked nodes were found under the pin, and the links are the right's.
        let mut at = unsafe { before.as_ref() }.map_or(self.first, Self::after);
        let mut level_end = self.last;
        // SAFETY: as above.
        while let Some(node) = unsafe { at.as_ref() } {
            node.observers.each(|observer| self.mark(observer));
            if std::ptr::eq(node, level_end) {
                self.widest = self.widest.max(std::mem::take(&mut self.width));
                level_end = self.last;
            }
            at = Self::after(node);
        }
    }

    /// Marks whoever subscribed to a marked computed while its observers were looked at:
    /// `subscriptions` is the graph's count from before all marks.
    pub(crate) fn finish(&mut self, subscriptions: u64) {
        if self.first.is_null() {
            return;
        }
        if !seeded(Bug::NoMarkFence) {
            // Pairs with the fence of `resubscribe`: either the count below has the subscriber,
            // or its look at the stamps finds the mark (claim M1).
            fence();
        }
        // Acquire: as for the count before; pairs with `resubscribe`.
        let now = self.world.subscriptions.load(Acquire);
        if now == subscriptions || seeded(Bug::SubscribersMissed) {
            return;
        }
        let mut at = self.first;
        // SAFETY: as in `mark_from`.
        while let Some(node) = unsafe { at.as_ref() } {
            // Pairs with the fence of `resubscribe`, now for each node by itself: those that are
            // found now, too.
            fence();
            node.observers.each(|observer| self.mark(observer));
            at = Self::after(node);
        }
    }

    /// The computed that was marked next.
    fn after(node: &Node) -> *const Node {
        reclaim::check(node);
        // SAFETY: the right's own cell.
        node.next.with(|next| unsafe { *next })
    }

    fn mark(&mut self, node: NonNull<Node>) {
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
        let is_effect = node.role() == NodeKind::Effect;
        if is_effect {
            react::ask(node, self.rounds, self.asker);
        }
        // Release: a reader that sees the mark sees the versions it tells of.
        node.marked_at.store(self.revision, Release);
        if is_effect {
            return react::enqueue(node, &mut self.queue);
        }
        self.width += 1;
        if was_dirty && self.is_still_dirty(node, dirty_at) {
            return;
        }
        // SAFETY: the right's own cell; a node is marked, and so linked, once.
        node.next.with_mut(|next| unsafe { *next = null() });
        // SAFETY: as in `mark_from`.
        match unsafe { self.last.as_ref() } {
            // SAFETY: the right's own cell.
            Some(last) => last.next.with_mut(|next| unsafe { *next = node }),
            None => self.first = node,
        }
        self.last = node;
    }

    /// A node that was dirty, and still is after its new mark, with nobody at it, has its
    /// observers dirty already: whoever cleans the node, and then one of them, from here on sees
    /// the new mark (claim M3).
    fn is_still_dirty(&self, node: &Node, dirty_at: u64) -> bool {
        if seeded(Bug::MarkStopsEarly) {
            return true;
        }
        if !seeded(Bug::NoMarkFence) {
            // Pairs with the exchange of the claim in `Claim::try_take`.
            fence();
        }
        // Acquire: pairs with the Release of the claim: what its owner verified is seen below.
        node.claim.load(Acquire) == 0
            // Acquire: pairs with the claim owner's Release.
            && dirty_at > node.verified_at.load(Acquire)
    }
}

impl Drop for Marker<'_> {
    fn drop(&mut self) {
        self.queue.leave_to(self.world);
        // Relaxed: a hint for the next wave, written under the right; a wave that resets it
        // meanwhile loses nothing but precision.
        if self.widest > self.world.widest.load(Relaxed) {
            // Relaxed: as above.
            self.world.widest.store(self.widest, Relaxed);
        }
    }
}
