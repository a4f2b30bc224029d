//! Async effects.

use crate::stage::{
    Door, Doors, Dropped, Hand, Spawner, Trace, block_on, in_graph, in_this, once_more, poll_once,
    reporting, under_each_executor,
};
use isobar::{
    AsyncEffect, Effect, Signal, Spawn as _, WhenChanged, async_effect, batch, effect, signal,
};
use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// An effect that notes `a` when it starts and when its door opens.
fn between_doors(
    hand: &Hand,
    a: &Signal<i32>,
    when_changed: WhenChanged,
) -> (AsyncEffect, Trace<(&'static str, i32)>, Doors) {
    let (trace, doors) = (Trace::new(), Doors::default());
    let body = {
        let (a, trace, doors) = (a.clone(), trace.clone(), doors.clone());
        move || {
            let (a, trace, door) = (a.clone(), trace.clone(), Door::new());
            doors.lock().unwrap().push(door.clone());
            async move {
                let n = a.get();
                trace.note(("start", n));
                door.wait().await;
                trace.note(("end", n));
            }
        }
    };
    let effect = AsyncEffect::builder(hand.clone(), body).when_changed(when_changed).build();
    (effect, trace, doors)
}

#[test]
fn several_writes_before_the_executor_turns_are_one_run_with_the_last() {
    in_graph(|_| {
        let (hand, name, trace) = (Hand::default(), signal("Alice"), Trace::new());
        let greeting = async_effect(hand.clone(), {
            let (name, trace) = (name.clone(), trace.clone());
            move || {
                let (name, trace) = (name.clone(), trace.clone());
                async move { trace.note(name.get()) }
            }
        });
        name.set("Bob");
        name.set("Carol");
        name.set("Carla");
        hand.run();
        assert_eq!(trace.take(), ["Carla"]);
        name.set("Dave");
        assert_eq!(trace.take(), [""; 0]);
        hand.run();
        assert_eq!(trace.take(), ["Dave"]);
        drop(greeting);
    });
}

#[test]
fn reads_after_an_await_are_tracked() {
    in_graph(|_| {
        let (hand, a, b, trace) = (Hand::default(), signal(1), signal(10), Trace::new());
        let door = Door::new();
        let _sum = async_effect(hand.clone(), {
            let (a, b, trace, door) = (a.clone(), b.clone(), trace.clone(), door.clone());
            move || {
                let (a, b, trace, door) = (a.clone(), b.clone(), trace.clone(), door.clone());
                async move {
                    let a = a.get();
                    door.wait().await;
                    trace.note(a + b.get());
                }
            }
        });
        hand.run();
        door.open();
        hand.run();
        assert_eq!(trace.take(), [11]);
        b.set(20);
        hand.run();
        assert_eq!(trace.take(), [21]);
        a.set(2);
        hand.run();
        assert_eq!(trace.take(), [22]);
    });
}

#[test]
fn the_latest_wins_and_the_superseded_future_is_dropped() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let (_effect, trace, doors) = between_doors(&hand, &a, WhenChanged::Latest);
        hand.run();
        a.set(1);
        a.set(2);
        hand.run();
        doors.lock().unwrap().iter().for_each(Door::open);
        hand.run();
        assert_eq!(trace.take(), [("start", 0), ("start", 2), ("end", 2)]);
    });
}

#[test]
fn a_run_may_finish_and_one_more_follows_for_all_changes() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let (effect, trace, doors) = between_doors(&hand, &a, WhenChanged::Finish);
        let mut idle = Box::pin(effect.idle());
        assert!(poll_once(&mut idle).is_none());
        hand.run();
        assert!(poll_once(&mut idle).is_none());
        a.set(1);
        a.set(2);
        hand.run();
        assert_eq!(trace.take(), [("start", 0)]);
        doors.lock().unwrap()[0].open();
        hand.run();
        assert_eq!(trace.take(), [("end", 0), ("start", 2)]);
        assert!(poll_once(&mut idle).is_none());
        doors.lock().unwrap()[1].open();
        hand.run();
        assert_eq!(trace.take(), [("end", 2)]);
        assert!(poll_once(&mut idle).is_some());
    });
}

