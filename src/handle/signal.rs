//! Signals: root values, set from outside, from any thread.

use super::computed::Computed;
use super::effect::Effect;
use super::equality::{By, ByValue, Equality, Never};
use super::graph::Graph;
use super::inspect::{Node, Why};
use super::loaded::Loaded;
use super::readable::{self, Readable, raise, reading};
use crate::block::{Header, Shared};
use crate::engine::frame::Frame;
use crate::engine::read::Track;
use crate::engine::write::{self, Done, What};
use crate::error::{Timeout, WriteError};
use crate::revision::Revision;
use crate::structure::node::{NodeKind, NodeRef, Payload};
use crate::structure::world::World;
use crate::sync::Relaxed;
use std::any::Any;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A value that any thread may set, and that computeds and effects may read.
///
/// Handles are counted: clone them into closures and threads. When the last one is dropped the
/// signal is gone.
///
/// ```
/// let g = isobar::Graph::new();
/// let hits = g.signal(0);
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| for _ in 0..100 { hits.update(|n| n + 1) });
///     }
/// });
/// assert_eq!(hits.get(), 400);
/// ```
pub struct Signal<T> {
    pub(crate) node: Node,
    value: PhantomData<fn() -> T>,
}

/// A [`Signal`] that can only be read.
///
/// ```
/// let g = isobar::Graph::new();
/// let a = g.signal(1);
/// let view = a.read_only();
/// a.set(2);
/// assert_eq!(view.get(), 2);
/// ```
pub struct ReadSignal<T> {
    pub(crate) node: Node,
    value: PhantomData<fn() -> T>,
}

reading!(Signal);
reading!(ReadSignal);

/// A signal of the current graph; equality is `PartialEq`.
///
/// ```
/// let a = isobar::signal(1);
/// a.set(2);
/// assert_eq!(a.get(), 2);
/// ```
#[track_caller]
pub fn signal<T: PartialEq + Send + Sync + 'static>(value: T) -> Signal<T> {
    Signal::new(value)
}

struct With<T, E> {
    equality: E,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static, E: Equality<T>> Payload for With<T, E> {
    const ROLE: NodeKind = NodeKind::Signal;

    fn run(&self) -> Result<Shared, Box<dyn Any + Send>> {
        unreachable!("a signal has no function to run")
    }

    fn equal(&self, old: &Header, new: &Header) -> bool {
        self.equality.are_equal(old.value::<T>(), new.value::<T>())
    }
}

impl<T: Send + Sync + 'static> Signal<T> {
    /// A signal of the current graph; see [`signal`].
    #[track_caller]
    pub fn new(value: T) -> Self
    where
        T: PartialEq,
    {
        Self::builder(value).build()
    }

    /// A signal with a name, another equality, or of another graph.
    ///
    /// ```
    /// use isobar::Signal;
    /// let g = isobar::Graph::new();
    /// let level = Signal::builder(20.0_f64)
    ///     .name("level")
    ///     .equality(|old, new| (old - new).abs() < 0.5)
    ///     .graph(&g)
    ///     .build();
    /// level.set(20.1);
    /// assert_eq!(level.get(), 20.0);
    /// ```
    pub fn builder(value: T) -> SignalBuilder<T> {
        SignalBuilder { value, equality: ByValue, name: None, world: None }
    }

    #[track_caller]
    pub(crate) fn make<E: Equality<T>>(
        world: &Arc<World>,
        value: T,
        equality: E,
        name: Option<Arc<str>>,
    ) -> Self {
        let place = Location::caller();
        let value = Shared::value(value);
        // Relaxed: not shared yet. Revision 0, visible.
        value.header().stamp.store(1, Relaxed);
        let payload = With { equality, value: PhantomData };
        let node = NodeRef::new(world, Some(value), name, place, payload);
        Self { node: Node::new(node), value: PhantomData }
    }

    /// Sets the value: one commit, visible when it returns to this thread and to whoever this
    /// thread tells. If it equals the present value nothing happens. Effects it wakes have run,
    /// unless another thread is running effects of the graph. Inside a batch or effect the
    /// commit comes at its end.
    ///
    /// # Panics
    /// With [`WriteError`]'s text inside a computed, or an `update` or equality closure; with
    /// what the equality function panics with.
    #[track_caller]
    pub fn set(&self, value: T) {
        if let Err(error) = self.try_set(value) {
            refused(&self.node, &error);
        }
    }

    /// [`set`](Self::set), with its misuse as a value.
    ///
    /// # Errors
    /// [`WriteError::InComputed`], [`WriteError::InUpdate`].
    #[track_caller]
    pub fn try_set(&self, value: T) -> Result<(), WriteError> {
        self.write(What::Set(Shared::value(value))).map(drop)
    }

    /// Atomic read-modify-write: no concurrent update is lost. The closure runs again if another
    /// commit came between; inside a batch or effect it is recorded and replayed on the newest
    /// value until the commit lands. No lock is held while it runs.
    ///
    /// # Panics
    /// Like [`set`](Self::set); with what the closure panics with, and nothing is committed.
    #[track_caller]
    pub fn update(&self, f: impl FnMut(&T) -> T + Send + 'static) {
        if let Err(error) = self.try_update(f) {
            refused(&self.node, &error);
        }
    }

