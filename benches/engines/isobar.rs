//! isobar: nothing to adapt.

use std::sync::Arc;

use isobar::{Computed, Effect, Graph, Signal};

use super::{Engine, Read};

#[derive(Debug)]
pub struct Isobar(pub Graph);

impl Isobar {
    /// A graph as it comes.
    pub fn usual() -> Self {
        Self(Graph::new())
    }

    /// A graph that never uses another thread.
    pub fn alone() -> Self {
        Self(Graph::builder().threads(1).build())
    }
}

impl Read for Signal<u64> {
    #[inline]
    fn read(&self) -> u64 {
        self.get()
    }
}

impl Read for Computed<u64> {
    #[inline]
    fn read(&self) -> u64 {
        self.get()
    }
}

impl Engine for Isobar {
    type Signal = Signal<u64>;
    type Computed = Computed<u64>;
    type Effect = Effect;
    type List = Computed<Arc<[u64]>>;

    fn signal(&self, value: u64) -> Self::Signal {
        self.0.signal(value)
    }

    fn computed(&self, f: impl Fn() -> u64 + Send + Sync + 'static) -> Self::Computed {
        self.0.computed(f)
    }

    fn effect(&self, f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        self.0.effect(f)
    }

    fn list(&self, of: Vec<Self::Signal>) -> Self::List {
        self.0.computed(move || of.iter().map(|signal| signal.get()).collect())
    }

    fn element(&self, list: &Self::List, index: usize) -> Self::Computed {
        let list = list.clone();
        self.0.computed(move || list.with(|values| values[index]))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.set(value);
    }

    fn batch(&self, f: impl FnOnce()) {
        self.0.batch(f);
    }
}
