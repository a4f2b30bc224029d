//! Who is woken by which write to a map, and that nobody else is.

use crate::ignore;
use crate::stage::{Count, in_graph, in_reporting_graph, reporting_to, says};
use isobar::{
    Effect, Graph, KeyError, ReactiveMap, ReactiveVec, ReadError, ReadMap, batch, computed, effect,
    transaction,
};

type Map = ReactiveMap<char, i32>;
type Write = (&'static str, fn(&Map));
type Read = (&'static str, fn(&ReadMap<char, i32>), &'static str);

/// `{a: 1, b: 2}`; the letters of a read's row name the writes that wake it.
const WRITES: [Write; 12] = [
    ("same", |map| ignore(map.insert('a', 1))),
    ("A", |map| ignore(map.insert('a', 9))),
    ("B", |map| ignore(map.insert('b', 9))),
    ("Z", |map| ignore(map.insert('z', 3))),
    ("a", |map| ignore(map.remove(&'a'))),
    ("b", |map| ignore(map.remove(&'b'))),
    ("c", |map| map.clear()),
    ("u", |map| map.insert_many([('a', 5), ('b', 6)])),
    ("U", |map| assert!(map.update(&'a', |old| old + 1))),
    ("r", |map| map.retain(|key, _| *key != 'b')),
    ("p", |map| map.replace([('a', 1), ('b', 7), ('y', 1)])),
    ("absent", |map| ignore(map.remove(&'x'))),
];

const READS: [Read; 11] = [
    ("get a", |map| ignore(map.get(&'a')), "AacuU"),
    ("get z, absent", |map| ignore(map.get(&'z')), "Z"),
    ("contains z, absent", |map| ignore(map.contains_key(&'z')), "Z"),
    ("contains a", |map| ignore(map.contains_key(&'a')), "ac"),
    ("len", |map| ignore(map.len()), "Zabcrp"),
    ("is_empty", |map| ignore(map.is_empty()), "Zabcrp"),
    ("keys", |map| ignore(map.keys()), "Zabcrp"),
    ("values", |map| ignore(map.values()), "ABZabcuUrp"),
    ("all", |map| ignore(map.load().iter().count()), "ABZabcuUrp"),
    ("first", |map| ignore(map.first()), "AacuU"),
    ("last", |map| ignore(map.last()), "BZbcurp"),
];

fn ab() -> Map {
    Map::from_iter([('a', 1), ('b', 2)])
}

fn counting(map: &Map, read: fn(&ReadMap<char, i32>)) -> (Count, Effect) {
    let map = map.read_only();
    crate::counting(move || read(&map))
}

/// Each read against each write, made at top level, in a batch, in a draft, or in an effect.
fn each_pair(perform: impl Fn(&Graph, &Map, fn(&Map))) {
    for (told, read, woken_by) in READS {
        for (name, write) in WRITES {
            let g = Graph::new();
            g.enter(|| {
                let map = ab();
                let (runs, watch) = counting(&map, read);
                perform(&g, &map, write);
                let expected = usize::from(woken_by.contains(name));
                assert_eq!(runs.take(), expected, "{told} after {name}");
                drop(watch);
            });
        }
    }
}

#[test]
fn a_write_wakes_the_readers_of_what_it_changed_once_and_nobody_else() {
    in_graph(|_| each_pair(|_, map, write| write(map)));
}

#[test]
fn the_same_holds_in_a_batch() {
    in_graph(|_| each_pair(|_, map, write| batch(|| write(map))));
}

#[test]
fn the_same_holds_in_a_draft() {
    in_graph(|_| {
        each_pair(|g, map, write| {
            let draft = g.draft();
            draft.enter(|| write(map));
            draft.commit().unwrap();
        });
    });
}

#[test]
fn the_same_holds_in_an_effect() {
    in_graph(|_| {
        each_pair(|g, map, write| {
            let map = map.clone();
            g.effect(move || write(&map)).dispose();
        });
    });
}

#[test]
fn several_writes_in_a_batch_are_one_commit_with_other_signals() {
    in_reporting_graph(|g, failures| {
        let (map, sum) = (ab(), g.signal(3));
        let runs = Count::new();
        let check = effect!([map, sum, runs] {
            runs.tick();
            assert_eq!(map.values().iter().sum::<i32>(), sum.get());
        });
        let before = g.stats().commits;
        batch(|| {
            map.insert('c', 3);
            map.remove(&'a');
            map.update(&'b', |b| b * 2);
            sum.set(7);
        });
        assert_eq!((runs.take(), g.stats().commits - before), (2, 1));
        failures.expect_silence();
        drop(check);
    });
}

#[test]
fn an_effect_that_copies_an_empty_map_sees_two_keys_of_one_batch_together() {
    in_graph(|_| {
        let map: ReactiveMap<i32, i32> = ReactiveMap::new();
        let copies = crate::stage::Trace::new();
        let entries = |map: &ReactiveMap<i32, i32>| {
            map.load().iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>()
        };
        let _watch = effect!([map, copies] copies.note(entries(&map)));
        batch(|| {
            map.insert(1, 2);
            map.insert(3, 4);
        });
        assert_eq!(copies.take(), [vec![], vec![(1, 2), (3, 4)]]);
    });
}

#[test]
fn a_bulk_write_is_one_commit() {
    in_graph(|g| {
        let map = ab();
        let watch = counting(&map, |map| ignore(map.get(&'a')));
        let bulk: [fn(&Map); 4] = [
            |map| map.insert_many((0..100).map(|n| (char::from(n), 0))),
            |map| map.retain(|key, _| key.is_alphabetic()),
            |map| map.remove_many(['a', 'b', 'c']),
            |map| map.clear(),
        ];
        for write in bulk {
            let before = g.revision().as_u64();
            write(&map);
            assert_eq!(g.revision().as_u64(), before + 1);
        }
        drop(watch);
    });
}

#[test]
fn set_and_set_back_in_one_batch_wakes_nobody() {
    in_graph(|_| {
        let map = ab();
        let watches: Vec<_> = READS.map(|(_, read, _)| counting(&map, read)).into();
        batch(|| {
            map.insert('a', 7);
            map.insert('z', 7);
            map.insert('a', 1);
            map.remove(&'z');
        });
        for ((runs, _), (told, ..)) in watches.iter().zip(READS) {
            assert_eq!(runs.take(), 0, "{told}");
        }
    });
}

#[test]
fn a_write_that_changes_nothing_is_no_commit() {
    in_graph(|g| {
        let map = ab();
        let watch = counting(&map, |map| ignore(map.get(&'a')));
        let before = g.revision();
        map.insert('a', 1);
        map.remove(&'x');
        map.retain(|_, _| true);
        map.replace([('b', 2), ('a', 1)]);
        assert_eq!(g.revision(), before);
        drop(watch);
    });
}

#[test]
fn writes_return_what_was_there() {
    in_graph(|_| {
        let map = ab();
        assert_eq!((map.insert('a', 3), map.insert('c', 4)), (Some(1), None));
        assert_eq!((map.remove(&'a'), map.remove(&'a')), (Some(3), None));
        batch(|| {
            assert_eq!(
                (map.insert('b', 5), map.remove(&'b'), map.get(&'b')),
                (Some(2), Some(5), None)
            );
        });
        assert_eq!(map.keys(), ['c']);
    });
}

#[test]
fn the_author_of_a_batch_reads_its_own_writes_also_through_computeds() {
    in_graph(|_| {
        let map = ab();
        let a = computed!([map] map.get(&'a').unwrap_or(0) * 10);
        let there = computed!([map] map.contains_key(&'z'));
        let count = computed!([map] map.len());
        assert_eq!((a.get(), there.get(), count.get()), (10, false, 2));
        batch(|| {
            map.insert('a', 2);
            assert_eq!((map.get(&'a'), a.get()), (Some(2), 20));
            map.insert('z', 1);
            assert_eq!((there.get(), count.get(), map.len()), (true, 3, 3));
            map.clear();
            assert_eq!((a.get(), there.get(), count.get()), (0, false, 0));
            map.insert('a', 4);
        });
        assert_eq!((a.get(), there.get(), count.get()), (40, false, 1));
    });
}

#[test]
fn keys_first_read_inside_a_batch_follow_what_the_batch_writes_next() {
    in_graph(|_| {
        let map = ab();
        let a = computed!([map] map.get(&'a').unwrap_or(0));
        batch(|| {
            map.insert('a', 2);
            assert_eq!(a.get(), 2);
            map.insert('a', 3);
            assert_eq!(a.get(), 3);
            map.mutate(|map| map.clear());
            assert_eq!(a.get(), 0);
        });
        assert_eq!(a.get(), 0);
        map.insert('a', 5);
        assert_eq!(a.get(), 5);
    });
}

#[test]
fn a_batch_that_panics_changes_nothing() {
    in_graph(|_| {
        let map = ab();
        let (runs, _watch) = counting(&map, |map| ignore(map.get(&'a')));
        crate::stage::caught(|| {
            batch(|| {
                map.insert('a', 7);
                panic!("deliberate");
            })
        });
        assert_eq!((runs.take(), map.get(&'a')), (0, Some(1)));
        map.insert('a', 8);
        assert_eq!((runs.take(), map.get(&'a')), (1, Some(8)));
    });
}

#[test]
fn a_snapshot_reads_the_map_and_its_keys_at_one_revision() {
    in_graph(|g| {
        let map = ab();
        let then = g.snapshot();
        map.insert('a', 5);
        // First read after the snapshot, so the key's node knows nothing of the time before.
        let a = computed!([map] map.get(&'a'));
        assert_eq!(a.get(), Some(5));
        let later = g.snapshot();
        map.remove(&'a');
        assert_eq!(a.get(), None);
        assert_eq!((then.get(&a), later.get(&a)), (Some(1), Some(5)));
        assert_eq!(then.with(&map, |map| map.len()), 2);
        assert_eq!(g.snapshot().with(&map, |map| map.len()), 1);
    });
}

#[test]
fn a_draft_shows_derived_values_of_writes_nobody_else_sees() {
    in_graph(|g| {
        let map = ab();
        let a = computed!([map] map.get(&'a').unwrap_or(0));
        assert_eq!(a.get(), 1);
        let draft = g.draft();
        draft.enter(|| map.insert('a', 5));
        assert_eq!((draft.get(&a), a.get()), (5, 1));
        map.insert('b', 6);
        let draft = draft.commit().expect_err("the map has changed").into_draft();
        draft.commit_over();
        assert_eq!((a.get(), map.get(&'b')), (5, Some(6)));
    });
}

#[test]
fn keys_observed_while_a_draft_is_open_hear_of_its_commit() {
    in_graph(|g| {
        let map = ab();
        let draft = g.draft();
        draft.enter(|| map.insert('a', 5));
        let (a, _a) = counting(&map, |map| ignore(map.get(&'a')));
        let (b, _b) = counting(&map, |map| ignore(map.get(&'b')));
        draft.commit().unwrap();
        assert_eq!((a.take(), b.take()), (1, 0));
        map.insert('a', 6);
        assert_eq!((a.take(), b.take()), (1, 0));
    });
}

#[test]
fn keys_observed_while_a_draft_is_open_hear_of_its_commit_though_many_came_and_went() {
    in_graph(|g| {
        let map: ReactiveMap<i32, i32> = ReactiveMap::new();
        let draft = g.draft();
        draft.enter(|| map.insert(-1, 5));
        for key in 0..1_000 {
            let key = computed!([map] map.get(&key));
            assert_eq!(key.get(), None);
        }
        let reader = map.read_only();
        let (runs, _watch) = crate::counting(move || ignore(reader.get(&-1)));
        draft.commit().unwrap();
        assert_eq!((runs.take(), map.get(&-1)), (1, Some(5)));
    });
}

#[test]
fn a_rebased_draft_wakes_the_keys_that_its_bulk_write_changes_on_the_newer_map() {
    in_graph(|g| {
        let map = ab();
        let mut draft = g.draft();
        draft.enter(|| map.clear());
        map.insert('c', 3);
        let (c, _c) = counting(&map, |map| ignore(map.get(&'c')));
        draft.rebase();
        draft.commit().unwrap();
        assert_eq!((c.take(), map.len()), (1, 0));
    });
}

#[test]
fn transactions_that_read_different_keys_do_not_disturb_each_other() {
    in_graph(|_| {
        let map = ab();
        let tries = Count::new();
        transaction(|| {
            tries.tick();
            let a = map.get(&'a').unwrap();
            std::thread::scope(|threads| {
                threads.spawn(|| map.insert('b', 20));
            });
            map.insert('a', a + 1);
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!((tries.take(), map.get(&'a'), map.get(&'b')), (1, Some(2), Some(20)));
        let mut disturbed = false;
        transaction(|| {
            tries.tick();
            let a = map.get(&'a').unwrap();
            if !std::mem::replace(&mut disturbed, true) {
                std::thread::scope(|threads| {
                    threads.spawn(|| map.insert('a', 50));
                });
            }
            map.insert('a', a + 1);
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!((tries.take(), map.get(&'a')), (2, Some(51)));
    });
}

#[test]
fn writes_inside_a_computed_are_refused_by_name() {
    in_graph(|_| {
        let map: Map = ReactiveMap::builder().name("stock").build();
        let writing = computed!([map] map.insert('a', 1));
        let error = writing.try_get().unwrap_err();
        says(error.to_string(), &["stock"]);
        assert!(map.is_empty());
    });
}

#[test]
fn an_effect_may_write_a_map_of_another_graph_in_one_commit() {
    in_reporting_graph(|g, failures| {
        let other = reporting_to(&failures);
        let map: ReactiveMap<char, i32> = ReactiveMap::builder().graph(&other).build();
        let runs = Count::new();
        let torn = other.effect({
            let (map, runs) = (map.clone(), runs.clone());
            move || {
                runs.tick();
                assert_eq!(map.get(&'a').is_some(), map.len() == 1);
            }
        });
        let trigger = g.signal(0);
        let write = effect!([map, trigger] map.insert('a', trigger.get()));
        assert_eq!(map.get(&'a'), Some(0));
        trigger.set(1);
        assert_eq!((map.get(&'a'), runs.take()), (Some(1), 3));
        failures.expect_silence();
        drop((torn, write));
    });
}

#[test]
fn nodes_of_keys_go_when_nobody_observes_them() {
    in_graph(|g| {
        let map: ReactiveMap<i32, i32> = ReactiveMap::new();
        let at_rest = g.stats().live_nodes;
        for round in 0..200 {
            let effects: Vec<_> =
                (0..50).map(|n| effect!([map] ignore(map.get(&(round * 50 + n))))).collect();
            map.insert(round * 50, 1);
            drop(effects);
        }
        let live = g.stats().live_nodes - at_rest;
        assert!(live < 1000, "{live} nodes stay of 10,000 keys that were read");
        drop(map);
        assert_eq!(g.stats().live_nodes, 0);
    });
}

#[test]
fn a_read_from_another_graph_is_refused_with_both_names() {
    in_graph(|_| {
        let named = |name: &str| Graph::builder().name(name).build();
        let (shop, bank) = (named("shop"), named("bank"));
        let map: Map = ReactiveMap::builder().name("stock").graph(&shop).build();
        let reads = bank.computed(move || map.get(&'a'));
        says(reads.try_get().unwrap_err().to_string(), &["shop", "bank"]);
    });
}

#[test]
fn handles_of_one_map_are_equal_and_show_their_name_without_reading() {
    in_graph(|_| {
        let map: Map = ReactiveMap::builder().name("stock").build();
        assert_eq!(map, map.clone());
        assert_eq!(map.read_only(), map.clone().read_only());
        assert_ne!(map, Map::new());
        assert_eq!(format!("{map:?}"), "ReactiveMap(\"stock\")");
    });
}

#[test]
fn a_value_of_a_key_that_is_removed_and_comes_again_is_told_each_time() {
    in_graph(|_| {
        let map = Map::new();
        let trace = crate::stage::Trace::new();
        let _watch = effect!([map, trace] trace.note(map.get(&'k')));
        map.insert('k', 1);
        map.insert('k', 1);
        map.remove(&'k');
        map.alter('k', |old| old.is_none().then_some(2));
        map.alter('k', |_| None);
        assert_eq!(trace.take(), [None, Some(1), None, Some(2), None]);
    });
}

#[cfg(feature = "serde")]
#[test]
fn collections_serialize_as_what_they_hold() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([("a", 1), ("b", 2)]);
        let list = isobar::ReactiveVec::from_iter([3, 1, 2]);
        let set = isobar::ReactiveSet::from_iter([3, 1, 2]);
        let even = map.filter(|_, n| n % 2 == 0);
        let text = serde_json::to_string(&(map, list, set, even)).unwrap();
        assert_eq!(text, r#"[{"a":1,"b":2},[3,1,2],[1,2,3],{"b":2}]"#);
    });
}

#[test]
fn a_key_that_has_vanished_is_an_error_by_the_maps_and_the_keys_name() {
    in_graph(|_| {
        let prices = ReactiveMap::builder().name("prices").build();
        prices.insert("nut".to_string(), 3);
        let runs = Count::new();
        let double = computed!([prices, runs] {
            runs.tick();
            prices.try_get("nut").map(|price| price * 2)
        });
        assert_eq!(double.get(), Ok(6));
        prices.remove("nut");
        let gone = KeyError::NoSuchKey { map: "prices".into(), key: "\"nut\"".into() };
        assert_eq!(double.get(), Err(gone.clone()));
        assert_eq!(prices.try_get("nut"), Err(gone));
        prices.insert("bolt".to_string(), 1);
        assert_eq!((double.get().is_err(), runs.take()), (true, 2));
        prices.insert("nut".to_string(), 5);
        assert_eq!(double.get(), Ok(10));
    });
}

#[test]
fn a_key_of_a_map_that_has_failed_is_that_failure() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 0), ('b', 1)]);
        let inverse = map.map_values(|_, n| 100 / n);
        let failures = [inverse.try_get(&'a'), computed!([inverse] inverse.try_get(&'a')).get()];
        for failure in failures {
            assert!(matches!(failure, Err(KeyError::Read(ReadError::Panicked { .. }))));
        }
        assert_eq!(computed!([inverse] inverse.try_get(&'b')).get(), Ok(100));
    });
}

#[test]
fn keys_are_read_by_get_where_the_trait_of_all_readables_is_imported() {
    use isobar::ReadableExt;
    in_graph(|_| {
        let (map, list) = (ReactiveMap::from_iter([('a', 1)]), ReactiveVec::from_iter([7]));
        assert_eq!((map.get(&'a'), list.get(0), map.peek().len()), (Some(1), Some(7), 1));
    });
}
