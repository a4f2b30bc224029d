//! Who is to be told of which paths.

use super::event::Event;
use super::failure::StoreError;
use super::path::Path;
use super::pattern::{Matcher, Pattern, ToPattern};
use super::state::{Logged, State};
use super::teller::Teller;
use super::{Core, Store};
use crate::engine::frame::Frame;
use crate::handle::versions::each_version;
use crate::sync::count::AtomicU64;
use crate::sync::{Acquire, AtomicBool, Mutex, Relaxed, Release};
use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

/// All subscriptions of a store.
pub(super) struct Listeners {
    desk: Mutex<Desk>,
    /// Are writes to be logged?
    listening: AtomicBool,
    /// Writes up to this number have been told.
    told: AtomicU64,
}

struct Desk {
    patterns: Matcher<Arc<Listener>>,
    callbacks: HashMap<String, Arc<Callback>>,
    next: u64,
}

/// One subscription.
pub(super) struct Listener {
    id: u64,
    pub(super) pattern: Pattern,
    call: Call,
    /// Until it is unsubscribed.
    listens: AtomicBool,
}

enum Call {
    Own(Arc<Callback>),
    Named(String),
}

type Function = Box<dyn FnMut(&Event<'_>) + Send>;

/// A function, which is taken out while it runs.
pub(super) struct Callback(Mutex<Option<Function>>);

impl Callback {
    fn new(f: impl FnMut(&Event<'_>) + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Box::new(f)))))
    }

    /// By one thread at a time: inside the teller's run. `Err`: what it panicked with.
    pub(super) fn call(&self, event: &Event<'_>) -> Result<(), Box<dyn Any + Send>> {
        let Some(mut function) = self.0.lock().take() else { return Ok(()) };
        let done = catch_unwind(AssertUnwindSafe(|| function(event)));
        *self.0.lock() = Some(function);
        done
    }
}

/// What to do about a callback that is not registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IfMissing {
    /// The subscription is refused.
    #[default]
    Refuse,
    /// The subscription is silent until there is one.
    Wait,
}

impl Listeners {
    pub(super) fn new() -> Arc<Self> {
        let desk = Desk { patterns: Matcher::new(), callbacks: HashMap::new(), next: 0 };
        let (listening, told) = (AtomicBool::new(false), AtomicU64::new(0));
        Arc::new(Self { desk: Mutex::new(desk), listening, told })
    }

    /// Notes a write that the entries of `state` already show.
    pub(super) fn log(&self, state: &mut State, logged: impl FnOnce() -> Logged) {
        // Acquire: pairs with the Release of `listen`. A write that misses it is told from what
        // the values differ in.
        let listening = self.listening.load(Acquire);
        // Relaxed: what is told stays told.
        state.log(listening, self.told.load(Relaxed), logged);
    }

    /// Nobody needs what was logged up to `number`.
    pub(super) fn told(&self, number: u64) {
        // Relaxed: a fact about the past.
        self.told.fetch_max(number, Relaxed);
    }

    /// Who hears of a change at `path`, in order: those of the path, most specific first, then
    /// those of each path above; each once, with the path it is told for.
    pub(super) fn of(&self, path: &Path) -> Vec<(Path, Arc<Listener>)> {
        let desk = self.desk.lock();
        let levels = desk.patterns.along(path);
        let mut heard = HashSet::new();
        let mut all = Vec::new();
        for (level, current) in levels.into_iter().rev().zip(path.and_above()) {
            let new = level.into_iter().filter(|listener| heard.insert(listener.id));
            let mut new: Vec<_> = new.cloned().collect();
            new.sort_by(|a, b| a.pattern.by_specificity(&b.pattern).then(a.id.cmp(&b.id)));
            all.extend(new.into_iter().map(|listener| (current.clone(), listener)));
        }
        all
    }

    /// What to call for a listener, if it still listens and its callback is there.
    pub(super) fn callback(&self, listener: &Listener) -> Option<Arc<Callback>> {
        // Acquire: pairs with the Release of `end`.
        if !listener.listens.load(Acquire) {
            return None;
        }
        match &listener.call {
            Call::Own(callback) => Some(callback.clone()),
            Call::Named(name) => self.desk.lock().callbacks.get(name).cloned(),
        }
    }

    fn listen(&self, pattern: Pattern, call: Call) -> Arc<Listener> {
        let mut desk = self.desk.lock();
        desk.next += 1;
        let (id, listens) = (desk.next, AtomicBool::new(true));
        let listener = Arc::new(Listener { id, pattern, call, listens });
        desk.patterns.insert(&listener.pattern, listener.clone());
        // Release: pairs with the Acquire of `log`.
        self.listening.store(true, Release);
        listener
    }

    /// True if this was the last one.
    fn end(&self, listener: &Listener) -> bool {
        // Release: pairs with the Acquire of `callback`.
        listener.listens.store(false, Release);
        let mut desk = self.desk.lock();
        let gone = desk.patterns.remove(&listener.pattern, |other| other.id == listener.id);
        let last = desk.patterns.is_empty();
        if last {
            // Release: as in `listen`.
            self.listening.store(false, Release);
        }
        drop(desk);
        // Outside of the lock: dropping a callback is user code.
        drop(gone);
        last
    }
}

impl Store {
    /// Calls back after each commit that changes a path the pattern names, or one below it.
    ///
    /// Inside a pattern `*` stands for one segment, `**` for any number, also none. For each path
    /// that a commit changes there is one event, in the order of the writes; writes to one path
    /// in one commit are one. Who hears of it: those who named the path, then those whose
    /// patterns match it, the most specific first (fewer `**`, fewer `*`, the first wildcard
    /// later); then in the same way the path above, up to the root. Equal ones are in the order
    /// of subscription. A subscription hears of an event once, for the deepest path it names.
    /// [`Event::stop_bubbling`] ends this above the current path.
    ///
    /// Callbacks run inside an effect: by the writing thread, before its write returns, or, if
    /// another thread is running effects of the graph, by that one. All commits are told, in their
    /// order. What a callback writes is committed after all have been called. What it reads of the
    /// store is the newest state; [`Event::get`] has that of the event. A panic is reported to
    /// the graph's `on_error`, and the others are called. Callbacks whose writes wake each other
    /// without end are stopped, and reported with the paths.
    ///
    /// ```
    /// use isobar::store::Store;
    /// use std::sync::mpsc;
    /// let store = Store::new();
    /// let (tell, told) = mpsc::channel();
    /// let names = store.subscribe("/users/*/name", move |event| {
    ///     tell.send(format!("{} is {}", event.matches()[0], event.value().unwrap())).unwrap();
    /// })?;
    /// store.at("/users/1/name").set("Ann")?;
    /// assert_eq!(told.recv().unwrap(), r#"1 is "Ann""#);
    /// # drop(names);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// Cost of a write with listeners: an effect's run, and a look-up in time of the path's
    /// length, however many patterns there are.
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::Write`] inside a computed.
    pub fn subscribe(
        &self,
        pattern: impl ToPattern,
        callback: impl FnMut(&Event<'_>) + Send + 'static,
    ) -> Result<Subscription, StoreError> {
        self.listen(pattern.to_pattern()?, Call::Own(Callback::new(callback)))
    }

    /// Registers a callback by a name, to [subscribe](Self::subscribe_by_name) to any number of
    /// patterns.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// use isobar::store::IfMissing;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// store.register("log", move |event| tell.send(event.path().to_string()).unwrap())?;
    /// let users = store.subscribe_by_name("/users", "log", IfMissing::Refuse)?;
    /// let posts = store.subscribe_by_name("/posts", "log", IfMissing::Refuse)?;
    /// store.at("/posts/1").set("text")?;
    /// assert_eq!(told.recv().unwrap(), "/posts/1");
    /// # drop((users, posts));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::CallbackExists`].
    pub fn register(
        &self,
        name: impl Into<String>,
        callback: impl FnMut(&Event<'_>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (name, callback) = (name.into(), Callback::new(callback));
        let mut desk = self.core.listeners.desk.lock();
        if desk.callbacks.contains_key(&name) {
            return Err(StoreError::CallbackExists { name });
        }
        desk.callbacks.insert(name, callback);
        Ok(())
    }

    /// Registers a callback, in the place of the one of this name, if there is one; its
    /// subscriptions stay.
    pub fn replace_callback(
        &self,
        name: impl Into<String>,
        callback: impl FnMut(&Event<'_>) + Send + 'static,
    ) {
        let callback = Callback::new(callback);
        let before = self.core.listeners.desk.lock().callbacks.insert(name.into(), callback);
        // Outside of the lock: dropping a callback is user code.
        drop(before);
    }

    /// Takes a callback out; its subscriptions are silent until there is another one of its name.
    /// False if there is none.
    pub fn unregister(&self, name: &str) -> bool {
        let gone = self.core.listeners.desk.lock().callbacks.remove(name);
        gone.is_some()
    }

    /// [`subscribe`](Self::subscribe) with a registered callback.
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::NoSuchCallback`]; [`StoreError::Write`] inside a
    /// computed.
    pub fn subscribe_by_name(
        &self,
        pattern: impl ToPattern,
        name: impl Into<String>,
        if_missing: IfMissing,
    ) -> Result<Subscription, StoreError> {
        let (pattern, name) = (pattern.to_pattern()?, name.into());
        let known = self.core.listeners.desk.lock().callbacks.contains_key(&name);
        if !known && if_missing == IfMissing::Refuse {
            return Err(StoreError::NoSuchCallback { name });
        }
        self.listen(pattern, Call::Named(name))
    }

    fn listen(&self, pattern: Pattern, call: Call) -> Result<Subscription, StoreError> {
        let core = &self.core;
        if let Some(refusal) = Frame::current().writes.refusal() {
            return Err(refusal.into());
        }
        let listener = core.listeners.listen(pattern, call);
        let weak = Arc::downgrade(core);
        if core.teller.lock().is_none() {
            self.start_telling();
        }
        Ok(Subscription { core: weak, listener, detached: false })
    }
}

impl Store {
    /// The effect is made outside of the lock, for it runs at once and evaluates derived values. Of
    /// several threads that come here together one's is kept.
    fn start_telling(&self) {
        let core = &self.core;
        let speaks = Arc::new(AtomicBool::new(false));
        let name = Some(format!("{} listeners", self.name()).into());
        let teller = Teller::new(core, speaks.clone());
        // Of the store, not of the effect or batch around.
        let effect = Frame::detached().enter(|| each_version(&core.state, name, teller));
        let mut place = core.teller.lock();
        if place.is_none() {
            // Release: pairs with the Acquire of the teller.
            speaks.store(true, Release);
            *place = Some(effect);
        }
    }
}

/// A callback's place among those who are told; dropping it unsubscribes.
///
/// Also inside the callback itself, and for events that are being told: it is not called any more.
/// It does not keep the store.
#[must_use = "dropping a subscription ends it; `detach` leaves it to the store"]
pub struct Subscription {
    core: Weak<Core>,
    listener: Arc<Listener>,
    detached: bool,
}

impl Subscription {
    /// Unsubscribes; as dropping does.
    pub fn unsubscribe(self) {}

    /// Leaves it to the store: it ends with that. The callback must not keep a handle of the store
    /// then, or neither ends.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// What it was subscribed to.
    pub fn pattern(&self) -> &Pattern {
        &self.listener.pattern
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        let Some(core) = self.core.upgrade() else { return };
        if !core.listeners.end(&self.listener) {
            return;
        }
        let mut teller = core.teller.lock();
        let gone =
            if core.listeners.desk.lock().patterns.is_empty() { teller.take() } else { None };
        drop(teller);
        drop(gone);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.listener.pattern).finish()
    }
}
