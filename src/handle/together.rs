//! Free functions for doing things together, or apart from what surrounds them.

use crate::engine::frame::Frame;
use crate::engine::write;
use std::panic::Location;

/// Runs `f`; all its writes are one commit when the outermost batch ends. Until then this thread
/// sees them, also through computeds, and nobody else does.
///
/// What it reads is the state of one revision, the newest at its start, and its own writes; a
/// batch is no transaction: what it read may have changed when it commits. A panic inside commits
/// nothing. A batch in a batch joins it, and undoes only its own writes if it panics. Over several
/// graphs: one commit in each. Inside a computed or an `update` or equality closure it just runs
/// `f`, whose writes are refused.
///
/// ```
/// let (a, b) = (isobar::signal(1), isobar::signal(2));
/// isobar::batch(|| {
///     let old = a.get();
///     a.set(b.get());
///     b.set(old);
/// });
/// assert_eq!((a.get(), b.get()), (2, 1));
/// ```
///
/// # Panics
/// With the conflict if a `compare_set` inside does not hold at the commit; see [`transaction`].
#[track_caller]
pub fn batch<R>(f: impl FnOnce() -> R) -> R {
    write::batch(Location::caller(), f)
}

/// Runs `f` as a serializable transaction: if anything it read has changed before it commits, it
/// runs again. `Err` commits nothing, and neither does a panic. While other threads keep changing
/// what it reads it keeps running again: each time one of them has committed.
///
/// A transaction in a batch joins it: the outermost decides whether to run again, and an inner
/// error undoes only the inner writes. Over several graphs each graph's part is atomic by itself.
///
/// ```
/// let (from, to) = (isobar::signal(100), isobar::signal(0));
/// let moved = isobar::transaction(|| {
///     if from.get() < 30 {
///         return Err("too little");
///     }
///     from.set(from.get() - 30);
///     to.set(to.get() + 30);
///     Ok(30)
/// });
/// assert_eq!((moved, from.get(), to.get()), (Ok(30), 70, 30));
/// ```
///
/// # Errors
/// What `f` returns.
#[track_caller]
pub fn transaction<R, E>(f: impl FnMut() -> Result<R, E>) -> Result<R, E> {
    write::transaction(Location::caller(), f)
}

/// Runs `f`; what it reads is not tracked.
///
/// ```
/// let (a, b) = (isobar::signal(1), isobar::signal(2));
/// let c = isobar::computed!([a, b] a.get() + isobar::untracked(|| b.get()));
/// assert_eq!(c.get(), 3);
/// b.set(5);
/// assert_eq!(c.get(), 3);
/// ```
pub fn untracked<R>(f: impl FnOnce() -> R) -> R {
    Frame::without_tracking(f)
}
