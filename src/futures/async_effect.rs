//! Async effects: actions that await, kept in step with what they read.

use super::runs::{Board, Driver, End, Plan, RunFuture, Start, WhenChanged};
use super::spawn::{Spawn, Task};
use crate::engine::frame::Frame;
use crate::structure::world::World;
use crate::{Effect, Graph, on_cleanup};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;

/// How an async effect's future may end: with nothing, or with a `Result` whose error is reported.
pub trait Outcome {
    /// What is reported to the graph's `on_error`; `None`: all is well.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// An async action kept in step with what it reads; dropping the handle disposes it.
///
/// Its task runs on the executor behind the spawner it was made with; a write from any thread
/// wakes it there. What the future reads is tracked also after an `.await`. Each stretch between
/// two awaits reads one revision, and its writes are one commit at its end. A source that changes
/// while a run is under way is never lost; [`WhenChanged`] says what becomes of the run. With
/// [`WhenChanged::Latest`], the default, a stretch begins only if nothing that the run has read
/// before is different.
///
/// A panic or error is reported to the graph's `on_error`; the effect stays subscribed to what it
/// had read. Disposing cancels: the future is dropped, cleanups registered with
/// [`on_cleanup`](fn@crate::on_cleanup) run, and no run starts any more; both happen on the
/// disposing thread unless a poll is in progress. `settle` does not wait for async runs, for it
/// must not wait for an executor that may be this very thread: await [`idle`](Self::idle).
///
/// What effects write in a run's first stretch counts as a round of a loop of effects; what is
/// written after an await does not.
///
/// Cost of a stretch: the making of an effect, and, with [`WhenChanged::Latest`], a look at each
/// source that the run has read. Of a write that wakes it: one short effect run and a wake-up.
///
/// ```
/// use isobar::{Graph, Task, async_effect};
/// let g = Graph::new();
/// let name = g.signal("Alice");
/// let executor = Arc::new(async_executor::Executor::new());
/// # use std::sync::Arc;
/// let spawner = executor.clone();
/// let greeting = g.enter(|| {
///     let name = name.clone();
///     async_effect(
///         move |task: Task| spawner.spawn(task).detach(),
///         move || {
///             let name = name.clone();
///             async move { println!("Hello, {}", name.get()) }
///         },
///     )
/// });
/// name.set("Bob"); // before the executor was driven: one greeting, for Bob
/// futures::executor::block_on(executor.run(greeting.idle()));
/// ```
#[must_use = "an async effect lives as long as its handle; keep it, or `detach` it"]
#[derive(Debug)]
pub struct AsyncEffect {
    anchor: Anchor,
}

/// The place of an async node among its owner's effects, and its task.
pub(crate) struct Anchor {
    effect: Effect,
    board: Arc<Board>,
}

impl std::fmt::Debug for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.effect.name())
    }
}

impl Anchor {
    /// An effect that reads nothing: when it runs, which in a batch is at its exit, the task goes
    /// to the executor; when it is disposed, by whomever, the task is cancelled.
    #[track_caller]
    pub(crate) fn new(
        plan: Plan,
        spawner: impl Spawn + Send + 'static,
        disposed: impl FnOnce() + Send + 'static,
    ) -> Self {
        let (world, name) = (plan.world.clone(), Some(plan.name.clone()));
        let driver = Driver::new(plan);
        let board = driver.board().clone();
        let mut start = Some((driver, spawner, board.clone(), disposed));
        let effect = Effect::on(&world, name, move || {
            let Some((driver, spawner, board, disposed)) = start.take() else { return };
            board.open();
            on_cleanup(move || {
                board.cancel();
                disposed();
            });
            let task: Task = Box::pin(driver);
            spawner.spawn(task);
        });
        Self { effect, board }
    }

    pub(crate) fn dispose(&self) {
        self.effect.dispose();
        self.board.wait_for_poll();
    }

    pub(crate) fn is_disposed(&self) -> bool {
        self.effect.is_disposed()
    }

    pub(crate) fn name(&self) -> String {
        self.effect.name()
    }

    pub(crate) fn idle(&self) -> impl Future<Output = ()> + Send + use<> {
        let board = self.board.clone();
        poll_fn(move |cx| board.poll_idle(cx.waker()))
    }
}

/// A name for what was given none.
#[track_caller]
pub(crate) fn name_or(name: Option<Arc<str>>, kind: &str) -> Arc<str> {
    let place = Location::caller();
    name.unwrap_or_else(|| format!("{kind} at {}:{}", place.file(), place.line()).into())
}

