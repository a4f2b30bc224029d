//! Where effects run: on the writer's thread, on the pool, on a thread of their own.

use std::thread::{self, ThreadId};

use isobar::{Effect, Graph, RunOn, computed, effect, signal};

use crate::stage::{Gate, Halt, Trace, in_graph, in_reporting_graph, in_this};

fn here() -> ThreadId {
    thread::current().id()
}

#[test]
fn by_default_an_effect_runs_on_the_thread_that_wrote() {
    in_graph(|_| {
        let ran_on = Trace::new();
        let s = signal(0);
        let _watch = effect!([s, ran_on] { s.get(); ran_on.note(here()); });
        s.set(1);
        let writer = thread::scope(|scope| {
            scope
                .spawn(|| {
                    s.set(2);
                    here()
                })
                .join()
                .unwrap()
        });
        assert_eq!(ran_on.take(), [here(), here(), writer]);
    });
}

#[test]
fn on_the_pool_or_its_own_thread_it_never_runs_on_the_writers() {
    for place in [RunOn::Pool, RunOn::Thread] {
        in_graph(move |g| {
            let ran_on = Trace::new();
            let s = signal(0);
            let (source, log) = (s.clone(), ran_on.clone());
            let body = move || {
                source.get();
                log.note(here());
            };
            let _watch = Effect::builder(body).run_on(place).build();
            g.settle().unwrap();
            for value in 1..=10 {
                s.set(value);
                g.settle().unwrap();
            }
            let ran_on = ran_on.take();
            assert_eq!(ran_on.len(), 11);
            assert!(!ran_on.contains(&here()));
        });
    }
}

#[test]
fn a_thread_of_its_own_is_the_same_thread_each_time() {
    in_graph(|g| {
        let ran_on = Trace::new();
        let s = signal(0);
        let (source, log) = (s.clone(), ran_on.clone());
        let body = move || {
            source.get();
            log.note(here());
        };
        let _watch = Effect::builder(body).run_on(RunOn::Thread).build();
        for value in 1..=5 {
            s.set(value);
            g.settle().unwrap();
        }
        let ran_on = ran_on.take();
        assert!(ran_on.iter().all(|id| *id == ran_on[0]), "{ran_on:?}");
    });
}

#[test]
fn its_constructor_and_set_do_not_wait_for_it() {
    for place in [RunOn::Pool, RunOn::Thread] {
        in_graph(move |g| {
            let seen = Trace::new();
            let (s, gate) = (signal(0), Gate::new());
            let (source, log, first) = (s.clone(), seen.clone(), gate.clone());
            let body = move || {
                first.pass();
                log.note(source.get());
            };
            let _watch = Effect::builder(body).run_on(place).build();
            for value in 1..=5 {
                s.set(value);
            }
            seen.expect_silence();
            gate.open();
            g.settle().unwrap();
            assert_eq!(seen.take().last(), Some(&5));
        });
    }
}

#[test]
fn one_that_blocks_off_the_writers_thread_keeps_no_other_effect_waiting() {
    for place in [RunOn::Pool, RunOn::Thread] {
        in_graph(move |g| {
            let seen = Trace::new();
            let (left, right, halt) = (signal(0), signal(0), Halt::idle());
            let (source, inside) = (left.clone(), halt.clone());
            let body = move || {
                source.get();
                inside.here();
            };
            let _blocks = Effect::builder(body).run_on(place).build();
            let _quick = effect!([right, seen] seen.note(right.get()));
            g.settle().unwrap();
            halt.arm();
            left.set(1);
            halt.reached();
            thread::scope(|scope| {
                scope.spawn(|| {
                    right.set(1);
                    assert_eq!(seen.take(), [0, 1]);
                });
            });
            halt.release();
        });
    }
}

#[test]
fn a_slow_one_conflates_and_ends_at_the_last_value() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt) = (signal(0), Halt::idle());
        let (source, log, place) = (s.clone(), seen.clone(), halt.clone());
        let body = move || {
            log.note(source.get());
            place.here();
        };
        let _watch = Effect::builder(body).run_on(RunOn::Thread).build();
        g.settle().unwrap();
        halt.arm();
        s.set(1);
        halt.reached();
        (2..=100).for_each(|value| s.set(value));
        halt.release();
        g.settle().unwrap();
        assert_eq!(seen.take(), [0, 1, 100]);
    });
}

#[test]
fn it_reads_one_revision_like_any_other() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(0);
        let tenfold = computed!([s] s.get() * 10);
        let (source, derived, log) = (s.clone(), tenfold.clone(), seen.clone());
        let body = move || {
            let first = source.get();
            thread::yield_now();
            log.note((first, derived.get()));
        };
        let _watch = Effect::builder(body).run_on(RunOn::Pool).build();
        (1..=1_000).for_each(|value| s.set(value));
        g.settle().unwrap();
        let seen = seen.take();
        assert!(seen.iter().all(|(s, c)| *c == s * 10), "{seen:?}");
        assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(seen.last(), Some(&(1_000, 10_000)));
    });
}

#[test]
fn a_panic_there_is_reported_and_it_goes_on() {
    in_reporting_graph(|g, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let (source, log) = (s.clone(), seen.clone());
        let body = move || {
            let value = source.get();
            assert!(value != 1, "one");
            log.note(value);
        };
        let _watch = Effect::builder(body).name("remote").run_on(RunOn::Thread).build();
        g.settle().unwrap();
        s.set(1);
        g.settle().unwrap();
        s.set(2);
        g.settle().unwrap();
        assert_eq!(failures.take(), ["effect remote: one"]);
        assert_eq!(seen.take(), [0, 2]);
    });
}

