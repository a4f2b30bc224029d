//! What does one step of a usual graph cost: a write, and everything that follows from it?
//!
//! Each shape of `shapes`, in each engine, beside its hand-written floor. Expected: within 12
//! `fetch_add` a node on chains and fans. Last recorded: docs/BENCHMARKS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench propagate [-- chain_1000/isobar]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use isobar_benches::assembly::{Assembly, Steps, check};
use isobar_benches::engines::{Alien, Isobar, Leptos};
use isobar_benches::floors;
use isobar_benches::shapes::{self, Shape};

/// Where reactive_graph does not end, or not within a second a step.
const TOO_MUCH: [&str; 1] = ["grid_100x100"];

fn propagate(criterion: &mut Criterion) {
    for shape in shapes::all() {
        let mut group = criterion.benchmark_group(shape.name);
        group.throughput(Throughput::Elements(shape.recomputed as u64));
        if shape.computeds.len() >= 10_000 {
            group.sample_size(10);
        }
        one(&mut group, &shape, "floor", || floors::of(&shape));
        if floors::parallel(&shape).is_some() {
            let floor = || floors::parallel(&shape).expect("there is one");
            one(&mut group, &shape, "floor, 2 threads", floor);
        }
        one(&mut group, &shape, "isobar", || Box::new(Assembly::new(Isobar::usual(), &shape)));
        one(&mut group, &shape, "isobar, 1 thread", || {
            Box::new(Assembly::new(Isobar::alone(), &shape))
        });
        one(&mut group, &shape, "alien-signals", || Box::new(Assembly::new(Alien, &shape)));
        if !TOO_MUCH.contains(&shape.name) {
            one(&mut group, &shape, "reactive_graph", || {
                Box::new(Assembly::new(Leptos::new(), &shape))
            });
        }
        group.finish();
    }
}

fn one(
    group: &mut BenchmarkGroup<'_, WallTime>,
    shape: &Shape,
    name: &str,
    build: impl Fn() -> Box<dyn Steps>,
) {
    // Built when it is wanted, and once.
    let mut built = None;
    group.bench_function(name, |bencher| {
        let subject = built.get_or_insert_with(|| {
            let mut subject = build();
            let right = check(shape, subject.as_mut(), 5);
            (subject, right)
        });
        if let Err(why) = &subject.1 {
            panic!("WRONG {name}: {why}");
        }
        bencher.iter_custom(|count| timed(|| subject.0.steps(count)));
    });
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
