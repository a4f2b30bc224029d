//! When effects run, in which order, and what they see of their own writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use isobar::{Graph, batch, computed, effect, signal};

use crate::stage::{Count, Gate, Halt, Trace, caught, in_graph, says};

#[test]
fn an_effect_runs_once_before_its_constructor_returns() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(7);
        let _watch = effect!([s, seen] seen.note(s.get()));
        assert_eq!(seen.take(), [7]);
    });
}

#[test]
fn each_set_outside_a_batch_has_been_seen_when_it_returns() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let _watch = effect!([s, seen] seen.note(s.get()));
        seen.take();
        for value in 1..=5 {
            s.set(value);
            assert_eq!(seen.take(), [value]);
        }
    });
}

#[test]
fn what_an_earlier_effect_wrote_below_a_dirty_computed_has_been_seen_when_a_set_returns() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, copy) = (signal(0), signal(0));
        let sum = computed!([s, copy] s.get() + copy.get());
        let _writer = effect!([s, copy] copy.set(s.get()));
        let _watch = effect!([sum, seen] seen.note(sum.get()));
        for value in 1..=100 {
            s.set(value);
            assert_eq!(seen.take().last(), Some(&(value * 2)));
        }
    });
}

#[test]
fn an_effect_may_keep_state_between_its_runs() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let (source, log) = (s.clone(), seen.clone());
        let mut total = 0;
        let _watch = isobar::effect(move || {
            total += source.get();
            log.note(total);
        });
        s.set(10);
        s.set(100);
        assert_eq!(seen.take(), [1, 11, 111]);
    });
}

#[test]
fn an_effect_does_not_run_for_what_it_did_not_read() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, other) = (signal(1), signal(1));
        let parity = computed!([s] s.get() % 2);
        let _watch = effect!([parity, seen] seen.note(parity.get()));
        other.set(2);
        s.set(3);
        s.set(5);
        assert_eq!(seen.take(), [1]);
    });
}

#[test]
fn effects_of_a_wave_run_in_the_order_of_their_creation() {
    in_graph(|_| {
        let ran = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let deep = computed!([a] a.get()).map(|v| v + 1).map(|v| v + 1);
        let _first = effect!([deep, ran] { deep.get(); ran.note(1); });
        let _second = effect!([b, ran] { b.get(); ran.note(2); });
        let _third = effect!([a, ran] { a.get(); ran.note(3); });
        let _fourth = effect!([deep, b, ran] { b.get(); deep.get(); ran.note(4); });
        ran.take();
        isobar::batch(|| {
            b.set(1);
            a.set(1);
        });
        assert_eq!(ran.take(), [1, 2, 3, 4]);
        a.set(2);
        assert_eq!(ran.take(), [1, 3, 4]);
    });
}

#[test]
fn effects_run_after_every_computed_of_the_wave_that_they_read() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let c = computed!([s, ran] { ran.note("c"); s.get() });
        let d = computed!([c, ran] { ran.note("d"); c.get() });
        let _watch = effect!([s, d, ran] { s.get(); d.get(); ran.note("effect"); });
        ran.take();
        s.set(1);
        assert_eq!(ran.take(), ["c", "d", "effect"]);
    });
}

#[test]
fn the_writes_of_one_run_are_one_commit_at_its_end() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, x, y) = (signal(0), signal(0), signal(0));
        let _reader_made_first = effect!([x, y, seen] seen.note((x.get(), y.get())));
        let _writer = effect!([s, x, y] {
            x.set(s.get() * 10);
            y.set(s.get() * 100);
        });
        let before = g.revision().as_u64();
        s.set(1);
        assert_eq!(seen.take(), [(0, 0), (10, 100)]);
        assert_eq!(g.revision().as_u64(), before + 2);
        assert_eq!(x.revision(), y.revision());
    });
}

#[test]
fn an_effect_sees_its_own_writes_also_through_computeds_and_others_do_not_yet() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, x, halt) = (signal(0), signal(0), Halt::idle());
        let tenfold = computed!([x] x.get() * 10);
        let _watch = effect!([s, x, tenfold, seen, halt] {
            let value = s.get();
            isobar::untracked(|| {
                x.set(value);
                seen.note((x.get(), tenfold.get()));
            });
            halt.here();
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(5));
            halt.reached();
            assert_eq!((s.get(), x.get(), tenfold.get()), (5, 0, 0));
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!((x.get(), tenfold.get()), (5, 50));
        assert_eq!(seen.take(), [(0, 0), (5, 50)]);
    });
}

