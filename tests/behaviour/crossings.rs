//! C1, C3, C10 where two threads cross: a few steps each, so that miri can try many interleavings,
//! and many times over elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use isobar::Graph;

use crate::stage::on_stage;

const ROUNDS: u64 = if cfg!(miri) { 3 } else { 3_000 };

/// Runs `theirs` on a thread of its own and `ours` here, `ROUNDS` times each, in the same graph.
fn cross(g: &Graph, theirs: impl Fn(u64) + Send, ours: impl Fn(u64)) {
    thread::scope(|scope| {
        scope.spawn(|| g.enter(|| (1..=ROUNDS).for_each(theirs)));
        (1..=ROUNDS).for_each(ours);
    });
    g.collect();
}

#[test]
fn signals_are_dropped_while_their_graph_collects() {
    on_stage(|| {
        let g = Graph::new();
        let make_and_drop = |n| {
            let own = g.signal(Box::new(0));
            own.set(Box::new(n));
            assert_eq!(own.with(|value| **value), n);
        };
        cross(&g, make_and_drop, |_| g.collect());
        assert_eq!((g.stats().live_nodes, g.stats().awaiting_reclamation), (0, 0));
    });
}

#[test]
fn values_are_read_while_they_are_replaced_and_collected() {
    on_stage(|| {
        let g = Graph::new();
        let s = g.signal(Box::new(0));
        let doubled = g.computed({
            let s = s.clone();
            move || Box::new(2 * s.with(|value| **value))
        });
        let replace = |n| {
            s.set(Box::new(n));
            g.collect();
        };
        cross(&g, replace, |_| {
            let before = s.with(|value| **value);
            assert!(doubled.with(|value| **value) >= 2 * before);
        });
        assert_eq!(doubled.with(|value| **value), 2 * ROUNDS);
    });
}

#[test]
fn computeds_come_and_go_while_their_source_is_set() {
    on_stage(|| {
        let g = Graph::new();
        let s = g.signal(0);
        let come_and_go = |_| {
            let below = s.map(|n| n + 1);
            let above = below.map(|n| n + 1);
            let before = s.get();
            assert!(above.get() >= before + 2);
            drop(below);
            assert!(above.get() >= before + 2);
        };
        cross(&g, come_and_go, |n| s.set(n));
        assert_eq!(g.stats().live_nodes, 1);
    });
}

#[test]
fn two_threads_lose_no_update() {
    on_stage(|| {
        let g = Graph::new();
        let s = g.signal(0);
        cross(&g, |_| s.update(|n| n + 1), |_| s.update(|n| n + 1));
        assert_eq!(s.get(), 2 * ROUNDS);
    });
}

#[test]
fn an_effect_that_is_disposed_while_another_thread_wakes_it_runs_no_more() {
    on_stage(|| {
        let g = Graph::new();
        let s = g.signal(0);
        let watch_and_dispose = |_| {
            let over = Arc::<AtomicBool>::default();
            let effect = g.effect({
                let (s, over) = (s.clone(), over.clone());
                move || {
                    s.get();
                    assert!(!over.load(Ordering::Acquire), "ran after it was disposed");
                }
            });
            effect.dispose();
            over.store(true, Ordering::Release);
        };
        cross(&g, watch_and_dispose, |n| s.set(n));
        assert_eq!((g.stats().live_effects, g.stats().live_nodes), (0, 1));
    });
}
