//! Scopes: owners of effects and cleanups that end together.

use crate::engine::frame::{Frame, OwnedBy};
use crate::engine::owner::{Owned, Owner};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

/// Owns what is made and detached inside; dropping it disposes all of it, last first.
///
/// An effect that is made inside and whose handle is dropped there ends at once: `detach` it.
///
/// ```
/// use isobar::{effect, on_cleanup, scope};
/// let g = isobar::Graph::new();
/// g.enter(|| {
///     let a = isobar::signal(1);
///     let s = scope(|| {
///         effect(move || println!("a is {}", a.get())).detach();
///         on_cleanup(|| println!("bye"));
///     });
///     assert_eq!(g.stats().live_effects, 1);
///     drop(s);
///     assert_eq!(g.stats().live_effects, 0);
/// });
/// ```
#[must_use = "a scope ends when it is dropped; keep it"]
#[derive(Debug)]
pub struct Scope {
    owner: Arc<Owner>,
}

/// Runs `f` and returns the scope that owns what was made inside.
pub fn scope<R>(f: impl FnOnce() -> R) -> Scope {
    let frame = Frame::current();
    let owner = Owner::new(&frame.world(), frame.owner().map_or_else(Weak::new, Arc::downgrade));
    if let Some(outer) = frame.owner() {
        outer.own(Owned::Scope(owner.clone()));
    }
    let scope = Scope { owner };
    scope.run(f);
    scope
}

impl Scope {
    /// Runs `f` with this scope as the owner of what it makes.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        Frame { owner: OwnedBy::Owner(NonNull::from(&self.owner)), ..Frame::current() }.enter(f)
    }

    /// Disposes everything it owns, last first, and runs its cleanups on this thread. It may be
    /// used again. Does not wait for effects that run on other threads: no new run starts.
    pub fn dispose(&self) {
        self.owner.take_down();
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.owner.take_down();
    }
}

/// Runs `f` before the next run of the enclosing effect and when that effect, or the enclosing
/// scope, is disposed. The last one registered runs first; what it reads is not tracked, and its
/// writes are one commit.
///
/// ```
/// use isobar::{effect, on_cleanup};
/// let a = isobar::signal(1);
/// let e = effect(move || {
///     let n = a.get();
///     on_cleanup(move || println!("done with {n}"));
/// });
/// drop(e);
/// ```
///
/// # Panics
/// Outside of effects and scopes: nothing would ever run it.
#[track_caller]
pub fn on_cleanup(f: impl FnOnce() + Send + 'static) {
    let frame = Frame::current();
    let Some(owner) = frame.owner() else {
        panic!("on_cleanup outside of an effect or scope: nothing would ever run the cleanup");
    };
    owner.own(Owned::Cleanup(Box::new(f)));
}
