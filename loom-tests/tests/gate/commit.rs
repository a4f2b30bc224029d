//! Commits: writers against writers.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, packed, pair, set_both, spawn, twins};
use isobar::{Graph, Signal};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s04_own_writes_with_two_writers", s04).kills(&[("claim-relaxed", Loads)]),
    Scenario::new("s06_two_batches_over_the_same_signals", s06),
    Scenario::new("s25_a_parked_writer_is_woken", s25).shadow().kills(&[
        ("inbox-forgotten", Rmw),
        ("no-wake", Rmw),
        ("no-inbox-fence", Shadow),
        ("park-twice", Rmw),
    ]),
    Scenario::new("s26_two_updates_count_two", s26).shadow().kills(&[("condition-unchecked", Rmw)]),
    Scenario::new("s26b_two_updates_in_batches_count_two", s26b).kills(&[("no-replay", Rmw)]),
    Scenario::new("s28_an_equal_write_beside_another_commit", s28)
        .kills(&[("equal-unchecked", Rmw)]),
    Scenario::new("s29_compare_set_against_a_group", s29)
        .loads_bound(1)
        .kills(&[("condition-unchecked", Rmw)]),
    Scenario::new("s39_a_stalled_drop_stops_no_writer", s39),
    Scenario::new("s43_two_batches_over_two_graphs", s43).kills(&[("rights-unordered", Rmw)]),
    Scenario::new("s43b_a_batch_over_two_graphs_is_one_commit_in_each", s43b)
        .loads_bound(1)
        .kills(&[("flip-before-mark", Rmw), ("pending-visible", Rmw)]),
    Scenario::new("s43c_a_drop_that_sets_a_signal_of_the_other_graph", s43c)
        .loads_bound(1)
        .kills(&[("leave-one-by-one", Rmw)]),
];

/// ```text
/// T1: a = 1, n.get()      T2: b = 1, n.get()
/// ```
fn s04() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    n.get();
    let w = spawn({
        let n = n.clone();
        move || {
            a.set(1);
            claim!(n.get() / 16 == 1, "n lacks this thread's a");
        }
    });
    b.set(1);
    claim!(n.get() % 16 == 1, "n lacks this thread's b");
    join(w);
    claim!(n.get() == 17, "n is stale after the join");
}

/// ```text
/// T1: batch { a = 1, b = 1 }      T2: batch { b = 2, a = 2 }, n.get()
/// ```
fn s06() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let w = spawn({
        let (g, a, b) = (g.clone(), a.clone(), b.clone());
        move || set_both(&g, &a, &b, 1)
    });
    set_both(&g, &b, &a, 2);
    let x = n.get();
    claim!(x == 17 || x == 34, "n is {x}");
    join(w);
    let (x, a) = (n.get(), a.get());
    claim!(x == a * 17 && a == b.get(), "n is {x}, a is {a}");
}

/// ```text
/// T1: a = 1      T2: b = 1      whoever comes second queues its request and parks
/// ```
/// Parking may end for no reason: the shim makes it so.
fn s25() {
    let (_g, a, b) = pair();
    let w = spawn({
        let a = a.clone();
        move || {
            a.set(1);
            claim!(a.get() == 1, "set returned before its commit");
        }
    });
    b.set(1);
    claim!(b.get() == 1, "set returned before its commit");
    join(w);
    claim!(a.get() == 1, "a write was lost");
}

/// ```text
/// T1: a.update(+1)      T2: a.update(+1)
/// ```
fn s26() {
    let (_g, a, _) = pair();
    let w = spawn({
        let a = a.clone();
        move || a.update(|a| a + 1)
    });
    a.update(|a| a + 1);
    join(w);
    let a = a.get();
    claim!(a == 2, "two updates made {a}");
}

/// ```text
/// T1: batch { a.update(+1), b = 1 }      T2: batch { a.update(+1) }
/// ```
fn s26b() {
    let (g, a, b) = pair();
    let w = spawn({
        let (g, a, b) = (g.clone(), a.clone(), b.clone());
        move || {
            g.batch(|| {
                a.update(|a| a + 1);
                b.set(1);
            });
        }
    });
    g.batch(|| a.update(|a| a + 1));
    join(w);
    let a = a.get();
    claim!(a == 2, "two updates made {a}");
    claim!(b.get() == 1, "a batch lost a write");
}

/// ```text
/// (x, y, z) = (3, 3, 4)      T1: batch { 3, 2, 5 }      T2: batch { 1, 5, 4 }
/// ```
/// Each has one write that is equal to what it finds, unless the other came first.
fn s28() {
    let g = Graph::new();
    let (x, y, z) = (g.signal(3), g.signal(3), g.signal(4));
    let w = spawn({
        let (g, x, y, z) = (g.clone(), x.clone(), y.clone(), z.clone());
        move || {
            g.batch(|| {
                x.set(3);
                y.set(2);
                z.set(5);
            });
        }
    });
    g.batch(|| {
        x.set(1);
        y.set(5);
        z.set(4);
    });
    join(w);
    let seen = (x.get(), y.get(), z.get());
    claim!(matches!(seen, (3, 2, 5) | (1, 5, 4)), "after both batches: {seen:?}");
}

