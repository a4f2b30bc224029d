//! Writes that belong together become one revision, or none.

use std::thread;

use isobar::{Graph, Signal, batch, computed, effect, signal};

use crate::stage::{Count, Halt, Trace, caught, in_graph, on_stage, says};

#[test]
fn the_writes_of_a_batch_are_seen_once_and_together() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        let told = batch(|| {
            a.set(1);
            a.set(2);
            b.set(3);
            "done"
        });
        assert_eq!(told, "done");
        assert_eq!(seen.take(), [(0, 0), (2, 3)]);
    });
}

#[test]
fn a_nested_batch_waits_for_the_outermost_exit() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let _watch = effect!([a, seen] seen.note(a.get()));
        batch(|| {
            a.set(2);
            batch(|| a.set(3));
            assert_eq!(seen.take(), [1]);
            a.set(4);
        });
        assert_eq!(seen.take(), [4]);
    });
}

#[test]
fn its_author_reads_the_pending_writes_also_through_computeds() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let tenfold = computed!([s] s.get() * 10);
        let _watch = effect!([tenfold, seen] seen.note(tenfold.get()));
        batch(|| {
            s.set(2);
            assert_eq!((s.get(), tenfold.get()), (2, 20));
            s.set(3);
            assert_eq!((s.get(), s.peek(), tenfold.peek()), (3, 3, 30));
            s.update(|v| v + 1);
            assert_eq!((s.with(|v| *v), *s.load(), tenfold.get()), (4, 4, 40));
        });
        assert_eq!(seen.take(), [10, 40]);
    });
}

#[test]
fn other_threads_see_none_of_it_before_the_commit_and_all_of_it_after() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let sum = computed!([a, b] a.get() + b.get());
        let read = || {
            thread::scope(|scope| {
                let other = scope.spawn(|| {
                    let held = g.snapshot();
                    (a.get(), b.get(), sum.get(), held.get(&a), held.get(&sum))
                });
                other.join().unwrap()
            })
        };
        batch(|| {
            a.set(1);
            assert_eq!(sum.get(), 1);
            assert_eq!(read(), (0, 0, 0, 0, 0));
            b.set(1);
            assert_eq!(read(), (0, 0, 0, 0, 0));
        });
        assert_eq!(read(), (1, 1, 2, 1, 2));
    });
}

#[test]
fn the_batch_of_one_thread_does_not_hold_back_the_writes_of_another() {
    in_graph(|_| {
        let seen = Trace::new();
        let (mine, theirs) = (signal(0), signal(0));
        let _watch = effect!([theirs, seen] seen.note(theirs.get()));
        batch(|| {
            mine.set(1);
            thread::scope(|scope| {
                scope.spawn(|| theirs.set(5));
            });
            assert_eq!(seen.take(), [0, 5]);
        });
    });
}

#[test]
fn of_twenty_batches_of_two_writes_each_only_the_second_is_ever_seen_on_four_threads() {
    const BATCHES: i32 = 20;
    let seconds = || (0..=BATCHES).map(|n| 2 * n).collect::<Vec<_>>();
    for shared in [false, true] {
        in_graph(move |g| {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let g = if shared { g.clone() } else { Graph::new() };
                        let (a, seen) = (g.signal(0), Trace::new());
                        let _watch = g.enter(|| effect!([a, seen] seen.note(a.get())));
                        for n in 1..=BATCHES {
                            g.batch(|| {
                                a.set(2 * n - 1);
                                a.set(2 * n);
                            });
                        }
                        g.settle().unwrap();
                        let seen = seen.take();
                        if shared {
                            // An effect that another thread's wave comes to late skips values.
                            assert!(seen.iter().all(|n| seconds().contains(n)), "{seen:?}");
                            assert!(seen.is_sorted() && seen.last() == Some(&(2 * BATCHES)));
                        } else {
                            assert_eq!(seen, seconds());
                        }
                    });
                }
            });
        });
    }
}

#[test]
fn set_and_set_back_is_no_change() {
    in_graph(|_| {
        let runs = Count::new();
        let derivations = Count::new();
        let a = signal(1);
        let c = computed!([a, derivations] { derivations.tick(); a.get() });
        let _watch = effect!([a, runs] { a.get(); runs.tick(); });
        c.get();
        let before = a.revision();
        runs.take();
        derivations.take();
        batch(|| {
            a.set(2);
            a.set(1);
        });
        assert_eq!((c.get(), runs.take(), derivations.take()), (1, 0, 0));
        assert_eq!(a.revision(), before);
    });
}

#[test]
fn set_and_set_back_is_no_change_even_when_the_change_was_read_in_between() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let c = computed!([a] a.get() * 2);
        let _watch = effect!([c, runs] { c.get(); runs.tick(); });
        runs.take();
        batch(|| {
            a.set(2);
            assert_eq!(c.get(), 4);
            a.set(1);
            assert_eq!(c.get(), 2);
        });
        assert_eq!((c.get(), runs.take()), (2, 0));
    });
}

