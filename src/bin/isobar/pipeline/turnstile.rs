//! The only way into the graph: samples are counted in the commit that carries them.

use isobar::{Graph, Signal};

/// One a producer thread. `total` is shared by all of them, so every commit of every thread meets
/// there, and any view in which it differs from the sum over the feeds has mixed two revisions.
#[derive(Clone, Debug)]
pub(crate) struct Turnstile {
    graph: Graph,
    passed: Signal<u64>,
    total: Signal<u64>,
}

impl Turnstile {
    pub(crate) fn new(graph: &Graph, passed: &Signal<u64>, total: &Signal<u64>) -> Turnstile {
        Turnstile { graph: graph.clone(), passed: passed.clone(), total: total.clone() }
    }

    pub(crate) fn pass(&self, samples: u64, writes: impl FnOnce()) {
        self.graph.batch(|| {
            writes();
            self.passed.update(move |passed| passed + samples);
            self.total.update(move |total| total + samples);
        });
    }
}
