//! C2: everything one evaluation reads, directly or through computeds, is of one revision.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use isobar::{Computed, Effect, Graph, Signal, batch, computed, effect, signal, snapshot};

use crate::stage::{Count, Gate, Halt, Trace, in_graph};

#[test]
fn a_diamond_runs_each_of_its_nodes_once_per_write() {
    in_graph(|_| {
        let ran = Trace::new();
        let seen = Trace::new();
        let a = signal(1);
        let b = computed!([a, ran] { ran.note("b"); a.get() + 1 });
        let c = computed!([a, ran] { ran.note("c"); a.get() * 2 });
        let d = computed!([b, c, ran] { ran.note("d"); b.get() + c.get() });
        let _watch = effect!([d, seen] seen.note(d.get()));
        assert_eq!(ran.take_sorted(), ["b", "c", "d"]);
        for value in [2, 3, 4] {
            a.set(value);
            assert_eq!(ran.take_sorted(), ["b", "c", "d"]);
        }
        assert_eq!(seen.take(), [4, 7, 10, 13]);
    });
}

#[test]
fn an_effect_on_any_layer_of_a_diamond_runs_once_per_write() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let b = computed!([a] a.get() * 2);
        let c = computed!([b] b.get() + 10);
        let d = computed!([b, c] b.get() + c.get());
        let _on_b = effect!([b, seen] seen.note(("b", b.get())));
        let _on_c = effect!([c, seen] seen.note(("c", c.get())));
        let _on_d = effect!([d, seen] seen.note(("d", d.get())));
        assert_eq!(seen.take(), [("b", 2), ("c", 12), ("d", 14)]);
        a.set(5);
        assert_eq!(seen.take(), [("b", 10), ("c", 20), ("d", 30)]);
        a.set(3);
        assert_eq!(seen.take(), [("b", 6), ("c", 16), ("d", 22)]);
    });
}

#[test]
fn an_effect_never_sees_a_signal_apart_from_what_is_derived_of_it() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let c = computed!([a] a.get() + 10);
        let _direct_first = effect!([a, c, seen] seen.note((a.get(), c.get())));
        let _derived_first = effect!([a, c, seen] {
            let derived = c.get();
            seen.note((a.get(), derived));
        });
        a.set(2);
        a.set(5);
        assert_eq!(seen.take(), [(1, 11), (1, 11), (2, 12), (2, 12), (5, 15), (5, 15)]);
    });
}

#[test]
fn a_signal_and_a_chain_of_it_are_equal_whoever_reads_them_and_in_whatever_order() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let mut chain = vec![computed!([s] s.get())];
        for link in 0..3 {
            let before = chain[link].clone();
            chain.push(computed(move || before.get()));
        }
        let all = computed!([s, chain] {
            let mut values = vec![s.get()];
            values.extend(chain.iter().map(Computed::get));
            values
        });
        let end = chain[3].clone();
        let _each = effect!([s, chain, seen] {
            let values = chain.iter().map(Computed::get);
            seen.note([s.get()].into_iter().chain(values).collect::<Vec<_>>());
        });
        let _collected = effect!([all, seen] seen.note(all.get()));
        let _ends = effect!([s, end, seen] seen.note(vec![s.get(), end.get()]));
        for value in 1..=3 {
            seen.take();
            s.set(value);
            assert_eq!(seen.take(), [vec![value; 5], vec![value; 5], vec![value; 2]]);
        }
    });
}

#[test]
fn branches_of_unequal_length_meet_once() {
    in_graph(|_| {
        let seen = Trace::new();
        let joins = Count::new();
        let a = signal(1);
        let long = computed!([a] a.get() + 1).map(|v| v + 1).map(|v| v + 1);
        let join = computed!([a, long, joins] { joins.tick(); (a.get(), long.get()) });
        let _watch = effect!([join, seen] seen.note(join.get()));
        assert_eq!(joins.take(), 1);
        a.set(10);
        assert_eq!(joins.take(), 1);
        assert_eq!(seen.take(), [(1, 4), (10, 13)]);
    });
}

