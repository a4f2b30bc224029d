//! What does a read cost, in each of its forms?
//!
//! A clean computed through `get`, `with`, `load`, `peek`, a snapshot and in a batch; and a run
//! that reads a thousand signals. Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench read [-- clean]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isobar::Graph;

fn computed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a clean computed");
    let graph = Graph::new();
    let signal = graph.signal(1u64);
    let computed = graph.computed(move || signal.get() + 1);
    assert_eq!(computed.get(), 2);
    group.bench_function("get", |b| b.iter(|| black_box(&computed).get()));
    group.bench_function("with", |b| b.iter(|| black_box(&computed).with(|n| *n)));
    group.bench_function("load", |b| b.iter(|| *black_box(&computed).load()));
    group.bench_function("peek", |b| b.iter(|| black_box(&computed).peek()));
    let snapshot = graph.snapshot();
    group.bench_function("by snapshot", |b| b.iter(|| snapshot.get(black_box(&computed))));
    group.bench_function("in a batch", |b| {
        b.iter_custom(|count| {
            graph.batch(|| {
                let start = Instant::now();
                for _ in 0..count {
                    black_box(black_box(&computed).get());
                }
                start.elapsed()
            })
        });
    });
    group.finish();
}

/// A computed that reads 1000 signals, one of which has changed.
fn tracked(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracked reads, of 1000");
    group.throughput(Throughput::Elements(1000));
    let graph = Graph::new();
    let signals: Vec<_> = (0..1000u64).map(|n| graph.signal(n)).collect();
    let sum = {
        let signals = signals.clone();
        graph.computed(move || signals.iter().map(|signal| signal.get()).sum::<u64>())
    };
    let mut turn = 1000;
    group.bench_function("get", |b| {
        b.iter(|| {
            turn += 1;
            signals[0].set(turn);
            sum.get()
        });
    });
    group.finish();
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(50)
}

criterion_group! {
    name = benches;
    config = config();
    targets = computed, tracked
}
criterion_main!(benches);
