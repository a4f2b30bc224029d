//! Computeds by argument: a function remembered for each key, within a bound.
//!
//! The lock is held for finding and linking only. What keys and values do when they are compared,
//! cloned or dropped is user code, and happens outside of it.

use crate::engine::frame::Frame;
use crate::handle::Computed;
use crate::structure::world::World;
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many of the least recently used an insertion looks at: enough to catch up with those that
/// were in use when they were due, few enough to cost an insertion the same at any size.
const LOOKS: usize = 8;

/// A function of a key whose results are computeds, kept for the keys used last.
///
/// Each key's function tracks what it reads, so a change recomputes the keys it concerns and no
/// others; for each key it runs once, whoever asks. Beyond `capacity` the least recently used key
/// is let go, unless somebody observes its computed or has a handle of it.
///
/// Clones are handles of one collection. Asking takes a lock for finding the key; reading a
/// computed asked for with [`of`](Self::of) takes none.
///
/// ```
/// use isobar::{computed_by_key, signal};
/// use std::num::NonZeroUsize;
///
/// let rate = signal(19);
/// let capacity = NonZeroUsize::new(1000).unwrap();
/// let with_tax = computed_by_key(capacity, {
///     let rate = rate.clone();
///     move |net: &i64| net * (100 + rate.get()) / 100
/// });
/// assert_eq!(with_tax.get(&200), 238);
/// rate.set(7);
/// assert_eq!(with_tax.get(&200), 214);
/// ```
pub struct ComputedByKey<K, T> {
    shared: Arc<Shared<K, T>>,
}

struct Shared<K, T> {
    function: Arc<dyn Fn(&K) -> T + Send + Sync>,
    capacity: usize,
    /// Of every key's computed: where the collection was made.
    name: Arc<str>,
    world: Arc<World>,
    hasher: RandomState,
    kept: Mutex<Kept<K, T>>,
}

struct Entry<K, T> {
    key: Arc<K>,
    hash: u64,
    computed: Computed<T>,
}

/// An entry, and the number of its last use.
type Used<K, T> = (Arc<Entry<K, T>>, u64);

struct Kept<K, T> {
    /// By hash.
    entries: HashMap<u64, Vec<Used<K, T>>>,
    by_use: BTreeMap<u64, Arc<Entry<K, T>>>,
    uses: u64,
}

/// Computeds of the current graph by key; see [`ComputedByKey`]. Equality is `PartialEq`.
///
/// ```
/// use std::num::NonZeroUsize;
/// let room = NonZeroUsize::new(100).unwrap();
/// let square = isobar::computed_by_key(room, |n: &u32| n * n);
/// assert_eq!(square.get(&12), 144);
/// ```
#[track_caller]
pub fn computed_by_key<K, T>(
    capacity: NonZeroUsize,
    f: impl Fn(&K) -> T + Send + Sync + 'static,
) -> ComputedByKey<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    let kept = Kept { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 };
    let shared = Shared {
        function: Arc::new(f),
        capacity: capacity.get(),
        name: format!("a key of {}", Location::caller()).into(),
        world: Frame::current().world(),
        hasher: RandomState::new(),
        kept: Mutex::new(kept),
    };
    ComputedByKey { shared: Arc::new(shared) }
}