#[test]
fn many_signals_written_together_are_seen_together() {
    in_graph(|_| {
        let seen = Trace::new();
        let signals: Vec<_> = (0..20).map(signal).collect();
        let sources = signals.clone();
        let sum = computed(move || sources.iter().map(|s| s.get()).sum::<i32>());
        let _watch = effect!([sum, seen] seen.note(sum.get()));
        batch(|| signals.iter().for_each(|s| s.set(s.peek() + 1)));
        assert_eq!(seen.take(), [190, 210]);
    });
}

#[test]
fn crossed_diamonds_over_two_signals_run_each_node_once_per_batch() {
    in_graph(|_| {
        let ran = Trace::new();
        let seen = Trace::new();
        let (a, b) = (signal(1), signal(10));
        let sum = computed!([a, b, ran] { ran.note("sum"); a.get() + b.get() });
        let gap = computed!([a, b, ran] { ran.note("gap"); b.get() - a.get() });
        let both = computed!([sum, gap, ran] { ran.note("both"); (sum.get(), gap.get()) });
        let _watch = effect!([both, seen] seen.note(both.get()));
        ran.take();
        batch(|| {
            a.set(2);
            b.set(20);
        });
        assert_eq!(ran.take_sorted(), ["both", "gap", "sum"]);
        assert_eq!(seen.take(), [(11, 9), (22, 18)]);
    });
}

/// Each rung reads the one below twice: forty rungs are a million million paths.
fn ladder(foot: Computed<u64>, rungs: usize, runs: &Count) -> Computed<u64> {
    (0..rungs).fold(foot, |below, _| {
        let (left, right) = (below.clone(), below);
        let (left_runs, right_runs, join_runs) = (runs.clone(), runs.clone(), runs.clone());
        let left = computed(move || {
            left_runs.tick();
            left.get() % 1000
        });
        let right = computed(move || {
            right_runs.tick();
            right.get() + 1
        });
        computed(move || {
            join_runs.tick();
            left.get() + right.get()
        })
    })
}

#[test]
fn a_ladder_of_forty_diamonds_runs_each_rung_once_per_read() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(0);
        let top = ladder(computed!([a] a.get()), 40, &runs);
        top.get();
        assert_eq!(runs.take(), 120);
        a.set(7);
        top.get();
        assert_eq!(runs.take(), 120);
    });
}

#[test]
fn a_ladder_of_forty_diamonds_runs_each_rung_once_per_wave() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(0);
        let top = ladder(computed!([a] a.get()), 40, &runs);
        let _watch = effect!([top] _ = top.get());
        assert_eq!(runs.take(), 120);
        a.set(7);
        assert_eq!(runs.take(), 120);
    });
}

#[test]
fn a_ladder_of_forty_diamonds_runs_each_rung_once_per_old_snapshot() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(0);
        let top = ladder(computed!([a] a.get()), 40, &runs);
        let old = snapshot();
        a.set(7);
        let then = old.get(&top);
        assert_eq!(runs.take(), 120);
        assert_eq!(old.get(&top), then);
        assert_eq!(runs.take(), 0, "an answer once worked out is kept while the snapshot is held");
        top.get();
        assert_eq!(runs.take(), 120);
    });
}

#[test]
fn a_ladder_of_forty_diamonds_runs_each_rung_once_per_draft_and_once_per_batch() {
    in_graph(|g| {
        let runs = Count::new();
        let a = signal(0);
        let top = ladder(computed!([a] a.get()), 40, &runs);
        let draft = g.draft();
        draft.set(&a, 3);
        draft.get(&top);
        assert_eq!(runs.take(), 120);
        drop(draft);
        batch(|| {
            a.set(5);
            top.get();
            assert_eq!(runs.take(), 120);
        });
    });
}

