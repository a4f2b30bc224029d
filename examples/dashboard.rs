//! Four machines report on four threads, one thread watches. Notice that every view the watcher
//! takes is whole (requests are always answered or failed, in every view), that it takes them
//! without stopping anybody, and that the effect has seen the end once `settle` returns.

use isobar::{Computed, Graph, Join, Signal, all};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const MACHINES: usize = 4;
const REPORTS: u64 = 5_000;

/// What one machine counts; the three change together.
struct Machine {
    requests: Signal<u64>,
    answered: Signal<u64>,
    failed: Signal<u64>,
}

impl Machine {
    fn new(graph: &Graph) -> Self {
        let count = || graph.signal(0);
        Self { requests: count(), answered: count(), failed: count() }
    }

    fn report(&self, graph: &Graph, ok: bool) {
        graph.batch(|| {
            self.requests.update(|n| n + 1);
            let outcome = if ok { &self.answered } else { &self.failed };
            outcome.update(|n| n + 1);
        });
    }
}

fn total(machines: &[Machine], of: impl Fn(&Machine) -> &Signal<u64>) -> Computed<u64> {
    all(machines.iter().map(of)).map(|counts| counts.iter().map(|count| **count).sum())
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let graph = Graph::new();
    let machines: Vec<Machine> = (0..MACHINES).map(|_| Machine::new(&graph)).collect();
    let requests = total(&machines, |machine| &machine.requests);
    let answered = total(&machines, |machine| &machine.answered);
    let failed = total(&machines, |machine| &machine.failed);
    let per_mille = (&requests, &failed).map(|requests, failed| failed * 1000 / (*requests).max(1));

    let alarm = graph.effect({
        let (per_mille, mut raised) = (per_mille.clone(), false);
        move || {
            let above = per_mille.get() > 50;
            if above && !raised {
                say("alarm: more than 5 % of the requests fail".to_owned());
            }
            raised |= above;
        }
    });

    let done = AtomicBool::new(false);
    let torn = thread::scope(|threads| {
        let watcher = threads.spawn(|| {
            let mut torn = 0;
            loop {
                let last = done.load(Relaxed);
                let view = graph.snapshot();
                let sum = view.get(&answered) + view.get(&failed);
                torn += u32::from(sum != view.get(&requests));
                if last {
                    return torn;
                }
            }
        });
        let reporters: Vec<_> = machines
            .iter()
            .map(|machine| {
                let graph = &graph;
                threads.spawn(move || (0..REPORTS).for_each(|n| machine.report(graph, n % 10 != 0)))
            })
            .collect();
        for reporter in reporters {
            reporter.join().expect("a machine reports without panicking");
        }
        done.store(true, Relaxed);
        watcher.join().expect("the watcher watches without panicking")
    });

    graph.settle().expect("no effect writes, so none loops");
    let (requests, failed, per_mille) = (requests.get(), failed.get(), per_mille.get());
    say(format!("{requests} requests, {failed} failed, {per_mille} per mille"));
    say(format!("{torn} of the watcher's views were torn"));
    drop(alarm);
}
