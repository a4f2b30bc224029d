//! The graph's only-growing commit number.

use std::fmt;

/// The number of a commit: every read inside one computed, effect or snapshot is the state of
/// exactly one revision. Prints as `R7`.
///
/// Revisions of different graphs have nothing to do with each other.
///
/// ```
/// let g = isobar::Graph::new();
/// let a = g.signal(1);
/// let before = g.revision();
/// a.set(2);
/// assert!(a.revision() > before);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// The number itself, for logs and metrics.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
