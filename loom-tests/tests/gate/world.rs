//! The tiny graphs that scenarios share.

use crate::scenario::claim;
use isobar::{Computed, Graph, Signal};
use loom::thread::JoinHandle;

/// Two signals.
pub fn pair() -> (Graph, Signal<u64>, Signal<u64>) {
    let g = Graph::new();
    let (a, b) = (g.signal(0), g.signal(0));
    (g, a, b)
}

/// Both in one number: `16 a + b`.
pub fn packed(g: &Graph, a: &Signal<u64>, b: &Signal<u64>) -> Computed<u64> {
    let (a, b) = (a.clone(), b.clone());
    g.computed(move || a.get() * 16 + b.get())
}

/// The same, of signals that are only ever set to the same value in one batch.
pub fn twins(g: &Graph, a: &Signal<u64>, b: &Signal<u64>) -> Computed<u64> {
    let (a, b) = (a.clone(), b.clone());
    g.computed(move || {
        let (x, y) = (a.get(), b.get());
        claim!(x == y, "a computed saw {x} and {y}, which no commit left together");
        x * 16 + y
    })
}

/// One level up.
pub fn above(g: &Graph, n: &Computed<u64>) -> Computed<u64> {
    let n = n.clone();
    g.computed(move || n.get() + 1000)
}

/// Sets both in one commit.
pub fn set_both(g: &Graph, a: &Signal<u64>, b: &Signal<u64>, value: u64) {
    g.batch(|| {
        a.set(value);
        b.set(value);
    });
}

/// A second thread.
pub fn spawn(f: impl FnOnce() + 'static) -> JoinHandle<()> {
    loom::thread::spawn(f)
}

pub fn join(thread: JoinHandle<()>) {
    thread.join().expect("a thread of a scenario does not panic");
}
