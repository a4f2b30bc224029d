//! Million operations a second, with one thread and with two.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use isobar::{Computed, Effect, Graph, RunOn, Signal};
use isobar_benches::crews::{Done, beside, quietly, together};
use reactive_graph::computed::ArcMemo;
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::{Get, Set, Update};

use super::meter::short;

const REPETITIONS: usize = 5;
const TIME: Duration = Duration::from_millis(40);

/// One contender in one scenario: does so many operations in each thread.
type Run<'a> = Box<dyn Fn(u64) -> Done + 'a>;

struct Row<'a> {
    name: &'static str,
    /// Rates are those of all threads together, instead of each.
    total: u64,
    contenders: Vec<(&'static str, Run<'a>)>,
}

const COLUMNS: [&str; 4] = ["atomic", "mutex", "isobar", "reactive_graph"];

pub fn print() {
    println!("Million operations a second, median (best) of {REPETITIONS}; `!`: failed in");
    println!("so many of a million operations, by a panic or a torn state.\n");
    println!("| threads | {} |", COLUMNS.join(" | "));
    println!("|---|{}", "---:|".repeat(COLUMNS.len()));
    quietly(|| {
        writers();
        readers();
        computeds();
        invariant();
        pipeline();
    });
    println!();
}

impl<'a> Row<'a> {
    fn new(name: &'static str, total: u64) -> Self {
        Self { name, total, contenders: Vec::new() }
    }

    fn with(mut self, name: &'static str, run: impl Fn(u64) -> Done + 'a) -> Self {
        self.contenders.push((name, Box::new(run)));
        self
    }

    fn print(self) {
        let mut counts: Vec<_> = self.contenders.iter().map(|(_, run)| calibrated(run)).collect();
        let mut seen = vec![Vec::new(); counts.len()];
        for _ in 0..REPETITIONS {
            for ((count, seen), (_, run)) in counts.iter_mut().zip(&mut seen).zip(&self.contenders) {
                seen.push((*count, run(*count)));
            }
        }
        let cells = COLUMNS.map(|column| {
            let index = self.contenders.iter().position(|(name, _)| *name == column);
            index.map_or(String::new(), |index| cell(&seen[index], self.total))
        });
        println!("| {} | {} |", self.name, cells.join(" | "));
    }
}

fn calibrated(run: &Run<'_>) -> u64 {
    let mut count = 1000;
    loop {
        let time = run(count).elapsed;
        if time > TIME / 4 {
            return (count as f64 * TIME.as_secs_f64() / time.as_secs_f64()) as u64 + 1;
        }
        count *= 4;
    }
}

fn cell(seen: &[(u64, Done)], total: u64) -> String {
    let rate = |count: u64, done: &Done| count as f64 / done.elapsed.as_secs_f64() / 1e6;
    let mut rates: Vec<_> = seen.iter().map(|(n, done)| rate(n * total, done)).collect();
    rates.sort_by(f64::total_cmp);
    let mut cell = format!("{} ({})", short(rates[rates.len() / 2]), short(rates[rates.len() - 1]));
    if seen.iter().any(|(_, done)| done.beside > 0) {
        let mut aside: Vec<_> = seen.iter().map(|(_, done)| rate(done.beside, done)).collect();
        aside.sort_by(f64::total_cmp);
        cell.push_str(&format!(", w {}", short(aside[aside.len() / 2])));
    }
    let failed: u64 = seen.iter().map(|(_, done)| done.failed).sum();
    let all: u64 = seen.iter().map(|(count, _)| count * total).sum();
    if failed > 0 {
        cell.push_str(&format!(" !{:.0}", failed as f64 * 1e6 / all as f64));
    }
    cell
}