#[test]
fn a_ladder_whose_foot_another_thread_is_computing_is_still_climbed_once() {
    in_graph(|g| {
        let runs = Count::new();
        let halt = Halt::first();
        let a = signal(0);
        let foot = computed!([a, halt] { halt.here(); a.get() });
        let top = ladder(foot.clone(), 40, &runs);
        let above = computed!([top] top.get() + 1);
        thread::scope(|scope| {
            let other = scope.spawn(|| g.enter(|| top.get()));
            halt.reached();
            // Read from within an evaluation: it holds a claim of its own and must not wait for
            // the thread that stands in the foot.
            let reader = computed!([above, halt] { let v = above.get(); halt.release(); v });
            let read = reader.get();
            assert_eq!(read, other.join().unwrap() + 1);
        });
        assert!(runs.take() <= 2 * 120, "each of the two threads ran a rung at most once");
    });
}

#[test]
fn a_computed_that_straddles_a_commit_reads_one_revision() {
    in_graph(|_| {
        let halt = Halt::first();
        let (a, b) = (signal(1), signal(1));
        let next = computed!([b] b.get() + 1);
        let pair = computed!([a, next, halt] {
            let first = a.get();
            halt.here();
            (first, next.get())
        });
        thread::scope(|scope| {
            let straddling = scope.spawn(|| pair.get());
            halt.reached();
            isobar::batch(|| {
                a.set(50);
                b.set(50);
            });
            halt.release();
            let read = straddling.join().unwrap();
            assert!([(1, 2), (50, 51)].contains(&read), "{read:?} mixes two revisions");
        });
        assert_eq!(pair.get(), (50, 51));
    });
}

#[test]
fn an_effect_that_straddles_a_commit_reads_one_revision_and_then_the_next() {
    in_graph(|g| {
        let seen = Trace::new();
        let halt = Halt::idle();
        let s = signal(0);
        let next = computed!([s] s.get() + 1);
        let _watch = effect!([s, next, halt, seen] {
            let first = s.get();
            halt.here();
            seen.note((first, next.get()));
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            s.set(50);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(seen.take(), [(0, 1), (1, 2), (50, 51)]);
    });
}

#[test]
fn an_untracked_read_is_of_the_same_revision_as_the_tracked_ones() {
    in_graph(|g| {
        let seen = Trace::new();
        let halt = Halt::idle();
        let (a, b) = (signal(0), signal(0));
        let _watch = effect!([a, b, halt, seen] {
            let first = a.get();
            halt.here();
            seen.note((first, b.peek(), isobar::untracked(|| b.get())));
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| a.set(1));
            halt.reached();
            b.set(9);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(seen.take(), [(0, 0, 0), (1, 0, 0)]);
    });
}

#[test]
fn a_batch_reads_the_revision_at_which_it_began() {
    in_graph(|_| {
        let (a, b) = (signal(0), signal(0));
        let sum = computed!([a, b] a.get() + b.get());
        batch(|| {
            a.set(1);
            thread::scope(|scope| {
                scope.spawn(|| b.set(10));
            });
            assert_eq!((b.get(), sum.get()), (0, 1));
        });
        assert_eq!((b.get(), sum.get()), (10, 11));
    });
}

#[test]
fn a_source_met_for_the_first_time_in_the_middle_of_a_wave_is_of_that_wave() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(0);
        let deep = computed!([a] a.get()).map(|v| v + 1).map(|v| v + 1).map(|v| v + 1);
        deep.get();
        let late = computed!([a, deep] if a.get() == 0 { (0, 0) } else { (a.get(), deep.get()) });
        let _watch = effect!([late, seen] seen.note(late.get()));
        a.set(5);
        a.set(6);
        assert_eq!(seen.take(), [(0, 0), (5, 8), (6, 9)]);
    });
}

#[test]
fn readers_on_other_threads_never_see_a_mixed_pair() {
    const WRITES: i64 = 5_000;
    in_graph(|g| {
        let (a, b) = (signal(0_i64), signal(0_i64));
        let gap = computed!([a, b] a.get() - b.get());
        let start = Gate::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.pass();
                    while g.snapshot().get(&a) < WRITES {
                        assert_eq!(gap.get(), 0);
                        let held = g.snapshot();
                        assert_eq!(held.get(&a), held.get(&b));
                    }
                });
            }
            start.open();
            for value in 1..=WRITES {
                g.batch(|| {
                    a.set(value);
                    b.set(value);
                });
            }
        });
    });
}