    /// [`update`](Self::update), with its misuse as a value.
    ///
    /// # Errors
    /// [`WriteError::InComputed`], [`WriteError::InUpdate`].
    #[track_caller]
    pub fn try_update(
        &self,
        mut f: impl FnMut(&T) -> T + Send + 'static,
    ) -> Result<(), WriteError> {
        let mut replay = move |old: &Header| Shared::value(f(old.value()));
        if write::is_collecting(self.node.inner())? {
            write::record_update(self.node.inner(), Box::new(replay));
            return Ok(());
        }
        self.write(What::Update(&mut replay)).map(drop)
    }

    /// [`update`](Self::update) on a clone of the value, one each time the closure runs.
    ///
    /// # Panics
    /// Like [`set`](Self::set).
    #[track_caller]
    pub fn mutate(&self, mut f: impl FnMut(&mut T) + Send + 'static)
    where
        T: Clone,
    {
        self.update(move |old| {
            let mut new = old.clone();
            f(&mut new);
            new
        });
    }

    /// Sets the value and returns the one it replaced, atomically. Inside a batch or effect: the
    /// one that the batch saw before this write.
    ///
    /// # Panics
    /// Like [`set`](Self::set).
    #[track_caller]
    pub fn replace(&self, value: T) -> Loaded<T> {
        let new = Shared::value(value);
        let done = match write::is_collecting(self.node.inner()) {
            Ok(false) => self.write(What::Update(&mut move |_: &Header| new.clone())),
            Ok(true) => self.write(What::Replace(new)),
            Err(error) => Err(error),
        };
        match done {
            Ok(Done { old }) => {
                Loaded::new(&old.expect("updates and collected writes say what they replaced"))
            }
            Err(error) => refused(&self.node, &error),
        }
    }

    /// Sets the value unless the signal changed after `at`, which may be a revision of the
    /// signal, of the graph or of a snapshot. Inside a batch it is a condition of the commit: one
    /// that no longer holds then fails the whole batch. One that fails right away returns its
    /// error, has written nothing, and leaves it to the batch whether to go on.
    ///
    /// ```
    /// use isobar::WriteError;
    /// let stock = isobar::signal(3);
    /// let seen = stock.revision();
    /// assert_eq!(stock.compare_set(seen, 2), Ok(()));
    /// let late = stock.compare_set(seen, 2); // the decision rests on 3, which is gone
    /// assert!(matches!(late, Err(WriteError::Conflict { .. })));
    /// assert_eq!(stock.get(), 2);
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Conflict`] if it changed; and as [`try_set`](Self::try_set).
    #[track_caller]
    pub fn compare_set(&self, at: Revision, value: T) -> Result<(), WriteError> {
        self.write(What::CompareSet(at.0, Shared::value(value))).map(drop)
    }

    /// Notifies observers although the value is the same.
    ///
    /// # Panics
    /// Like [`set`](Self::set).
    #[track_caller]
    pub fn touch(&self) {
        if let Err(error) = self.write(What::Touch) {
            refused(&self.node, &error);
        }
    }

    /// A handle that can only read.
    pub fn read_only(&self) -> ReadSignal<T> {
        ReadSignal { node: self.node.clone(), value: PhantomData }
    }

    #[track_caller]
    pub(crate) fn write(&self, what: What<'_>) -> Result<Done, WriteError> {
        write::write(self.node.inner(), what, Location::caller())
    }
}

/// Panics where the write stands, not in here.
#[cold]
#[track_caller]
pub(super) fn refused(node: &Node, error: &WriteError) -> ! {
    panic!("{}: {error}", node.name())
}

impl<T: PartialEq + Send + Sync + 'static> From<T> for Signal<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: PartialEq + Default + Send + Sync + 'static> Default for Signal<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

#[cfg(feature = "serde")]
impl<'de, T> serde::Deserialize<'de> for Signal<T>
where
    T: serde::Deserialize<'de> + PartialEq + Send + Sync + 'static,
{
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

/// Builds a [`Signal`]; see [`Signal::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct SignalBuilder<T, E = ByValue> {
    value: T,
    equality: E,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
}

impl<T: Send + Sync + 'static, E> SignalBuilder<T, E> {
    /// A name for errors, dumps and `why`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// The graph, instead of the current one.
    pub fn graph(mut self, graph: &Graph) -> Self {
        self.world = Some(graph.world().clone());
        self
    }

    /// When a new value is no change: arguments are the old value and the new one. It may run
    /// more than once and must not write.
    pub fn equality<F>(self, equality: F) -> SignalBuilder<T, By<F>>
    where
        F: Fn(&T, &T) -> bool + Send + Sync + 'static,
    {
        SignalBuilder {
            value: self.value,
            equality: By(equality),
            name: self.name,
            world: self.world,
        }
    }

    /// Every set is a change.
    pub fn always(self) -> SignalBuilder<T, Never> {
        SignalBuilder { value: self.value, equality: Never, name: self.name, world: self.world }
    }

    /// The signal.
    #[track_caller]
    pub fn build(self) -> Signal<T>
    where
        E: Equality<T>,
    {
        let world = self.world.unwrap_or_else(|| Frame::current().world());
        Signal::make(&world, self.value, self.equality, self.name)
    }
}
