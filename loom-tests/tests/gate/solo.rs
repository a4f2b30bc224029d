//! A lone thread leaves out fences and locked instructions; another one comes.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, set_both, spawn, twins};
use isobar::protocol::{leave_now, solo};
use isobar::{Graph, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s50_an_update_solo_beside_a_thread_that_comes", s50)
        .kills(&[("solo-busy-ignored", Rmw), ("solo-no-barrier", Loads)]),
    Scenario::new("s51_a_lone_recompute_beside_a_thread_that_comes", s51),
    Scenario::new("s52_a_lone_set_beside_a_thread_that_comes", s52),
    Scenario::new("s53_a_lone_set_inside_of_a_read", s53).kills(&[("lone-ignores-kept", Rmw)]),
    Scenario::new("s54_a_lone_subscription_beside_a_thread_that_comes_and_goes", s54)
        .kills(&[("lone-looks-early", Rmw)]),
    Scenario::new("s55_a_lone_batch_beside_a_thread_that_comes_and_goes", s55),
    Scenario::new("s56_two_effects_of_a_lone_set_beside_a_thread_that_comes_and_goes", s56)
        .loads_bound(1),
    Scenario::new("s57_a_lone_drop_of_an_observer_beside_a_thread_that_comes_and_goes", s57),
    Scenario::new("s58_a_lone_set_after_a_thread_that_subscribed_and_left", s58),
    Scenario::new("s59_an_effect_of_a_lone_thread_disposed_by_one_that_comes", s59)
        .kills(&[("dispose-unannounced", Rmw)]),
];

/// Under loom the threads that end after the scenario cannot take a graph down, for they are solo.
fn leak<T>(graph: T) {
    std::mem::forget(graph);
}

fn signal() -> (Graph, Signal<u64>) {
    solo();
    isobar::protocol::trim_at_once();
    let g = Graph::new();
    let a = g.signal(0);
    (g, a)
}

/// ```text
/// T1, solo: a += 1      T2, comes: a += 1
/// ```
fn s50() {
    let (g, a) = signal();
    let t = spawn({
        let a = a.clone();
        move || a.update(|n| n + 1)
    });
    a.update(|n| n + 1);
    join(t);
    claim!(a.get() == 2, "a is {}", a.get());
    leak((g, a));
}

/// ```text
/// T1, solo: a = 1, d.get()      T2, comes: d.get(), a.get()
/// ```
fn s51() {
    let (g, a) = signal();
    let d = a.map(|a| a + 10);
    d.get();
    let t = spawn({
        let (a, d) = (a.clone(), d.clone());
        move || {
            let first = d.get();
            claim!(first == 10 || first == 11, "d is {first}");
            let then = a.get() + 10;
            claim!(first <= then, "d was {first}, then a + 10 is {then}");
            leak((a, d));
        }
    });
    a.set(1);
    claim!(d.get() == 11, "d is {} after a = 1", d.get());
    join(t);
    leak((g, a, d));
}

/// ```text
/// T1, solo: a = 1, a = 2      T2, comes: a.get() twice
/// ```
fn s52() {
    let (g, a) = signal();
    let t = spawn({
        let a = a.clone();
        move || {
            let first = a.get();
            let then = a.get();
            claim!(first <= then, "a went back from {first} to {then}");
            leak(a);
        }
    });
    a.set(1);
    a.set(2);
    join(t);
    claim!(a.get() == 2, "a is {}", a.get());
    leak((g, a));
}

/// ```text
/// T1, solo: a.with(a = 1, a = 2; look)      T2, comes: a.get()
/// ```
fn s53() {
    let (g, a) = signal();
    let t = spawn({
        let a = a.clone();
        move || {
            a.get();
            leak(a);
        }
    });
    a.with(|seen| {
        a.set(1);
        a.set(2);
        claim!(*seen == 0, "what was read at first is {seen}");
    });
    join(t);
    leak((g, a));
}

