//! What threads are asked to do at the same time, and by whom: cells for the floors, isobar, and
//! reactive_graph. (alien-signals may be used by one thread only.)

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use isobar::{Effect, Graph, RunOn};
use reactive_graph::computed::ArcMemo;
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::{Get, Set, Update};

use crate::crews::{Done, beside, together};

/// One contender: does so many operations in each thread of the crew.
pub type Run = Box<dyn Fn(u64) -> Done>;

pub struct Scenario {
    pub name: &'static str,
    /// How many threads do the operations that are counted.
    pub threads: u64,
    /// Rates are those of all threads together, instead of each.
    pub together: bool,
    pub contenders: Vec<(&'static str, Run)>,
}

impl Scenario {
    fn new(name: &'static str, threads: u64, together: bool) -> Self {
        Self { name, threads, together, contenders: Vec::new() }
    }

    fn with(mut self, name: &'static str, run: impl Fn(u64) -> Done + 'static) -> Self {
        self.contenders.push((name, Box::new(run)));
        self
    }
}

pub const CONTENDERS: [&str; 4] = ["atomic", "mutex", "isobar", "reactive_graph"];

pub fn all() -> Vec<Scenario> {
    vec![
        adders("add 1 to one signal, 1 thread", 1),
        adders("add 1 to one signal, 2 threads", 2),
        setters("set a signal each, 1 thread", 1),
        setters("set a signal each, 2 threads", 2),
        reader_beside_writer(),
        clean_readers("read a clean computed, 1 thread", 1),
        clean_readers("read a clean computed, 2 threads, each", 2),
        computed_beside_writer(),
        invariant(),
        polled_pipeline(),
        watched_pipeline("pipeline, watched by an effect of the writer", RunOn::Writer),
        watched_pipeline("pipeline, watched by an effect of the pool", RunOn::Pool),
    ]
}

/// A number that threads share.
trait Shared: Sync + 'static {
    fn add_one(&self);
    fn store(&self, value: u64);
    fn value(&self) -> u64;
}

impl Shared for CachePadded<AtomicU64> {
    fn add_one(&self) {
        black_box(self).fetch_add(1, Ordering::AcqRel);
    }

    fn store(&self, value: u64) {
        // SeqCst: the writer's next read must not overtake it, as after `set`.
        AtomicU64::store(black_box(self), value, Ordering::SeqCst);
    }

    fn value(&self) -> u64 {
        self.load(Ordering::Acquire)
    }
}

impl Shared for CachePadded<Mutex<u64>> {
    fn add_one(&self) {
        *self.lock().expect("nobody panics") += 1;
    }

    fn store(&self, value: u64) {
        *self.lock().expect("nobody panics") = value;
    }

    fn value(&self) -> u64 {
        *self.lock().expect("nobody panics")
    }
}

impl Shared for isobar::Signal<u64> {
    fn add_one(&self) {
        self.update(|n| n + 1);
    }

    fn store(&self, value: u64) {
        self.set(value);
    }

    fn value(&self) -> u64 {
        self.get()
    }
}

impl Shared for ArcRwSignal<u64> {
    fn add_one(&self) {
        self.update(|n| *n += 1);
    }

    fn store(&self, value: u64) {
        self.set(value);
    }

    fn value(&self) -> u64 {
        self.get()
    }
}

fn atomic() -> CachePadded<AtomicU64> {
    CachePadded::new(AtomicU64::new(0))
}

fn mutex() -> CachePadded<Mutex<u64>> {
    CachePadded::new(Mutex::new(0))
}

/// Counts one more failure if what was promised of all operations does not hold.
fn unless(right: bool, done: Done) -> Done {
    Done { failed: done.failed + u64::from(!right), ..done }
}

fn adders(name: &'static str, threads: u64) -> Scenario {
    fn add(threads: u64, shared: impl Shared) -> impl Fn(u64) -> Done {
        move |each| {
            let before = shared.value();
            let done = together(threads, each, |_, _| {
                shared.add_one();
                true
            });
            unless(shared.value() == before + threads * each, done)
        }
    }
    Scenario::new(name, threads, true)
        .with("atomic", add(threads, atomic()))
        .with("mutex", add(threads, mutex()))
        .with("isobar", add(threads, Graph::new().signal(0)))
        .with("reactive_graph", add(threads, ArcRwSignal::new(0)))
}

fn setters(name: &'static str, threads: u64) -> Scenario {
    fn set<S: Shared>(threads: u64, make: impl Fn() -> S) -> impl Fn(u64) -> Done {
        let shared: Vec<_> = (0..threads).map(|_| make()).collect();
        move |each| {
            let done = together(threads, each, |thread, turn| {
                shared[thread as usize].store(turn + 1);
                true
            });
            unless(shared.iter().all(|one| one.value() == each), done)
        }
    }
    let graph = Graph::new();
    Scenario::new(name, threads, true)
        .with("atomic", set(threads, atomic))
        .with("mutex", set(threads, mutex))
        .with("isobar", set(threads, move || graph.signal(0)))
        .with("reactive_graph", set(threads, || ArcRwSignal::new(0)))
}

fn reader_beside_writer() -> Scenario {
    fn read(shared: impl Shared) -> impl Fn(u64) -> Done {
        move |each| {
            let read = |_, _| {
                black_box(shared.value());
                true
            };
            beside(1, each, read, |turn| shared.store(turn))
        }
    }
    Scenario::new("read a signal beside its writer (w)", 1, false)
        .with("atomic", read(atomic()))
        .with("mutex", read(mutex()))
        .with("isobar", read(Graph::new().signal(0)))
        .with("reactive_graph", read(ArcRwSignal::new(0)))
}

