//! Computeds over several sources named in advance.

use super::computed::Computed;
use super::loaded::Loaded;
use super::readable::{Readable, ReadableExt};
use crate::engine::frame::Frame;
use crate::structure::world::World;
use std::sync::Arc;

/// `map` for tuples of handles: `(&a, &b).map(|a, b| ..)`.
///
/// ```
/// use isobar::Join;
/// let (width, height) = (isobar::signal(3), isobar::signal(4));
/// let area = (&width, &height).map(|w, h| w * h);
/// assert_eq!(area.get(), 12);
/// ```
pub trait Join<F, U> {
    /// A computed of the tuple's values; nothing else that `f` reads becomes a source.
    #[track_caller]
    fn map(self, f: F) -> Computed<U>;
}

macro_rules! join {
    ($(($($handle:ident $index:tt $value:ident),+))+) => {$(
        impl<$($handle,)+ F, U> Join<F, U> for ($(&$handle,)+)
        where
            $($handle: Readable + Clone + 'static,)+
            F: Fn($(&$handle::Value),+) -> U + Send + Sync + 'static,
            U: PartialEq + Send + Sync + 'static,
        {
            #[track_caller]
            fn map(self, f: F) -> Computed<U> {
                let world = self.0.node().inner().world().clone();
                let handles = ($(self.$index.clone(),)+);
                Computed::on(&world, None, move || {
                    let ($($value,)+) = ($(handles.$index.load(),)+);
                    Frame::without_tracking(|| f($(&$value),+))
                })
            }
        }
    )+};
}

join! {
    (A 0 a, B 1 b)
    (A 0 a, B 1 b, C 2 c)
    (A 0 a, B 1 b, C 2 c, D 3 d)
    (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e)
    (A 0 a, B 1 b, C 2 c, D 3 d, E 4 e, G 5 g)
}

/// Any number of handles of one value type; see [`all`].
#[must_use = "it does nothing until `map`"]
#[derive(Debug)]
pub struct All<R> {
    nodes: Vec<R>,
    world: Arc<World>,
}

/// Any number of handles, to be mapped together.
///
/// ```
/// let parts: Vec<_> = (1..=3).map(isobar::signal).collect();
/// let sum = isobar::all(&parts).map(|parts| parts.iter().map(|part| **part).sum::<i32>());
/// assert_eq!(sum.get(), 6);
/// ```
pub fn all<'a, R: Readable + Clone + 'a>(nodes: impl IntoIterator<Item = &'a R>) -> All<R> {
    let nodes: Vec<R> = nodes.into_iter().cloned().collect();
    let world = nodes
        .first()
        .map_or_else(|| Frame::current().world(), |node| node.node().inner().world().clone());
    All { nodes, world }
}

impl<R: Readable + 'static> All<R> {
    /// A computed of all the values, in the order given. Costs one list a run.
    ///
    /// ```
    /// let parts: Vec<_> = ["a", "b"].map(isobar::signal).into();
    /// let text = isobar::all(&parts).map(|parts| parts.iter().map(|p| **p).collect::<String>());
    /// parts[1].set("c");
    /// assert_eq!(text.get(), "ac");
    /// ```
    #[track_caller]
    pub fn map<U: PartialEq + Send + Sync + 'static>(
        self,
        f: impl Fn(&[Loaded<R::Value>]) -> U + Send + Sync + 'static,
    ) -> Computed<U> {
        let nodes = self.nodes;
        Computed::on(&self.world, None, move || {
            let values: Vec<_> = nodes.iter().map(ReadableExt::load).collect();
            Frame::without_tracking(|| f(&values))
        })
    }
}