/// ```text
/// T1, solo: a = 1, d.get(), which subscribes to b      T2, comes: b = 1; goes
/// ```
fn s54() {
    let (g, a) = signal();
    let b = g.signal(0);
    let d = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || {
            if a.get() == 0 {
                return 0;
            }
            // A switch that is not one of the few preemptions.
            loom::thread::yield_now();
            10 + b.get()
        }
    });
    d.get();
    a.set(1);
    let t = spawn({
        let b = b.clone();
        move || {
            b.set(1);
            leak(b);
            leave_now();
        }
    });
    let first = d.get();
    claim!(first == 10 || first == 11, "d is {first}");
    join(t);
    claim!(d.get() == 11, "d is {} after b = 1", d.get());
    leak((g, a, b, d));
}

/// ```text
/// T1, solo: (a, b) = (1, 1), d.get()      T2, comes: d.get(); goes
/// ```
fn s55() {
    let (g, a) = signal();
    let b = g.signal(0);
    let d = twins(&g, &a, &b);
    d.get();
    let t = spawn({
        let d = d.clone();
        move || {
            d.get();
            leak(d);
            leave_now();
        }
    });
    set_both(&g, &a, &b, 1);
    claim!(d.get() == 17, "d is {} after a = b = 1", d.get());
    join(t);
    claim!(d.get() == 17, "d is {} after T2 left", d.get());
    leak((g, a, b, d));
}

/// ```text
/// T1, solo, two effects on a: a = 1      T2, comes: a = 2; goes
/// ```
fn s56() {
    solo();
    let g = Graph::builder().threads(1).build();
    let a = g.signal(0_u64);
    let seen: [Arc<AtomicU64>; 2] = Default::default();
    let effects = seen.clone().map(|seen| {
        let a = a.clone();
        g.effect(move || {
            let now = a.get();
            let before = seen.swap(now, SeqCst);
            claim!(before != now || now == 0, "{now} was seen twice");
        })
    });
    let t = spawn({
        let a = a.clone();
        move || {
            a.set(2);
            leak(a);
            leave_now();
        }
    });
    a.set(1);
    join(t);
    let last = a.get();
    for (index, seen) in seen.iter().enumerate() {
        let seen = seen.load(SeqCst);
        claim!(seen == last, "effect {index} saw {seen} last, a is {last}");
    }
    leak((g, a, effects));
}

/// ```text
/// T1, solo, d is an observer of a: drop(d), a.get()      T2, comes: a = 1; goes
/// ```
fn s57() {
    let (g, a) = signal();
    let d = a.map(|a| a + 10);
    d.get();
    let t = spawn({
        let a = a.clone();
        move || {
            a.set(1);
            leak(a);
            leave_now();
        }
    });
    drop(d);
    let seen = a.get();
    claim!(seen < 2, "a is {seen}");
    join(t);
    claim!(a.get() == 1, "a is {} after a = 1", a.get());
    leak((g, a));
}

/// ```text
/// T2: d.get(), which subscribes to a; goes      T1: a = 1
/// ```
fn s58() {
    let (g, a) = signal();
    let d = a.map(|a| a + 10);
    let t = spawn({
        let d = d.clone();
        move || {
            d.get();
            leak(d);
            leave_now();
        }
    });
    a.set(1);
    claim!(d.get() == 11, "d is {} after a = 1", d.get());
    join(t);
    a.set(2);
    claim!(d.get() == 12, "d is {} after a = 2", d.get());
    leak((g, a, d));
}

/// ```text
/// T1, solo, an effect on a: a = 1      T2, comes: disposes the effect; goes
/// ```
fn s59() {
    solo();
    let g = Graph::builder().threads(1).build();
    let a = g.signal(0_u64);
    let runs = Arc::new(AtomicU64::new(0));
    let effect = g.effect({
        let (a, runs) = (a.clone(), runs.clone());
        move || {
            a.get();
            runs.fetch_add(1, SeqCst);
        }
    });
    let t = spawn(move || {
        effect.dispose();
        leak(effect);
        leave_now();
    });
    a.set(1);
    join(t);
    let before = runs.load(SeqCst);
    a.set(2);
    claim!(runs.load(SeqCst) == before, "a run after the end");
    leak((g, a));
}
