//! What does one change in 100,000 entries cost, and does the number of observed keys matter?
//!
//! `write`: one key or index written while 0, 1,000 or 100,000 of them have an effect each.
//! `map_values` and so on: one entry changed and the result read; incrementally, by a computed
//! that makes everything again, and by hand in maps of std. Expected: observed keys cost nothing,
//! and an operator, `sorted_by` apart, a hundredth of the recompute. Last recorded:
//! docs/COLLECTIONS.md, 2026-11-20.
//!
//! `cargo bench -p isobar-benches --bench collections [-- write]`

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use isobar::{Effect, Graph, PersistentMap, ReactiveMap, ReactiveVec};

const ENTRIES: u32 = 100_000;
/// Changes go around among so many keys.
const CHANGED: u32 = 500;

fn graph() -> Graph {
    Graph::builder().threads(1).build()
}

fn filled(g: &Graph) -> ReactiveMap<u32, u32> {
    g.enter(|| (0..ENTRIES).map(|key| (key, key)).collect())
}

/// A key and a value that it has not.
fn changes() -> impl FnMut() -> (u32, u32) {
    let mut turn = ENTRIES;
    move || {
        turn += 1;
        (turn % CHANGED, turn)
    }
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    for observed in [0, 1_000, ENTRIES] {
        let g = graph();
        let (map, mut next) = (filled(&g), changes());
        let each = |read: fn(&ReactiveMap<u32, u32>, u32)| -> Vec<Effect> {
            let effect = |key| {
                g.effect({
                    let map = map.clone();
                    move || read(&map, key)
                })
            };
            (0..observed).map(effect).collect()
        };
        let effects = each(|map, key| {
            black_box(map.get(&key));
        });
        group.bench_function(BenchmarkId::new("map, insert", observed), |b| {
            b.iter(|| {
                let (key, value) = next();
                map.insert(key, value)
            });
        });
        group.bench_function(BenchmarkId::new("map, insert in a batch", observed), |b| {
            b.iter(|| {
                let (key, value) = next();
                g.batch(|| map.insert(key, value))
            });
        });
        drop(effects);
    }
    for observed in [0, 1_000, ENTRIES] {
        let g = graph();
        let list: ReactiveVec<u32> = g.enter(|| (0..ENTRIES).collect());
        let mut next = changes();
        let effect = |index| {
            let list = list.clone();
            g.effect(move || {
                black_box(list.get(index as usize));
            })
        };
        let effects: Vec<Effect> = (0..observed).map(effect).collect();
        group.bench_function(BenchmarkId::new("vec, set", observed), |b| {
            b.iter(|| {
                let (index, value) = next();
                list.set(index as usize, value)
            });
        });
        group.bench_function(BenchmarkId::new("vec, push and pop", observed), |b| {
            b.iter(|| {
                list.push(7);
                list.pop()
            });
        });
        drop(effects);
    }
    group.finish();
}

/// Brings what it made of a map up to date, and tells its size.
type Follow = Box<dyn Fn() -> usize>;

/// One operator: incrementally, from scratch, and by hand.
struct Contest<'a> {
    name: &'a str,
    incremental: fn(&ReactiveMap<u32, u32>) -> Follow,
    whole: fn(&PersistentMap<u32, u32>) -> usize,
    /// Key, old value, new value; what is kept up to date is its own.
    by_hand: Box<dyn FnMut(u32, u32, u32) -> usize>,
}

fn compete(criterion: &mut Criterion, mut contest: Contest<'_>) {
    let mut group = criterion.benchmark_group(contest.name);
    let (g, mut next) = (graph(), changes());
    let map = filled(&g);
    let read = (contest.incremental)(&map);
    read();
    group.bench_function("incremental", |b| {
        b.iter(|| {
            let (key, value) = next();
            map.insert(key, value);
            read()
        });
    });
    let g = graph();
    let map = filled(&g);
    let all = g.computed({
        let (map, whole) = (map.clone(), contest.whole);
        move || whole(&map.load())
    });
    group.bench_function("recomputed", |b| {
        b.iter(|| {
            let (key, value) = next();
            map.insert(key, value);
            all.get()
        });
    });
    let mut plain: HashMap<u32, u32> = (0..ENTRIES).map(|key| (key, key)).collect();
    group.bench_function("by hand", |b| {
        b.iter(|| {
            let (key, value) = next();
            let old = plain.insert(key, value).expect("it changes what is there");
            (contest.by_hand)(key, old, value)
        });
    });
    group.finish();
}

