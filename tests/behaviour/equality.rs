//! What counts as a change: `PartialEq`, a function of one's own, or always.

use isobar::{Computed, Signal, computed, effect, signal};

use crate::stage::{Count, Trace, in_graph};

#[test]
fn content_decides_by_default() {
    in_graph(|_| {
        let runs = Count::new();
        let list = signal(vec![1, 2]);
        let _watch = effect!([list, runs] { list.with(|_| ()); runs.tick(); });
        list.set(vec![1, 2]);
        list.update(Vec::clone);
        list.mutate(|_| ());
        list.mutate(|l| {
            l.push(3);
            l.pop();
        });
        list.replace(vec![1, 2]);
        assert_eq!(runs.take(), 1);
        list.set(vec![2, 1]);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn an_equality_is_asked_with_the_old_value_first_and_not_for_the_first_value() {
    in_graph(|_| {
        let asked = Trace::new();
        let log = asked.clone();
        let noting = move |old: &i32, new: &i32| {
            log.note((*old, *new));
            old == new
        };
        let s = Signal::builder(1).equality(noting.clone()).build();
        let source = s.clone();
        let c = Computed::builder(move || source.get() * 10).equality(noting).build();
        c.get();
        asked.expect_silence();
        s.set(2);
        assert_eq!(asked.take(), [(1, 2)]);
        c.get();
        assert_eq!(asked.take(), [(10, 20)]);
    });
}

#[test]
fn an_equal_value_is_not_stored() {
    in_graph(|_| {
        let runs = Count::new();
        let by_length = |old: &Vec<i32>, new: &Vec<i32>| old.len() == new.len();
        let list = Signal::builder(vec![1, 2, 3]).equality(by_length).build();
        let _watch = effect!([list, runs] { list.with(|_| ()); runs.tick(); });
        list.set(vec![4, 5, 6]);
        assert_eq!((list.get(), runs.take()), (vec![1, 2, 3], 1));
        list.set(vec![7, 8, 9, 10]);
        assert_eq!((list.get(), runs.take()), (vec![7, 8, 9, 10], 1));
    });
}

#[test]
fn small_steps_are_measured_from_the_stored_value_and_add_up() {
    in_graph(|_| {
        let seen = Trace::new();
        let near = |old: &f64, new: &f64| (old - new).abs() < 1.0;
        let s = Signal::builder(1.0).equality(near).build();
        let _watch = effect!([s, seen] seen.note(s.get()));
        for value in [1.5, 2.2, 2.9, 3.5] {
            s.set(value);
        }
        assert_eq!(seen.take(), [1.0, 2.2, 3.5]);
    });
}

#[test]
fn always_makes_every_set_a_change_and_needs_no_partial_eq() {
    struct Opaque(i32);
    in_graph(|_| {
        let seen = Trace::new();
        let s = Signal::builder(Opaque(1)).always().build();
        let _watch = effect!([s, seen] seen.note(s.with(|o| o.0)));
        s.set(Opaque(1));
        s.set(Opaque(2));
        assert_eq!(seen.take(), [1, 1, 2]);
    });
}

#[test]
fn an_always_computed_passes_every_run_on() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let source = s.clone();
        let parity = Computed::builder(move || source.get() % 2).always().build();
        let _watch = effect!([parity, seen] seen.note(parity.get()));
        s.set(3);
        s.set(3);
        s.set(5);
        assert_eq!(seen.take(), [1, 1, 1]);
    });
}

#[test]
fn what_is_not_equal_to_itself_is_a_change_each_time() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(f64::NAN);
        let c = computed!([s] s.get());
        let _watch = effect!([c, runs] { c.get(); runs.tick(); });
        s.set(f64::NAN);
        assert_eq!(runs.take(), 2);
    });
}

#[test]
fn what_an_equality_reads_makes_no_edge() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, tolerance) = (signal(0), signal(5));
        let (source, bound) = (s.clone(), tolerance.clone());
        let c = Computed::builder(move || source.get())
            .equality(move |old: &i32, new: &i32| (old - new).abs() < bound.get())
            .build();
        let _watch = effect!([c, runs] { c.get(); runs.tick(); });
        s.set(1);
        tolerance.set(1);
        assert_eq!(runs.take(), 1);
        s.set(2);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn an_equality_may_read_what_takes_many_steps() {
    in_graph(|_| {
        let s = signal(0_u64);
        let foot = computed!([s] s.get());
        let deep = (0..300).fold(foot, |below, _| computed(move || below.get() + 1));
        let source = s.clone();
        let reading = move |old: &u64, new: &u64| {
            // Deep for the first time: the list of steps gets another place, and these its old.
            deep.get();
            let others: Vec<_> = (1..200).map(|size| vec![u64::MAX; size]).collect();
            !others.is_empty() && old == new
        };
        let c = Computed::builder(move || source.get()).equality(reading).build();
        let top = computed!([c] c.get());
        top.get();
        for value in 1..5 {
            s.set(value);
            assert_eq!((top.get(), c.get()), (value, value));
        }
    });
}
