//! Changes as a stream: polled and called back.

use crate::stage::{Trace, in_graph};
use isobar::{MapDiff, ReactiveMap, ReactiveVec, VecDiff, batch};

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
