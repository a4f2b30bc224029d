//! Naming a collection and choosing its graph.

use crate::Graph;
use crate::engine::frame::Frame;
use crate::structure::world::World;
use std::marker::PhantomData;
use std::sync::Arc;

/// Builds a collection with a name or of another graph than the current one.
///
/// ```
/// use isobar::{Graph, ReactiveMap};
/// let g = Graph::new();
/// let stock: ReactiveMap<&str, u32> = ReactiveMap::builder().name("stock").graph(&g).build();
/// assert_eq!(stock.name(), "stock");
/// ```
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct CollectionBuilder<C> {
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    collection: PhantomData<fn() -> C>,
}

impl<C> CollectionBuilder<C> {
    pub(super) fn new() -> Self {
        Self { name: None, world: None, collection: PhantomData }
    }

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

    /// The same, for the collection that another one is made of.
    pub(super) fn of_other<D>(self) -> CollectionBuilder<D> {
        CollectionBuilder { name: self.name, world: self.world, collection: PhantomData }
    }

    pub(super) fn parts(self) -> (Arc<World>, Option<Arc<str>>) {
        (self.world.unwrap_or_else(|| Frame::current().world()), self.name)
    }
}
