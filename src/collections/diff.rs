//! Changes of a collection, one by one, for whoever keeps a copy of it elsewhere.

use super::map::{Item, Key};
use super::{PersistentMap, PersistentVec, ReadMap, ReadVec, Sequence};
use imbl::ordmap::DiffItem;

/// One change of a map.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum MapDiff<K: Ord, V> {
    /// Begin again, with these entries.
    Reset {
        /// All of the map.
        entries: PersistentMap<K, V>,
    },
    /// A key has come.
    Insert {
        /// The key.
        key: K,
        /// Its value.
        value: V,
    },
    /// A key has another value.
    Update {
        /// The key.
        key: K,
        /// The value before.
        old: V,
        /// The value now.
        value: V,
    },
    /// A key has gone.
    Remove {
        /// The key.
        key: K,
        /// The value it had.
        old: V,
    },
}

/// What has changed in a map since the last look, to be polled.
///
/// Nothing is queued: each look compares the map with what was seen at the last one, in time
/// proportional to what differs, so a slow reader costs no memory but the map it saw.
///
/// As an iterator it yields the changes there are, and `None` when there are no more for now.
///
/// ```
/// use isobar::{MapDiff, ReactiveMap};
/// let stock = ReactiveMap::from_iter([("nut", 3)]);
/// let mut changes = stock.changes();
/// assert!(matches!(changes.next(), Some(MapDiff::Reset { .. })));
/// stock.insert("nut", 4);
/// stock.insert("nut", 5);
/// assert_eq!(changes.next(), Some(MapDiff::Update { key: "nut", old: 3, value: 5 }));
/// assert_eq!(changes.next(), None);
/// ```
#[derive(Debug)]
pub struct MapChanges<K: Key, V: Item> {
    map: ReadMap<K, V>,
    seen: Option<PersistentMap<K, V>>,
    /// The rest of the last look, the first last.
    rest: Vec<MapDiff<K, V>>,
}

impl<K: Key, V: Item> MapChanges<K, V> {
    pub(super) fn new(map: ReadMap<K, V>) -> Self {
        Self { map, seen: None, rest: Vec::new() }
    }

    /// All changes since the last look, which together are the step from one revision to another;
    /// none if nothing has changed. Tracked like [`ReadMap::load`].
    ///
    /// ```
    /// use isobar::{MapDiff, ReactiveMap};
    /// let stock = ReactiveMap::from_iter([("nut", 3)]);
    /// let mut changes = stock.changes();
    /// assert!(matches!(changes.poll()[..], [MapDiff::Reset { .. }]));
    /// stock.insert("nut", 4);
    /// assert_eq!(changes.poll(), [MapDiff::Update { key: "nut", old: 3, value: 4 }]);
    /// assert_eq!(changes.poll(), []);
    /// ```
    pub fn poll(&mut self) -> Vec<MapDiff<K, V>> {
        let now = PersistentMap::clone(&self.map.load());
        let mut diffs: Vec<_> = std::mem::take(&mut self.rest).into_iter().rev().collect();
        diffs.append(&mut self.step(now));
        diffs
    }

    /// From the map that was seen last to this one.
    pub(super) fn step(&mut self, now: PersistentMap<K, V>) -> Vec<MapDiff<K, V>> {
        match self.seen.replace(now.clone()) {
            Some(seen) => seen.diff(&now).map(MapDiff::of).collect(),
            None => vec![MapDiff::Reset { entries: now }],
        }
    }
}

impl<K: Key, V: Item> MapDiff<K, V> {
    fn of(item: DiffItem<'_, '_, K, V>) -> Self {
        match item {
            DiffItem::Add(key, value) => Self::Insert { key: key.clone(), value: value.clone() },
            DiffItem::Remove(key, old) => Self::Remove { key: key.clone(), old: old.clone() },
            DiffItem::Update { old: (_, old), new: (key, value) } => {
                Self::Update { key: key.clone(), old: old.clone(), value: value.clone() }
            }
        }
    }
}

