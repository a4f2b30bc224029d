//! Sets whose readers depend on the elements they ask for: maps without values.

use super::build::CollectionBuilder;
use super::map::Key;
use super::{MapChanges, MapDiff, PersistentMap, ReactiveMap, ReadMap};
use crate::handle::readable::{Readable, sealed::Sealed};
use crate::{Computed, Effect, Loaded, Node};
use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::Deref;

/// A set to read, with tracking by element; see [`ReactiveSet`] and [`ReadMap`].
///
/// Inside a computed or effect [`contains`](Self::contains) is woken when that element comes or
/// goes, `len` when the number changes, [`elements`](Self::elements) and [`load`](Self::load) by
/// every change.
pub struct ReadSet<T> {
    map: ReadMap<T, ()>,
}

impl<T: Key> ReadSet<T> {
    pub(super) fn new(map: ReadMap<T, ()>) -> Self {
        Self { map }
    }

    /// Is it an element? Woken when it comes or goes.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let has_two = isobar::computed!([set] set.contains(&2));
    /// assert!(has_two.get());
    /// set.remove(&2);
    /// assert!(!has_two.get());
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn contains<Q>(&self, element: &Q) -> bool
    where
        Q: Ord + Hash + ToOwned<Owned = T> + ?Sized,
        T: Borrow<Q>,
    {
        self.map.contains_key(element)
    }

    /// How many elements there are. Woken when that changes.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert_eq!(set.len(), 3);
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Is there no element?
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.clear();
    /// assert!(set.is_empty());
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The smallest element. Woken when that is another one.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert_eq!(set.first(), Some(1));
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn first(&self) -> Option<T> {
        self.map.first().map(|(element, ())| element)
    }

    /// The greatest element. Woken when that is another one.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert_eq!(set.last(), Some(3));
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn last(&self) -> Option<T> {
        self.map.last().map(|(element, ())| element)
    }

    /// The elements, in their order. Woken by every change.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert_eq!(set.elements(), [1, 2, 3]);
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn elements(&self) -> Vec<T> {
        self.map.load().keys().cloned().collect()
    }

    /// The whole set, shared and not copied, as a map to nothing. Woken by every change.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let all = set.load();
    /// set.clear();
    /// assert_eq!(all.keys().sum::<i32>(), 6);
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn load(&self) -> Loaded<PersistentMap<T, ()>> {
        self.map.load()
    }

    /// Has it no element in common with these? Woken when that changes the answer.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert!(set.is_disjoint([7, 8]) && !set.is_disjoint([3, 7]));
    /// ```
    ///
    /// # Panics
    /// As [`ReadMap::get`].
    pub fn is_disjoint(&self, others: impl IntoIterator<Item = T>) -> bool {
        others.into_iter().all(|other| !self.contains(&other))
    }

    /// What changes from now on, to be polled; elements are keys without values.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let mut changes = set.changes();
    /// changes.poll();
    /// set.insert(4);
    /// assert_eq!(changes.poll(), [isobar::MapDiff::Insert { key: 4, value: () }]);
    /// ```
    pub fn changes(&self) -> MapChanges<T, ()> {
        self.map.changes()
    }

    /// Calls back with what changes; see [`ReadMap::subscribe_diff`].
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let sizes = isobar::signal(vec![]);
    /// let log = sizes.clone();
    /// let _watch = set.subscribe_diff(move |diffs| {
    ///     let changes = diffs.len();
    ///     log.mutate(move |sizes| sizes.push(changes));
    /// });
    /// set.replace([3, 4]);
    /// assert_eq!(sizes.get(), [1, 3]); // a reset; then 1 and 2 went, and 4 came
    /// ```
    pub fn subscribe_diff(&self, f: impl FnMut(&[MapDiff<T, ()>]) + Send + 'static) -> Effect {
        self.map.subscribe_diff(f)
    }

    /// What changes, as a stream; see [`ReadMap::stream_diff`].
    #[cfg(feature = "async")]
    pub fn stream_diff(&self) -> super::MapDiffStream<T, ()> {
        self.map.stream_diff()
    }

    /// The elements that satisfy `keep`, kept up to date in time proportional to what changes;
    /// see [`ReadMap::filter`].
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let odd = set.filter(|n| n % 2 == 1);
    /// set.insert(5);
    /// assert_eq!(odd.elements(), [1, 3, 5]);
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&T) -> bool + Send + Sync + 'static) -> ReadSet<T> {
        ReadSet::new(self.map.filter(move |element, ()| keep(element)))
    }

    /// How many elements satisfy `counted`; see [`ReadMap::count`].
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let odd = set.count(|n| n % 2 == 1);
    /// set.insert(5);
    /// assert_eq!(odd.get(), 3);
    /// ```
    #[track_caller]
    pub fn count(&self, counted: impl Fn(&T) -> bool + Send + Sync + 'static) -> Computed<usize> {
        self.map.count(move |element, ()| counted(element))
    }

    /// The name given at creation, or kind, number and place of creation.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert!(set.name().starts_with("signal"));
    /// ```
    pub fn name(&self) -> String {
        self.map.name()
    }

    /// The node of the whole collection.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert_eq!(set.node(), set.read_only().node());
    /// ```
    pub fn node(&self) -> &Node {
        Readable::node(self)
    }
}

impl<T: Key> Sealed for ReadSet<T> {}

