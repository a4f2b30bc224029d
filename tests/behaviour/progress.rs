//! C7 and C8: no lock is held while user code runs; wherever one thread stalls in it, the others
//! read and commit. Each scene stalls one thread and lets it go only after the other is through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use isobar::{Computed, Graph, Signal, batch, computed, effect, signal};

use crate::stage::{Count, Gate, Halt, Trace, collects_to, in_graph, on_stage};

/// What every stalled thread must let the others do.
fn others_read_and_commit(g: &Graph, s: &Signal<i32>) {
    let fresh = g.signal(1);
    fresh.update(|v| v + 1);
    let derived = g.computed({
        let (s, fresh) = (s.clone(), fresh.clone());
        move || (s.get(), fresh.get())
    });
    let before = s.get();
    assert_eq!(derived.get(), (before, 2));
    s.set(before + 1);
    assert_eq!(derived.get(), (before + 1, 2));
    g.batch(|| {
        s.update(|v| v + 1);
        fresh.set(5);
    });
    let held = g.snapshot();
    assert_eq!((held.get(s), held.get(&derived)), (before + 2, (before + 2, 5)));
}

/// One thread stalls in `stalling` at the halt, the others go on, then it may end.
fn stalled(g: &Graph, s: &Signal<i32>, halt: &Halt, stalling: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let stuck = scope.spawn(|| g.enter(stalling));
        halt.reached();
        others_read_and_commit(g, s);
        halt.release();
        stuck.join().unwrap();
    });
}

#[test]
fn a_thread_stalled_in_a_computed_stops_nobody() {
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::first());
        let c = computed!([s, halt] { halt.here(); s.get() });
        stalled(g, &s, &halt, || assert!(c.get() >= 0));
        assert_eq!(c.get(), 2);
    });
}

#[test]
fn a_thread_stalled_in_an_effect_stops_nobody() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt) = (signal(0), Halt::idle());
        let _watch = effect!([s, halt, seen] { seen.note(s.get()); halt.here(); });
        halt.arm();
        stalled(g, &s, &halt, || s.set(10));
        g.settle().unwrap();
        assert_eq!(seen.take().last(), Some(&12));
    });
}

#[test]
fn a_thread_stalled_in_an_update_stops_nobody() {
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::first());
        let place = halt.clone();
        let mine = s.clone();
        stalled(g, &s, &halt, move || {
            mine.update(move |v| {
                place.here();
                v + 100
            })
        });
        assert_eq!(s.get(), 102);
    });
}

#[test]
fn a_thread_stalled_in_an_equality_of_set_stops_nobody() {
    in_graph(|g| {
        let halt = Halt::first();
        let place = halt.clone();
        let slow = move |old: &i32, new: &i32| {
            place.here();
            old == new
        };
        let s = Signal::builder(0).equality(slow).build();
        stalled(g, &s, &halt, || s.set(50));
        assert_eq!(s.get(), 50);
    });
}

#[test]
fn a_thread_stalled_in_an_equality_of_a_computed_stops_nobody() {
    in_graph(|g| {
        let halt = Halt::first();
        let (s, place) = (signal(0), halt.clone());
        let source = s.clone();
        let c = Computed::builder(move || source.get())
            .equality(move |old, new| {
                place.here();
                old == new
            })
            .build();
        c.get();
        s.set(1);
        stalled(g, &s, &halt, || assert!(c.get() > 0));
        assert_eq!(c.get(), 3);
    });
}

#[test]
fn a_thread_stalled_in_a_drop_stops_nobody() {
    struct Sticky(Halt);
    impl Drop for Sticky {
        fn drop(&mut self) {
            self.0.here();
        }
    }
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::first());
        let sticky = Signal::builder(Arc::new(Sticky(halt.clone()))).always().build();
        stalled(g, &s, &halt, || {
            sticky.set(Arc::new(Sticky(Halt::idle())));
            collects_to(g, true, || halt.was_reached());
        });
    });
}

#[test]
fn a_drop_after_a_commit_over_two_graphs_may_set_signals_of_both() {
    struct Tells(Signal<usize>, Signal<usize>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.update(|v| v + 1);
            self.1.update(|v| v + 1);
        }
    }
    // More than one commit lets come together before it looks for what can go.
    const SETS: usize = 300;
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let (a, b) = (left.signal(0), right.signal(0));
        let value = || Tells(a.clone(), b.clone());
        let x = Signal::builder(value()).always().graph(&left).build();
        let y = Signal::builder(value()).always().graph(&right).build();
        for _ in 0..SETS {
            left.batch(|| {
                x.set(value());
                y.set(value());
            });
        }
        assert!(a.get() > 0, "no commit dropped anything");
        collects_to(&left, true, || {
            right.collect();
            (a.get(), b.get()) == (2 * SETS, 2 * SETS)
        });
    });
}

#[test]
fn a_thread_stalled_over_a_borrowed_value_stops_nobody() {
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::first());
        stalled(g, &s, &halt, || {
            s.with(|before| {
                halt.here();
                assert_eq!(*before, 0, "what was borrowed stays as it was");
            })
        });
    });
}

#[test]
fn a_thread_stalled_in_a_batch_or_transaction_stops_nobody() {
    in_graph(|g| {
        let s = signal(0);
        let halt = Halt::first();
        stalled(g, &s, &halt, || {
            batch(|| {
                s.set(100);
                halt.here();
            })
        });
        assert_eq!(s.get(), 100);
        let halt = Halt::first();
        stalled(g, &s, &halt, || {
            g.transaction(|| -> Result<(), ()> {
                s.set(200);
                halt.here();
                Ok(())
            })
            .unwrap()
        });
        assert_eq!(s.get(), 200);
    });
}

