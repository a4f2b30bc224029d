//! Async computeds: cached values whose functions await.

use super::async_effect::{Anchor, name_or};
use super::load::{Before, Face, Load, LoadError, LoadState, Over, Rules, Status, loading};
use super::runs::{Plan, Start, WhenChanged};
use super::spawn::Spawn;
use crate::engine::frame::Frame;
use crate::structure::world::World;
use crate::{Computed, Graph};
use std::future::Future;
use std::sync::Arc;

/// A value computed by a future from other nodes.
///
/// What the future reads is tracked, also after an `.await`. When a source is different the run is
/// dropped and another one starts; from that very revision on the [`status`](Self::status) is
/// [`Status::Reloading`], and the value before stays readable. A value that is
/// [`Status::Ready`] is exact at the revision it is read at: everything it was made from is the
/// state of that revision. The future must be pure; writing is refused. A panic is its
/// [`LoadError`] until a source changes.
///
/// If its sources change faster than the future ends, it stays reloading: then let the runs finish,
/// [`when_changed`](AsyncComputedBuilder::when_changed) tells how.
///
/// Unlike a [`Computed`] it is eager: its task starts when it is made. A clone is the same node;
/// dropping the last one cancels. Cost of a read while a value is ready: that of a computed whose
/// sources are those of the future.
///
/// ```
/// use isobar::{Status, async_computed};
/// # use std::sync::Arc;
/// let executor = Arc::new(async_executor::Executor::new());
/// let spawner = executor.clone();
/// let id = isobar::signal(1);
/// let user = async_computed(move |task| spawner.spawn(task).detach(), {
///     let id = id.clone();
///     move || {
///         let id = id.clone();
///         async move { format!("user {}", id.get()) }
///     }
/// });
/// assert_eq!((user.status(), user.get()), (Status::Loading, None));
/// let ready = futures::executor::block_on(executor.run(user.ready()));
/// assert_eq!(*ready.unwrap(), "user 1");
/// id.set(2);
/// assert_eq!((user.status(), user.get()), (Status::Reloading, Some("user 1".to_string())));
/// ```
#[must_use = "an async computed lives as long as its handles; keep one"]
pub struct AsyncComputed<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    name: Arc<str>,
    face: Face<T>,
    anchor: Anchor,
}

loading!(AsyncComputed);

/// An async computed of the current graph, with its task on `spawner`; see [`AsyncComputed`].
///
/// ```
/// # use futures::executor::block_on;
/// # let spawner = |task: isobar::Task| {
/// #     std::thread::spawn(move || block_on(task));
/// # };
/// let id = isobar::signal(1);
/// let user = isobar::async_computed(spawner, {
///     let id = id.clone();
///     move || {
///         let id = id.clone();
///         async move { format!("user {}", id.get()) }
///     }
/// });
/// assert_eq!(*block_on(user.ready()).unwrap(), "user 1");
/// id.set(2);
/// assert_eq!(*block_on(user.ready()).unwrap(), "user 2");
/// ```
///
/// # Panics
/// As [`effect`](fn@crate::effect).
#[track_caller]
pub fn async_computed<T, F, A>(spawner: impl Spawn + Send + 'static, f: F) -> AsyncComputed<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: FnMut() -> A + Send + 'static,
    A: Future<Output = T> + Send + 'static,
{
    AsyncComputed::builder(spawner, f).build()
}

impl<T: PartialEq + Send + Sync + 'static> AsyncComputed<T> {
    /// An async computed with a name, or of another graph.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// use isobar::AsyncComputed;
    /// let answer = AsyncComputed::builder(spawner, async || 42).name("answer").build();
    /// assert_eq!((*block_on(answer.ready()).unwrap(), answer.name()), (42, "answer".to_string()));
    /// ```
    pub fn builder<S, F, A>(spawner: S, f: F) -> AsyncComputedBuilder<S, F>
    where
        S: Spawn + Send + 'static,
        F: FnMut() -> A + Send + 'static,
        A: Future<Output = T> + Send + 'static,
    {
        AsyncComputedBuilder {
            spawner,
            function: f,
            name: None,
            world: None,
            when_changed: WhenChanged::default(),
        }
    }
}

/// Builds an [`AsyncComputed`]; see [`AsyncComputed::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct AsyncComputedBuilder<S, F> {
    spawner: S,
    function: F,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    when_changed: WhenChanged,
}

impl<S, F, A> AsyncComputedBuilder<S, F>
where
    S: Spawn + Send + 'static,
    F: FnMut() -> A + Send + 'static,
    A: Future<Output: PartialEq + Send + Sync + 'static> + Send + 'static,
{
    /// A name for errors, dumps and reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// The graph, instead of the current one.
    pub fn graph(mut self, graph: &Graph) -> Self {
        self.world = Some(graph.world().clone());
        self
    }

    /// What happens when a source changes while a run is under way. Unless the newest wins, a run
    /// may read several revisions between its awaits, and ends with what was right at none of
    /// them, or no longer is: such a value is the one *before*, while reloading, never a ready one.
    ///
    /// ```
    /// use isobar::{AsyncComputed, Status, WhenChanged};
    /// # use futures::channel::oneshot;
    /// # use std::sync::{Arc, mpsc};
    /// # let executor = Arc::new(async_executor::Executor::new());
    /// # let spawner = executor.clone();
    /// # let spawner = move |task| spawner.spawn(task).detach();
    /// let (ask, asked) = mpsc::channel();
    /// let id = isobar::signal(1);
    /// let source = id.clone();
    /// let loud = AsyncComputed::builder(spawner, move || {
    ///     let (answer, answered) = oneshot::channel();
    ///     ask.send(answer).unwrap();
    ///     let id = source.get();
    ///     async move { (id, answered.await.unwrap()) }
    /// });
    /// let loud = loud.when_changed(WhenChanged::Finish).build();
    /// # while executor.try_tick() {}
    /// let first: oneshot::Sender<&str> = asked.recv().unwrap();
    /// id.set(2);
    /// first.send("late").unwrap();
    /// # while executor.try_tick() {}
    /// assert_eq!((loud.status(), loud.get()), (Status::Reloading, Some((1, "late"))));
    /// asked.recv().unwrap().send("in time").unwrap();
    /// # while executor.try_tick() {}
    /// assert_eq!((loud.status(), loud.get()), (Status::Ready, Some((2, "in time"))));
    /// ```
    pub fn when_changed(mut self, when_changed: WhenChanged) -> Self {
        self.when_changed = when_changed;
        self
    }

    /// The async computed; its task goes to the spawner at once, or, in a batch, at its exit.
    ///
    /// # Panics
    /// As [`effect`](fn@crate::effect).
    #[track_caller]
    pub fn build(self) -> AsyncComputed<A::Output> {
        let Self { spawner, mut function, name, world, when_changed } = self;
        let world = world.unwrap_or_else(|| Frame::current().world());
        let name = name_or(name, "async computed");
        let load = Load::new(&world, name.clone());
        let face = Face::new(&world, &name, {
            let load = load.clone();
            move || load.state(|| Before::Value(None))
        });
        let (over, gone) = (load.over.clone(), load.over.clone());
        let start: Start = Box::new(move || load.run(Rules::Pure, &mut function, Ok));
        let abandoned = Box::new(move || gone.set(Over::Abandoned));
        let plan = Plan { world, name: name.clone(), when_changed, start, abandoned };
        let anchor = Anchor::new(plan, spawner, move || over.set(Over::Disposed));
        AsyncComputed { inner: Arc::new(Inner { name, face, anchor }) }
    }
}