#[test]
fn a_queue_runs_once_for_each_change_at_the_state_it_left() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let (_effect, trace, doors) = between_doors(&hand, &a, WhenChanged::Queue);
        hand.run();
        (1..=3).for_each(|n| a.set(n));
        for n in 0..=3 {
            hand.run();
            doors.lock().unwrap()[n].open();
        }
        hand.run();
        let each = (0..=3).flat_map(|n| [("start", n), ("end", n)]);
        assert_eq!(trace.take(), each.collect::<Vec<_>>());
        assert_eq!(doors.lock().unwrap().len(), 4);
    });
}

#[test]
fn runs_may_overlap() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let (effect, trace, doors) = between_doors(&hand, &a, WhenChanged::Overlap);
        for n in 1..=2 {
            hand.run();
            a.set(n);
        }
        hand.run();
        assert_eq!(trace.take(), [("start", 0), ("start", 1), ("start", 2)]);
        doors.lock().unwrap().iter().rev().for_each(Door::open);
        hand.run();
        assert_eq!(trace.take(), [("end", 0), ("end", 1), ("end", 2)]);
        block_on(effect.idle());
    });
}

#[test]
fn it_is_not_idle_while_an_older_run_goes_on_or_another_is_due() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let (effect, _, doors) = between_doors(&hand, &a, WhenChanged::Overlap);
        hand.run();
        a.set(1);
        hand.run();
        doors.lock().unwrap()[1].open();
        hand.run();
        let mut idle = Box::pin(effect.idle());
        assert!(poll_once(&mut idle).is_none());
        doors.lock().unwrap()[0].open();
        hand.run();
        assert!(poll_once(&mut idle).is_some());

        let (effect, trace, doors) = between_doors(&hand, &a, WhenChanged::Finish);
        hand.run();
        a.set(2);
        hand.run();
        trace.take();
        doors.lock().unwrap()[0].open();
        while trace.take().is_empty() {
            assert!(hand.step());
        }
        let mut idle = Box::pin(effect.idle());
        assert!(poll_once(&mut idle).is_none(), "one run has ended and the next is due");
    });
}

#[test]
fn who_awaits_that_it_is_idle_hears_of_its_end() {
    in_graph(|_| {
        let (hand, trace) = (Hand::default(), Trace::new());
        let effect = async_effect(hand.clone(), pending::<()>);
        let (idle, told) = (effect.idle(), trace.clone());
        hand.spawn(Box::pin(async move {
            idle.await;
            told.note("idle");
        }));
        hand.run();
        assert_eq!(trace.take(), [""; 0]);
        effect.dispose();
        hand.run();
        assert_eq!(trace.take(), ["idle"]);
    });
}

