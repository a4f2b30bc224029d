//! C9: panics are contained; the graph stays right and usable.

use std::panic::{AssertUnwindSafe, panic_any};
use std::thread;

use isobar::{
    Computed, Graph, ReadError, Signal, batch, computed, effect, on_cleanup, signal, snapshot,
};

use crate::stage::{
    Count, Halt, Trace, caught, collects_to, hook_runs, in_graph, in_reporting_graph, in_this,
    on_stage, says,
};

/// Ten divided by the signal, named `quotient`.
fn quotient(s: &Signal<i32>, runs: &Count) -> Computed<i32> {
    let (s, runs) = (s.clone(), runs.clone());
    let divide = move || {
        runs.tick();
        let by = s.get();
        assert!(by != 0, "cannot divide by zero");
        10 / by
    };
    Computed::builder(divide).name("quotient").build()
}

#[test]
fn a_panic_is_the_value_of_its_computed_until_a_source_changes() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, stranger) = (signal(0), signal(0));
        let c = quotient(&s, &runs);
        let error = c.try_get().unwrap_err();
        match &error {
            ReadError::Panicked { node, message, .. } => {
                assert_eq!((&**node, &**message), ("quotient", "cannot divide by zero"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(c.try_get(), Err(error));
        stranger.set(1);
        says(caught(|| c.get()), &["quotient", "cannot divide by zero"]);
        assert_eq!(runs.take(), 1);
        s.set(5);
        assert_eq!((c.get(), runs.take()), (2, 1));
    });
}

#[test]
fn what_a_computed_would_have_read_after_its_panic_is_no_source() {
    in_graph(|_| {
        let runs = Count::new();
        let (first, second) = (signal(-1), signal(0));
        let c = computed!([first, second, runs] {
            runs.tick();
            assert!(first.get() >= 0, "negative");
            second.get()
        });
        assert!(c.try_get().is_err());
        second.set(1);
        assert!(c.try_get().is_err());
        assert_eq!(runs.take(), 1);
        first.set(0);
        assert_eq!((c.try_get(), runs.take()), (Ok(1), 1));
        second.set(2);
        assert_eq!((c.try_get(), runs.take()), (Ok(2), 1));
    });
}

#[test]
fn a_panic_travels_to_whoever_reads_and_names_where_it_came_from() {
    in_graph(|_| {
        let s = signal(0);
        let runs = Count::new();
        let c = quotient(&s, &runs);
        let d = c.map(|v| v + 1).map(|v| v + 1);
        match d.try_get().unwrap_err() {
            ReadError::Panicked { node, .. } => assert_eq!(&*node, "quotient"),
            other => panic!("{other:?}"),
        }
        s.set(1);
        assert_eq!((d.try_get(), runs.take()), (Ok(12), 2));
    });
}

#[test]
fn a_panic_runs_the_panic_hook_once_however_often_it_is_raised_again() {
    in_graph(|_| {
        let s = signal(0);
        let c = quotient(&s, &Count::new());
        let d = computed!([c] c.get() + 1);
        hook_runs();
        for _ in 0..3 {
            assert!(d.try_get().is_err());
            caught(|| d.get());
            caught(|| c.load());
        }
        assert_eq!(hook_runs(), 1);
    });
}

#[test]
fn a_payload_that_is_no_text_is_contained_as_well() {
    in_graph(|_| {
        let s = signal(true);
        let c = computed!([s] if s.get() { panic_any(42) } else { 1 });
        assert!(matches!(c.try_get(), Err(ReadError::Panicked { .. })));
        s.set(false);
        assert_eq!(c.try_get(), Ok(1));
    });
}

#[test]
fn an_effect_sees_errors_come_and_go() {
    in_graph(|_| {
        let seen = Trace::new();
        let runs = Count::new();
        let s = signal(1);
        let c = quotient(&s, &runs);
        let _watch = effect!([c, seen] seen.note(c.try_get().ok()));
        s.set(0);
        s.set(2);
        assert_eq!(seen.take(), [Some(10), None, Some(5)]);
        assert_eq!(runs.take(), 3);
    });
}

#[test]
fn a_failing_computed_leaves_the_other_branches_of_the_wave_alone() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let s = signal(1);
        let bad = quotient(&s, &Count::new());
        let good = computed!([s] s.get() + 1);
        let _on_bad = effect!([bad, seen] seen.note(bad.get()));
        let _on_good = effect!([good, seen] seen.note(good.get()));
        s.set(0);
        s.set(5);
        assert_eq!(seen.take(), [10, 2, 1, 2, 6]);
        assert_eq!(failures.take().len(), 1);
    });
}

