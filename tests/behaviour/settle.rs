//! `settle` returns when every effect has seen the revision current at the call.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use isobar::{Effect, RunOn, SettleError, batch, computed, effect, signal};

use crate::stage::{Gate, Halt, Trace, caught, in_graph, in_reporting_graph, says};

#[test]
fn an_idle_graph_is_settled_at_its_revision() {
    in_graph(|g| {
        let s = signal(0);
        s.set(1);
        assert_eq!(g.settle(), Ok(g.revision()));
        assert_eq!(g.settle_timeout(Duration::ZERO), Ok(g.revision()));
    });
}

#[test]
fn it_waits_for_the_wave_that_another_thread_is_running() {
    for _ in 0..100 {
        in_graph(|g| {
            let ran = Trace::new();
            let (s, halt, asked) = (signal(0), Halt::idle(), Gate::new());
            let _watch = effect!([s, halt, ran] {
                let value = s.get();
                halt.here();
                (0..20).for_each(|_| thread::yield_now());
                ran.note(("seen", value));
            });
            ran.take();
            halt.arm();
            thread::scope(|scope| {
                scope.spawn(|| s.set(1));
                halt.reached();
                s.set(2);
                scope.spawn(|| {
                    asked.open();
                    g.settle().unwrap();
                    ran.note(("settled", 2));
                });
                asked.pass();
                halt.release();
            });
            let noted = ran.take();
            assert_eq!(noted, [("seen", 1), ("seen", 2), ("settled", 2)]);
        });
    }
}

#[test]
fn it_waits_for_effects_on_threads_of_their_own() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(0);
        let watches: Vec<_> = [RunOn::Thread, RunOn::Pool]
            .into_iter()
            .map(|place| {
                let (s, seen) = (s.clone(), seen.clone());
                Effect::builder(move || seen.note(s.get())).run_on(place).build()
            })
            .collect();
        for value in 1..=20 {
            s.set(value);
            let settled = g.settle().unwrap();
            assert!(settled >= s.revision());
            let noted = seen.take();
            assert_eq!(noted.iter().filter(|v| **v == value).count(), 2, "{noted:?}");
        }
        drop(watches);
    });
}

#[test]
fn with_a_time_limit_it_gives_up_and_names_what_still_runs() {
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::idle());
        let (source, place) = (s.clone(), halt.clone());
        let body = move || {
            source.get();
            place.here();
        };
        let _slow = Effect::builder(body).name("slow").build();
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            let gave_up = g.settle_timeout(Duration::from_millis(1));
            halt.release();
            match gave_up {
                Err(SettleError::Timeout { running, .. }) => assert_eq!(running, ["slow"]),
                other => panic!("{other:?}"),
            }
        });
        assert!(g.settle_timeout(Duration::from_secs(30)).is_ok());
    });
}

#[test]
fn it_waits_until_the_failure_of_an_effect_has_been_reported() {
    in_graph(|g| {
        let (s, halt, reported) = (signal(0), Halt::first(), Trace::new());
        g.on_error({
            let (halt, reported) = (halt.clone(), reported.clone());
            move |failure| {
                halt.here();
                reported.note(failure.to_string());
            }
        });
        let source = s.clone();
        let body = move || assert_eq!(source.get(), 0, "not zero");
        let _fails = Effect::builder(body).name("fails").run_on(RunOn::Thread).build();
        g.settle().unwrap();
        s.set(1);
        halt.reached();
        let early = g.settle_timeout(Duration::from_millis(1));
        halt.release();
        assert!(early.is_err(), "{early:?}");
        g.settle().unwrap();
        says(reported.take().join("\n"), &["fails", "not zero"]);
    });
}

#[test]
fn inside_a_batch_an_effect_or_a_computed_it_panics_with_advice() {
    in_reporting_graph(|g, failures| {
        says(caught(|| batch(|| g.settle())), &["settle"]);
        let world = g.clone();
        let asking = computed!([world] _ = world.settle());
        says(asking.try_get().unwrap_err().to_string(), &["settle"]);
        let _asking = effect!([world] _ = world.settle());
        says(failures.take().join("\n"), &["settle"]);
        assert!(g.settle().is_ok());
    });
}

#[test]
fn several_threads_may_settle_at_once() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(0);
        let _watch = effect!([s, seen] seen.note(s.get()));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        s.update(|v| v + 1);
                        let mine = s.get();
                        g.settle().unwrap();
                        assert!(s.get() >= mine);
                    }
                });
            }
        });
        g.settle().unwrap();
        assert_eq!(seen.take().last(), Some(&400));
    });
}

#[test]
fn it_returns_although_a_writing_effect_is_woken_by_others_for_ever() {
    in_graph(|g| {
        let is_over = &*Box::leak(Box::new(AtomicBool::new(false)));
        let (s, copy) = (signal(0), signal(0));
        let body = {
            let (s, copy) = (s.clone(), copy.clone());
            move || {
                copy.set(s.get());
                let other = thread::spawn({
                    let s = s.clone();
                    move || {
                        if !is_over.load(SeqCst) {
                            s.update(|v| v + 1)
                        }
                    }
                });
                other.join().unwrap();
            }
        };
        let _copying = Effect::builder(body).run_on(RunOn::Pool).build();
        let settled = g.settle_timeout(Duration::from_secs(60));
        is_over.store(true, SeqCst);
        assert!(settled.is_ok(), "{settled:?}");
        g.settle().unwrap();
        assert_eq!(copy.get(), s.get());
    });
}
