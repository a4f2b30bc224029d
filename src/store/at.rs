//! One place in a store: reading it and writing it.

use super::asynchronous::AsyncWrite;
use super::failure::StoreError;
use super::path::{Path, PathError, ToPath};
use super::state::{Entries, Logged, Payload, State, Tree, Voice, spread};
use super::ticket::{Reach, Ticket};
use super::{Core, Store};
use crate::{Computed, batch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

/// A place in a [`Store`]: a path, to read, to write and to observe. Cheap to clone.
///
/// Inside a computed or effect a read makes a source of what is at the path and below. Elsewhere it
/// reads the newest state, or that of the surrounding batch, transaction or draft.
///
/// A place may have a value of its own beside children. As one value it then reads as an object of
/// the children, in which its own value has the key `/`.
///
/// ```
/// use isobar::store::Store;
/// let store = Store::new();
/// let users = store.at("/users");
/// users.at("1/name").set("Ann")?;
/// assert_eq!(users.at("1").at("name").get()?, Some("Ann".to_string()));
/// assert!(users.delete()? && !users.contains()?);
/// # Ok::<(), isobar::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct At {
    store: Store,
    path: Result<Path, PathError>,
}

/// What a tree has to be, as one value, to be a `T`.
pub(super) fn decode<T: DeserializeOwned>(tree: &Tree) -> Result<Option<T>, StoreError> {
    let decoded = match tree.own().filter(|_| !tree.has_children()) {
        Some(own) => Some(T::deserialize(&**own)),
        None => tree.to_value().map(serde_json::from_value),
    };
    decoded.transpose().map_err(|source| StoreError::Decode {
        path: tree.path().clone(),
        wanted: type_name::<T>(),
        source: Arc::new(source),
    })
}

fn encode(path: &Path, value: &impl Serialize) -> Result<Value, StoreError> {
    let encoded = serde_json::to_value(value);
    encoded.map_err(|source| StoreError::Encode { path: path.clone(), source: Arc::new(source) })
}

pub(super) fn encode_some(
    path: &Path,
    value: Option<impl Serialize>,
) -> Result<Option<Value>, StoreError> {
    value.map(|value| encode(path, &value)).transpose()
}

impl At {
    pub(super) fn new(store: Store, path: Result<Path, PathError>) -> Self {
        Self { store, path }
    }

    /// The path.
    ///
    /// # Errors
    /// [`PathError`] if what was given is none.
    pub fn path(&self) -> Result<&Path, PathError> {
        self.path.as_ref().map_err(PathError::clone)
    }

    /// The place of a child, or further below; of nothing (`""`, `/`) it is this one. For names
    /// that come from outside there is [`child`](Self::child).
    pub fn at(&self, below: impl ToPath) -> Self {
        let joined = self.path.clone().and_then(|path| path.join(&below.to_path()?));
        Self { store: self.store.clone(), path: joined }
    }

