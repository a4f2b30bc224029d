//! What does it cost to make nodes, to rewire them, and to drop them?
//!
//! A thousand nodes at a time, the sources being there already; then the same for whole graphs.
//! Floor: a thousand boxes. Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench churn [-- create]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use isobar_benches::assembly::Assembly;
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};
use isobar_benches::shapes;

const MADE: usize = 1000;

/// Times making, and dropping for itself. alien-signals never frees.
fn both<N>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, make: impl Fn() -> N) {
    group.bench_function(format!("{name}, create"), |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| timed(&make).0).sum());
    });
    group.bench_function(format!("{name}, drop"), |bencher| {
        bencher.iter_custom(|count| {
            let drops = (0..count).map(|_| {
                let made = make();
                timed(|| drop(made)).0
            });
            drops.sum()
        });
    });
}

fn timed<R>(run: impl FnOnce() -> R) -> (Duration, R) {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result)
}

fn signals(criterion: &mut Criterion) {
    fn many<E: Engine>(engine: E) -> impl Fn() -> Vec<E::Signal> {
        move || (0..MADE as u64).map(|n| engine.signal(n)).collect()
    }
    let mut group = criterion.benchmark_group("signals");
    group.throughput(Throughput::Elements(MADE as u64));
    let boxes = || (0..MADE as u64).map(|n| Box::new(black_box(n))).collect::<Vec<_>>();
    both(&mut group, "floor", boxes);
    both(&mut group, "isobar", many(Isobar::usual()));
    both(&mut group, "alien-signals", many(Alien));
    both(&mut group, "reactive_graph", many(Leptos::new()));
    group.finish();
}

fn computeds(criterion: &mut Criterion) {
    fn many<E: Engine>(engine: E, sources: usize) -> impl Fn() -> Vec<E::Computed> {
        let signals: Vec<_> = (0..MADE + sources).map(|_| engine.signal(1)).collect();
        let make = move |index: usize| {
            let of = signals[index..index + sources].to_vec();
            let computed = engine.computed(move || of.iter().map(Read::read).sum());
            assert_eq!(computed.read(), sources as u64);
            computed
        };
        move || (0..MADE).map(&make).collect()
    }
    for sources in [1, 4] {
        let mut group = criterion.benchmark_group(format!("computeds of {sources}, read"));
        group.throughput(Throughput::Elements(MADE as u64));
        both(&mut group, "isobar", many(Isobar::usual(), sources));
        both(&mut group, "alien-signals", many(Alien, sources));
        both(&mut group, "reactive_graph", many(Leptos::new(), sources));
        group.finish();
    }
}

fn effects(criterion: &mut Criterion) {
    fn many<E: Engine>(engine: E) -> impl Fn() -> Vec<E::Effect> {
        let signals: Vec<_> = (0..MADE).map(|_| engine.signal(1)).collect();
        let effect = move |signal: &E::Signal, engine: &E| {
            let signal = signal.clone();
            engine.effect(move || {
                black_box(signal.read());
            })
        };
        move || {
            let effects = signals.iter().map(|signal| effect(signal, &engine)).collect();
            engine.settle();
            effects
        }
    }
    let mut group = criterion.benchmark_group("effects");
    group.throughput(Throughput::Elements(MADE as u64));
    both(&mut group, "isobar", many(Isobar::usual()));
    both(&mut group, "alien-signals", many(Alien));
    both(&mut group, "reactive_graph", many(Leptos::new()));
    group.finish();
}

/// Whole graphs, sources and engine included.
fn graphs(criterion: &mut Criterion) {
    for name in ["chain_1000", "fanout_1000", "cellx_10"] {
        let shape = shapes::named(name);
        let mut group = criterion.benchmark_group(format!("graph {name}"));
        group.throughput(Throughput::Elements(shape.recomputed as u64)).sample_size(20);
        both(&mut group, "isobar", || Assembly::new(Isobar::usual(), &shape));
        both(&mut group, "alien-signals", || Assembly::new(Alien, &shape));
        both(&mut group, "reactive_graph", || Assembly::new(Leptos::new(), &shape));
        group.finish();
    }
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(200), Duration::from_millis(800));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(30)
}

criterion_group! {
    name = benches;
    config = config();
    targets = signals, computeds, effects, graphs
}
criterion_main!(benches);
