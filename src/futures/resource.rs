//! Resources: values loaded for parameters that are tracked.

use super::async_effect::{Anchor, name_or};
use super::load::{Before, Face, Load, LoadError, LoadState, Over, Rules, Status, loading};
use super::runs::{End, Plan, RunFuture, Start, WhenChanged};
use super::spawn::Spawn;
use crate::block::Shared;
use crate::engine::frame::Frame;
use crate::engine::react;
use crate::engine::read::{self, Track};
use crate::handle::equality::Never;
use crate::structure::world::World;
use crate::{Computed, Graph, ReadableExt, Signal};
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;

/// A value loaded by a future for parameters that are tracked.
///
/// `params` is a computed: it runs again when what it read has changed, and equal parameters do
/// not load again. `None` means that there is nothing to load. The loader gets the parameters; its
/// own reads are not tracked, its writes are one commit per stretch between awaits. Parameters that
/// change while a load is under way drop its future, which is the cancellation; another
/// [`WhenChanged`] may be chosen.
///
/// Status, value and error are one value of one revision: as soon as the parameters are different
/// the status is [`Status::Reloading`], and with the value comes [`Status::Ready`]. A loader that
/// fails or panics leaves [`Status::Error`].
///
/// | what happens | status | value |
/// |---|---|---|
/// | parameters are `None` | `Idle` | none |
/// | first load, or the first after `Idle` | `Loading` | none |
/// | parameters change, `reload` | `Reloading` | the one before, loaded or set |
/// | the load succeeds | `Ready` | the new one |
/// | the load fails | `Error` | none |
/// | `set`, `update` | `Local`, until other parameters are seen or `reload` | what was set |
/// | `dispose`, or the last clone is dropped | `Idle`, for good | none |
///
/// ```
/// use isobar::{Status, resource, signal};
/// # use std::sync::Arc;
/// let executor = Arc::new(async_executor::Executor::new());
/// let spawner = executor.clone();
/// let id = signal(1);
/// let params = { let id = id.clone(); move || Some(id.get()) };
/// let user = resource(move |task| spawner.spawn(task).detach(), params, async |id| {
///     if id == 0 { Err("no such user") } else { Ok(format!("user {id}")) }
/// });
/// let ready = || futures::executor::block_on(executor.run(user.ready()));
/// assert_eq!(*ready().unwrap(), "user 1");
/// user.set("Ada".to_string());
/// assert_eq!(user.status(), Status::Local);
/// id.set(0);
/// assert_eq!((user.status(), user.get()), (Status::Reloading, Some("Ada".to_string())));
/// assert!(ready().unwrap_err().to_string().contains("no such user"));
/// ```
#[must_use = "a resource lives as long as its handles; keep one"]
pub struct Resource<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    name: Arc<str>,
    face: Face<T>,
    anchor: Anchor,
    hand: Hand<T>,
}

loading!(Resource);

/// What was said by hand: set, or reload. Every command is a change.
struct Command<T> {
    local: Option<Local<T>>,
    /// Set by hand before a reload.
    kept: Option<Arc<T>>,
}

/// A value set by hand, and the parameters it was set for.
struct Local<T> {
    value: Arc<T>,
    params: Shared,
}

struct Hand<T> {
    commands: Signal<Arc<Command<T>>>,
    params: crate::Node,
}

impl<T> Clone for Hand<T> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), params: self.params.clone() }
    }
}

