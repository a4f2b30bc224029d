//! The store: values by path, observed, derived, and kept in storage. Layer 8.
//!
//! All written values are one signal, which holds a persistent map from paths to values, so that
//! batches, drafts, transactions and snapshots treat a store like any other value. What the
//! readers of one path are woken by stands beside it, as with the keys of a
//! [`ReactiveMap`](crate::ReactiveMap). See `docs/STORE.md`.

mod asynchronous;
mod at;
mod atom;
mod backend;
mod derive;
#[cfg(feature = "redb")]
mod embedded;
mod event;
mod failure;
mod files;
mod keeper;
mod listeners;
mod memory;
mod mount;
mod path;
mod pattern;
#[cfg(feature = "redis")]
mod redis;
mod state;
mod teller;
mod ticket;

pub use asynchronous::{AsyncAt, AsyncStore, AsyncWrite};
pub use at::{At, Write};
pub use atom::Atom;
pub use backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Expected, Heard, Notice,
    Notices, Stored, Version,
};
pub use derive::{Derivation, Sources};
#[cfg(feature = "redb")]
pub use embedded::Embedded;
pub use event::{Event, EventKind};
pub use failure::StoreError;
pub use files::{Files, FilesBuilder, Format, Json};
pub use listeners::{IfMissing, Subscription};
pub use memory::Memory;
pub use mount::{Mount, MountBuilder, MountStats};
pub use path::{Path, PathError, ToPath};
pub use pattern::{Pattern, ToPattern};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisBuilder};
pub use serde_json::Value;
pub use state::{State, Tree};

use self::at::Committed;
use self::derive::Derived;
use self::keeper::Target;
use self::listeners::Listeners;
use self::mount::Mounts;
use self::state::{Entries, Logged};
use self::ticket::{Reach, Ticket};
use crate::collections::PersistentMap;
use crate::collections::triggers::{Part, PartReader, Scope, Triggers, is_recorded, telling};
use crate::engine::frame::Frame;
use crate::engine::write;
use crate::error::ReadError;
use crate::handle::equality::{ByValue, Never};
use crate::handle::readable::{Readable, ReadableExt, sealed::Sealed};
use crate::structure::world::World;
use crate::sync::{Acquire, AtomicBool, Mutex};
use crate::{Computed, Graph, Node, Signal, batch, transaction};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::{Bound, Deref};
use std::sync::{Arc, Weak};

/// Values by path, which any thread may read, write, observe and derive from.
///
/// A path is a place like any other in the graph: reading it inside a computed or effect makes a
/// source of what is at the path and below, and of nothing else; a batch with writes to several
/// paths and signals is one commit; a [`transaction`] over paths is atomic; a
/// [`Snapshot`](crate::Snapshot) or [`Draft`](crate::Draft) takes the store with everything else.
///
/// Clones are the same store. Without [mounts](Self::mount) it is in memory only.
///
/// ```
/// use isobar::store::Store;
/// let store = Store::new();
/// store.at("/users/1/name").set("Ann")?;
/// store.at("/users/1/age").set(31)?;
/// assert_eq!(store.at("/users/1/age").get()?, Some(31));
/// assert_eq!(store.at("/users").to_value()?.unwrap()["1"]["name"], "Ann");
/// # Ok::<(), isobar::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct Store {
    core: Arc<Core>,
}

struct Core {
    places: Arc<Places>,
    /// Tells the listeners, while there are any.
    teller: Mutex<Option<crate::Effect>>,
    mounts: Mounts,
}

/// What is in memory. The mounts' threads hold this and not the core, so that the last handle is
/// dropped by a user, who waits until all is stored, and never by one of them.
struct Places {
    state: Signal<State>,
    derived: Signal<PersistentMap<Path, Derived>>,
    /// Was there ever a derived value?
    derives: AtomicBool,
    readers: Arc<Triggers<PathReader>>,
    hashing: RandomState,
    listeners: Arc<Listeners>,
}

impl Deref for Core {
    type Target = Places;

    fn deref(&self) -> &Places {
        &self.places
    }
}

/// What is at one path and below, as a node.
#[derive(Clone)]
struct PathReader(Arc<(Path, Computed<Tree>)>);

impl PartReader for PathReader {
    fn is_unobserved(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.0.1.node().inner().is_sole()
    }
}

/// Builds a [`Store`] with a name or of another graph than the current one.
///
/// ```
/// use isobar::Graph;
/// use isobar::store::Store;
/// let settings = Store::builder().name("settings").graph(&Graph::new()).build();
/// assert_eq!(settings.name(), "settings");
/// ```
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug, Default)]
pub struct StoreBuilder {
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
}

impl StoreBuilder {
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

