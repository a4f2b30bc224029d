//! Who is woken by which write to a vector.

use crate::stage::{Trace, in_graph, says};
use crate::{counting, ignore};
use isobar::{Graph, OutOfRange, ReactiveVec, ReadVec, batch, computed, effect};

type List = ReactiveVec<i32>;
type Perform = fn(&Graph, &List, fn(&List));
type Write = (&'static str, fn(&List));
type Read = (&'static str, fn(&ReadVec<i32>), &'static str);

/// `[10, 20, 30]`; the letters of a read's row name the writes that wake it.
const WRITES: [Write; 16] = [
    ("same", |list| list.set(0, 10).unwrap()),
    ("0", |list| list.set(0, 9).unwrap()),
    ("A", |list| list.push(40)),
    ("a", |list| list.push(30)),
    ("i", |list| list.insert(0, 5).unwrap()),
    ("p", |list| ignore(list.pop())),
    ("P", |list| ignore(list.remove(0))),
    ("r", |list| list.reverse()),
    ("sorted", |list| list.sort()),
    ("w", |list| list.swap(0, 1).unwrap()),
    ("m", |list| list.move_item(0, 2).unwrap()),
    ("t", |list| list.truncate(1)),
    ("c", |list| list.clear()),
    ("k", |list| list.retain(|n| *n != 20)),
    ("x", |list| ignore(list.splice(1..2, [21, 22]))),
    ("R", |list| list.replace([10, 20, 33])),
];

const READS: [Read; 13] = [
    ("[0]", |list| ignore(list.get(0)), "0iPrwmc"),
    ("[1]", |list| ignore(list.get(1)), "iPwmtckx"),
    ("last", |list| ignore(list.last()), "AprmtcR"),
    ("first", |list| ignore(list.first()), "0iPrwmc"),
    ("[3], out of range", |list| ignore(list.get(3)), "Aaix"),
    ("len", |list| ignore(list.len()), "AaipPtckx"),
    ("is_empty", |list| ignore(list.is_empty()), "AaipPtckx"),
    ("iteration", |list| ignore(list.load().iter().count()), "0AaipPrwmtckxR"),
    ("values", |list| ignore(list.values()), "0AaipPrwmtckxR"),
    ("[0..2]", |list| ignore(list.slice(0..2)), "0iPrwmtckx"),
    ("[1..]", |list| ignore(list.slice(1..)), "AaipPrwmtckxR"),
    ("contains 20", |list| ignore(list.contains(&20)), "tckx"),
    ("position of 30", |list| ignore(list.position(&30)), "ipPrmtckxR"),
];

#[test]
fn a_write_wakes_the_readers_of_what_it_changed_once_and_nobody_else() {
    in_graph(|_| {
        let performing: [Perform; 3] = [
            |_, list, write| write(list),
            |_, list, write| batch(|| write(list)),
            |g, list, write| {
                let draft = g.draft();
                draft.enter(|| write(list));
                draft.commit().unwrap();
            },
        ];
        for (told, read, woken_by) in READS {
            for (name, write) in WRITES {
                for (how, perform) in performing.iter().enumerate() {
                    let g = Graph::new();
                    g.enter(|| {
                        let list = List::from_iter([10, 20, 30]);
                        let reader = list.read_only();
                        let (runs, _watch) = counting(move || read(&reader));
                        perform(&g, &list, write);
                        let expected = usize::from(woken_by.contains(name));
                        assert_eq!(runs.take(), expected, "{told} after {name} ({how})");
                    });
                }
            }
        }
    });
}

#[test]
fn a_reader_of_an_index_sees_what_comes_there() {
    in_graph(|_| {
        let list = List::from_iter([0, 0]);
        let trace = Trace::new();
        let _watch = effect!([list, trace] trace.note(list.get(1)));
        list.insert(0, 1).unwrap();
        list.insert(0, 1).unwrap();
        list.set(1, 2).unwrap();
        list.clear();
        list.extend([7, 8, 9]);
        assert_eq!(trace.take(), [Some(0), Some(1), Some(2), None, Some(8)]);
    });
}

#[test]
fn a_reader_of_the_last_value_hears_of_a_splice_that_shrinks() {
    in_graph(|_| {
        let list = List::from_iter([0, 0]);
        let trace = Trace::new();
        let _watch = effect!([list, trace] trace.note(list.last()));
        assert_eq!(list.splice(0..2, [1]), Ok(vec![0, 0]));
        assert_eq!(trace.take(), [Some(0), Some(1)]);
    });
}

#[test]
fn a_range_counted_from_the_end_moves_with_it_and_is_still_when_its_values_are() {
    in_graph(|_| {
        let list = List::from_iter([0, 1]);
        let trace = Trace::new();
        let before_the_last = computed!([list] {
            let end = list.len().saturating_sub(1);
            list.slice(end.saturating_sub(2)..end)
        });
        let _watch = effect!([before_the_last, trace] trace.note(before_the_last.get()));
        assert_eq!(trace.take(), [[0]]);
        for expected in [vec![vec![0, 1]], vec![vec![1, 2]], vec![vec![2, 2]], vec![]] {
            list.push(2);
            assert_eq!(trace.take(), expected);
        }
    });
}

#[test]
fn what_reads_a_slice_is_gone_with_its_observer() {
    in_graph(|g| {
        let list = List::from_iter([1, 2, 3, 4]);
        let at_rest = g.stats().live_nodes;
        let trace = Trace::new();
        let watch = effect!([list, trace] trace.note(list.slice(1..2)));
        list.splice(1..3, [20, 30]).unwrap();
        list.set(1, 200).unwrap();
        list.set(3, 5).unwrap();
        assert_eq!(trace.take(), [[2], [20], [200]]);
        drop(watch);
        assert_eq!(g.stats().live_nodes, at_rest);
    });
}

#[test]
fn an_index_that_is_out_of_range_is_an_error_that_says_so_and_writes_nothing() {
    in_graph(|g| {
        let list = List::from_iter([1]);
        let before = g.revision();
        let error = OutOfRange { index: 1, len: 1 };
        assert_eq!(list.set(1, 5), Err(error));
        assert_eq!(list.remove(1), Err(error));
        assert_eq!(list.swap(0, 1), Err(error));
        assert_eq!(list.insert(2, 5), Err(OutOfRange { index: 2, len: 1 }));
        assert_eq!(list.splice(0..2, []), Err(OutOfRange { index: 2, len: 1 }));
        assert_eq!(batch(|| list.set(1, 5)), Err(error));
        assert_eq!((list.get(1), g.revision()), (None, before));
        says(error.to_string(), &["index 1", "1 values"]);
    });
}

#[test]
fn the_author_of_a_batch_reads_its_own_writes_also_through_computeds() {
    in_graph(|_| {
        let list = List::from_iter([1, 2]);
        let second = computed!([list] list.get(1));
        let third = computed!([list] list.get(2));
        assert_eq!((second.get(), third.get()), (Some(2), None));
        batch(|| {
            list.push(3);
            assert_eq!((second.get(), third.get(), list.len()), (Some(2), Some(3), 3));
            assert_eq!(list.remove(0), Ok(1));
            assert_eq!((second.get(), third.get(), list.pop()), (Some(3), None, Some(3)));
            list.set(0, 7).unwrap();
        });
        assert_eq!((second.get(), list.values()), (None, vec![7]));
    });
}

#[test]
fn push_and_pop_in_one_batch_wake_nobody() {
    in_graph(|_| {
        let list = List::from_iter([1, 2]);
        let reader = list.read_only();
        let (runs, _watch) = counting(move || ignore((reader.values(), reader.get(1))));
        batch(|| {
            list.push(3);
            list.pop();
        });
        assert_eq!(runs.take(), 0);
    });
}

#[test]
fn a_write_that_changes_nothing_is_no_commit() {
    in_graph(|g| {
        let list = List::from_iter([1, 2]);
        let reader = list.read_only();
        let (runs, _watch) = counting(move || ignore((reader.get(0), reader.get(2))));
        let before = g.revision();
        list.set(0, 1).unwrap();
        list.update(1, |n| *n).unwrap();
        list.swap(1, 1).unwrap();
        list.truncate(2);
        list.retain(|_| true);
        list.sort();
        list.replace([1, 2]);
        assert_eq!((g.revision(), runs.take()), (before, 0));
    });
}

#[test]
fn writes_recorded_in_a_draft_are_replayed_on_what_others_wrote() {
    in_graph(|g| {
        let list = List::from_iter([1, 2, 3]);
        let mut draft = g.draft();
        draft.enter(|| {
            list.push(4);
            list.pop();
            list.insert(3, 9).unwrap();
        });
        let reader = list.read_only();
        let (runs, _watch) = counting(move || ignore((reader.get(0), reader.get(1))));
        list.truncate(1);
        assert_eq!(runs.take(), 1);
        draft.rebase();
        draft.commit().unwrap();
        assert_eq!((list.values(), runs.take()), (vec![1, 9], 1));
    });
}