impl<K: Key, V: Item> Iterator for MapChanges<K, V> {
    type Item = MapDiff<K, V>;

    fn next(&mut self) -> Option<MapDiff<K, V>> {
        if self.rest.is_empty() {
            self.rest = self.poll();
            self.rest.reverse();
        }
        self.rest.pop()
    }
}

/// One change of a vector. Applied in their order they lead from one state to the other.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum VecDiff<T> {
    /// Begin again, with these values: the start, or the reader fell behind.
    Reset {
        /// All of the vector.
        values: PersistentVec<T>,
    },
    /// A value was inserted.
    Insert {
        /// Where it is now.
        index: usize,
        /// The value.
        value: T,
    },
    /// An index has another value.
    Update {
        /// The index.
        index: usize,
        /// The value before.
        old: T,
        /// The value now.
        value: T,
    },
    /// A value was removed.
    Remove {
        /// Where it was.
        index: usize,
        /// The value.
        old: T,
    },
    /// A value was moved.
    Move {
        /// Where it was.
        from: usize,
        /// Where it is now, counted when it is out.
        to: usize,
    },
}

/// What was done to a vector since the last look, to be polled.
///
/// Nothing is queued: each look finds the steps in the vector's log. Who is more than a thousand
/// steps behind, or looks after a write that replaced everything, gets a [`VecDiff::Reset`].
///
/// As an iterator it yields the changes there are, and `None` when there are no more for now.
///
/// ```
/// use isobar::{ReactiveVec, VecDiff};
/// let queue = ReactiveVec::from_iter(["ann", "bob"]);
/// let mut changes = queue.changes();
/// assert!(matches!(changes.next(), Some(VecDiff::Reset { .. })));
/// queue.move_item(0, 1).unwrap();
/// assert_eq!(changes.next(), Some(VecDiff::Move { from: 0, to: 1 }));
/// assert_eq!(changes.next(), None);
/// ```
#[derive(Debug)]
pub struct VecChanges<T: Item> {
    vec: ReadVec<T>,
    seen: Option<Sequence<T>>,
    /// The rest of the last look, the first last.
    rest: Vec<VecDiff<T>>,
}

impl<T: Item> VecChanges<T> {
    pub(super) fn new(vec: ReadVec<T>) -> Self {
        Self { vec, seen: None, rest: Vec::new() }
    }

    /// All changes since the last look, which together are the step from one revision to another;
    /// none if nothing has changed. Tracked like [`ReadVec::load`].
    ///
    /// ```
    /// use isobar::{ReactiveVec, VecDiff};
    /// let list = ReactiveVec::from_iter([10]);
    /// let mut changes = list.changes();
    /// assert!(matches!(changes.poll()[..], [VecDiff::Reset { .. }]));
    /// list.set(0, 11).unwrap();
    /// assert_eq!(changes.poll(), [VecDiff::Update { index: 0, old: 10, value: 11 }]);
    /// assert_eq!(changes.poll(), []);
    /// ```
    pub fn poll(&mut self) -> Vec<VecDiff<T>> {
        let now = Sequence::clone(&self.vec.load());
        let mut diffs: Vec<_> = std::mem::take(&mut self.rest).into_iter().rev().collect();
        diffs.append(&mut self.step(now));
        diffs
    }

    /// From the vector that was seen last to this one.
    pub(super) fn step(&mut self, now: Sequence<T>) -> Vec<VecDiff<T>> {
        let diffs = match self.seen.as_ref().and_then(|seen| now.steps_since(seen)) {
            Some(steps) => steps.cloned().collect(),
            None => vec![VecDiff::Reset { values: (*now).clone() }],
        };
        self.seen = Some(now);
        diffs
    }
}

impl<T: Item> Iterator for VecChanges<T> {
    type Item = VecDiff<T>;

    fn next(&mut self) -> Option<VecDiff<T>> {
        if self.rest.is_empty() {
            self.rest = self.poll();
            self.rest.reverse();
        }
        self.rest.pop()
    }
}
