//! sycamore-reactive: selectors, which are its memos with a cutoff. Handles are numbers; what they
//! stand for ends with the root.

use std::sync::Arc;

use sycamore_reactive::{
    ReadSignal, RootHandle, Signal, batch, create_effect, create_root, create_selector,
    create_signal,
};

use crate::engine::{Engine, Frees, OneThread, Read, ReadList, Source};

/// A root: nodes are made within it.
#[allow(missing_debug_implementations, reason = "the crate's root has none")]
pub struct Sycamore(RootHandle);

impl Sycamore {
    /// A root.
    #[allow(clippy::new_without_default, reason = "a root is leaked")]
    pub fn new() -> Self {
        Self(create_root(|| {}))
    }
}

impl Drop for Sycamore {
    fn drop(&mut self) {
        self.0.dispose();
    }
}

fn one_thread<H>(handle: H) -> OneThread<H> {
    // SAFETY: `Sycamore` is not `Threaded`, so the harness keeps to one thread.
    unsafe { OneThread::new(handle) }
}

impl Read for OneThread<Signal<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.get().get()
    }
}

impl Read for OneThread<ReadSignal<u64>> {
    #[inline]
    fn read(&self) -> u64 {
        self.get().get()
    }
}

impl ReadList for OneThread<ReadSignal<Arc<[u64]>>> {
    fn at(&self, index: usize) -> u64 {
        self.get().with(|values| values[index])
    }
}

impl Engine for Sycamore {
    type Signal = OneThread<Signal<u64>>;
    type Computed = OneThread<ReadSignal<u64>>;
    type Effect = ();
    type List = OneThread<ReadSignal<Arc<[u64]>>>;

    const FREES: Frees = Frees::Graph;

    fn signal(&self, value: u64) -> Self::Signal {
        one_thread(self.0.run_in(|| create_signal(value)))
    }

    fn computed(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        one_thread(self.0.run_in(|| create_selector(f)))
    }

    fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) {
        self.0.run_in(|| create_effect(f));
    }

    fn list(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        one_thread(self.0.run_in(|| create_selector(f)))
    }

    #[inline]
    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.get().set(value);
    }

    fn batch(&self, f: impl FnOnce()) {
        self.0.run_in(|| batch(f));
    }
}
