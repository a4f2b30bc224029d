//! Effects and the waves that run them.

use crate::scenario::{Mode::*, Scenario, claim};
use crate::world::{join, pair, spawn};
use isobar::Effect;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("s15_an_effect_sees_the_last_of_two_commits", s15)
        .shadow()
        .kills(&[("no-second-look", Rmw), ("no-wave-fence", Shadow)]),
    Scenario::new("s15b_an_effects_first_run_against_a_commit", s15b)
        .kills(&[("no-requeue", Rmw), ("running-forgotten", Loads)]),
    Scenario::new("s16_settled_means_seen", s16),
    Scenario::new("s16b_settle_waits_for_a_first_run", s16b)
        .shadow()
        .kills(&[("notify-unfenced", Loads)]),
    Scenario::new("s24_a_level_on_two_workers", s24),
    Scenario::new("s33_an_effect_reads_what_another_thread_evaluates", s33),
    Scenario::new("s35_disposed_means_not_running", s35).shadow(),
];

/// Remembers what it saw, and that it was never in two places at once or went back.
#[derive(Clone, Default)]
struct Log {
    last: Arc<AtomicU64>,
    inside: Arc<AtomicBool>,
}

impl Log {
    fn run(&self, read: impl FnOnce() -> u64) {
        claim!(!self.inside.swap(true, SeqCst), "two runs of one effect at once");
        let now = read();
        let before = self.last.swap(now, SeqCst);
        claim!(now >= before, "an effect went back from {before} to {now}");
        self.inside.store(false, SeqCst);
    }

    fn last(&self) -> u64 {
        self.last.load(SeqCst)
    }
}

/// ```text
/// T1: a = 1      T2: b = 1      e reads both
/// ```
/// Whoever finds a wave running leaves its effects to it.
fn s15() {
    let (g, a, b) = pair();
    let log = Log::default();
    let _e = g.effect({
        let (a, b, log) = (a.clone(), b.clone(), log.clone());
        move || log.run(|| a.get() + b.get())
    });
    let w = spawn(move || a.set(1));
    b.set(1);
    join(w);
    let last = log.last();
    claim!(last == 2, "the effect last saw {last} of 2 writes");
}

/// ```text
/// T1: makes e, which reads a      T2: a = 1
/// ```
fn s15b() {
    let (g, a, _) = pair();
    let log = Log::default();
    let w = spawn({
        let a = a.clone();
        move || a.set(1)
    });
    let _e = g.effect({
        let log = log.clone();
        move || log.run(|| a.get())
    });
    join(w);
    claim!(log.last() == 1, "the effect never saw a = 1");
}

/// ```text
/// T1: a = 1      T2: a.get(), settle      e reads a
/// ```
fn s16() {
    let (g, a, _) = pair();
    let log = Log::default();
    let e = g.effect({
        let (a, log) = (a.clone(), log.clone());
        move || log.run(|| a.get())
    });
    let s = spawn({
        let a = a.clone();
        move || {
            let a = a.get();
            g.settle().expect("no loop");
            let seen = log.last();
            claim!(seen >= a, "settled, but the effect has seen a = {seen}, and it is {a}");
        }
    });
    a.set(1);
    join(s);
    drop(e);
}

/// ```text
/// T1: makes e, which reads a      T2: settle
/// ```
fn s16b() {
    let (g, a, _) = pair();
    let s = spawn({
        let g = g.clone();
        move || _ = g.settle().expect("no loop")
    });
    let e = g.effect(move || _ = a.get());
    join(s);
    drop(e);
}

/// ```text
/// a = 1: the wave refreshes l and r on two workers, and now r reads l
/// ```
fn s24() {
    let (g, a, _) = pair();
    let l = a.map(|a| a + 10);
    let r = g.computed({
        let (a, l) = (a.clone(), l.clone());
        move || if a.get() == 0 { 0 } else { l.get() }
    });
    let log = Log::default();
    let _e = g.effect({
        let (l, r, log) = (l.clone(), r.clone(), log.clone());
        move || {
            log.run(|| {
                let (l, r) = (l.get(), r.get());
                claim!(r == if l == 10 { 0 } else { l }, "an effect saw l = {l} and r = {r}");
                l
            });
        }
    });
    a.set(1);
    let last = log.last();
    claim!(last == 11, "the effect last saw {last}");
    claim!(g.stats().waves_parallel == 1, "the level did not use the pool");
}

/// ```text
/// T1: a = 1, which wakes e, which reads n      T2: n.get()
/// ```
fn s33() {
    let (g, a, _) = pair();
    let n = a.map(|a| *a);
    let log = Log::default();
    let _e = g.effect({
        let (n, log) = (n.clone(), log.clone());
        move || log.run(|| n.get())
    });
    let r = spawn(move || _ = n.get());
    a.set(1);
    a.set(2);
    join(r);
    let last = log.last();
    claim!(last == 2, "the effect last saw {last}");
}

/// ```text
/// T1: a = 1, which wakes e      T2: e.dispose()
/// ```
fn s35() {
    let (g, a, _) = pair();
    let over = Arc::new(AtomicBool::new(false));
    let e: Effect = g.effect({
        let (a, over) = (a.clone(), over.clone());
        move || {
            a.get();
            claim!(!over.load(SeqCst), "an effect ran after dispose returned");
        }
    });
    let d = spawn(move || {
        e.dispose();
        over.store(true, SeqCst);
    });
    a.set(1);
    join(d);
    a.set(2);
}
