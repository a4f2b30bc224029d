//! reactive_graph, the engine of Leptos: memos and its default effects on the executor that its
//! documentation sets up. On one thread they are local ones, polled once a step; for several
//! threads they run on the executor's pool.

use std::sync::Arc;

use any_spawner::Executor;
use reactive_graph::computed::ArcMemo;
use reactive_graph::effect::Effect;
use reactive_graph::owner::{LocalStorage, Owner, SyncStorage};
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::{Dispose, Get, Read as _, Set, Update};

use crate::engine::{Engine, Read, ReadList, Source, Threaded};

/// Nodes are made within its owner.
#[derive(Debug)]
pub struct Leptos(Owner);

/// The same for several threads.
#[derive(Debug)]
pub struct LeptosThreaded(Owner);

fn owner() -> Owner {
    // Fails when an earlier one has set it, which is the same executor.
    let _ = Executor::init_futures_executor();
    Owner::new()
}

impl Leptos {
    /// An owner.
    #[allow(clippy::new_without_default, reason = "it sets up an executor")]
    pub fn new() -> Self {
        Self(owner())
    }
}

impl LeptosThreaded {
    /// An owner.
    #[allow(clippy::new_without_default, reason = "it sets up an executor")]
    pub fn new() -> Self {
        Self(owner())
    }
}

impl Drop for Leptos {
    fn drop(&mut self) {
        self.0.cleanup();
        Executor::poll_local();
    }
}

impl Drop for LeptosThreaded {
    fn drop(&mut self) {
        self.0.cleanup();
    }
}

/// Disposes its effect when dropped, as the other engines' do.
#[derive(Debug)]
pub struct Disposed<D: Dispose + Copy>(D);

impl<D: Dispose + Copy> Drop for Disposed<D> {
    fn drop(&mut self) {
        self.0.dispose();
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

impl ReadList for ArcMemo<Arc<[u64]>> {
    fn at(&self, index: usize) -> u64 {
        self.read()[index]
    }
}

/// What both have in common: all but the effects.
macro_rules! graph {
    () => {
        type Signal = ArcRwSignal<u64>;
        type Computed = ArcMemo<u64>;
        type List = ArcMemo<Arc<[u64]>>;

        fn signal(&self, value: u64) -> Self::Signal {
            ArcRwSignal::new(value)
        }

        fn computed(
            &self,
            _: &[Source<'_, Self>],
            f: impl Fn() -> u64 + Send + Sync + 'static,
        ) -> Self::Computed {
            self.0.with(|| ArcMemo::new(move |_| f()))
        }

        fn list(
            &self,
            _: &[Source<'_, Self>],
            f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
        ) -> Self::List {
            self.0.with(|| ArcMemo::new(move |_| f()))
        }

        #[inline]
        fn set(&self, signal: &Self::Signal, value: u64) {
            signal.set(value);
        }

        /// Its effects wait for the executor, so writes are batched without a word; for other
        /// threads this is no batch, and the crate has none that is.
        fn batch(&self, f: impl FnOnce()) {
            f();
        }
    };
}

impl Engine for Leptos {
    type Effect = Disposed<Effect<LocalStorage>>;

    graph!();

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        Disposed(self.0.with(|| Effect::new(move |_| f())))
    }

    fn settle(&self) {
        Executor::poll_local();
    }
}

impl Engine for LeptosThreaded {
    type Effect = Disposed<Effect<SyncStorage>>;

    graph!();

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        Disposed(self.0.with(|| Effect::new_isomorphic(move |_| f())))
    }
}

impl Threaded for LeptosThreaded {
    fn increment(&self, signal: &Self::Signal) {
        signal.update(|n| *n += 1);
    }
}
