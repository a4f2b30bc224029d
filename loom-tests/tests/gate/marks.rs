//! Marks: whoever can see a commit can see everything it concerns.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{above, join, packed, pair, spawn};
use isobar::{Computed, Signal};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s03_a_refresh_against_a_mark", s03).shadow().kills(&[
        ("no-inherit", Rmw),
        ("inherit-skips-computeds", Rmw),
        ("mark-stops-early", Rmw),
    ]),
    Scenario::new("s03b_the_marker_stops_at_what_is_being_cleaned", s03b)
        .kills(&[("no-mark-fence", Loads)]),
    Scenario::new("s03c_the_marker_stops_at_what_another_thread_cleans", s03c)
        .kills(&[("no-claim-fence", Loads)]),
    Scenario::new("s07_own_writes_through_two_levels", s07),
    Scenario::new("s10_an_unrelated_writer_combines", s10).shadow(),
    Scenario::new("s12_a_source_found_while_it_is_set", s12).shadow().kills(&[
        ("no-inherit", Rmw),
        ("no-mark-fence", Shadow),
        ("no-inherit-fence", Shadow),
    ]),
    Scenario::new("s12b_a_computed_found_while_it_is_marked", s12b)
        .kills(&[("subscribers-missed", Loads), ("no-mark-fence", Loads)]),
    Scenario::new("s13_a_source_dropped_and_found_again", s13).shadow(),
    Scenario::new("s21_observers_grow_while_they_are_marked", s21),
];

/// ```text
/// W: a = 2      R: d.get(), with d and n dirty from a = 1
/// ```
/// The marker stops at n, which is dirty already, while the reader cleans it.
fn s03() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    a.set(1);
    let w = spawn(move || a.set(2));
    let x = d.get();
    claim!(x == 1016 || x == 1032, "d is {x}");
    join(w);
    claim!(d.get() == 1032, "d is stale after the join");
    claim!(n.get() == 32, "n is stale after the join");
}

/// a, m and d: d reads m, which is dirty, and m reads a computed of a, which is clean.
fn dirty_behind_clean() -> (Signal<u64>, Computed<u64>, Computed<u64>) {
    let (g, a, b) = pair();
    let n = a.map(|a| *a);
    let m = g.computed({
        let (n, b) = (n.clone(), b.clone());
        move || n.get() * 16 + b.get()
    });
    let d = above(&g, &m);
    d.get();
    b.set(1);
    (a, m, d)
}

/// ```text
/// W: a = 1      R: d.get(), where d reads m, dirty from b = 1, and m reads n, clean, which reads a
/// ```
/// The marker comes through n, and stops at m, while the reader cleans it.
fn s03b() {
    let (a, _m, d) = dirty_behind_clean();
    let w = spawn(move || a.set(1));
    let x = d.get();
    claim!(x == 1001 || x == 1017, "d is {x}");
    join(w);
    claim!(d.get() == 1017, "d is stale after the join");
}

/// ```text
/// W: a = 1      R: d.get()      T: m.get(), with the same nodes
/// ```
/// The reader builds on what another thread cleaned and has not released yet.
fn s03c() {
    let (a, m, d) = dirty_behind_clean();
    let w = spawn(move || a.set(1));
    let t = spawn({
        let m = m.clone();
        move || {
            m.get();
        }
    });
    d.get();
    join(w);
    join(t);
    claim!(d.get() == 1017, "d is stale after the joins");
}

/// ```text
/// T1: a = 1, d.get()      T2: b = 1, d.get()
/// ```
fn s07() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    let w = spawn({
        let d = d.clone();
        move || {
            a.set(1);
            claim!((d.get() - 1000) / 16 == 1, "d lacks this thread's a");
        }
    });
    b.set(1);
    claim!((d.get() - 1000) % 16 == 1, "d lacks this thread's b");
    join(w);
    claim!(d.get() == 1017, "d is stale after the join");
}

/// ```text
/// T1: a = 1, d.get()      T2: b = 1, which d does not read
/// ```
/// T2 may commit a for T1.
fn s10() {
    let (g, a, b) = pair();
    let n = a.map(|a| *a);
    let d = above(&g, &n);
    d.get();
    let w = spawn({
        let d = d.clone();
        move || {
            a.set(1);
            claim!(d.get() == 1001, "d lacks this thread's a");
        }
    });
    b.set(1);
    join(w);
    claim!(d.get() == 1001, "d is stale after the join");
}

/// ```text
/// W: b = 5      R: d.get(), where n reads b for the first time
/// ```
fn s12() {
    let (g, a, b) = pair();
    let n = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || if a.get() == 0 { 0 } else { b.get() }
    });
    let d = above(&g, &n);
    d.get();
    a.set(1);
    let w = spawn(move || b.set(5));
    let x = d.get();
    claim!(x == 1000 || x == 1005, "d is {x}");
    join(w);
    claim!(d.get() == 1005, "d is stale after the join");
    claim!(n.get() == 5, "n is stale after the join");
}

/// ```text
/// W: b = 5      R: n.get(), where n reads c, which reads b, for the first time
/// ```
fn s12b() {
    let (g, a, b) = pair();
    let c = b.map(|b| *b);
    c.get();
    let n = g.computed({
        let (a, c) = (a.clone(), c.clone());
        move || if a.get() == 0 { 0 } else { c.get() }
    });
    n.get();
    a.set(1);
    let w = spawn(move || b.set(5));
    let x = n.get();
    claim!(x == 0 || x == 5, "n is {x}");
    join(w);
    claim!(n.get() == 5, "n is stale after the join");
}

/// ```text
/// T1: a = 1, n.get(), a = 0      T2: b = 5, where n reads b while a = 0
/// ```
fn s13() {
    let (g, a, b) = pair();
    let n = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || if a.get() == 0 { b.get() } else { 7 }
    });
    n.get();
    let w = spawn(move || b.set(5));
    a.set(1);
    claim!(n.get() == 7, "n lacks this thread's a");
    a.set(0);
    let x = n.get();
    claim!(x == 0 || x == 5, "n is {x}");
    join(w);
    claim!(n.get() == 5, "n is stale after the join");
}

/// ```text
/// W: a = 1      R: two more computeds read a: the list of observers grows by two chunks
/// ```
fn s21() {
    let (_g, a, _) = pair();
    let copy = || a.map(|a| *a);
    let (c1, c2, c3, c4) = (copy(), copy(), copy(), copy());
    c1.get();
    c2.get();
    let r = spawn({
        let (c3, c4) = (c3.clone(), c4.clone());
        move || {
            c3.get();
            c4.get();
        }
    });
    a.set(1);
    join(r);
    for c in [c1, c2, c3, c4] {
        claim!(c.get() == 1, "an observer was not marked");
    }
}
