//! Operators end with their handles, and leave nothing.

use std::sync::Arc;

use isobar::{Clock, Computed, Edge, Graph, ManualClock, Signal, computed, effect, scope, signal};

use crate::ms;
use crate::stage::{Trace, caught, collects_to, in_graph, says};

/// One of each kind, over one source, as what keeps it alive.
fn one_of_each(s: &Signal<i32>, clock: &ManualClock) -> Vec<Box<dyn Send>> {
    let other = s.map(|n| n + 1);
    vec![
        Box::new(s.filter(|_| true)),
        Box::new(s.filter_map(|n| Some(*n))),
        Box::new(s.distinct()),
        Box::new(s.dedupe_by(|a, b| a == b)),
        Box::new(s.scan(0, |sum, n| sum + n)),
        Box::new(s.zip(&other)),
        Box::new(s.pairwise()),
        Box::new(s.merge(&other)),
        Box::new(s.sample(&other)),
        Box::new(s.debounce(clock, ms(50), Edge::Both)),
        Box::new(s.throttle(clock, ms(50), Edge::Both)),
        Box::new(s.delay(clock, ms(50))),
        Box::new(s.timeout(clock, ms(50))),
        Box::new(clock.now(ms(50))),
    ]
}

fn alive(g: &Graph) -> (u64, u64, u64) {
    let stats = g.stats();
    (stats.live_nodes, stats.live_edges, stats.live_effects)
}

#[test]
fn a_dropped_operator_leaves_no_node_no_edge_and_no_effect() {
    in_graph(|g| {
        let (clock, s) = (Clock::manual(), signal(1));
        let before = alive(g);
        for round in 2..50 {
            let operators = one_of_each(&s, &clock);
            s.set(round);
            clock.advance(ms(30));
            drop(operators);
            assert_eq!(alive(g), before);
        }
    });
}

#[test]
fn a_dropped_operator_calls_its_timers_off() {
    in_graph(|g| {
        let (clock, s) = (Clock::manual(), signal(1));
        let operators = one_of_each(&s, &clock);
        s.set(2);
        drop(operators);
        let before = g.stats().commits;
        clock.advance(ms(1_000));
        assert_eq!(g.stats().commits, before);
    });
}

#[test]
fn a_clock_keeps_no_value_of_an_operator_that_is_gone() {
    in_graph(|g| {
        let (clock, value) = (Clock::manual(), Arc::new(()));
        let s = signal(vec![value.clone()]);
        let late = s.delay(&clock, ms(50));
        s.set(vec![value.clone(), value.clone()]);
        drop((s, late));
        collects_to(g, 1, || Arc::strong_count(&value));
        drop(clock);
    });
}

#[test]
fn an_operator_lives_as_long_as_what_is_made_of_it() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(1);
        let sum = s.scan(0, |sum, n| sum + n).map(|sum| sum * 10);
        let watch = sum.subscribe({
            let seen = seen.clone();
            move |sum| seen.note(*sum)
        });
        drop(sum);
        s.set(2);
        assert_eq!(seen.take(), [10, 30]);
        drop(watch);
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn an_operator_made_in_a_run_or_a_scope_outlives_it_with_its_handle() {
    in_graph(|_| {
        let (s, again) = (signal(1), signal(0));
        let kept: Trace<Computed<i32>> = Trace::new();
        let maker = effect!([s, again, kept] {
            if again.get() == 0 {
                kept.note(s.scan(0, |sum, n| sum + n));
            }
        });
        let end = scope(|| kept.note(s.scan(100, |sum, n| sum + n)));
        let kept = kept.take();
        s.set(2);
        again.set(1);
        drop((maker, end));
        s.set(3);
        assert_eq!(kept.iter().map(Computed::get).collect::<Vec<_>>(), [6, 106]);
    });
}

#[test]
fn an_operator_is_not_made_inside_a_computed() {
    in_graph(|_| {
        let s = signal(1);
        let c = computed!([s] s.filter(|n| *n > 0).get());
        says(caught(|| c.get()), &["an effect was made inside a computed", "make it outside"]);
    });
}

#[test]
fn an_operator_belongs_to_its_sources_graph() {
    in_graph(|g| {
        let (other, clock) = (Graph::new(), Clock::manual());
        let s = other.signal(1);
        let calm = s.debounce(&clock, ms(10), Edge::Trailing).filter(|n| n % 2 == 1);
        s.set(3);
        clock.advance(ms(10));
        assert_eq!((calm.get(), g.stats().live_effects, other.stats().live_effects), (3, 0, 2));
    });
}
