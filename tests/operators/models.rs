//! State as a struct of handles with a scope: the pattern of docs/TIME_AND_OPERATORS.md.

use std::sync::Arc;

use isobar::{Computed, Scope, Signal, effect, on_cleanup, scope, signal};

use crate::stage::{Trace, in_graph};

struct Account {
    balance: Signal<i64>,
    in_debt: Computed<bool>,
    life: Scope,
}

impl Account {
    fn new(balance: i64, log: &Trace<String>) -> Self {
        let log = log.clone();
        let balance = signal(balance);
        let in_debt = balance.map(|balance| *balance < 0);
        let life = scope(|| {
            for name in ["first", "second"] {
                effect!([in_debt, log] {
                    log.note(format!("{name}: {}", in_debt.get()));
                    let log = log.clone();
                    on_cleanup(move || log.note(format!("end of {name}")));
                })
                .detach();
            }
        });
        Self { balance, in_debt, life }
    }
}

#[test]
fn the_effects_of_a_model_end_with_it_last_first() {
    in_graph(|g| {
        let log = Trace::new();
        let account = Account::new(5, &log);
        account.balance.set(3);
        assert_eq!(log.take(), ["first: false", "second: false"]);
        drop(account);
        assert_eq!(log.take(), ["end of second", "end of first"]);
        assert_eq!((g.stats().live_nodes, g.stats().live_effects), (0, 0));
    });
}

#[test]
fn a_disposed_model_can_still_be_read_and_set() {
    in_graph(|_| {
        let log = Trace::new();
        let account = Account::new(5, &log);
        account.life.dispose();
        log.take();
        account.balance.set(-1);
        assert!(account.in_debt.get());
        log.expect_silence();
    });
}

#[test]
fn two_models_share_nothing_and_one_model_may_be_shared() {
    in_graph(|_| {
        let log = Trace::new();
        let (mine, yours) = (Arc::new(Account::new(1, &log)), Account::new(2, &log));
        let shared = mine.clone();
        drop(mine);
        shared.balance.set(-1);
        assert_eq!((shared.in_debt.get(), yours.in_debt.get()), (true, false));
        assert!(log.take().contains(&"first: true".to_owned()));
    });
}