impl<K, T> ComputedByKey<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    /// The result for `key`; tracked.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// let room = NonZeroUsize::new(100).unwrap();
    /// let length = isobar::computed_by_key(room, |word: &String| word.len());
    /// assert_eq!(length.get("four"), 4); // a `String` is made only if the key is new
    /// ```
    ///
    /// # Panics
    /// As [`Computed::get`].
    pub fn get<Q>(&self, key: &Q) -> T
    where
        T: Clone,
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.of(key).get()
    }

    /// The computed of `key`. As long as somebody has a handle of it, the key is kept.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// let room = NonZeroUsize::new(100).unwrap();
    /// let square = isobar::computed_by_key(room, |n: &u32| n * n);
    /// let of_twelve = square.of(&12);
    /// assert_eq!(of_twelve.map(|n| n + 1).get(), 145);
    /// assert!(of_twelve == square.of(&12));
    /// ```
    pub fn of<Q>(&self, key: &Q) -> Computed<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.shared.hasher.hash_one(key);
        let mut made = None;
        loop {
            let seen = self.lock().use_all(hash);
            if let Some(found) = seen.iter().find(|entry| (*entry.key).borrow() == key) {
                return found.computed.clone();
            }
            let entry = made.get_or_insert_with(|| self.make(key.to_owned(), hash));
            let mut kept = self.lock();
            if kept.holds_only(hash, &seen) {
                kept.insert(entry);
                drop(kept);
                // What this thread looked at is not in use any more.
                drop(seen);
                let gone = self.lock().let_go(self.shared.capacity);
                // Outside of the lock: keys and values are dropped here.
                drop(gone);
                return entry.computed.clone();
            }
            // Somebody else added a key of this hash, perhaps this one.
        }
    }

    /// How many keys are kept.
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// let room = NonZeroUsize::new(100).unwrap();
    /// let square = isobar::computed_by_key(room, |n: &u32| n * n);
    /// square.get(&12);
    /// square.get(&12);
    /// assert_eq!(square.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.lock().by_use.len()
    }

    /// Is none kept?
    ///
    /// ```
    /// use std::num::NonZeroUsize;
    /// let room = NonZeroUsize::new(100).unwrap();
    /// let square = isobar::computed_by_key(room, |n: &u32| n * n);
    /// assert!(square.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn make(&self, key: K, hash: u64) -> Arc<Entry<K, T>> {
        let key = Arc::new(key);
        let (argument, function) = (key.clone(), self.shared.function.clone());
        let name = Some(self.shared.name.clone());
        let computed = Computed::on(&self.shared.world, name, move || function(&argument));
        Arc::new(Entry { key, hash, computed })
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, T>> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T: Send + Sync + 'static> Kept<K, T> {
    /// The entries of one hash, used now. More than one is so rare that they need not be told
    /// apart for that.
    fn use_all(&mut self, hash: u64) -> Vec<Arc<Entry<K, T>>> {
        let Some(bucket) = self.entries.get_mut(&hash) else { return Vec::new() };
        for (entry, used) in &mut *bucket {
            self.by_use.remove(used);
            *used = self.uses;
            self.by_use.insert(self.uses, entry.clone());
            self.uses += 1;
        }
        bucket.iter().map(|(entry, _)| entry.clone()).collect()
    }

    fn holds_only(&self, hash: u64, seen: &[Arc<Entry<K, T>>]) -> bool {
        let is_seen = |entry| seen.iter().any(|seen| Arc::ptr_eq(seen, entry));
        self.entries.get(&hash).is_none_or(|bucket| bucket.iter().all(|(entry, _)| is_seen(entry)))
    }

    fn insert(&mut self, entry: &Arc<Entry<K, T>>) {
        self.entries.entry(entry.hash).or_default().push((entry.clone(), self.uses));
        self.by_use.insert(self.uses, entry.clone());
        self.uses += 1;
    }

    /// Takes out the least recently used ones beyond `capacity` that nobody else uses. Those that
    /// somebody does count as used now.
    fn let_go(&mut self, capacity: usize) -> Vec<Arc<Entry<K, T>>> {
        let mut gone = Vec::new();
        for _ in 0..LOOKS {
            if self.by_use.len() <= capacity {
                break;
            }
            let Some((used, entry)) = self.by_use.pop_first() else { break };
            // This one and the bucket's; a third is a caller's, who is about to take a handle.
            if Arc::strong_count(&entry) > 2 || !entry.computed.node().is_only_handle() {
                self.by_use.insert(used, entry.clone());
                self.use_all(entry.hash);
                continue;
            }
            if let Some(bucket) = self.entries.get_mut(&entry.hash) {
                bucket.retain(|(other, _)| !Arc::ptr_eq(other, &entry));
                if bucket.is_empty() {
                    self.entries.remove(&entry.hash);
                }
            }
            gone.push(entry);
        }
        gone
    }
}

impl<K, T> Clone for ComputedByKey<K, T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// Neither reads nor evaluates.
impl<K, T> fmt::Debug for ComputedByKey<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputedByKey")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}