#[test]
fn a_queue_counts_a_change_once_that_two_stretches_hear_of_one_after_the_other() {
    in_graph(|_| {
        let (hand, a, b, aside) = (Hand::default(), signal(0), signal(0), signal(0));
        let (trace, door) = (Trace::new(), Door::new());
        let body = {
            let (a, b, trace, door) = (a.clone(), b.clone(), trace.clone(), door.clone());
            move || {
                let (a, b, trace, door) = (a.clone(), b.clone(), trace.clone(), door.clone());
                async move {
                    let a = a.get();
                    door.wait().await;
                    trace.note((a, b.get()));
                }
            }
        };
        let builder = AsyncEffect::builder(hand.clone(), body);
        let _effect = builder.when_changed(WhenChanged::Queue).build();
        hand.run();
        // Made between the two stretches, so between them in each wave; its write is a revision.
        let _between = effect({
            let (a, aside) = (a.clone(), aside.clone());
            move || aside.set(a.get())
        });
        door.open();
        hand.run();
        for n in 1..=3 {
            batch(|| {
                a.set(n);
                b.set(n);
            });
            hand.run();
        }
        assert_eq!(trace.take(), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    });
}

#[test]
fn a_queue_runs_once_for_changes_that_two_stretches_hear_of_in_one_wave() {
    in_graph(|g| {
        let (hand, a, b, gate) = (Hand::default(), signal(0), signal(0), signal(false));
        let ((reached, at), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
        let stuck = effect({
            let gate = gate.clone();
            move || {
                if gate.get() {
                    reached.send(()).unwrap();
                    released.recv().unwrap();
                }
            }
        });
        let trace = Trace::new();
        let body = {
            let (a, b, trace) = (a.clone(), b.clone(), trace.clone());
            move || {
                let (a, b, trace) = (a.clone(), b.clone(), trace.clone());
                async move {
                    let a = a.get();
                    once_more().await;
                    trace.note((a, b.get()));
                }
            }
        };
        let builder = AsyncEffect::builder(hand.clone(), body);
        let effect = builder.when_changed(WhenChanged::Queue).build();
        hand.run();
        thread::scope(|threads| {
            threads.spawn(|| gate.set(true));
            at.recv().unwrap();
            a.set(1);
            b.set(1);
            release.send(()).unwrap();
        });
        g.settle().unwrap();
        hand.run();
        assert_eq!(trace.take(), [(0, 0), (1, 1)]);
        drop((stuck, effect));
    });
}

#[test]
fn a_change_during_a_stretch_is_not_lost() {
    in_graph(|_| {
        let (hand, a, trace) = (Hand::default(), signal(0), Trace::new());
        let _effect = async_effect(hand.clone(), {
            let (a, trace) = (a.clone(), trace.clone());
            move || {
                let (a, trace) = (a.clone(), trace.clone());
                async move {
                    let n = a.get();
                    trace.note(n);
                    if n == 0 {
                        // On another thread, after the read and before the stretch ends.
                        thread::scope(|threads| {
                            threads.spawn(|| a.set(1));
                        });
                    }
                }
            }
        });
        hand.run();
        assert_eq!(trace.take(), [0, 1]);
    });
}

#[test]
fn a_stretch_reads_one_revision_and_its_writes_are_one_commit() {
    in_graph(|_| {
        let (hand, a, seen) = (Hand::default(), signal(0), Trace::new());
        let (left, right, door) = (signal(0), signal(0), Door::new());
        let _pairs = effect({
            let (left, right, seen) = (left.clone(), right.clone(), seen.clone());
            move || seen.note((left.get(), right.get()))
        });
        let _effect = async_effect(hand.clone(), {
            let (a, left, right, door) = (a.clone(), left.clone(), right.clone(), door.clone());
            move || {
                let (a, left, right) = (a.clone(), left.clone(), right.clone());
                let door = door.clone();
                async move {
                    let before = a.peek();
                    thread::scope(|threads| {
                        threads.spawn(|| a.set(before + 10));
                    });
                    assert_eq!(a.peek(), before);
                    left.set(1);
                    right.set(1);
                    door.wait().await;
                    assert_eq!(a.peek(), before + 10);
                    left.set(2);
                    right.set(2);
                }
            }
        });
        hand.run();
        door.open();
        hand.run();
        assert_eq!(seen.take(), [(0, 0), (1, 1), (2, 2)]);
    });
}

#[test]
fn a_run_that_goes_on_never_mixes_two_states() {
    in_graph(|_| {
        let (hand, a, trace, door) = (Hand::default(), signal(1), Trace::new(), Door::new());
        let double = a.map(|a| a * 2);
        let _effect = async_effect(hand.clone(), {
            let (a, trace, door) = (a.clone(), trace.clone(), door.clone());
            move || {
                let (a, double, trace, door) =
                    (a.clone(), double.clone(), trace.clone(), door.clone());
                async move {
                    let a = a.get();
                    door.wait().await;
                    trace.note((a, double.get()));
                }
            }
        });
        hand.run();
        // Both at once: the run is woken, and what it has read is different.
        door.open();
        a.set(5);
        hand.run();
        assert_eq!(trace.take(), [(5, 10)]);
    });
}

#[test]
fn dispose_cancels_at_once_and_cleans_up_once() {
    in_graph(|g| {
        let (hand, a, trace) = (Hand::default(), signal(0), Trace::new());
        let effect = async_effect(hand.clone(), {
            let (a, trace) = (a.clone(), trace.clone());
            move || {
                let (a, trace) = (a.clone(), trace.clone());
                async move {
                    let _local = Dropped(trace.clone(), "dropped");
                    a.get();
                    isobar::on_cleanup({
                        let trace = trace.clone();
                        move || trace.note("cleaned up")
                    });
                    trace.note("awaits");
                    pending::<()>().await;
                }
            }
        });
        hand.run();
        effect.dispose();
        assert_eq!(trace.take(), ["awaits", "dropped", "cleaned up"]);
        a.set(1);
        hand.run();
        assert_eq!((trace.take(), hand.tasks()), (vec![], 0));
        drop(effect);
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn an_effect_disposed_before_its_body_reads_never_runs() {
    in_graph(|_| {
        let (hand, a, trace) = (Hand::default(), signal(0), Trace::new());
        let effect = async_effect(hand.clone(), {
            let (a, trace) = (a.clone(), trace.clone());
            move || {
                let (a, trace) = (a.clone(), trace.clone());
                async move { trace.note(a.get()) }
            }
        });
        effect.dispose();
        hand.run();
        a.set(1);
        hand.run();
        assert!(trace.take().is_empty());
    });
}

#[test]
fn leaving_a_scope_cancels() {
    in_graph(|_| {
        let (hand, trace) = (Hand::default(), Trace::new());
        let around = isobar::scope(|| {
            let trace = trace.clone();
            async_effect(hand.clone(), move || {
                let local = Dropped(trace.clone(), "dropped");
                async move {
                    let _local = local;
                    pending::<()>().await;
                }
            })
            .detach();
        });
        hand.run();
        drop(around);
        assert_eq!(trace.take(), ["dropped"]);
    });
}

#[test]
fn panics_and_errors_are_reported_and_the_effect_stays_subscribed() {
    let (graph, failures) = reporting();
    in_this(graph, move |_| {
        let (hand, a) = (Hand::default(), signal(0));
        let body = {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move {
                    match a.get() {
                        0 => panic!("deliberate"),
                        1 => Err("no luck"),
                        _ => Ok(()),
                    }
                }
            }
        };
        let _effect = AsyncEffect::builder(hand.clone(), body).name("fetch").build();
        hand.run();
        assert_eq!(failures.take(), ["effect fetch panicked: deliberate"]);
        a.set(1);
        hand.run();
        assert!(failures.take()[0].contains("no luck"));
        a.set(2);
        hand.run();
        assert_eq!(failures.take(), [""; 0]);
    });
}

#[test]
fn an_executor_that_drops_the_task_is_reported_by_name() {
    let (graph, failures) = reporting();
    in_this(graph, move |g| {
        let hand = Hand::default();
        let effect = AsyncEffect::builder(hand.clone(), pending::<()>).name("fetch").build();
        hand.run();
        hand.shut_down();
        assert!(failures.take()[0].contains("the executor dropped the task of fetch"));
        block_on(effect.idle());
        g.settle().unwrap();
        drop(effect);
        let gone = AsyncEffect::builder(drop::<isobar::Task>, pending::<()>).name("gone").build();
        assert!(failures.take()[0].contains("the task of gone"));
        drop(gone);
        assert_eq!(failures.take(), [""; 0]);
    });
}

#[test]
fn a_runtime_that_is_gone_before_or_after_the_spawn_is_reported() {
    let (graph, failures) = reporting();
    in_this(graph, move |_| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        let before = AsyncEffect::builder(handle.clone(), pending::<()>).name("before").build();
        drop(runtime);
        let after = AsyncEffect::builder(handle, pending::<()>).name("after").build();
        let reports = failures.take();
        assert_eq!(reports.len(), 2, "{reports:?}");
        assert!(reports[0].contains("the task of before") && reports[1].contains("of after"));
        drop((before, after));
    });
}

#[test]
fn an_awaiting_effect_delays_no_other_effect_and_no_settle() {
    in_graph(|g| {
        let (hand, y, trace) = (Hand::default(), signal(0), Trace::new());
        let _awaiting = async_effect(hand.clone(), pending::<()>);
        hand.run();
        let _sync: Effect = effect({
            let (y, trace) = (y.clone(), trace.clone());
            move || trace.note(y.get())
        });
        y.set(1);
        assert_eq!(trace.take(), [0, 1]);
        g.settle().unwrap();
    });
}

#[test]
fn inside_a_batch_the_task_is_spawned_at_its_exit() {
    in_graph(|_| {
        let hand = Hand::default();
        let effect = batch(|| {
            let effect = async_effect(hand.clone(), async || ());
            assert_eq!(hand.tasks(), 0);
            effect
        });
        assert_eq!(hand.tasks(), 1);
        drop(effect);
    });
}

#[test]
fn an_effect_that_wakes_itself_without_awaiting_is_stopped_and_named() {
    let (graph, failures) = reporting();
    in_this(graph, move |g| {
        let (hand, a) = (Hand::default(), signal(0));
        let body = {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move { a.set(a.get() + 1) }
            }
        };
        let _effect = AsyncEffect::builder(hand.clone(), body).name("ouroboros").build();
        hand.run();
        assert!((50..=110).contains(&a.get()), "{}", a.get());
        assert!(failures.take()[0].contains("ouroboros"));
        assert!(g.settle().is_err());
    });
}

#[test]
fn an_effect_that_wakes_itself_behind_an_await_goes_on_as_long_as_it_likes() {
    let (graph, failures) = reporting();
    in_this(graph, move |g| {
        let (hand, a) = (Hand::default(), signal(0));
        let _effect = async_effect(hand.clone(), {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move {
                    let n = a.get();
                    once_more().await;
                    if n < 500 {
                        a.set(n + 1);
                    }
                }
            }
        });
        hand.run();
        assert_eq!((a.get(), failures.take().len()), (500, 0));
        g.settle().unwrap();
    });
}

#[test]
fn writes_from_any_thread_wake_it_on_its_own_executor() {
    under_each_executor(|_, spawner: Spawner| {
        let (a, b) = (signal(0), signal(0));
        let (last, places) = (signal((0, 0)), Trace::new());
        let effect = async_effect(spawner, {
            let (a, b, last, places) = (a.clone(), b.clone(), last.clone(), places.clone());
            move || {
                let (a, b, last, places) = (a.clone(), b.clone(), last.clone(), places.clone());
                async move {
                    let a = a.get();
                    places.note(thread::current().id());
                    once_more().await;
                    last.set((a, b.get()));
                }
            }
        });
        let writers: Vec<_> = thread::scope(|threads| {
            let write = || {
                for _ in 0..200 {
                    batch(|| {
                        a.update(|n| n + 1);
                        b.update(|n| n + 1);
                    });
                }
                thread::current().id()
            };
            let writers = [threads.spawn(write), threads.spawn(write)];
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let seen = block_on(last.wait_for(|last| *last == (400, 400))).unwrap();
        assert_eq!(*seen, (400, 400));
        block_on(effect.idle());
        effect.dispose();
        let foreign =
            |place: &thread::ThreadId| *place == thread::current().id() || writers.contains(place);
        assert!(!places.take().iter().any(foreign));
    });
}

#[test]
fn a_run_under_threads_sees_one_state_across_its_awaits() {
    under_each_executor(|_, spawner: Spawner| {
        let (a, wrong, rounds) = (signal(0), Trace::new(), signal(0));
        let double = a.map(|a| a * 2);
        let effect = async_effect(spawner, {
            let (a, double) = (a.clone(), double.clone());
            let (wrong, rounds) = (wrong.clone(), rounds.clone());
            move || {
                let (a, double) = (a.clone(), double.clone());
                let (wrong, rounds) = (wrong.clone(), rounds.clone());
                async move {
                    let a = a.get();
                    once_more().await;
                    if double.get() != a * 2 {
                        wrong.note((a, double.get()));
                    }
                    rounds.set(a);
                }
            }
        });
        (1..=2_000).for_each(|n| a.set(n));
        block_on(rounds.wait_for(|n| *n == 2_000)).unwrap();
        assert_eq!(wrong.take(), []);
        effect.dispose();
    });
}

#[test]
fn after_dispose_returns_nothing_runs() {
    under_each_executor(|_, spawner: Spawner| {
        for _ in 0..50 {
            let (a, runs) = (signal(0), Arc::new(Mutex::new(0)));
            let effect = async_effect(spawner.clone(), {
                let (a, runs) = (a.clone(), runs.clone());
                move || {
                    let (a, runs) = (a.clone(), runs.clone());
                    async move {
                        a.get();
                        *runs.lock().unwrap() += 1;
                    }
                }
            });
            thread::scope(|threads| {
                threads.spawn(|| (0..50).for_each(|n| a.set(n)));
                effect.dispose();
                let then = *runs.lock().unwrap();
                (50..100).for_each(|n| a.set(n));
                assert_eq!(*runs.lock().unwrap(), then);
            });
        }
    });
}

#[test]
fn whatever_the_policy_the_last_write_is_seen_and_nothing_is_left_behind() {
    under_each_executor(|g, spawner: Spawner| {
        let policies =
            [WhenChanged::Latest, WhenChanged::Finish, WhenChanged::Queue, WhenChanged::Overlap];
        for when_changed in policies {
            let (a, last) = (signal(0), signal(0));
            let body = {
                let (a, last) = (a.clone(), last.clone());
                move || {
                    let (a, last) = (a.clone(), last.clone());
                    async move {
                        let n = a.get();
                        once_more().await;
                        last.update(move |last| n.max(*last));
                    }
                }
            };
            let builder = AsyncEffect::builder(spawner.clone(), body);
            let effect = builder.when_changed(when_changed).build();
            thread::scope(|threads| {
                for _ in 0..2 {
                    threads.spawn(|| (0..100).for_each(|_| a.update(|n| n + 1)));
                }
            });
            block_on(last.wait_for(|n| *n == 200)).unwrap();
            g.settle().unwrap();
            block_on(effect.idle());
            effect.dispose();
            // A pool thread may be about to take down the last watch; the watchdog waits for it.
            while g.stats().live_effects > 0 {
                thread::yield_now();
            }
        }
        while g.stats().live_nodes > 0 {
            g.collect();
            thread::yield_now();
        }
    });
}

#[test]
fn what_a_run_makes_ends_with_the_run() {
    in_graph(|g| {
        let (hand, a, b, seen) = (Hand::default(), signal(1), signal(0), Trace::new());
        let outer = async_effect(hand.clone(), {
            let (a, b, seen) = (a.clone(), b.clone(), seen.clone());
            move || {
                let (a, b, seen) = (a.clone(), b.clone(), seen.clone());
                async move {
                    once_more().await;
                    let n = a.get();
                    effect(move || seen.note((n, b.get()))).detach();
                }
            }
        });
        hand.run();
        a.set(2);
        hand.run();
        b.set(1);
        assert_eq!(seen.take(), [(1, 0), (2, 0), (2, 1)]);
        drop(outer);
        b.set(2);
        assert_eq!((seen.take(), g.stats().live_effects), (vec![], 0));
    });
}

#[test]
fn it_ends_with_the_effect_it_was_made_in() {
    in_graph(|_| {
        let (hand, a, trace) = (Hand::default(), signal(1), Trace::new());
        let _outer = effect({
            let (hand, a, trace) = (hand.clone(), a.clone(), trace.clone());
            move || {
                a.get();
                let trace = trace.clone();
                let inner = async_effect(hand.clone(), move || {
                    let local = Dropped(trace.clone(), "dropped");
                    async move {
                        let _local = local;
                        pending::<()>().await;
                    }
                });
                inner.detach();
            }
        });
        hand.run();
        a.set(2);
        assert_eq!(trace.take(), ["dropped"]);
        hand.run();
        assert_eq!(hand.tasks(), 1);
    });
}

#[test]
fn it_may_dispose_itself_in_the_middle_of_a_run() {
    in_graph(|_| {
        let (hand, a, trace) = (Hand::default(), signal(1), Trace::new());
        let own: Arc<Mutex<Option<AsyncEffect>>> = Arc::default();
        let made = async_effect(hand.clone(), {
            let (a, trace, own) = (a.clone(), trace.clone(), own.clone());
            move || {
                let (a, trace, own) = (a.clone(), trace.clone(), own.clone());
                async move {
                    let _local = Dropped(trace.clone(), "dropped");
                    a.get();
                    let this = own.lock().unwrap().take().expect("it was put there");
                    this.dispose();
                    trace.note("goes on to its next await");
                    pending::<()>().await;
                }
            }
        });
        *own.lock().unwrap() = Some(made);
        hand.run();
        assert_eq!(trace.take(), ["goes on to its next await", "dropped"]);
        a.set(2);
        hand.run();
        assert_eq!((trace.take(), hand.tasks()), (vec![], 0));
    });
}

#[test]
fn awaiting_a_node_inside_a_run_is_no_read_of_it() {
    in_graph(|g| {
        let (hand, a, go, trace) = (Hand::default(), signal(1), signal(false), Trace::new());
        let effect = async_effect(hand.clone(), {
            let (a, go, trace) = (a.clone(), go.clone(), trace.clone());
            move || {
                let (a, go, trace) = (a.clone(), go.clone(), trace.clone());
                async move {
                    go.wait_for(|go| *go).await.unwrap();
                    trace.note(a.get());
                }
            }
        });
        hand.run();
        go.set(true);
        hand.run();
        go.set(false);
        hand.run();
        assert_eq!(trace.take(), [1]);
        a.set(2);
        hand.run();
        assert!(trace.take().is_empty());
        go.set(true);
        hand.run();
        assert_eq!(trace.take(), [2]);
        drop(effect);
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn what_the_condition_of_a_wait_reads_is_no_read_of_the_run() {
    in_graph(|_| {
        let (hand, a, limit, trace) = (Hand::default(), signal(5), signal(1), Trace::new());
        let _effect = async_effect(hand.clone(), {
            let (a, limit, trace) = (a.clone(), limit.clone(), trace.clone());
            move || {
                let (a, limit, trace) = (a.clone(), limit.clone(), trace.clone());
                async move {
                    let above = move |n: &i32| *n > limit.get();
                    trace.note(*a.wait_for(above).await.unwrap());
                }
            }
        });
        hand.run();
        assert_eq!(trace.take(), [5]);
        limit.set(2);
        hand.run();
        assert!(trace.take().is_empty());
    });
}

#[test]
fn two_runs_in_turns_on_one_thread_keep_their_reads_apart() {
    in_graph(|_| {
        let (hand, a, b, trace) = (Hand::default(), signal(0), signal(0), Trace::new());
        let watch = |name: &'static str, of: &Signal<i32>| {
            let (of, trace) = (of.clone(), trace.clone());
            async_effect(hand.clone(), move || {
                let (of, trace) = (of.clone(), trace.clone());
                async move {
                    once_more().await;
                    let n = of.get();
                    once_more().await;
                    trace.note((name, n));
                }
            })
        };
        let _both = (watch("a", &a), watch("b", &b));
        hand.run();
        trace.take();
        a.set(1);
        hand.run();
        assert_eq!(trace.take(), [("a", 1)]);
        b.set(1);
        hand.run();
        assert_eq!(trace.take(), [("b", 1)]);
    });
}

#[test]
fn a_run_is_superseded_although_the_wave_has_not_come_to_it_yet() {
    in_graph(|_| {
        let (hand, a, trace, door) = (Hand::default(), signal(1), Trace::new(), Door::new());
        let double = a.map(|a| a * 2);
        let ((reached, at), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
        // Older, so the wave comes to it first.
        let stuck = effect({
            let a = a.clone();
            move || {
                if a.get() == 5 {
                    reached.send(()).unwrap();
                    released.recv().unwrap();
                }
            }
        });
        let watched = async_effect(hand.clone(), {
            let (a, trace, door) = (a.clone(), trace.clone(), door.clone());
            move || {
                let (a, double) = (a.clone(), double.clone());
                let (trace, door) = (trace.clone(), door.clone());
                async move {
                    let a = a.get();
                    door.wait().await;
                    trace.note((a, double.get()));
                }
            }
        });
        hand.run();
        thread::scope(|threads| {
            threads.spawn(|| a.set(5));
            at.recv().unwrap();
            door.open();
            hand.run();
            assert_eq!(trace.take(), [(5, 10)]);
            release.send(()).unwrap();
        });
        hand.run();
        assert!(trace.take().is_empty());
        drop((stuck, watched));
    });
}

#[test]
fn of_overlapping_runs_only_the_newest_reads_count() {
    in_graph(|_| {
        let (hand, a, b, trace) = (Hand::default(), signal(0), signal(0), Trace::new());
        let doors = Doors::default();
        let body = {
            let (a, b, trace, doors) = (a.clone(), b.clone(), trace.clone(), doors.clone());
            move || {
                let (a, b, trace, door) = (a.clone(), b.clone(), trace.clone(), Door::new());
                doors.lock().unwrap().push(door.clone());
                async move {
                    let n = a.get();
                    trace.note(("start", n));
                    door.wait().await;
                    trace.note(("end", b.get()));
                }
            }
        };
        let builder = AsyncEffect::builder(hand.clone(), body);
        let effect = builder.when_changed(WhenChanged::Overlap).build();
        hand.run();
        a.set(1);
        hand.run();
        doors.lock().unwrap()[0].open();
        hand.run();
        b.set(1);
        hand.run();
        assert_eq!(trace.take(), [("start", 0), ("start", 1), ("end", 0)]);
        drop(effect);
    });
}

#[test]
fn dispose_waits_for_a_poll_on_another_thread() {
    under_each_executor(|_, spawner: Spawner| {
        let trace = Trace::new();
        let ((reached, at), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
        let released = Arc::new(Mutex::new(released));
        let effect = async_effect(spawner, {
            let trace = trace.clone();
            move || {
                let (trace, reached, released) = (trace.clone(), reached.clone(), released.clone());
                async move {
                    let _local = Dropped(trace.clone(), "dropped");
                    reached.send(()).unwrap();
                    released.lock().unwrap().recv().unwrap();
                    trace.note("polled");
                    pending::<()>().await;
                }
            }
        });
        at.recv().unwrap();
        thread::scope(|threads| {
            let disposing = threads.spawn(|| {
                effect.dispose();
                trace.note("disposed");
            });
            // A dispose that did not wait would have the time to be over.
            while !effect.is_disposed() {
                thread::yield_now();
            }
            (0..1_000).for_each(|_| thread::yield_now());
            release.send(()).unwrap();
            disposing.join().unwrap();
        });
        assert_eq!(trace.take(), ["polled", "dropped", "disposed"]);
    });
}