fn clean_readers(name: &'static str, threads: u64) -> Scenario {
    let (_, ours) = plus_one();
    let (_, theirs) = memo_plus_one();
    Scenario::new(name, threads, false)
        .with("isobar", move |each| together(threads, each, |_, _| ours.get() == 1))
        .with("reactive_graph", move |each| together(threads, each, |_, _| theirs.get() == 1))
}

fn plus_one() -> (isobar::Signal<u64>, isobar::Computed<u64>) {
    let graph = Graph::new();
    let signal = graph.signal(0);
    let source = signal.clone();
    (signal, graph.computed(move || source.get() + 1))
}

fn memo_plus_one() -> (ArcRwSignal<u64>, ArcMemo<u64>) {
    let signal = ArcRwSignal::new(0);
    let source = signal.clone();
    (signal, ArcMemo::new(move |_| source.get() + 1))
}

fn computed_beside_writer() -> Scenario {
    let (signal, ours) = plus_one();
    let (source, theirs) = memo_plus_one();
    Scenario::new("read a computed beside its writer (w)", 1, false)
        .with("isobar", move |each| beside(1, each, |_, _| ours.get() > 0, |turn| signal.set(turn)))
        .with("reactive_graph", move |each| {
            beside(1, each, |_, _| theirs.get() > 0, |turn| source.set(turn))
        })
}

/// a + b is always the same; who sees another sum has seen half of a batch.
fn invariant() -> Scenario {
    const SUM: u64 = 1 << 40;
    let graph = Graph::new();
    let (a, b) = (graph.signal(0), graph.signal(SUM));
    let sum = {
        let (a, b) = (a.clone(), b.clone());
        graph.computed(move || a.get() + b.get())
    };
    let (x, y) = (ArcRwSignal::new(0), ArcRwSignal::new(SUM));
    let memo = {
        let (x, y) = (x.clone(), y.clone());
        ArcMemo::new(move |_| x.get() + y.get())
    };
    Scenario::new("read a + b beside a batch that keeps it (w)", 1, false)
        .with("isobar", move |each| {
            let write = |turn: u64| {
                graph.batch(|| {
                    a.set(turn);
                    b.set(SUM - turn);
                });
            };
            beside(1, each, |_, _| sum.get() == SUM, write)
        })
        .with("reactive_graph", move |each| {
            let write = |turn: u64| {
                x.set(turn);
                y.set(SUM - turn);
            };
            beside(1, each, |_, _| memo.get() == SUM, write)
        })
}

const PRODUCERS: u64 = 4;
const SENSORS: usize = 1000;
const GROUP: usize = 10;

/// 4 threads add to 1000 signals, 100 computeds add up 10 each, one adds up all; meanwhile
/// somebody looks at the total once a millisecond. In the end it must be exact.
fn produce<S: Shared>(each: u64, sensors: &[S], total: impl Fn() -> u64 + Sync) -> Done {
    let before: u64 = sensors.iter().map(Shared::value).sum();
    let share = SENSORS / PRODUCERS as usize;
    let op = |thread: u64, turn: u64| {
        sensors[thread as usize * share + turn as usize % share].add_one();
        true
    };
    let poll = |_| {
        std::thread::park_timeout(Duration::from_millis(1));
        black_box(total());
    };
    let done = beside(PRODUCERS, each, op, poll);
    let total = catch_unwind(AssertUnwindSafe(&total));
    let exact = total.is_ok_and(|total| total == before + PRODUCERS * each);
    Done { beside: 0, ..unless(exact, done) }
}

fn groups(graph: &Graph) -> (Vec<isobar::Signal<u64>>, isobar::Computed<u64>) {
    let sensors: Vec<_> = (0..SENSORS).map(|_| graph.signal(0)).collect();
    let group = |group: &[isobar::Signal<u64>]| {
        let group = group.to_vec();
        graph.computed(move || group.iter().map(|sensor| sensor.get()).sum::<u64>())
    };
    let groups: Vec<_> = sensors.chunks(GROUP).map(group).collect();
    let total = graph.computed(move || groups.iter().map(|group| group.get()).sum());
    (sensors, total)
}

fn memo_groups() -> (Vec<ArcRwSignal<u64>>, ArcMemo<u64>) {
    let sensors: Vec<_> = (0..SENSORS).map(|_| ArcRwSignal::new(0)).collect();
    let group = |group: &[ArcRwSignal<u64>]| {
        let group = group.to_vec();
        ArcMemo::new(move |_: Option<&u64>| group.iter().map(|sensor| sensor.get()).sum::<u64>())
    };
    let groups: Vec<_> = sensors.chunks(GROUP).map(group).collect();
    (sensors, ArcMemo::new(move |_| groups.iter().map(|group| group.get()).sum()))
}

fn polled_pipeline() -> Scenario {
    let (sensors, total) = groups(&Graph::new());
    let (cells, memo) = memo_groups();
    Scenario::new("pipeline 4-1000-100-1, polled each ms", PRODUCERS, true)
        .with("isobar", move |each| produce(each, &sensors, || total.get()))
        .with("reactive_graph", move |each| produce(each, &cells, || memo.get()))
}

fn watched_pipeline(name: &'static str, run_on: RunOn) -> Scenario {
    let graph = Graph::new();
    let (sensors, total) = groups(&graph);
    let watched = total.clone();
    let body = move || {
        black_box(watched.get());
    };
    let effect = Effect::builder(body).graph(&graph).run_on(run_on).build();
    Scenario::new(name, PRODUCERS, true).with("isobar", move |each| {
        assert!(!effect.is_disposed());
        let done = produce(each, &sensors, || total.get());
        graph.settle().expect("nothing loops");
        done
    })
}
