//! `transaction`: serializable, re-run when what it read has changed; an error commits nothing.

use std::thread;

use isobar::{Graph, batch, computed, effect, signal, transaction};

use crate::stage::{Gate, Halt, Trace, caught, in_graph, on_stage};

#[test]
fn an_ok_commits_once_and_hands_the_value_out() {
    in_graph(|_| {
        let seen = Trace::new();
        let (from, to) = (signal(10), signal(0));
        let _watch = effect!([from, to, seen] seen.note((from.get(), to.get())));
        let told: Result<i32, ()> = transaction(|| {
            from.set(from.get() - 3);
            to.set(to.get() + 3);
            Ok(to.get())
        });
        assert_eq!(told, Ok(3));
        assert_eq!(seen.take(), [(10, 0), (7, 3)]);
    });
}

#[test]
fn an_error_commits_nothing_and_is_handed_out() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let _watch = effect!([a, seen] seen.note(a.get()));
        let told: Result<(), _> = transaction(|| {
            a.set(2);
            Err(a.get())
        });
        assert_eq!(told, Err(2));
        assert_eq!(a.get(), 1);
        assert_eq!(seen.take(), [1]);
    });
}

#[test]
fn a_panic_commits_nothing_and_goes_on() {
    in_graph(|_| {
        let a = signal(1);
        let words = caught(|| {
            transaction(|| -> Result<(), ()> {
                a.set(2);
                panic!("torn");
            })
        });
        assert_eq!(words, "torn");
        assert_eq!(a.get(), 1);
        a.set(3);
        assert_eq!(a.get(), 3);
    });
}

#[test]
fn it_runs_again_when_a_signal_it_read_changed_before_the_commit() {
    in_graph(|g| {
        let attempts = Trace::new();
        let (a, b) = (signal(1), signal(0));
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.transaction(|| -> Result<(), ()> {
                    let read = a.get();
                    attempts.note(read);
                    halt.here();
                    b.set(read * 10);
                    Ok(())
                })
            });
            halt.reached();
            a.set(5);
            halt.release();
        });
        assert_eq!(attempts.take(), [1, 5]);
        assert_eq!(b.get(), 50);
    });
}

#[test]
fn it_runs_again_when_what_a_computed_it_read_depends_on_has_changed() {
    in_graph(|g| {
        let attempts = Trace::new();
        let (a, b) = (signal(1), signal(0));
        let twice = computed!([a] a.get() * 2);
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.transaction(|| -> Result<(), ()> {
                    let read = twice.get();
                    attempts.note(read);
                    halt.here();
                    b.set(read);
                    Ok(())
                })
            });
            halt.reached();
            a.set(5);
            halt.release();
        });
        assert_eq!(attempts.take(), [2, 10]);
        assert_eq!(b.get(), 10);
    });
}

#[test]
fn it_does_not_run_again_for_signals_it_did_not_read() {
    in_graph(|g| {
        let attempts = Trace::new();
        let (a, b, stranger) = (signal(1), signal(0), signal(0));
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.transaction(|| -> Result<(), ()> {
                    attempts.note(a.get());
                    halt.here();
                    b.set(7);
                    Ok(())
                })
            });
            halt.reached();
            stranger.set(1);
            b.set(100);
            halt.release();
        });
        assert_eq!(attempts.take(), [1]);
        assert_eq!(b.get(), 7, "a blind write of the later commit wins");
    });
}

#[test]
fn an_attempt_that_is_run_again_leaves_no_writes_behind() {
    in_graph(|g| {
        let (choice, left, right) = (signal(true), signal(0), signal(0));
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.transaction(|| -> Result<(), ()> {
                    let chosen = if choice.get() { &left } else { &right };
                    chosen.set(1);
                    halt.here();
                    Ok(())
                })
            });
            halt.reached();
            choice.set(false);
            halt.release();
        });
        assert_eq!((left.get(), right.get()), (0, 1));
    });
}

#[test]
fn two_transactions_that_each_check_both_accounts_cannot_both_withdraw() {
    in_graph(|g| {
        // Write skew: each reads both balances and draws from its own.
        let (mine, yours) = (signal(60), signal(60));
        let withdraw = |from: &isobar::Signal<i32>, halt: &Halt| {
            g.transaction(|| {
                if mine.get() + yours.get() < 100 {
                    return Err("not covered");
                }
                halt.here();
                from.set(from.get() - 100);
                Ok(())
            })
        };
        let (halt, walk_on) = (Halt::first(), Halt::idle());
        thread::scope(|scope| {
            let first = scope.spawn(|| withdraw(&mine, &halt));
            halt.reached();
            assert_eq!(withdraw(&yours, &walk_on), Ok(()));
            halt.release();
            assert_eq!(first.join().unwrap(), Err("not covered"));
        });
        assert_eq!((mine.get(), yours.get()), (60, -40));
    });
}

