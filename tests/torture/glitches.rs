//! One revision per evaluation, however many threads write and read (C1, C2, C3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar::{Computed, Effect, Graph, Signal};

use crate::crew::{Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const READERS: usize = 3;
const LEAST: u64 = 2_000;

/// `z = x - y` with `x = y = s`: from one signal, without any batch, z is 0 for everybody, always.
#[test]
fn diamond_from_one_signal() {
    within("diamond_from_one_signal", allowance(60), |case| {
        let g = Graph::new();
        let diamond = Arc::new(Diamond::new(&g));
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        for writers in [1, 2] {
            diamond.run(writers);
        }
    });
}

struct Diamond {
    graph: Graph,
    s: Signal<i64>,
    x: Computed<i64>,
    y: Computed<i64>,
    z: Computed<i64>,
    torn_effects: Arc<AtomicU64>,
    effect_runs: Arc<AtomicU64>,
    last_seen: Arc<AtomicU64>,
    _watch: Effect,
}

impl Diamond {
    fn new(g: &Graph) -> Diamond {
        let s = g.signal(0i64);
        let x = g.computed({
            let s = s.clone();
            move || s.get()
        });
        let y = g.computed({
            let s = s.clone();
            move || s.get()
        });
        let z = g.computed({
            let (x, y) = (x.clone(), y.clone());
            move || x.get() - y.get()
        });
        let (torn_effects, effect_runs) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let last_seen = Arc::<AtomicU64>::default();
        let watch = g.effect({
            let (x, y, z, s) = (x.clone(), y.clone(), z.clone(), s.clone());
            let (torn, runs) = (Arc::clone(&torn_effects), Arc::clone(&effect_runs));
            let last = Arc::clone(&last_seen);
            move || {
                let (z, x, y, s) = (z.get(), x.get(), y.get(), s.get());
                torn.fetch_add(u64::from(z != 0 || x != y || x != s), Ordering::Relaxed);
                torn.fetch_add(
                    u64::from(last.swap(s as u64, Ordering::Relaxed) > s as u64),
                    Ordering::Relaxed,
                );
                runs.fetch_add(1, Ordering::Relaxed);
            }
        });
        let graph = g.clone();
        Diamond { graph, s, x, y, z, torn_effects, effect_runs, last_seen, _watch: watch }
    }

    fn run(&self, writers: usize) {
        let effort = Effort::share(40_000, 2);
        let shift = Shift::new(writers, LEAST);
        let done = crew(writers + READERS, |index| {
            if index < writers { self.write(&shift, effort) } else { self.read(&shift) }
        });
        self.graph.settle().expect("nothing loops");
        let commits: u64 = done[..writers].iter().map(|(commits, _)| commits).sum();
        let reads: u64 = done[writers..].iter().map(|(reads, _)| reads).sum();
        let glitches: u64 = done[writers..].iter().map(|(_, glitches)| glitches).sum();
        let torn = self.torn_effects.load(Ordering::Relaxed);
        let runs = self.effect_runs.load(Ordering::Relaxed);
        println!(
            "diamond, {writers} writing: {commits} commits, {glitches} glitches in {reads} reads, \
             {torn} in {runs} effect runs"
        );
        assert_eq!((glitches, torn), (0, 0), "glitches in reads, in effect runs");
        assert_eq!(self.z.get(), 0);
        assert_eq!(self.x.get(), self.s.get());
        let last = self.last_seen.load(Ordering::Relaxed) as i64;
        assert_eq!(last, self.s.get(), "the effect saw the last state");
    }

    fn write(&self, shift: &Shift, effort: Effort) -> (u64, u64) {
        let _writing = shift.writing();
        let mut commits = 0;
        while effort.goes_on(commits) {
            self.s.update(|s| s + 1);
            commits += 1;
        }
        (commits, 0)
    }

    /// Glitches here: a non-zero z, an x and y that differ at one revision, going back in time.
    fn read(&self, shift: &Shift) -> (u64, u64) {
        let (mut reads, mut glitches, mut newest) = (0, 0, 0);
        while shift.goes_on(reads) {
            let z = match reads % 3 {
                0 => self.z.get(),
                1 => self.z.with(|z| *z),
                _ => *self.z.load(),
            };
            glitches += u64::from(z != 0);
            glitches += u64::from(self.x.get() < newest);
            newest = self.s.get();
            glitches += u64::from(self.y.get() < newest);
            if reads % 8 == 0 {
                let snap = self.graph.snapshot();
                let (x, y, s) = (snap.get(&self.x), snap.get(&self.y), snap.get(&self.s));
                glitches += u64::from(x != y || x != s || s < newest || snap.get(&self.z) != 0);
            }
            reads += 1;
        }
        (reads, glitches)
    }
}

/// Batches keep `a + b == 0`; nobody ever sees another sum.
#[test]
fn batch_invariant() {
    within("batch_invariant", allowance(60), |case| {
        let g = Graph::new();
        let pair = Arc::new(Pair::new(&g));
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        for writers in [1, 3] {
            pair.run(writers);
        }
    });
}

struct Pair {
    graph: Graph,
    a: Signal<i64>,
    b: Signal<i64>,
    sum: Computed<i64>,
    torn_effects: Arc<AtomicU64>,
    effect_runs: Arc<AtomicU64>,
    _watch: Effect,
}

impl Pair {
    fn new(g: &Graph) -> Pair {
        let (a, b) = (g.signal(0i64), g.signal(0i64));
        let sum = g.computed({
            let (a, b) = (a.clone(), b.clone());
            move || a.get() + b.get()
        });
        let (torn_effects, effect_runs) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let watch = g.effect({
            let (a, b) = (a.clone(), b.clone());
            let (torn, runs) = (Arc::clone(&torn_effects), Arc::clone(&effect_runs));
            move || {
                torn.fetch_add(u64::from(a.get() + b.get() != 0), Ordering::Relaxed);
                runs.fetch_add(1, Ordering::Relaxed);
            }
        });
        Pair { graph: g.clone(), a, b, sum, torn_effects, effect_runs, _watch: watch }
    }

    fn run(&self, writers: usize) {
        let effort = Effort::share(20_000, 2);
        let shift = Shift::new(writers, LEAST);
        let done = crew(writers + READERS, |index| {
            if index < writers { self.write(&shift, effort, index) } else { self.read(&shift) }
        });
        self.graph.settle().expect("nothing loops");
        let commits: u64 = done[..writers].iter().map(|(commits, _)| commits).sum();
        let reads: u64 = done[writers..].iter().map(|(reads, _)| reads).sum();
        let glitches: u64 = done.iter().map(|(_, glitches)| glitches).sum();
        let torn = self.torn_effects.load(Ordering::Relaxed);
        let runs = self.effect_runs.load(Ordering::Relaxed);
        println!(
            "batches, {writers} writing: {commits} commits, {glitches} glitches in {reads} reads, \
             {torn} in {runs} effect runs"
        );
        assert_eq!((glitches, torn), (0, 0), "glitches in reads, in effect runs");
        assert_eq!(self.a.get() + self.b.get(), 0);
    }

    fn write(&self, shift: &Shift, effort: Effort, index: usize) -> (u64, u64) {
        let _writing = shift.writing();
        let (mut commits, mut glitches) = (0, 0);
        while effort.goes_on(commits) {
            let step = (index * 7 + 1) as i64;
            glitches += match commits % 3 {
                0 => self.set_both(step * commits as i64),
                1 => self.shift_by(step),
                _ => self.shift_in_parts(step),
            };
            commits += 1;
        }
        (commits, glitches)
    }

    fn set_both(&self, value: i64) -> u64 {
        self.graph.batch(|| {
            let before = self.a.get() + self.b.get() + self.sum.get();
            self.a.set(value);
            let mixed = self.sum.get() != value + self.b.get();
            self.b.set(-value);
            u64::from(mixed || before != 0 || self.sum.get() != 0)
        })
    }

    fn shift_by(&self, step: i64) -> u64 {
        self.graph.batch(|| {
            self.a.update(move |a| a + step);
            self.b.update(move |b| b - step);
            u64::from(self.sum.get() != 0)
        })
    }

    fn shift_in_parts(&self, step: i64) -> u64 {
        self.graph.batch(|| {
            self.graph.batch(|| self.a.mutate(move |a| *a += step));
            self.graph.batch(|| self.b.mutate(move |b| *b -= step));
            u64::from(self.a.get() + self.b.get() != 0)
        })
    }

    fn read(&self, shift: &Shift) -> (u64, u64) {
        let (mut reads, mut glitches) = (0, 0);
        while shift.goes_on(reads) {
            let sum = match reads % 4 {
                0 => self.sum.get(),
                1 => {
                    let snap = self.graph.snapshot();
                    snap.get(&self.b) + snap.get(&self.a)
                }
                2 => self.graph.batch(|| self.a.get() + self.b.get()),
                _ => self.fresh(),
            };
            glitches += u64::from(sum != 0);
            reads += 1;
        }
        (reads, glitches)
    }

    /// A computed made for this one read.
    fn fresh(&self) -> i64 {
        let (a, b) = (self.a.clone(), self.b.clone());
        self.graph.computed(move || b.get() + a.get()).get()
    }
}
