//! `wait_until`: a plain thread waits for a value.

use std::thread;
use std::time::Duration;

use isobar::{Timeout, batch, computed, linked, signal};

use crate::stage::{Count, Gate, Halt, in_graph};

const LONG: Duration = Duration::from_secs(30);

#[test]
fn what_is_already_true_is_answered_at_once() {
    in_graph(|_| {
        let s = signal(5);
        assert_eq!(s.wait_until(|v| *v == 5, Duration::ZERO).map(|v| *v), Ok(5));
    });
}

#[test]
fn it_wakes_when_another_thread_makes_it_true() {
    in_graph(|_| {
        let (s, asked) = (signal(0), Gate::new());
        let tenfold = computed!([s] s.get() * 10);
        thread::scope(|scope| {
            let on_signal = scope.spawn(|| s.wait_until(|v| *v >= 100, LONG).map(|v| *v));
            let on_computed = scope.spawn(|| {
                asked.open();
                tenfold.wait_until(|v| *v >= 1_000, LONG).map(|v| *v)
            });
            asked.pass();
            (1..=100).for_each(|value| s.set(value));
            assert_eq!(on_signal.join().unwrap(), Ok(100));
            assert_eq!(on_computed.join().unwrap(), Ok(1_000));
        });
    });
}

#[test]
fn what_does_not_come_true_in_time_is_a_timeout() {
    in_graph(|_| {
        let s = signal(0);
        let gave_up = s.wait_until(|v| *v == 1, Duration::from_millis(1));
        assert!(matches!(gave_up, Err(Timeout)));
        s.set(1);
        assert_eq!(s.wait_until(|v| *v == 1, Duration::ZERO).map(|v| *v), Ok(1));
    });
}

#[test]
fn pending_writes_of_a_batch_wake_nobody() {
    in_graph(|g| {
        let (s, halt) = (signal(0), Halt::first());
        thread::scope(|scope| {
            scope.spawn(|| {
                g.batch(|| {
                    s.set(1);
                    halt.here();
                    s.set(2);
                })
            });
            halt.reached();
            assert!(s.wait_until(|v| *v == 1, Duration::from_millis(1)).is_err());
            halt.release();
            assert_eq!(s.wait_until(|v| *v > 0, LONG).map(|v| *v), Ok(2));
        });
    });
}

#[test]
fn many_may_wait_for_different_values_of_one_signal() {
    in_graph(|_| {
        let s = signal(0);
        thread::scope(|scope| {
            let waiting: Vec<_> = (1..=8)
                .map(|wanted| {
                    let s = s.clone();
                    scope.spawn(move || s.wait_until(move |v| *v >= wanted, LONG).map(|v| *v))
                })
                .collect();
            for value in 1..=8 {
                s.set(value);
            }
            for (wanted, waiter) in (1..=8).zip(waiting) {
                assert!(waiter.join().unwrap().unwrap() >= wanted);
            }
        });
    });
}

#[test]
fn two_threads_may_play_ping_pong() {
    const BALLS: i32 = 500;
    in_graph(|_| {
        let (ping, pong) = (signal(0), signal(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for ball in 1..=BALLS {
                    ping.wait_until(move |v| *v == ball, LONG).unwrap();
                    pong.set(ball);
                }
            });
            for ball in 1..=BALLS {
                ping.set(ball);
                pong.wait_until(move |v| *v == ball, LONG).unwrap();
            }
        });
        assert_eq!(pong.get(), BALLS);
    });
}

#[test]
fn a_linked_may_be_waited_for() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| l.wait_until(|v| *v == 7, LONG).map(|v| *v));
            l.set(7);
            assert_eq!(waiting.join().unwrap(), Ok(7));
        });
    });
}

#[test]
fn one_who_gave_up_waiting_leaves_nothing_behind() {
    in_graph(|g| {
        let runs = Count::new();
        let s = signal(0);
        let c = computed!([s, runs] { runs.tick(); s.get() });
        c.get();
        let before = (g.stats().live_nodes, g.stats().live_edges, g.stats().live_effects);
        for _ in 0..10 {
            assert!(c.wait_until(|v| *v == 1, Duration::from_millis(1)).is_err());
        }
        let after = (g.stats().live_nodes, g.stats().live_edges, g.stats().live_effects);
        assert_eq!(after, before);
        runs.take();
        batch(|| s.set(2));
        assert_eq!(runs.take(), 0, "nobody observes it any more");
    });
}
