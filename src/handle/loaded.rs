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

// SAFETY: a count on an immutable value; `T: Send + Sync` is required below.
unsafe impl<T: Send + Sync> Send for Loaded<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Loaded<T> {}

impl<T> Loaded<T> {
    /// # Safety
    /// The block must belong to a node of value type `T` and not be a failure.
    pub(crate) unsafe fn new(shared: &Shared) -> Self {
        // SAFETY: the resolved block lives as long as the one that stands for it.
        let shared = unsafe { Shared::retain(shared.header().resolve()) };
        Self { shared, value: PhantomData }
    }
}

impl<T> Deref for Loaded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `new` was given a value of this type.
        unsafe { self.shared.header().value_unchecked() }
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), value: PhantomData }
    }
}

impl<T> AsRef<T> for Loaded<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: fmt::Debug> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Loaded<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: PartialEq> PartialEq<T> for Loaded<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

impl<T: Eq> Eq for Loaded<T> {}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> serde::Serialize for Loaded<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
