//! What does a store cost in memory: setting and getting at depth 3, who hears, how many patterns
//! there are, and a million paths?
//!
//! The floor is what one writes by hand: a map from text to value behind a lock. Expected: the
//! number of patterns and of paths costs nothing but their logarithm; a subtree what it holds.
//! Last recorded: docs/STORE.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench store [-- depth]`; the bytes are printed first.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::RwLock;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use isobar::store::{Memory, Store, Value};
use isobar::{Clock, Graph};
use isobar_benches::harness::allocator::{Counting, counted};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PATTERNS: u32 = 100_000;
const PATHS: u32 = 1_000_000;
const PLACE: &str = "/users/1234/name";

fn store() -> Store {
    Store::builder().graph(&Graph::builder().threads(1).build()).build()
}

/// Another value each time.
fn changes() -> impl FnMut() -> u64 {
    let mut turn = 0;
    move || {
        turn += 1;
        turn
    }
}

fn depth_three(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("depth 3");
    let by_hand: RwLock<BTreeMap<String, Value>> = RwLock::default();
    let mut next = changes();
    group.bench_function("set by hand", |b| {
        b.iter(|| by_hand.write().unwrap().insert(PLACE.to_string(), Value::from(next())));
    });
    group.bench_function("get by hand", |b| {
        b.iter(|| by_hand.read().unwrap().get(PLACE).and_then(Value::as_u64));
    });
    let (alone, mut next) = (store(), changes());
    let place = alone.at(PLACE);
    group.bench_function("set", |b| b.iter(|| place.set(next()).unwrap()));
    group.bench_function("get", |b| b.iter(|| place.get::<u64>().unwrap()));
    group.bench_function("get, from text", |b| {
        b.iter(|| alone.at(PLACE).get::<u64>().unwrap());
    });
    let heard = store();
    let listens = heard.subscribe("/users", |event| drop(black_box(event.value().cloned())));
    let place = heard.at(PLACE);
    group.bench_function("set, heard above", |b| b.iter(|| place.set(next()).unwrap()));
    drop(listens);
    let observed = store();
    let above = observed.at("/users").node().unwrap();
    let effect = above.subscribe(|tree| drop(black_box(tree.clone())));
    let place = observed.at(PLACE);
    group.bench_function("set, observed above", |b| b.iter(|| place.set(next()).unwrap()));
    drop(effect);
    for (name, behind) in [("set, mounted", false), ("set, mounted behind", true)] {
        let kept = store();
        let mount = kept.mount("/", Memory::new());
        let mount = match behind {
            true => mount.write_behind(&Clock::system(), Duration::from_secs(1)),
            false => mount,
        };
        mount.build().unwrap();
        let place = kept.at(PLACE);
        group.bench_function(name, |b| b.iter(|| place.set(next()).unwrap()));
    }
    group.finish();
}

fn patterns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patterns");
    for others in [0, 1_000, PATTERNS] {
        let (store, mut next) = (store(), changes());
        let listen = |pattern: String| store.subscribe(pattern, |_| ()).unwrap();
        let all: Vec<_> = (0..others)
            .map(|n| match n % 3 {
                0 => format!("/users/{n}/*/on"),
                1 => format!("/groups/*/of/{n}/**"),
                _ => format!("/users/*/name/{n}"),
            })
            .map(listen)
            .collect();
        let heard = listen("/users/*/name".to_string());
        let place = store.at(PLACE);
        group.bench_function(BenchmarkId::new("set, heard by one, beside", others), |b| {
            b.iter(|| place.set(next()).unwrap());
        });
        drop((heard, all));
    }
    group.finish();
}

/// A thousand groups of a thousand.
fn filled() -> Store {
    let store = store();
    let group = |g: u32| {
        (0..1000).map(move |n| (format!("{n:03}"), Value::from(g * 1000 + n))).collect::<Value>()
    };
    for g in 0..PATHS / 1000 {
        store.at(format!("/all/{g:03}")).set_tree(group(g)).unwrap();
    }
    store
}

fn a_million_paths(criterion: &mut Criterion) {
    let (full, taken) = counted(filled);
    println!("{} bytes a path of {PATHS}", taken.bytes / i64::from(PATHS));
    let mut group = criterion.benchmark_group("a million paths");
    let mut next = changes();
    let place = full.at("/all/500/500");
    group.bench_function("set", |b| b.iter(|| place.set(next()).unwrap()));
    group.bench_function("get", |b| b.iter(|| place.get::<u64>().unwrap()));
    let all = full.at("/all");
    group.bench_function("list 1,000 names", |b| b.iter(|| all.list().unwrap().len()));
    let thousand = full.at("/all/500");
    group.bench_function("a subtree of 1,000 as one value", |b| {
        b.iter(|| thousand.to_value().unwrap());
    });
    group.bench_function("the tree of all", |b| b.iter(|| all.tree().unwrap()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = depth_three, patterns, a_million_paths
}
criterion_main!(benches);
