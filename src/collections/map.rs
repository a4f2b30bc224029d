//! Maps whose readers depend on the keys they read.

use super::build::CollectionBuilder;
use super::triggers::{Part, PartReader, Scope, Triggers, is_recorded, telling};
use super::{MapChanges, MapDiff, PersistentMap};
use crate::engine::frame::Frame;
use crate::engine::write;
use crate::error::ReadError;
use crate::handle::equality::ByValue;
use crate::handle::readable::{Readable, ReadableExt, sealed::Sealed};
use crate::structure::world::World;
use crate::{Computed, Effect, Loaded, Node, Signal, batch, transaction};
use imbl::ordmap::DiffItem;
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// What keys of maps and elements of sets can do.
///
/// Ordered, for the persistent map behind; hashed, to find a key's readers.
pub trait Key: Ord + Hash + Clone + Send + Sync + 'static {}
impl<K: Ord + Hash + Clone + Send + Sync + 'static> Key for K {}

/// What values in collections can do.
pub trait Item: PartialEq + Clone + Send + Sync + 'static {}
impl<V: PartialEq + Clone + Send + Sync + 'static> Item for V {}

/// A map to read, with tracking by key: a [`ReactiveMap`] seen through
/// [`read_only`](ReactiveMap::read_only), or derived from one.
///
/// Inside a computed or effect each method makes a source of what it tells and of nothing else:
/// [`get`](Self::get) of its key's value, also while there is none; `contains_key` of the key's
/// being there; `len` of the number; `keys` of the set of keys; [`load`](Self::load) of
/// everything. Elsewhere the methods read the newest state, or that of the surrounding batch or
/// draft; a [`Snapshot`](crate::Snapshot) takes the map itself:
///
/// ```
/// use isobar::ReactiveMap;
/// let stock = ReactiveMap::from_iter([("nut", 3), ("bolt", 5)]);
/// let before = isobar::snapshot();
/// stock.insert("nut", 9);
/// assert_eq!(before.with(&*stock, |stock| stock["nut"]), 3);
/// ```
///
/// Handles are clones of one map, equal if they are the same.
pub struct ReadMap<K, V> {
    core: Arc<Core<K, V>>,
}

struct Core<K, V> {
    entries: Entries<K, V>,
    readers: Arc<Triggers<KeyReader<K, V>>>,
    hashing: RandomState,
    how: ByKey<K, V>,
    whole: WholeReaders<K, V>,
}

/// Why a key has no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no such key, or none any more.
    #[error("{map} has no key {key}; insert it, or read it with `get`, which may be none")]
    NoSuchKey {
        /// The map's name.
        map: String,
        /// The key, as `Debug` shows it.
        key: String,
    },
    /// The map, a derived one, has failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The whole map, as a node.
pub(super) type Entries<K, V> = Arc<dyn Readable<Value = PersistentMap<K, V>>>;

/// How one key's value is found.
pub(super) enum ByKey<K, V> {
    /// In the map itself; whoever writes it touches the keys' triggers.
    Written,
    /// In the map itself, which is computed.
    Derived,
    /// From what the source has for the key, tracked.
    From(OfKeyInSource<K, V>),
}

type OfKeyInSource<K, V> = Arc<dyn Fn(&K) -> Option<V> + Send + Sync>;

/// What depends on more than one key; made when first asked for.
struct WholeReaders<K, V> {
    len: OnceLock<Computed<usize>>,
    keys: OnceLock<ReadMap<K, ()>>,
    first: OnceLock<Computed<Option<(K, V)>>>,
    last: OnceLock<Computed<Option<(K, V)>>>,
}

/// The value of one key, and whether there is one, as nodes.
struct KeyReader<K, V>(Arc<OfKey<K, V>>);

struct OfKey<K, V> {
    key: K,
    value: Computed<Option<V>>,
    present: Computed<bool>,
}

impl<K, V> Clone for KeyReader<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Key, V: Item> PartReader for KeyReader<K, V> {
    fn is_unobserved(&self) -> bool {
        let nodes = [self.0.value.node(), self.0.present.node()];
        Arc::strong_count(&self.0) == 1 && nodes.iter().all(|node| node.inner().is_sole())
    }
}

/// Where a key's nodes look.
struct Look<K, V> {
    key: K,
    part: Part,
    entries: Entries<K, V>,
    how: ByKey<K, V>,
}

