//! Memory: what is held or kept stays, what is dropped is nobody's.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{Canary, above, join, pair, set_both, spawn};
use isobar::protocol::{trim_at_once, trim_every};
use isobar::{Computed, Graph, Signal};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s17_a_computed_is_dropped_while_it_is_marked", s17)
        .kills(&[("no-pin", Rmw), ("no-grace", Rmw)]),
    Scenario::new("s18_a_source_is_dropped_while_its_observer_checks_it", s18),
    Scenario::new("s31_an_evaluation_holds_its_revision", s31).kills(&[
        ("ignore-holds", Rmw),
        ("no-hold-fence", LoadsBare),
        ("guess-exact", LoadsBare),
    ]),
    Scenario::new("s31b_a_snapshot_holds_its_revision", s31b).kills(&[("ignore-holds", Rmw)]),
    Scenario::new("s31c_an_evaluation_holds_the_memos_it_found", s31c)
        .kills(&[("until-short", Rmw)]),
    Scenario::new("s32_a_signal_is_dropped_while_it_is_trimmed", s32)
        .shadow()
        .kills(&[("drop-ignores-list", Rmw)]),
    Scenario::new("s37_a_value_looked_at_stays", s37).kills(&[
        ("kept-ignored", Rmw),
        ("one-epoch", RmwBare),
        ("pins-ignored", RmwBare),
    ]),
    Scenario::new("s40_a_version_below_a_pending_one_stays", s40).kills(&[("trim-pending", Rmw)]),
    Scenario::new("s41_a_set_beside_the_trimmer_is_not_forgotten", s41)
        .kills(&[("trim-forgets", Rmw)]),
    Scenario::new("s42_a_trimmer_beside_an_evaluation", s42)
        .loads_bound(1)
        .kills(&[("scan-before-retired", Rmw)]),
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
    let r = spawn(move || _ = n.get());
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
    // The revision that R holds is newer than the one at which n was verified.
    b.set(1);
    let d = long_look(&g, &n, &b);
    let r = spawn(move || _ = d.get());
    a.set(1);
    n.with(|_| ());
    a.set(2);
    join(r);
}

/// Reads `b` while it looks at `n`.
fn long_look(g: &Graph, n: &Computed<Canary>, b: &Signal<u64>) -> Computed<u64> {
    let (n, b) = (n.clone(), b.clone());
    g.computed(move || {
        n.with(|n| {
            claim!(n.sings(), "a memo was dropped before it was looked at");
            b.get();
            claim!(n.sings(), "a memo was dropped while it was looked at");
            n.number
        })
    })
}

/// ```text
/// T1: b = 1, which trims a, whose old version nobody holds any more      T2: drops a
/// ```
fn s32() {
    trim_at_once();
    let (g, a, b) = pair();
    leave_listed(&g, || a.set(1));
    let t = spawn(move || drop(a));
    b.set(1);
    join(t);
}

/// Has a signal set while its old version is held: it stays in the list to trim.
fn leave_listed(g: &Graph, set: impl FnOnce()) {
    let held = g.snapshot();
    set();
    drop(held);
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

/// ```text
/// T1: b = 1, which trims a, which is listed; a.get()      T2: a = 2
/// ```
/// What a pending version supersedes is the newest that T1 may see.
fn s40() {
    trim_at_once();
    let (g, a, b) = pair();
    leave_listed(&g, || a.set(1));
    let t = spawn({
        let a = a.clone();
        move || a.set(2)
    });
    b.set(1);
    let x = a.get();
    claim!(x == 1 || x == 2, "a is {x}");
    join(t);
}

/// ```text
/// T1: b = 1, which trims a, which is listed      T2: a = 2      then nobody holds anything
/// ```
/// T2 finds a listed, and T1 is about to take it out of the list.
fn s41() {
    struct Counted(u64, Arc<AtomicU64>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
        }
    }
    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    trim_at_once();
    let g = Graph::new();
    let dropped = Arc::new(AtomicU64::new(0));
    let value = |number| Counted(number, dropped.clone());
    let (a, b) = (g.signal(value(0)), g.signal(0));
    leave_listed(&g, || a.set(value(1)));
    let t = spawn({
        let (a, value) = (a.clone(), value(2));
        move || a.set(value)
    });
    b.set(1);
    join(t);
    g.collect();
    let dropped = dropped.load(SeqCst);
    claim!(dropped == 2, "{dropped} of two superseded values were dropped");
}

/// ```text
/// T: b = 2, which trims      W: a = 1, n.get()      R: d.get(), where d looks at n for long
/// ```
/// T may have looked at the holds before R came; the memo that R finds is replaced after that.
fn s42() {
    // W's commit leaves the trimming to T.
    trim_every(2);
    let (g, a, b) = pair();
    b.set(1);
    let n = a.map(|a| Canary::new(*a));
    n.with(|_| ());
    let d = long_look(&g, &n, &b);
    let r = spawn(move || _ = d.get());
    let w = spawn(move || {
        a.set(1);
        n.with(|_| ());
    });
    b.set(2);
    join(r);
    join(w);
}
