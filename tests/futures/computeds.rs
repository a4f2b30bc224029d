//! Async computeds.

use crate::stage::{
    Door, Doors, Dropped, Hand, Spawner, Trace, block_on, in_graph, in_this, once_more, poll_once,
    reporting, under_each_executor,
};
use isobar::{
    AsyncComputed, LoadError, ReadError, Signal, Status, WhenChanged, async_computed, computed,
    effect, signal,
};
use std::future::pending;
use std::thread;

/// Ten times `a`, once its door opens; notes each start and each future that is dropped.
fn ten_times(hand: &Hand, a: &Signal<i32>) -> (AsyncComputed<i32>, Trace<&'static str>, Doors) {
    let (trace, doors) = (Trace::new(), Doors::default());
    let function = {
        let (a, trace, doors) = (a.clone(), trace.clone(), doors.clone());
        move || {
            let (a, trace, door) = (a.clone(), trace.clone(), Door::new());
            doors.lock().unwrap().push(door.clone());
            async move {
                trace.note("start");
                let _dropped = Dropped(trace, "end");
                let n = a.get();
                door.wait().await;
                n * 10
            }
        }
    };
    (async_computed(hand.clone(), function), trace, doors)
}

fn open_last(doors: &Doors) {
    doors.lock().unwrap().last().expect("a run has started").open();
}

#[test]
fn it_is_loading_then_ready_then_reloading_with_the_value_before() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(1));
        let (ten, _, doors) = ten_times(&hand, &a);
        assert_eq!((ten.status(), ten.get()), (Status::Loading, None));
        hand.run();
        open_last(&doors);
        hand.run();
        assert_eq!((ten.status(), ten.get()), (Status::Ready, Some(10)));
        a.set(2);
        // Before the executor has heard of it.
        assert_eq!((ten.status(), ten.get()), (Status::Reloading, Some(10)));
        hand.run();
        open_last(&doors);
        hand.run();
        assert_eq!((ten.status(), ten.get()), (Status::Ready, Some(20)));
    });
}

#[test]
fn the_superseded_run_is_dropped_and_only_the_newest_publishes() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(1));
        let (ten, trace, doors) = ten_times(&hand, &a);
        hand.run();
        a.set(2);
        hand.run();
        assert_eq!(trace.take(), ["start", "end", "start"]);
        doors.lock().unwrap().iter().for_each(Door::open);
        hand.run();
        assert_eq!(ten.get(), Some(20));
    });
}

#[test]
fn a_run_that_may_finish_gives_the_value_before_and_another_run_follows() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(1));
        let (doors, runs) = (Doors::default(), Trace::new());
        let ten = AsyncComputed::builder(hand.clone(), {
            let (a, doors, runs) = (a.clone(), doors.clone(), runs.clone());
            move || {
                let (a, door) = (a.clone(), Door::new());
                doors.lock().unwrap().push(door.clone());
                runs.note(a.get());
                async move {
                    let n = a.get();
                    door.wait().await;
                    n * 10
                }
            }
        });
        let ten = ten.when_changed(WhenChanged::Finish).build();
        hand.run();
        a.set(2);
        a.set(3);
        hand.run();
        assert_eq!((ten.status(), ten.get()), (Status::Loading, None));
        open_last(&doors);
        hand.run();
        assert_eq!((ten.status(), ten.get()), (Status::Reloading, Some(10)));
        open_last(&doors);
        hand.run();
        assert_eq!((ten.status(), ten.get()), (Status::Ready, Some(30)));
        assert_eq!(runs.take(), [1, 3]);
    });
}

/// What it was made from is the present state again, but not only from that.
#[test]
fn a_value_made_from_two_revisions_is_never_ready() {
    in_graph(|_| {
        let (hand, a, door) = (Hand::default(), signal(1), Door::new());
        let sum = AsyncComputed::builder(hand.clone(), {
            let (a, door) = (a.clone(), door.clone());
            move || {
                let (a, door) = (a.clone(), door.clone());
                async move {
                    let before = a.get();
                    door.wait().await;
                    (before, a.get())
                }
            }
        });
        let sum = sum.when_changed(WhenChanged::Finish).build();
        hand.step();
        a.set(2);
        door.open();
        // The first run ends, and the next has not begun.
        while sum.get().is_none() {
            assert!(hand.step());
        }
        assert_eq!((sum.status(), sum.get()), (Status::Reloading, Some((1, 2))));
        a.set(1);
        assert_eq!((sum.status(), sum.get()), (Status::Reloading, Some((1, 2))));
        hand.run();
        assert_eq!((sum.status(), sum.get()), (Status::Ready, Some((1, 1))));
    });
}

