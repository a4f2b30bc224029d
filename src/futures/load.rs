//! What async computeds and resources have in common: a result, the sources it was made from, and
//! a state derived from both.
//!
//! The state is a computed over the result *and* over its sources. So in the very revision in
//! which a source is different the result is no longer ready, whether the task has heard of it or
//! not; and status, value and error, being one value, never disagree.

use super::runs::{End, RunFuture, Seen, is_unchanged};
use crate::engine::frame::{Frame, Writes};
use crate::engine::read::Track;
use crate::error::{ReadError, panic_message};
use crate::handle::equality::Never;
use crate::structure::world::World;
use crate::{Computed, Signal};
use std::any::Any;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;
use std::sync::Arc;
use std::task::Poll;

/// How far the loading of a value is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Status {
    /// There is nothing to load, or loading has been stopped for good.
    #[default]
    Idle,
    /// The first value is on its way.
    Loading,
    /// A value is on its way; the one before is still readable.
    Reloading,
    /// The value belongs to the present state of what it was made from.
    Ready,
    /// Loading failed.
    Error,
    /// The value was set by hand.
    Local,
}

/// Why there is no loaded value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The loader returned an error.
    #[error("{node} failed to load: {source}")]
    Failed {
        /// What was loading.
        node: Arc<str>,
        /// The loader's error.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The loader panicked.
    #[error("the loader of {node} panicked: {message}")]
    Panicked {
        /// What was loading.
        node: Arc<str>,
        /// What it panicked with.
        message: Arc<str>,
    },
    /// Something that the loader or the parameters read has failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The executor dropped the task.
    #[error(
        "the executor dropped the task of {node}, which never loads again; keep the executor for \
         as long as the node"
    )]
    Abandoned {
        /// What was loading.
        node: Arc<str>,
    },
    /// It was disposed.
    #[error("{node} was disposed and loads no more; make another one")]
    Disposed {
        /// What was loading.
        node: Arc<str>,
    },
}

impl PartialEq for LoadError {
    fn eq(&self, other: &Self) -> bool {
        use LoadError::{Abandoned, Disposed, Failed, Panicked, Read};
        match (self, other) {
            (Failed { source: a, .. }, Failed { source: b, .. }) => Arc::ptr_eq(a, b),
            (Panicked { node: a, message: m }, Panicked { node: b, message: n }) => {
                (a, m) == (b, n)
            }
            (Read(a), Read(b)) => a == b,
            (Abandoned { node: a }, Abandoned { node: b }) => a == b,
            (Disposed { node: a }, Disposed { node: b }) => a == b,
            _ => false,
        }
    }
}

/// Status, value and error of one revision.
#[derive(Debug, PartialEq)]
pub struct LoadState<T> {
    status: Status,
    value: Option<Arc<T>>,
    error: Option<LoadError>,
}

impl<T> Clone for LoadState<T> {
    fn clone(&self) -> Self {
        let Self { status, value, error } = self;
        Self { status: *status, value: value.clone(), error: error.clone() }
    }
}

impl<T> LoadState<T> {
    pub(crate) fn idle() -> Self {
        Self { status: Status::Idle, value: None, error: None }
    }

    pub(crate) fn local(value: Arc<T>) -> Self {
        Self { status: Status::Local, value: Some(value), error: None }
    }

    pub(crate) fn failed(error: LoadError) -> Self {
        Self { status: Status::Error, value: None, error: Some(error) }
    }

    fn under_way(before: Option<Arc<T>>) -> Self {
        let status = if before.is_some() { Status::Reloading } else { Status::Loading };
        Self { status, value: before, error: None }
    }

    /// How far loading is.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// assert_eq!(user.state().get().status(), isobar::Status::Ready);
    /// ```
    pub fn status(&self) -> Status {
        self.status
    }

    /// The value: the loaded one, the one set by hand, or, while reloading, the one before.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// let state = user.state().get();
    /// assert_eq!(state.value().map(|name| name.as_str()), Some("user 1"));
    /// ```
    pub fn value(&self) -> Option<&Arc<T>> {
        self.value.as_ref()
    }

