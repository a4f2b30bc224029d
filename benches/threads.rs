//! What happens when two threads use one graph: how fast, and is it still right?
//!
//! Writers of one and of distinct signals, a reader beside a writer, two readers of a clean
//! computed, an invariant over two signals, a pipeline with an exact total. Floors: a padded
//! atomic and a padded mutex. A failure of isobar is a failure of the benchmark; one of a rival is
//! told on stderr. Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench threads [-- pipeline]`

use std::cell::Cell;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isobar_benches::crews::quietly;
use isobar_benches::scenarios;

fn threads(criterion: &mut Criterion) {
    for scenario in scenarios::all() {
        let mut group = criterion.benchmark_group(scenario.name);
        let each = if scenario.together { scenario.threads } else { 1 };
        group.throughput(Throughput::Elements(each));
        for (name, run) in &scenario.contenders {
            let failed = Cell::new(0);
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|count| {
                    let done = quietly(|| run(count));
                    failed.set(failed.get() + done.failed);
                    done.elapsed
                });
            });
            assert!(*name != "isobar" || failed.get() == 0, "isobar failed {failed:?} times");
            if failed.get() > 0 {
                eprintln!("{}: {name} failed {} times", scenario.name, failed.get());
            }
        }
        group.finish();
    }
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(20)
}

criterion_group! {
    name = benches;
    config = config();
    targets = threads
}
criterion_main!(benches);