impl<K: Key, V: Item> Look<K, V> {
    fn value(&self) -> Option<V> {
        match &self.how {
            ByKey::Written => self.part.follow(&*self.entries).get(&self.key).cloned(),
            ByKey::Derived => self.entries.with(|entries| entries.get(&self.key).cloned()),
            ByKey::From(source) => source(&self.key),
        }
    }

    fn is_present(&self) -> bool {
        match &self.how {
            ByKey::Written => self.part.follow(&*self.entries).contains_key(&self.key),
            ByKey::Derived => self.entries.with(|entries| entries.contains_key(&self.key)),
            ByKey::From(source) => source(&self.key).is_some(),
        }
    }
}

impl<K, V> Clone for ByKey<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Written => Self::Written,
            Self::Derived => Self::Derived,
            Self::From(source) => Self::From(source.clone()),
        }
    }
}

impl<K: Key, V: Item> ReadMap<K, V> {
    pub(super) fn new(entries: Entries<K, V>, how: ByKey<K, V>) -> Self {
        let readers = Triggers::new(entries.node().inner().world());
        let whole = WholeReaders {
            len: OnceLock::new(),
            keys: OnceLock::new(),
            first: OnceLock::new(),
            last: OnceLock::new(),
        };
        let hashing = RandomState::new();
        Self { core: Arc::new(Core { entries, readers, hashing, how, whole }) }
    }

    pub(super) fn entries(&self) -> &Entries<K, V> {
        &self.core.entries
    }

    fn world(&self) -> &Arc<World> {
        self.node().inner().world()
    }

