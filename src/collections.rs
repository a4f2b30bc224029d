//! Layer 5, collections with per-key and per-index tracking: maps, vectors and sets.
//!
//! A collection is one signal that holds a persistent map or vector, so that batches, drafts,
//! transactions and snapshots treat it like any other value. What one key's readers are woken by
//! stands beside it, in `triggers`.

/// What handles of collections have in common: clones are the same collection, equal by identity;
/// `Debug` shows the name and neither reads nor evaluates.
macro_rules! handles {
    ($handle:ident<$($type:ident: $bound:ident),+>, $($field:ident),+) => {
        impl<$($type),+> Clone for $handle<$($type),+> {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone()),+ }
            }
        }

        impl<$($type: $bound),+> PartialEq for $handle<$($type),+> {
            fn eq(&self, other: &Self) -> bool {
                $crate::Readable::node(self) == $crate::Readable::node(other)
            }
        }

        impl<$($type: $bound),+> Eq for $handle<$($type),+> {}

        impl<$($type: $bound),+> std::hash::Hash for $handle<$($type),+> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                $crate::Readable::node(self).hash(state);
            }
        }

        /// Shows the name; neither reads nor evaluates.
        impl<$($type: $bound),+> std::fmt::Debug for $handle<$($type),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($handle)).field(&self.name()).finish()
            }
        }
    };
}
use handles;

/// Collections serialize as what they hold.
macro_rules! serialized {
    ($handle:ident<$($type:ident: $bound:ident),+>, $collect:ident, $contents:ident) => {
        #[cfg(feature = "serde")]
        impl<$($type: $bound + serde::Serialize),+> serde::Serialize for $handle<$($type),+> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.$collect(self.$contents().iter())
            }
        }
    };
}
use serialized;

mod build;
mod diff;
mod incremental;
mod map;
mod sequence;
mod set;
#[cfg(feature = "async")]
mod stream;
pub(crate) mod triggers;
mod vec;

pub use build::CollectionBuilder;
pub use diff::{MapChanges, MapDiff, VecChanges, VecDiff};
pub use map::{Item as CollectionItem, Key as CollectionKey, KeyError, ReactiveMap, ReadMap};
pub use sequence::Sequence;
pub use set::{ReactiveSet, ReadSet};
#[cfg(feature = "async")]
pub use stream::{DiffStream, MapDiffStream, VecDiffStream};
pub use vec::{OutOfRange, ReactiveVec, ReadVec};

/// The persistent map behind a [`ReactiveMap`]: ordered, cheap to clone, shares what is equal.
pub type PersistentMap<K, V> = imbl::OrdMap<K, V>;

/// The persistent vector behind a [`ReactiveVec`]: cheap to clone, shares what is equal.
pub type PersistentVec<T> = imbl::Vector<T>;