#[test]
fn increments_made_in_an_effect_are_neither_lost_nor_doubled() {
    in_graph(|g| {
        let (s, count, halt) = (signal(0), signal(0), Halt::idle());
        let _watch = effect!([s, count, halt] {
            s.get();
            count.update(|c| c + 1);
            halt.here();
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            count.update(|c| c + 100);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(count.get(), 102);
    });
}

#[test]
fn an_update_subscribes_its_effect_to_nothing() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, count) = (signal(0), signal(0));
        let _watch = effect!([s, count, runs] {
            s.get();
            count.update(|c| c + 1);
            runs.tick();
        });
        count.set(50);
        s.set(1);
        assert_eq!((runs.take(), count.get()), (2, 51));
    });
}

#[test]
fn what_an_effect_wrote_reaches_effects_made_before_and_after_it() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, x) = (signal(0), signal(0));
        let tenfold = computed!([x] x.get() * 10);
        let _before = effect!([s, tenfold, seen] seen.note(("before", s.get(), tenfold.get())));
        let _writer = effect!([s, x] x.set(s.get()));
        let _after = effect!([s, tenfold, seen] seen.note(("after", s.get(), tenfold.get())));
        seen.take();
        s.set(1);
        let noted = seen.take();
        let last = |name| noted.iter().rfind(|(who, ..)| *who == name);
        assert_eq!(last("before"), Some(&("before", 1, 10)));
        assert_eq!(last("after"), Some(&("after", 1, 10)));
        assert!(noted.len() <= 4, "no more than one run per revision each: {noted:?}");
    });
}

#[test]
fn an_effect_that_writes_an_equal_value_wakes_nobody() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, x) = (signal(0), signal(0));
        let _writer = effect!([s, x] x.set(s.get() / 10));
        let _reader = effect!([x, runs] { x.get(); runs.tick(); });
        s.set(5);
        s.set(9);
        assert_eq!(runs.take(), 1);
        s.set(10);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn an_effect_made_inside_an_effect_runs_at_once_and_at_its_revision() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, t, halt) = (signal(0), signal(0), Halt::idle());
        let _outer = effect!([s, t, seen, halt] {
            let value = s.get();
            halt.here();
            effect!([t, seen] seen.note(("inner", t.get()))).detach();
            seen.note(("outer", value));
        });
        assert_eq!(seen.take(), [("inner", 0), ("outer", 0)]);
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            t.set(9);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(seen.take(), [("inner", 0), ("outer", 1), ("inner", 9)]);
    });
}

#[test]
fn an_effect_made_inside_a_computed_is_refused() {
    in_graph(|g| {
        let ran = Count::new();
        let s = signal(0);
        let c = computed!([s, ran] {
            effect!([ran] ran.tick()).detach();
            s.get()
        });
        says(c.try_get().unwrap_err().to_string(), &["effect", "computed"]);
        assert_eq!((ran.take(), g.stats().live_effects), (0, 0));
    });
}

#[test]
fn set_returns_once_committed_while_another_thread_runs_the_wave() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt) = (signal(0), Halt::idle());
        let _watch = effect!([s, halt, seen] { seen.note(s.get()); halt.here(); });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            for value in 2..=5 {
                s.set(value);
                assert_eq!(s.get(), value);
            }
            halt.release();
        });
        g.settle().unwrap();
        let noted = seen.take();
        assert_eq!((noted[..2].to_vec(), noted.last()), (vec![0, 1], Some(&5)));
        assert!(noted.is_sorted(), "{noted:?}");
    });
}

#[test]
fn what_was_written_during_a_wave_is_seen_without_anybody_settling() {
    in_graph(|_| {
        let (s, halt, arrived) = (signal(0), Halt::idle(), Gate::new());
        let _watch = effect!([s, halt, arrived] {
            halt.here();
            if s.get() == 2 {
                arrived.open();
            }
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            s.set(2);
            halt.release();
            arrived.pass();
        });
    });
}

#[test]
fn an_effect_never_has_two_runs_at_once() {
    in_graph(|g| {
        let running = Arc::new(AtomicBool::new(false));
        let overlaps = Count::new();
        let s = signal(0);
        let _watch = effect!([s, running, overlaps] {
            if running.swap(true, SeqCst) {
                overlaps.tick();
            }
            s.get();
            thread::yield_now();
            running.store(false, SeqCst);
        });
        let start = Gate::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.pass();
                    (0..300).for_each(|_| s.update(|v| v + 1));
                });
            }
            start.open();
        });
        g.settle().unwrap();
        assert_eq!((overlaps.take(), s.get()), (0, 1200));
    });
}

