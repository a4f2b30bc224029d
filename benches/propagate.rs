//! What does one step of a usual graph cost: a write, and everything that follows from it?
//!
//! Every shape of the harness but the largest, in this engine and in a graph that never uses
//! another thread: for a close look, with a profiler or after a change. What others take for the
//! same, `isobar bench` tells.
//!
//! `cargo bench -p isobar-benches --bench propagate [-- chain_1000]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isobar_benches::Isobar;
use isobar_benches::harness::{Assembly, Section, Sink, Steps, Task, check_sums, workloads};

fn propagate(criterion: &mut Criterion) {
    for workload in workloads() {
        let Task::Steps(build) = &workload.task else { continue };
        if workload.is_long || workload.section != Section::Shapes {
            continue;
        }
        let shape = build(&workload.name);
        let mut group = criterion.benchmark_group(&shape.name);
        group.throughput(Throughput::Elements(shape.nodes() as u64));
        for (name, engine) in [("isobar", Isobar::usual as fn() -> _), ("alone", Isobar::alone)] {
            // Built when it is wanted, and once.
            let mut built = None;
            group.bench_function(name, |bencher| {
                let subject = built.get_or_insert_with(|| {
                    let mut subject = Assembly::new(engine(), Sink::default(), &shape);
                    let answers = check_sums(&mut subject, &shape, 0, 5);
                    assert!(answers.are_right(), "{}: {answers:?}", shape.name);
                    subject
                });
                bencher.iter_custom(|count| timed(|| subject.steps(count)));
            });
        }
        group.finish();
    }
}

fn timed(run: impl FnOnce() -> u64) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn config() -> Criterion {
    let (warm_up, time) = (Duration::from_millis(300), Duration::from_secs(1));
    Criterion::default().warm_up_time(warm_up).measurement_time(time).sample_size(30)
}

criterion_group! {
    name = benches;
    config = config();
    targets = propagate
}
criterion_main!(benches);
