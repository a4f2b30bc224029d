//! Memory: what is held or kept stays, what is dropped is nobody's.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{Canary, above, join, pair, set_both, spawn};
use isobar::protocol::trim_at_once;
use isobar::{Computed, Graph};
use std::sync::{Arc, Mutex};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s17_a_computed_is_dropped_while_it_is_marked", s17).kills(&[
        ("no-pin", Rmw),
        ("no-grace", Rmw),
        ("no-pin-fence", LoadsBare),
    ]),
    Scenario::new("s18_a_source_is_dropped_while_its_observer_checks_it", s18),
    Scenario::new("s31_an_evaluation_holds_its_revision", s31).kills(&[
        ("ignore-holds", Rmw),
        ("trim-pending", Rmw),
        ("no-hold-fence", LoadsBare),
    ]),
    Scenario::new("s31b_a_snapshot_holds_its_revision", s31b).kills(&[("ignore-holds", Rmw)]),
    Scenario::new("s31c_an_evaluation_holds_the_memos_it_found", s31c),
    Scenario::new("s32_a_signal_is_dropped_while_it_is_trimmed", s32).shadow(),
    Scenario::new("s37_a_value_looked_at_stays", s37).kills(&[
        ("kept-ignored", Rmw),
        ("one-epoch", RmwBare),
        ("pins-ignored", RmwBare),
    ]),
];

/// ```text
/// T1: a = 1, which marks n      T2: drops n
/// ```
fn s17() {
    trim_at_once();
    let (g, a, b) = pair();
    let n = a.map(|a| *a);
    let d = above(&g, &n);
    d.get();
    drop(n);
    let t = spawn(move || {
        drop(d);
        // Buries what was dropped, and gives the epochs a push.
        b.set(1);
    });
    a.set(1);
    join(t);
}

/// ```text
/// T1: d.get(), which stops reading n and so drops it      T2: a = 2, which marks n
/// ```
fn s18() {
    trim_at_once();
    let (g, a, _) = pair();
    let n = Arc::new(Mutex::new(Some(a.map(|a| *a))));
    let d = g.computed({
        let (a, n) = (a.clone(), n.clone());
        move || {
            let n: Option<Computed<u64>> = n.lock().expect("no panics").clone();
            n.map_or(a.get() + 7, |n| n.get())
        }
    });
    d.get();
    n.lock().expect("no panics").take();
    a.set(1);
    let r = spawn({
        let d = d.clone();
        move || {
            let d = d.get();
            claim!(d == 8 || d == 9, "d is {d}");
        }
    });
    a.set(2);
    join(r);
    claim!(d.get() == 9, "d is stale after the join");
}

/// ```text
/// W: batch { a = 1, b = 1 }, a = 2, each trimmed at once      R: n.get(), which reads both
/// ```
fn s31() {
    trim_at_once();
    let (g, a, b) = pair();
    let n = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || {
            let (x, y) = (a.get(), b.get());
            let whole = matches!((x, y), (0, 0) | (1, 1) | (2, 1));
            claim!(whole, "one evaluation saw a = {x} and b = {y}");
            x * 16 + y
        }
    });
    let r = spawn(move || drop(n.get()));
    set_both(&g, &a, &b, 1);
    a.set(2);
    join(r);
}

/// ```text
/// W: batch { a = 1, b = 1 }, a = 2, each trimmed at once      R: snapshot { a, b }
/// ```
fn s31b() {
    trim_at_once();
    let (g, a, b) = pair();
    let r = spawn({
        let (g, a, b) = (g.clone(), a.clone(), b.clone());
        move || {
            let at = g.snapshot();
            let (x, y) = (at.get(&a), at.get(&b));
            let whole = matches!((x, y), (0, 0) | (1, 1) | (2, 1));
            claim!(whole, "a snapshot saw a = {x} and b = {y}");
        }
    });
    set_both(&g, &a, &b, 1);
    a.set(2);
    join(r);
}

/// ```text
/// W: a = 1, n.get(), a = 2      R: d.get(), where d looks at n for long
/// ```
fn s31c() {
    trim_at_once();
    let g = Graph::new();
    let (a, b) = (g.signal(0), g.signal(0));
    let n = a.map(|a| Canary::new(*a));
    n.with(|_| ());
    let d = g.computed({
        let (n, b) = (n.clone(), b.clone());
        move || {
            n.with(|n| {
                claim!(n.sings(), "a memo was dropped before it was looked at");
                b.get();
                claim!(n.sings(), "a memo was dropped while it was looked at");
                n.number
            })
        }
    });
    let r = spawn(move || drop(d.get()));
    a.set(1);
    n.with(|_| ());
    a.set(2);
    join(r);
}

/// ```text
/// T1: b = 1, which trims a, whose old version nobody holds any more      T2: drops a
/// ```
fn s32() {
    trim_at_once();
    let (g, a, b) = pair();
    let held = g.snapshot();
    a.set(1);
    drop(held);
    let t = spawn(move || drop(a));
    b.set(1);
    join(t);
}

/// ```text
/// W: a = 1, a = 2, ...      R: looks at a for long, at top level
/// ```
fn s37() {
    trim_at_once();
    let g = Graph::new();
    let a = g.signal(Canary::new(0));
    let b = g.signal(0);
    let r = spawn({
        let (a, b) = (a.clone(), b.clone());
        move || {
            a.with(|a| {
                claim!(a.sings(), "a value was dropped before it was looked at");
                b.get();
                claim!(a.sings(), "a value was dropped while it was looked at");
            });
        }
    });
    for value in 1..3 {
        a.set(Canary::new(value));
    }
    join(r);
}
