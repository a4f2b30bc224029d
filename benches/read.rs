//! What does a read cost, outside and inside an evaluation?
//!
//! A signal, a clean computed, the same through `with`, `load` and a snapshot; and one tracked
//! read among a thousand. Floor: an atomic load. Expected: within 3 `fetch_add` a read. Last
//! recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench read [-- clean]`

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};

fn signal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a signal");
    let atomic = AtomicU64::new(1);
    group.bench_function("floor", |b| b.iter(|| black_box(&atomic).load(Ordering::Acquire)));
    let unit = AtomicU64::new(1);
    group.bench_function("fetch_add", |b| {
        b.iter(|| unit.fetch_add(1, Ordering::SeqCst));
    });
    let (isobar, alien, leptos) = (Isobar::usual(), Alien, Leptos::new());
    let (ours, theirs, memos) = (isobar.signal(1), alien.signal(1), leptos.signal(1));
    group.bench_function("isobar", |b| b.iter(|| black_box(&ours).read()));
    group.bench_function("alien-signals", |b| b.iter(|| black_box(&theirs).read()));
    group.bench_function("reactive_graph", |b| b.iter(|| black_box(&memos).read()));
    group.finish();
}

fn plus_one<E: Engine>(engine: &E) -> E::Computed {
    let signal = engine.signal(1);
    let computed = engine.computed(move || signal.read() + 1);
    assert_eq!(computed.read(), 2);
    computed
}

fn computed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a clean computed");
    let (isobar, alien, leptos) = (Isobar::usual(), Alien, Leptos::new());
    let (ours, theirs, memo) = (plus_one(&isobar), plus_one(&alien), plus_one(&leptos));
    group.bench_function("isobar", |b| b.iter(|| black_box(&ours).read()));
    group.bench_function("alien-signals", |b| b.iter(|| black_box(&theirs).read()));
    group.bench_function("reactive_graph", |b| b.iter(|| black_box(&memo).read()));
    group.bench_function("isobar, with", |b| b.iter(|| black_box(&ours).with(|n| *n)));
    group.bench_function("isobar, load", |b| b.iter(|| *black_box(&ours).load()));
    group.bench_function("isobar, peek", |b| b.iter(|| black_box(&ours).peek()));
    let snapshot = isobar.0.snapshot();
    group.bench_function("isobar, by snapshot", |b| b.iter(|| snapshot.get(black_box(&ours))));
    group.bench_function("isobar, in a batch", |b| {
        b.iter_custom(|count| {
            isobar.0.batch(|| {
                let start = std::time::Instant::now();
                for _ in 0..count {
                    black_box(black_box(&ours).read());
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
    fn rerun<E: Engine>(engine: E) -> impl FnMut() -> u64 {
        let signals: Vec<_> = (0..1000).map(|n| engine.signal(n)).collect();
        let sum = {
            let signals = signals.clone();
            engine.computed(move || signals.iter().map(Read::read).sum())
        };
        let mut turn = 1000;
        move || {
            turn += 1;
            engine.set(&signals[0], turn);
            sum.read()
        }
    }
    let (mut ours, mut theirs) = (rerun(Isobar::usual()), rerun(Alien));
    let mut memo = rerun(Leptos::new());
    group.bench_function("isobar", |b| b.iter(&mut ours));
    group.bench_function("alien-signals", |b| b.iter(&mut theirs));
    group.bench_function("reactive_graph", |b| b.iter(&mut memo));
    group.finish();
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(50)
}

criterion_group! {
    name = benches;
    config = config();
    targets = signal, computed, tracked
}
criterion_main!(benches);