#[test]
fn any_number_of_readers_wait_for_one_run() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(4));
        let (ten, trace, doors) = ten_times(&hand, &a);
        hand.run();
        thread::scope(|threads| {
            let readers: Vec<_> = (0..3).map(|_| threads.spawn(|| block_on(ten.ready()))).collect();
            open_last(&doors);
            hand.run();
            for reader in readers {
                assert_eq!(*reader.join().unwrap().unwrap(), 40);
            }
        });
        assert_eq!(trace.take(), ["start", "end"]);
    });
}

#[test]
fn who_waits_while_a_source_changes_gets_the_fresh_value() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(1));
        let (ten, _, doors) = ten_times(&hand, &a);
        let mut ready = Box::pin(ten.ready());
        hand.run();
        open_last(&doors);
        a.set(2);
        hand.run();
        assert!(poll_once(&mut ready).is_none());
        open_last(&doors);
        hand.run();
        assert_eq!(*block_on(ready).unwrap(), 20);
    });
}

#[test]
fn a_panic_is_its_value_until_a_source_changes_and_nobody_elses_report() {
    let (graph, failures) = reporting();
    in_this(graph, move |_| {
        let (hand, a) = (Hand::default(), signal(0));
        let function = {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move {
                    once_more().await;
                    100 / a.get()
                }
            }
        };
        let ratio = AsyncComputed::builder(hand.clone(), function).name("ratio").build();
        hand.run();
        assert_eq!((ratio.status(), ratio.get()), (Status::Error, None));
        let error = ratio.error().unwrap();
        assert!(matches!(&error, LoadError::Panicked { node, .. } if &**node == "ratio"));
        assert_eq!(block_on(ratio.ready()).unwrap_err(), error);
        a.set(5);
        assert_eq!(ratio.status(), Status::Loading);
        hand.run();
        assert_eq!((ratio.status(), ratio.get()), (Status::Ready, Some(20)));
        assert_eq!(failures.take(), [""; 0]);
    });
}

#[test]
fn the_failure_of_a_source_is_passed_on_by_name() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let ratio = computed({
            let a = a.clone();
            move || 100 / a.get()
        });
        let next = async_computed(hand.clone(), move || {
            let ratio = ratio.clone();
            async move { ratio.get() + 1 }
        });
        hand.run();
        assert!(matches!(next.error(), Some(LoadError::Read(ReadError::Panicked { .. }))));
        a.set(50);
        hand.run();
        assert_eq!(next.get(), Some(3));
    });
}

#[test]
fn writes_inside_are_refused() {
    in_graph(|_| {
        let (hand, a) = (Hand::default(), signal(0));
        let writes = async_computed(hand.clone(), {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move {
                    once_more().await;
                    a.set(1);
                }
            }
        });
        hand.run();
        let error = writes.error().expect("the write panics").to_string();
        assert!(error.contains("set inside a computed"), "{error}");
        assert_eq!(a.get(), 0);
    });
}

#[test]
fn an_equal_value_wakes_nobody_who_reads_the_value_only() {
    in_graph(|_| {
        let (hand, a, seen) = (Hand::default(), signal(1), Trace::new());
        let sign = async_computed(hand.clone(), {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move { a.get() > 0 }
            }
        });
        hand.run();
        let _watch = effect({
            let (sign, seen) = (sign.clone(), seen.clone());
            move || seen.note(sign.get())
        });
        a.set(2);
        hand.run();
        a.set(-1);
        hand.run();
        assert_eq!(seen.take(), [Some(true), Some(false)]);
    });
}

