//! Changes of a collection, one by one, for whoever keeps a copy of it elsewhere.

use super::map::{Item, Key};
use super::{PersistentMap, ReadMap};
use imbl::ordmap::DiffItem;

/// One change of a map.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum MapDiff<K: Key, V: Item> {
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
    pub fn poll(&mut self) -> Vec<MapDiff<K, V>> {
        let mut diffs: Vec<_> = std::mem::take(&mut self.rest).into_iter().rev().collect();
        let now = PersistentMap::clone(&self.map.load());
        match self.seen.replace(now.clone()) {
            Some(seen) => diffs.extend(seen.diff(&now).map(MapDiff::of)),
            None => diffs.push(MapDiff::Reset { entries: now }),
        }
        diffs
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