    /// Why there is no value.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |_| Err::<(), _>("out of order");
    /// let failing = isobar::resource(spawner, || Some(1), load);
    /// block_on(failing.ready()).unwrap_err();
    /// let state = failing.state().get();
    /// assert!(state.error().unwrap().to_string().contains("out of order"));
    /// ```
    pub fn error(&self) -> Option<&LoadError> {
        self.error.as_ref()
    }

    /// Is a value on its way?
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let spawner = |task: isobar::Task| {
    /// #     std::thread::spawn(move || block_on(task));
    /// # };
    /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
    /// let user = isobar::resource(spawner, || Some(1), load);
    /// block_on(user.ready()).unwrap();
    /// assert!(!user.state().get().is_loading());
    /// ```
    pub fn is_loading(&self) -> bool {
        matches!(self.status, Status::Loading | Status::Reloading)
    }

    /// The value or error, once nothing is on its way.
    pub(crate) fn outcome(&self) -> Option<Result<Arc<T>, LoadError>> {
        if let Some(error) = &self.error {
            return Some(Err(error.clone()));
        }
        let value = self.value.clone().filter(|_| !self.is_loading());
        value.map(Ok)
    }
}

/// What a run came to.
pub(crate) struct Finished<T> {
    number: u64,
    /// `None`: there was nothing to load.
    outcome: Option<Result<Arc<T>, LoadError>>,
    /// The newest value that was loaded.
    good: Option<Arc<T>>,
    sources: Vec<Seen>,
}

impl<T> Finished<T> {
    /// Was it made from the present state of `node`? Tracked.
    pub(crate) fn is_after(&self, node: &crate::Node) -> bool {
        let mut of_node = self.sources.iter().filter(|(source, _)| source.same(node.inner()));
        of_node.all(|seen| is_unchanged(seen, Track::Yes))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Not,
    Disposed,
    Abandoned,
}

/// The result of the newest finished run, and whether there may be more.
pub(crate) struct Load<T> {
    pub(crate) name: Arc<str>,
    result: Signal<Option<Arc<Finished<T>>>>,
    pub(crate) over: Signal<Over>,
}

impl<T> Clone for Load<T> {
    fn clone(&self) -> Self {
        let (result, over) = (self.result.clone(), self.over.clone());
        Self { name: self.name.clone(), result, over }
    }
}

/// What a resource knows before it looks at the result.
pub(crate) enum Before<T> {
    /// This is the state.
    Known(LoadState<T>),
    /// Unless the result is ready, this value was there last.
    Value(Option<Arc<T>>),
}

impl<T: PartialEq + Send + Sync + 'static> Load<T> {
    pub(crate) fn new(world: &Arc<World>, name: Arc<str>) -> Self {
        let part = |what: &str| Some(Arc::from(format!("{name}.{what}")));
        let result = Signal::make(world, None, Never, part("result"));
        let over = Signal::make(world, Over::Not, Never, part("over"));
        Self { name, result, over }
    }

    /// The newest result; tracked.
    pub(crate) fn finished(&self) -> Option<Arc<Finished<T>>> {
        self.result.get()
    }

    /// The end of a run that had nothing to load: what was loaded before is forgotten.
    pub(crate) fn nothing(&self) -> End {
        let load = self.clone();
        End::Publish(Box::new(move |number, sources| load.publish(number, sources, None)))
    }

    fn publish(&self, number: u64, sources: &[Seen], outcome: Option<Result<Arc<T>, LoadError>>) {
        let before = self.result.peek();
        if before.as_ref().is_some_and(|before| before.number > number) {
            // Of a run that overlaps with a newer one, which has finished first.
            return;
        }
        let good = match &outcome {
            None => None,
            Some(Ok(value)) => Some(value.clone()),
            Some(Err(_)) => before.and_then(|before| before.good.clone()),
        };
        let finished = Finished { number, outcome, good, sources: sources.to_vec() };
        self.result.set(Some(Arc::new(finished)));
    }

