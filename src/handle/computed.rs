//! Computeds: cached, derived values that find their own sources.

use super::effect::Effect;
use super::equality::{By, ByValue, Equality, Never};
use super::graph::Graph;
use super::inspect::{Node, Why};
use super::loaded::Loaded;
use super::readable::{self, Readable, raise, reading};
use crate::block::{Header, Shared};
use crate::engine::frame::Frame;
use crate::engine::read::Track;
use crate::error::{ReadError, Timeout};
use crate::revision::Revision;
use crate::structure::node::{NodeKind, NodeRef, Payload};
use crate::structure::world::World;
use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A value computed from others: lazy, cached, and up to date whenever it is read.
///
/// The function runs at the first read and again only when something it read has changed. It
/// must be pure: it may run more than once, on any thread. If it panics, that is the value until
/// a source changes.
///
/// ```
/// let g = isobar::Graph::new();
/// let (a, b) = (g.signal(1), g.signal(2));
/// let sum = g.enter(|| isobar::computed!([a, b] a.get() + b.get()));
/// assert_eq!(sum.get(), 3);
/// a.set(10);
/// assert_eq!(sum.get(), 12);
/// ```
#[must_use = "a computed is lazy: it runs when it is read, and goes with its last handle"]
pub struct Computed<T> {
    pub(crate) node: Node,
    value: PhantomData<fn() -> T>,
}

reading!(Computed);

/// A computed of the current graph; equality is `PartialEq`.
///
/// ```
/// let a = isobar::signal(2);
/// let square = isobar::computed(move || a.get() * a.get());
/// assert_eq!(square.get(), 4);
/// ```
#[track_caller]
pub fn computed<T: PartialEq + Send + Sync + 'static>(
    f: impl Fn() -> T + Send + Sync + 'static,
) -> Computed<T> {
    Computed::builder(f).build()
}

struct With<T, F, E> {
    function: F,
    equality: E,
    value: PhantomData<fn() -> T>,
}

impl<T, F, E> Payload for With<T, F, E>
where
    T: Send + Sync + 'static,
    F: Fn() -> Shared + Send + Sync + 'static,
    E: Equality<T>,
{
    const ROLE: NodeKind = NodeKind::Computed;

    fn run(&self) -> Result<Shared, Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(&self.function))
    }

    fn equal(&self, old: &Header, new: &Header) -> bool {
        self.equality.are_equal(old.value::<T>(), new.value::<T>())
    }
}

impl<T: Send + Sync + 'static> Computed<T> {
    /// A computed with a name, another equality, or of another graph.
    ///
    /// ```
    /// use isobar::Computed;
    /// let g = isobar::Graph::new();
    /// let a = g.signal(1);
    /// let c = Computed::builder(move || a.get()).name("c").graph(&g).build();
    /// assert_eq!(c.name(), "c");
    /// ```
    pub fn builder<F>(f: F) -> ComputedBuilder<T, F>
    where
        F: Fn() -> T + Send + Sync + 'static,
    {
        let (equality, value) = (ByValue, PhantomData);
        ComputedBuilder { function: f, equality, name: None, world: None, value }
    }

    /// The value, or why there is none; tracked.
    ///
    /// # Errors
    /// [`ReadError::Panicked`], [`ReadError::Cycle`], [`ReadError::OtherGraph`].
    pub fn try_get(&self) -> Result<T, ReadError>
    where
        T: Clone,
    {
        readable::try_load(self, Track::Yes).map(|value| T::clone(&value))
    }

    #[track_caller]
    pub(crate) fn on(
        world: &Arc<World>,
        name: Option<Arc<str>>,
        f: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self
    where
        T: PartialEq,
    {
        Self::make(world, move || Shared::value(f()), ByValue, name)
    }

    /// A computed of the current graph that has some other node's value, shared and not cloned.
    #[track_caller]
    pub(crate) fn sharing(
        name: Option<Arc<str>>,
        f: impl Fn() -> Loaded<T> + Send + Sync + 'static,
    ) -> Self
    where
        T: PartialEq,
    {
        let world = Frame::current().world();
        Self::make(&world, move || Shared::alias(f().shared().clone()), ByValue, name)
    }

    /// `f` must make values of type `T`, or stand-ins for such.
    #[track_caller]
    pub(crate) fn make<F, E>(world: &Arc<World>, f: F, equality: E, name: Option<Arc<str>>) -> Self
    where
        F: Fn() -> Shared + Send + Sync + 'static,
        E: Equality<T>,
    {
        let payload = With { function: f, equality, value: PhantomData };
        let node = NodeRef::new(world, None, name, Location::caller(), payload);
        Self { node: Node::new(node), value: PhantomData }
    }
}

/// Builds a [`Computed`]; see [`Computed::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct ComputedBuilder<T, F, E = ByValue> {
    function: F,
    equality: E,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    value: PhantomData<fn() -> T>,
}

impl<T, F, E> ComputedBuilder<T, F, E>
where
    T: Send + Sync + 'static,
    F: Fn() -> T + Send + Sync + 'static,
{
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

    /// When a new value is no change: arguments are the old value and the new one. A panic in it
    /// counts as a change.
    pub fn equality<G>(self, equality: G) -> ComputedBuilder<T, F, By<G>>
    where
        G: Fn(&T, &T) -> bool + Send + Sync + 'static,
    {
        self.with_equality(By(equality))
    }

    /// Every run is a change.
    pub fn always(self) -> ComputedBuilder<T, F, Never> {
        self.with_equality(Never)
    }

    fn with_equality<N>(self, equality: N) -> ComputedBuilder<T, F, N> {
        let Self { function, name, world, value, .. } = self;
        ComputedBuilder { function, equality, name, world, value }
    }

    /// The computed; it does not run yet.
    #[track_caller]
    pub fn build(self) -> Computed<T>
    where
        E: Equality<T>,
    {
        let world = self.world.unwrap_or_else(|| Frame::current().world());
        let function = self.function;
        Computed::make(&world, move || Shared::value(function()), self.equality, self.name)
    }
}