    fn hash_of<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.core.hashing.hash_one(key)
    }

    /// The nodes of a key, from the cache or new.
    fn of_key<Q>(&self, key: &Q) -> KeyReader<K, V>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let is_it = |reader: &KeyReader<K, V>| reader.0.key.borrow() == key;
        self.core.readers.reader(self.hash_of(key), is_it, |part| {
            let key = key.to_owned();
            let (entries, how) = (self.core.entries.clone(), self.core.how.clone());
            let look = Arc::new(Look { key: key.clone(), part, entries, how });
            let (for_value, for_presence) = (look.clone(), look);
            let world = self.world();
            let value = Computed::on(world, Some("key".into()), move || for_value.value());
            let present =
                Computed::on(world, Some("contains".into()), move || for_presence.is_present());
            KeyReader(Arc::new(OfKey { key, value, present }))
        })
    }

    /// The value of a key. Inside a computed or effect: woken when this key's value changes, comes
    /// or goes. Cost: a look-up in a persistent tree; inside a computed or effect of a node that
    /// is cached as long as anybody observes it.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let nuts = isobar::computed!([stock] stock.get(&"nut"));
    /// assert_eq!(nuts.get(), Some(3));
    /// stock.remove(&"nut");
    /// assert_eq!(nuts.get(), None);
    /// ```
    ///
    /// # Panics
    /// With a [`ReadError`](crate::ReadError) if a derived map's function failed, or if the map
    /// is of another graph than the computed or effect that reads it.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        if is_recorded(self.world()) {
            return self.of_key(key).0.value.get();
        }
        self.core.entries.with(|entries| entries.get(key).cloned())
    }

    /// As [`get`](Self::get), for who cannot go on without the value.
    ///
    /// ```
    /// let prices = isobar::ReactiveMap::builder().name("prices").build();
    /// prices.insert("nut", 3);
    /// let bill = prices.try_get(&"nut").and_then(|nut| Ok(nut + prices.try_get(&"bolt")?));
    /// let refused = bill.unwrap_err().to_string();
    /// assert!(refused.starts_with("prices has no key \"bolt\""));
    /// ```
    ///
    /// # Errors
    /// [`KeyError`]: there is no such key, or none any more; or the map has failed.
    pub fn try_get<Q>(&self, key: &Q) -> Result<V, KeyError>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + fmt::Debug + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let value = if is_recorded(self.world()) {
            self.of_key(key).0.value.try_get()?
        } else {
            self.core.entries.try_load()?.get(key).cloned()
        };
        value.ok_or_else(|| KeyError::NoSuchKey { map: self.name(), key: format!("{key:?}") })
    }

    /// Is there a value for the key? Woken when the key comes or goes, not by new values.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let sells_nuts = isobar::computed!([stock] stock.contains_key(&"nut"));
    /// stock.insert("nut", 0); // not woken by a value
    /// assert!(sells_nuts.get());
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: Ord + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        if is_recorded(self.world()) {
            return self.of_key(key).0.present.get();
        }
        self.core.entries.with(|entries| entries.contains_key(key))
    }

    /// A computed of one key's value, for code that wants a node.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let nuts = stock.key(&"nut").map(|nuts| nuts.unwrap_or(0) * 2);
    /// assert_eq!(nuts.get(), 6);
    /// ```
    pub fn key(&self, key: &K) -> Computed<Option<V>> {
        self.of_key(key).0.value.clone()
    }

    /// How many keys there are. Woken when that changes.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.len(), 2);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn len(&self) -> usize {
        self.asked(&self.core.whole.len, "len", PersistentMap::len)
    }

    /// Is there no key? Woken when that changes the length.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.clear();
    /// assert!(stock.is_empty());
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry with the smallest key. Woken when that is another one, or has another value.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.first(), Some(("bolt", 5)));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn first(&self) -> Option<(K, V)> {
        self.asked(&self.core.whole.first, "first", |entries| entries.get_min().cloned())
    }

    /// The entry with the greatest key. Woken when that is another one, or has another value.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.last(), Some(("nut", 3)));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn last(&self) -> Option<(K, V)> {
        self.asked(&self.core.whole.last, "last", |entries| entries.get_max().cloned())
    }

    /// A question about the whole map: a node of its own where the answer is recorded.
    fn asked<U: Item>(
        &self,
        node: &OnceLock<Computed<U>>,
        name: &str,
        f: impl Fn(&PersistentMap<K, V>) -> U + Send + Sync + 'static,
    ) -> U {
        if !is_recorded(self.world()) {
            return self.core.entries.with(f);
        }
        let node = node.get_or_init(|| {
            let entries = self.core.entries.clone();
            Computed::on(self.world(), Some(name.into()), move || entries.with(&f))
        });
        node.get()
    }

    /// The keys, in their order. Woken when keys come or go, not by new values.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.keys(), ["bolt", "nut"]);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn keys(&self) -> Vec<K> {
        if !is_recorded(self.world()) {
            return self.core.entries.with(|entries| entries.keys().cloned().collect());
        }
        let keys = self.core.whole.keys.get_or_init(|| super::incremental::keys(self));
        keys.core.entries.with(|keys| keys.keys().cloned().collect())
    }

    /// The whole map, shared and not copied: for iteration, comparison, or to keep. Woken by
    /// every change. Blocks nobody.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let all = stock.load();
    /// stock.clear();
    /// assert_eq!(all.values().sum::<i32>(), 8);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn load(&self) -> Loaded<PersistentMap<K, V>> {
        self.core.entries.load()
    }

    /// The values, in the order of their keys. Woken by every change.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.values(), [5, 3]);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn values(&self) -> Vec<V> {
        self.core.entries.with(|entries| entries.values().cloned().collect())
    }

    /// What changes from now on, to be polled; begins with a [`MapDiff::Reset`].
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let mut changes = stock.changes();
    /// changes.poll();
    /// stock.remove(&"nut");
    /// assert_eq!(changes.poll(), [isobar::MapDiff::Remove { key: "nut", old: 3 }]);
    /// ```
    pub fn changes(&self) -> MapChanges<K, V> {
        MapChanges::new(self.clone())
    }

    /// Calls back at once with a [`MapDiff::Reset`], and after each change with what has changed
    /// since the last call, in the order of the keys; several commits may come as one. What the
    /// callback reads is not tracked.
    ///
    /// ```
    /// use isobar::{MapDiff, ReactiveMap};
    /// use std::sync::mpsc;
    /// let stock = ReactiveMap::new();
    /// let (tell, told) = mpsc::channel();
    /// let log = stock.subscribe_diff(move |diffs| tell.send(diffs.to_vec()).unwrap());
    /// stock.insert("nut", 3);
    /// assert!(matches!(&told.recv().unwrap()[..], [MapDiff::Reset { .. }]));
    /// assert_eq!(told.recv().unwrap(), [MapDiff::Insert { key: "nut", value: 3 }]);
    /// # drop(log);
    /// ```
    pub fn subscribe_diff(&self, mut f: impl FnMut(&[MapDiff<K, V>]) + Send + 'static) -> Effect {
        let mut changes = self.changes();
        Effect::on(self.world(), None, move || {
            let diffs = changes.poll();
            if !diffs.is_empty() {
                crate::untracked(|| f(&diffs));
            }
        })
    }

    /// What changes, as a stream: at first a [`MapDiff::Reset`], then with each item what has
    /// changed since the one before, in the order of the keys. A slow consumer gets one step for
    /// many commits. What is taken from it inside an async effect is not tracked.
    ///
    /// ```
    /// use isobar::{MapDiff, ReactiveMap};
    /// let stock = ReactiveMap::new();
    /// let mut changes = stock.stream_diff();
    /// futures::executor::block_on(async {
    ///     assert!(matches!(changes.next().await.unwrap().unwrap()[..], [MapDiff::Reset { .. }]));
    ///     stock.insert("nut", 3);
    ///     let step = changes.next().await.unwrap().unwrap();
    ///     assert_eq!(step, [MapDiff::Insert { key: "nut", value: 3 }]);
    /// });
    /// ```
    #[cfg(feature = "async")]
    pub fn stream_diff(&self) -> super::MapDiffStream<K, V> {
        let mut changes = self.changes();
        super::DiffStream::new(&self.core.entries, move |now| changes.step(now.clone()))
    }

    /// The name given at creation, or kind, number and place of creation.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert!(stock.name().starts_with("signal"));
    /// ```
    pub fn name(&self) -> String {
        self.node().name()
    }

    /// The node of the whole map.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.node(), stock.read_only().node());
    /// ```
    pub fn node(&self) -> &Node {
        self.core.entries.node()
    }
}

