//! Memory stays bounded, whatever is held and however much comes and goes (C10).

use std::sync::atomic::{AtomicU64, Ordering};

use isobar::{Effect, Graph, Signal};

use crate::crew::{Gate, Opening, Shift, crew};
use crate::effort::{Effort, long_seconds};
use crate::tracked::{Census, Tracked, reading, resident};
use crate::watchdog::{allowance, within};

/// Values a graph may keep beyond what is needed: the committer looks at held revisions once per
/// some hundred commits, and retires in bulk.
const SLACK: u64 = 4_096;
const ROOM: u64 = 64 << 20;

/// Signals, computeds and effects are made, used and dropped by several threads.
#[test]
fn churn_leaves_memory_flat() {
    within("churn_leaves_memory_flat", allowance(90), |case| {
        let g = Graph::new();
        let census = Census::default();
        let root = g.signal(0u64);
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        turn_over(&g, &root, &census, Effort::share(3_000, 10));
        g.settle().expect("nothing loops");
        g.collect();
        let (before, nodes) = (resident(), g.stats().live_nodes);
        let made = turn_over(&g, &root, &census, Effort::share(30_000, 1));
        g.settle().expect("nothing loops");
        g.collect();
        let grown = resident().zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        println!(
            "churn: {made} rounds of 5 nodes, {} values alive, {} nodes, {} KiB grown",
            census.living(),
            g.stats().live_nodes,
            grown >> 10
        );
        assert_eq!(census.living(), 0, "values of dropped nodes alive after collect");
        assert_eq!(g.stats().live_nodes, nodes, "dropped nodes alive");
        assert_eq!(g.stats().live_effects, 0);
        assert!(grown < ROOM, "{grown} bytes grown");
    });
}

fn turn_over(g: &Graph, root: &Signal<u64>, census: &Census, effort: Effort) -> u64 {
    let made = crew(3, |index| {
        let mut rounds = 0;
        while effort.goes_on(rounds) {
            come_and_go(g, root, census, rounds * 3 + index as u64);
            rounds += 1;
        }
        rounds
    });
    made.iter().sum()
}

fn come_and_go(g: &Graph, root: &Signal<u64>, census: &Census, number: u64) {
    let own = g.signal(census.value(number));
    let doubled = g.computed({
        let (own, root, census) = (own.clone(), root.clone(), census.clone());
        move || census.value(own.with(Tracked::number) + root.get())
    });
    let above = g.computed({
        let doubled = doubled.clone();
        move || doubled.with(Tracked::number)
    });
    let effect = number.is_multiple_of(4).then(|| {
        let above = above.clone();
        g.effect(move || assert!(above.get() >= number))
    });
    assert!(above.get() >= number);
    own.set(census.value(number + 1));
    if number.is_multiple_of(16) {
        root.update(|n| n + 1);
    }
    assert!(above.get() > number);
    // In both orders: sources before observers, and after.
    if number.is_multiple_of(2) {
        drop(own);
        drop(effect);
        drop(doubled);
    } else {
        drop(above);
        drop(doubled);
        drop(effect);
    }
}

/// Dropping the last handle of a graph disposes what was detached into it.
#[test]
fn dropped_graphs_leave_nothing() {
    within("dropped_graphs_leave_nothing", allowance(60), |_| {
        let census = Census::default();
        let runs = std::sync::Arc::<AtomicU64>::default();
        let effort = Effort::of(1_000);
        let made = crew(2, |_| {
            let mut rounds = 0;
            while effort.goes_on(rounds) {
                let g = Graph::new();
                let s = g.signal(census.value(rounds));
                let runs = std::sync::Arc::clone(&runs);
                let inside = census.value(0);
                g.effect({
                    let s = s.clone();
                    move || {
                        inside.number();
                        runs.fetch_add(s.with(|_| 1), Ordering::Relaxed);
                    }
                })
                .detach();
                s.set(census.value(rounds + 1));
                drop(g);
                assert_eq!(s.with(Tracked::number), rounds + 1, "nodes stay readable");
                rounds += 1;
            }
            rounds
        });
        println!(
            "dropped graphs: {} graphs, {} values alive",
            made.iter().sum::<u64>(),
            census.living()
        );
        assert_eq!(census.living(), 0);
    });
}