#[test]
fn snapshots_and_drafts_see_the_state_of_their_revision() {
    in_graph(|g| {
        let (hand, a) = (Hand::default(), signal(1));
        let ten = async_computed(hand.clone(), {
            let a = a.clone();
            move || {
                let a = a.clone();
                async move { a.get() * 10 }
            }
        });
        hand.run();
        let then = g.snapshot();
        let draft = g.draft();
        draft.set(&a, 7);
        assert_eq!(draft.get(ten.state()).status(), Status::Reloading);
        a.set(2);
        let state = then.get(ten.state());
        assert_eq!((state.status(), state.value().map(|v| **v)), (Status::Ready, Some(10)));
        assert_eq!(ten.status(), Status::Reloading);
        hand.run();
        assert_eq!(ten.get(), Some(20));
        assert_eq!(then.get(ten.state()).value().map(|v| **v), Some(10));
    });
}

#[test]
fn an_executor_that_is_gone_is_an_error_with_a_name() {
    let (graph, failures) = reporting();
    in_this(graph, move |_| {
        let hand = Hand::default();
        let never = AsyncComputed::builder(hand.clone(), pending::<i32>).name("never").build();
        let ready = never.ready();
        hand.run();
        hand.shut_down();
        let gone = LoadError::Abandoned { node: "never".into() };
        assert_eq!((never.status(), never.error()), (Status::Error, Some(gone.clone())));
        assert_eq!(block_on(ready).unwrap_err(), gone);
        assert_eq!(failures.take().len(), 1);
    });
}

#[test]
fn dropping_the_last_handle_cancels() {
    in_graph(|g| {
        let (hand, a) = (Hand::default(), signal(1));
        let (ten, trace, _) = ten_times(&hand, &a);
        let state = ten.state().clone();
        let ready = ten.ready();
        hand.run();
        drop(ten);
        assert_eq!(trace.take(), ["start", "end"]);
        assert!(matches!(block_on(ready), Err(LoadError::Disposed { .. })));
        assert_eq!(state.get().status(), Status::Idle);
        a.set(2);
        hand.run();
        assert_eq!((trace.take(), hand.tasks()), (vec![], 0));
        drop((a, state));
        assert_eq!((g.stats().live_effects, g.stats().live_nodes), (0, 0));
    });
}

#[test]
fn under_threads_a_ready_value_always_belongs_to_the_sources_beside_it() {
    under_each_executor(|g, spawner: Spawner| {
        let (a, b) = (signal(0), signal(0));
        let sum = async_computed(spawner, {
            let (a, b) = (a.clone(), b.clone());
            move || {
                let (a, b) = (a.clone(), b.clone());
                async move {
                    let a = a.get();
                    once_more().await;
                    a + b.get()
                }
            }
        });
        let wrong = Trace::new();
        let watch = effect({
            let (a, b, sum, wrong) = (a.clone(), b.clone(), sum.clone(), wrong.clone());
            move || {
                let (a, b, state) = (a.get(), b.get(), sum.state().get());
                if state.status() == Status::Ready && state.value().map(|v| **v) != Some(a + b) {
                    wrong.note((a, b, state));
                }
            }
        });
        thread::scope(|threads| {
            threads.spawn(|| (1..=500).for_each(|n| a.set(n)));
            threads.spawn(|| (1..=500).for_each(|n| b.set(n)));
            for _ in 0..500 {
                let now = g.snapshot();
                let (state, expected) = (now.get(sum.state()), now.get(&a) + now.get(&b));
                if state.status() == Status::Ready {
                    assert_eq!(state.value().map(|v| **v), Some(expected));
                }
            }
        });
        assert_eq!(*block_on(sum.ready()).unwrap(), 1000);
        assert!(wrong.take().is_empty());
        drop(watch);
    });
}

#[test]
fn it_may_await_other_nodes_and_other_async_computeds() {
    in_graph(|_| {
        let (hand, a, go) = (Hand::default(), signal(2), signal(false));
        let first = async_computed(hand.clone(), {
            let (a, go) = (a.clone(), go.clone());
            move || {
                let (a, go) = (a.clone(), go.clone());
                async move {
                    go.wait_for(|go| *go).await.map(|_| a.get()).map_err(|error| error.to_string())
                }
            }
        });
        let second = async_computed(hand.clone(), {
            let first = first.clone();
            move || {
                let first = first.clone();
                async move { first.get().and_then(Result::ok).map(|n| n + 1) }
            }
        });
        hand.run();
        assert_eq!(second.get(), Some(None));
        go.set(true);
        hand.run();
        assert_eq!(second.get(), Some(Some(3)));
        a.set(5);
        hand.run();
        assert_eq!((first.get(), second.get()), (Some(Ok(5)), Some(Some(6))));
    });
}
