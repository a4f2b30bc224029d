//! Reads on their own, and in a snapshot.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{above, join, pair, set_both, spawn, twins};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s05_reads_at_top_level_do_not_go_back", s05)
        .shadow()
        .kills(&[("flip-before-mark", Rmw), ("pending-visible", Rmw)]),
    Scenario::new("s09_a_snapshot_is_one_revision", s09).kills(&[("read-head", Rmw)]),
    Scenario::new("s14_members_of_a_group_are_seen_whole", s14).loads_bound(1),
    Scenario::new("s14b_a_snapshot_steps_over_all_that_is_pending", s14b)
        .loads_bound(1)
        .kills(&[("one-step-back", Rmw)]),
    Scenario::new("s34_a_read_finds_a_version_while_all_are_replaced", s34).kills(&[
        ("no-pin", Rmw),
        ("no-grace", Rmw),
        ("link-unchecked", Rmw),
        ("no-pin-fence", LoadsBare),
        ("one-epoch", RmwBare),
        ("pins-ignored", RmwBare),
    ]),
];

/// ```text
/// W: batch { a = 1, b = 1 }      R: a.get(), b.get(), n.get()
/// ```
fn s05() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let r = spawn({
        let (a, b) = (a.clone(), b.clone());
        move || {
            let x = a.get();
            let y = b.get();
            claim!(y >= x, "b = {y} was read after a = {x}");
            let z = n.get() / 16;
            claim!(z >= y, "n saw {z}, read after b = {y}");
        }
    });
    set_both(&g, &a, &b, 1);
    join(r);
}

/// ```text
/// W: batch { a = 2, b = 2 }, d.get()      R: snapshot { a, d, n, b }
/// ```
fn s09() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    set_both(&g, &a, &b, 1);
    let r = spawn({
        let (g, a, b, d) = (g.clone(), a.clone(), b.clone(), d.clone());
        move || {
            let at = g.snapshot();
            let (a, d, n, b) = (at.get(&a), at.get(&d), at.get(&n), at.get(&b));
            claim!(
                a == b && n == a * 17 && d == n + 1000,
                "a snapshot saw a = {a}, b = {b}, n = {n}, d = {d}"
            );
        }
    });
    set_both(&g, &a, &b, 2);
    d.get();
    join(r);
}

/// ```text
/// W1: batch { a = 1, b = 1 }      W2: a = 2      R: a.get(), b.get()
/// ```
/// The two may be committed as one group: then a has two pending versions.
fn s14() {
    let (g, a, b) = pair();
    let w = spawn({
        let (a, b) = (a.clone(), b.clone());
        move || set_both(&g, &a, &b, 1)
    });
    let r = spawn({
        let (a, b) = (a.clone(), b.clone());
        move || {
            let (x, y) = (a.get(), b.get());
            claim!(x != 1 || y == 1, "b = {y} was read after a = {x}");
        }
    });
    a.set(2);
    join(w);
    join(r);
    claim!(a.get() != 0 && b.get() == 1, "a write was lost");
}

/// ```text
/// W1: batch { a = 1, b = 1 }      W2: a = 2      R: snapshot { a, b }
/// ```
fn s14b() {
    let (g, a, b) = pair();
    let w = spawn({
        let (g, a, b) = (g.clone(), a.clone(), b.clone());
        move || set_both(&g, &a, &b, 1)
    });
    let r = spawn({
        let (a, b) = (a.clone(), b.clone());
        move || {
            let at = g.snapshot();
            let (x, y) = (at.get(&a), at.get(&b));
            claim!(x != 1 || y == 1, "a snapshot saw a = {x} and b = {y}");
        }
    });
    a.set(2);
    join(w);
    join(r);
}

/// ```text
/// W: a = 1, a = 2, and nobody holds anything      R: a.get(), a.get()
/// ```
/// The version that was current when the read looked at the clock may be unlinked by now.
fn s34() {
    isobar::protocol::trim_at_once();
    let (_g, a, _) = pair();
    let r = spawn({
        let a = a.clone();
        move || {
            let (x, y) = (a.get(), a.get());
            claim!(y >= x, "a went back from {x} to {y}");
        }
    });
    a.set(1);
    a.set(2);
    join(r);
}