/// One snapshot is held while a million commits pass: it keeps what its revision needs.
#[test]
fn held_snapshots_keep_their_versions_only() {
    within("held_snapshots_keep_their_versions_only", allowance(90), |case| {
        let flow = Flow::new();
        let stats = flow.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let first = flow.graph.snapshot();
        let mut later = Vec::new();
        let effort = Effort::of(if cfg!(debug_assertions) { 200_000 } else { 1_000_000 });
        let mut commits = 0;
        while effort.goes_on(commits) {
            flow.commit(&mut commits);
            // A few more at different revisions, some of them dropped again out of order.
            if commits % 1_024 == 0 {
                later.push((flow.graph.snapshot(), commits));
                if later.len() > 8 {
                    drop(later.swap_remove((commits / 1_024) as usize % 8));
                }
            }
        }
        assert_eq!(first.with(&flow.signal, Tracked::number), 0, "the old snapshot still holds");
        for (snap, at) in &later {
            assert_eq!(snap.with(&flow.signal, Tracked::number), *at);
        }
        flow.report("held snapshots", commits, later.len() as u64 + 2);
    });
}

/// A computed that runs for a million commits keeps one revision, not a million.
#[test]
fn slow_user_code_keeps_its_versions_only() {
    within("slow_user_code_keeps_its_versions_only", allowance(90), |case| {
        for slow in [Slow::InComputed, Slow::InWith, Slow::InEffect, Slow::InBatch] {
            case.lives();
            let flow = Flow::new();
            let stats = flow.graph.clone();
            case.knows(move || format!("{slow:?}: {:?}", stats.stats()));
            let gate = Gate::default();
            gate.shut();
            let gate = std::sync::Arc::new(gate);
            std::thread::scope(|scope| {
                let _opening = Opening(&gate);
                let sleeper = scope.spawn(|| flow.stall(slow, &gate));
                gate.await_held();
                let effort = Effort::share(100_000, 4);
                let mut commits = 0;
                while effort.goes_on(commits) {
                    flow.commit(&mut commits);
                }
                flow.report(&format!("{slow:?}"), commits, 2);
                gate.open();
                let seen = sleeper.join().expect("slow, but without a panic");
                assert_eq!(seen, 0, "{slow:?} went on reading at its own revision");
            });
            flow.rest();
        }
    });
}

#[derive(Clone, Copy, Debug)]
#[expect(clippy::enum_variant_names, reason = "each names the place of the stall")]
enum Slow {
    InComputed,
    InWith,
    InEffect,
    InBatch,
}

/// A signal of tracked values that is written over and over.
struct Flow {
    graph: Graph,
    signal: Signal<Tracked>,
    census: Census,
    peak: AtomicU64,
    peak_awaiting: AtomicU64,
}

impl Flow {
    fn new() -> Flow {
        let (graph, census) = (Graph::new(), Census::default());
        let signal = graph.signal(census.value(0));
        let (peak, peak_awaiting) = Default::default();
        Flow { graph, signal, census, peak, peak_awaiting }
    }

    fn commit(&self, commits: &mut u64) {
        *commits += 1;
        self.signal.set(self.census.value(*commits));
        if (*commits).is_multiple_of(256) {
            self.peak.fetch_max(self.census.living(), Ordering::Relaxed);
            let awaiting = self.graph.stats().awaiting_reclamation;
            self.peak_awaiting.fetch_max(awaiting, Ordering::Relaxed);
        }
    }

    fn report(&self, name: &str, commits: u64, needed: u64) {
        let peak = self.peak.load(Ordering::Relaxed);
        let awaiting = self.peak_awaiting.load(Ordering::Relaxed);
        self.graph.collect();
        let kept = self.census.living();
        println!(
            "{name}: {commits} commits, at most {peak} values alive, {awaiting} awaiting, \
             {kept} kept"
        );
        assert!(peak < SLACK, "{name}: {peak} values alive");
        assert!(awaiting < SLACK, "{name}: {awaiting} values awaiting reclamation");
        assert!(kept <= needed, "{name}: {kept} values kept where {needed} are needed");
    }