#[test]
fn what_it_writes_wakes_the_others() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let (from, to) = (s.clone(), t.clone());
        let _remote =
            Effect::builder(move || to.set(from.get() * 10)).run_on(RunOn::Thread).build();
        let _local = effect!([t, seen] seen.note(t.get()));
        g.settle().unwrap();
        s.set(1);
        g.settle().unwrap();
        assert_eq!(seen.take(), [0, 10]);
    });
}

#[test]
fn dispose_waits_for_it_and_stops_it() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt, asked) = (signal(0), Halt::idle(), Gate::new());
        let (source, log, place) = (s.clone(), seen.clone(), halt.clone());
        let body = move || {
            let value = source.get();
            place.here();
            log.note(value);
        };
        let watch = Effect::builder(body).run_on(RunOn::Thread).build();
        g.settle().unwrap();
        halt.arm();
        s.set(1);
        halt.reached();
        thread::scope(|scope| {
            scope.spawn(|| {
                asked.open();
                watch.dispose();
                seen.note(-1);
            });
            asked.pass();
            halt.release();
        });
        s.set(2);
        g.settle().unwrap();
        assert_eq!(seen.take(), [0, 1, -1]);
    });
}

#[test]
fn a_queued_one_that_is_disposed_does_not_run() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, halt) = (signal(0), Halt::first());
        let (source, log, place) = (s.clone(), seen.clone(), halt.clone());
        let body = move || {
            place.here();
            log.note(source.get());
        };
        let watch = Effect::builder(body).run_on(RunOn::Thread).build();
        halt.reached();
        s.set(1);
        drop(watch);
        halt.release();
        g.settle().unwrap();
        s.set(2);
        g.settle().unwrap();
        assert!(seen.take().len() <= 1, "only the run that had begun");
    });
}

#[test]
fn a_graph_of_one_thread_uses_no_other() {
    in_this(
        || Graph::builder().threads(1).build(),
        |g| {
            let ran_on = Trace::new();
            let s = signal(0);
            let wide: Vec<_> = (0..200)
                .map(|i| {
                    let work = computed!([s, ran_on] {
                        ran_on.note(here());
                        (0..2_000).fold(s.get() + i, |sum, v| sum ^ v)
                    });
                    effect!([work, ran_on] { work.get(); ran_on.note(here()); })
                })
                .collect();
            for value in 1..=5 {
                s.set(value);
            }
            g.settle().unwrap();
            assert!(ran_on.take().iter().all(|id| *id == here()));
            drop(wide);
        },
    );
}

#[test]
fn a_wide_wave_gives_the_same_on_many_threads_as_on_one() {
    fn mangle(seed: u64) -> u64 {
        (0..500).fold(seed, |sum, v| sum.wrapping_mul(31) ^ v)
    }
    let run = |threads: usize| {
        let graph = Graph::builder().threads(threads).build();
        graph.enter(|| {
            let s = signal(1_u64);
            let wide: Vec<_> = (0..300_u64).map(|i| computed!([s] mangle(s.get() + i))).collect();
            let sum = isobar::all(&wide)
                .map(|values| values.iter().fold(0_u64, |sum, v| sum.wrapping_add(**v)));
            let seen = Trace::new();
            let _watch = effect!([sum, seen] seen.note(sum.get()));
            (2..=20).for_each(|value| s.set(value));
            seen.take()
        })
    };
    crate::stage::within("a_wide_wave_gives_the_same_on_many_threads_as_on_one", 60, move || {
        let alone = run(1);
        assert_eq!(alone.len(), 20);
        assert_eq!(run(4), alone);
    });
}

#[test]
fn an_effect_for_the_pool_stays_on_the_thread_of_a_graph_that_has_one_only() {
    in_this(
        || Graph::builder().threads(1).build(),
        |g| {
            let ran_on = Trace::new();
            let s = signal(0);
            let (source, log) = (s.clone(), ran_on.clone());
            let body = move || {
                source.get();
                log.note(here());
            };
            let _watch = Effect::builder(body).run_on(RunOn::Pool).build();
            s.set(1);
            g.settle().unwrap();
            assert!(ran_on.take().iter().all(|id| *id == here()));
        },
    );
}

#[test]
fn a_failing_node_of_a_wide_wave_fails_alone() {
    in_reporting_graph(|g, failures| {
        let (s, seen) = (signal(0_usize), Trace::new());
        let watches: Vec<_> = (0..300)
            .map(|i| {
                let c = computed!([s] {
                    let sum = (0..500).fold(s.get(), |sum, v| sum ^ v);
                    assert!(i % 7 != 0 || s.get() % 2 == 0, "seventh");
                    sum + i
                });
                effect!([c, seen] seen.note(c.try_get().is_ok()))
            })
            .collect();
        for round in 1..=6 {
            seen.take();
            s.set(round);
            g.settle().unwrap();
            let noted = seen.take();
            let failed = noted.iter().filter(|ok| !**ok).count();
            assert_eq!((noted.len(), failed), (300, if round % 2 == 1 { 43 } else { 0 }));
        }
        failures.expect_silence();
        drop(watches);
    });
}