fn writers() {
    for (name, threads) in [("add 1 to one signal, 1 thread", 1), ("add 1 to one signal, 2", 2)] {
        let atomic = AtomicU64::new(0);
        let mutex = Mutex::new(0u64);
        let ours = Graph::new().signal(0u64);
        let theirs = ArcRwSignal::new(0u64);
        let exact = |done: Done, right: bool| Done { failed: done.failed + u64::from(!right), ..done };
        Row::new(name, threads)
            .with("atomic", |each| {
                together(threads, each, |_, _| {
                    black_box(&atomic).fetch_add(1, Ordering::AcqRel);
                    true
                })
            })
            .with("mutex", |each| {
                together(threads, each, |_, _| {
                    *mutex.lock().expect("nobody panics") += 1;
                    true
                })
            })
            .with("isobar", |each| {
                let before = ours.get();
                let done = together(threads, each, |_, _| {
                    ours.update(|n| n + 1);
                    true
                });
                exact(done, ours.get() == before + threads * each)
            })
            .with("reactive_graph", |each| {
                let before = theirs.get();
                let done = together(threads, each, |_, _| {
                    theirs.update(|n| *n += 1);
                    true
                });
                exact(done, theirs.get() == before + threads * each)
            })
            .print();
    }
    for (name, threads) in [("set a signal each, 1 thread", 1), ("set a signal each, 2", 2)] {
        let atomics: [_; 2] = std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0)));
        let graph = Graph::new();
        let ours: [_; 2] = std::array::from_fn(|_| graph.signal(0u64));
        let theirs: [_; 2] = std::array::from_fn(|_| ArcRwSignal::new(0u64));
        Row::new(name, threads)
            .with("atomic", |each| {
                together(threads, each, |thread, turn| {
                    black_box(&atomics[thread as usize]).store(turn, Ordering::SeqCst);
                    true
                })
            })
            .with("isobar", |each| {
                together(threads, each, |thread, turn| {
                    ours[thread as usize].set(turn + 1);
                    true
                })
            })
            .with("reactive_graph", |each| {
                together(threads, each, |thread, turn| {
                    theirs[thread as usize].set(turn + 1);
                    true
                })
            })
            .print();
    }
}

fn readers() {
    let atomic = AtomicU64::new(0);
    let ours = Graph::new().signal(0u64);
    let theirs = ArcRwSignal::new(0u64);
    let read = |n: u64| {
        black_box(n);
        true
    };
    Row::new("read a signal beside its writer (w)", 1)
        .with("atomic", |each| {
            let load = || black_box(&atomic).load(Ordering::Acquire);
            let store = |turn| black_box(&atomic).store(turn, Ordering::Release);
            beside(1, each, |_, _| read(load()), store)
        })
        .with("isobar", |each| {
            beside(1, each, |_, _| read(ours.get()), |turn| ours.set(turn))
        })
        .with("reactive_graph", |each| {
            beside(1, each, |_, _| read(theirs.get()), |turn| theirs.set(turn))
        })
        .print();
}

fn plus(graph: &Graph, signal: &Signal<u64>) -> Computed<u64> {
    let signal = signal.clone();
    graph.computed(move || signal.get() + 1)
}

fn memo(signal: &ArcRwSignal<u64>) -> ArcMemo<u64> {
    let signal = signal.clone();
    ArcMemo::new(move |_| signal.get() + 1)
}

fn computeds() {
    let graph = Graph::new();
    let signal = graph.signal(0u64);
    let ours = plus(&graph, &signal);
    let source = ArcRwSignal::new(0u64);
    let theirs = memo(&source);
    for (name, threads) in [("read a clean computed, 1 thread", 1), ("the same, 2, each", 2)] {
        let right = |n: u64| black_box(n) == 1;
        Row::new(name, 1)
            .with("isobar", |each| together(threads, each, |_, _| right(ours.get())))
            .with("reactive_graph", |each| together(threads, each, |_, _| right(theirs.get())))
            .print();
    }
    let read = |n: u64| black_box(n) > 0;
    Row::new("read a computed beside its writer (w)", 1)
        .with("isobar", |each| {
            beside(1, each, |_, _| read(ours.get()), |turn| signal.set(turn))
        })
        .with("reactive_graph", |each| {
            beside(1, each, |_, _| read(theirs.get()), |turn| source.set(turn))
        })
        .print();
}

/// a + b is always the same; who sees another sum has seen half of a batch.
fn invariant() {
    const SUM: u64 = 1 << 40;
    let graph = Graph::new();
    let (a, b) = (graph.signal(0), graph.signal(SUM));
    let sum = {
        let (a, b) = (a.clone(), b.clone());
        graph.computed(move || a.get() + b.get())
    };
    let (x, y) = (ArcRwSignal::new(0), ArcRwSignal::new(SUM));
    let theirs = {
        let (x, y) = (x.clone(), y.clone());
        ArcMemo::new(move |_: Option<&u64>| x.get() + y.get())
    };
    Row::new("read a + b beside a batch that keeps it (w)", 1)
        .with("isobar", |each| {
            let write = |turn: u64| {
                graph.batch(|| {
                    a.set(turn);
                    b.set(SUM - turn);
                });
            };
            beside(1, each, |_, _| sum.get() == SUM, write)
        })
        .with("reactive_graph", |each| {
            let write = |turn: u64| {
                x.set(turn);
                y.set(SUM - turn);
            };
            beside(1, each, |_, _| theirs.get() == SUM, write)
        })
        .print();
}

