//! Changes as a stream that is awaited.

use crate::stage::in_graph;
use futures::executor::block_on;
use futures::stream::StreamExt;
use isobar::{MapDiff, ReactiveMap, ReactiveSet, ReactiveVec, VecDiff, batch};
use std::collections::BTreeMap;
use std::thread;

#[test]
fn a_stream_begins_with_all_and_goes_on_with_a_step_a_commit() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 1)]);
        let mut steps = map.stream_diff();
        let entries = (*map.load()).clone();
        let mut next = || block_on(steps.next()).unwrap().unwrap();
        assert_eq!(next(), [MapDiff::Reset { entries }]);
        batch(|| {
            map.insert('b', 2);
            map.insert('a', 3);
        });
        let update = MapDiff::Update { key: 'a', old: 1, value: 3 };
        assert_eq!(next(), [update, MapDiff::Insert { key: 'b', value: 2 }]);
    });
}

#[test]
fn a_slow_consumer_gets_one_step_for_many_commits() {
    in_graph(|_| {
        let (list, set) = (ReactiveVec::new(), ReactiveSet::new());
        let (mut of_list, mut of_set) = (list.stream_diff(), set.stream_diff());
        assert!(block_on(of_list.next()).is_some() && block_on(of_set.next()).is_some());
        for n in 0..3 {
            list.push(n);
            set.insert(n);
        }
        set.remove(&1);
        let pushes = [0, 1, 2].map(|n| VecDiff::Insert { index: n, value: n });
        assert_eq!(block_on(of_list.next()).unwrap().unwrap(), pushes);
        let inserts = [0, 2].map(|key| MapDiff::Insert { key, value: () });
        assert_eq!(block_on(of_set.next()).unwrap().unwrap(), inserts);
    });
}

#[test]
fn what_is_back_as_it_was_is_no_step() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 1)]);
        let mut steps = map.stream_diff();
        assert!(block_on(steps.next()).is_some());
        map.insert('b', 2);
        map.remove(&'b');
        map.insert('c', 3);
        let insert = MapDiff::Insert { key: 'c', value: 3 };
        assert_eq!(block_on(steps.next()).unwrap().unwrap(), [insert]);
    });
}

#[test]
fn a_failed_derived_map_is_an_item_and_the_stream_leads_on() {
    in_graph(|_| {
        let map = ReactiveMap::from_iter([('a', 1)]);
        let inverse = map.map_values(|_, n| 100 / n);
        let mut steps = inverse.stream_diff();
        assert!(block_on(steps.next()).unwrap().is_ok());
        map.insert('a', 0);
        let failure = block_on(steps.next()).unwrap().unwrap_err().to_string();
        assert!(failure.contains("divide by zero"), "{failure}");
        map.insert('a', 2);
        let update = MapDiff::Update { key: 'a', old: 100, value: 50 };
        assert_eq!(block_on(steps.next()).unwrap().unwrap(), [update]);
    });
}

#[test]
fn a_copy_kept_by_a_stream_is_the_map_once_the_graph_is_shut_down() {
    in_graph(|g| {
        let map: ReactiveMap<u32, u32> = ReactiveMap::new();
        let steps = map.stream_diff();
        let kept = thread::scope(|threads| {
            let copier = threads.spawn(|| block_on(steps.fold(BTreeMap::new(), applied)));
            let writers = [0, 1].map(|one| {
                let map = &map;
                threads.spawn(move || {
                    for n in 0..200 {
                        map.insert(n % 17, n * 2 + one);
                        map.remove(&((n + one) % 13));
                    }
                })
            });
            for writer in writers {
                writer.join().unwrap();
            }
            g.settle().unwrap();
            g.shutdown();
            copier.join().unwrap()
        });
        assert!(kept.iter().eq(map.load().iter()), "{kept:?} and {:?}", map.load());
    });
}

type Step = Result<Vec<MapDiff<u32, u32>>, isobar::ReadError>;

async fn applied(mut copy: BTreeMap<u32, u32>, step: Step) -> BTreeMap<u32, u32> {
    for diff in step.unwrap() {
        match diff {
            MapDiff::Reset { entries } => copy = entries.into_iter().collect(),
            MapDiff::Insert { key, value } => assert_eq!(copy.insert(key, value), None),
            MapDiff::Update { key, old, value } => assert_eq!(copy.insert(key, value), Some(old)),
            MapDiff::Remove { key, old } => assert_eq!(copy.remove(&key), Some(old)),
            other => panic!("not known: {other:?}"),
        }
    }
    copy
}