#[test]
fn under_many_writers_an_effect_only_goes_forward_and_ends_at_the_last_value() {
    in_graph(|g: &Graph| {
        let seen = Trace::new();
        let plain = Trace::new();
        let (s, last) = (signal(0), signal((0, 0)));
        let c = computed!([s] s.get() * 2);
        let world = g.clone();
        let _watch = effect!([s, c, seen, world] {
            seen.note((world.revision(), s.get(), c.get()));
        });
        let _plain = effect!([last, plain] plain.note(last.get()));
        let start = Gate::new();
        thread::scope(|scope| {
            for writer in 1..=3 {
                let (start, s, last) = (&start, &s, &last);
                scope.spawn(move || {
                    start.pass();
                    for turn in 1..=2_000 {
                        s.update(|v| v + 1);
                        last.set((writer, turn));
                    }
                });
            }
            start.open();
        });
        g.settle().unwrap();
        assert_eq!(plain.take().last(), Some(&last.get()));
        let noted = seen.take();
        assert_eq!(noted.last().map(|n| n.1), Some(6_000));
        assert!(noted.iter().all(|(_, s, c)| *c == 2 * s));
        assert!(noted.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
    });
}

#[test]
fn a_subscription_is_called_at_once_and_on_each_change_until_dropped() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let parity = computed!([s] s.get() % 2);
        let (on_signal, on_computed) = (seen.clone(), seen.clone());
        let first = s.subscribe(move |v| on_signal.note(("signal", *v)));
        let second = parity.subscribe(move |v| on_computed.note(("parity", *v)));
        assert_eq!(seen.take(), [("signal", 1), ("parity", 1)]);
        s.set(3);
        assert_eq!(seen.take(), [("signal", 3)]);
        drop(first);
        s.set(4);
        assert_eq!(seen.take(), [("parity", 0)]);
        drop(second);
        s.set(5);
        seen.expect_silence();
    });
}

#[test]
fn what_the_callback_of_a_subscription_reads_is_untracked() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, other) = (signal(1), signal(10));
        let (log, read) = (seen.clone(), other.clone());
        let _watch = s.subscribe(move |v| log.note((*v, read.get())));
        other.set(20);
        s.set(2);
        assert_eq!(seen.take(), [(1, 10), (2, 20)]);
    });
}

#[test]
fn a_wide_fan_out_runs_each_effect_once() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(0);
        let watches: Vec<_> = (0..500)
            .map(|i| {
                let c = computed!([s] s.get() + i);
                effect!([c, runs] { c.get(); runs.tick(); })
            })
            .collect();
        assert_eq!(runs.take(), 500);
        s.set(1);
        assert_eq!(runs.take(), 500);
        drop(watches);
    });
}

#[test]
fn an_effect_that_subscribes_to_an_already_read_computed_is_told_of_its_changes() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let c = computed!([s] s.get() * 10);
        assert_eq!(c.get(), 10);
        s.set(2);
        let _watch = effect!([c, seen] seen.note(c.get()));
        s.set(3);
        assert_eq!(seen.take(), [20, 30]);
    });
}

#[test]
fn a_batch_inside_an_effect_joins_the_commit_of_its_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, x, y, z) = (signal(0), signal(0), signal(0), signal(0));
        let _reader = effect!([x, y, z, seen] seen.note((x.get(), y.get(), z.get())));
        let _writer = effect!([s, x, y, z] {
            let value = s.get();
            batch(|| {
                x.set(value);
                y.set(value);
            });
            z.set(value);
        });
        s.set(1);
        assert_eq!(seen.take(), [(0, 0, 0), (1, 1, 1)]);
    });
}

#[test]
fn effects_made_in_one_batch_first_run_in_the_order_of_their_creation() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let watches = batch(|| {
            let made = [1, 2, 3].map(|i| effect!([s, ran] { s.get(); ran.note(i); }));
            s.set(1);
            made
        });
        assert_eq!(ran.take(), [1, 2, 3]);
        s.set(2);
        assert_eq!(ran.take(), [1, 2, 3]);
        drop(watches);
    });
}

#[test]
fn an_effect_made_in_a_batch_that_panics_and_kept_still_runs() {
    in_graph(|_| {
        let seen = Trace::new();
        let kept = Trace::new();
        let s = signal(1);
        caught(|| {
            batch(|| {
                s.set(2);
                kept.note(effect!([s, seen] seen.note(s.get())));
                panic!("abandon");
            })
        });
        assert_eq!(seen.take(), [1]);
        s.set(3);
        assert_eq!(seen.take(), [3]);
    });
}

#[test]
fn a_write_by_another_thread_during_the_first_run_is_seen() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt) = (signal(0), Halt::first());
        thread::scope(|scope| {
            let making = scope.spawn(|| {
                g.enter(|| effect!([s, halt, seen] { seen.note(s.get()); halt.here(); }))
            });
            halt.reached();
            s.set(1);
            halt.release();
            let _watch = making.join().unwrap();
            g.settle().unwrap();
            assert_eq!(seen.take(), [0, 1]);
        });
    });
}
