//! reactive_graph, the engine of Leptos: memos and the default `Effect`, on the local executor
//! that its documentation sets up, polled once a step.

use std::sync::Arc;

use any_spawner::Executor;
use reactive_graph::computed::ArcMemo;
use reactive_graph::effect::Effect;
use reactive_graph::owner::{LocalStorage, Owner};
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::{Get, Read as _, Set};

use super::{Engine, Read};

/// Owns the effects; they end with it.
pub struct Leptos(Owner);

impl Leptos {
    pub fn new() -> Self {
        // Fails when an earlier one has set it, which is the same executor.
        let _ = Executor::init_futures_executor();
        Self(Owner::new())
    }
}

impl Default for Leptos {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Leptos {
    fn drop(&mut self) {
        self.0.cleanup();
        Executor::poll_local();
    }
}

impl Read for ArcRwSignal<u64> {
    #[inline]
    fn read(&self) -> u64 {
        self.get()
    }
}

impl Read for ArcMemo<u64> {
    #[inline]
    fn read(&self) -> u64 {
        self.get()
    }
}

impl Engine for Leptos {
    type Signal = ArcRwSignal<u64>;
    type Computed = ArcMemo<u64>;
    type Effect = Effect<LocalStorage>;
    type List = ArcMemo<Arc<[u64]>>;

    fn signal(&self, value: u64) -> Self::Signal {
        ArcRwSignal::new(value)
    }

    fn computed(&self, f: impl Fn() -> u64 + Send + Sync + 'static) -> Self::Computed {
        self.0.with(|| ArcMemo::new(move |_| f()))
    }

    fn effect(&self, f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        self.0.with(|| Effect::new(move |_| f()))
    }

    fn list(&self, of: Vec<Self::Signal>) -> Self::List {
        let list = move |_: Option<&Arc<[u64]>>| of.iter().map(|signal| signal.get()).collect();
        self.0.with(|| ArcMemo::new(list))
    }

    fn element(&self, list: &Self::List, index: usize) -> Self::Computed {
        let list = list.clone();
        self.0.with(|| ArcMemo::new(move |_| list.read()[index]))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.set(value);
    }

    /// Its effects wait for the executor, so writes are batched without a word.
    fn batch(&self, f: impl FnOnce()) {
        f();
    }

    fn settle(&self) {
        Executor::poll_local();
    }
}
