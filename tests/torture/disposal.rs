//! Effects, scopes and nodes come and go under load (C6, C9, C10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use isobar::{Effect, Graph, Signal};

use crate::crew::{Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const WRITERS: usize = 2;
const KEEPERS: usize = 2;

/// Effects are made and disposed while others write: after `dispose` returned there is no run in
/// progress and none to come, and every run was followed by its cleanup exactly once.
#[test]
fn dispose_under_load() {
    within("dispose_under_load", allowance(60), |case| {
        let g = Graph::new();
        let s = g.signal(0u64);
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let counts = Arc::<Counts>::default();
        let effort = Effort::of(1_500);
        let shift = Shift::new(KEEPERS, 0);
        let done = crew(WRITERS + KEEPERS, |index| {
            if index < KEEPERS {
                keep(&g, &s, &shift, effort, &counts)
            } else {
                write_while(&s, &shift)
            }
        });
        g.settle().expect("nothing loops");
        let effects: u64 = done[..KEEPERS].iter().sum();
        let commits: u64 = done[KEEPERS..].iter().sum();
        let (runs, cleanups) = (counts.runs(), counts.cleanups.load(Ordering::Relaxed));
        let late = counts.late.load(Ordering::Relaxed);
        println!(
            "dispose: {effects} effects, {commits} commits, {runs} runs, {cleanups} \
             cleanups, {late} late"
        );
        assert_eq!(late, 0, "runs that began or went on after dispose had returned");
        assert_eq!(runs, cleanups, "one cleanup for each run");
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[derive(Default)]
struct Counts {
    runs: AtomicU64,
    cleanups: AtomicU64,
    late: AtomicU64,
}

impl Counts {
    fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }
}

/// An effect whose runs and cleanups are counted; `over` says that dispose has returned.
fn watch(g: &Graph, s: &Signal<u64>, counts: &Arc<Counts>, over: &Arc<AtomicBool>) -> Effect {
    let (s, counts, over) = (s.clone(), Arc::clone(counts), Arc::clone(over));
    g.effect(move || {
        counts.runs.fetch_add(1, Ordering::Relaxed);
        counts.late.fetch_add(u64::from(over.load(Ordering::Acquire)), Ordering::Relaxed);
        isobar::on_cleanup({
            let counts = Arc::clone(&counts);
            move || {
                counts.cleanups.fetch_add(1, Ordering::Relaxed);
            }
        });
        s.get();
        std::thread::yield_now();
        counts.late.fetch_add(u64::from(over.load(Ordering::Acquire)), Ordering::Relaxed);
    })
}

fn keep(g: &Graph, s: &Signal<u64>, shift: &Shift, effort: Effort, counts: &Arc<Counts>) -> u64 {
    let _writing = shift.writing();
    let mut made = 0;
    while effort.goes_on(made) {
        let over = Arc::<AtomicBool>::default();
        let effect = watch(g, s, counts, &over);
        s.update(|n| n + 1);
        match made % 3 {
            0 => {
                effect.dispose();
                over.store(true, Ordering::Release);
                assert!(effect.is_disposed());
            }
            // Two threads dispose of one effect: both wait for the run in progress.
            1 => {
                std::thread::scope(|scope| {
                    scope.spawn(|| effect.dispose());
                    effect.dispose();
                });
                over.store(true, Ordering::Release);
            }
            _ => drop(effect),
        }
        made += 1;
    }
    made
}

fn write_while(s: &Signal<u64>, shift: &Shift) -> u64 {
    let mut commits = 0;
    while shift.goes_on(commits) {
        s.update(|n| n + 1);
        commits += 1;
    }
    commits
}

/// An effect that makes effects, re-run under load: what a run made is gone before the next run and
/// after the end, last first, also when scopes own it.
#[test]
fn nested_effects_under_load() {
    within("nested_effects_under_load", allowance(60), |case| {
        let g = Graph::new();
        let s = g.signal(0u64);
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let nest = Arc::<Nest>::default();
        let scope = g.scope(|| {
            let (s, nest) = (s.clone(), Arc::clone(&nest));
            isobar::effect(move || nest.outer_run(&s)).detach();
        });
        let effort = Effort::of(2_000);
        crew(3, |_| {
            let mut rounds = 0;
            while effort.goes_on(rounds) {
                s.update(|n| n + 1);
                rounds += 1;
            }
        });
        g.settle().expect("nothing loops");
        let (made, wrong) = (nest.made.load(Ordering::Relaxed), nest.wrong.load(Ordering::Relaxed));
        println!("nested effects: {} commits, {made} made, {wrong} wrong", s.get());
        assert_eq!(nest.alive.load(Ordering::Relaxed), 2, "the last run's two are alive");
        assert_eq!(nest.last.load(Ordering::Relaxed), s.get(), "and saw the last state");
        drop(scope);
        g.settle().expect("nothing loops");
        assert_eq!(nest.alive.load(Ordering::Relaxed), 0);
        assert_eq!(wrong, 0, "older ones alive at the next run, or cleaned up in the wrong order");
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[derive(Default)]
struct Nest {
    made: AtomicU64,
    alive: AtomicU64,
    last: AtomicU64,
    wrong: AtomicU64,
}

impl Nest {
    fn outer_run(self: &Arc<Nest>, s: &Signal<u64>) {
        let left_over = self.alive.load(Ordering::Relaxed) != 0;
        self.wrong.fetch_add(u64::from(left_over), Ordering::Relaxed);
        let now = s.get();
        for place in 1..=2 {
            let (nest, s) = (Arc::clone(self), s.clone());
            self.made.fetch_add(1, Ordering::Relaxed);
            self.alive.fetch_add(1, Ordering::Relaxed);
            isobar::on_cleanup({
                let nest = Arc::clone(self);
                // Last first: the second's cleanup finds both alive.
                move || {
                    let alive = nest.alive.fetch_sub(1, Ordering::Relaxed);
                    nest.wrong.fetch_add(u64::from(alive != place), Ordering::Relaxed);
                }
            });
            isobar::effect(move || {
                let seen = s.get();
                nest.wrong.fetch_add(u64::from(seen < now), Ordering::Relaxed);
                nest.last.fetch_max(seen, Ordering::Relaxed);
            })
            .detach();
        }
    }
}
