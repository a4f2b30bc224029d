//! Who is woken by which write to a set.

use crate::stage::in_graph;
use crate::{counting, ignore};
use isobar::{Graph, ReactiveSet, ReadSet, batch};

type Set = ReactiveSet<i32>;
type Perform = fn(&Set, fn(&Set));
type Write = (&'static str, fn(&Set));
type Read = (&'static str, fn(&ReadSet<i32>), &'static str);

/// `{1, 2}`; the letters of a read's row name the writes that wake it.
const WRITES: [Write; 9] = [
    ("again", |set| ignore(set.insert(1))),
    ("9", |set| ignore(set.insert(9))),
    ("x", |set| ignore(set.remove(&1))),
    ("absent", |set| ignore(set.remove(&7))),
    ("c", |set| set.clear()),
    ("m", |set| set.insert_many([8, 9])),
    ("t", |set| ignore(set.toggle(1))),
    ("r", |set| set.retain(|n| *n == 1)),
    ("p", |set| set.replace([1, 9])),
];

const READS: [Read; 7] = [
    ("contains 1", |set| ignore(set.contains(&1)), "xct"),
    ("contains 9", |set| ignore(set.contains(&9)), "9mp"),
    ("disjoint from 9", |set| ignore(set.is_disjoint([9])), "9mp"),
    ("len", |set| ignore(set.len()), "9xcmtr"),
    ("elements", |set| ignore(set.elements()), "9xcmtrp"),
    ("first", |set| ignore(set.first()), "xct"),
    ("last", |set| ignore(set.last()), "9cmrp"),
];

#[test]
fn a_write_wakes_the_readers_of_what_it_changed_once_and_nobody_else() {
    in_graph(|_| {
        let performing: [Perform; 2] = [|set, write| write(set), |set, write| batch(|| write(set))];
        for (told, read, woken_by) in READS {
            for (name, write) in WRITES {
                for perform in performing {
                    Graph::new().enter(|| {
                        let set = Set::from_iter([1, 2]);
                        let reader = set.read_only();
                        let (runs, _watch) = counting(move || read(&reader));
                        perform(&set, write);
                        let expected = usize::from(woken_by.contains(name));
                        assert_eq!(runs.take(), expected, "{told} after {name}");
                    });
                }
            }
        }
    });
}

#[test]
fn writes_tell_what_they_did() {
    in_graph(|_| {
        let set = Set::new();
        assert!(set.insert(1) && !set.insert(1));
        assert!(!set.toggle(1) && set.toggle(1));
        assert!(set.remove(&1) && !set.remove(&1));
        assert!(batch(|| set.insert(3) && set.contains(&3)));
        assert_eq!(set.elements(), [3]);
    });
}

#[test]
fn a_sorted_reader_of_a_set_sees_each_change() {
    in_graph(|_| {
        let set = Set::from_iter([1, 2, 3, 4]);
        let trace = crate::stage::Trace::new();
        let _watch = isobar::effect!([set, trace] trace.note(set.elements()));
        set.insert(4);
        set.remove(&2);
        assert_eq!(trace.take(), [vec![1, 2, 3, 4], vec![1, 3, 4]]);
    });
}
