//! A value kept beyond the read that found it.

use crate::block::Shared;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A value of a signal or computed, shared with the graph without a clone.
///
/// It may be kept for as long as one likes and sent to other threads; it blocks nobody and never
/// changes. Cost: one count, like an `Arc`.
///
/// ```
/// let g = isobar::Graph::new();
/// let list = g.signal(vec![1, 2, 3]);
/// let before = list.load();
/// list.mutate(|list| list.push(4));
/// assert_eq!(*before, [1, 2, 3]);
/// assert_eq!(*list.load(), [1, 2, 3, 4]);
/// ```
pub struct Loaded<T> {
    /// Resolved, and a value.
    shared: Shared,
    value: PhantomData<T>,
}

impl<T> Loaded<T> {
    /// Of a block that holds a value of type `T`.
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { shared: shared.resolved(), value: PhantomData }
    }

    /// The block, for a node that is to have the same value.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl<T: Send + Sync + 'static> Loaded<T> {
    /// Of a value that is no node's yet.
    pub(crate) fn made(value: T) -> Self {
        Self { shared: Shared::value(value), value: PhantomData }
    }
}

impl<T: 'static> Deref for Loaded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.shared.header().value()
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), value: PhantomData }
    }
}

impl<T: 'static> AsRef<T> for Loaded<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display + 'static> fmt::Display for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq + 'static> PartialEq for Loaded<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: PartialEq + 'static> PartialEq<T> for Loaded<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: Eq + 'static> Eq for Loaded<T> {}

#[cfg(feature = "serde")]
impl<T: serde::Serialize + 'static> serde::Serialize for Loaded<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
