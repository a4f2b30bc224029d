//! User code that stalls, wherever it does, stops nobody else from reading or committing (C7, C8).
//!
//! In each case one thread is held inside some user code; then the others must each do a fixed
//! amount of reading and committing. Should they be stopped, the watchdog tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use isobar::{Computed, Effect, Graph, Signal};

use crate::crew::{Gate, Opening, crew};
use crate::effort::Effort;
use crate::watchdog::{Case, allowance, within};

const OTHERS: usize = 2;
const EACH: u64 = 3_000;

/// What the others work on while somebody is held.
struct Yard {
    graph: Graph,
    /// What the stalled code reads or writes.
    hot: Signal<u64>,
    /// What it has nothing to do with.
    cold: Signal<u64>,
    cold_plus: Computed<u64>,
    hot_plus: Computed<u64>,
    gate: Arc<Gate>,
}

impl Yard {
    fn new(case: &Case) -> Arc<Yard> {
        let graph = Graph::new();
        let (hot, cold) = (graph.signal(0u64), graph.signal(0u64));
        let plus = |signal: &Signal<u64>| {
            let signal = signal.clone();
            graph.computed(move || signal.get() + 1)
        };
        let (hot_plus, cold_plus) = (plus(&hot), plus(&cold));
        let gate = Arc::<Gate>::default();
        let (stats, held) = (graph.clone(), Arc::clone(&gate));
        case.knows(move || format!("held: {}, {:?}", held.is_held(), stats.stats()));
        Arc::new(Yard { graph, hot, cold, cold_plus, hot_plus, gate })
    }

    /// Holds `stalled` at the gate, has the others work meanwhile, then lets it go.
    fn hold<R: Send>(&self, name: &str, stalled: impl FnOnce() -> R + Send) -> R {
        self.gate.shut();
        thread::scope(|scope| {
            let _opening = Opening(&self.gate);
            let stalled = scope.spawn(stalled);
            self.gate.await_held();
            let before = (self.hot.get(), self.cold.get());
            let effort = Effort::share(EACH, 8);
            let work = crew(OTHERS, |_| self.work(effort)).iter().sum::<u64>();
            assert!(self.gate.is_held(), "the others worked while {name} was held");
            assert_eq!((self.hot.get(), self.cold.get()), (before.0 + work, before.1 + 2 * work));
            println!("stalled {name}: {} commits and {} reads beside it", work * 2, work * 6);
            self.gate.open();
            stalled.join().expect("held, but without a panic")
        })
    }

    /// Commits and reads of every kind; each thread reads its own writes.
    fn work(&self, effort: Effort) -> u64 {
        let mut rounds = 0;
        while effort.goes_on(rounds) {
            self.round();
            rounds += 1;
        }
        rounds
    }

    fn round(&self) {
        self.hot.update(|n| n + 1);
        let hot = self.hot.get();
        assert!(self.hot_plus.get() > hot, "an own write is read");
        self.graph.batch(|| self.cold.update(|n| n + 2));
        let cold = self.cold.with(|n| *n);
        assert!(self.cold_plus.get() > cold);
        let snap = self.graph.snapshot();
        assert_eq!(snap.get(&self.cold) + 1, snap.get(&self.cold_plus));
    }
}

#[test]
fn a_slow_computed_stops_nobody() {
    within("a_slow_computed_stops_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let slow = yard.graph.computed({
            let (hot, cold, gate) = (yard.hot.clone(), yard.cold.clone(), Arc::clone(&yard.gate));
            move || {
                let before = hot.get();
                gate.pass();
                (before, hot.get(), cold.get())
            }
        });
        let above = yard.graph.computed({
            let slow = slow.clone();
            move || slow.get().0 + 1
        });
        for _ in 0..3 {
            yard.round();
            let at = yard.hot.get();
            let (before, after, cold) = yard.hold("computed", || slow.get());
            assert_eq!(
                (before, after, cold),
                (at, at, 2 * at),
                "one revision, the one of its start"
            );
            assert_eq!(slow.get().0, yard.hot.get(), "and the newest afterwards");
            assert_eq!(above.get(), yard.hot.get() + 1);
        }
    });
}

