//! Collections written and read by several threads.

use crate::stage::{in_graph, in_reporting_graph};
use isobar::{Computed, Graph, ReactiveMap, ReactiveSet, ReactiveVec, batch};
use std::sync::{Arc, Barrier, OnceLock};

const ROUNDS: i32 = if cfg!(miri) { 3 } else { 300 };

#[test]
fn a_key_first_read_while_others_write_it_is_never_stale() {
    in_graph(|g| {
        for round in 0..ROUNDS {
            let map: Arc<ReactiveMap<i32, i32>> = Arc::new(ReactiveMap::builder().graph(g).build());
            let observed = OnceLock::new();
            let start = Barrier::new(3);
            std::thread::scope(|threads| {
                for key in 0..2 {
                    let (map, start) = (&map, &start);
                    threads.spawn(move || {
                        start.wait();
                        for n in 1..=20 {
                            if round % 2 == 0 {
                                map.insert(key, n);
                            } else {
                                batch(|| map.insert(key, n));
                            }
                        }
                    });
                }
                let (map, start, observed) = (&map, &start, &observed);
                threads.spawn(move || {
                    start.wait();
                    let early: Vec<_> = (0..20).map(|_| pair_of(g, map)).collect();
                    observed.set(early).ok();
                });
            });
            for pair in observed.get().unwrap() {
                assert_eq!(pair.get(), (Some(20), Some(20)));
            }
        }
    });
}

/// A computed of two keys and of everything, which must agree; read while the keys are written.
fn pair_of(g: &Graph, map: &Arc<ReactiveMap<i32, i32>>) -> Computed<(Option<i32>, Option<i32>)> {
    let both = g.computed({
        let map = map.clone();
        move || {
            let apart = (map.get(&0), map.get(&1));
            let all = map.load();
            assert_eq!(apart, (all.get(&0).copied(), all.get(&1).copied()));
            apart
        }
    });
    both.get();
    let now = g.snapshot();
    let (apart, all) = (now.get(&both), now.load(&**map));
    assert_eq!(apart, (all.get(&0).copied(), all.get(&1).copied()));
    both
}

#[test]
fn no_write_of_many_threads_is_lost() {
    in_graph(|g| {
        let counts = ReactiveMap::from_iter((0..4).map(|key| (key, 0)));
        let (list, seen) = (ReactiveVec::new(), ReactiveSet::new());
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let (counts, list, seen) = (&counts, &list, &seen);
                threads.spawn(move || {
                    for n in 0..ROUNDS {
                        counts.update(&(n % 4), |count| count + 1);
                        batch(|| {
                            counts.update(&thread, |count| count + 1);
                            list.push((thread, n));
                        });
                        seen.insert((thread, n));
                    }
                });
            }
        });
        g.settle().unwrap();
        assert_eq!(counts.values().iter().sum::<i32>(), 8 * ROUNDS);
        assert_eq!((list.len(), seen.len()), (4 * ROUNDS as usize, 4 * ROUNDS as usize));
        for thread in 0..4 {
            let of_one = list.values().into_iter().filter(|(by, _)| *by == thread);
            assert!(of_one.map(|(_, n)| n).eq(0..ROUNDS), "in program order");
        }
    });
}

#[test]
fn no_reader_of_an_index_is_stale_or_torn() {
    in_reporting_graph(|g, failures| {
        let list: ReactiveVec<i32> = ReactiveVec::from_iter([0; 8]);
        let agrees = |list: &ReactiveVec<i32>| {
            let apart: Vec<_> = (0..10).map(|index| list.get(index)).collect();
            let all = list.load();
            let whole: Vec<_> = (0..10).map(|index| all.get(index).copied()).collect();
            assert_eq!((apart, list.len()), (whole, all.len()));
        };
        let watches: Vec<_> = (0..4)
            .map(|_| {
                let list = list.clone();
                g.effect(move || agrees(&list))
            })
            .collect();
        std::thread::scope(|threads| {
            for thread in 0..2 {
                let list = &list;
                threads.spawn(move || {
                    for n in 0..ROUNDS {
                        list.set(n as usize % 6, n * 2 + thread).ok();
                        match n % 4 {
                            0 => list.push(n),
                            1 => crate::ignore(list.pop()),
                            2 => batch(|| list.insert(2, n).unwrap()),
                            _ => crate::ignore(list.remove(1)),
                        }
                    }
                });
            }
            threads.spawn(|| {
                for _ in 0..ROUNDS {
                    let list = list.clone();
                    g.computed(move || agrees(&list)).get();
                }
            });
        });
        g.settle().unwrap();
        failures.expect_silence();
        drop(watches);
    });
}

#[test]
fn derived_collections_agree_with_their_source_at_every_revision() {
    in_graph(|g| {
        let stock = ReactiveMap::from_iter((0..20).map(|key| (key, key)));
        let even = stock.filter(|_, n| n % 2 == 0);
        let count = stock.count(|_, n| n % 2 == 0);
        let ranking = stock.sorted_by(|(_, a), (_, b)| b.cmp(a));
        let check = g.computed({
            let (stock, even, count, ranking) = (stock.clone(), even, count, ranking);
            move || {
                let all = stock.load();
                let expected = all.values().filter(|n| *n % 2 == 0).count();
                assert_eq!(
                    (even.len(), count.get(), ranking.len()),
                    (expected, expected, all.len())
                );
                assert_eq!(even.get(&3), all.get(&3).copied().filter(|n| n % 2 == 0));
                assert!(ranking.load().iter().is_sorted_by(|a, b| a.1 >= b.1));
            }
        });
        let watch = check.subscribe(|()| {});
        std::thread::scope(|threads| {
            for thread in 0..2 {
                let stock = &stock;
                threads.spawn(move || {
                    for n in 0..ROUNDS {
                        batch(|| {
                            stock.insert(n % 25, n);
                            stock.remove(&((n + thread) % 7));
                        });
                    }
                });
            }
            threads.spawn(|| (0..ROUNDS).for_each(|_| check.get()));
            threads.spawn(|| (0..ROUNDS).for_each(|_| g.snapshot().get(&check)));
        });
        check.get();
        drop(watch);
    });
}
