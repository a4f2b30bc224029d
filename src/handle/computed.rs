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
use crate::structure::node::{self, Kind, Node as Record, NodeKind, NodeRef, NodeWith};
use crate::structure::world::World;
use std::alloc::Layout;
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

struct With<F, E> {
    function: F,
    equality: E,
}

struct KindOf<T, F, E>(PhantomData<(T, F, E)>);

impl<T, F, E> KindOf<T, F, E>
where
    T: Send + Sync + 'static,
    F: Fn() -> Shared + Send + Sync + 'static,
    E: Equality<T>,
{
    const KIND: &'static Kind = &Kind {
        role: NodeKind::Computed,
        run: Self::run,
        equal: Self::equal,
        drop_payload: node::drop_payload::<With<F, E>>,
        layout: Layout::new::<NodeWith<With<F, E>>>(),
    };

    /// # Safety
    /// The node must be of this kind.
    unsafe fn run(node: &Record) -> Result<Shared, Box<dyn Any + Send>> {
        // SAFETY: the caller's duty.
        let with = unsafe { node.payload::<With<F, E>>() };
        catch_unwind(AssertUnwindSafe(&with.function))
    }

    /// # Safety
    /// The node must be of this kind, and the blocks resolved values of it.
    unsafe fn equal(node: &Record, old: &Header, new: &Header) -> bool {
        // SAFETY: the caller's duty.
        let with = unsafe { node.payload::<With<F, E>>() };
        // SAFETY: the caller's duty.
        let (old, new) = unsafe { (old.value_unchecked::<T>(), new.value_unchecked::<T>()) };
        if E::is_plain() {
            return with.equality.equal(old, new);
        }
        Frame::enter_closure(|| with.equality.equal(old, new))
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
        Self::make(world.clone(), move || Shared::value(f()), ByValue, name)
    }

    /// `f` must make values of type `T`, or stand-ins for such.
    #[track_caller]
    pub(crate) fn make<F, E>(world: Arc<World>, f: F, equality: E, name: Option<Arc<str>>) -> Self
    where
        F: Fn() -> Shared + Send + Sync + 'static,
        E: Equality<T>,
    {
        let kind = KindOf::<T, F, E>::KIND;
        let payload = With { function: f, equality };
        // SAFETY: the kind is made for this payload.
        let node = unsafe { NodeRef::new(world, kind, None, name, Location::caller(), payload) };
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
        Computed::make(world, move || Shared::value(function()), self.equality, self.name)
    }
}
