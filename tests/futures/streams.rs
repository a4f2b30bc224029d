//! Streams, the next change, conditions.

use crate::stage::{block_on, in_graph, poll_once};
use isobar::{ReadError, Signal, WaitError, WhenFull, batch, computed, effect, scope, signal};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;

fn taken<T: Clone + Send + Sync + 'static>(stream: &mut isobar::ValueStream<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(Some(Ok(value))) = poll_once(&mut pin!(stream.next())) {
        all.push((*value).clone());
    }
    all
}

#[test]
fn a_stream_begins_with_the_present_value_and_gives_a_slow_consumer_the_newest() {
    in_graph(|_| {
        let a = signal(1);
        let mut values = a.stream();
        assert_eq!(taken(&mut values), [1]);
        a.set(2);
        a.set(3);
        assert_eq!(taken(&mut values), [3]);
        assert_eq!(values.skipped(), 1);
        assert!(taken(&mut values).is_empty());
    });
}

#[test]
fn without_what_waits_a_stream_begins_with_the_next_change_and_a_batch_is_one() {
    in_graph(|_| {
        let a = signal(0);
        let mut values = a.stream().skip_waiting();
        a.set(10);
        assert_eq!(taken(&mut values), [10]);
        batch(|| {
            a.set(11);
            a.set(12);
        });
        assert_eq!(taken(&mut values), [12]);
    });
}

#[test]
fn a_stream_of_all_without_what_waits_begins_with_the_next_change_and_a_batch_is_one() {
    in_graph(|_| {
        let a = signal(0);
        let mut values = a.stream_all(8, WhenFull::End).skip_waiting();
        assert!(taken(&mut values).is_empty());
        a.set(10);
        batch(|| {
            a.set(11);
            a.set(12);
        });
        a.set(13);
        assert_eq!((taken(&mut values), values.skipped()), (vec![10, 12, 13], 0));
    });
}

#[test]
fn a_failing_computed_is_one_item_and_the_stream_goes_on_when_it_recovers() {
    in_graph(|_| {
        let divisor = signal(5);
        let ratio = computed({
            let divisor = divisor.clone();
            move || 10 / divisor.get()
        });
        let mut values = ratio.stream();
        assert_eq!(taken(&mut values), [2]);
        divisor.set(0);
        let failed = block_on(values.next()).expect("the stream goes on");
        assert!(matches!(failed, Err(ReadError::Panicked { .. })));
        assert!(poll_once(&mut pin!(values.next())).is_none());
        divisor.set(2);
        assert_eq!(taken(&mut values), [5]);
    });
}

