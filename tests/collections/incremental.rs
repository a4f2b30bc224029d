//! Derived collections: right, woken by what concerns them, and without a look at the rest.

use crate::stage::{Count, caught, in_graph, says};
use crate::{counting, ignore};
use isobar::{ReactiveMap, ReactiveSet, batch, effect};

type Write = (&'static str, fn(&ReactiveMap<i32, i32>));

fn numbers(n: i32) -> ReactiveMap<i32, i32> {
    (0..n).map(|key| (key, key)).collect()
}

#[test]
fn a_change_costs_runs_for_the_entries_that_changed_only() {
    in_graph(|_| {
        let map = numbers(1000);
        let runs = Count::new();
        let tick = runs.clone();
        let doubled = map.map_values(move |_, n| {
            tick.tick();
            n * 2
        });
        let tick = runs.clone();
        let even = map.count(move |_, n| {
            tick.tick();
            n % 2 == 0
        });
        let tick = runs.clone();
        let by_ten = map.group_by(move |_, n| {
            tick.tick();
            n / 10
        });
        let all = move || (doubled.load().len(), even.get(), by_ten.load().len());
        assert_eq!((all(), runs.take()), ((1000, 500, 100), 3000));
        map.insert(7, 8);
        assert_eq!((all(), runs.take()), ((1000, 501, 100), 1 + 2 + 2));
        batch(|| {
            map.remove(&500);
            map.insert(5000, 5000);
        });
        assert_eq!((all(), runs.take()), ((1000, 501, 101), 1 + 2 + 2));
    });
}

#[test]
fn what_a_draft_makes_of_it_costs_nobody_else_a_run() {
    in_graph(|g| {
        let runs = Count::new();
        let map = numbers(1_000);
        let ran = runs.clone();
        let doubled = map.map_values(move |_, n| {
            ran.tick();
            n * 2
        });
        assert_eq!(doubled.values().len(), 1_000);
        let draft = g.draft();
        draft.enter(|| map.clear());
        assert!(draft.enter(|| doubled.values()).is_empty());
        runs.take();
        map.insert(5, 50);
        assert_eq!((doubled.get(&5), doubled.values()[5]), (Some(100), 100));
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn what_the_function_of_a_derived_map_reads_is_no_source() {
    in_graph(|g| {
        let (map, rate) = (ReactiveMap::from_iter([("nut", 3)]), g.signal(2));
        let scaled = map.map_values({
            let rate = rate.clone();
            move |_, n| n * rate.get()
        });
        let watch = effect!([scaled] _ = (scaled.get(&"nut"), scaled.values()));
        let before = g.stats();
        rate.set(5);
        let after = g.stats();
        assert_eq!(after.effect_runs, before.effect_runs);
        assert_eq!(after.recomputes, before.recomputes);
        map.insert("nut", 4);
        assert_eq!(scaled.values(), [20]);
        drop(watch);
    });
}

#[test]
fn a_key_is_in_a_filtered_map_while_its_value_passes() {
    in_graph(|_| {
        let stock = ReactiveMap::from_iter([("bolt", 5), ("nut", 0)]);
        let scarce = stock.filter(|_, n| *n < 3);
        let is_scarce = ["bolt", "nut", "screw"].map(|key| {
            let scarce = scarce.clone();
            isobar::computed(move || scarce.contains_key(&key))
        });
        let all = || is_scarce.each_ref().map(|node| node.get());
        assert_eq!(all(), [false, true, false]);
        stock.insert("bolt", 1);
        stock.insert("screw", 2);
        stock.remove(&"nut");
        assert_eq!(all(), [true, false, true]);
        assert_eq!(["bolt", "nut"].map(|key| scarce.contains_key(&key)), [true, false]);
    });
}

#[test]
fn a_sorted_list_is_brought_up_to_date_by_a_few_comparisons() {
    in_graph(|_| {
        let map = numbers(1000);
        let compared = Count::new();
        let tick = compared.clone();
        let sorted = map.sorted_by(move |(_, a), (_, b)| {
            tick.tick();
            b.cmp(a)
        });
        assert_eq!(sorted.first(), Some((999, 999)));
        compared.take();
        map.insert(3, 5000);
        assert_eq!((sorted.first(), sorted.len()), (Some((3, 5000)), 1000));
        let comparisons = compared.take();
        assert!(comparisons < 50, "{comparisons} comparisons for one change in 1000");
        map.remove(&3);
        assert_eq!((sorted.get(0), sorted.get(998)), (Some((999, 999)), Some((0, 0))));
    });
}

const WRITES: [Write; 4] = [
    ("3", |map| ignore(map.insert(3, 4))),
    ("4", |map| ignore(map.insert(4, 3))),
    ("9", |map| ignore(map.insert(9, 11))),
    ("x", |map| ignore(map.remove(&3))),
];

/// Makes all writes, and expects the read to be woken by these only.
fn woken_by<C: 'static + Send>(
    expected: &[&str],
    derive: fn(&ReactiveMap<i32, i32>) -> C,
    read: fn(&C),
) {
    let map = numbers(10);
    let derived = derive(&map);
    let (runs, _watch) = counting(move || read(&derived));
    let woken = WRITES.map(|(name, write)| {
        write(&map);
        (name, runs.take())
    });
    let expected = WRITES.map(|(name, _)| (name, usize::from(expected.contains(&name))));
    assert_eq!(woken, expected);
}

#[test]
fn a_reader_of_a_key_in_a_derived_map_is_woken_by_that_key_only() {
    in_graph(|_| {
        woken_by(&["3", "x"], |map| map.map_values(|_, n| n * 2), |map| ignore(map.get(&3)));
        woken_by(&["x"], |map| map.map_values(|_, n| n * 2), |map| ignore(map.len()));
        woken_by(&["x"], |map| map.map_values(|_, n| n * 2), |map| ignore(map.keys()));
        woken_by(&[], |map| map.map_values(|_, n| n / 5), |map| ignore(map.get(&4)));
    });
}

#[test]
fn a_reader_of_a_filtered_map_is_woken_by_what_passes_only() {
    in_graph(|_| {
        let even = |map: &ReactiveMap<i32, i32>| map.filter(|_, n| n % 2 == 0);
        woken_by(&["3", "x"], even, |map| ignore(map.get(&3)));
        woken_by(&["4"], even, |map| ignore(map.contains_key(&4)));
        woken_by(&["3", "4", "x"], even, |map| ignore(map.keys()));
        woken_by(&[], even, |map| ignore(map.get(&9)));
    });
}

#[test]
fn a_reader_of_a_group_or_a_place_is_woken_by_that_one_only() {
    in_graph(|_| {
        let by_half = |map: &ReactiveMap<i32, i32>| map.group_by(|_, n| n / 5);
        woken_by(&["3", "4", "x"], by_half, |groups| ignore(groups.get(&0)));
        woken_by(&["9"], by_half, |groups| ignore(groups.get(&1)));
        woken_by(&["9"], by_half, |groups| ignore(groups.keys()));
        let sorted = |map: &ReactiveMap<i32, i32>| map.sorted_by(|(_, a), (_, b)| a.cmp(b));
        woken_by(&[], sorted, |list| ignore(list.get(0)));
        woken_by(&["3", "4"], sorted, |list| ignore(list.get(3)));
        woken_by(&["9"], sorted, |list| ignore(list.last()));
    });
}

#[test]
fn derived_collections_are_right_in_batches_drafts_and_snapshots() {
    in_graph(|g| {
        let map = numbers(10);
        let even = map.filter(|_, n| n % 2 == 0);
        let count = map.count(|_, n| n % 2 == 0);
        assert_eq!((even.len(), count.get()), (5, 5));
        let then = g.snapshot();
        batch(|| {
            map.insert(1, 2);
            assert_eq!((even.len(), count.get(), even.get(&1)), (6, 6, Some(2)));
        });
        let draft = g.draft();
        draft.enter(|| {
            map.clear();
            assert_eq!((even.len(), count.get(), even.get(&1)), (0, 0, None));
        });
        map.insert(3, 4);
        assert_eq!((even.len(), count.get(), draft.get(&count)), (7, 7, 0));
        assert_eq!((then.with(&even, |even| even.len()), then.get(&count)), (5, 5));
    });
}

#[test]
fn derived_collections_are_built_of_each_other() {
    in_graph(|_| {
        let map = numbers(100);
        let top = map
            .filter(|_, n| n % 2 == 0)
            .map_values(|_, n| n % 10)
            .group_by(|_, n| *n)
            .map_values(|_, members| members.len());
        assert_eq!(top.values(), [10; 5]);
        let (runs, _watch) = counting({
            let top = top.clone();
            move || ignore(top.get(&4))
        });
        map.insert(14, 15);
        map.insert(15, 17);
        assert_eq!((top.get(&4), runs.take()), (Some(9), 1));
        let set = ReactiveSet::from_iter(0..10);
        let small = set.filter(|n| *n < 3);
        set.remove(&1);
        assert_eq!((small.elements(), set.count(|n| *n > 5).get()), (vec![0, 2], 4));
    });
}

#[test]
fn a_function_that_panics_fails_the_derived_map_until_its_entry_changes() {
    in_graph(|_| {
        let map = numbers(3);
        let inverse = map.map_values(|_, n| 12 / n);
        let (failed, other) = (inverse.clone(), inverse.clone());
        says(caught(move || failed.load()), &["zero"]);
        assert_eq!(isobar::computed(move || other.get(&2)).get(), Some(6));
        map.insert(0, 4);
        assert_eq!(inverse.values(), [3, 12, 6]);
    });
}