impl<K: Key, V: Item> Sealed for ReadMap<K, V> {}

impl<K: Key, V: Item> Readable for ReadMap<K, V> {
    type Value = PersistentMap<K, V>;

    fn node(&self) -> &Node {
        self.core.entries.node()
    }
}

/// A map that any thread may write, and whose readers are woken by what they read only.
///
/// It reads like a [`ReadMap`], to which it dereferences. Each write is one commit; writes inside
/// a [`batch`](crate::batch) or effect are one commit with everything else written there, and
/// their author reads them at once. No concurrent write is lost. Writes that change nothing wake
/// nobody.
///
/// Writing one key costs a path in a persistent tree and wakes the readers of that key, however
/// many other keys are read. See `docs/COLLECTIONS.md` for what each operation costs.
///
/// ```
/// use isobar::{ReactiveMap, computed};
/// let stock = ReactiveMap::new();
/// let nuts = computed!([stock] stock.get("nut").unwrap_or(0));
/// stock.insert("nut".to_string(), 3);
/// assert_eq!(nuts.get(), 3);
/// stock.insert("bolt".to_string(), 5); // `nuts` is not run again
/// assert_eq!(nuts.get(), 3);
/// ```
pub struct ReactiveMap<K, V> {
    read: ReadMap<K, V>,
    entries: Signal<PersistentMap<K, V>>,
}

impl<K: Key, V: Item> ReactiveMap<K, V> {
    /// An empty map in the current graph.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::new();
    /// stock.insert("nut", 3);
    /// assert_eq!(stock.len(), 1);
    /// ```
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A map with a name, or of another graph.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::<&str, u32>::builder().name("stock").build();
    /// assert_eq!(stock.name(), "stock");
    /// ```
    pub fn builder() -> CollectionBuilder<Self> {
        CollectionBuilder::new()
    }

    #[track_caller]
    fn make(builder: CollectionBuilder<Self>, contents: PersistentMap<K, V>) -> Self {
        let (world, name) = builder.parts();
        let entries = Signal::make(&world, contents, ByValue, name);
        Self { read: ReadMap::new(Arc::new(entries.clone()), ByKey::Written), entries }
    }

    /// A handle that can only read.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let view = stock.read_only();
    /// stock.insert("nut", 4);
    /// assert_eq!(view.get(&"nut"), Some(4));
    /// ```
    pub fn read_only(&self) -> ReadMap<K, V> {
        self.read.clone()
    }