#[test]
fn a_fan_out_read_by_four_threads_under_two_sources_agrees_at_each_moment_and_in_the_end() {
    in_graph(|g| {
        let (base, seventh) = (signal(0_i64), signal(0_i64));
        let (of_base, of_seventh) = (base.map(|v| v * 4), seventh.map(|v| v * 4));
        let left = computed!([of_base, base] of_base.get() + base.get());
        let right = computed!([of_base, base] of_base.get() - base.get());
        let total = computed!([left, right] left.get() + right.get());
        let (totals, told) = (Trace::new(), Trace::new());
        let _watch = effect!([total, totals] totals.note(total.get()));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        let now = g.snapshot();
                        let base = now.get(&base);
                        let read = [&left, &right, &total].map(|node| now.get(node));
                        if read != [5 * base, 3 * base, 8 * base] {
                            told.note((base, read));
                        }
                        assert_eq!(total.get() % 8, 0);
                    }
                });
            }
            for value in 1..=79 {
                base.set(value);
                if value % 7 == 1 {
                    seventh.set(value);
                }
            }
            done.store(true, SeqCst);
        });
        g.settle().unwrap();
        told.expect_silence();
        assert_eq!((of_seventh.get(), of_base.get()), (312, 316));
        assert_eq!((left.get(), right.get(), total.get()), (395, 237, 632));
        let totals = totals.take();
        assert!(totals.is_sorted() && totals.last() == Some(&632), "{totals:?}");
    });
}

/// What the effect of a diamond over `a` sees; the log is the thread's own.
fn log_diamond(a: &Signal<u64>) -> (Effect, Trace<(u64, u64)>) {
    let seen = Trace::new();
    let b = computed!([a] a.get() + 1);
    let c = computed!([a] a.get() * 2);
    let d = computed!([b, c] b.get() + c.get());
    (effect!([a, d, seen] seen.note((a.get(), d.get()))), seen)
}

const WRITES: u64 = 50;

#[test]
fn eight_diamonds_of_eight_graphs_on_eight_threads_are_seen_once_per_write() {
    in_graph(|_| {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let own = Graph::new();
                    let a = own.signal(0);
                    let (_watch, seen) = own.enter(|| log_diamond(&a));
                    (1..=WRITES).for_each(|value| a.set(value));
                    let each: Vec<_> = (0..=WRITES).map(|v| (v, 3 * v + 1)).collect();
                    assert_eq!(seen.take(), each);
                });
            }
        });
    });
}

#[test]
fn eight_diamonds_of_one_graph_on_eight_threads_are_never_mixed_and_end_exact() {
    in_graph(|g| {
        let all: Vec<_> = (0..8).map(|_| signal(0)).map(|a| (log_diamond(&a), a)).collect();
        thread::scope(|scope| {
            for (_, a) in &all {
                scope.spawn(move || (1..=WRITES).for_each(|value| a.set(value)));
            }
        });
        g.settle().unwrap();
        for ((_, seen), _) in &all {
            let seen = seen.take();
            assert!(seen.iter().all(|(a, d)| *d == 3 * a + 1), "{seen:?}");
            assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
            assert_eq!(seen.last(), Some(&(WRITES, 3 * WRITES + 1)));
        }
    });
}

#[test]
fn what_was_worked_out_beside_another_threads_run_does_not_go_stale() {
    in_graph(|_| {
        let halt = Halt::first();
        let s = signal(1);
        let shared = computed!([s, halt] { let value = s.get(); halt.here(); value });
        let above = computed!([shared] shared.get() * 10);
        thread::scope(|scope| {
            let stuck = scope.spawn(|| shared.get());
            halt.reached();
            s.set(2);
            assert_eq!(above.get(), 20);
            halt.release();
            assert!([1, 2].contains(&stuck.join().unwrap()));
        });
        s.set(3);
        assert_eq!((above.get(), shared.get()), (30, 3));
        s.set(4);
        assert_eq!((shared.get(), above.get()), (4, 40));
    });
}