    /// The store, empty.
    #[track_caller]
    pub fn build(self) -> Store {
        let world = self.world.unwrap_or_else(|| Frame::current().world());
        let name = self.name.unwrap_or_else(|| "store".into());
        let derived = Some(format!("{name}.derived").into());
        let mounts = Mounts::new(&world, name.clone());
        let places = Places {
            state: Signal::make(&world, State::new(), ByValue, Some(name)),
            derived: Signal::make(&world, PersistentMap::new(), Never, derived),
            derives: AtomicBool::new(false),
            readers: Triggers::new(&world),
            hashing: RandomState::new(),
            listeners: Listeners::new(),
        };
        let core = Core { places: Arc::new(places), teller: Mutex::new(None), mounts };
        Store { core: Arc::new(core) }
    }
}

impl Default for Store {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store in the current graph.
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with a name, or of another graph.
    pub fn builder() -> StoreBuilder {
        StoreBuilder::default()
    }

    /// A store of the current graph that is kept in one file of an embedded database: the choice
    /// where nothing speaks for another. The same as [`mount`](Self::mount) of an [`Embedded`] at
    /// the root.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the file cannot be opened, or another process has it.
    #[cfg(feature = "redb")]
    #[track_caller]
    pub fn open(file: impl AsRef<std::path::Path>) -> Result<Self, StoreError> {
        let store = Self::new();
        store.mount("/", Embedded::open(file)?).build()?;
        Ok(store)
    }

    /// A place in the store, to read and to write. What is no path is an error of the first read
    /// or write.
    pub fn at(&self, path: impl ToPath) -> At {
        At::new(self.clone(), path.to_path())
    }

    /// All written values at one revision; tracked. Keeps them, copies none and blocks nobody.
    pub fn state(&self) -> crate::Loaded<State> {
        self.core.state.load()
    }