    /// As [`ReadMap::get`]; here, lest the `get` of an imported [`ReadableExt`] come before it.
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        self.read.get(key)
    }

    /// As [`ReadMap::try_get`].
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn try_get<Q>(&self, key: &Q) -> Result<V, KeyError>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + fmt::Debug + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        self.read.try_get(key)
    }

    /// Sets a key's value; returns the one it replaces.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.insert("nut", 4), Some(3));
    /// assert_eq!(stock.insert("screw", 1), None);
    /// ```
    ///
    /// # Panics
    /// Like [`Signal::set`], as all writes do: inside a computed, or an `update` or equality
    /// closure.
    #[track_caller]
    pub fn insert(&self, key: K, value: V) -> Option<V> {
        let scope = self.scope_of(&key);
        self.write(scope, move |entries| put(entries, &key, Some(value.clone())))
    }

    /// Removes a key; returns the value it had.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// assert_eq!(stock.remove(&"nut"), Some(3));
    /// assert_eq!(stock.remove(&"nut"), None);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Ord + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let (scope, key) = (self.scope_of(key), key.to_owned());
        self.write(scope, move |entries| put(entries, &key, None))
    }

    /// Makes a key's new value of its old one, if it has one; false if not. No concurrent update
    /// is lost: the closure runs again if another write came between.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("nut", 3)]);
    /// assert!(stock.update(&"nut", |n| n + 1));
    /// assert!(!stock.update(&"bolt", |n| n + 1));
    /// assert_eq!(stock.get(&"nut"), Some(4));
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn update(&self, key: &K, mut f: impl FnMut(&V) -> V + Send + 'static) -> bool {
        let (scope, key) = (self.scope_of(key), key.clone());
        self.write(scope, move |entries| match entries.get(&key).map(&mut f) {
            Some(value) => {
                put(entries, &key, Some(value));
                true
            }
            None => false,
        })
    }

    /// Makes a key's new value, or `None` to remove it, of its old one, or of `None` if it had
    /// none. The closure runs again if another write came between.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.alter("nut", |nuts| nuts.filter(|nuts| **nuts > 5).copied());
    /// stock.alter("screw", |screws| Some(screws.map_or(1, |screws| screws + 1)));
    /// assert_eq!(stock.keys(), ["bolt", "screw"]);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn alter(&self, key: K, mut f: impl FnMut(Option<&V>) -> Option<V> + Send + 'static) {
        let scope = self.scope_of(&key);
        self.write(scope, move |entries| {
            let value = f(entries.get(&key));
            put(entries, &key, value);
        });
    }

    /// Sets many keys' values in one commit. Costs time in proportion to their number.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.insert_many([("nut", 4), ("screw", 1)]);
    /// assert_eq!(stock.values(), [5, 4, 1]);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn insert_many(&self, entries: impl IntoIterator<Item = (K, V)>) {
        let more: Vec<(K, V)> = entries.into_iter().collect();
        let hashes = more.iter().map(|(key, _)| self.read.hash_of(key));
        let scope = Scope::Parts(hashes.collect());
        self.write(scope, move |entries| {
            for (key, value) in &more {
                put(entries, key, Some(value.clone()));
            }
        });
    }

    /// Removes many keys in one commit. Costs time in proportion to their number.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.remove_many(["nut", "screw"]);
    /// assert_eq!(stock.keys(), ["bolt"]);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn remove_many(&self, keys: impl IntoIterator<Item = K>) {
        let keys: Vec<K> = keys.into_iter().collect();
        let scope = Scope::Parts(keys.iter().map(|key| self.read.hash_of(key)).collect());
        self.write(scope, move |entries| {
            for key in &keys {
                put(entries, key, None);
            }
        });
    }

    /// Keeps the entries that satisfy `keep`, in one commit. Looks at all.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.retain(|_, n| *n > 3);
    /// assert_eq!(stock.keys(), ["bolt"]);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool + Send + 'static) {
        self.mutate(move |entries| {
            let gone: Vec<K> =
                entries.iter().filter(|(k, v)| !keep(k, v)).map(|(k, _)| k.clone()).collect();
            for key in &gone {
                entries.remove(key);
            }
        });
    }

    /// Removes everything, in one commit.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.clear();
    /// assert_eq!(stock.len(), 0);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn clear(&self) {
        self.mutate(PersistentMap::clear);
    }

    /// Replaces everything, in one commit; wakes the readers of what is different only.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// stock.replace([("nut", 3), ("screw", 1)]); // wakes no reader of "nut"
    /// assert_eq!(stock.keys(), ["nut", "screw"]);
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn replace(&self, entries: impl IntoIterator<Item = (K, V)>) {
        let new: PersistentMap<K, V> = entries.into_iter().collect();
        self.mutate(move |entries| *entries = new.clone());
    }

    /// Changes the map in any way, in one commit. The closure runs again if another write came
    /// between. At top level finding out what it changed costs time in proportion to the change;
    /// inside a batch, effect or draft every key that is read is looked at again.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("bolt", 5), ("nut", 3)]);
    /// let moved = stock.mutate(|stock| {
    ///     let nuts = stock.remove("nut").unwrap_or(0);
    ///     stock.insert("bolt", nuts);
    ///     nuts
    /// });
    /// assert_eq!((moved, stock.values()), (3, vec![3]));
    /// ```
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn mutate<R: Send + 'static>(
        &self,
        f: impl FnMut(&mut PersistentMap<K, V>) -> R + Send + 'static,
    ) -> R {
        self.write(Scope::Whole, f)
    }

    pub(super) fn scope_of<Q: Hash + ?Sized>(&self, key: &Q) -> Scope {
        Scope::Parts(vec![self.read.hash_of(key)])
    }

    /// One write. Where it is collected it may be replayed on another map, so it wakes whatever
    /// it may concern; at top level it wakes what it changes.
    #[track_caller]
    pub(super) fn write<R: Send + 'static>(
        &self,
        scope: Scope,
        mut op: impl FnMut(&mut PersistentMap<K, V>) -> R + Send + 'static,
    ) -> R {
        match write::is_collecting(self.entries.node().inner()) {
            Err(error) => panic!("{}: {error}", self.name()),
            Ok(true) => batch(|| self.write_collected(scope, op)),
            // Apart from an effect of another graph, whose writes here are commits of their own.
            Ok(false) => Frame::detached().enter(|| {
                let done = transaction(|| Ok::<_, Infallible>(self.write_once(&scope, &mut op)));
                done.unwrap_or_else(|never| match never {})
            }),
        }
    }

    #[track_caller]
    fn write_collected<R: Send + 'static>(
        &self,
        scope: Scope,
        op: impl FnMut(&mut PersistentMap<K, V>) -> R + Send + 'static,
    ) -> R {
        let (update, told) = telling(op);
        self.read.core.readers.announce(scope).update(&self.entries, update);
        told()
    }

    /// In a transaction: the map is as it was looked at, when this commits.
    #[track_caller]
    fn write_once<R>(
        &self,
        scope: &Scope,
        op: &mut impl FnMut(&mut PersistentMap<K, V>) -> R,
    ) -> R {
        let old = self.entries.load();
        let mut new = PersistentMap::clone(&old);
        let result = op(&mut new);
        if new.ptr_eq(&old) {
            return result;
        }
        let scope = match scope {
            Scope::Parts(hashes) => Scope::Parts(hashes.clone()),
            _ if new == *old => return result,
            _ if self.read.core.readers.is_empty() => Scope::Whole,
            _ => Scope::Parts(self.differing(&old, &new)),
        };
        self.read.core.readers.announce(scope).update(&self.entries, move |_| new.clone());
        result
    }

    fn differing(&self, old: &PersistentMap<K, V>, new: &PersistentMap<K, V>) -> Vec<u64> {
        let keys = old.diff(new).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
            DiffItem::Update { new: (key, _), .. } => key,
        });
        keys.map(|key| self.read.hash_of(key)).collect()
    }
}

