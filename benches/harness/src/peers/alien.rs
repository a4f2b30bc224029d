//! alien-signals, the Rust port: one graph for the process, one thread only, nothing is ever freed.
//!
//! It recomputes into a fresh allocation each time, because its inline buffer is aligned to 1.

use std::sync::Arc;

use alien_signals::{Computed, Effect, Signal, end_batch, start_batch};

use crate::engine::{Engine, Frees, OneThread, Read, ReadList, Source};

/// The process's only graph.
#[derive(Debug)]
pub struct Alien;

fn one_thread<H>(handle: H) -> OneThread<H> {
    // SAFETY: `Alien` is not `Threaded`, so the harness keeps to one thread.
    unsafe { OneThread::new(handle) }
}

impl Read for OneThread<Signal<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.get().get()
    }
}

impl Read for OneThread<Computed<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.get().get()
    }
}

impl ReadList for OneThread<Computed<Arc<[u64]>>> {
    fn at(&self, index: usize) -> u64 {
        self.get().get()[index]
    }
}

impl Engine for Alien {
    type Signal = OneThread<Signal<u64>>;
    type Computed = OneThread<Computed<u64>>;
    type Effect = Disposed;
    type List = OneThread<Computed<Arc<[u64]>>>;

    const FREES: Frees = Frees::Nothing;

    fn signal(&self, value: u64) -> Self::Signal {
        one_thread(Signal::new(value))
    }

    fn computed(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        one_thread(Computed::new(move |_| f()))
    }

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) -> Self::Effect {
        Disposed(Some(Effect::new(f)))
    }

    fn list(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        one_thread(Computed::new(move |_| f()))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.get().set(value);
    }

    fn batch(&self, f: impl FnOnce()) {
        start_batch();
        f();
        end_batch();
    }
}

/// Disposes its effect when dropped, as the other engines' do.
#[allow(missing_debug_implementations, reason = "the crate's effects have none")]
pub struct Disposed(Option<Effect>);

impl Drop for Disposed {
    fn drop(&mut self) {
        if let Some(effect) = self.0.take() {
            effect.dispose();
        }
    }
}