    /// The state at the revision at which this is asked; tracked.
    pub(crate) fn state(&self, before: impl FnOnce() -> Before<T>) -> LoadState<T> {
        let node = self.name.clone();
        match self.over.get() {
            Over::Not => {}
            Over::Disposed => {
                let error = Some(LoadError::Disposed { node });
                return LoadState { error, ..LoadState::idle() };
            }
            Over::Abandoned => return LoadState::failed(LoadError::Abandoned { node }),
        }
        let last = match before() {
            Before::Known(state) => return state,
            Before::Value(last) => last,
        };
        let Some(finished) = self.finished() else { return LoadState::under_way(last) };
        if !finished.sources.iter().all(|seen| is_unchanged(seen, Track::Yes)) {
            return LoadState::under_way(last.or_else(|| finished.good.clone()));
        }
        match &finished.outcome {
            Some(Ok(value)) => {
                LoadState { status: Status::Ready, value: Some(value.clone()), error: None }
            }
            Some(Err(error)) => LoadState::failed(error.clone()),
            None => LoadState::idle(),
        }
    }

    /// A run that makes a future and publishes what it comes to, or how it panics.
    pub(crate) fn run<A, R>(
        &self,
        rules: Rules,
        make: impl FnOnce() -> A,
        outcome: impl FnOnce(R) -> Result<T, LoadError> + Send + 'static,
    ) -> RunFuture
    where
        A: Future<Output = R> + Send + 'static,
    {
        let load = self.clone();
        let made = rules.apply(make);
        Box::pin(async move {
            let ended = match made {
                Ok(future) => contained(rules, future).await,
                Err(payload) => Err(payload),
            };
            let result = match ended {
                Ok(result) => outcome(result),
                Err(payload) => Err(load.failure(payload)),
            };
            let result = Some(result.map(Arc::new));
            End::Publish(Box::new(move |number, sources| load.publish(number, sources, result)))
        })
    }

    fn failure(&self, payload: Box<dyn Any + Send>) -> LoadError {
        match payload.downcast::<ReadError>() {
            Ok(error) => LoadError::Read(*error),
            Err(payload) => {
                let (node, message) = (self.name.clone(), panic_message(&*payload));
                LoadError::Panicked { node, message }
            }
        }
    }
}

/// What a loading future may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rules {
    /// A computed's: its reads are sources, writes are refused.
    Pure,
    /// A loader's: its reads are no sources.
    Untracked,
}

impl Rules {
    fn apply<R>(self, f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
        let here = Frame::current();
        let mut frame = match self {
            Self::Pure => Frame { writes: Writes::RefusedInComputed, ..here },
            Self::Untracked => Frame { tracker: null(), ..here },
        };
        frame.enter(|| catch_unwind(AssertUnwindSafe(f)))
    }
}

