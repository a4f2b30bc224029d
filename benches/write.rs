//! What does a write cost that nobody observes, and one that wakes an effect?
//!
//! `set` of a new and of an equal value, `update`, `mutate`, batches of 1 and 10, a transaction,
//! a draft. Floors: an atomic store, a `fetch_add`. Expected: an unobserved `set` within 10
//! `fetch_add`. Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench write [-- unobserved]`

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};

/// Writes `turn`, `turn + stride` and so on.
fn setter<E: Engine>(engine: E, stride: u64) -> impl FnMut() {
    let signal = engine.signal(0);
    let mut turn = 0;
    move || {
        turn += stride;
        engine.set(&signal, black_box(turn));
    }
}

fn unobserved(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("set, unobserved");
    let atomic = AtomicU64::new(1);
    group.bench_function("floor", |b| {
        b.iter(|| black_box(&atomic).store(black_box(7), Ordering::Release));
    });
    group.bench_function("fetch_add", |b| {
        b.iter(|| atomic.fetch_add(1, Ordering::SeqCst));
    });
    group.bench_function("isobar", |b| b.iter(setter(Isobar::usual(), 1)));
    group.bench_function("alien-signals", |b| b.iter(setter(Alien, 1)));
    group.bench_function("reactive_graph", |b| b.iter(setter(Leptos::new(), 1)));
    group.finish();
    let mut group = criterion.benchmark_group("set to the equal value");
    group.bench_function("isobar", |b| b.iter(setter(Isobar::usual(), 0)));
    group.bench_function("alien-signals", |b| b.iter(setter(Alien, 0)));
    group.bench_function("reactive_graph", |b| b.iter(setter(Leptos::new(), 0)));
    group.finish();
}

fn read_modify_write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read, modify, write");
    let isobar = Isobar::usual();
    let signal = isobar.signal(0);
    group.bench_function("isobar, update", |b| b.iter(|| signal.update(|n| n + 1)));
    group.bench_function("isobar, mutate", |b| b.iter(|| signal.mutate(|n| *n += 1)));
    group.bench_function("isobar, transaction", |b| {
        b.iter(|| {
            isobar.0.transaction(|| {
                signal.set(signal.get() + 1);
                Ok::<_, ()>(())
            })
        });
    });
    group.bench_function("isobar, draft", |b| {
        b.iter(|| {
            let draft = isobar.0.draft();
            draft.set(&signal, draft.get(&signal) + 1);
            draft.commit().map(drop).expect("nobody else writes");
        });
    });
    let theirs = alien_signals::Signal::new(0u64);
    group.bench_function("alien-signals, set_with", |b| b.iter(|| theirs.set_with(|n| n + 1)));
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    fn batch<E: Engine>(engine: E, writes: usize) -> impl FnMut() {
        let signals: Vec<_> = (0..writes).map(|_| engine.signal(0)).collect();
        let mut turn = 0;
        move || {
            turn += 1;
            engine.batch(|| signals.iter().for_each(|signal| engine.set(signal, turn)));
        }
    }
    for writes in [1, 10, 1000] {
        let mut group = criterion.benchmark_group(format!("batch of {writes}"));
        group.bench_function("isobar", |b| b.iter(batch(Isobar::usual(), writes)));
        group.bench_function("alien-signals", |b| b.iter(batch(Alien, writes)));
        group.bench_function("reactive_graph", |b| b.iter(batch(Leptos::new(), writes)));
        group.finish();
    }
}

fn observed(criterion: &mut Criterion) {
    fn observed<E: Engine>(engine: E) -> impl FnMut() {
        let signal = engine.signal(0);
        let source = signal.clone();
        let effect = engine.effect(move || {
            black_box(source.read());
        });
        let mut turn = 0;
        move || {
            let _alive = &effect;
            turn += 1;
            engine.set(&signal, turn);
            engine.settle();
        }
    }
    let mut group = criterion.benchmark_group("set, one effect");
    group.bench_function("isobar", |b| b.iter(observed(Isobar::usual())));
    group.bench_function("alien-signals", |b| b.iter(observed(Alien)));
    group.bench_function("reactive_graph", |b| b.iter(observed(Leptos::new())));
    group.finish();
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(50)
}

criterion_group! {
    name = benches;
    config = config();
    targets = unobserved, read_modify_write, batches, observed
}
criterion_main!(benches);