#[test]
fn transfers_by_many_threads_keep_the_sum_and_overdraw_nobody() {
    const TRANSFERS: usize = 300;
    in_graph(|g| {
        let accounts: Vec<_> = (0..3).map(|_| signal(5_i64)).collect();
        let start = Gate::new();
        thread::scope(|scope| {
            for worker in 0..4 {
                let (accounts, start) = (&accounts, &start);
                scope.spawn(move || {
                    start.pass();
                    for turn in 0..TRANSFERS {
                        let from = &accounts[(turn + worker) % 3];
                        let to = &accounts[(turn * 2 + worker + 1) % 3];
                        g.transaction(|| {
                            let balance = from.get();
                            if balance < 2 || from == to {
                                return Err(());
                            }
                            from.set(balance - 2);
                            to.set(to.get() + 2);
                            Ok(())
                        })
                        .ok();
                    }
                });
            }
            start.open();
        });
        let balances: Vec<_> = accounts.iter().map(|a| a.get()).collect();
        assert_eq!(balances.iter().sum::<i64>(), 15);
        assert!(balances.iter().all(|b| *b >= 0), "{balances:?}");
    });
}

#[test]
fn an_inner_error_undoes_only_the_inner_writes() {
    in_graph(|_| {
        let (a, b) = (signal(0), signal(0));
        let told: Result<(), ()> = transaction(|| {
            a.set(1);
            let inner: Result<(), &str> = transaction(|| {
                a.set(20);
                b.set(20);
                Err("inner")
            });
            assert_eq!(inner, Err("inner"));
            assert_eq!((a.get(), b.get()), (1, 0));
            Ok(())
        });
        assert_eq!(told, Ok(()));
        assert_eq!((a.get(), b.get()), (1, 0));
    });
}

#[test]
fn inside_a_batch_it_joins_the_commit_of_the_batch() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        batch(|| {
            a.set(1);
            let kept: Result<(), ()> = transaction(|| {
                b.set(a.get() + 1);
                Ok(())
            });
            let undone: Result<(), ()> = transaction(|| {
                b.set(100);
                Err(())
            });
            assert_eq!((kept, undone, b.get()), (Ok(()), Err(()), 2));
        });
        assert_eq!(seen.take(), [(0, 0), (1, 2)]);
    });
}

#[test]
fn the_error_of_the_outer_one_undoes_what_inner_ones_wrote() {
    in_graph(|_| {
        let (a, b) = (signal(0), signal(0));
        let told: Result<(), &str> = transaction(|| {
            let inner: Result<(), ()> = transaction(|| {
                a.set(1);
                Ok(())
            });
            inner.unwrap();
            batch(|| b.set(1));
            Err("outer")
        });
        assert_eq!(told, Err("outer"));
        assert_eq!((a.get(), b.get()), (0, 0));
    });
}

#[test]
fn inside_an_effect_its_error_undoes_only_its_own_writes() {
    in_graph(|_| {
        let (go, kept, undone) = (signal(0), signal(0), signal(0));
        let _watch = effect!([go, kept, undone] {
            kept.set(go.get());
            transaction(|| -> Result<(), ()> {
                undone.set(go.get());
                Err(())
            })
            .unwrap_err();
        });
        go.set(5);
        assert_eq!((kept.get(), undone.get()), (5, 0));
    });
}

#[test]
fn an_update_inside_is_replayed_instead_of_running_it_all_again() {
    in_graph(|g| {
        let attempts = Trace::new();
        let count = signal(0);
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.transaction(|| -> Result<(), ()> {
                    attempts.note(());
                    count.update(|c| c + 1);
                    halt.here();
                    Ok(())
                })
            });
            halt.reached();
            count.update(|c| c + 10);
            halt.release();
        });
        assert_eq!(count.get(), 11);
        assert_eq!(attempts.take().len(), 1);
    });
}

#[test]
fn over_two_graphs_one_that_runs_again_applies_its_writes_once() {
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let (count, read, written) = (left.signal(0), right.signal(1), right.signal(0));
        let attempts = Trace::new();
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                left.transaction(|| -> Result<(), ()> {
                    count.update(|c| c + 1);
                    let value = read.get();
                    attempts.note(value);
                    halt.here();
                    written.set(value);
                    Ok(())
                })
            });
            halt.reached();
            read.set(2);
            halt.release();
        });
        assert_eq!((attempts.take(), written.get(), count.get()), (vec![1, 2], 2, 1));
    });
}