#[test]
fn a_touch_in_a_batch_counts_although_the_value_came_back() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let _watch = effect!([a, seen] seen.note(a.get()));
        batch(|| {
            a.set(2);
            a.touch();
            a.set(1);
        });
        assert_eq!(seen.take(), [1, 1]);
    });
}

#[test]
fn a_batch_that_writes_nothing_new_runs_nothing() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let _watch = effect!([a, runs] { a.get(); runs.tick(); });
        runs.take();
        for _ in 0..3 {
            batch(|| a.set(1));
            batch(|| ());
        }
        assert_eq!(runs.take(), 0);
        a.set(2);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_panic_inside_commits_nothing_and_goes_on() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        let _watch = effect!([c, seen] seen.note(c.get()));
        let words = caught(|| {
            batch(|| {
                a.set(2);
                assert_eq!(c.get(), 20);
                panic!("half-way");
            })
        });
        assert_eq!(words, "half-way");
        assert_eq!((a.get(), c.get()), (1, 10));
        a.set(3);
        assert_eq!(seen.take(), [10, 30]);
    });
}

#[test]
fn a_caught_panic_of_a_nested_batch_undoes_only_the_inner_writes() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let sum = computed!([a, b] a.get() + b.get());
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        batch(|| {
            a.set(1);
            caught(|| {
                batch(|| {
                    a.set(20);
                    b.set(20);
                    assert_eq!(sum.get(), 40);
                    panic!("inner");
                })
            });
            assert_eq!((a.get(), b.get(), sum.get()), (1, 0, 1));
        });
        assert_eq!(seen.take(), [(0, 0), (1, 0)]);
    });
}

#[test]
fn what_was_derived_of_abandoned_writes_is_forgotten() {
    in_graph(|_| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        caught(|| {
            batch(|| {
                a.set(2);
                c.get();
                panic!("abandon");
            })
        });
        assert_eq!(c.get(), 10);
        batch(|| assert_eq!(c.get(), 10));
    });
}

#[test]
fn an_effect_made_in_a_batch_first_runs_at_its_exit() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let watch = batch(|| {
            a.set(2);
            let watch = effect!([a, seen] seen.note(a.get()));
            a.set(3);
            seen.expect_silence();
            watch
        });
        assert_eq!(seen.take(), [3]);
        a.set(4);
        assert_eq!(seen.take(), [4]);
        drop(watch);
    });
}

#[test]
fn an_effect_disposed_before_the_exit_does_not_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let watch = effect!([a, seen] seen.note(a.get()));
        batch(|| {
            a.set(2);
            watch.dispose();
            a.set(3);
        });
        batch(|| drop(effect!([a, seen] seen.note(a.get()))));
        assert_eq!(seen.take(), [1]);
    });
}

#[test]
fn updates_in_a_batch_are_replayed_on_the_newest_value() {
    in_graph(|_| {
        let a = signal(0);
        let list = signal(vec![0]);
        batch(|| {
            a.update(|v| v + 1);
            list.mutate(|v| v.push(1));
            thread::scope(|scope| {
                scope.spawn(|| {
                    a.update(|v| v + 10);
                    list.mutate(|v| v.push(10));
                });
            });
            assert_eq!((a.get(), list.get()), (1, vec![0, 1]));
        });
        assert_eq!((a.get(), list.get()), (11, vec![0, 10, 1]));
    });
}

#[test]
fn sets_and_updates_of_one_batch_apply_in_program_order() {
    in_graph(|_| {
        let a = signal(1);
        batch(|| {
            a.update(|v| v + 1);
            a.update(|v| v * 10);
            assert_eq!(a.get(), 20);
            a.set(5);
            a.update(|v| v * 2);
            thread::scope(|scope| {
                scope.spawn(|| a.set(1000));
            });
        });
        assert_eq!(a.get(), 10);
    });
}

#[test]
fn of_two_concurrent_batches_the_later_commit_wins_whole() {
    in_graph(|g| {
        let seen = Trace::new();
        let (a, b, c) = (signal(3), signal(3), signal(4));
        let triple = (a.clone(), b.clone(), c.clone());
        let _watch = effect!([triple, seen] {
            seen.note((triple.0.get(), triple.1.get(), triple.2.get()));
        });
        batch(|| {
            // The first write of each is equal to what stands there, until the other lands.
            a.set(3);
            b.set(2);
            c.set(5);
            thread::scope(|scope| {
                scope.spawn(|| {
                    g.batch(|| {
                        a.set(1);
                        b.set(5);
                        c.set(4);
                    });
                });
            });
        });
        assert_eq!(seen.take(), [(3, 3, 4), (1, 5, 4), (3, 2, 5)]);
    });
}