async fn contained<A: Future>(rules: Rules, future: A) -> Result<A::Output, Box<dyn Any + Send>> {
    let mut future = Box::pin(future);
    poll_fn(move |cx| match rules.apply(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// The readable face of a load: one state, and its parts for who needs a part only.
pub(crate) struct Face<T> {
    pub(crate) state: Computed<LoadState<T>>,
    pub(crate) status: Computed<Status>,
    pub(crate) value: Computed<Option<Arc<T>>>,
}

impl<T: PartialEq + Send + Sync + 'static> Face<T> {
    pub(crate) fn new(
        world: &Arc<World>,
        name: &Arc<str>,
        state: impl Fn() -> LoadState<T> + Send + Sync + 'static,
    ) -> Self {
        let state = Computed::on(world, Some(name.clone()), state);
        let status = state.map(LoadState::status);
        let value = state.map(|state| state.value.clone());
        Self { state, status, value }
    }

    /// Resolves with the first value or error that nothing newer is on its way for.
    pub(crate) fn ready(
        &self,
        name: Arc<str>,
    ) -> impl Future<Output = Result<Arc<T>, LoadError>> + Send + use<T> {
        let settled = self.state.wait_for(|state| state.outcome().is_some());
        async move {
            let outcome = match settled.await {
                Ok(state) => state.outcome(),
                Err(super::WaitError::Read(error)) => Some(Err(error.into())),
                Err(super::WaitError::Ended) => None,
            };
            outcome.unwrap_or(Err(LoadError::Disposed { node: name }))
        }
    }
}

/// The methods by which async computeds and resources are read and ended.
macro_rules! loading {
    ($handle:ident) => {
        impl<T: PartialEq + Send + Sync + 'static> $handle<T> {
            /// Status, value and error as one node: streams, effects and `map` work on it.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// let letters = user.state().map(|state| state.value().map(|name| name.len()));
            /// assert_eq!(letters.get(), Some(6));
            /// ```
            pub fn state(&self) -> &Computed<LoadState<T>> {
                &self.inner.face.state
            }

            /// How far loading is; tracked, and woken by changes of the status only.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// assert_eq!(user.status(), isobar::Status::Ready);
            /// ```
            pub fn status(&self) -> Status {
                self.inner.face.status.get()
            }

            /// The value, while reloading the one before; tracked, and woken by changes of the
            /// value only.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// assert_eq!(user.load().as_deref().map(String::as_str), Some("user 1"));
            /// ```
            pub fn load(&self) -> Option<Arc<T>> {
                self.inner.face.value.get()
            }

            /// A clone of [`load`](Self::load)'s value.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// assert_eq!(user.get(), Some("user 1".to_string()));
            /// ```
            pub fn get(&self) -> Option<T>
            where
                T: Clone,
            {
                self.inner.face.value.with(|value| value.as_deref().cloned())
            }

            /// Why there is no value; tracked.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |_| Err::<(), _>("out of order");
            /// let failing = isobar::resource(spawner, || Some(1), load);
            /// block_on(failing.ready()).unwrap_err();
            /// assert!(failing.error().unwrap().to_string().contains("out of order"));
            /// ```
            pub fn error(&self) -> Option<LoadError> {
                self.inner.face.state.with(|state| state.error().cloned())
            }

            /// Is a value on its way? Tracked.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// assert!(!user.is_loading());
            /// ```
            pub fn is_loading(&self) -> bool {
                matches!(self.status(), Status::Loading | Status::Reloading)
            }

            /// Resolves with the first value or error that nothing newer is on its way for; any
            /// number may wait for one run.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// assert_eq!(*block_on(user.ready()).unwrap(), "user 1");
            /// ```
            ///
            /// # Errors
            /// [`LoadError`].
            pub fn ready(&self) -> impl Future<Output = Result<Arc<T>, LoadError>> + Send + use<T> {
                self.inner.face.ready(self.inner.name.clone())
            }

            /// Resolves when no run is under way and none is due, or when this is disposed.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.idle());
            /// assert_eq!(user.get(), Some("user 1".to_string()));
            /// ```
            pub fn idle(&self) -> impl Future<Output = ()> + Send + use<T> {
                self.inner.anchor.idle()
            }

            /// Ends it for good: a run under way is dropped, none starts, the status is idle. Waits
            /// for a poll in progress on another thread, unless called from inside an effect or
            /// computed. Dropping the last clone does the same without waiting.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// block_on(user.ready()).unwrap();
            /// user.dispose();
            /// assert_eq!((user.status(), user.get()), (isobar::Status::Idle, None));
            /// ```
            pub fn dispose(&self) {
                self.inner.anchor.dispose();
            }

            /// Has it been disposed?
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// let other = user.clone();
            /// user.dispose();
            /// assert!(other.is_disposed());
            /// ```
            pub fn is_disposed(&self) -> bool {
                self.inner.anchor.is_disposed()
            }

            /// The name given at creation, or the place of creation.
            ///
            /// ```
            /// # use futures::executor::block_on;
            /// # let spawner = |task: isobar::Task| {
            /// #     std::thread::spawn(move || block_on(task));
            /// # };
            /// let load = async |id: u32| Ok::<_, String>(format!("user {id}"));
            /// let user = isobar::resource(spawner, || Some(1), load);
            /// assert!(user.name().starts_with("resource at "));
            /// ```
            pub fn name(&self) -> String {
                self.inner.name.to_string()
            }
        }

        impl<T> Clone for $handle<T> {
            fn clone(&self) -> Self {
                Self { inner: self.inner.clone() }
            }
        }

        /// Shows the name; neither reads nor evaluates.
        impl<T> std::fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($handle)).field(&self.inner.name).finish()
            }
        }
    };
}

pub(crate) use loading;
