//! Changes as a stream: polled and called back.

use crate::stage::{Trace, in_graph};
use isobar::{MapDiff, ReactiveMap, ReactiveVec, VecDiff, batch, signal};

#[test]
fn a_maps_changes_begin_with_all_of_it_and_are_what_differs_since() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 1), ('b', 2)]);
        let mut changes = map.changes();
        let entries = (*map.load()).clone();
        assert_eq!(changes.poll(), [MapDiff::Reset { entries }]);
        assert_eq!(changes.poll(), []);
        map.insert('c', 3);
        batch(|| {
            map.insert('a', 5);
            map.remove(&'b');
        });
        let (update, remove, insert) = (
            MapDiff::Update { key: 'a', old: 1, value: 5 },
            MapDiff::Remove { key: 'b', old: 2 },
            MapDiff::Insert { key: 'c', value: 3 },
        );
        assert_eq!(changes.by_ref().collect::<Vec<_>>(), [update, remove, insert]);
        map.insert('d', 1);
        map.remove(&'d');
        assert_eq!(changes.next(), None);
    });
}

#[test]
fn a_subscriber_to_a_map_is_called_once_a_commit() {
    in_graph(|_| {
        let map = ReactiveMap::new();
        let calls = Trace::new();
        let seen = calls.clone();
        let subscribed = map.subscribe_diff(move |diffs| seen.note(diffs.len()));
        batch(|| map.insert_many([(1, 1), (2, 2), (3, 3)]));
        map.insert(1, 1);
        map.clear();
        drop(subscribed);
        map.insert(1, 1);
        assert_eq!(calls.take(), [1, 3, 3]);
    });
}

#[test]
fn a_vectors_changes_are_the_steps_that_were_made() {
    in_graph(|_| {
        let list = ReactiveVec::from_iter([1, 2]);
        let mut changes = list.changes();
        assert!(matches!(&changes.poll()[..], [VecDiff::Reset { values }] if values.len() == 2));
        batch(|| {
            list.push(3);
            list.set(0, 7).unwrap();
        });
        list.move_item(0, 2).unwrap();
        list.remove(0).unwrap();
        let steps = [
            VecDiff::Insert { index: 2, value: 3 },
            VecDiff::Update { index: 0, old: 1, value: 7 },
            VecDiff::Move { from: 0, to: 2 },
            VecDiff::Remove { index: 0, old: 2 },
        ];
        assert_eq!(changes.poll(), steps);
        assert_eq!(changes.poll(), []);
    });
}

#[test]
fn what_is_written_as_it_was_is_no_step_and_a_few_other_values_are_updates() {
    in_graph(|_| {
        let list = ReactiveVec::from_iter([1, 2, 3]);
        let mut changes = list.changes();
        changes.poll();
        batch(|| {
            list.set(0, 1).unwrap();
            list.push(4);
        });
        assert_eq!(changes.poll(), [VecDiff::Insert { index: 3, value: 4 }]);
        list.splice(1..3, [2, 7]).unwrap();
        assert_eq!(changes.poll(), [VecDiff::Update { index: 2, old: 3, value: 7 }]);
        list.replace([1, 5, 7, 6]);
        let steps = [
            VecDiff::Update { index: 1, old: 2, value: 5 },
            VecDiff::Update { index: 3, old: 4, value: 6 },
        ];
        assert_eq!(changes.poll(), steps);
    });
}

#[test]
fn what_was_not_taken_of_one_look_comes_with_the_next() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 1)]);
        let list = ReactiveVec::from_iter([1]);
        let (mut of_map, mut of_list) = (map.changes(), list.changes());
        of_map.poll();
        of_list.poll();
        map.insert_many([('b', 2), ('c', 3)]);
        list.extend([2, 3]);
        assert!(of_map.next().is_some() && of_list.next().is_some());
        map.remove(&'a');
        list.push(4);
        let rest = [MapDiff::Insert { key: 'c', value: 3 }, MapDiff::Remove { key: 'a', old: 1 }];
        assert_eq!(of_map.poll(), rest);
        let rest = [VecDiff::Insert { index: 2, value: 3 }, VecDiff::Insert { index: 3, value: 4 }];
        assert_eq!(of_list.poll(), rest);
    });
}

#[test]
fn what_the_callback_for_changes_reads_wakes_nobody() {
    in_graph(|g| {
        let (map, list, other) = (ReactiveMap::new(), ReactiveVec::new(), signal(0));
        let calls = Trace::new();
        let (seen, read) = (calls.clone(), other.clone());
        let _of_map = map.subscribe_diff(move |diffs: &[MapDiff<i32, i32>]| {
            read.get();
            seen.note(("map", diffs.len()));
        });
        let (seen, read) = (calls.clone(), other.clone());
        let _of_list = list.subscribe_diff(move |diffs: &[VecDiff<i32>]| {
            read.get();
            seen.note(("list", diffs.len()));
        });
        assert_eq!(calls.take(), [("map", 1), ("list", 1)]);
        let before = g.stats().effect_runs;
        other.set(1);
        assert_eq!(g.stats().effect_runs, before);
    });
}

#[test]
fn who_is_too_far_behind_begins_again() {
    in_graph(|_| {
        let list = ReactiveVec::from_iter([0]);
        let (mut prompt, mut slow) = (list.changes(), list.changes());
        prompt.poll();
        slow.poll();
        for n in 1..3000 {
            list.push(n);
            assert_eq!(prompt.poll(), [VecDiff::Insert { index: n, value: n }]);
        }
        assert!(matches!(&slow.poll()[..], [VecDiff::Reset { values }] if values.len() == 3000));
        list.reverse();
        assert!(matches!(&prompt.poll()[..], [VecDiff::Reset { .. }]));
        assert!(matches!(&slow.poll()[..], [VecDiff::Reset { .. }]));
        assert!(prompt.next().is_none() && slow.next().is_none());
    });
}

#[test]
fn a_sorted_list_tells_its_changes_as_steps() {
    in_graph(|_| {
        let scores = ReactiveMap::from_iter([("ann", 1), ("bob", 2)]);
        let ranking = scores.sorted_by(|(_, a), (_, b)| a.cmp(b));
        let mut changes = ranking.changes();
        changes.poll();
        scores.insert("ann", 3);
        let steps = [
            VecDiff::Remove { index: 0, old: ("ann", 1) },
            VecDiff::Insert { index: 1, value: ("ann", 3) },
        ];
        assert_eq!(changes.poll(), steps);
    });
}