#[test]
fn two_threads_that_want_one_dirty_computed_run_it_once() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, halt, wanted) = (signal(3), Halt::first(), Gate::new());
        let c = computed!([s, runs, halt] { runs.tick(); halt.here(); s.get() * 2 });
        thread::scope(|scope| {
            let first = scope.spawn(|| c.get());
            halt.reached();
            let second = scope.spawn(|| {
                wanted.open();
                c.get()
            });
            wanted.pass();
            halt.release();
            assert_eq!((first.join().unwrap(), second.join().unwrap()), (6, 6));
        });
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn two_unrelated_computeds_run_at_the_same_time_on_two_threads() {
    in_graph(|_| {
        let (left, right) = (Gate::new(), Gate::new());
        let one = computed!([left, right] { left.open(); right.pass(); 1 });
        let two = computed!([left, right] { right.open(); left.pass(); 2 });
        thread::scope(|scope| {
            let other = scope.spawn(|| one.get());
            assert_eq!((two.get(), other.join().unwrap()), (2, 1));
        });
    });
}

#[test]
fn a_clean_computed_is_read_while_another_thread_stalls_in_what_will_replace_it() {
    in_graph(|g| {
        let (s, halt) = (signal(1), Halt::idle());
        let c = computed!([s, halt] { let v = s.get(); halt.here(); v });
        let _watch = effect!([c] _ = c.get());
        let before = g.snapshot();
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(2));
            halt.reached();
            assert_eq!(before.get(&c), 1);
            halt.release();
        });
        assert_eq!(c.get(), 2);
    });
}

#[test]
fn a_closure_over_a_borrowed_value_may_write_the_signal_it_borrows() {
    in_graph(|_| {
        let s = signal(1);
        s.with(|v| s.set(v + 1));
        s.peek_with(|v| {
            s.update({
                let v = *v;
                move |old| old * 10 + v
            })
        });
        assert_eq!(s.get(), 22);
    });
}

#[test]
fn two_effects_on_two_threads_that_write_what_the_other_reads_both_end() {
    for _ in 0..20 {
        in_graph(|g| {
            let (a, x) = (signal(0), signal(0));
            let (b, y) = (signal(0), signal(0));
            let _one = effect!([a, x, y] { let v = a.get() + x.get().min(0); y.set(v); });
            let _two = effect!([b, y, x] { let v = b.get() + y.get().min(0); x.set(v); });
            let start = Gate::new();
            thread::scope(|scope| {
                for s in [&a, &b] {
                    let start = &start;
                    scope.spawn(move || {
                        start.pass();
                        s.set(1);
                    });
                }
                start.open();
            });
            g.settle().unwrap();
            assert_eq!((y.get(), x.get()), (1, 1));
        });
    }
}

#[test]
fn a_set_returns_although_others_never_stop_writing() {
    in_graph(|g| {
        let (s, t) = (signal(0_u64), signal(0_u64));
        let _watch = effect!([s, t] { s.get(); t.get(); thread::yield_now(); });
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    t.update(|v| v + 1);
                }
            });
            (1..=200).for_each(|value| s.set(value));
            done.store(true, SeqCst);
        });
        g.settle().unwrap();
        assert_eq!(s.get(), 200);
    });
}

#[test]
fn a_value_whose_drop_reads_and_writes_the_graph_does_not_hang_it() {
    struct Farewell(Signal<i32>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            let farewells = self.0.peek();
            self.0.set(farewells + 1);
        }
    }
    in_graph(|g| {
        let farewells = signal(0);
        let s = Signal::builder(Farewell(farewells.clone())).always().build();
        s.set(Farewell(farewells.clone()));
        s.set(Farewell(farewells.clone()));
        collects_to(g, 2, || farewells.get());
    });
}

#[test]
fn an_effect_may_wait_for_a_thread_of_its_own_that_writes() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let tenfold = computed!([t] t.get() * 10);
        let _parent = effect!([s, t, tenfold] {
            let value = s.get();
            thread::scope(|scope| {
                scope.spawn(|| {
                    t.set(value);
                    assert_eq!(tenfold.get(), value * 10);
                });
            });
        });
        let _watch = effect!([tenfold, seen] seen.note(tenfold.get()));
        s.set(1);
        g.settle().unwrap();
        assert_eq!(seen.take(), [0, 10]);
    });
}

#[test]
fn a_closure_whose_drop_writes_the_graph_does_not_hang_it() {
    struct Farewell(Signal<i32>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.update(|n| n + 1);
        }
    }
    in_graph(|g| {
        let seen = Trace::new();
        let (s, farewells) = (signal(0), signal(0));
        let _watch = effect!([farewells, seen] seen.note(farewells.get()));
        let (source, last) = (s.clone(), Farewell(farewells.clone()));
        let mourned = isobar::effect(move || _ = (source.get(), &last));
        let (source, last) = (s.clone(), Farewell(farewells.clone()));
        let computed = computed(move || {
            let _ = &last;
            source.get()
        });
        computed.get();
        mourned.dispose();
        drop(mourned);
        drop(computed);
        collects_to(g, 2, || farewells.get());
        g.settle().unwrap();
        assert_eq!(seen.take().last(), Some(&2));
    });
}