#[test]
fn dropping_a_stream_ends_its_subscription_at_once() {
    in_graph(|g| {
        let a = signal(1);
        let values = a.stream();
        assert_eq!(g.stats().live_effects, 1);
        drop(values);
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn a_stream_ends_with_the_scope_it_was_made_in_and_with_the_graph() {
    in_graph(|g| {
        let a = signal(1);
        let mut made = None;
        let around = scope(|| made = Some(a.stream().skip_waiting()));
        let mut inner = made.expect("the scope ran");
        let mut outer = a.stream().skip_waiting();
        drop(around);
        assert!(block_on(inner.next()).is_none());
        g.shutdown();
        assert!(block_on(outer.next()).is_none());
    });
}

#[test]
fn a_stream_of_all_misses_nothing_that_other_threads_commit_while_effects_run() {
    in_graph(|g| {
        const WRITERS: usize = 3;
        const EACH: usize = 500;
        let a = signal(0_usize);
        let mut all = a.stream_all(WRITERS * EACH + 1, WhenFull::End);
        thread::scope(|threads| {
            for _ in 0..WRITERS {
                threads.spawn(|| (0..EACH).for_each(|_| a.update(|n| n + 1)));
            }
        });
        g.settle().unwrap();
        assert_eq!(taken(&mut all), (0..=WRITERS * EACH).collect::<Vec<_>>());
        assert_eq!(all.skipped(), 0);
    });
}

#[test]
fn a_stream_of_all_that_nobody_takes_from_keeps_no_other_signals_versions() {
    in_graph(|g| {
        let (followed, busy) = (signal(0), signal(0));
        let all = followed.stream_all(4, WhenFull::SkipOldest);
        (1..10_000).for_each(|n| busy.set(n));
        g.collect();
        assert!(g.stats().awaiting_reclamation < 100);
        drop(all);
    });
}

#[test]
fn a_stream_of_all_keeps_no_version_that_it_has_taken_in_or_will_not_take() {
    in_graph(|g| {
        for when_full in [WhenFull::SkipOldest, WhenFull::End] {
            let value = Arc::new(());
            let followed = Signal::builder(value.clone()).always().build();
            let stream = followed.stream_all(4, when_full);
            (0..5_000).for_each(|_| followed.set(value.clone()));
            g.collect();
            let kept = Arc::strong_count(&value);
            assert!(kept < 100, "{kept} values are kept ({when_full:?})");
            drop(stream);
        }
    });
}

#[test]
fn what_a_full_stream_does_is_chosen_and_counted() {
    in_graph(|_| {
        let a = signal(0);
        let mut oldest = a.stream_all(2, WhenFull::SkipOldest);
        let mut newest = a.stream_all(2, WhenFull::SkipNewest);
        let mut ends = a.stream_all(2, WhenFull::End);
        (1..=4).for_each(|n| a.set(n));
        assert_eq!((taken(&mut oldest), oldest.skipped()), (vec![3, 4], 3));
        assert_eq!((taken(&mut newest), newest.skipped()), (vec![0, 1], 3));
        assert_eq!((taken(&mut ends), ends.skipped()), (vec![0, 1], 1));
        assert!(block_on(ends.next()).is_none());
        a.set(5);
        assert_eq!((taken(&mut oldest), taken(&mut newest)), (vec![5], vec![5]));
    });
}

#[test]
fn a_full_stream_that_ends_takes_nothing_behind_the_gap_also_of_what_comes_at_once() {
    in_graph(|_| {
        let (a, gate) = (signal(0), signal(false));
        let ((reached, at), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
        let _stuck = effect({
            let gate = gate.clone();
            move || {
                if gate.get() {
                    reached.send(()).unwrap();
                    released.recv().unwrap();
                }
            }
        });
        let mut ends = a.stream_all(2, WhenFull::End);
        thread::scope(|threads| {
            threads.spawn(|| gate.set(true));
            at.recv().unwrap();
            (1..=5).for_each(|n| a.set(n));
            release.send(()).unwrap();
        });
        a.set(6);
        assert_eq!((taken(&mut ends), ends.skipped()), (vec![0, 1], 1));
        assert!(block_on(ends.next()).is_none());
    });
}

#[test]
fn a_stream_has_room_for_one_value_at_least() {
    in_graph(|_| {
        let a = signal(0);
        let mut all = a.stream_all(0, WhenFull::SkipOldest);
        a.set(1);
        assert_eq!((taken(&mut all), all.skipped()), (vec![1], 1));
    });
}

#[test]
fn changed_resolves_with_the_first_change_after_the_call() {
    in_graph(|_| {
        let a = signal(1);
        let mut change = Box::pin(a.changed());
        assert!(poll_once(&mut change).is_none());
        a.set(1);
        assert!(poll_once(&mut change).is_none());
        thread::scope(|threads| {
            let waiting = threads.spawn(|| block_on(change));
            a.set(2);
            assert_eq!(*waiting.join().unwrap().unwrap(), 2);
        });
    });
}

#[test]
fn a_change_between_the_call_and_the_first_poll_is_not_lost() {
    in_graph(|_| {
        let a = signal(1);
        let change = a.changed();
        a.set(2);
        assert_eq!(*block_on(change).unwrap(), 2);
    });
}

#[test]
fn wait_for_resolves_when_the_condition_holds_on_any_readable() {
    in_graph(|g| {
        let a = signal(1);
        let double = a.map(|a| a * 2);
        assert_eq!(*block_on(a.read_only().wait_for(|n| *n == 1)).unwrap(), 1);
        thread::scope(|threads| {
            let waiting = threads.spawn(|| block_on(double.wait_for(|n| *n >= 20)));
            (2..=10).for_each(|n| a.set(n));
            assert_eq!(*waiting.join().unwrap().unwrap(), 20);
        });
        let late = a.wait_for(|n| *n == 99);
        g.shutdown();
        assert_eq!(block_on(late).unwrap_err(), WaitError::Ended);
    });
}
