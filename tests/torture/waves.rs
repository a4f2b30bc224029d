//! Wide and deep graphs, recomputed in parallel under writers, each closure no oftener than needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar::{Computed, Effect, Graph, Signal};

use crate::crew::{Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const WIDTH: u64 = 400;

/// A level of hundreds of computeds with work in them, so that waves go parallel; an effect,
/// readers
/// and snapshots check the sum above.
#[test]
fn wide_levels_in_parallel() {
    within("wide_levels_in_parallel", allowance(90), |case| {
        let wide = Wide::new();
        let stats = wide.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(150);
        let shift = Shift::new(2, 50);
        let done =
            crew(4, |index| if index < 2 { wide.write(&shift, effort) } else { wide.read(&shift) });
        wide.graph.settle().expect("nothing loops");
        let (commits, reads) = (done[0].0 + done[1].0, done[2].0 + done[3].0);
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        let wrong_runs = wide.wrong_runs.load(Ordering::Relaxed);
        let stats = wide.graph.stats();
        println!(
            "wide: {commits} commits, {wrong} glitches in {reads} reads, {wrong_runs} in \
             effect runs, \
             {} waves parallel, {} sequential",
            stats.waves_parallel, stats.waves_sequential
        );
        assert_eq!((wrong, wrong_runs), (0, 0));
        assert_eq!(wide.sum.get(), commits * WIDTH);
        assert_eq!(wide.last.load(Ordering::Relaxed), commits * WIDTH);
    });
}

struct Wide {
    graph: Graph,
    s: Signal<u64>,
    level: Vec<Computed<u64>>,
    sum: Computed<u64>,
    last: Arc<AtomicU64>,
    wrong_runs: Arc<AtomicU64>,
    _effect: Effect,
}

impl Wide {
    fn new() -> Wide {
        let graph = Graph::new();
        let s = graph.signal(0u64);
        let level: Vec<_> = (0..WIDTH)
            .map(|_| {
                let s = s.clone();
                graph.computed(move || toil(s.get()))
            })
            .collect();
        let sum = graph.computed({
            let level = level.clone();
            move || level.iter().map(|node| node.get()).sum::<u64>()
        });
        let (last, wrong_runs) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let effect = graph.effect({
            let (s, sum, last) = (s.clone(), sum.clone(), Arc::clone(&last));
            let wrong = Arc::clone(&wrong_runs);
            move || {
                let sum = sum.get();
                wrong.fetch_add(u64::from(sum != s.get() * WIDTH), Ordering::Relaxed);
                last.store(sum, Ordering::Relaxed);
            }
        });
        Wide { graph, s, level, sum, last, wrong_runs, _effect: effect }
    }

    fn write(&self, shift: &Shift, effort: Effort) -> (u64, u64) {
        let _writing = shift.writing();
        let mut commits = 0;
        while effort.goes_on(commits) {
            self.s.update(|n| n + 1);
            commits += 1;
        }
        (commits, 0)
    }

    fn read(&self, shift: &Shift) -> (u64, u64) {
        let (mut reads, mut wrong, mut newest) = (0, 0, 0);
        while shift.goes_on(reads) {
            let sum = self.sum.get();
            wrong += u64::from(!sum.is_multiple_of(WIDTH) || sum < newest);
            newest = sum;
            let one = self.level[(reads * 7 % WIDTH) as usize].get();
            wrong += u64::from(one * WIDTH < newest);
            let snap = self.graph.snapshot();
            let node = &self.level[(reads * 11 % WIDTH) as usize];
            let (s, one) = (snap.get(&self.s), snap.get(node));
            wrong += u64::from(one != s || snap.get(&self.sum) != s * WIDTH);
            reads += 1;
        }
        (reads, wrong)
    }
}

/// Returns its argument, after about a microsecond.
fn toil(n: u64) -> u64 {
    let mut x = n | 1;
    for _ in 0..500 {
        x = std::hint::black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7));
    }
    n + u64::from(x == 0)
}

const RUNGS: usize = 40;