impl<T: Key> Readable for ReadSet<T> {
    type Value = PersistentMap<T, ()>;

    fn node(&self) -> &Node {
        Readable::node(&self.map)
    }
}

/// A set that any thread may write, and whose readers are woken by what they ask for only.
///
/// It reads like a [`ReadSet`], to which it dereferences. Writes are commits as those of a
/// [`ReactiveMap`] are.
///
/// ```
/// use isobar::{ReactiveSet, computed};
/// let online = ReactiveSet::new();
/// let ann = computed!([online] online.contains("ann"));
/// assert!(!ann.get());
/// online.insert("ann".to_string());
/// assert!(ann.get());
/// ```
pub struct ReactiveSet<T> {
    map: ReactiveMap<T, ()>,
    read: ReadSet<T>,
}

impl<T: Key> ReactiveSet<T> {
    /// An empty set in the current graph.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::new();
    /// set.insert("ann");
    /// assert!(set.contains(&"ann"));
    /// ```
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A set with a name, or of another graph.
    ///
    /// ```
    /// let online = isobar::ReactiveSet::<&str>::builder().name("online").build();
    /// assert_eq!(online.name(), "online");
    /// ```
    pub fn builder() -> CollectionBuilder<Self> {
        CollectionBuilder::new()
    }

    fn of(map: ReactiveMap<T, ()>) -> Self {
        let read = ReadSet::new(map.read_only());
        Self { map, read }
    }

    /// A handle that can only read.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// let view = set.read_only();
    /// set.insert(4);
    /// assert!(view.contains(&4));
    /// ```
    pub fn read_only(&self) -> ReadSet<T> {
        self.read.clone()
    }

    /// Adds an element; false if it was there.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert!(set.insert(4) && !set.insert(4));
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`], as all writes do.
    #[track_caller]
    pub fn insert(&self, element: T) -> bool {
        self.map.insert(element, ()).is_none()
    }

    /// Removes an element; false if it was not there.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert!(set.remove(&1) && !set.remove(&1));
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn remove<Q>(&self, element: &Q) -> bool
    where
        Q: Ord + Hash + ToOwned<Owned = T> + ?Sized,
        T: Borrow<Q>,
    {
        self.map.remove(element).is_some()
    }

    /// Adds the element if it is missing, else removes it; true if it is an element now.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// assert!(!set.toggle(1) && set.toggle(1));
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn toggle(&self, element: T) -> bool {
        self.map.write(self.map.scope_of(&element), move |entries| {
            let was_there = entries.remove(&element).is_some();
            if !was_there {
                entries.insert(element.clone(), ());
            }
            !was_there
        })
    }

    /// Adds many elements in one commit.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.insert_many([3, 4]);
    /// assert_eq!(set.elements(), [1, 2, 3, 4]);
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn insert_many(&self, elements: impl IntoIterator<Item = T>) {
        self.map.insert_many(elements.into_iter().map(|element| (element, ())));
    }

    /// Removes many elements in one commit.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.remove_many([1, 2]);
    /// assert_eq!(set.elements(), [3]);
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn remove_many(&self, elements: impl IntoIterator<Item = T>) {
        self.map.remove_many(elements);
    }

    /// Keeps the elements that satisfy `keep`, in one commit.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.retain(|n| *n > 1);
    /// assert_eq!(set.elements(), [2, 3]);
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool + Send + 'static) {
        self.map.retain(move |element, ()| keep(element));
    }

    /// Removes everything, in one commit.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.clear();
    /// assert_eq!(set.len(), 0);
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn clear(&self) {
        self.map.clear();
    }

    /// Replaces everything, in one commit; wakes the readers of what is different only.
    ///
    /// ```
    /// let set = isobar::ReactiveSet::from_iter([1, 2, 3]);
    /// set.replace([3, 4]); // wakes nobody who asked for 3
    /// assert_eq!(set.elements(), [3, 4]);
    /// ```
    ///
    /// # Panics
    /// As [`ReactiveMap::insert`].
    #[track_caller]
    pub fn replace(&self, elements: impl IntoIterator<Item = T>) {
        self.map.replace(elements.into_iter().map(|element| (element, ())));
    }
}

impl<T: Key> CollectionBuilder<ReactiveSet<T>> {
    /// The set, empty.
    #[track_caller]
    pub fn build(self) -> ReactiveSet<T> {
        ReactiveSet::of(self.of_other::<ReactiveMap<T, ()>>().build())
    }
}

impl<T> Deref for ReactiveSet<T> {
    type Target = ReadSet<T>;

    fn deref(&self) -> &ReadSet<T> {
        &self.read
    }
}

impl<T: Key> Default for ReactiveSet<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Key> FromIterator<T> for ReactiveSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self::of(elements.into_iter().map(|element| (element, ())).collect())
    }
}

impl<T: Key> Sealed for ReactiveSet<T> {}

impl<T: Key> Readable for ReactiveSet<T> {
    type Value = PersistentMap<T, ()>;

    fn node(&self) -> &Node {
        Readable::node(&self.map)
    }
}

super::handles!(ReadSet<T: Key>, map);
super::handles!(ReactiveSet<T: Key>, map, read);
super::serialized!(ReadSet<T: Key>, collect_seq, elements);
super::serialized!(ReactiveSet<T: Key>, collect_seq, elements);
