//! A computation graph that stays consistent across threads.
//!
//! Signals can be set from any thread; computeds are cached, find their own sources and are
//! recomputed in parallel when that pays; effects carry results to the outside world; and no
//! computation, on any thread, ever sees a half-made change.
//!
//! ```
//! use isobar::{batch, computed, effect, signal};
//!
//! let (a, b) = (signal(1), signal(2));
//! let sum = computed!([a, b] a.get() + b.get());
//! let report = effect!([sum] println!("the sum is {}", sum.get()));
//!
//! std::thread::scope(|threads| {
//!     threads.spawn(|| a.set(10));
//!     threads.spawn(|| batch(|| { a.update(|n| n + 1); b.set(20) }));
//! });
//! assert!(sum.get() == 31 || sum.get() == 30);
//! # drop(report);
//! ```

// Layer 0, what the machine gives us; layer 1, words.
mod barrier;
mod block;
mod error;
mod participants;
mod pool;
mod reclaim;
mod revision;
mod seeded;
mod solo;
mod sync;
mod waiting;
// Layer 2, the standing structure.
mod structure;
// Layer 3, what moves.
mod engine;
// Layer 4, what users hold.
mod handle;
// Layer 5, what is made of handles; operators use the clock.
mod by_key;
mod operators;
mod time;

// Layer 6, what awaits.
#[cfg(feature = "async")]
mod futures;

// Layer 7, values with parts.
#[cfg(feature = "collections")]
mod collections;

// Layer 8, paths.
#[cfg(feature = "store")]
pub mod store;

pub use by_key::{ComputedByKey, computed_by_key};
#[cfg(feature = "collections")]
pub use collections::*;
pub use engine::react::{PendingRun, RunOn};
pub use error::{
    Failure, Looping, NotKept, ReadError, SettleError, Timeout, WriteError, ZeroDuration,
};
#[cfg(feature = "async")]
pub use futures::*;
pub use handle::*;
pub use operators::Edge;
pub use revision::Revision;
pub use structure::node::NodeKind;
pub use time::{Clock, ManualClock};

/// What the loom scenarios need beyond the public API; does not exist in any user's build.
#[cfg(loom)]
#[doc(hidden)]
pub mod protocol {
    pub use crate::barrier::solo;
    pub use crate::engine::trim::{trim_at_once, trim_every};
    pub use crate::participants::leave_now;
    pub use crate::reclaim::reset;
    pub use crate::seeded::Bug;
}

/// The documents' examples compile and run with the doctests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/CONSISTENCY.md")]
    struct Consistency;
    #[doc = include_str!("../docs/ARCHITECTURE.md")]
    struct Architecture;
    #[doc = include_str!("../docs/GLOSSARY.md")]
    struct Glossary;
    #[cfg(feature = "collections")]
    #[doc = include_str!("../docs/COLLECTIONS.md")]
    struct Collections;
    #[doc = include_str!("../docs/MIGRATION.md")]
    struct Migration;
    #[doc = include_str!("../docs/CONTRIBUTING.md")]
    struct Contributing;
    #[doc = include_str!("../docs/TIME_AND_OPERATORS.md")]
    struct TimeAndOperators;
    #[cfg(feature = "async")]
    #[doc = include_str!("../docs/ASYNC.md")]
    struct Async;
    #[cfg(feature = "store")]
    #[doc = include_str!("../docs/STORE.md")]
    struct Store;
}