fn each_by_itself(criterion: &mut Criterion) {
    let mut kept: HashMap<u32, u32> = (0..ENTRIES).map(|key| (key, key * 2)).collect();
    compete(
        criterion,
        Contest {
            name: "map_values",
            incremental: |map| {
                let derived = map.map_values(|_, n| n.wrapping_mul(2));
                Box::new(move || derived.load().len())
            },
            whole: |map| {
                let all: HashMap<u32, u32> =
                    map.iter().map(|(k, v)| (*k, v.wrapping_mul(2))).collect();
                all.len()
            },
            by_hand: Box::new(move |key, _, new| {
                kept.insert(key, new.wrapping_mul(2));
                kept.len()
            }),
        },
    );
    let mut kept: HashMap<u32, u32> = (0..ENTRIES).filter(|n| n % 2 == 0).map(|n| (n, n)).collect();
    compete(
        criterion,
        Contest {
            name: "filter",
            incremental: |map| {
                let derived = map.filter(|_, n| n % 2 == 0);
                Box::new(move || derived.load().len())
            },
            whole: |map| {
                let even = map.iter().filter(|(_, n)| *n % 2 == 0);
                even.map(|(k, v)| (*k, *v)).collect::<HashMap<u32, u32>>().len()
            },
            by_hand: Box::new(move |key, _, new| {
                if new % 2 == 0 {
                    kept.insert(key, new);
                } else {
                    kept.remove(&key);
                }
                kept.len()
            }),
        },
    );
    let mut even = ENTRIES as usize / 2;
    compete(
        criterion,
        Contest {
            name: "count",
            incremental: |map| {
                let derived = map.count(|_, n| n % 2 == 0);
                Box::new(move || derived.get())
            },
            whole: |map| map.values().filter(|n| *n % 2 == 0).count(),
            by_hand: Box::new(move |_, old, new| {
                even += usize::from(new % 2 == 0);
                even -= usize::from(old % 2 == 0);
                even
            }),
        },
    );
}

fn together(criterion: &mut Criterion) {
    let mut groups: HashMap<u32, HashMap<u32, u32>> = HashMap::new();
    for n in 0..ENTRIES {
        groups.entry(n % 1000).or_default().insert(n, n);
    }
    compete(
        criterion,
        Contest {
            name: "group_by",
            incremental: |map| {
                let derived = map.group_by(|_, n| n % 1000);
                Box::new(move || derived.load().len())
            },
            whole: |map| {
                let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
                map.iter().for_each(|(key, n)| groups.entry(n % 1000).or_default().push(*key));
                groups.len()
            },
            by_hand: Box::new(move |key, old, new| {
                if let Some(members) = groups.get_mut(&(old % 1000)) {
                    members.remove(&key);
                }
                groups.entry(new % 1000).or_default().insert(key, new);
                groups.len()
            }),
        },
    );
    let mut sorted: BTreeSet<(u32, u32)> = (0..ENTRIES).map(|n| (n, n)).collect();
    compete(
        criterion,
        Contest {
            name: "sorted_by",
            incremental: |map| {
                let derived = map.sorted_by(|(_, a), (_, b)| a.cmp(b));
                Box::new(move || derived.load().len())
            },
            whole: |map| {
                let mut all: Vec<(u32, u32)> = map.iter().map(|(k, v)| (*v, *k)).collect();
                all.sort_unstable();
                all.len()
            },
            by_hand: Box::new(move |key, old, new| {
                sorted.remove(&(old, key));
                sorted.insert((new, key));
                sorted.len()
            }),
        },
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = write, each_by_itself, together
}
criterion_main!(benches);
