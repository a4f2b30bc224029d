//! What does a write cost, in each of its forms?
//!
//! `update`, `mutate`, a transaction, a draft, none of them observed; batches of 1, 10 and 1000.
//! Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench write [-- batch]`

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use isobar::Graph;

fn read_modify_write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read, modify, write");
    let graph = Graph::new();
    let signal = graph.signal(0u64);
    group.bench_function("update", |b| b.iter(|| signal.update(|n| n + 1)));
    group.bench_function("mutate", |b| b.iter(|| signal.mutate(|n| *n += 1)));
    group.bench_function("transaction", |b| {
        b.iter(|| {
            graph.transaction(|| {
                signal.set(signal.get() + 1);
                Ok::<_, ()>(())
            })
        });
    });
    group.bench_function("draft", |b| {
        b.iter(|| {
            let draft = graph.draft();
            draft.set(&signal, draft.get(&signal) + 1);
            draft.commit().map(drop).expect("nobody else writes");
        });
    });
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    for writes in [1, 10, 1000] {
        let graph = Graph::new();
        let signals: Vec<_> = (0..writes).map(|_| graph.signal(0u64)).collect();
        let mut turn = 0;
        group.bench_function(format!("of {writes}"), |b| {
            b.iter(|| {
                turn += 1;
                graph.batch(|| signals.iter().for_each(|signal| signal.set(turn)));
            });
        });
    }
    group.finish();
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(50)
}

criterion_group! {
    name = benches;
    config = config();
    targets = read_modify_write, batches
}
criterion_main!(benches);
