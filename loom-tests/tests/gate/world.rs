//! The tiny graphs that scenarios share, and threads to race on them.

use crate::scenario::claim;
use isobar::{Computed, Graph, Signal};
use loom::thread::JoinHandle;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Two signals at 0.
pub fn pair() -> (Graph, Signal<u64>, Signal<u64>) {
    let g = Graph::new();
    let (a, b) = (g.signal(0), g.signal(0));
    (g, a, b)
}

/// `16 a + b`.
pub fn packed(g: &Graph, a: &Signal<u64>, b: &Signal<u64>) -> Computed<u64> {
    let (a, b) = (a.clone(), b.clone());
    g.computed(move || a.get() * 16 + b.get())
}

/// The same, of signals that are only ever set to one value in one batch.
pub fn twins(g: &Graph, a: &Signal<u64>, b: &Signal<u64>) -> Computed<u64> {
    let (a, b) = (a.clone(), b.clone());
    g.computed(move || {
        let (x, y) = (a.get(), b.get());
        claim!(x == y, "one evaluation saw a = {x} and b = {y}");
        x * 16 + y
    })
}

/// `n + 1000`: one level up.
pub fn above(g: &Graph, n: &Computed<u64>) -> Computed<u64> {
    let n = n.clone();
    g.computed(move || n.get() + 1000)
}

/// Sets both signals in one commit.
pub fn set_both(g: &Graph, a: &Signal<u64>, b: &Signal<u64>, value: u64) {
    g.batch(|| {
        a.set(value);
        b.set(value);
    });
}

pub fn spawn(f: impl FnOnce() + 'static) -> JoinHandle<()> {
    loom::thread::spawn(f)
}

pub fn join(thread: JoinHandle<()>) {
    thread.join().expect("threads of a scenario do not panic");
}

/// A value that notices its own end. Memory of values is never reused under loom, so looking at
/// a dropped one is a broken claim and not undefined behaviour.
#[derive(Debug)]
pub struct Canary {
    pub number: u64,
    alive: AtomicBool,
}

impl Canary {
    pub fn new(number: u64) -> Self {
        Self { number, alive: AtomicBool::new(true) }
    }

    pub fn sings(&self) -> bool {
        self.alive.load(SeqCst)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.alive.store(false, SeqCst);
    }
}

impl PartialEq for Canary {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