/// A ladder of diamonds: 2^40 paths, 80 nodes. However claims fall between the threads, nothing is
/// repeated exponentially; if it were, the watchdog would tell.
#[test]
fn a_ladder_is_climbed_once() {
    within("a_ladder_is_climbed_once", allowance(60), |case| {
        let g = Graph::new();
        let s = g.signal(1u64);
        let runs = Arc::<AtomicU64>::default();
        let top = ladder(&g, &s, &runs);
        let told = Arc::clone(&runs);
        case.knows(move || format!("{} runs", told.load(Ordering::Relaxed)));
        let effort = Effort::of(100);
        let shift = Shift::new(1, 50);
        let done = crew(4, |index| {
            let mut rounds = 0;
            if index == 0 {
                let _writing = shift.writing();
                while effort.goes_on(rounds) {
                    s.update(|n| n + 1);
                    rounds += 1;
                    std::thread::yield_now();
                }
                return rounds;
            }
            while shift.goes_on(rounds) {
                let snap = g.snapshot();
                assert_eq!(snap.get(&top), snap.get(&s).wrapping_shl(RUNGS as u32));
                // Each needs at most one run of each node for each of its evaluations.
                top.get();
                rounds += 1;
            }
            rounds
        });
        let evaluations: u64 = done[0] + 2 * done[1..].iter().sum::<u64>();
        let runs = runs.load(Ordering::Relaxed);
        println!("ladder: {runs} runs in at most {evaluations} evaluations");
        assert!(runs <= (evaluations + 1) * 2 * RUNGS as u64, "each node once per evaluation");
    });
}

fn ladder(g: &Graph, s: &Signal<u64>, runs: &Arc<AtomicU64>) -> Computed<u64> {
    let start = s.clone();
    let mut foot = g.computed(move || start.get());
    for _ in 0..RUNGS {
        let side = |foot: &Computed<u64>| {
            let (foot, runs) = (foot.clone(), Arc::clone(runs));
            g.computed(move || {
                runs.fetch_add(1, Ordering::Relaxed);
                foot.get()
            })
        };
        let (left, right) = (side(&foot), side(&foot));
        foot = g.computed(move || left.get().wrapping_add(right.get()));
    }
    foot
}

/// Edges that come and go in the middle of waves: a selector moves over many sources while they are
/// written; the effect and all readers see the value of the source selected at their revision.
#[test]
fn moving_edges_under_writers() {
    within("moving_edges_under_writers", allowance(60), |case| {
        let g = Graph::new();
        let selector = g.signal(0usize);
        let sources: Vec<_> = (0..16u64).map(|at| g.signal(at << 32)).collect();
        let selected = g.computed({
            let (selector, sources) = (selector.clone(), sources.clone());
            move || sources[selector.get()].get()
        });
        let above = g.computed({
            let (selector, selected) = (selector.clone(), selected.clone());
            move || (selector.get() as u64, selected.get())
        });
        let wrong_runs = Arc::<AtomicU64>::default();
        let _watch = g.effect({
            let (above, wrong) = (above.clone(), Arc::clone(&wrong_runs));
            move || {
                let (at, value) = above.get();
                wrong.fetch_add(u64::from(value >> 32 != at), Ordering::Relaxed);
            }
        });
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(5_000);
        let shift = Shift::new(3, 1_000);
        let done = crew(5, |index| {
            let (mut rounds, mut wrong) = (0, 0);
            if index < 3 {
                let _writing = shift.writing();
                while effort.goes_on(rounds) {
                    let at = (rounds as usize * 5 + index) % sources.len();
                    if index == 0 {
                        selector.set(at);
                    } else {
                        sources[at].update(|n| n + 1);
                    }
                    rounds += 1;
                }
                return (rounds, 0);
            }
            while shift.goes_on(rounds) {
                let (at, value) = above.get();
                let snap = g.snapshot();
                let due = snap.get(&sources[snap.get(&selector)]);
                wrong += u64::from(value >> 32 != at || snap.get(&selected) != due);
                rounds += 1;
            }
            (rounds, wrong)
        });
        g.settle().expect("nothing loops");
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        let (commits, reads) = (done[..3].iter().map(|d| d.0).sum::<u64>(), done[3].0 + done[4].0);
        println!("moving edges: {commits} commits, {wrong} wrong of {reads} reads");
        assert_eq!((wrong, wrong_runs.load(Ordering::Relaxed)), (0, 0));
        assert_eq!(selected.get(), sources[selector.get()].get());
        assert!(g.stats().live_edges < 64, "edges that were given up are gone");
    });
}
