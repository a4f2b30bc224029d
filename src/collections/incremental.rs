//! Derived maps that are brought up to date in time proportional to what has changed.

use super::PersistentMap;
use super::map::{ByKey, Item, Key, ReadMap};
use crate::Computed;

/// The keys alone.
pub(super) fn keys<K: Key, V: Item>(map: &ReadMap<K, V>) -> ReadMap<K, ()> {
    let entries = map.entries().clone();
    let keys = Computed::<PersistentMap<K, ()>>::on(
        entries.clone().node().inner().world(),
        None,
        move || {
            use crate::ReadableExt;
            entries.with(|e| e.keys().map(|k| (k.clone(), ())).collect())
        },
    );
    ReadMap::new(std::sync::Arc::new(keys), ByKey::Derived)
}
