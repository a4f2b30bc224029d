//! C6: what is disposed is not running and will not run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use isobar::{Effect, RunOn, batch, computed, effect, on_cleanup, signal};

use crate::stage::{Count, Gate, Halt, Trace, in_graph, in_reporting_graph};

#[test]
fn a_disposed_effect_does_not_run_again() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let watch = effect!([s, seen] seen.note(s.get()));
        assert!(!watch.is_disposed());
        watch.dispose();
        watch.dispose();
        assert!(watch.is_disposed());
        s.set(2);
        batch(|| s.set(3));
        s.touch();
        assert_eq!(seen.take(), [1]);
    });
}

#[test]
fn dropping_the_handle_disposes_and_detaching_does_not() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let dropped = effect!([s, seen] seen.note(("dropped", s.get())));
        effect!([s, seen] seen.note(("detached", s.get()))).detach();
        drop(dropped);
        seen.take();
        s.set(2);
        assert_eq!(seen.take(), [("detached", 2)]);
    });
}

#[test]
fn its_cleanups_run_once_and_before_dispose_returns() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let watch = effect!([s, ran] {
            let value = s.get();
            let log = ran.clone();
            on_cleanup(move || log.note(value));
        });
        s.set(2);
        assert_eq!(ran.take(), [1]);
        watch.dispose();
        assert_eq!(ran.take(), [2]);
        watch.dispose();
        drop(watch);
        ran.expect_silence();
    });
}

#[test]
fn its_siblings_are_still_told() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let c = computed!([s] s.get() * 10);
        let first = effect!([c, seen] seen.note(("first", c.get())));
        let _second = effect!([c, seen] seen.note(("second", c.get())));
        seen.take();
        first.dispose();
        s.set(2);
        assert_eq!(seen.take(), [("second", 20)]);
    });
}

#[test]
fn an_effect_disposed_by_an_earlier_one_of_the_same_wave_does_not_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let victim: Trace<Effect> = Trace::new();
        let _killer = effect!([s, victim] {
            if s.get() == 1 {
                victim.take().iter().for_each(Effect::dispose);
            }
        });
        victim.note(effect!([s, seen] seen.note(s.get())));
        s.set(1);
        s.set(2);
        assert_eq!(seen.take(), [0]);
    });
}

#[test]
fn an_effect_disposed_by_a_computed_of_the_same_wave_does_not_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let victim: Trace<Effect> = Trace::new();
        let killer = computed!([s, victim] {
            let value = s.get();
            if value == 1 {
                victim.take().iter().for_each(Effect::dispose);
            }
            value
        });
        victim.note(effect!([killer, seen] seen.note((0, killer.get()))));
        let _witness = effect!([killer, seen] seen.note((-1, killer.get())));
        seen.take();
        s.set(1);
        assert_eq!(seen.take(), [(-1, 1)]);
    });
}

#[test]
fn an_effect_that_disposes_itself_ends_its_run_and_then_cleans_up() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let own: Trace<Effect> = Trace::new();
        own.note(effect!([s, ran, own] {
            let value = s.get();
            let log = ran.clone();
            on_cleanup(move || log.note(("cleanup", value)));
            if value == 1 {
                own.take().iter().for_each(Effect::dispose);
            }
            ran.note(("end", s.get()));
        }));
        s.set(1);
        assert_eq!(ran.take(), [("end", 0), ("cleanup", 0), ("end", 1), ("cleanup", 1)]);
        s.set(2);
        ran.expect_silence();
    });
}

#[test]
fn an_effect_that_disposes_itself_and_then_writes_what_it_reads_does_not_run_again() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let own: Trace<Effect> = Trace::new();
        own.note(effect!([s, seen, own] {
            let value = s.get();
            seen.note(value);
            if value > 0 {
                own.take().iter().for_each(Effect::dispose);
                s.set(value + 1);
            }
        }));
        s.set(1);
        assert_eq!(seen.take(), [0, 1]);
    });
}

#[test]
fn a_cleanup_that_disposes_its_own_effect_stops_the_next_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let own: Trace<Effect> = Trace::new();
        own.note(effect!([s, seen, own] {
            seen.note(s.get());
            let own = own.clone();
            on_cleanup(move || own.take().iter().for_each(Effect::dispose));
        }));
        s.set(1);
        s.set(2);
        assert_eq!(seen.take(), [0]);
    });
}

#[test]
fn dispose_waits_for_a_run_in_progress_on_another_thread() {
    for _ in 0..100 {
        in_graph(|_| {
            let ran = Trace::new();
            let (s, halt, asked) = (signal(0), Halt::idle(), Gate::new());
            let watch = effect!([s, halt, ran] {
                s.get();
                let log = ran.clone();
                on_cleanup(move || log.note("cleanup"));
                halt.here();
                (0..50).for_each(|_| thread::yield_now());
                ran.note("end of run");
            });
            ran.take();
            halt.arm();
            thread::scope(|scope| {
                scope.spawn(|| s.set(1));
                halt.reached();
                scope.spawn(|| {
                    asked.open();
                    watch.dispose();
                    ran.note("disposed");
                });
                asked.pass();
                halt.release();
            });
            assert_eq!(ran.take(), ["cleanup", "end of run", "cleanup", "disposed"]);
        });
    }
}

