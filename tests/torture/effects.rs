//! Effects converge, one run at a time, forwards only; crossed ones do not deadlock (C6, C7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use isobar::{Effect, Graph, Revision, RunOn, Signal};

use crate::crew::crew;
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

/// Two effects, each writing what the other reads, driven from two threads.
#[test]
fn crossed_effects_on_two_threads() {
    within("crossed_effects_on_two_threads", allowance(60), |case| {
        for on in [RunOn::Writer, RunOn::Pool, RunOn::Thread] {
            let failures = Arc::<AtomicU64>::default();
            let g = Graph::builder().on_error(count_into(&failures)).build();
            let (a, b) = (g.signal(0u64), g.signal(0u64));
            let stats = g.clone();
            case.knows(move || format!("{:?}", stats.stats()));
            let raised = Arc::<AtomicU64>::default();
            let _there = raise(&g, &a, &b, on, &raised);
            let _back = raise(&g, &b, &a, on, &raised);
            let effort = Effort::share(5_000, 3);
            let highest = crew(2, |index| {
                let (mine, mut highest, mut rounds) = (if index == 0 { &a } else { &b }, 0, 0);
                while effort.goes_on(rounds) {
                    highest = highest.max(rounds * 2 + index as u64);
                    mine.update(move |n| *n.max(&highest));
                    rounds += 1;
                }
                highest
            });
            g.settle().expect("raising ends");
            let highest = *highest.iter().max().expect("two threads");
            let raised = raised.load(Ordering::Relaxed);
            println!("crossed effects: up to {highest}, {raised} raised by effects");
            assert_eq!((a.get(), b.get()), (highest, highest));
            assert_eq!(failures.load(Ordering::Relaxed), 0, "no loop, no panic reported");
        }
    });
}

/// An effect that raises `to` to `from`.
fn raise(
    g: &Graph,
    from: &Signal<u64>,
    to: &Signal<u64>,
    on: RunOn,
    raised: &Arc<AtomicU64>,
) -> Effect {
    let (from, to, raised) = (from.clone(), to.clone(), Arc::clone(raised));
    let run = move || {
        let least = from.get();
        if to.get() < least {
            raised.fetch_add(1, Ordering::Relaxed);
            to.update(move |n| *n.max(&least));
        }
    };
    Effect::builder(run).graph(g).run_on(on).build()
}

pub(crate) fn count_into(
    count: &Arc<AtomicU64>,
) -> impl Fn(&isobar::Failure) + Send + Sync + 'static {
    let count = Arc::clone(count);
    move |_: &isobar::Failure| {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Many effects of every kind under many writers: never two runs at once, never a mixed state,
/// never back, and after `settle` all have seen the last state.
#[test]
fn effects_converge() {
    within("effects_converge", allowance(60), |case| {
        let g = Graph::new();
        let pair = (g.signal(0u64), g.signal(0u64));
        let watchers: Vec<_> = [RunOn::Writer, RunOn::Pool, RunOn::Thread, RunOn::Writer]
            .into_iter()
            .map(|on| Watcher::new(&g, &pair, on))
            .collect();
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(8_000);
        let rounds = crew(3, |_| {
            let mut rounds = 0;
            while effort.goes_on(rounds) {
                g.batch(|| {
                    pair.0.update(|n| n + 1);
                    pair.1.update(|n| n + 1);
                });
                rounds += 1;
            }
            rounds
        });
        g.settle().expect("nothing loops");
        let last: u64 = rounds.iter().sum();
        let runs: Vec<u64> = watchers.iter().map(|w| w.seen.runs.load(Ordering::Relaxed)).collect();
        println!("effects converge: {last} commits, {runs:?} runs");
        for watcher in &watchers {
            assert_eq!(watcher.seen.wrong.load(Ordering::Relaxed), 0, "wrong runs");
            assert_eq!(watcher.seen.last.load(Ordering::Relaxed), last, "the last state");
            assert!(watcher.seen.runs.load(Ordering::Relaxed) <= last + 1, "no run for nothing");
        }
    });
}

struct Watcher {
    seen: Arc<Seen>,
    _effect: Effect,
}

#[derive(Default)]
struct Seen {
    runs: AtomicU64,
    last: AtomicU64,
    /// Runs that overlapped another, saw a mixed state, went back or kept their revision.
    wrong: AtomicU64,
    busy: AtomicBool,
}

impl Watcher {
    fn new(g: &Graph, pair: &(Signal<u64>, Signal<u64>), on: RunOn) -> Watcher {
        let seen = Arc::<Seen>::default();
        let effect = Effect::builder({
            let (g, (a, b), seen) = (g.clone(), pair.clone(), Arc::clone(&seen));
            let mut before: Option<Revision> = None;
            move || {
                let overlaps = seen.busy.swap(true, Ordering::AcqRel);
                let (a, b, now) = (a.get(), b.get(), g.revision());
                let mixed = a != b || seen.last.swap(a, Ordering::Relaxed) > a;
                let back = before.replace(now).is_some_and(|before| before >= now);
                seen.wrong.fetch_add(u64::from(overlaps || mixed || back), Ordering::Relaxed);
                seen.runs.fetch_add(1, Ordering::Relaxed);
                seen.busy.store(false, Ordering::Release);
            }
        });
        Watcher { seen, _effect: effect.graph(g).run_on(on).build() }
    }
}

/// `subscribe` and effects on a chain whose middle is cut off: they run for changes only.
#[test]
fn cut_off_waves_reach_nobody() {
    within("cut_off_waves_reach_nobody", allowance(60), |_| {
        let g = Graph::new();
        let s = g.signal(0u64);
        let tens = g.computed({
            let s = s.clone();
            move || s.get() / 10
        });
        let (last, runs, wrong) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let _watch = tens.subscribe({
            let (last, runs, wrong) = (Arc::clone(&last), Arc::clone(&runs), Arc::clone(&wrong));
            move |tens: &u64| {
                let before = last.swap(*tens, Ordering::Relaxed);
                let first = runs.fetch_add(1, Ordering::Relaxed) == 0;
                wrong.fetch_add(u64::from(!first && before >= *tens), Ordering::Relaxed);
            }
        });
        let effort = Effort::of(8_000);
        let rounds = crew(3, |_| {
            let mut rounds = 0;
            while effort.goes_on(rounds) {
                s.update(|n| n + 1);
                rounds += 1;
            }
            rounds
        });
        g.settle().expect("nothing loops");
        let total: u64 = rounds.iter().sum();
        let runs = runs.load(Ordering::Relaxed);
        println!("cut off: {total} commits, {runs} calls");
        assert_eq!(wrong.load(Ordering::Relaxed), 0, "calls without a change, or backwards");
        assert_eq!(last.load(Ordering::Relaxed), total / 10);
        assert!(runs <= total / 10 + 1);
    });
}
