//! Layer 4, what users hold: typed, counted handles over the erased engine.

mod computed;
mod context;
mod draft;
mod effect;
mod graph;
mod inspect;
mod join;
mod linked;
mod loaded;
mod macros;
pub(crate) mod readable;
mod scope;
mod signal;
mod snapshot;
mod together;
#[cfg(any(feature = "async", feature = "store"))]
pub(crate) mod versions;

pub use computed::{Computed, ComputedBuilder, computed};
pub use context::Context;
pub use draft::{Difference, Draft, DraftConflict};
pub use effect::{Effect, EffectBuilder, effect};
pub use graph::{Graph, GraphBuilder, Stats, default_graph, snapshot};
pub use inspect::{GraphDump, Node, NodeDump, Origin, Why};
pub use join::{All, Join, all};
pub use linked::{Linked, LinkedBuilder, Previous, linked};
pub use loaded::Loaded;
pub use readable::{Readable, ReadableExt};
pub use scope::{Scope, on_cleanup, scope};
pub use signal::{ReadSignal, Signal, SignalBuilder, signal};
pub use snapshot::Snapshot;
pub use together::{batch, transaction, untracked};

/// How a builder decides whether a new value is a change.
pub mod equality {
    use crate::engine::frame::Frame;

    /// Decides whether two values of a node are equal.
    pub trait Equality<T>: Send + Sync + 'static {
        /// Arguments: the old value, the new one.
        fn equal(&self, old: &T, new: &T) -> bool;

        /// Is it known to run no user code? Then nothing has to be set up around it.
        #[inline(always)]
        fn is_plain() -> bool {
            false
        }

        /// The comparison where the engine asks for it: what it does cannot write.
        #[inline]
        fn are_equal(&self, old: &T, new: &T) -> bool {
            if Self::is_plain() {
                return self.equal(old, new);
            }
            Frame::enter_closure(|| self.equal(old, new))
        }
    }

    /// `PartialEq`, the default.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct ByValue;

    impl<T: PartialEq + 'static> Equality<T> for ByValue {
        #[inline(always)]
        fn equal(&self, old: &T, new: &T) -> bool {
            old == new
        }

        #[inline(always)]
        fn is_plain() -> bool {
            is_std_scalar::<T>()
        }
    }

    /// Decided by the compiler: a chain of comparisons of constants.
    #[inline(always)]
    fn is_std_scalar<T: 'static>() -> bool {
        use std::any::TypeId;
        macro_rules! any_of {
            ($($scalar:ty),*) => { $(TypeId::of::<T>() == TypeId::of::<$scalar>())||* };
        }
        any_of!(
            (),
            bool,
            char,
            u8,
            u16,
            u32,
            u64,
            u128,
            usize,
            i8,
            i16,
            i32,
            i64,
            i128,
            isize,
            f32,
            f64,
            String,
            &'static str
        )
    }

    /// Every new value is a change.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Never;

    impl<T> Equality<T> for Never {
        #[inline(always)]
        fn equal(&self, _old: &T, _new: &T) -> bool {
            false
        }

        #[inline(always)]
        fn is_plain() -> bool {
            true
        }
    }

    /// A function of the user's.
    #[derive(Clone, Copy, Debug)]
    pub struct By<F>(pub(crate) F);

    impl<T, F: Fn(&T, &T) -> bool + Send + Sync + 'static> Equality<T> for By<F> {
        fn equal(&self, old: &T, new: &T) -> bool {
            (self.0)(old, new)
        }
    }
}
