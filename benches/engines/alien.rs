//! alien-signals, the Rust port: one graph for the process, one thread only, nothing is ever freed.

use std::sync::Arc;

use alien_signals::{Computed, Effect, Signal, end_batch, start_batch};

use super::{Engine, Read};

#[derive(Debug)]
pub struct Alien;

/// A handle that the trait's bounds let through.
#[derive(Clone, Copy)]
pub struct OneThread<H>(H);

// SAFETY: the benchmarks make, use and forget these handles on one thread only.
unsafe impl<H> Send for OneThread<H> {}
// SAFETY: the benchmarks make, use and forget these handles on one thread only.
unsafe impl<H> Sync for OneThread<H> {}

impl Read for OneThread<Signal<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.0.get()
    }
}

impl Read for OneThread<Computed<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.0.get()
    }
}

impl Engine for Alien {
    type Signal = OneThread<Signal<u64>>;
    type Computed = OneThread<Computed<u64>>;
    type Effect = Disposed;
    type List = OneThread<Computed<Arc<[u64]>>>;

    fn signal(&self, value: u64) -> Self::Signal {
        OneThread(Signal::new(value))
    }

    fn computed(&self, f: impl Fn() -> u64 + Send + Sync + 'static) -> Self::Computed {
        OneThread(Computed::new(move |_| f()))
    }

    fn effect(&self, f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        Disposed(Some(Effect::new(f)))
    }

    fn list(&self, of: Vec<Self::Signal>) -> Self::List {
        OneThread(Computed::new(move |_| of.iter().map(Read::read).collect()))
    }

    fn element(&self, list: &Self::List, index: usize) -> Self::Computed {
        let list = list.0;
        OneThread(Computed::new(move |_| list.get()[index]))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.0.set(value);
    }

    fn batch(&self, f: impl FnOnce()) {
        start_batch();
        f();
        end_batch();
    }
}

/// Disposes its effect when dropped, as the other engines' do.
pub struct Disposed(Option<Effect>);

impl Drop for Disposed {
    fn drop(&mut self) {
        if let Some(effect) = self.0.take() {
            effect.dispose();
        }
    }
}