#[test]
fn a_failing_effect_is_reported_and_stays_subscribed() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let (source, log) = (s.clone(), seen.clone());
        let watch = isobar::Effect::builder(move || {
            let value = source.get();
            assert!(value != 1, "no ones");
            log.note(value);
        });
        let _watch = watch.name("picky").build();
        s.set(1);
        assert_eq!(failures.take(), ["effect picky: no ones"]);
        s.set(2);
        assert_eq!(seen.take(), [0, 2]);
        failures.expect_silence();
    });
}

#[test]
fn an_effect_whose_first_run_fails_is_still_made_and_still_subscribed() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let _watch = effect!([s, seen] {
            let value = s.get();
            assert!(value != 0, "not yet");
            seen.note(value);
        });
        assert_eq!(failures.take().len(), 1);
        s.set(1);
        assert_eq!(seen.take(), [1]);
    });
}

#[test]
fn every_other_effect_of_the_wave_runs_although_one_fails() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let watches: Vec<_> = (0..5)
            .map(|i| {
                effect!([s, seen] {
                    let value = s.get();
                    assert!(i != 2 || value == 0, "two");
                    seen.note((i, value));
                })
            })
            .collect();
        seen.take();
        s.set(1);
        assert_eq!(seen.take(), [(0, 1), (1, 1), (3, 1), (4, 1)]);
        assert_eq!(failures.take().len(), 1);
        drop(watches);
    });
}

#[test]
fn the_set_that_wakes_a_failing_effect_returns_normally() {
    in_reporting_graph(|_, failures| {
        let s = signal(0);
        let _watch = effect!([s] assert!(s.get() == 0, "woken"));
        assert_eq!(s.try_set(1), Ok(()));
        s.set(2);
        assert_eq!((s.get(), failures.take().len()), (2, 2));
    });
}

#[test]
fn without_a_handler_a_failing_effect_harms_nobody_either() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let _failing = effect!([s] assert!(s.get() != 1, "to the log"));
        let _other = effect!([s, seen] seen.note(s.get()));
        s.set(1);
        s.set(2);
        assert_eq!(seen.take(), [0, 1, 2]);
    });
}

#[test]
fn a_handler_that_panics_itself_leaves_the_graph_usable() {
    in_this(
        || Graph::builder().on_error(|_| panic!("the handler as well")).build(),
        |g| {
            let seen = Trace::new();
            let s = signal(0);
            let _failing = effect!([s] assert!(s.get() != 1, "one"));
            let _other = effect!([s, seen] seen.note(s.get()));
            // Whether the handler's panic reaches the writer is not promised.
            std::panic::catch_unwind(AssertUnwindSafe(|| s.set(1))).ok();
            s.set(2);
            g.settle().unwrap();
            assert_eq!((s.get(), seen.take().last()), (2, Some(&2)));
        },
    );
}

#[test]
fn the_writes_of_a_run_that_failed_are_not_committed() {
    in_reporting_graph(|_, failures| {
        let (s, t) = (signal(0), signal(0));
        let _watch = effect!([s, t] {
            t.set(s.get());
            assert!(s.get() != 1, "after the write");
        });
        s.set(1);
        assert_eq!((t.get(), failures.take().len()), (0, 1));
        s.set(2);
        assert_eq!(t.get(), 2);
    });
}

#[test]
fn a_failing_cleanup_is_reported_and_the_others_and_the_next_run_go_on() {
    in_reporting_graph(|_, failures| {
        let ran = Trace::new();
        let s = signal(0);
        let watch = effect!([s, ran] {
            s.get();
            let (first, last) = (ran.clone(), ran.clone());
            on_cleanup(move || first.note("first cleanup"));
            on_cleanup(|| panic!("middle cleanup"));
            on_cleanup(move || last.note("last cleanup"));
            ran.note("run");
        });
        ran.take();
        s.set(1);
        let noted = ran.take();
        assert_eq!(noted.last(), Some(&"run"));
        assert_eq!(noted.len(), 3, "{noted:?}");
        assert_eq!(failures.take(), ["cleanup: middle cleanup"]);
        watch.dispose();
        assert_eq!(ran.take_sorted(), ["first cleanup", "last cleanup"]);
        assert_eq!(failures.take(), ["cleanup: middle cleanup"]);
    });
}

#[test]
fn the_cleanups_of_a_run_that_failed_run_before_the_next() {
    in_reporting_graph(|_, _| {
        let ran = Trace::new();
        let s = signal(0);
        let _watch = effect!([s, ran] {
            let value = s.get();
            let log = ran.clone();
            on_cleanup(move || log.note(("cleanup", value)));
            assert!(value != 0, "first");
            ran.note(("run", value));
        });
        s.set(1);
        assert_eq!(ran.take(), [("cleanup", 0), ("run", 1)]);
    });
}