    /// The place of one child, by its name; what is not the name of one is an error of the first
    /// read or write, so no name leads elsewhere.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let users = store.at("/users");
    /// users.child("ann").set(1)?;
    /// for name in ["", ".", "ann/age", "..", "*"] {
    ///     assert!(users.child(name).delete().is_err());
    /// }
    /// assert_eq!(users.list()?, ["ann"]);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn child(&self, name: &str) -> Self {
        let child = self.path.clone().and_then(|path| path.child(name));
        Self { store: self.store.clone(), path: child }
    }

    fn core(&self) -> &Core {
        &self.store.core
    }

    /// What is here and below, as a view of this revision; tracked. Costs a look-up; inside a
    /// computed or effect of a node that is cached for as long as anybody observes it.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/users/1/name").set("Ann")?;
    /// let users = store.at("/users").tree()?;
    /// store.at("/users").delete()?;
    /// let (path, name) = users.iter().next().unwrap();
    /// assert_eq!((path.as_str(), name.as_str()), ("/users/1/name", Some("Ann")));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::Read`] if a derived value here or below has failed.
    pub fn tree(&self) -> Result<Tree, StoreError> {
        Ok(self.core().tree(self.path()?)?)
    }

    /// What is here and below as one value, see [`Tree::to_value`]; tracked. `None` if there is
    /// nothing.
    ///
    /// # Errors
    /// As [`tree`](Self::tree).
    pub fn to_value(&self) -> Result<Option<Value>, StoreError> {
        Ok(self.tree()?.to_value())
    }

    /// What is here and below as a `T`; tracked. `None` if there is nothing.
    ///
    /// ```
    /// use isobar::store::Store;
    /// #[derive(serde::Deserialize)]
    /// struct Window { width: u32, title: String }
    ///
    /// let store = Store::new();
    /// store.at("/window/width").set(800)?;
    /// store.at("/window/title").set("isobar")?;
    /// let window: Window = store.at("/window").get()?.unwrap();
    /// assert_eq!((window.width, window.title.as_str()), (800, "isobar"));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`tree`](Self::tree); [`StoreError::Decode`] if it is no `T`.
    pub fn get<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        decode(&self.tree()?)
    }

    /// The value, or, where there is none, `default`, which is not written.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// assert_eq!(store.at("/volume").get_or(50)?, 50);
    /// assert!(!store.at("/volume").contains()?);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_or<T: DeserializeOwned>(&self, default: T) -> Result<T, StoreError> {
        Ok(self.get()?.unwrap_or(default))
    }

    /// The value, or, where there is nothing, `default`, which is written then, with its event.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// assert_eq!(store.at("/volume").get_or_insert(50)?, 50);
    /// assert_eq!(store.at("/volume").get_or_insert(60)?, 50);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    #[track_caller]
    pub fn get_or_insert<T>(&self, default: T) -> Result<T, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        if let Some(there) = self.get()? {
            return Ok(there);
        }
        self.commit_default(&default)?.wait()?;
        // Another thread may have been faster.
        self.get_or(default)
    }

    #[track_caller]
    pub(super) fn commit_default(&self, default: &impl Serialize) -> Result<Committed, StoreError> {
        let new = Arc::new(encode(self.path()?, default)?);
        self.write().put(move |old: Option<&Value>| Ok(old.is_none().then(|| Some(new.clone()))))
    }

    /// Is there a value, here or below? Tracked.
    ///
    /// # Errors
    /// As [`tree`](Self::tree).
    pub fn contains(&self) -> Result<bool, StoreError> {
        Ok(!self.tree()?.is_empty())
    }

    /// The names of the children, in order; tracked.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/users/bob/age").set(31)?;
    /// store.at("/users/ann/age").set(30)?;
    /// assert_eq!(store.at("/users").list()?, ["ann", "bob"]);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`tree`](Self::tree).
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.tree()?.children().map(str::to_string).collect())
    }

    /// The node of what is here and below, for snapshots, drafts, streams, `map`, `wait_until`.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let volume = store.at("/volume").node()?.map(|tree| tree.get().ok().flatten().unwrap_or(5));
    /// let before = isobar::snapshot();
    /// store.at("/volume").set(11)?;
    /// assert_eq!((before.get(&volume), volume.get()), (5, 11));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Path`].
    pub fn node(&self) -> Result<Computed<Tree>, StoreError> {
        Ok(self.core().reader(self.path()?).0.1.clone())
    }

    /// Sets the value of this very place, and leaves what is below. True if it is another one now.
    /// An object is one value; [`set_tree`](Self::set_tree) gives its fields places of their own.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// assert!(store.at("/volume").set(3)?);
    /// assert!(!store.at("/volume").set(3)?);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::Encode`]; [`StoreError::Write`] inside a computed.
    #[track_caller]
    pub fn set(&self, value: impl Serialize) -> Result<bool, StoreError> {
        self.write().set(value)
    }

    /// Makes the value of this very place of the one there. No concurrent update is lost: `f` runs
    /// again if another write came between.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/visits").update(|n: Option<u64>| n.unwrap_or(0) + 1)?;
    /// assert_eq!(store.at("/visits").get()?, Some(1));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set); [`StoreError::Decode`] if what is there is no `T`.
    #[track_caller]
    pub fn update<T>(
        &self,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<bool, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.write().update(f)
    }

    /// Makes what is here and below the fields of `value`, and theirs, at places of their own, in
    /// one commit; what is different only. A field `/` is the value of the place itself.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/user").set_tree(serde_json::json!({ "name": "Ann", "age": 30 }))?;
    /// assert_eq!(store.at("/user/age").get()?, Some(30));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set); [`StoreError::Path`] if a field's name is no segment.
    #[track_caller]
    pub fn set_tree(&self, value: impl Serialize) -> Result<bool, StoreError> {
        self.write().set_tree(value)
    }

    /// Deletes the value here and all below, in one commit; true if there was any. Mounts below
    /// stay, empty. Derived values stay; one that is derived here is none until its source
    /// changes.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[track_caller]
    pub fn delete(&self) -> Result<bool, StoreError> {
        self.write().delete()
    }

    /// Tells the listeners of this path and those above, although nothing is written.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let heard = store.subscribe("/jobs", move |event| tell.send(event.kind()).unwrap())?;
    /// store.at("/jobs/7").ping()?;
    /// assert_eq!(told.recv().unwrap(), isobar::store::EventKind::Ping);
    /// # drop(heard);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[track_caller]
    pub fn ping(&self) -> Result<(), StoreError> {
        self.write().ping()
    }

    /// A write that says more: a payload, an equality of its own, or that nobody is to be told.
    pub fn write(&self) -> Write<'_> {
        Write { at: self, payload: None, voice: Voice::Changed, equality: None }
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("At").field(&self.path).finish()
    }
}