#[test]
fn a_compare_set_that_no_longer_holds_at_the_exit_fails_the_whole_batch() {
    in_graph(|_| {
        let (a, b) = (signal(0), signal(0));
        let read_at = a.revision();
        let words = caught(|| {
            batch(|| {
                b.set(1);
                a.compare_set(read_at, 1).unwrap();
                thread::scope(|scope| {
                    scope.spawn(|| a.set(100));
                });
            })
        });
        says(words, &["changed at"]);
        assert_eq!((a.get(), b.get()), (100, 0));
    });
}

#[test]
fn a_compare_set_that_holds_commits_with_its_batch() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        batch(|| {
            b.set(1);
            a.compare_set(a.revision(), 7).unwrap();
            assert_eq!(a.get(), 7);
        });
        assert_eq!((a.get(), b.get()), (7, 1));
        assert_eq!((a.revision(), b.revision()), (g.revision(), g.revision()));
    });
}

#[test]
fn a_batch_over_two_graphs_is_one_commit_in_each() {
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let seen = Trace::new();
        let (a, b) = (left.signal(0), left.signal(0));
        let (x, y) = (right.signal(0), right.signal(0));
        let on_left = left.enter(|| effect!([a, b, seen] seen.note(("left", a.get(), b.get()))));
        let on_right = right.enter(|| effect!([x, y, seen] seen.note(("right", x.get(), y.get()))));
        seen.take();
        let before = (left.revision().as_u64(), right.revision().as_u64());
        left.batch(|| {
            a.set(1);
            x.set(1);
            b.set(2);
            y.set(2);
            seen.expect_silence();
        });
        assert_eq!(seen.take_sorted(), [("left", 1, 2), ("right", 1, 2)]);
        let after = (left.revision().as_u64(), right.revision().as_u64());
        assert_eq!(after, (before.0 + 1, before.1 + 1));
        drop((on_left, on_right));
    });
}

#[test]
fn an_exit_with_a_panic_leaves_neither_of_two_graphs_changed() {
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let (a, x) = (left.signal(0), right.signal(0));
        caught(|| {
            left.batch(|| {
                a.set(1);
                x.set(1);
                panic!("no");
            })
        });
        assert_eq!((a.get(), x.get()), (0, 0));
    });
}

#[test]
fn a_failing_effect_of_the_wave_does_not_undo_the_batch_nor_stop_the_others() {
    crate::stage::in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let a = signal(0);
        let _first = effect!([a, seen] seen.note(("first", a.get())));
        let _failing = effect!([a] if a.get() == 1 { panic!("one") });
        let _last = effect!([a, seen] seen.note(("last", a.get())));
        seen.take();
        batch(|| a.set(1));
        assert_eq!((a.get(), failures.take().len()), (1, 1));
        assert_eq!(seen.take(), [("first", 1), ("last", 1)]);
    });
}

#[test]
fn a_computed_first_read_inside_a_batch_over_unrelated_writes_is_not_run_again_after_it() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, other) = (signal(1), signal(0));
        let c = computed!([a, runs] { runs.tick(); a.get() });
        c.get();
        runs.take();
        batch(|| {
            other.set(1);
            assert_eq!(c.get(), 1);
        });
        c.get();
        assert_eq!(runs.take(), 0);
    });
}

#[test]
fn two_threads_may_be_inside_a_batch_of_one_graph_at_once() {
    in_graph(|g| {
        let halt = Halt::first();
        let (a, b) = (signal(0), signal(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                g.batch(|| {
                    a.set(1);
                    halt.here();
                })
            });
            halt.reached();
            batch(|| b.set(1));
            assert_eq!((a.get(), b.get()), (0, 1));
            halt.release();
        });
        assert_eq!((a.get(), b.get()), (1, 1));
    });
}

#[test]
fn a_write_found_equal_to_a_value_that_then_goes_is_still_the_write() {
    in_graph(|_| {
        let by_length = |old: &Vec<i32>, new: &Vec<i32>| old.len() == new.len();
        let list = Signal::builder(vec![1, 2, 3]).equality(by_length).build();
        batch(|| {
            list.set(vec![4, 5, 6]);
            thread::scope(|scope| {
                scope.spawn(|| list.set(vec![9]));
            });
        });
        assert_eq!(list.get(), [4, 5, 6], "the batch never wrote anything else");
    });
}

#[test]
fn a_batch_takes_no_computed_for_one_that_is_gone() {
    in_graph(|_| {
        let a = signal(0);
        batch(|| {
            a.set(1);
            // Each takes the memory of one before, once there are enough of them.
            for n in 0..200 {
                let sum = computed!([a] a.get() + n);
                assert_eq!(sum.get(), n + 1);
            }
        });
    });
}