#[test]
fn an_equality_that_panics_in_set_tells_the_caller_and_commits_nothing() {
    in_graph(|_| {
        let runs = Count::new();
        let picky = |_: &i32, new: &i32| {
            assert!(*new != 13, "unlucky");
            false
        };
        let s = Signal::builder(1).equality(picky).build();
        let _watch = effect!([s, runs] { s.get(); runs.tick(); });
        runs.take();
        assert_eq!(caught(|| s.set(13)), "unlucky");
        assert_eq!((s.get(), runs.take()), (1, 0));
        s.set(2);
        assert_eq!((s.get(), runs.take()), (2, 1));
    });
}

#[test]
fn an_equality_that_panics_in_a_batch_commits_nothing_of_it() {
    in_graph(|_| {
        let other = signal(0);
        let picky = |_: &i32, new: &i32| {
            assert!(*new != 13, "unlucky");
            false
        };
        let s = Signal::builder(1).equality(picky).build();
        let words = caught(|| {
            batch(|| {
                other.set(1);
                s.set(13);
            })
        });
        assert_eq!(words, "unlucky");
        assert_eq!((s.get(), other.get()), (1, 0));
    });
}

#[test]
fn an_equality_that_panics_in_an_evaluation_counts_as_changed() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let source = s.clone();
        let c = Computed::builder(move || source.get() % 2)
            .equality(|_, _| panic!("cannot compare"))
            .build();
        let _watch = effect!([c, seen] seen.note(c.get()));
        s.set(3);
        s.set(4);
        assert_eq!(seen.take(), [1, 1, 0]);
    });
}

#[test]
fn an_update_closure_that_panics_leaves_the_value() {
    in_graph(|_| {
        let s = signal(vec![1]);
        assert_eq!(caught(|| s.update(|_| panic!("no value"))), "no value");
        assert_eq!(
            caught(|| s.mutate(|v| {
                v.push(2);
                panic!("half-way")
            })),
            "half-way"
        );
        assert_eq!(s.get(), [1]);
        s.mutate(|v| v.push(3));
        assert_eq!(s.get(), [1, 3]);
    });
}

#[test]
fn a_closure_that_panics_over_a_borrowed_value_harms_nobody() {
    in_graph(|_| {
        let s = signal(1);
        let held = snapshot();
        assert_eq!(caught(|| s.with(|_| panic!("with"))), "with");
        assert_eq!(caught(|| s.peek_with(|_| panic!("peek"))), "peek");
        assert_eq!(caught(|| held.with(&s, |_| panic!("held"))), "held");
        s.set(2);
        assert_eq!((s.get(), held.get(&s)), (2, 1));
    });
}

#[test]
fn a_value_whose_drop_panics_does_not_harm_the_graph() {
    struct Grenade(bool);
    impl Drop for Grenade {
        fn drop(&mut self) {
            assert!(!self.0, "bang");
        }
    }
    in_reporting_graph(|g, failures| {
        let s = Signal::builder(Grenade(true)).always().build();
        let size = computed!([s] s.with(|grenade| grenade.0));
        assert!(size.get());
        s.set(Grenade(false));
        collects_to(g, 1, || failures.count());
        assert!(!size.get());
        s.set(Grenade(false));
        assert_eq!(failures.take(), ["drop: bang"]);
    });
}

#[test]
fn a_reader_that_waited_for_a_failing_run_gets_the_error_of_that_run() {
    in_graph(|_| {
        let runs = Count::new();
        let halt = Halt::first();
        let s = signal(0);
        let c = computed!([s, runs, halt] {
            runs.tick();
            halt.here();
            assert!(s.get() != 0, "zero");
        });
        thread::scope(|scope| {
            let first = scope.spawn(|| c.try_get());
            halt.reached();
            let second = scope.spawn(|| c.try_get());
            halt.release();
            let errors = (first.join().unwrap(), second.join().unwrap());
            assert!(errors.0.is_err());
            assert_eq!(errors.0, errors.1);
        });
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_callback_of_subscribe_that_panics_is_reported_and_called_again() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let log = seen.clone();
        let _watch = s.subscribe(move |value: &i32| {
            assert!(*value != 1, "one");
            log.note(*value);
        });
        s.set(1);
        s.set(2);
        assert_eq!(seen.take(), [0, 2]);
        assert_eq!(failures.take().len(), 1);
    });
}

#[test]
fn the_panic_of_a_wait_condition_goes_to_the_one_who_waits() {
    in_graph(|_| {
        let s = signal(0);
        let second = std::time::Duration::from_secs(30);
        assert_eq!(caught(|| s.wait_until(|_| panic!("odd"), second)), "odd");
        s.set(1);
        assert_eq!(s.get(), 1);
    });
}

