//! Batches and transactions: pending writes are their author's alone.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, packed, pair, spawn};
use isobar::{Computed, Graph, Signal};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s23_a_batchs_private_result_stays_private", s23)
        .kills(&[("overlay-published", Rmw)]),
    Scenario::new("s30_transactions_check_the_signals_they_read", s30)
        .kills(&[("reads-unchecked", Rmw)]),
    Scenario::new("s30c_transactions_in_one_group_check_each_other", s30c)
        .kills(&[("show-late", Rmw)]),
    Scenario::new("s30b_transactions_check_the_computeds_they_read", s30b)
        .kills(&[("reads-unchecked", Rmw)]),
];

/// ```text
/// T1: transaction { a = 1, n.get(), Err }      T2: n.get(), n.get()
/// ```
fn s23() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    let t = spawn({
        let (a, n) = (a.clone(), n.clone());
        move || {
            let undone: Result<(), ()> = g.transaction(|| {
                a.set(1);
                claim!(n.get() == 16, "the author does not see its own write through n");
                Err(())
            });
            claim!(undone.is_err(), "the error was lost");
        }
    });
    let x = n.get();
    claim!(x == 0, "a write that never committed was seen: {x}");
    join(t);
    let x = n.get();
    claim!(x == 0, "a write that never committed was published: {x}");
}

/// ```text
/// T1: transaction { if b == 0 { a = 1 } }      T2: transaction { if a == 0 { b = 1 } }
/// ```
fn s30() {
    let (g, a, b) = pair();
    let unless = |test: &Signal<u64>, set: &Signal<u64>| {
        let (g, test, set) = (g.clone(), test.clone(), set.clone());
        move || {
            let done: Result<(), ()> = g.transaction(|| {
                if test.get() == 0 {
                    set.set(1);
                }
                Ok(())
            });
            claim!(done.is_ok(), "a transaction failed");
        }
    };
    let t = spawn(unless(&b, &a));
    unless(&a, &b)();
    join(t);
    let (a, b) = (a.get(), b.get());
    claim!(a + b == 1, "a = {a} and b = {b}: neither read what the other wrote");
}

/// ```text
/// T1: transaction { if n == 0 { a = 1 } }      T2: the same with b      n = 16 a + b
/// ```
fn s30b() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    n.get();
    let t = spawn(unless_set(&g, &n, &a));
    unless_set(&g, &n, &b)();
    join(t);
    let n = n.get();
    claim!(n == 1 || n == 16, "n = {n}: neither read what the other wrote");
}

/// ```text
/// T1, T2: as before      T3: c = 1, so that the others may be committed as one group
/// ```
fn s30c() {
    let (g, a, b) = pair();
    let c = g.signal(0);
    let n = packed(&g, &a, &b);
    n.get();
    let t = spawn(unless_set(&g, &n, &a));
    let third = spawn(move || c.set(1));
    unless_set(&g, &n, &b)();
    join(t);
    join(third);
    let n = n.get();
    claim!(n == 1 || n == 16, "n = {n}: neither read what the other wrote");
}

/// A transaction that sets a signal if `n` is 0.
fn unless_set(g: &Graph, n: &Computed<u64>, set: &Signal<u64>) -> impl FnOnce() + use<> {
    let (g, n, set) = (g.clone(), n.clone(), set.clone());
    move || {
        let done: Result<(), ()> = g.transaction(|| {
            if n.get() == 0 {
                set.set(1);
            }
            Ok(())
        });
        claim!(done.is_ok(), "a transaction failed");
    }
}