type Equality = Box<dyn FnMut(&Value, &Value) -> bool + Send>;

/// A write that says more than what; see [`At::write`].
#[must_use = "nothing is written until one of the methods that write"]
pub struct Write<'a> {
    at: &'a At,
    payload: Option<Payload>,
    voice: Voice,
    equality: Option<Equality>,
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("at", &self.at.path).finish_non_exhaustive()
    }
}

impl<'a> Write<'a> {
    /// Travels with the write's events, up to the root.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let heard = store.subscribe("/", move |event| {
    ///     tell.send(event.payload::<&str>().copied()).unwrap();
    /// })?;
    /// store.at("/price").write().payload("from the feed").set(10)?;
    /// assert_eq!(told.recv().unwrap(), Some("from the feed"));
    /// # drop(heard);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn payload(mut self, payload: impl Any + Send + Sync) -> Self {
        self.payload = Some(Arc::new(payload));
        self
    }

    /// No listener is told. Computeds, effects and derived values follow as ever.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let heard = store.subscribe("/n", |_| panic!("nobody is told"))?;
    /// store.at("/n").write().quiet().set(1)?;
    /// # drop(heard);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn quiet(mut self) -> Self {
        self.voice = Voice::Quiet;
        self
    }

    /// The same write for async code, which awaits what else would block; see
    /// [`AsyncStore`](super::AsyncStore).
    pub fn asynchronous(self) -> AsyncWrite<'a> {
        AsyncWrite(self)
    }

    /// When the new value is no change, and is not written: arguments are the old value and the
    /// new one. A panic in it is the write's; nothing is written.
    ///
    /// ```
    /// use isobar::store::{Store, Value};
    /// let (store, id) = (Store::new(), |user: &Value| user["id"].clone());
    /// let same_id = move |old: &Value, new: &Value| id(old) == id(new);
    /// let user = store.at("/user");
    /// user.set(serde_json::json!({ "id": 1, "seen": "monday" }))?;
    /// let later = serde_json::json!({ "id": 1, "seen": "friday" });
    /// assert!(!user.write().equality(same_id).set(later)?);
    /// assert_eq!(user.to_value()?.unwrap()["seen"], "monday");
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn equality(mut self, equal: impl FnMut(&Value, &Value) -> bool + Send + 'static) -> Self {
        self.equality = Some(Box::new(equal));
        self
    }

    /// See [`At::set`].
    ///
    /// # Errors
    /// As [`At::set`].
    #[track_caller]
    pub fn set(self, value: impl Serialize) -> Result<bool, StoreError> {
        self.commit_set(value)?.wait()
    }

    /// See [`At::update`].
    ///
    /// # Errors
    /// As [`At::update`].
    #[track_caller]
    pub fn update<T>(
        self,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<bool, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.commit_update(f)?.wait()
    }

    /// See [`At::set_tree`].
    ///
    /// # Errors
    /// As [`At::set_tree`].
    #[track_caller]
    pub fn set_tree(self, value: impl Serialize) -> Result<bool, StoreError> {
        self.commit_tree(value)?.wait()
    }

    /// See [`At::delete`].
    ///
    /// # Errors
    /// As [`At::delete`].
    #[track_caller]
    pub fn delete(self) -> Result<bool, StoreError> {
        self.commit_delete()?.wait()
    }

    /// See [`At::ping`].
    ///
    /// # Errors
    /// As [`At::ping`].
    #[track_caller]
    pub fn ping(self) -> Result<(), StoreError> {
        let (core, path) = (self.at.core(), self.at.path()?.clone());
        let (listeners, payload) = (core.listeners.clone(), self.payload);
        core.write(core.scope(std::iter::empty()), move |state| {
            let logged =
                || Logged { path: path.clone(), payload: payload.clone(), voice: Voice::Always };
            listeners.log(state, logged);
        })
    }

    #[track_caller]
    pub(super) fn commit_set(self, value: impl Serialize) -> Result<Committed, StoreError> {
        let new = Arc::new(encode(self.at.path()?, &value)?);
        self.put(move |_| Ok(Some(Some(new.clone()))))
    }

    #[track_caller]
    pub(super) fn commit_update<T>(
        self,
        mut f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<Committed, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        let path = self.at.path()?.clone();
        self.put(move |old| {
            let old = old.map(T::deserialize).transpose();
            let old = old.map_err(|source| StoreError::Decode {
                path: path.clone(),
                wanted: type_name::<T>(),
                source: Arc::new(source),
            })?;
            Ok(Some(Some(Arc::new(encode(&path, &f(old))?))))
        })
    }

    #[track_caller]
    pub(super) fn commit_tree(self, value: impl Serialize) -> Result<Committed, StoreError> {
        let path = self.at.path()?;
        let fields = spread(path, encode(path, &value)?)?;
        let new = fields.into_iter().map(|(path, value)| (path, Arc::new(value)));
        self.replace(new.collect())
    }

    #[track_caller]
    pub(super) fn commit_delete(self) -> Result<Committed, StoreError> {
        let (core, path) = (self.at.core(), self.at.path()?.clone());
        let Some(derived) = core.derived_at(&path) else { return self.replace(Entries::new()) };
        let ticket = core.begin(&Reach::Tree(path))?;
        // A failure is something to be deleted, too.
        let had = derived.value.try_get().map_or(true, |value| value.is_some());
        // What is derived here and what is written below go in one commit.
        let both = || {
            derived.value.try_set(None)?;
            self.replace(Entries::new())
        };
        let below = core.apart(|| batch(both))??;
        let ticket = ticket.committed(core.newest().number, || core.newest());
        Ok(Committed { changed: had || below.changed, ticket })
    }

    #[track_caller]
    fn replace(self, new: Entries) -> Result<Committed, StoreError> {
        let (payload, voice) = (self.payload, self.voice);
        let logged =
            move |path: &Path| Logged { path: path.clone(), payload: payload.clone(), voice };
        self.at.core().replace(self.at.path()?, new, &logged)
    }

    /// Writes the value that `make` makes of the one there.
    #[track_caller]
    fn put(
        self,
        make: impl FnMut(Option<&Value>) -> Made + Send + 'static,
    ) -> Result<Committed, StoreError> {
        let core = self.at.core();
        let path = self.at.path()?.clone();
        let Self { payload, voice, mut equality, .. } = self;
        let mut put = Put { path: path.clone(), payload, voice, make };
        if let Some(derived) = core.derived_at(&path) {
            return put.set_by_hand(&derived.value, equality);
        }
        let ticket = core.begin(&Reach::Place(path.clone()))?;
        let listeners = core.listeners.clone();
        let (changed, number) =
            core.write(core.scope(std::iter::once(&path)), move |state| {
                let Some(new) = put.new_value(state, &mut equality)? else {
                    return Ok((false, state.number));
                };
                match new {
                    Some(value) => drop(state.entries.insert(put.path.clone(), value)),
                    None => drop(state.entries.remove(&put.path)),
                }
                listeners.log(state, || put.logged());
                Ok::<_, StoreError>((true, state.number))
            })??;
        Ok(Committed { changed, ticket: ticket.committed(number, || core.newest()) })
    }
}