impl<T: PartialEq + Send + Sync + 'static> Hand<T> {
    /// What was set by hand and holds; tracked.
    fn local(&self) -> Option<Arc<T>> {
        let command = self.commands.get();
        let local = command.local.as_ref()?;
        let node = self.params.inner();
        let now = read::find(node, Track::Yes).ok()?;
        let same = react::is_same(node, local.params.header(), now.kept.header());
        same.then(|| local.value.clone())
    }

    /// What was set by hand and holds no longer, unless a load has finished since.
    fn last(&self, load: &Load<T>) -> Option<Arc<T>> {
        let finished = load.finished();
        if finished.is_some_and(|finished| finished.is_after(self.commands.node())) {
            return None;
        }
        let command = self.commands.get();
        let local = command.local.as_ref().map(|local| local.value.clone());
        local.or_else(|| command.kept.clone())
    }

    fn set(&self, value: T) {
        let Ok(params) = read::find(self.params.inner(), Track::No) else { return };
        let local = Local { value: Arc::new(value), params: params.kept.share() };
        self.commands.set(Arc::new(Command { local: Some(local), kept: None }));
    }

    /// Ends the rule of a value set for other parameters, also should they come back.
    fn end_local(&self) -> bool {
        let command = self.commands.get();
        if command.local.is_none() || self.local().is_some() {
            return false;
        }
        let kept = command.local.as_ref().map(|local| local.value.clone());
        // What is set by hand meanwhile stays.
        self.commands.update(move |newest| {
            let same = Arc::ptr_eq(newest, &command);
            let ended = || Arc::new(Command { local: None, kept: kept.clone() });
            if same { ended() } else { newest.clone() }
        });
        true
    }

    fn reload(&self) {
        let before = self.commands.peek();
        let kept = before.local.as_ref().map(|local| local.value.clone());
        self.commands.set(Arc::new(Command { local: None, kept }));
    }
}

/// A resource of the current graph, with its task on `spawner`; see [`Resource`].
///
/// ```
/// # use futures::executor::block_on;
/// # let spawner = |task: isobar::Task| {
/// #     std::thread::spawn(move || block_on(task));
/// # };
/// let id = isobar::signal(Some(1));
/// let params = { let id = id.clone(); move || id.get() };
/// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
/// let user = isobar::resource(spawner, params, load);
/// assert_eq!(*block_on(user.ready()).unwrap(), "user 1");
/// id.set(None);
/// assert_eq!(user.get(), None);
/// ```
///
/// # Panics
/// As [`effect`](fn@crate::effect).
#[track_caller]
pub fn resource<P, T, E, F, A>(
    spawner: impl Spawn + Send + 'static,
    params: impl Fn() -> Option<P> + Send + Sync + 'static,
    loader: F,
) -> Resource<T>
where
    P: PartialEq + Clone + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    F: FnMut(P) -> A + Send + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
{
    Resource::builder(spawner, params, loader).build()
}

impl<T: PartialEq + Send + Sync + 'static> Resource<T> {
    /// A resource with a name, another graph, or another policy.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// use isobar::{Resource, WhenChanged};
    /// let loader = async |id: u32| if id > 0 { Ok(id) } else { Err("no such user") };
    /// let user = Resource::builder(spawner, || Some(0), loader);
    /// let user = user.name("user").when_changed(WhenChanged::Finish).build();
    /// let error = block_on(user.ready()).unwrap_err();
    /// assert_eq!(error.to_string(), "user failed to load: no such user");
    /// ```
    pub fn builder<S, G, P, F, A, E>(
        spawner: S,
        params: G,
        loader: F,
    ) -> ResourceBuilder<S, G, P, F>
    where
        S: Spawn + Send + 'static,
        G: Fn() -> Option<P> + Send + Sync + 'static,
        F: FnMut(P) -> A + Send + 'static,
        A: Future<Output = Result<T, E>> + Send + 'static,
    {
        let when_changed = WhenChanged::Latest;
        let (name, world) = (None, None);
        ResourceBuilder { spawner, params, loader, name, world, when_changed, of: PhantomData }
    }

    /// Sets the value by hand and cancels a load under way: one commit. Does nothing to the
    /// status while there is nothing to load.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// user.set("Ada".to_string());
    /// assert_eq!(user.get(), Some("Ada".to_string()));
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    pub fn set(&self, value: T) {
        self.inner.hand.set(value);
    }

    /// Sets the value by hand to what `f` makes of the present one; no other set or update is
    /// lost. The closure runs again if another commit came between.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// user.update(|name| name.map_or_else(String::new, |name| name.to_uppercase()));
    /// assert_eq!(user.get(), Some("USER 1".to_string()));
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    pub fn update(&self, mut f: impl FnMut(Option<&T>) -> T) {
        let (face, hand) = (&self.inner.face, &self.inner.hand);
        let attempt = || -> Result<(), Infallible> {
            let value = face.value.with(|value| f(value.as_deref()));
            hand.set(value);
            Ok(())
        };
        crate::transaction(attempt).unwrap_or_else(|never| match never {});
    }

    /// Loads again for the same parameters; the present value stays readable meanwhile.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// user.set("Ada".to_string());
    /// user.reload();
    /// assert_eq!(*block_on(user.ready()).unwrap(), "user 1");
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    pub fn reload(&self) {
        self.inner.hand.reload();
    }
}

