//! Carrying what surrounds the code to other threads of one's own.

use crate::engine::frame::{
    self, AsIfClaimed, Carried, Frame, OwnedBy, Reads, Tracker, View, Writes,
};
use crate::engine::overlay::Overlay;
use crate::engine::owner::Owner;
use crate::structure::node::NodeRef;
use crate::structure::world::World;
use std::ptr::{NonNull, null};
use std::sync::Arc;

/// The graph, tracking and batch of the code that asked, for use on other threads.
///
/// Reads on a thread of your own are outside the computed or effect that started it unless
/// carried: they see the newest revision and are not tracked. Inside [`enter`](Self::enter) they
/// see the evaluation's revision and count as its sources, if made before it ends. A context that
/// is kept holds that revision, like a [`Snapshot`](crate::Snapshot).
///
/// ```
/// use isobar::Context;
/// let g = isobar::Graph::new();
/// let parts: Vec<_> = (0..4).map(|n| g.signal(n)).collect();
/// let sum = g.computed({
///     let parts = parts.clone();
///     move || {
///         let context = Context::current();
///         std::thread::scope(|scope| {
///             let jobs: Vec<_> = parts
///                 .iter()
///                 .map(|part| scope.spawn({
///                     let context = &context;
///                     move || context.enter(|| part.get())
///                 }))
///                 .collect();
///             jobs.into_iter().map(|job| job.join().unwrap()).sum::<i32>()
///         })
///     }
/// });
/// assert_eq!(sum.get(), 6);
/// parts[0].set(10);
/// assert_eq!(sum.get(), 16);
/// ```
#[must_use = "a context does nothing until it is entered"]
#[derive(Clone, Debug)]
pub struct Context {
    carried: Arc<CarriedFrame>,
}

#[derive(Debug)]
struct CarriedFrame {
    world: Arc<World>,
    owner: Option<Arc<Owner>>,
    writes: Writes,
    /// Of an evaluation, batch or draft: what it reads. Of a batch: the current graph's part.
    fixed: Option<Fixed>,
}

#[derive(Debug)]
struct Fixed {
    overlay: Arc<Overlay>,
    revision: u64,
    /// The computeds the code that asked was inside of.
    inside: Vec<NodeRef>,
    reads: Option<Arc<Carried>>,
}

impl Drop for Fixed {
    fn drop(&mut self) {
        self.overlay.world().holds.unshare(self.revision);
    }
}

impl Context {
    /// What surrounds the calling code.
    pub fn current() -> Self {
        let frame = Frame::current();
        let world = frame.world();
        // Another graph's evaluation is carried as well as one of the current graph.
        let view = frame.view(&world).unwrap_or_else(Some);
        let fixed = view.map(|view| Fixed::of(view, &frame));
        let owner = frame.owner().cloned();
        Self { carried: Arc::new(CarriedFrame { world, owner, writes: frame.writes, fixed }) }
    }

    /// Runs `f` on this thread as if it stood where the context was taken.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let carried = &*self.carried;
        let owner = carried.owner.as_ref();
        let owner = owner.map_or(OwnedBy::Graph, |owner| OwnedBy::Owner(NonNull::from(owner)));
        let mut outside = Frame { graph: &carried.world, owner, ..Frame::detached() };
        let Some(fixed) = &carried.fixed else { return outside.enter(f) };
        let view = View::carried(&fixed.overlay, fixed.revision, &fixed.inside);
        // Whoever waits for this thread may hold claims, so this thread must not wait for any.
        let _claimed = (!fixed.inside.is_empty()).then(AsIfClaimed::begin);
        let tracker = fixed.reads.as_ref().map(|_| Tracker::new(None));
        let mut frame = Frame {
            reads: Reads::one(&view),
            tracker: tracker.as_ref().map_or(null(), std::ptr::from_ref),
            writes: carried.writes,
            ..outside
        };
        let result = frame.enter(f);
        if let (Some(tracker), Some(reads)) = (tracker, &fixed.reads) {
            reads.add(tracker.finish());
        }
        result
    }
}

impl Fixed {
    fn of(view: &View, frame: &Frame) -> Self {
        view.world.holds.share_held(view.revision);
        Self {
            overlay: view.overlay().clone(),
            revision: view.revision,
            inside: frame::inside(),
            reads: frame.tracker().map(|tracker| tracker.carried()),
        }
    }
}
