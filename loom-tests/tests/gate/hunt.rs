use crate::scenario::{Scenario, claim};
use crate::world::{join, pair, set_both, spawn, above};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicBool, Ordering::SeqCst};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "h1", run: h1, kills: &[] },
    Scenario { name: "h2", run: h2, kills: &[] },
    Scenario { name: "h3", run: h3, kills: &[] },
    Scenario { name: "h3b", run: h3b, kills: &[] },
    Scenario { name: "h4", run: h4, kills: &[] },
    Scenario { name: "h5", run: h5, kills: &[] },
    Scenario { name: "h7", run: h7, kills: &[] },
    Scenario { name: "h8", run: h8, kills: &[] },
];

/// hold raise
fn h1() {
    let (g, a, b) = pair();
    let n = g.computed({ let (a, b) = (a.clone(), b.clone()); move || {
        let (x, y) = (a.get(), b.get());
        claim!(matches!((x, y), (0, 0) | (1, 1) | (2, 1)), "saw {x} {y}");
        x * 16 + y } });
    let r = spawn({ let n = n.clone(); move || { n.get(); } });
    set_both(&g, &a, &b, 1);
    a.set(2);
    join(r);
}
/// park with stray token
fn h2() {
    let (_g, a, b) = pair();
    let w = spawn({ let a = a.clone(); move || { loom::thread::current().unpark(); a.set(1) } });
    b.set(1);
    join(w);
}
/// settle
fn h3() {
    let (g, a, _b) = pair();
    let seen = Arc::new(AtomicU64::new(0));
    let e = g.effect({ let (a, seen) = (a.clone(), seen.clone()); move || seen.store(a.get(), SeqCst) });
    let w = spawn({ let a = a.clone(); move || a.set(1) });
    let v = a.get();
    g.settle().unwrap();
    let s = seen.load(SeqCst);
    claim!(s >= v, "settled at {s}, value {v}");
    join(w);
    drop(e);
}
/// settle against the creation of an effect
fn h3b() {
    let (g, a, _b) = pair();
    let w = spawn({ let (g, a) = (g.clone(), a.clone()); move || { let e = g.effect(move || { a.get(); }); drop(e) } });
    g.settle().unwrap();
    join(w);
}
/// drop of a signal while it is unlisted
fn h4() {
    let (g, a, b) = pair();
    let s = g.snapshot();
    a.set(1);
    drop(s);
    let t = spawn(move || drop(a));
    b.set(1);
    join(t);
}
/// newest walk
fn h5() {
    let (_g, a, _b) = pair();
    let w = spawn({ let a = a.clone(); move || { a.set(1); a.set(2) } });
    let x = a.get();
    let y = a.get();
    claim!(y >= x, "back");
    join(w);
}
/// unfenced release inside a batch
fn h7() {
    let (g, a, _b) = pair();
    let n = g.computed({ let a = a.clone(); move || a.get() });
    let (tx, rx) = loom::sync::mpsc::channel::<()>();
    let t = spawn({ let (g, n) = (g.clone(), n.clone()); move || g.batch(|| { n.get(); rx.recv().unwrap(); }) });
    n.get();
    tx.send(()).unwrap();
    join(t);
}
/// an effect takes part in a race of dispose
fn h8() {
    let (g, a, _b) = pair();
    let n = g.computed({ let a = a.clone(); move || a.get() });
    let d = above(&g, &n);
    let over = Arc::new(AtomicBool::new(false));
    let e = g.effect({ let over = over.clone(); move || { d.get(); claim!(!over.load(SeqCst), "ran after dispose"); } });
    let w = spawn({ let a = a.clone(); move || a.set(1) });
    e.dispose();
    over.store(true, SeqCst);
    join(w);
    a.set(2);
    set_both(&g, &a, &_b, 3);
}
