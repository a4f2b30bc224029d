//! Threads that wait for a value are woken, each of them, however the writers interleave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isobar::Graph;

use crate::crew::crew;
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const LONG: Duration = Duration::from_secs(600);

/// Two threads hand a ball to and fro by waiting for each other's value: a lost wake-up hangs.
#[test]
fn no_wake_up_is_lost() {
    within("no_wake_up_is_lost", allowance(60), |case| {
        let g = Graph::new();
        let ball = g.signal(0u64);
        let halves = g.computed({
            let ball = ball.clone();
            move || ball.get() / 2
        });
        let told = ball.clone();
        case.knows(move || format!("the ball is at {}", told.peek()));
        let effort = Effort::of(1_500);
        let passes = crew(3, |index| {
            let mut passes = 0;
            while index < 2 && effort.goes_on(passes) {
                let mine = 2 * passes + index as u64;
                let held = ball.wait_until(move |ball| *ball >= mine, LONG).expect("in time");
                assert_eq!(*held, mine);
                ball.set(mine + 1);
                passes += 1;
            }
            // The third waits for the derived value.
            while index == 2 && passes < 1_000 && effort.goes_on(passes) {
                let least = passes;
                let seen =
                    halves.wait_until(move |halves| *halves >= least, LONG).expect("in time");
                assert!(*seen >= least);
                passes += 1;
            }
            passes
        });
        println!("waits: {passes:?} passes");
    });
}

/// A wait that nobody ends ends by itself.
#[test]
fn waits_end_in_time() {
    within("waits_end_in_time", allowance(60), |_| {
        let g = Graph::new();
        let s = g.signal(0u64);
        let ended = AtomicU64::new(0);
        crew(2, |index| {
            if index == 0 {
                let wait = s.wait_until(|s| *s > 1_000_000, Duration::from_millis(50));
                assert!(wait.is_err(), "nobody wrote that");
                ended.store(1, Ordering::Release);
            } else {
                while ended.load(Ordering::Acquire) == 0 {
                    s.update(|n| (n + 1) % 1_000);
                }
            }
        });
    });
}