/// ```text
/// T1: a = 1      T2: a.compare_set(before, 2)      T3: b = 1, so that there is a group
/// ```
/// Either the set came first and is not overwritten, or it overwrote.
fn s29() {
    let (g, a, b) = pair();
    let before = g.revision();
    let w = spawn({
        let a = a.clone();
        move || a.set(1)
    });
    let third = spawn(move || b.set(1));
    let swapped = a.compare_set(before, 2).is_ok();
    join(w);
    join(third);
    let a = a.get();
    claim!(a == 1, "compare_set (committed: {swapped}) overwrote a newer value: {a}");
}

/// ```text
/// T1: sets a thrice, and drops the first value, which waits for T2      T2: b = 1, tells
/// ```
/// T2's request may be in the queue when T1 comes to the drop.
fn s39() {
    isobar::protocol::trim_at_once();
    use loom::sync::{Condvar, Mutex};
    use loom::thread::{ThreadId, current};
    use std::sync::Arc;

    struct Stall(u64, Option<(ThreadId, Arc<(Mutex<bool>, Condvar)>)>);
    impl Drop for Stall {
        fn drop(&mut self) {
            // T2 may come to drop it, too, and must not wait for itself.
            if let Some((t1, told)) = &self.1
                && *t1 == current().id()
            {
                let mut done = told.0.lock().expect("no panics");
                while !*done {
                    done = told.1.wait(done).expect("no panics");
                }
            }
        }
    }
    impl PartialEq for Stall {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    let g = Graph::new();
    let told = Arc::new((Mutex::new(false), Condvar::new()));
    let a = g.signal(Stall(0, Some((current().id(), told.clone()))));
    let b = g.signal(0);
    let w = spawn(move || {
        b.set(1);
        *told.0.lock().expect("no panics") = true;
        told.1.notify_all();
    });
    for value in 1..4 {
        a.set(Stall(value, None));
    }
    join(w);
}

/// ```text
/// a in g, b in h      T1: batch { a = 1, b = 1 }      T2: batch { b = 2, a = 2 }
/// ```
/// Both take both rights, and neither waits for the other in a circle.
fn s43() {
    let (g, h) = (Graph::new(), Graph::new());
    let (a, b) = (g.signal(0), h.signal(0));
    let w = spawn({
        let (g, a, b) = (g.clone(), a.clone(), b.clone());
        move || {
            g.batch(|| {
                a.set(1);
                b.set(1);
            });
            claim!(a.get() != 0 && b.get() != 0, "batch returned before its commits");
        }
    });
    h.batch(|| {
        b.set(2);
        a.set(2);
    });
    join(w);
    let (a, b) = (a.get(), b.get());
    claim!(a == b && a != 0, "a = {a} and b = {b}: the batches took turns in between");
}

/// ```text
/// a, b in g, c in h      T1: batch { a = 1, c = 1, b = 1 }      T2: a = 2
/// R: a.get(), b.get(), n.get()
/// ```
fn s43b() {
    let (g, a, b) = pair();
    let h = Graph::new();
    let c = h.signal(0);
    let n = packed(&g, &a, &b);
    n.get();
    let w = spawn({
        let a = a.clone();
        move || a.set(2)
    });
    let r = spawn({
        let (a, b, n) = (a.clone(), b.clone(), n.clone());
        move || {
            let (x, y, z) = (a.get(), b.get(), n.get());
            claim!(x != 1 || y == 1, "b = {y} was read after a = {x}");
            claim!(matches!(z, 0 | 32 | 17 | 33), "n is {z}");
            claim!(z % 16 >= y, "n saw {z}, read after b = {y}");
        }
    });
    g.batch(|| {
        a.set(1);
        c.set(1);
        b.set(1);
    });
    claim!(c.get() == 1, "h has no commit");
    join(w);
    join(r);
    claim!(a.get() != 0 && b.get() == 1, "a write was lost");
}

/// ```text
/// x in g, y in h; a dropped value of x sets b in h, one of y sets a in g
/// T1: batch { x, y }, whose trimming drops the first values      T2: b = 1
/// ```
/// The drops run when T1 has neither right.
fn s43c() {
    isobar::protocol::trim_at_once();

    struct Tells(u64, Option<Signal<u64>>);
    impl Drop for Tells {
        fn drop(&mut self) {
            if let Some(told) = &self.1 {
                told.set(9);
            }
        }
    }
    impl PartialEq for Tells {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    let (g, h) = (Graph::new(), Graph::new());
    let (a, b) = (g.signal(0), h.signal(0));
    let x = g.signal(Tells(0, Some(b.clone())));
    let y = h.signal(Tells(0, Some(a.clone())));
    let set = |value| {
        g.batch(|| {
            x.set(Tells(value, None));
            y.set(Tells(value, None));
        });
    };
    let held = (g.snapshot(), h.snapshot());
    set(1);
    drop(held);
    claim!(a.get() == 0 && b.get() == 0, "a drop was run before the race");
    let w = spawn({
        let b = b.clone();
        move || b.set(1)
    });
    set(2);
    join(w);
    claim!(a.get() == 9 || b.get() != 1, "no drop was run");
}
