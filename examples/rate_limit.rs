//! Rate limits and circuit breakers from time stamps. Notice that time is a source like any other:
//! breakers close and limits age although nothing is written.
//!
//! Mended: time was read but not followed, so an open breaker stayed open; the failure taken for
//! the last one was the last in the list; an idle endpoint had no limit at all.

use isobar::{Clock, Computed, Graph, Join, ManualClock, Signal, computed, effect, signal};
use std::collections::BTreeMap;
use std::time::Duration;

type Stamps = BTreeMap<&'static str, Vec<Duration>>;

const STEP: Duration = Duration::from_millis(100);
const WINDOW: Duration = Duration::from_secs(60);
const COOL_DOWN: Duration = Duration::from_secs(30);
const FAILURES: usize = 5;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Breaker {
    Closed,
    Open,
}

/// A tenth of the last minute's calls, from 10 to 1000.
fn limit(
    calls: &Signal<Stamps>,
    endpoint: &'static str,
    now: &Computed<Duration>,
) -> Computed<usize> {
    (calls, now).map(move |calls, now| {
        let is_recent = |at: &&Duration| now.saturating_sub(**at) < WINDOW;
        let recent = calls.get(endpoint).into_iter().flatten().filter(is_recent);
        (recent.count() / 10).clamp(10, 1000)
    })
}

/// Open after enough failures, until the newest is old.
fn breaker(failures: &[Duration], now: Duration) -> Breaker {
    let is_hot = failures.iter().any(|at| now.saturating_sub(*at) < COOL_DOWN);
    if failures.len() >= FAILURES && is_hot { Breaker::Open } else { Breaker::Closed }
}

/// `count` time stamps, one second apart and the newest first, as a log may have them.
fn back_from(now: Duration, count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(move |seconds| now - Duration::from_secs(seconds))
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let clock = Clock::manual();
    clock.advance(Duration::from_secs(1000));
    Graph::new().enter(|| {
        limits(&clock, say);
        breakers(&clock, say);
    });
}

fn limits(clock: &ManualClock, say: fn(String)) {
    let calls = signal(Stamps::new());
    let limit = limit(&calls, "orders", &clock.now(STEP));
    calls.set([("orders", back_from(clock.time(), 20).collect())].into());
    say(format!("limit {}", limit.get()));
    for count in [100, 110, 20_000] {
        calls.set([("orders", vec![clock.time(); count])].into());
        say(format!("{count} calls: limit {}", limit.get()));
    }
    clock.advance(WINDOW);
    say(format!("a minute later: limit {}", limit.get()));
}

fn breakers(clock: &ManualClock, say: fn(String)) {
    let (failures, now) = (signal(Stamps::new()), clock.now(STEP));
    let breakers = computed!([failures, now] {
        let now = now.get();
        let all = failures.load();
        all.iter().map(|(name, at)| (*name, breaker(at, now))).collect::<BTreeMap<_, _>>()
    });
    let watch = effect!([breakers] breakers.with(|breakers| {
        if !breakers.is_empty() {
            say(format!("{breakers:?}"));
        }
    }));
    let start = clock.time();
    failures.set([("orders", back_from(start, 3).collect())].into());
    failures.mutate(move |failures| {
        failures.entry("orders").or_default().extend([start; 3]);
    });
    clock.advance(COOL_DOWN - STEP);
    say(format!("after 29.9 s: {:?}", breakers.get()["orders"]));
    clock.advance(STEP);
    say(format!("after 30.0 s: {:?}", breakers.get()["orders"]));
    drop(watch);
}