/// Sets or removes; returns the value before. What changes nothing leaves the very same map.
pub(super) fn put<K: Key, V: Item>(
    entries: &mut PersistentMap<K, V>,
    key: &K,
    value: Option<V>,
) -> Option<V> {
    match value {
        Some(value) if entries.get(key) == Some(&value) => Some(value),
        Some(value) => entries.insert(key.clone(), value),
        None if !entries.contains_key(key) => None,
        None => entries.remove(key),
    }
}

impl<K: Key, V: Item> CollectionBuilder<ReactiveMap<K, V>> {
    /// The map, empty.
    #[track_caller]
    pub fn build(self) -> ReactiveMap<K, V> {
        ReactiveMap::make(self, PersistentMap::new())
    }
}

impl<K, V> Deref for ReactiveMap<K, V> {
    type Target = ReadMap<K, V>;

    fn deref(&self) -> &ReadMap<K, V> {
        &self.read
    }
}

impl<K: Key, V: Item> Default for ReactiveMap<K, V> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key, V: Item> FromIterator<(K, V)> for ReactiveMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self::make(Self::builder(), entries.into_iter().collect())
    }
}

impl<K: Key, V: Item> Sealed for ReactiveMap<K, V> {}

impl<K: Key, V: Item> Readable for ReactiveMap<K, V> {
    type Value = PersistentMap<K, V>;

    fn node(&self) -> &Node {
        self.entries.node()
    }
}

super::handles!(ReadMap<K: Key, V: Item>, core);
super::handles!(ReactiveMap<K: Key, V: Item>, read, entries);
super::serialized!(ReadMap<K: Key, V: Item>, collect_map, load);
super::serialized!(ReactiveMap<K: Key, V: Item>, collect_map, load);