#[test]
fn a_panic_inside_enter_leaves_the_thread_in_its_former_graph() {
    on_stage(|| {
        let (outer, inner) = (Graph::new(), Graph::new());
        outer.enter(|| {
            caught(|| inner.enter(|| panic!("inside")));
            let a = signal(1);
            let sum = outer.computed({
                let a = a.clone();
                move || a.get()
            });
            assert_eq!(sum.try_get(), Ok(1));
        });
    });
}

#[test]
fn a_panic_inside_a_batch_or_snapshot_is_worked_out_once_there() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(1);
        let c = quotient(&s, &runs);
        c.get();
        runs.take();
        batch(|| {
            s.set(0);
            for _ in 0..3 {
                assert!(c.try_get().is_err());
            }
            assert_eq!(runs.take(), 1);
            s.set(1);
        });
        assert_eq!((c.get(), runs.take()), (10, 0));
        s.set(0);
        let failing = snapshot();
        s.set(2);
        for _ in 0..3 {
            assert!(failing.try_get(&c).is_err());
        }
        assert_eq!((runs.take(), c.get()), (1, 5));
    });
}

#[test]
fn a_handler_may_write_what_it_was_told() {
    on_stage(|| {
        let seen = Trace::new();
        let errors = Graph::new().signal(0);
        let counter = errors.clone();
        let graph = Graph::builder().on_error(move |_| counter.update(|n| n + 1)).build();
        let own = graph.signal(0);
        let counter = own.clone();
        graph.on_error(move |_| {
            errors.update(|n| n + 1);
            counter.update(|n| n + 1);
        });
        let s = graph.signal(0);
        graph.enter(|| {
            let _failing = effect!([s] assert!(s.get() % 2 == 0, "odd"));
            let _watch = effect!([own, seen] seen.note(own.get()));
            (1..=4).for_each(|value| s.set(value));
            graph.settle().unwrap();
        });
        assert_eq!((own.get(), seen.take().last()), (2, Some(&2)));
    });
}

/// Sees nothing wrong with any pair but (99, 13).
fn superstitious(old: &i32, new: &i32) -> bool {
    assert!((*old, *new) != (99, 13), "unlucky pair");
    old == new
}

#[test]
fn an_equality_that_panics_only_when_an_effect_commits_is_a_failure_of_that_effect() {
    in_reporting_graph(|g, failures| {
        let halt = Halt::idle();
        let s = signal(0);
        let x = Signal::builder(1).equality(superstitious).build();
        let (source, target, place) = (s.clone(), x.clone(), halt.clone());
        let body = move || {
            let value = source.get();
            target.set(value);
            place.here();
        };
        let watch = isobar::Effect::builder(body).name("bold").build();
        halt.arm();
        thread::scope(|scope| {
            let writer = scope.spawn(|| s.set(13));
            halt.reached();
            x.set(99);
            halt.release();
            assert!(writer.join().is_ok(), "the panic reached the one who set");
        });
        assert_eq!(failures.take(), ["effect bold: unlucky pair"]);
        assert_eq!(x.get(), 99);
        s.set(14);
        g.settle().unwrap();
        assert_eq!(x.get(), 14);
        watch.dispose();
    });
}

#[test]
fn an_update_that_panics_only_when_an_effect_commits_is_a_failure_of_that_effect() {
    in_reporting_graph(|g, failures| {
        let halt = Halt::idle();
        let (s, x) = (signal(0), signal(1));
        let (source, target, place) = (s.clone(), x.clone(), halt.clone());
        let body = move || {
            source.get();
            target.update(|old| {
                assert!(*old != 99, "not on 99");
                old + 1
            });
            place.here();
        };
        let watch = isobar::Effect::builder(body).name("bold").build();
        halt.arm();
        thread::scope(|scope| {
            let writer = scope.spawn(|| s.set(1));
            halt.reached();
            x.set(99);
            halt.release();
            assert!(writer.join().is_ok(), "the panic reached the one who set");
        });
        assert_eq!(failures.take(), ["effect bold: not on 99"]);
        x.set(5);
        s.set(2);
        g.settle().unwrap();
        assert_eq!(x.get(), 6);
        watch.dispose();
    });
}

#[test]
fn an_update_that_panics_only_when_a_batch_commits_undoes_the_batch() {
    in_graph(|g| {
        let halt = Halt::first();
        let (x, y) = (signal(1), signal(1));
        thread::scope(|scope| {
            let batching = scope.spawn(|| {
                caught(|| {
                    g.batch(|| {
                        y.set(2);
                        x.update(|old| {
                            assert!(*old != 99, "not on 99");
                            old + 1
                        });
                        halt.here();
                    })
                })
            });
            halt.reached();
            x.set(99);
            halt.release();
            assert_eq!(batching.join().unwrap(), "not on 99");
        });
        assert_eq!((x.get(), y.get()), (99, 1));
        g.batch(|| x.update(|old| old + 1));
        assert_eq!(x.get(), 100);
    });
}