/// What a write came to in memory, and what there is to wait for.
pub(super) struct Committed {
    pub(super) changed: bool,
    pub(super) ticket: Ticket,
}

impl Committed {
    pub(super) fn wait(self) -> Result<bool, StoreError> {
        self.ticket.wait().map(|()| self.changed)
    }

    pub(super) async fn stored(self) -> Result<bool, StoreError> {
        self.ticket.stored().await.map(|()| self.changed)
    }
}

/// A write of one place.
struct Put<F> {
    path: Path,
    payload: Option<Payload>,
    voice: Voice,
    make: F,
}

/// `Some(None)` deletes, `None` leaves what is there.
type Made = Result<Option<Option<Arc<Value>>>, StoreError>;

impl<F: FnMut(Option<&Value>) -> Made> Put<F> {
    /// The new value, if it is another one.
    fn new_value(&mut self, state: &State, equality: &mut Option<Equality>) -> Made {
        let old = state.entries.get(&self.path);
        let new = (self.make)(old.map(|old| &**old))?;
        Ok(new.filter(|new| !is_equal(equality, old, new.as_ref())))
    }

    fn logged(&self) -> Logged {
        Logged { path: self.path.clone(), payload: self.payload.clone(), voice: self.voice }
    }

    /// A derived value's: until its source changes.
    #[track_caller]
    fn set_by_hand(
        &mut self,
        derived: &crate::Linked<Option<Arc<Value>>>,
        mut equality: Option<Equality>,
    ) -> Result<Committed, StoreError> {
        let old = derived.try_get()?;
        let new = (self.make)(old.as_deref())?;
        let new = new.filter(|new| !is_equal(&mut equality, old.as_ref(), new.as_ref()));
        let changed = new.is_some();
        new.map_or(Ok(()), |new| derived.try_set(new))?;
        Ok(Committed { changed, ticket: Ticket::default() })
    }
}

fn is_equal(
    equality: &mut Option<Equality>,
    old: Option<&Arc<Value>>,
    new: Option<&Arc<Value>>,
) -> bool {
    match (equality, old, new) {
        (Some(equal), Some(old), Some(new)) => equal(old, new),
        _ => old == new,
    }
}

impl Tree {
    /// What is here and below as a `T`; `None` if there is nothing.
    ///
    /// # Errors
    /// [`StoreError::Decode`] if it is no `T`.
    pub fn get<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        decode(self)
    }
}
