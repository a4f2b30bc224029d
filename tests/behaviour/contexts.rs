//! The thread's current graph, and carrying an evaluation to threads of one's own.

use std::thread;

use isobar::{Context, Graph, batch, computed, default_graph, effect, signal, untracked};

use crate::stage::{Count, Halt, Trace, in_graph, on_stage};

/// Whether `s` belongs to `g`: only then may a computed of `g` read it.
fn lives_in(g: &Graph, s: &isobar::Signal<i32>) -> bool {
    let s = s.clone();
    g.computed(move || s.get()).try_get().is_ok()
}

#[test]
fn free_functions_work_on_the_entered_graph_and_enter_nests() {
    on_stage(|| {
        let (outer, inner) = (Graph::new(), Graph::new());
        let (before, within, after) = outer.enter(|| {
            let before = signal(1);
            let within = inner.enter(|| signal(2));
            (before, within, signal(3))
        });
        assert!(lives_in(&outer, &before) && lives_in(&inner, &within) && lives_in(&outer, &after));
        assert!(!lives_in(&inner, &before) && !lives_in(&outer, &within));
    });
}

#[test]
fn without_enter_they_work_on_the_default_graph_of_the_process() {
    on_stage(|| {
        let here = signal(1);
        let there = thread::spawn(|| signal(2)).join().unwrap();
        assert!(lives_in(&default_graph(), &here) && lives_in(&default_graph(), &there));
    });
}

#[test]
fn a_new_thread_is_in_no_graph_and_a_context_takes_it_there() {
    in_graph(|g| {
        let context = Context::current();
        thread::scope(|scope| {
            let (plain, carried) =
                scope.spawn(move || (signal(1), context.enter(|| signal(2)))).join().unwrap();
            assert!(!lives_in(g, &plain) && lives_in(g, &carried));
        });
    });
}

#[test]
fn reads_on_another_thread_belong_to_the_evaluation_when_carried() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(2));
        let sum = computed!([a, b, runs] {
            runs.tick();
            let context = Context::current();
            let elsewhere = thread::scope(|scope| {
                scope.spawn(|| context.enter(|| b.get())).join().unwrap()
            });
            a.get() + elsewhere
        });
        assert_eq!(sum.get(), 3);
        b.set(20);
        assert_eq!((sum.get(), runs.take()), (21, 2));
        a.set(10);
        assert_eq!((sum.get(), runs.take()), (30, 1));
    });
}

#[test]
fn reads_on_another_thread_are_outside_the_evaluation_when_not_carried() {
    in_graph(|_| {
        let runs = Count::new();
        let b = signal(2);
        let c = computed!([b, runs] {
            runs.tick();
            thread::scope(|scope| scope.spawn(|| b.get()).join().unwrap())
        });
        assert_eq!(c.get(), 2);
        b.set(20);
        assert_eq!((c.get(), runs.take()), (2, 1));
    });
}

#[test]
fn carried_reads_are_of_the_revision_of_the_evaluation() {
    in_graph(|_| {
        let halt = Halt::first();
        let (a, b) = (signal(1), signal(1));
        let pair = computed!([a, b, halt] {
            let first = a.get();
            halt.here();
            let context = Context::current();
            let second = thread::scope(|scope| {
                scope.spawn(|| context.enter(|| b.get())).join().unwrap()
            });
            (first, second)
        });
        thread::scope(|scope| {
            let straddling = scope.spawn(|| pair.get());
            halt.reached();
            batch(|| {
                a.set(2);
                b.set(2);
            });
            halt.release();
            let read = straddling.join().unwrap();
            assert!([(1, 1), (2, 2)].contains(&read), "{read:?}");
        });
        assert_eq!(pair.get(), (2, 2));
    });
}

#[test]
fn carried_writes_join_the_batch() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        batch(|| {
            a.set(1);
            let context = Context::current();
            thread::scope(|scope| {
                scope.spawn(|| {
                    context.enter(|| {
                        assert_eq!(a.get(), 1, "the pending write is seen there");
                        b.set(2);
                    })
                });
            });
            assert_eq!(b.get(), 2);
            assert_eq!(seen.take(), [(0, 0)]);
        });
        assert_eq!(seen.take(), [(1, 2)]);
    });
}

#[test]
fn a_write_carried_out_of_a_computed_is_refused_there_as_well() {
    in_graph(|_| {
        let s = signal(1);
        let c = computed!([s] {
            let context = Context::current();
            thread::scope(|scope| {
                scope.spawn(|| context.enter(|| s.try_set(2))).join().unwrap()
            })
        });
        assert_eq!(c.get(), Err(isobar::WriteError::InComputed));
        assert_eq!(s.get(), 1);
    });
}

#[test]
fn a_read_on_one_thread_is_not_taken_for_a_read_of_the_effect_on_another() {
    in_graph(|g| {
        let runs = Count::new();
        let (s, stranger, halt) = (signal(0), signal(0), Halt::idle());
        let _watch = effect!([s, halt, runs] { runs.tick(); s.get(); halt.here(); });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            stranger.get();
            halt.release();
        });
        g.settle().unwrap();
        runs.take();
        stranger.set(1);
        assert_eq!(runs.take(), 0);
    });
}

#[test]
fn a_context_taken_inside_an_untracked_part_does_not_track() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(1));
        let c = computed!([a, b, runs] {
            runs.tick();
            let context = untracked(Context::current);
            let elsewhere = thread::scope(|scope| {
                scope.spawn(|| context.enter(|| b.get())).join().unwrap()
            });
            a.get() + elsewhere
        });
        c.get();
        b.set(2);
        assert_eq!((c.get(), runs.take()), (2, 1));
    });
}