#[test]
fn dropping_the_handle_does_not_wait_and_whoever_ends_the_run_cleans_up() {
    in_graph(|g| {
        let ran = Trace::new();
        let (s, halt) = (signal(0), Halt::idle());
        let watch = effect!([s, halt, ran] {
            let value = s.get();
            let log = ran.clone();
            on_cleanup(move || log.note(("cleanup", value)));
            halt.here();
            ran.note(("end", value));
        });
        ran.take();
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            drop(watch);
            assert_eq!(ran.take(), [("cleanup", 0)]);
            s.set(2);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(ran.take(), [("end", 1), ("cleanup", 1)]);
    });
}

#[test]
fn disposing_from_inside_an_effect_does_not_wait_for_another_threads_run() {
    in_graph(|g| {
        let (s, halt, ended) = (signal(0), Halt::idle(), Gate::new());
        let slow = {
            let (s, halt, ended) = (s.clone(), halt.clone(), ended.clone());
            let body = move || {
                if s.get() == 1 {
                    halt.here();
                    ended.open();
                }
            };
            Arc::new(Effect::builder(body).run_on(RunOn::Thread).build())
        };
        g.settle().unwrap();
        halt.arm();
        s.set(1);
        halt.reached();
        let go = signal(false);
        let _killer = effect!([go, slow] if go.get() { slow.dispose(); });
        go.set(true);
        assert!(slow.is_disposed());
        halt.release();
        ended.pass();
    });
}

#[test]
fn after_dispose_returned_there_is_no_run_however_busy_the_writers() {
    in_graph(|_| {
        let s = signal(0_u64);
        let runs = Count::new();
        let stop = AtomicBool::new(false);
        let watch = effect!([s, runs] { s.get(); runs.tick(); });
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(SeqCst) {
                        s.update(|v| v + 1);
                    }
                });
            }
            while s.peek() < 1_000 {
                thread::yield_now();
            }
            watch.dispose();
            runs.take();
            let then = s.peek();
            while s.peek() < then + 1_000 {
                thread::yield_now();
            }
            stop.store(true, SeqCst);
        });
        assert_eq!(runs.take(), 0);
    });
}

#[test]
fn a_queued_run_of_a_disposed_effect_is_dropped() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, t, halt) = (signal(0), signal(0), Halt::idle());
        let _slow = effect!([s, halt] { s.get(); halt.here(); });
        let queued = effect!([t, seen] seen.note(t.get()));
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            t.set(1);
            queued.dispose();
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(seen.take(), [0]);
    });
}

#[test]
fn a_shut_down_graph_runs_no_effects_and_stays_readable_and_settable() {
    in_graph(|g| {
        let ran = Trace::new();
        let s = signal(1);
        let c = computed!([s] s.get() * 10);
        let kept = effect!([c, ran] {
            ran.note(c.get());
            let log = ran.clone();
            on_cleanup(move || log.note(-1));
        });
        effect!([s, ran] ran.note(s.get())).detach();
        assert_eq!(ran.take(), [10, 1]);
        g.shutdown();
        assert_eq!((ran.take(), kept.is_disposed()), (vec![-1], true));
        s.set(2);
        let late = effect!([s, ran] ran.note(s.get()));
        s.set(3);
        assert_eq!((s.get(), c.get(), late.is_disposed()), (3, 30, true));
        ran.expect_silence();
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn a_new_effect_works_where_an_old_one_was_disposed() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        for round in 0..3 {
            let watch = effect!([s, seen] seen.note((round, s.get())));
            s.set(round * 10 + 1);
            watch.dispose();
            s.set(round * 10 + 2);
        }
        assert_eq!(seen.take(), [(0, 0), (0, 1), (1, 2), (1, 11), (2, 12), (2, 21)]);
    });
}

#[test]
fn what_a_cleanup_reads_subscribes_nobody() {
    in_reporting_graph(|_, _| {
        let runs = Count::new();
        let outer_runs = Count::new();
        let (s, t, outer) = (signal(0), signal(0), signal(0));
        let inner = effect!([s, t, runs] {
            s.get();
            runs.tick();
            let t = t.clone();
            on_cleanup(move || { t.get(); });
        });
        let inner: Trace<Effect> = {
            let slot = Trace::new();
            slot.note(inner);
            slot
        };
        let _disposer = effect!([outer, inner, outer_runs] {
            outer_runs.tick();
            if outer.get() == 1 {
                inner.take().iter().for_each(Effect::dispose);
            }
        });
        s.set(1);
        t.set(1);
        assert_eq!(runs.take(), 2);
        outer.set(1);
        t.set(2);
        assert_eq!((runs.take(), outer_runs.take()), (0, 2));
    });
}

#[test]
fn disposing_from_inside_a_computed_does_not_wait_for_another_threads_run() {
    in_graph(|g| {
        let (s, halt, ended) = (signal(0), Halt::idle(), Gate::new());
        let (source, place, end) = (s.clone(), halt.clone(), ended.clone());
        let body = move || {
            if source.get() == 1 {
                place.here();
                end.open();
            }
        };
        let slow = Arc::new(Effect::builder(body).run_on(RunOn::Thread).build());
        g.settle().unwrap();
        halt.arm();
        s.set(1);
        halt.reached();
        let killer = computed!([slow] { slow.dispose(); slow.is_disposed() });
        assert!(killer.get());
        halt.release();
        ended.pass();
    });
}
