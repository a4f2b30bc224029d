//! Batches and transactions: pending writes are their author's alone.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, packed, pair, spawn};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "s23_a_batchs_private_result_stays_private",
        run: s23,
        shadow: false,
        kills: &[],
    },
    Scenario {
        name: "s30_transactions_check_the_signals_they_read",
        run: s30,
        shadow: false,
        kills: &[],
    },
    Scenario {
        name: "s30b_transactions_check_the_computeds_they_read",
        run: s30b,
        shadow: false,
        kills: &[],
    },
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
    let unless = |test: &isobar::Signal<u64>, set: &isobar::Signal<u64>| {
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
    let unless = |set: &isobar::Signal<u64>| {
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
    };
    let t = spawn(unless(&a));
    unless(&b)();
    join(t);
    let n = n.get();
    claim!(n == 1 || n == 16, "n = {n}: neither read what the other wrote");
}
