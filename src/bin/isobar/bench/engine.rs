//! isobar behind the harness's trait: nothing to adapt.

use std::sync::Arc;

use isobar::{Computed, Effect, Graph, Signal};
use isobar_harness::{Engine, Read, ReadList, Source, Threaded};

/// A graph.
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

/// The handles, which are others' types, behind others' traits.
#[derive(Clone, Debug)]
pub struct Handle<H>(pub H);

impl Read for Handle<Signal<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.0.get()
    }
}

impl Read for Handle<Computed<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.0.get()
    }
}

impl ReadList for Handle<Computed<Arc<[u64]>>> {
    fn at(&self, index: usize) -> u64 {
        self.0.with(|values| values[index])
    }
}

impl Engine for Isobar {
    type Signal = Handle<Signal<u64>>;
    type Computed = Handle<Computed<u64>>;
    type Effect = Effect;
    type List = Handle<Computed<Arc<[u64]>>>;

    fn signal(&self, value: u64) -> Self::Signal {
        Handle(self.0.signal(value))
    }

    fn computed(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        Handle(self.0.computed(f))
    }

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        self.0.effect(f)
    }

    fn list(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        Handle(self.0.computed(f))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.0.set(value);
    }

    fn batch(&self, f: impl FnOnce()) {
        self.0.batch(f);
    }
}

impl Threaded for Isobar {
    fn increment(&self, signal: &Self::Signal) {
        signal.0.update(|n| n + 1);
    }

    /// Of several writers only one runs effects: the others have returned before.
    fn rest(&self) {
        self.0.settle().expect("no effect here writes");
    }
}
