//! Nothing is stale once writers rest, and `settle` says so truly (C3, C6).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use isobar::{Computed, Effect, Graph, Signal};

use crate::crew::{Meeting, Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const WRITERS: usize = 2;
const READERS: usize = 2;
/// In short rounds a race at the very end is likelier to be the last word.
const STEPS: [u64; 3] = [1, 4, 50];

/// Many short rounds: two threads write, two read, all rest; then every derived value is right.
/// What a lost invalidation leaves behind is never corrected, so a single one shows.
#[test]
fn stale_at_rest() {
    within("stale_at_rest", allowance(90), |case| {
        let rounds = Arc::<AtomicU64>::default();
        let told = Arc::clone(&rounds);
        case.knows(move || format!("round {}", told.load(Ordering::Relaxed)));
        let effort = Effort::of(6_000);
        let table = Table::default();
        let stale = crew(WRITERS + READERS, |index| {
            let mut stale = 0;
            loop {
                if index == 0 {
                    let done = rounds.fetch_add(1, Ordering::Relaxed);
                    table.deal(effort.goes_on(done).then(|| Round::new(done)));
                }
                table.barrier.wait();
                let Some(round) = table.round() else {
                    return stale;
                };
                if index < WRITERS {
                    round.write()
                } else {
                    round.read()
                }
                table.barrier.wait();
                if index == WRITERS {
                    stale += u64::from(!round.is_right());
                }
                drop(round);
                table.barrier.wait();
            }
        });
        let stale: u64 = stale.iter().sum();
        let rounds = rounds.load(Ordering::Relaxed) - 1;
        println!("stale at rest: {stale} of {rounds} rounds");
        assert_eq!(stale, 0, "values stale at rest");
    });
}

struct Table {
    barrier: Meeting,
    round: Mutex<Option<Arc<Round>>>,
}

impl Default for Table {
    fn default() -> Table {
        Table { barrier: Meeting::of(WRITERS + READERS), round: Mutex::new(None) }
    }
}

impl Table {
    fn deal(&self, round: Option<Round>) {
        *self.round.lock().expect("no panic here") = round.map(Arc::new);
    }

    fn round(&self) -> Option<Arc<Round>> {
        self.round.lock().expect("no panic here").clone()
    }
}

/// Shapes differ by round: observed by an effect or not, with a conditional source or not.
struct Round {
    steps: u64,
    graph: Graph,
    s: Signal<u64>,
    other: Signal<u64>,
    double: Computed<u64>,
    late: Computed<u64>,
    top: Computed<u64>,
    seen: Arc<AtomicU64>,
    watch: Option<Effect>,
}

impl Round {
    fn new(number: u64) -> Round {
        let graph = Graph::new();
        let (s, other) = (graph.signal(0u64), graph.signal(0u64));
        let double = graph.computed({
            let s = s.clone();
            move || 2 * s.get()
        });
        // An edge that comes and goes while its source is being written.
        let late = graph.computed({
            let (s, other) = (s.clone(), other.clone());
            move || if s.get() % 2 == 0 { other.get() } else { 0 }
        });
        let top = graph.computed({
            let (double, late) = (double.clone(), late.clone());
            move || double.get() + late.get()
        });
        let seen = Arc::<AtomicU64>::default();
        let steps = STEPS[number as usize % STEPS.len()];
        let watch = (number % 2 == 1).then(|| {
            let (top, seen) = (top.clone(), Arc::clone(&seen));
            graph.effect(move || seen.store(top.get(), Ordering::Relaxed))
        });
        Round { steps, graph, s, other, double, late, top, seen, watch }
    }

    fn write(&self) {
        for _ in 0..self.steps {
            self.s.update(|n| n + 1);
            self.other.update(|n| n + 3);
        }
    }

    fn read(&self) {
        for step in 0..self.steps {
            match step % 3 {
                0 => self.double.get(),
                1 => self.late.get(),
                _ => self.top.get(),
            };
        }
    }

    fn is_right(&self) -> bool {
        let (s, other) = (WRITERS as u64 * self.steps, 3 * WRITERS as u64 * self.steps);
        self.graph.settle().expect("nothing loops");
        let seen = self.seen.load(Ordering::Relaxed);
        (self.s.get(), self.other.get()) == (s, other)
            && self.double.get() == 2 * s
            && self.late.get() == other
            && self.top.get() == 2 * s + other
            && (self.watch.is_none() || seen == 2 * s + other)
    }
}

/// `settle` returns only when effects have seen what its caller had seen, however many write on.
#[test]
fn settle_under_writers() {
    within("settle_under_writers", allowance(60), |case| {
        let g = Graph::new();
        let s = g.signal(0u64);
        let seen = Arc::<AtomicU64>::default();
        let _watch = g.effect({
            let (s, seen) = (s.clone(), Arc::clone(&seen));
            move || seen.store(s.get(), Ordering::Release)
        });
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(3_000);
        let shift = Shift::new(2, 200);
        let done = crew(4, |index| {
            if index < 2 { write(&s, &shift, effort) } else { settle(&g, &s, &seen, &shift) }
        });
        let early: u64 = done.iter().map(|done| done.1).sum();
        println!("settle: {early} early in {} settles", done[2].0 + done[3].0);
        assert_eq!(early, 0, "settle returned before an effect had seen the state");
        g.settle().expect("nothing loops");
        assert_eq!(seen.load(Ordering::Acquire), s.get());
    });
}

fn write(s: &Signal<u64>, shift: &Shift, effort: Effort) -> (u64, u64) {
    let _writing = shift.writing();
    let mut commits = 0;
    while effort.goes_on(commits) {
        s.update(|n| n + 1);
        commits += 1;
    }
    (commits, 0)
}

fn settle(g: &Graph, s: &Signal<u64>, seen: &AtomicU64, shift: &Shift) -> (u64, u64) {
    let (mut settles, mut early) = (0, 0);
    while shift.goes_on(settles) {
        let known = s.get();
        let before = g.revision();
        let settled = g.settle().expect("nothing loops");
        let late = seen.load(Ordering::Acquire) < known || settled < before;
        early += u64::from(late);
        settles += 1;
    }
    (settles, early)
}
