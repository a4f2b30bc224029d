//! Snapshots: readers held at one revision.

use super::loaded::Loaded;
use super::readable::{Readable, load_found, raise};
use crate::engine::frame::View;
use crate::engine::overlay::Overlay;
use crate::engine::read;
use crate::error::ReadError;
use crate::revision::Revision;
use crate::structure::world::World;
use std::sync::Arc;

/// Reads any number of nodes at one revision, for as long as it is held; committed state only,
/// untracked.
///
/// Holding it keeps the versions its revision needs and blocks nobody. Computeds that are no
/// longer as they were are evaluated for the snapshot, once, on the thread that reads; what is
/// read twice runs once. It may be sent to other threads, and read by several.
///
/// ```
/// let g = isobar::Graph::new();
/// let a = g.signal(1);
/// let twice = a.map(|a| a * 2);
/// let before = g.snapshot();
/// a.set(10);
/// assert_eq!((before.get(&a), before.get(&twice)), (1, 2));
/// assert_eq!((a.get(), twice.get()), (10, 20));
/// ```
#[must_use = "a snapshot holds its revision only as long as it is kept"]
#[derive(Debug)]
pub struct Snapshot {
    overlay: Arc<Overlay>,
    revision: u64,
}

impl Snapshot {
    /// At a revision of `world` that the caller has shared; ends with the snapshot.
    pub(crate) fn of_shared(world: &Arc<World>, revision: u64) -> Self {
        Self { overlay: Overlay::within(world, revision), revision }
    }

    pub(crate) fn newest(world: &Arc<World>) -> Self {
        Self::of_shared(world, world.holds.share(&world.clock))
    }

    /// A clone of the node's value.
    ///
    /// # Panics
    /// With a [`ReadError`] if the computed fails, or if the node is of another graph.
    pub fn get<R: Readable + ?Sized>(&self, node: &R) -> R::Value
    where
        R::Value: Clone,
    {
        self.with(node, Clone::clone)
    }

    /// Looks at the node's value.
    ///
    /// # Panics
    /// Like [`get`](Self::get).
    pub fn with<R: Readable + ?Sized, U>(&self, node: &R, f: impl FnOnce(&R::Value) -> U) -> U {
        f(&self.load(node))
    }

    /// Keeps the node's value.
    ///
    /// # Panics
    /// Like [`get`](Self::get).
    pub fn load<R: Readable + ?Sized>(&self, node: &R) -> Loaded<R::Value> {
        self.try_load(node).unwrap_or_else(|error| raise(error))
    }

    /// A clone of the node's value, or why there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn try_get<R: Readable + ?Sized>(&self, node: &R) -> Result<R::Value, ReadError>
    where
        R::Value: Clone,
    {
        self.try_load(node).map(|value| R::Value::clone(&value))
    }

    fn try_load<R: Readable + ?Sized>(&self, node: &R) -> Result<Loaded<R::Value>, ReadError> {
        try_load(&self.overlay, node)
    }

    /// The revision it reads at.
    pub fn revision(&self) -> Revision {
        Revision(self.revision)
    }
}

/// Reads a node in an overlay, from outside of it.
pub(crate) fn try_load<R: Readable + ?Sized>(
    overlay: &Arc<Overlay>,
    node: &R,
) -> Result<Loaded<R::Value>, ReadError> {
    let record = node.node().inner();
    if !Arc::ptr_eq(record.world(), overlay.world()) {
        return Err(read::other_graph(record, overlay.world()));
    }
    let _reading = crate::structure::world::Reading::begin();
    let view = View::over(overlay);
    let found = read::at(&view, record)?;
    load_found(node, found.kept)
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.overlay.world().holds.unshare(self.revision);
    }
}
