//! Numbers that threads share without any graph: the bounds of the thread workloads. Each lies on
//! lines of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

/// A shared number.
pub trait Cell: Send + Sync + 'static {
    /// What it is called.
    const NAME: &'static str;
    /// Makes one.
    fn new(value: u64) -> Self;
    /// Adds 1 atomically.
    fn increment(&self);
    /// Replaces the number.
    fn store(&self, value: u64);
    /// The number.
    fn value(&self) -> u64;
}

/// An atomic.
#[derive(Debug)]
pub struct Padded(CachePadded<AtomicU64>);

impl Cell for Padded {
    const NAME: &'static str = "atomic";

    fn new(value: u64) -> Self {
        Self(CachePadded::new(AtomicU64::new(value)))
    }

    fn increment(&self) {
        // AcqRel: as an engine's update would be; pairs with the Acquire in `value`.
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn store(&self, value: u64) {
        // SeqCst: the writer's next read must not overtake it, as after an engine's `set`.
        self.0.store(value, Ordering::SeqCst);
    }

    fn value(&self) -> u64 {
        // Acquire: pairs with `increment` and `store`.
        self.0.load(Ordering::Acquire)
    }
}

/// The standard library's mutex.
#[derive(Debug)]
pub struct PaddedMutex(CachePadded<Mutex<u64>>);

impl PaddedMutex {
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cell for PaddedMutex {
    const NAME: &'static str = "mutex";

    fn new(value: u64) -> Self {
        Self(CachePadded::new(Mutex::new(value)))
    }

    fn increment(&self) {
        self.with(|value| *value += 1);
    }

    fn store(&self, value: u64) {
        self.with(|now| *now = value);
    }

    fn value(&self) -> u64 {
        self.with(|value| *value)
    }
}

/// A pointer that is swapped.
#[cfg(feature = "peers")]
#[derive(Debug)]
pub struct ArcSwapped(CachePadded<arc_swap::ArcSwap<u64>>);

#[cfg(feature = "peers")]
impl Cell for ArcSwapped {
    const NAME: &'static str = "arc_swap";

    fn new(value: u64) -> Self {
        Self(CachePadded::new(arc_swap::ArcSwap::from_pointee(value)))
    }

    fn increment(&self) {
        self.0.rcu(|value| **value + 1);
    }

    fn store(&self, value: u64) {
        self.0.store(value.into());
    }

    fn value(&self) -> u64 {
        **self.0.load()
    }
}

/// tokio's watched value, nobody waiting.
#[cfg(feature = "peers")]
#[derive(Debug)]
pub struct Watched(CachePadded<tokio::sync::watch::Sender<u64>>);

#[cfg(feature = "peers")]
impl Cell for Watched {
    const NAME: &'static str = "tokio_watch";

    fn new(value: u64) -> Self {
        Self(CachePadded::new(tokio::sync::watch::Sender::new(value)))
    }

    fn increment(&self) {
        self.0.send_modify(|value| *value += 1);
    }

    fn store(&self, value: u64) {
        self.0.send_replace(value);
    }

    fn value(&self) -> u64 {
        *self.0.borrow()
    }
}