/// Builds a [`Resource`]; see [`Resource::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct ResourceBuilder<S, G, P, F> {
    spawner: S,
    params: G,
    loader: F,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    when_changed: WhenChanged,
    of: PhantomData<fn() -> P>,
}

impl<S, G, P, F, A, T, E> ResourceBuilder<S, G, P, F>
where
    S: Spawn + Send + 'static,
    G: Fn() -> Option<P> + Send + Sync + 'static,
    P: PartialEq + Clone + Send + Sync + 'static,
    F: FnMut(P) -> A + Send + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
    T: PartialEq + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
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

    /// What happens when the parameters change while a load is under way. A result for parameters
    /// that are no longer the present ones is the value *before*, never a ready one.
    pub fn when_changed(mut self, when_changed: WhenChanged) -> Self {
        self.when_changed = when_changed;
        self
    }

    /// The resource; its task goes to the spawner at once, or, in a batch, at its exit.
    ///
    /// # Panics
    /// As [`effect`](fn@crate::effect).
    #[track_caller]
    pub fn build(self) -> Resource<T> {
        let Self { spawner, params, loader, name, world, when_changed, .. } = self;
        let world = world.unwrap_or_else(|| Frame::current().world());
        let name = name_or(name, "resource");
        let load = Load::new(&world, name.clone());
        let part = |what: &str| Some(Arc::from(format!("{name}.{what}")));
        let params = Computed::on(&world, part("params"), params);
        let first = Arc::new(Command { local: None, kept: None });
        let commands = Signal::make(&world, first, Never, part("commands"));
        let hand = Hand { commands, params: params.node().clone() };
        let face = Face::new(&world, &name, {
            let (load, hand, params) = (load.clone(), hand.clone(), params.clone());
            move || load.state(|| before(&load, &hand, &params))
        });
        let (over, gone) = (load.over.clone(), load.over.clone());
        let start = starter(load, hand.clone(), params, loader);
        let abandoned = Box::new(move || gone.set(Over::Abandoned));
        let plan = Plan { world, name: name.clone(), when_changed, start, abandoned };
        let anchor = Anchor::new(plan, spawner, move || over.set(Over::Disposed));
        Resource { inner: Arc::new(Inner { name, face, anchor, hand }) }
    }
}

/// What there is to say before the result is looked at; tracked.
fn before<P, T>(load: &Load<T>, hand: &Hand<T>, params: &Computed<Option<P>>) -> Before<T>
where
    P: Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    match ReadableExt::try_load(params) {
        Err(error) => return Before::Known(LoadState::failed(error.into())),
        Ok(params) if params.is_none() => return Before::Known(LoadState::idle()),
        Ok(_) => {}
    }
    match hand.local() {
        Some(value) => Before::Known(LoadState::local(value)),
        None => Before::Value(hand.last(load)),
    }
}

/// The first stretch of each run: what it reads before it calls the loader are the sources.
fn starter<P, T, E, F, A>(
    load: Load<T>,
    hand: Hand<T>,
    params: Computed<Option<P>>,
    mut loader: F,
) -> Start
where
    P: PartialEq + Clone + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    F: FnMut(P) -> A + Send + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
{
    let nothing = |end: End| -> RunFuture { Box::pin(ready(end)) };
    Box::new(move || {
        if hand.end_local() {
            // Its write is a change: the next run loads.
            return nothing(End::Done);
        }
        let local = hand.local();
        // A failure of the parameters is the state already, also where nothing is loaded.
        let Ok(now) = ReadableExt::try_load(&params) else { return nothing(End::Done) };
        let Some(now) = (*now).clone() else {
            return nothing(load.nothing());
        };
        if local.is_some() {
            return nothing(End::Done);
        }
        let node = load.name.clone();
        load.run(
            Rules::Untracked,
            || loader(now),
            move |result: Result<T, E>| {
                result.map_err(|error| LoadError::Failed { node, source: Arc::from(error.into()) })
            },
        )
    })
}
