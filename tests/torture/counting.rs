//! No update is lost and transactions are serializable (C4, C5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar::{Effect, Graph, Signal};

use crate::crew::{Meeting, Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const THREADS: usize = 4;

/// M threads count to the same signals in every way there is; the ends are exact.
#[test]
fn lost_updates() {
    within("lost_updates", allowance(60), |case| {
        let g = Graph::new();
        let (a, b) = (g.signal(0u64), g.signal(0u64));
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let ways: [(&str, Way); 7] = [
            ("update", |_, a, b| {
                a.update(|n| n + 1);
                b.update(|n| n + 1);
            }),
            ("mutate", |_, a, b| {
                b.mutate(|n| *n += 1);
                a.mutate(|n| *n += 1);
            }),
            ("batch", |g, a, b| {
                g.batch(|| {
                    a.update(|n| n + 1);
                    b.update(|n| n + 1);
                });
            }),
            ("batch in batch", |g, a, b| {
                g.batch(|| {
                    a.update(|n| n + 2);
                    g.batch(|| a.update(|n| n - 1));
                    b.mutate(|n| *n += 1);
                });
            }),
            ("transaction", |g, a, b| {
                let done: Result<(), ()> = g.transaction(|| {
                    a.set(a.get() + 1);
                    b.set(b.get() + 1);
                    Ok(())
                });
                done.expect("the transaction never gives up");
            }),
            ("compare_set", |g, a, b| {
                count_by_comparing(g, a);
                count_by_comparing(g, b);
            }),
            ("draft", count_by_draft),
        ];
        let mut expected = 0;
        for (name, way) in ways {
            case.lives();
            let effort = Effort::share(2_000, 7);
            let rounds = crew(THREADS, |_| {
                let mut rounds = 0;
                while effort.goes_on(rounds) {
                    way(&g, &a, &b);
                    rounds += 1;
                }
                rounds
            });
            let rounds: u64 = rounds.iter().sum();
            expected += rounds;
            println!(
                "lost updates, {name}: {rounds} rounds, {} lost",
                expected as i64 - a.get() as i64
            );
            assert_eq!((a.get(), b.get()), (expected, expected), "after `{name}`");
        }
    });
}

type Way = fn(&Graph, &Signal<u64>, &Signal<u64>);

fn count_by_comparing(g: &Graph, signal: &Signal<u64>) {
    loop {
        let snap = g.snapshot();
        if signal.compare_set(snap.revision(), snap.get(signal) + 1).is_ok() {
            return;
        }
    }
}

fn count_by_draft(g: &Graph, a: &Signal<u64>, b: &Signal<u64>) {
    loop {
        let draft = g.draft();
        let (next_a, next_b) = (draft.get(a) + 1, draft.get(b) + 1);
        draft.set(a, next_a);
        draft.set(b, next_b);
        if draft.commit().is_ok() {
            return;
        }
    }
}

/// Effects count their own runs into a shared signal while other threads count to it, too.
#[test]
fn lost_updates_in_effects() {
    within("lost_updates_in_effects", allowance(60), |case| {
        let g = Graph::new();
        let total = g.signal(0u64);
        let bells: Vec<_> = (0..THREADS).map(|_| g.signal(0u64)).collect();
        let runs = Arc::<AtomicU64>::default();
        let counters: Vec<Effect> =
            bells.iter().map(|bell| counter(&g, bell, &total, &runs)).collect();
        let stats = g.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let rounds = crew(THREADS, |index| {
            let mut rounds = 0;
            while effort.goes_on(rounds) {
                bells[index].update(|n| n + 1);
                total.update(|n| n + 1);
                rounds += 1;
            }
            rounds
        });
        g.settle().expect("counters read nothing they write");
        let rounds: u64 = rounds.iter().sum();
        let runs = runs.load(Ordering::Relaxed);
        let expected = rounds + runs;
        println!("lost updates in effects: {rounds} rounds, {runs} effect runs");
        assert_eq!(total.get(), expected, "each round and each effect run counted once");
        assert!(runs >= counters.len() as u64, "every effect ran");
    });
}

fn counter(g: &Graph, bell: &Signal<u64>, total: &Signal<u64>, runs: &Arc<AtomicU64>) -> Effect {
    let (bell, total, runs) = (bell.clone(), total.clone(), Arc::clone(runs));
    g.effect(move || {
        bell.get();
        runs.fetch_add(1, Ordering::Relaxed);
        total.update(|n| n + 1);
    })
}

const ACCOUNTS: usize = 8;
const DEPOSIT: i64 = 100;

/// Transfers between accounts: no snapshot, computed or effect sees another sum, and no account
/// is ever overdrawn although each transfer checks what it read itself.
#[test]
fn transfers_keep_the_sum() {
    within("transfers_keep_the_sum", allowance(60), |case| {
        let bank = Bank::new();
        let stats = bank.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let shift = Shift::new(THREADS, 500);
        let done = crew(THREADS + 2, |index| {
            if index < THREADS { bank.transfer(&shift, effort, index) } else { bank.audit(&shift) }
        });
        bank.graph.settle().expect("nothing loops");
        let transfers: u64 = done[..THREADS].iter().map(|done| done.0).sum();
        let refused: u64 = done[..THREADS].iter().map(|done| done.1).sum();
        let audits: u64 = done[THREADS..].iter().map(|done| done.0).sum();
        let wrong: u64 = done[THREADS..].iter().map(|done| done.1).sum();
        let wrong_effects = bank.wrong_effects.load(Ordering::Relaxed);
        println!(
            "transfers: {transfers} done, {refused} refused, {wrong} wrong of {audits} audits, \
             {wrong_effects} wrong effect runs"
        );
        assert_eq!((wrong, wrong_effects), (0, 0));
        assert_eq!(bank.total.get(), ACCOUNTS as i64 * DEPOSIT);
    });
}

struct Bank {
    graph: Graph,
    accounts: Vec<Signal<i64>>,
    total: isobar::Computed<i64>,
    wrong_effects: Arc<AtomicU64>,
    _watch: Effect,
}

impl Bank {
    fn new() -> Bank {
        let graph = Graph::new();
        let accounts: Vec<_> = (0..ACCOUNTS).map(|_| graph.signal(DEPOSIT)).collect();
        let total = graph.computed({
            let accounts = accounts.clone();
            move || accounts.iter().map(|account| account.get()).sum::<i64>()
        });
        let wrong_effects = Arc::<AtomicU64>::default();
        let watch = graph.effect({
            let (accounts, total) = (accounts.clone(), total.clone());
            let wrong = Arc::clone(&wrong_effects);
            move || {
                let sum: i64 = accounts.iter().map(|account| account.get()).sum();
                let right = sum == ACCOUNTS as i64 * DEPOSIT && sum == total.get();
                wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
            }
        });
        Bank { graph, accounts, total, wrong_effects, _watch: watch }
    }

    fn transfer(&self, shift: &Shift, effort: Effort, index: usize) -> (u64, u64) {
        let _writing = shift.writing();
        let (mut round, mut done, mut refused) = (index * 3, 0, 0);
        while effort.goes_on(done + refused) {
            round += 1;
            let from = &self.accounts[round % ACCOUNTS];
            let to = &self.accounts[(round * 5 + index + 1) % ACCOUNTS];
            let amount = (round % 37) as i64;
            let moved: Result<(), i64> = self.graph.transaction(|| {
                let balance = from.get();
                if balance < amount {
                    to.set(1_000_000); // must not survive the refusal
                    return Err(balance);
                }
                from.set(balance - amount);
                to.set(to.get() + amount);
                Ok(())
            });
            match moved {
                Ok(()) => done += 1,
                Err(_) => refused += 1,
            }
        }
        (done, refused)
    }

    fn audit(&self, shift: &Shift) -> (u64, u64) {
        let (mut audits, mut wrong) = (0, 0);
        while shift.goes_on(audits) {
            let snap = self.graph.snapshot();
            let balances: Vec<i64> = self.accounts.iter().map(|a| snap.get(a)).collect();
            let sum: i64 = balances.iter().sum();
            let right = sum == ACCOUNTS as i64 * DEPOSIT && balances.iter().all(|b| *b >= 0);
            wrong += u64::from(!right || self.total.get() != sum || snap.get(&self.total) != sum);
            audits += 1;
        }
        (audits, wrong)
    }
}

/// Write skew: each round there is one coin on one of two sides; two threads look at both sides and
/// take a coin from their own if there is any, so that only one may succeed.
#[test]
fn transactions_do_not_skew() {
    within("transactions_do_not_skew", allowance(60), |_| {
        let g = Graph::new();
        let sides = [g.signal(0i64), g.signal(0i64)];
        let effort = Effort::of(4_000);
        let (start, rounds) = (Meeting::of(2), AtomicU64::new(0));
        let taken = crew(2, |index| {
            let mut taken = 0;
            loop {
                let round = rounds.load(Ordering::Relaxed);
                let last = index == 0 && !effort.goes_on(round);
                if index == 0 {
                    sides[round as usize % 2].update(|n| n + 1);
                    rounds.store(if last { u64::MAX } else { round + 1 }, Ordering::Relaxed);
                }
                start.wait();
                if rounds.load(Ordering::Relaxed) == u64::MAX {
                    return taken;
                }
                taken += u64::from(take(&g, &sides, index));
                start.wait();
                assert_eq!(sides[0].get() + sides[1].get(), 0, "one coin, taken once");
                start.wait();
            }
        });
        println!("skew: {taken:?} coins taken");
    });
}

fn take(g: &Graph, sides: &[Signal<i64>; 2], index: usize) -> bool {
    let took: Result<(), ()> = g.transaction(|| {
        if sides[0].get() + sides[1].get() < 1 {
            return Err(());
        }
        std::thread::yield_now();
        sides[index].update(|n| n - 1);
        Ok(())
    });
    took.is_ok()
}
