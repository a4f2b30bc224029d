//! C5 and the other writes: `update`, `mutate`, `replace`, `compare_set`, `touch`.

use std::sync::Arc;
use std::thread;

use isobar::{Graph, Signal, WriteError, computed, effect, signal, snapshot};

use crate::stage::{Count, Gate, Halt, Trace, in_graph, on_stage};

const THREADS: u64 = 4;
const TURNS: u64 = 5_000;

/// Every thread takes all its turns; all start together.
fn all_at_once(turn: impl Fn(u64) + Sync) {
    let start = Gate::new();
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let (turn, start) = (&turn, &start);
            scope.spawn(move || {
                start.pass();
                (0..TURNS).for_each(|i| turn(worker * TURNS + i));
            });
        }
        start.open();
    });
}

#[test]
fn increments_by_many_threads_are_all_kept() {
    in_graph(|_| {
        let s = signal(0_u64);
        all_at_once(|_| s.update(|v| v + 1));
        assert_eq!(s.get(), THREADS * TURNS);
    });
}

#[test]
fn increments_in_batches_by_many_threads_are_all_kept() {
    in_graph(|g| {
        let (a, b) = (signal(0_u64), signal(0_u64));
        all_at_once(|_| {
            g.batch(|| {
                a.update(|v| v + 1);
                b.mutate(|v| *v += 2);
            })
        });
        assert_eq!((a.get(), b.get()), (THREADS * TURNS, 2 * THREADS * TURNS));
    });
}

#[test]
fn increments_in_effects_are_kept_beside_those_of_many_threads() {
    in_graph(|g| {
        let (s, total) = (signal(0_u64), signal(0_u64));
        let runs = Count::new();
        let _watch = effect!([s, total, runs] {
            s.get();
            runs.tick();
            total.update(|t| t + 1_000_000);
        });
        all_at_once(|_| {
            s.update(|v| v + 1);
            total.update(|t| t + 1);
        });
        g.settle().unwrap();
        assert_eq!(total.get(), THREADS * TURNS + runs.take() as u64 * 1_000_000);
    });
}

#[test]
fn an_update_whose_value_was_overtaken_is_applied_to_the_newer_one() {
    in_graph(|_| {
        let given = Trace::new();
        let (s, halt) = (signal(0), Halt::first());
        thread::scope(|scope| {
            scope.spawn(|| {
                let (log, place) = (given.clone(), halt.clone());
                s.update(move |old| {
                    log.note(*old);
                    place.here();
                    old + 1
                });
            });
            halt.reached();
            s.set(10);
            halt.release();
        });
        assert_eq!(s.get(), 11);
        assert_eq!(given.take(), [0, 10]);
    });
}

#[test]
fn an_update_that_nobody_overtakes_runs_once() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(1);
        let ran = runs.clone();
        s.update(move |v| {
            ran.tick();
            v + 1
        });
        assert_eq!((s.get(), runs.take()), (2, 1));
    });
}

#[test]
fn mutate_copies_what_others_hold() {
    in_graph(|_| {
        let s = signal(vec![1]);
        let (loaded, held) = (s.load(), snapshot());
        s.mutate(|v| v.push(2));
        assert_eq!((s.get(), (*loaded).clone(), held.get(&s)), (vec![1, 2], vec![1], vec![1]));
    });
}

#[test]
fn each_replaced_value_is_handed_to_exactly_one_thread() {
    in_graph(|_| {
        let s = signal(u64::MAX);
        let handed_out = Trace::new();
        all_at_once(|id| handed_out.note(*s.replace(id)));
        handed_out.note(s.get());
        let mut expected: Vec<_> = (0..THREADS * TURNS).collect();
        expected.push(u64::MAX);
        assert_eq!(handed_out.take_sorted(), expected);
    });
}

#[test]
fn replace_gives_the_old_value_and_tells_the_observers() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let _watch = effect!([s, seen] seen.note(s.get()));
        assert_eq!(*s.replace(2), 1);
        assert_eq!(seen.take(), [1, 2]);
    });
}

#[test]
fn compare_set_refuses_what_changed_after_and_nothing_else() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let at = g.revision();
        b.set(2);
        a.set(1);
        assert_eq!(a.compare_set(at, 2), Ok(()), "neither b nor an equal set changed a");
        assert!(matches!(a.compare_set(at, 3), Err(WriteError::Conflict { .. })));
        assert_eq!(a.get(), 2);
        assert_eq!(a.compare_set(a.revision(), 4), Ok(()));
        assert_eq!(a.compare_set(g.revision(), 5), Ok(()));
        assert_eq!(a.get(), 5);
    });
}

#[test]
fn a_touch_counts_as_a_change_for_compare_set() {
    in_graph(|_| {
        let a = signal(1);
        let at = a.revision();
        a.touch();
        assert!(a.revision() > at);
        assert!(a.compare_set(at, 2).is_err());
    });
}

#[test]
fn increments_by_compare_set_are_all_kept() {
    in_graph(|g| {
        let s = signal(0_u64);
        all_at_once(|_| {
            loop {
                let seen = g.snapshot();
                if s.compare_set(seen.revision(), seen.get(&s) + 1).is_ok() {
                    break;
                }
            }
        });
        assert_eq!(s.get(), THREADS * TURNS);
    });
}

#[test]
fn a_touch_tells_direct_observers_although_the_value_is_the_same() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let c = computed!([s, ran] { ran.note("computed"); s.get() });
        let _direct = effect!([s, ran] { s.get(); ran.note("direct"); });
        let _behind = effect!([c, ran] { c.get(); ran.note("behind"); });
        ran.take();
        s.touch();
        assert_eq!(ran.take_sorted(), ["computed", "direct"]);
    });
}

#[test]
fn try_set_and_try_update_write_like_their_panicking_twins() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let _watch = effect!([s, seen] seen.note(s.get()));
        assert_eq!((s.try_set(2), s.try_set(2), s.try_update(|v| v + 1)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(seen.take(), [1, 2, 3]);
    });
}

#[test]
fn a_signal_may_be_written_after_its_graph_handle_is_gone() {
    on_stage(|| {
        let graph = Graph::new();
        let s = graph.signal(1);
        let c = graph.computed({
            let s = s.clone();
            move || s.get() * 10
        });
        drop(graph);
        s.set(2);
        s.update(|v| v + 1);
        assert_eq!((s.get(), c.get()), (3, 30));
    });
}

#[test]
fn a_value_need_not_be_clone_to_be_updated() {
    in_graph(|_| {
        #[derive(PartialEq)]
        struct Unique(Arc<str>);
        let s: Signal<Unique> = signal(Unique("a".into()));
        s.update(|old| Unique(format!("{}b", old.0).into()));
        assert_eq!(s.with(|u| u.0.to_string()), "ab");
    });
}
