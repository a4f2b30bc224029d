//! A lone thread leaves out fences and locked instructions; another one comes.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, spawn};
use isobar::protocol::{leave_now, solo};
use isobar::{Graph, Signal};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s50_an_update_solo_beside_a_thread_that_comes", s50)
        .kills(&[("solo-busy-ignored", Rmw), ("solo-no-barrier", Loads)]),
    Scenario::new("s51_a_lone_recompute_beside_a_thread_that_comes", s51),
    Scenario::new("s52_a_lone_set_beside_a_thread_that_comes", s52),
    Scenario::new("s53_a_lone_set_inside_of_a_read", s53).kills(&[("lone-ignores-kept", Rmw)]),
    Scenario::new("s54_a_lone_subscription_beside_a_thread_that_comes_and_goes", s54)
        .kills(&[("lone-looks-early", Rmw)]),
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