/// The same where an effect wants the value, too. The thread whose `set` makes the effect want it
/// may have to wait for it; nobody else may.
#[test]
fn a_slow_computed_that_an_effect_wants_stops_nobody_else() {
    within("a_slow_computed_that_an_effect_wants_stops_nobody_else", allowance(60), |case| {
        let yard = Yard::new(case);
        let slow = yard.graph.computed({
            let (hot, gate) = (yard.hot.clone(), Arc::clone(&yard.gate));
            move || {
                let before = hot.get();
                gate.pass();
                (before, hot.get())
            }
        });
        let wanted = yard.graph.signal(false);
        let (last, mixed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let effect = yard.graph.effect({
            let (slow, wanted) = (slow.clone(), wanted.clone());
            let (last, mixed) = (Arc::clone(&last), Arc::clone(&mixed));
            move || {
                if wanted.get() {
                    let (before, after) = slow.get();
                    mixed.fetch_add(u64::from(before != after), Ordering::Relaxed);
                    last.store(before, Ordering::Relaxed);
                }
            }
        });
        for _ in 0..3 {
            wanted.set(false);
            yard.hot.update(|n| n + 1);
            yard.cold.update(|n| n + 2);
            thread::scope(|scope| {
                yard.hold("computed that an effect wants", || {
                    scope.spawn(|| {
                        yard.gate.await_held();
                        wanted.set(true);
                    });
                    slow.get()
                });
            });
            yard.graph.settle().expect("nothing loops");
            assert_eq!(last.load(Ordering::Relaxed), yard.hot.get(), "it saw the last state");
        }
        assert_eq!(mixed.load(Ordering::Relaxed), 0, "one revision per run");
        effect.dispose();
    });
}

/// Several top-level readers of the value that is being made: it runs once, all get it.
#[test]
fn readers_of_one_slow_computed_share_its_run() {
    within("readers_of_one_slow_computed_share_its_run", allowance(60), |case| {
        let yard = Yard::new(case);
        let runs = Arc::<AtomicU64>::default();
        let slow = yard.graph.computed({
            let (gate, runs, cold) = (Arc::clone(&yard.gate), Arc::clone(&runs), yard.cold.clone());
            move || {
                runs.fetch_add(1, Ordering::Relaxed);
                gate.pass();
                cold.get()
            }
        });
        yard.gate.shut();
        let begun = AtomicU64::new(0);
        let second = || {
            begun.fetch_add(1, Ordering::Relaxed);
            slow.get()
        };
        thread::scope(|scope| {
            let _opening = Opening(&yard.gate);
            let first = scope.spawn(|| slow.get());
            yard.gate.await_held();
            let others: Vec<_> = (0..3).map(|_| scope.spawn(second)).collect();
            while begun.load(Ordering::Relaxed) < 3 {
                thread::yield_now();
            }
            yard.gate.open();
            assert_eq!(first.join().expect("no panic"), 0);
            for other in others {
                assert_eq!(other.join().expect("no panic"), 0);
            }
        });
        assert_eq!(runs.load(Ordering::Relaxed), 1, "it ran once for all");
    });
}

#[test]
fn a_slow_effect_stops_nobody() {
    within("a_slow_effect_stops_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let (last, mixed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let effect = yard.graph.effect({
            let (hot, hot_plus) = (yard.hot.clone(), yard.hot_plus.clone());
            let (gate, last, mixed) =
                (Arc::clone(&yard.gate), Arc::clone(&last), Arc::clone(&mixed));
            move || {
                let before = hot.get();
                gate.pass();
                mixed.fetch_add(u64::from(hot_plus.get() != before + 1), Ordering::Relaxed);
                last.store(before, Ordering::Relaxed);
            }
        });
        for _ in 0..3 {
            yard.hold("effect", || {
                yard.hot.touch();
            });
            yard.graph.settle().expect("nothing loops");
            assert_eq!(last.load(Ordering::Relaxed), yard.hot.get(), "it saw the last state");
        }
        assert_eq!(mixed.load(Ordering::Relaxed), 0, "one revision per run");
        effect.dispose();
    });
}

#[test]
fn slow_writers_stop_nobody() {
    within("slow_writers_stop_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let add_slowly = || {
            let gate = Arc::clone(&yard.gate);
            yard.cold.update(move |n| {
                gate.pass();
                n + 1_000_000_000
            });
        };
        yard.hold("update", add_slowly);
        assert!(yard.cold.get() > 1_000_000_000, "nothing lost: {}", yard.cold.get());
        let mutate_slowly = || {
            let gate = Arc::clone(&yard.gate);
            yard.cold.mutate(move |n| {
                gate.pass();
                *n -= 1_000_000_000;
            });
        };
        yard.hold("mutate", mutate_slowly);
        assert!(yard.cold.get() < 1_000_000_000, "nothing lost: {}", yard.cold.get());
        let extra = yard.graph.signal(0u64);
        yard.hold("batch", || {
            yard.graph.batch(|| {
                extra.set(1);
                yard.gate.pass();
                extra.update(|n| n + 1);
            });
        });
        assert_eq!(extra.get(), 2);
        yard.hold("transaction", || {
            let done: Result<(), ()> = yard.graph.transaction(|| {
                let hot = yard.hot.get();
                yard.gate.pass();
                extra.set(hot);
                Ok(())
            });
            done.expect("the transaction never gives up");
        });
        assert_eq!(extra.get(), yard.hot.get(), "re-run on what had changed meanwhile");
    });
}

