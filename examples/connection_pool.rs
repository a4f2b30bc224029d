//! A pool of connections that follows the demand. Notice that the effect writes the pool it reads
//! and comes to rest by itself, and that idle connections grow old although nothing is written.
//!
//! Mended: opening and closing were left out; age was read but not followed; all that was old was
//! closed, though it was needed.

use isobar::{Clock, Graph, Join, effect, signal};
use std::time::Duration;

const STEP: Duration = Duration::from_secs(1);
const TOO_OLD: Duration = Duration::from_secs(60);
const MANY: usize = 10;
const QUIET: usize = 5;

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let clock = Clock::manual();
    Graph::new().enter(|| {
        let requests = signal(0_usize);
        // The idle connections: since when each has been.
        let idle = signal(Vec::<Duration>::new());
        let missing = (&requests, &idle).map(|requests, idle| requests.saturating_sub(idle.len()));
        let now = clock.now(STEP);
        let old = (&idle, &now).map(|idle, now| {
            idle.iter().filter(|since| now.saturating_sub(**since) >= TOO_OLD).count()
        });
        let upkeep = effect!([clock, requests, idle, missing, old] {
            let (missing, present) = (missing.get(), idle.with(Vec::len));
            if missing > 0 {
                say(format!("open {missing}"));
                let now = clock.time();
                idle.mutate(move |idle| idle.extend(vec![now; missing]));
            } else if present > MANY && requests.get() < QUIET {
                let surplus = old.get().min(present - requests.get());
                say(format!("close {surplus} of {present}"));
                // The oldest stand first.
                idle.mutate(move |idle| drop(idle.drain(..surplus.min(idle.len()))));
            }
        });

        let start = clock.time();
        requests.set(3);
        idle.set(vec![start; 2]);
        idle.set(vec![start; 12]);
        requests.set(2);
        clock.advance(TOO_OLD - STEP);
        say(format!("{} idle after 59 s", idle.with(Vec::len)));
        clock.advance(STEP);
        say(format!("{} idle after 60 s", idle.with(Vec::len)));
        drop(upkeep);
    });
}
