//! Many threads, one store.

use crate::stage::{Trace, in_graph};
use isobar::store::{Event, Store, Value};
use isobar::transaction;
use serde_json::json;
use std::convert::Infallible;
use std::thread;

#[test]
fn no_increment_is_lost_and_the_last_event_carries_the_sum() {
    in_graph(|g| {
        let (store, told) = (Store::new(), Trace::new());
        let note = told.clone();
        let listens = store.subscribe("/n", move |event: &Event<'_>| {
            note.note((
                event.previous().and_then(Value::as_u64),
                event.value().and_then(Value::as_u64),
            ));
        });
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..500 {
                        store.at("/n").update(|n: Option<u64>| n.unwrap_or(0) + 1).unwrap();
                    }
                });
            }
        });
        g.settle().unwrap();
        // Every commit, in order.
        let told = told.take();
        let steps = (0..2000).map(|n| ((n > 0).then_some(n), Some(n + 1)));
        assert!(told.iter().copied().eq(steps), "{} events, {:?}", told.len(), told.last());
        drop(listens);
    });
}

#[test]
fn a_sum_over_paths_holds_at_every_read_while_threads_move_parts_of_it() {
    in_graph(|g| {
        let store = Store::new();
        store.at("/accounts").set_tree(json!({ "a": 100, "b": 100, "c": 100 })).unwrap();
        let total = store.derive_many("/total", ["/accounts/*"], |sources| {
            Ok(Some(sources.all()?.iter().filter_map(|(_, n)| n.as_i64()).sum::<i64>()))
        });
        let sums = Trace::new();
        let note = sums.clone();
        let watch = g.effect({
            let store = store.clone();
            move || note.note(store.at("/total").get::<i64>().unwrap())
        });
        thread::scope(|threads| {
            for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
                let store = &store;
                threads.spawn(move || {
                    for amount in 0..100_i64 {
                        let moved = transaction(|| {
                            let part = |name| store.at("/accounts").at(name);
                            let left = part(from).get_or(0_i64).unwrap() - amount % 7;
                            part(from).set(left).unwrap();
                            part(to)
                                .update(move |n: Option<i64>| n.unwrap_or(0) + amount % 7)
                                .unwrap();
                            Ok::<_, Infallible>(())
                        });
                        moved.unwrap();
                        let all: Value = store.at("/accounts").to_value().unwrap().unwrap();
                        let sum: i64 =
                            all.as_object().unwrap().values().filter_map(Value::as_i64).sum();
                        assert_eq!(sum, 300);
                    }
                });
            }
        });
        assert_eq!(store.at("/total").get().unwrap(), Some(300));
        assert!(sums.take().iter().all(|sum| *sum == Some(300)));
        drop((total, watch));
    });
}

#[test]
fn readers_that_come_while_others_write_miss_nothing() {
    in_graph(|g| {
        for round in 0..50 {
            let store = Store::new();
            thread::scope(|threads| {
                let writer = threads.spawn(|| {
                    for n in 1..=20 {
                        store.at("/a/b").set(n).unwrap();
                        store.at("/a/c").at(n.to_string()).set(n).unwrap();
                    }
                });
                let seen = Trace::new();
                let (note, of) = (seen.clone(), store.clone());
                let watch = g.effect(move || {
                    let b = of.at("/a/b").get_or(0).unwrap();
                    note.note((b, of.at("/a/c").list().unwrap().len()));
                });
                writer.join().unwrap();
                g.settle().unwrap();
                assert_eq!(seen.take().last(), Some(&(20, 20)), "in round {round}");
                drop(watch);
            });
        }
    });
}

#[test]
fn who_subscribes_while_others_write_hears_every_commit_since() {
    in_graph(|g| {
        for _ in 0..50 {
            let (store, told) = (Store::new(), Trace::new());
            thread::scope(|threads| {
                let writer = threads.spawn(|| {
                    for n in 1..=50 {
                        store.at("/n").set(n).unwrap();
                    }
                });
                let note = told.clone();
                let listens = store.subscribe("/n", move |event: &Event<'_>| {
                    note.note((
                        event.previous().and_then(Value::as_u64),
                        event.value().and_then(Value::as_u64),
                    ));
                });
                let at = store.at("/n").get_or(0_u64).unwrap();
                writer.join().unwrap();
                g.settle().unwrap();
                let told = told.take();
                assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0), "{told:?}");
                let first = told.first().and_then(|told| told.0).unwrap_or(0);
                assert!(told.is_empty() && at == 50 || first <= at, "{told:?} from {at}");
                assert!(told.is_empty() || told.last().unwrap().1 == Some(50));
                drop(listens);
            });
        }
    });
}
