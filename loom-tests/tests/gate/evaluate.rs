//! Evaluations: one revision each, whatever commits and whoever else evaluates.

use crate::scenario::{EXPECTED, Mode::*, Scenario, claim};
use crate::world::{above, join, pair, set_both, spawn, twins};
use isobar::{Computed, Graph, ReadError};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s01_first_read_against_a_batch", s01).shadow().kills(&[
        ("no-inherit", Rmw),
        ("read-head", Rmw),
        ("subscribe-late", Rmw),
        ("no-mark-fence", Shadow),
        ("no-inherit-fence", Shadow),
    ]),
    Scenario::new("s02_clean_read_against_a_batch", s02).shadow(),
    Scenario::new("s08_two_first_readers_and_a_commit", s08).loads_bound(1).kills(&[
        ("publish-before-inherit", Rmw),
        ("inherit-skips-computeds", Rmw),
        ("no-taint", Rmw),
    ]),
    Scenario::new("s11_a_memo_is_exact_from_where_it_says", s11)
        .kills(&[("valid-from-backdated", Rmw), ("valid-from-ignored", Rmw)]),
    Scenario::new("s19_a_panic_is_the_value_and_frees_the_claim", s19)
        .shadow()
        .kills(&[("claim-lost", Rmw), ("no-wait-fence", Loads)]),
    Scenario::new("s20_a_cycle_over_two_threads_is_found", s20).kills(&[("wait-with-claim", Rmw)]),
    Scenario::new("s22_an_equal_result_stops_the_wave", s22).shadow().kills(&[("no-cutoff", Rmw)]),
    Scenario::new("s27_a_contended_diamond_runs_once_a_thread", s27).kills(&[("no-table", Rmw)]),
    Scenario::new("s36_a_released_claim_wakes_its_waiter_at_once", s36)
        .shadow()
        .kills(&[("notify-unfenced", Loads), ("no-wait-fence", Loads)]),
    Scenario::new("s38_carried_threads_share_an_evaluation", s38),
];

/// ```text
/// W: batch { a = 1, b = 1 }      R: n.get() for the first time: subscribes while W marks
/// ```
fn s01() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    let w = spawn(move || set_both(&g, &a, &b, 1));
    let x = n.get();
    claim!(x == 0 || x == 17, "n is {x}");
    join(w);
    claim!(n.get() == 17, "n is stale after the join");
}

/// ```text
/// W: batch { a = 1, b = 1 }      R: n.get(), n.get(), clean before
/// ```
fn s02() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let w = spawn(move || set_both(&g, &a, &b, 1));
    let (x, y) = (n.get(), n.get());
    claim!(y >= x, "n went back from {x} to {y}");
    join(w);
    claim!(n.get() == 17, "n is stale after the join");
}

/// ```text
/// R1: d.get()      R2: n.get(), which d reads      W: a = 1
/// ```
/// Who loses the claim on n evaluates it privately, and must not publish d on that.
fn s08() {
    let (g, a, _) = pair();
    let n = a.map(|a| *a);
    let d = above(&g, &n);
    let d_reader = spawn({
        let d = d.clone();
        move || _ = d.get()
    });
    let n_reader = spawn({
        let n = n.clone();
        move || _ = n.get()
    });
    a.set(1);
    join(d_reader);
    join(n_reader);
    claim!(d.get() == 1001, "d is stale after the join");
    claim!(n.get() == 1, "n is stale after the join");
}

/// ```text
/// a = 1      W: a = 2, d.get(), where d reads n = a & 1      R: snapshot { a, d }
/// ```
/// After both sets n is what it was at first, and what d last saw; in between it was not.
fn s11() {
    let (g, a, _) = pair();
    let n = a.map(|a| a & 1);
    let d = above(&g, &n);
    d.get();
    a.set(1);
    let r = spawn({
        let (a, d) = (a.clone(), d.clone());
        move || {
            let at = g.snapshot();
            let (x, y) = (at.get(&a), at.get(&d));
            claim!(y == 1000 + (x & 1), "a snapshot saw a = {x} and d = {y}");
        }
    });
    a.set(2);
    d.get();
    join(r);
}