    /// Makes all written values what they were, in one commit; mounts follow. What is the same
    /// stays as it is. For the way back to a revision that the graph keeps, or to a snapshot:
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/volume").set(3)?;
    /// let before = isobar::snapshot();
    /// store.at("/volume").set(11)?;
    /// store.restore(&before.load(&store))?;
    /// assert_eq!(store.at("/volume").get()?, Some(3));
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Write`].
    #[track_caller]
    pub fn restore(&self, state: &State) -> Result<bool, StoreError> {
        self.core.replace(&Path::root(), state.entries.clone(), &Logged::plain)?.wait()
    }

    /// The name given at creation, or `store`.
    pub fn name(&self) -> String {
        self.core.state.name()
    }

    fn from_weak(core: &Weak<Core>) -> Option<Self> {
        core.upgrade().map(|core| Self { core })
    }
}

impl Places {
    fn world(&self) -> &Arc<World> {
        self.state.node().inner().world()
    }

    /// What is at a path and below, at the revision at which this is asked; tracked.
    fn tree(&self, path: &Path) -> Result<Tree, ReadError> {
        if is_recorded(self.world()) {
            return self.reader(path).0.1.try_get();
        }
        let state = ReadableExt::try_load(&self.state)?;
        // Acquire: pairs with the Release of who derives first, before its commit; so a state that
        // is read before this is of no later revision than one without derived values.
        if self.derives.load(Acquire) {
            // One evaluation reads one revision.
            return self.reader(path).0.1.try_get();
        }
        Ok(state.tree(path))
    }

    /// The same for who is about to write: a derived value that fails is no reason not to.
    fn written(&self, path: &Path) -> Result<Tree, ReadError> {
        self.tree(path).or_else(|_| Ok(ReadableExt::try_load(&self.state)?.tree(path)))
    }

    fn hash_of(&self, path: &str) -> u64 {
        self.hashing.hash_one(path)
    }

    /// The node of a path, from the cache or new.
    fn reader(&self, path: &Path) -> PathReader {
        let hash = self.hash_of(path.inner());
        let is_it = |reader: &PathReader| reader.0.0 == *path;
        self.readers.reader(hash, is_it, |part| {
            let look = Look { path: path.clone(), part, state: self.state.clone() };
            let derived = self.derived.clone();
            let name = Some(path.as_str().into());
            let tree = Computed::on(self.world(), name, move || look.tree(&derived));
            PathReader(Arc::new((path.clone(), tree)))
        })
    }

    /// The readers a write at these paths concerns: theirs, and those of all above.
    fn scope<'p>(&self, paths: impl Iterator<Item = &'p Path>) -> Scope {
        let mut hashes: Vec<u64> =
            paths.flat_map(|path| path.upwards().map(|above| self.hash_of(above))).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Scope::Parts(hashes)
    }

    /// One write, replayed until its commit lands. What it returns is what it came to last.
    #[track_caller]
    fn write<R: Send + 'static>(
        &self,
        scope: Scope,
        op: impl FnMut(&mut State) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        self.apart(|| self.record(scope, op))
    }

    /// A write, apart from an effect of another graph, whose writes here are commits of their own.
    fn apart<R>(&self, f: impl FnOnce() -> R) -> Result<R, StoreError> {
        let collects = write::is_collecting(self.state.node().inner())?;
        Ok(if collects { f() } else { Frame::detached().enter(f) })
    }

    #[track_caller]
    fn record<R: Send + 'static>(
        &self,
        scope: Scope,
        op: impl FnMut(&mut State) -> R + Send + 'static,
    ) -> R {
        let (update, told) = telling(op);
        batch(|| self.readers.announce(scope).update(&self.state, update));
        told()
    }

    /// The newest state that was committed, also inside a batch or effect; not tracked.
    fn committed(&self) -> Result<crate::Loaded<State>, ReadError> {
        Frame::detached().enter(|| ReadableExt::try_load(&self.state))
    }
}

impl Core {
    /// Before a write at a path and below: who is to store it.
    fn begin(&self, reach: &Reach) -> Result<Ticket, StoreError> {
        let collects = write::is_collecting(self.state.node().inner())?;
        Ok(if collects { Ticket::default() } else { self.mounts.begin(reach) })
    }

    fn newest(&self) -> Target {
        Frame::detached().enter(|| self.state.with(Target::of))
    }

    /// Makes what is at a path and below what is given.
    #[track_caller]
    fn replace(
        &self,
        path: &Path,
        new: Entries,
        logged: &(impl Fn(&Path) -> Logged + Clone + Send + 'static),
    ) -> Result<Committed, StoreError> {
        let ticket = self.begin(&Reach::Tree(path.clone()))?;
        let new = Tree::new(new, path.clone());
        let replacing = Replacing { new, outcome: Arc::default() };
        if write::is_collecting(self.state.node().inner())? {
            // On replay there may be something else below.
            self.replace_once(&replacing, logged, Scope::Whole)?;
        } else {
            Frame::detached().enter(|| {
                transaction(|| {
                    // Recorded: if it is another one when this commits, all is done again.
                    let changed = self.written(path)?.differing(&replacing.new);
                    self.replace_once(&replacing, logged, self.scope(changed.iter()))
                })
            })?;
        }
        // Of the replay that was committed.
        let (changed, number) = *replacing.outcome.lock();
        Ok(Committed { changed, ticket: ticket.committed(number, || self.newest()) })
    }

    #[track_caller]
    fn replace_once(
        &self,
        replacing: &Replacing,
        logged: &(impl Fn(&Path) -> Logged + Clone + Send + 'static),
        scope: Scope,
    ) -> Result<(), StoreError> {
        let Replacing { new, outcome } = replacing.clone();
        let (listeners, logged) = (self.listeners.clone(), logged.clone());
        self.write(scope, move |state| {
            let changed = state.tree(new.path()).differing(&new);
            for path in &changed {
                match new.entries.get(path) {
                    Some(value) => drop(state.entries.insert(path.clone(), value.clone())),
                    None => drop(state.entries.remove(path)),
                }
                listeners.log(state, || logged(path));
            }
            *outcome.lock() = (!changed.is_empty(), state.number);
        })
    }
}

/// What takes the place of what is at a path and below; whether that changed anything, and the
/// number of the state then.
#[derive(Clone)]
struct Replacing {
    new: Tree,
    outcome: Arc<Mutex<(bool, u64)>>,
}

/// Stores what is to be stored. And what is derived from paths reads them by nodes that look at
/// what is derived: this lets go of it.
impl Drop for Core {
    fn drop(&mut self) {
        self.unmount_all();
        // Acquire: pairs with the Release of who derives first; which is over.
        if self.derives.load(Acquire) {
            Frame::detached().enter(|| self.derived.set(PersistentMap::new()));
        }
    }
}

/// Where a path's node looks.
struct Look {
    path: Path,
    part: Part,
    state: Signal<State>,
}

impl Look {
    fn tree(&self, derived: &Signal<PersistentMap<Path, Derived>>) -> Tree {
        let mut entries = self.part.follow(&self.state).entries.clone();
        let derived = derived.load();
        let from = (Bound::Included(self.path.clone()), Bound::Unbounded);
        let here = derived.range(from).take_while(|(path, _)| path.starts_with(&self.path));
        for (path, derived) in here {
            derived.put(path, &mut entries);
        }
        Tree::new(entries, self.path.clone())
    }
}

impl Sealed for Store {}

/// The written values.
impl Readable for Store {
    type Value = State;

    fn node(&self) -> &Node {
        self.core.state.node()
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl Eq for Store {}

/// Shows the name; neither reads nor evaluates.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.name()).finish()
    }
}