/// An async effect of the current graph, with its task on `spawner`; see [`AsyncEffect`].
///
/// The closure is called in the run's first stretch, so what it reads is tracked, too.
///
/// ```
/// # use futures::executor::block_on;
/// # let spawner = |task: isobar::Task| {
/// #     std::thread::spawn(move || block_on(task));
/// # };
/// let (name, greeted) = (isobar::signal("Ann"), isobar::signal(String::new()));
/// let body = {
///     let (name, greeted) = (name.clone(), greeted.clone());
///     move || {
///         let (name, greeted) = (name.clone(), greeted.clone());
///         async move { greeted.set(format!("Hello, {}", name.get())) }
///     }
/// };
/// let greeting = isobar::async_effect(spawner, body);
/// block_on(greeted.wait_for(|text| text == "Hello, Ann")).unwrap();
/// name.set("Bob");
/// block_on(greeted.wait_for(|text| text == "Hello, Bob")).unwrap();
/// # drop(greeting);
/// ```
///
/// # Panics
/// As [`effect`](fn@crate::effect).
#[track_caller]
pub fn async_effect<F, A>(spawner: impl Spawn + Send + 'static, f: F) -> AsyncEffect
where
    F: FnMut() -> A + Send + 'static,
    A: Future<Output: Outcome> + Send + 'static,
{
    AsyncEffect::builder(spawner, f).build()
}

impl AsyncEffect {
    /// An async effect with a name, another graph, or another policy.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// use isobar::{AsyncEffect, WhenChanged};
    /// let save = AsyncEffect::builder(spawner, async || ()).name("save");
    /// let save = save.when_changed(WhenChanged::Finish).build();
    /// assert_eq!(save.name(), "save");
    /// ```
    pub fn builder<S, F, A>(spawner: S, f: F) -> AsyncEffectBuilder<S, F>
    where
        S: Spawn + Send + 'static,
        F: FnMut() -> A + Send + 'static,
        A: Future<Output: Outcome> + Send + 'static,
    {
        let when_changed = WhenChanged::Latest;
        AsyncEffectBuilder { spawner, body: f, name: None, world: None, when_changed }
    }

    /// Ends the effect: its future is dropped, its cleanups run, no run starts any more. Waits
    /// for a poll in progress on another thread, unless called from inside an effect or computed.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let effect = isobar::async_effect(spawner, async || ());
    /// effect.dispose();
    /// assert!(effect.is_disposed());
    /// ```
    pub fn dispose(&self) {
        self.anchor.dispose();
    }

    /// Has it been disposed?
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let effect = isobar::async_effect(spawner, async || ());
    /// assert!(!effect.is_disposed());
    /// ```
    pub fn is_disposed(&self) -> bool {
        self.anchor.is_disposed()
    }

    /// Resolves when no run is under way and none is due, or when the effect is disposed.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let (name, greeted) = (isobar::signal("Ann"), isobar::signal(String::new()));
    /// let body = {
    ///     let (name, greeted) = (name.clone(), greeted.clone());
    ///     move || {
    ///         let (name, greeted) = (name.clone(), greeted.clone());
    ///         async move { greeted.set(format!("Hello, {}", name.get())) }
    ///     }
    /// };
    /// let greeting = isobar::async_effect(spawner, body);
    /// block_on(greeting.idle());
    /// assert_eq!(greeted.get(), "Hello, Ann");
    /// ```
    pub fn idle(&self) -> impl Future<Output = ()> + Send + use<> {
        self.anchor.idle()
    }

    /// Leaves the effect to its owner: the enclosing effect or scope, else the graph.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let (name, greeted) = (isobar::signal("Ann"), isobar::signal(String::new()));
    /// let body = {
    ///     let (name, greeted) = (name.clone(), greeted.clone());
    ///     move || {
    ///         let (name, greeted) = (name.clone(), greeted.clone());
    ///         async move { greeted.set(format!("Hello, {}", name.get())) }
    ///     }
    /// };
    /// isobar::async_effect(spawner, body).detach();
    /// block_on(greeted.wait_for(|text| text == "Hello, Ann")).unwrap();
    /// ```
    pub fn detach(self) {
        self.anchor.effect.detach();
    }

    /// The name given at creation, or the place of creation.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let effect = isobar::async_effect(spawner, async || ());
    /// assert!(effect.name().starts_with("async effect at "));
    /// ```
    pub fn name(&self) -> String {
        self.anchor.name()
    }
}

/// Builds an [`AsyncEffect`]; see [`AsyncEffect::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct AsyncEffectBuilder<S, F> {
    spawner: S,
    body: F,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    when_changed: WhenChanged,
}

impl<S, F, A> AsyncEffectBuilder<S, F>
where
    S: Spawn + Send + 'static,
    F: FnMut() -> A + Send + 'static,
    A: Future<Output: Outcome> + Send + 'static,
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

    /// What happens when something changes while a run is under way.
    pub fn when_changed(mut self, when_changed: WhenChanged) -> Self {
        self.when_changed = when_changed;
        self
    }

    /// The effect; its task goes to the spawner at once, or, in a batch, at its exit.
    ///
    /// # Panics
    /// As [`effect`](fn@crate::effect).
    #[track_caller]
    pub fn build(self) -> AsyncEffect {
        let Self { spawner, mut body, name, world, when_changed } = self;
        let world = world.unwrap_or_else(|| Frame::current().world());
        let start: Start = Box::new(move || ending(body()));
        let name = name_or(name, "async effect");
        let abandoned = Box::new(|| ());
        let plan = Plan { world, name, when_changed, start, abandoned };
        AsyncEffect { anchor: Anchor::new(plan, spawner, || ()) }
    }
}

fn ending<A: Future<Output: Outcome> + Send + 'static>(future: A) -> RunFuture {
    Box::pin(async move {
        match future.await.failure() {
            Some(message) => End::Failed(message.into()),
            None => End::Done,
        }
    })
}