/// ```text
/// T1: n.try_get(), n panics if a = 1      T2: n.try_get()      then a = 2
/// ```
fn s19() {
    let (g, a, _) = pair();
    let n = g.computed({
        let a = a.clone();
        move || {
            let a = a.get();
            assert!(a != 1, "{EXPECTED}");
            a
        }
    });
    a.set(1);
    let panicked = |read: Result<u64, ReadError>| matches!(read, Err(ReadError::Panicked { .. }));
    let r = spawn({
        let n = n.clone();
        move || claim!(panicked(n.try_get()), "the panic was lost")
    });
    claim!(panicked(n.try_get()), "the panic was lost");
    join(r);
    a.set(2);
    claim!(n.try_get() == Ok(2), "n did not recover");
}

/// ```text
/// T1: n.try_get(), n reads d      T2: d.try_get(), d reads n      while a = 0
/// ```
fn s20() {
    let (g, a, _) = pair();
    let d_of_n = Arc::new(OnceLock::<Computed<u64>>::new());
    let n = g.computed({
        let (a, d) = (a.clone(), d_of_n.clone());
        move || if a.get() == 0 { d.get().expect("set below").get() } else { 7 }
    });
    let d = above(&g, &n);
    d_of_n.set(d.clone()).expect("set once");
    let cycle = |read: Result<u64, ReadError>| matches!(read, Err(ReadError::Cycle { .. }));
    let r = spawn({
        let n = n.clone();
        move || claim!(cycle(n.try_get()), "n did not find the cycle")
    });
    claim!(cycle(d.try_get()), "d did not find the cycle");
    join(r);
    a.set(1);
    claim!(d.try_get() == Ok(1007), "d did not recover");
    claim!(n.try_get() == Ok(7), "n did not recover");
    // Broken up: the two keep each other alive.
    drop(g);
}

/// ```text
/// W: a = 2      R: d.get(), d.get(), where d reads n = a & 1
/// ```
fn s22() {
    let (g, a, _) = pair();
    let n = a.map(|a| a & 1);
    let runs = Arc::new(AtomicU64::new(0));
    let d = g.computed({
        let (n, runs) = (n.clone(), runs.clone());
        move || {
            runs.fetch_add(1, SeqCst);
            n.get()
        }
    });
    d.get();
    let w = spawn(move || a.set(2));
    d.get();
    join(w);
    claim!(d.get() == 0, "d is not 0");
    let runs = runs.load(SeqCst);
    claim!(runs == 1, "d ran {runs} times although n never changed");
}

/// ```text
///        top
///       /   \
///      l     r        T1: n.get()      T2: top.get()
///       \   /
///         n
/// ```
/// T2 holds claims when it finds n taken, so it runs n privately: once, not once a path.
fn s27() {
    let g = Graph::new();
    let a = g.signal(1);
    let runs = Arc::new(AtomicU64::new(0));
    let n = g.computed({
        let runs = runs.clone();
        move || {
            runs.fetch_add(1, SeqCst);
            a.get()
        }
    });
    let (l, r) = (above(&g, &n), above(&g, &n));
    let top = g.computed(move || l.get() + r.get());
    let t = spawn(move || _ = n.get());
    claim!(top.get() == 2002, "top is wrong");
    join(t);
    let runs = runs.load(SeqCst);
    claim!(runs <= 2, "n ran {runs} times for two threads");
}

/// ```text
/// T1: batch { n.get(), wait for T2 }      T2: n.get(), tell T1
/// ```
/// T2 may find n claimed; T1's batch goes on for as long as it likes.
fn s36() {
    let (g, a, _) = pair();
    let n = a.map(|a| *a);
    let (tell, told) = loom::sync::mpsc::channel::<()>();
    let t = spawn({
        let n = n.clone();
        move || {
            g.batch(|| {
                n.get();
                told.recv().expect("T2 tells");
            });
        }
    });
    n.get();
    tell.send(()).expect("T1 listens");
    join(t);
}

/// ```text
/// c: T1: d.get()      T2, with c's context: d.get()
/// ```
/// Neither takes the other's run of d for a cycle, and neither waits for the other.
fn s38() {
    let (g, a, _) = pair();
    let d = a.map(|a| a + 1);
    let c = g.computed(move || {
        let context = isobar::Context::current();
        let t = loom::thread::spawn({
            let d = d.clone();
            move || context.enter(|| d.try_get().map_err(|error| error.to_string()))
        });
        let here = d.try_get().map_err(|error| error.to_string());
        let there = t.join().expect("the carried thread does not panic");
        claim!(here == there && here.is_ok(), "read {here:?} here and {there:?} there");
        here.unwrap_or(0)
    });
    claim!(c.get() == 1, "c is not 1");
    a.set(1);
    claim!(c.get() == 2, "c missed what its other thread read");
}