const PRODUCERS: u64 = 4;
const SENSORS: usize = 1000;
const GROUPS: usize = 100;

/// 4 threads add to 1000 signals, 100 computeds add up 10 each, one adds up all.
struct Pipeline {
    graph: Graph,
    sensors: Vec<Signal<u64>>,
    total: Computed<u64>,
}

impl Pipeline {
    fn new() -> Self {
        let graph = Graph::new();
        let sensors: Vec<_> = (0..SENSORS).map(|_| graph.signal(0u64)).collect();
        let group = |group: &[Signal<u64>]| {
            let group = group.to_vec();
            graph.computed(move || group.iter().map(Signal::get).sum::<u64>())
        };
        let groups: Vec<_> = sensors.chunks(SENSORS / GROUPS).map(group).collect();
        let total = graph.computed(move || groups.iter().map(Computed::get).sum::<u64>());
        Self { graph, sensors, total }
    }

    fn produce(&self, each: u64) -> Done {
        let before = self.total.get();
        let share = SENSORS / PRODUCERS as usize;
        let op = |thread: u64, turn: u64| {
            let sensor = thread as usize * share + turn as usize % share;
            self.sensors[sensor].update(|n| n + 1);
            true
        };
        let poll = |_| {
            std::thread::sleep(Duration::from_millis(1));
            black_box(self.total.get());
        };
        let done = beside(PRODUCERS, each, op, poll);
        self.graph.settle().expect("nothing loops");
        let exact = self.total.get() == before + PRODUCERS * each;
        Done { failed: if exact { 0 } else { PRODUCERS * each }, beside: 0, ..done }
    }
}

fn pipeline() {
    let polled = Pipeline::new();
    let memos = Memos::new();
    Row::new("pipeline 4-1000-100-1, polled each ms", PRODUCERS)
        .with("isobar", |each| polled.produce(each))
        .with("reactive_graph", |each| memos.produce(each))
        .print();
    for (name, run_on) in [
        ("pipeline, watched by an effect of the writer", RunOn::Writer),
        ("pipeline, watched by an effect of the pool", RunOn::Pool),
    ] {
        let watched = Pipeline::new();
        let total = watched.total.clone();
        let body = move || {
            black_box(total.get());
        };
        let effect = Effect::builder(body).graph(&watched.graph).run_on(run_on).build();
        Row::new(name, PRODUCERS).with("isobar", |each| watched.produce(each)).print();
        effect.dispose();
    }
}

/// The same with memos.
struct Memos {
    sensors: Vec<ArcRwSignal<u64>>,
    total: ArcMemo<u64>,
}

impl Memos {
    fn new() -> Self {
        let sensors: Vec<_> = (0..SENSORS).map(|_| ArcRwSignal::new(0u64)).collect();
        let group = |group: &[ArcRwSignal<u64>]| {
            let group = group.to_vec();
            ArcMemo::new(move |_: Option<&u64>| group.iter().map(Get::get).sum::<u64>())
        };
        let groups: Vec<_> = sensors.chunks(SENSORS / GROUPS).map(group).collect();
        let total = ArcMemo::new(move |_| groups.iter().map(Get::get).sum::<u64>());
        Self { sensors, total }
    }

    fn produce(&self, each: u64) -> Done {
        let before: u64 = self.sensors.iter().map(Get::get).sum();
        let share = SENSORS / PRODUCERS as usize;
        let op = |thread: u64, turn: u64| {
            let sensor = thread as usize * share + turn as usize % share;
            self.sensors[sensor].update(|n| *n += 1);
            true
        };
        let poll = |_| {
            std::thread::sleep(Duration::from_millis(1));
            black_box(self.total.get());
        };
        let done = beside(PRODUCERS, each, op, poll);
        let total = catch_unwind(AssertUnwindSafe(|| self.total.get()));
        let exact = total.is_ok_and(|total| total == before + PRODUCERS * each);
        Done { failed: if exact { 0 } else { PRODUCERS * each }, beside: 0, ..done }
    }
}
