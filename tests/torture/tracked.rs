//! Values that are counted while they live, and the memory of the process.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known about all values of one `Census`.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    born: AtomicU64,
    dropped: AtomicU64,
    dropped_by_readers: AtomicU64,
}

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

impl Census {
    pub(crate) fn value(&self, n: u64) -> Tracked {
        self.0.born.fetch_add(1, Ordering::Relaxed);
        Tracked { n, mark: AtomicU64::new(n ^ ALIVE), census: self.clone() }
    }

    /// Values alive now.
    pub(crate) fn living(&self) -> u64 {
        // Dropped first: a value born in between is then counted, never a negative number.
        let dropped = self.0.dropped.load(Ordering::Acquire);
        self.0.born.load(Ordering::Acquire) - dropped
    }

    /// Values dropped in the middle of a `reading`.
    pub(crate) fn dropped_by_readers(&self) -> u64 {
        self.0.dropped_by_readers.load(Ordering::Relaxed)
    }
}

/// Marks this thread as being inside a read, during which no value may be dropped.
pub(crate) fn reading<R>(read: impl FnOnce() -> R) -> R {
    READING.set(true);
    let result = read();
    READING.set(false);
    result
}

const ALIVE: u64 = 0x5151_0ba2_5151_0ba2;

/// A number that knows whether it is still alive.
pub(crate) struct Tracked {
    n: u64,
    /// Atomic, so that the compiler may not conclude that a borrowed value is alive.
    mark: AtomicU64,
    census: Census,
}

impl Tracked {
    /// The number; panics if the value had been dropped.
    pub(crate) fn number(&self) -> u64 {
        let mark = self.mark.load(Ordering::Relaxed);
        assert_eq!(mark, self.n ^ ALIVE, "a value is read after its drop");
        self.n
    }
}

impl PartialEq for Tracked {
    fn eq(&self, other: &Tracked) -> bool {
        self.number() == other.number()
    }
}

impl Clone for Tracked {
    fn clone(&self) -> Tracked {
        self.census.value(self.number())
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.number();
        self.mark.store(0, Ordering::Relaxed);
        let counts = &self.census.0;
        counts.dropped.fetch_add(1, Ordering::Release);
        if READING.try_with(Cell::get).unwrap_or(false) {
            counts.dropped_by_readers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The resident memory of the process in bytes, where the system tells.
pub(crate) fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