    /// Reads, is held at the gate, reads again; what it read last.
    fn stall(&self, slow: Slow, gate: &std::sync::Arc<Gate>) -> u64 {
        match slow {
            Slow::InComputed => self.slow_computed(gate).get(),
            Slow::InWith => self.signal.with(|value| {
                gate.pass();
                value.number()
            }),
            Slow::InBatch => self.graph.batch(|| {
                let first = self.signal.with(Tracked::number);
                gate.pass();
                first + self.signal.with(Tracked::number)
            }),
            Slow::InEffect => {
                let (seen, effect) = self.slow_effect(gate);
                effect.dispose();
                seen.load(Ordering::Relaxed)
            }
        }
    }

    fn slow_computed(&self, gate: &std::sync::Arc<Gate>) -> isobar::Computed<u64> {
        let (signal, gate) = (self.signal.clone(), std::sync::Arc::clone(gate));
        self.graph.computed(move || {
            let first = signal.with(Tracked::number);
            gate.pass();
            first + signal.with(Tracked::number)
        })
    }

    /// The first run's sum; later runs do not change it.
    fn slow_effect(&self, gate: &std::sync::Arc<Gate>) -> (std::sync::Arc<AtomicU64>, Effect) {
        let seen = std::sync::Arc::new(AtomicU64::new(u64::MAX));
        let effect = self.graph.effect({
            let (signal, gate) = (self.signal.clone(), std::sync::Arc::clone(gate));
            let seen = std::sync::Arc::clone(&seen);
            move || {
                let first = signal.with(Tracked::number);
                gate.pass();
                let sum = first + signal.with(Tracked::number);
                let _ = seen.compare_exchange(u64::MAX, sum, Ordering::Relaxed, Ordering::Relaxed);
            }
        });
        (seen, effect)
    }

    fn rest(self) {
        self.graph.settle().expect("nothing loops");
        self.graph.collect();
        assert_eq!(self.census.living(), 1, "the current value");
        let Flow { graph, signal, census, .. } = self;
        drop(signal);
        graph.collect();
        assert_eq!(census.living(), 0);
    }
}

/// No value is dropped in the middle of somebody's read, and none that is being read.
#[test]
fn readers_never_drop() {
    within("readers_never_drop", allowance(60), |case| {
        let flow = Flow::new();
        let stats = flow.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let number = flow.graph.computed({
            let (signal, census) = (flow.signal.clone(), flow.census.clone());
            move || census.value(signal.with(Tracked::number))
        });
        let effort = Effort::of(20_000);
        let shift = Shift::new(1, 2_000);
        let reads = crew(3, |index| {
            if index == 0 {
                let _writing = shift.writing();
                let mut commits = 0;
                while effort.goes_on(commits) {
                    flow.commit(&mut commits);
                }
                return commits;
            }
            let mut reads = 0;
            while shift.goes_on(reads) {
                let signal = reading(|| flow.signal.with(Tracked::number));
                if reads % 2 == 0 {
                    // A dirty read runs the function and may be the one to replace the old value.
                    assert!(number.with(Tracked::number) >= signal);
                }
                let held = flow.signal.load();
                std::thread::yield_now();
                assert!(held.number() >= signal);
                reads += 1;
            }
            reads
        });
        let dropped = flow.census.dropped_by_readers();
        println!("readers: {} commits, {reads:?} reads, {dropped} drops in reads", reads[0]);
        assert_eq!(dropped, 0);
        drop(number);
        flow.rest();
    });
}

/// A long form only: a great many commits of large values, by several threads, in flat memory.
#[test]
fn large_values_leave_memory_flat() {
    if long_seconds().is_none() {
        return;
    }
    within("large_values_leave_memory_flat", allowance(60), |_| {
        let g = Graph::new();
        let large = g.signal(vec![0u8; 1 << 16]);
        let length = g.computed({
            let large = large.clone();
            move || large.with(Vec::len)
        });
        let before = resident();
        let effort = Effort::of(0);
        let commits = crew(2, |index| {
            let mut commits = 0;
            while effort.goes_on(commits) {
                large.set(vec![index as u8; (1 << 16) + commits as usize % 2]);
                length.get();
                commits += 1;
            }
            commits
        });
        let grown = resident().zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        println!("large values: {commits:?} commits, {} KiB grown", grown >> 10);
        assert!(grown < ROOM + SLACK * (1 << 16), "{grown} bytes grown");
    });
}
