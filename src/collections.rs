//! Layer 5, collections with per-key and per-index tracking: maps, vectors and sets.
//!
//! A collection is one signal that holds a persistent map or vector, so that batches, drafts,
//! transactions and snapshots treat it like any other value. What one key's readers are woken by
//! stands beside it, in `triggers`.

mod build;
mod diff;
mod incremental;
mod map;
//mod set;
mod triggers;
//mod vec;

pub use build::CollectionBuilder;
pub use diff::{MapChanges, MapDiff};
pub use map::{Item, Key, ReactiveMap, ReadMap};
//pub use set::{ReactiveSet, ReadSet};
//pub use vec::{OutOfRange, ReactiveVec, ReadVec, Sequence};

/// The persistent map behind a [`ReactiveMap`]: ordered, cheap to clone, shares what is equal.
pub type PersistentMap<K, V> = imbl::OrdMap<K, V>;

/// The persistent vector behind a [`ReactiveVec`]: cheap to clone, shares what is equal.
pub type PersistentVec<T> = imbl::Vector<T>;
