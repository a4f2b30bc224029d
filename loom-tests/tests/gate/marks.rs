use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{above, join, packed, pair, set_both, spawn, twins};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "s01", run: s01, kills: &[] },
    Scenario { name: "s02", run: s02, kills: &[] },
    Scenario { name: "s03", run: s03, kills: &[] },
    Scenario { name: "s04", run: s04, kills: &[] },
    Scenario { name: "s05", run: s05, kills: &[] },
    Scenario { name: "s06", run: s06, kills: &[] },
    Scenario { name: "s07", run: s07, kills: &[] },
    Scenario { name: "s08", run: s08, kills: &[] },
    Scenario { name: "s09", run: s09, kills: &[] },
    Scenario { name: "s10", run: s10, kills: &[] },
    Scenario { name: "s11", run: s11, kills: &[] },
    Scenario { name: "s12", run: s12, kills: &[] },
    Scenario { name: "s13", run: s13, kills: &[] },
    Scenario { name: "s14", run: s14, kills: &[] },
];

fn s01() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    let w = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 1) });
    let x = n.get();
    claim!(x == 0 || x == 17, "n is {x}");
    join(w);
    claim!(n.get() == 17, "stale n after join");
}
fn s02() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let w = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 1) });
    let x = n.get();
    let y = n.get();
    claim!(y >= x, "went back");
    join(w);
    claim!(n.get() == 17, "stale n after join");
}
fn s03() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    a.set(1);
    let w = spawn({ let a = a.clone(); move || a.set(2) });
    let x = d.get();
    claim!(x == 1016 || x == 1032, "d is {x}");
    join(w);
    claim!(d.get() == 1032, "stale d after join");
    claim!(n.get() == 32, "stale n after join");
}
fn s04() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    n.get();
    let w = spawn({ let (a, n) = (a.clone(), n.clone()); move || { a.set(1); claim!(n.get() / 16 == 1, "own write to a"); } });
    b.set(1);
    claim!(n.get() % 16 == 1, "own write to b");
    join(w);
    claim!(n.get() == 17, "stale");
}
fn s05() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let w = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 1) });
    let x = a.get();
    let y = b.get();
    claim!(y >= x, "torn batch at top level");
    claim!(n.get() / 16 >= y, "n older than b");
    join(w);
}
fn s06() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    n.get();
    let w = spawn({ let (g, a, b, n) = (g.clone(), a.clone(), b.clone(), n.clone()); move || { set_both(&g, &a, &b, 1); n.get(); } });
    set_both(&g, &a, &b, 2);
    let x = n.get();
    claim!(x == 17 || x == 34, "n is {x}");
    join(w);
    let x = n.get();
    claim!(x / 16 == a.get(), "stale n after join");
}
fn s07() {
    let (g, a, b) = pair();
    let n = packed(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    let w = spawn({ let (a, d) = (a.clone(), d.clone()); move || { a.set(1); claim!((d.get() - 1000) / 16 == 1, "own write to a"); } });
    b.set(1);
    claim!((d.get() - 1000) % 16 == 1, "own write to b");
    join(w);
    claim!(d.get() == 1017, "stale");
}
fn s08() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    let d = above(&g, &n);
    let r = spawn({ let d = d.clone(); move || { d.get(); } });
    let w = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 1) });
    n.get();
    join(r);
    join(w);
    claim!(d.get() == 1017, "stale d");
    claim!(n.get() == 17, "stale n");
}
fn s09() {
    let (g, a, b) = pair();
    let n = twins(&g, &a, &b);
    let d = above(&g, &n);
    d.get();
    let w = spawn({ let (g, a, b, d) = (g.clone(), a.clone(), b.clone(), d.clone()); move || { set_both(&g, &a, &b, 1); set_both(&g, &a, &b, 2); d.get(); } });
    let s = g.snapshot();
    let (x, z, y, w2) = (s.get(&a), s.get(&d), s.get(&n), s.get(&b));
    claim!(x == w2 && y == x * 17 && z == y + 1000, "snapshot mixes");
    join(w);
}
fn s10() {
    let (g, a, b) = pair();
    let n = g.computed({ let a = a.clone(); move || a.get() });
    let d = above(&g, &n);
    d.get();
    let w = spawn({ let (a, d) = (a.clone(), d.clone()); move || { a.set(1); claim!(d.get() == 1001, "own write through d"); } });
    b.set(1);
    join(w);
    claim!(d.get() == 1001, "stale");
}
fn s11() {
    let (g, a, _) = pair();
    let n = g.computed({ let a = a.clone(); move || a.get() & 1 });
    let d = above(&g, &n);
    d.get();
    let r = spawn({ let (g, a, d) = (g.clone(), a.clone(), d.clone()); move || { let s = g.snapshot(); let (x, y) = (s.get(&a), s.get(&d)); claim!(y == 1000 + (x & 1), "snapshot mixes"); } });
    a.set(1);
    a.set(2);
    d.get();
    join(r);
}
fn s12() {
    let (g, a, b) = pair();
    let n = g.computed({ let (a, b) = (a.clone(), b.clone()); move || if a.get() == 0 { 0 } else { b.get() } });
    let d = above(&g, &n);
    d.get();
    a.set(1);
    let w = spawn({ let b = b.clone(); move || b.set(5) });
    let x = d.get();
    claim!(x == 1000 || x == 1005, "d {x}");
    join(w);
    claim!(d.get() == 1005, "stale d");
    claim!(n.get() == 5, "stale n");
}
fn s13() {
    let (g, a, b) = pair();
    let n = g.computed({ let (a, b) = (a.clone(), b.clone()); move || if a.get() == 0 { b.get() } else { 7 } });
    let d = above(&g, &n);
    d.get();
    let w = spawn({ let (a, d) = (a.clone(), d.clone()); move || { a.set(1); d.get(); a.set(0); } });
    b.set(5);
    let x = d.get();
    claim!(x == 1005 || x == 1007, "d {x}");
    join(w);
    claim!(d.get() == 1005, "stale d");
}
fn s14() {
    let (g, a, b) = pair();
    let w1 = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 1) });
    let w2 = spawn({ let (g, a, b) = (g.clone(), a.clone(), b.clone()); move || set_both(&g, &a, &b, 2) });
    let (x, y) = (a.get(), b.get());
    claim!(!(x != 0 && y == 0), "torn batch");
    join(w1);
    join(w2);
    claim!(a.get() == b.get(), "torn end");
}