#[test]
fn a_slow_equality_stops_nobody() {
    within("a_slow_equality_stops_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let signal = Signal::builder(0u64).graph(&yard.graph).equality({
            let gate = Arc::clone(&yard.gate);
            move |old: &u64, new: &u64| {
                gate.pass();
                old == new
            }
        });
        let signal = signal.build();
        yard.hold("equality of a signal", || signal.set(5));
        assert_eq!(signal.get(), 5);
        let computed = Computed::builder({
            let hot = yard.hot.clone();
            move || hot.get() / 2
        });
        let gate = Arc::clone(&yard.gate);
        let computed = computed.graph(&yard.graph).equality(move |old: &u64, new: &u64| {
            gate.pass();
            old == new
        });
        let computed = computed.build();
        computed.get();
        yard.hot.update(|n| n + 2);
        yard.hold("equality of a computed", || {
            computed.get();
        });
        assert_eq!(computed.get(), yard.hot.get() / 2);
    });
}

/// A value whose drop stalls: whoever has to drop it is held, the others are not.
#[test]
fn a_slow_drop_stops_nobody() {
    within("a_slow_drop_stops_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let heavy = yard.graph.signal(Heavy::new(1, &yard.gate));
        yard.gate.shut();
        let counts: [AtomicU64; 3] = Default::default();
        let stop = AtomicU64::new(0);
        thread::scope(|scope| {
            let _opening = Opening(&yard.gate);
            for count in &counts {
                scope.spawn(|| {
                    while stop.load(Ordering::Acquire) == 0 {
                        heavy.set(Heavy::new(0, &yard.gate));
                        yard.round();
                        count.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            yard.gate.await_held();
            let before = counts.each_ref().map(|count| count.load(Ordering::Acquire));
            // At most one of them is held; the other two must get on.
            let far = || {
                let ahead = |at: usize| counts[at].load(Ordering::Acquire) >= before[at] + 500;
                (0..3).filter(|at| ahead(*at)).count() >= 2
            };
            while !far() {
                thread::yield_now();
            }
            assert!(yard.gate.is_held());
            stop.store(1, Ordering::Release);
            yard.gate.open();
        });
        println!("stalled drop: {counts:?} rounds beside it");
    });
}

/// Its drop passes the gate if its weight is 1.
struct Heavy {
    weight: u64,
    gate: Arc<Gate>,
}

impl Heavy {
    fn new(weight: u64, gate: &Arc<Gate>) -> Heavy {
        Heavy { weight, gate: Arc::clone(gate) }
    }
}

impl PartialEq for Heavy {
    fn eq(&self, _: &Heavy) -> bool {
        false
    }
}

impl Drop for Heavy {
    fn drop(&mut self) {
        if self.weight == 1 {
            self.gate.pass();
        }
    }
}

/// Guards of every kind kept for long: a `with` closure, a `load`, a snapshot, a draft.
#[test]
fn long_reads_stop_nobody() {
    within("long_reads_stop_nobody", allowance(60), |case| {
        let yard = Yard::new(case);
        let seen = yard.hold("with", || {
            yard.hot.with(|before| {
                yard.gate.pass();
                *before
            })
        });
        assert!(seen < yard.hot.get());
        yard.hold("with of a computed", || {
            yard.hot_plus.with(|before| {
                yard.gate.pass();
                *before
            })
        });
        yard.hold("snapshot", || {
            let (snap, load) = (yard.graph.snapshot(), yard.hot.load());
            yard.gate.pass();
            assert_eq!(snap.get(&yard.hot), *load);
            assert_eq!(snap.get(&yard.cold_plus), 1 + 2 * *load);
        });
        yard.hold("draft", || {
            let draft = yard.graph.draft();
            draft.set(&yard.cold, 7);
            yard.gate.pass();
            assert_eq!(draft.get(&yard.cold_plus), 8);
        });
    });
}

/// Effects on a thread of their own or the pool do not hold up the thread that commits.
#[test]
fn a_slow_effect_elsewhere_does_not_hold_its_writer() {
    within("a_slow_effect_elsewhere_does_not_hold_its_writer", allowance(60), |case| {
        for on in [isobar::RunOn::Pool, isobar::RunOn::Thread] {
            let yard = Yard::new(case);
            let last = Arc::<AtomicU64>::default();
            let effect = Effect::builder({
                let (hot, gate, last) =
                    (yard.hot.clone(), Arc::clone(&yard.gate), Arc::clone(&last));
                move || {
                    let now = hot.get();
                    gate.pass();
                    last.store(now, Ordering::Relaxed);
                }
            });
            let effect = effect.graph(&yard.graph).run_on(on).build();
            yard.graph.settle().expect("nothing loops");
            yard.gate.shut();
            let _opening = Opening(&yard.gate);
            yard.hot.touch();
            yard.gate.await_held();
            // This very thread goes on: the effect runs elsewhere.
            yard.work(Effort::share(EACH, 8));
            assert!(yard.gate.is_held());
            yard.gate.open();
            yard.graph.settle().expect("nothing loops");
            assert_eq!(last.load(Ordering::Relaxed), yard.hot.get());
            effect.dispose();
        }
    });
}
