//! Derived collections that are brought up to date in time proportional to what has changed.
//!
//! Each remembers an input and what it made of it. The functions are pure, so any such pair is a
//! right place to start from, whatever revision it is of; persistent maps tell how two of them
//! differ in time of the difference. Only what is published is remembered, lest a draft or an old
//! snapshot move the place everybody else starts from.

use super::map::{ByKey, Entries, Item, Key, ReadMap, put};
use super::sequence::Sequence;
use super::{PersistentMap, ReadVec};
use crate::engine::frame::Frame;
use crate::handle::readable::{Readable, ReadableExt};
use crate::sync::Mutex;
use crate::{Computed, Loaded};
use imbl::ordmap::DiffItem;
use std::cmp::Ordering;
use std::sync::Arc;

/// One difference between two maps: a key, its old value, its new one.
struct Step<'a, K, V> {
    key: &'a K,
    old: Option<&'a V>,
    new: Option<&'a V>,
}

/// A computed of a map's entries, that starts from the last result.
#[track_caller]
fn incremental<K: Key, V: Item, O: Item>(
    entries: &Entries<K, V>,
    whole: impl Fn(&PersistentMap<K, V>) -> O + Send + Sync + 'static,
    step: impl Fn(&mut O, Step<'_, K, V>) + Send + Sync + 'static,
) -> Computed<O> {
    type Last<K, V, O> = Option<(Loaded<PersistentMap<K, V>>, O)>;
    let last: Mutex<Last<K, V, O>> = Mutex::new(None);
    let source = entries.clone();
    Computed::on(entries.node().inner().world(), None, move || {
        let entries = source.load();
        let before = last.lock().clone();
        let output = Frame::without_tracking(|| match before {
            None => whole(&entries),
            Some((seen, mut output)) => {
                for item in seen.diff(&entries) {
                    step(&mut output, Step::of(item));
                }
                output
            }
        });
        if Frame::current().tracker().is_some_and(|tracker| tracker.is_claimed()) {
            let before = last.lock().replace((entries, output.clone()));
            // Outside of the lock: dropping keys and values is user code.
            drop(before);
        }
        output
    })
}

impl<'a, K, V> Step<'a, K, V> {
    fn of<'b: 'a>(item: DiffItem<'b, 'b, K, V>) -> Self {
        match item {
            DiffItem::Add(key, new) => Self { key, old: None, new: Some(new) },
            DiffItem::Remove(key, old) => Self { key, old: Some(old), new: None },
            DiffItem::Update { old: (_, old), new: (key, new) } => {
                Self { key, old: Some(old), new: Some(new) }
            }
        }
    }
}

/// What becomes of each entry by itself.
#[track_caller]
fn each<K: Key, V: Item, U: Item>(
    entries: &Entries<K, V>,
    f: impl Fn(&K, &V) -> Option<U> + Send + Sync + 'static,
) -> Entries<K, U> {
    let f = Arc::new(f);
    let of_all = f.clone();
    let whole = move |entries: &PersistentMap<K, V>| {
        let kept = entries.iter().filter_map(|(key, v)| Some((key.clone(), of_all(key, v)?)));
        kept.collect::<PersistentMap<K, U>>()
    };
    Arc::new(incremental(entries, whole, move |output, step| {
        drop(put(output, step.key, step.new.and_then(|new| f(step.key, new))));
    }))
}

/// The keys alone.
pub(super) fn keys<K: Key, V: Item>(map: &ReadMap<K, V>) -> ReadMap<K, ()> {
    ReadMap::new(each(map.entries(), |_, _| Some(())), ByKey::Derived)
}

impl<K: Key, V: Item> ReadMap<K, V> {
    /// A map of the same keys whose values `f` makes. A change costs one run of `f` for each entry
    /// that changed, and so does the reader of one key: it depends on the same key here.
    ///
    /// `f` is pure; what it reads of other nodes is not tracked.
    ///
    /// ```
    /// let prices = isobar::ReactiveMap::from_iter([("nut", 3), ("bolt", 5)]);
    /// let doubled = prices.map_values(|_, price| price * 2);
    /// prices.insert("nut", 4);
    /// assert_eq!(doubled.values(), [10, 8]);
    /// ```
    #[track_caller]
    pub fn map_values<U: Item>(
        &self,
        f: impl Fn(&K, &V) -> U + Send + Sync + 'static,
    ) -> ReadMap<K, U> {
        self.filter_map(move |key, value| Some(f(key, value)))
    }

    /// The entries that satisfy `keep`. A change costs one run of `keep` for each entry that
    /// changed; the reader of one key depends on the same key here.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("nut", 0), ("bolt", 5)]);
    /// let scarce = stock.filter(|_, n| *n < 3);
    /// assert_eq!(scarce.keys(), ["nut"]);
    /// stock.insert("bolt", 1);
    /// assert_eq!(scarce.keys(), ["bolt", "nut"]);
    /// ```
    #[track_caller]
    pub fn filter(&self, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> ReadMap<K, V> {
        self.filter_map(move |key, value| keep(key, value).then(|| value.clone()))
    }

    /// [`filter`](Self::filter) and [`map_values`](Self::map_values) in one.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("nut", 0), ("bolt", 5)]);
    /// let double = stock.filter_map(|_, n| (*n > 0).then_some(n * 2));
    /// assert_eq!(double.values(), [10]);
    /// ```
    #[track_caller]
    pub fn filter_map<U: Item>(
        &self,
        f: impl Fn(&K, &V) -> Option<U> + Send + Sync + 'static,
    ) -> ReadMap<K, U> {
        let f = Arc::new(f);
        let (source, of_key) = (self.clone(), f.clone());
        let entries = each(self.entries(), move |key, value| f(key, value));
        let by_key = move |key: &K| {
            let value = source.get(key)?;
            Frame::without_tracking(|| of_key(key, &value))
        };
        ReadMap::new(entries, ByKey::From(Arc::new(by_key)))
    }

    /// How many entries satisfy `counted`. A change costs at most two runs of `counted` for each
    /// entry that changed.
    ///
    /// ```
    /// let stock = isobar::ReactiveMap::from_iter([("nut", 0), ("bolt", 5)]);
    /// let sold_out = stock.count(|_, n| *n == 0);
    /// stock.insert("bolt", 0);
    /// assert_eq!(sold_out.get(), 2);
    /// ```
    #[track_caller]
    pub fn count(
        &self,
        counted: impl Fn(&K, &V) -> bool + Send + Sync + 'static,
    ) -> Computed<usize> {
        let counted = Arc::new(counted);
        let of_all = counted.clone();
        let whole = move |entries: &PersistentMap<K, V>| {
            entries.iter().filter(|(key, value)| of_all(key, value)).count()
        };
        incremental(self.entries(), whole, move |count, step| {
            let counts = |value: Option<&V>| value.is_some_and(|value| counted(step.key, value));
            *count += usize::from(counts(step.new));
            *count -= usize::from(counts(step.old));
        })
    }

    /// The entries by what `group` makes of them, each group a map. A change costs at most two
    /// runs of `group` for each entry that changed. The reader of one group is looked at after
    /// each change, and woken by changes of its group.
    ///
    /// ```
    /// let ages = isobar::ReactiveMap::from_iter([("ann", 30), ("bob", 31), ("eve", 30)]);
    /// let by_age = ages.group_by(|_, age| *age);
    /// assert_eq!(by_age.get(&30).unwrap().len(), 2);
    /// ages.insert("eve", 31);
    /// assert_eq!(by_age.get(&31).unwrap().keys().collect::<Vec<_>>(), [&"bob", &"eve"]);
    /// ```
    #[track_caller]
    pub fn group_by<G: Key>(
        &self,
        group: impl Fn(&K, &V) -> G + Send + Sync + 'static,
    ) -> ReadMap<G, PersistentMap<K, V>> {
        let group = Arc::new(group);
        let of_all = group.clone();
        let whole = move |entries: &PersistentMap<K, V>| {
            let mut groups = PersistentMap::new();
            for (key, value) in entries {
                regroup(&mut groups, of_all(key, value), key, Some(value));
            }
            groups
        };
        let groups = incremental(self.entries(), whole, move |groups, step| {
            let before = step.old.map(|old| group(step.key, old));
            let after = step.new.map(|new| group(step.key, new));
            if let Some(before) = before.filter(|before| Some(before) != after.as_ref()) {
                regroup(groups, before, step.key, None);
            }
            if let Some(after) = after {
                regroup(groups, after, step.key, step.new);
            }
        });
        ReadMap::new(Arc::new(groups), ByKey::Derived)
    }

    /// The entries in an order of their own; equal ones in that of their keys. A change costs
    /// about log n comparisons for each entry that changed. The reader of one index is looked at
    /// after each change, and woken when that index has another entry.
    ///
    /// ```
    /// let scores = isobar::ReactiveMap::from_iter([("ann", 7), ("bob", 9), ("eve", 8)]);
    /// let ranking = scores.sorted_by(|(_, a), (_, b)| b.cmp(a));
    /// assert_eq!(ranking.first(), Some(("bob", 9)));
    /// scores.insert("eve", 10);
    /// assert_eq!(ranking.values(), [("eve", 10), ("bob", 9), ("ann", 7)]);
    /// ```
    #[track_caller]
    pub fn sorted_by(
        &self,
        compare: impl Fn((&K, &V), (&K, &V)) -> Ordering + Send + Sync + 'static,
    ) -> ReadVec<(K, V)> {
        let compare = Arc::new(compare);
        let order = move |a: (&K, &V), b: (&K, &V)| compare(a, b).then_with(|| a.0.cmp(b.0));
        let of_all = order.clone();
        let whole = move |entries: &PersistentMap<K, V>| {
            let mut sorted: Vec<(K, V)> =
                entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            sorted.sort_by(|(a, of_a), (b, of_b)| of_all((a, of_a), (b, of_b)));
            Sequence::new(sorted.into())
        };
        let sorted =
            incremental(self.entries(), whole, move |sorted: &mut Sequence<(K, V)>, step| {
                let find = |sorted: &Sequence<(K, V)>, value| {
                    sorted.binary_search_by(|(key, other)| order((key, other), (step.key, value)))
                };
                if let Some(Ok(index)) = step.old.map(|old| find(sorted, old)) {
                    sorted.remove(index);
                }
                if let Some(new) = step.new {
                    let index = find(sorted, new).unwrap_or_else(|index| index);
                    sorted.insert(index, (step.key.clone(), new.clone()));
                }
            });
        ReadVec::new(Arc::new(sorted), false)
    }
}

fn regroup<G: Key, K: Key, V: Item>(
    groups: &mut PersistentMap<G, PersistentMap<K, V>>,
    group: G,
    key: &K,
    value: Option<&V>,
) {
    let mut members = groups.get(&group).cloned().unwrap_or_default();
    drop(put(&mut members, key, value.cloned()));
    if members.is_empty() {
        groups.remove(&group);
    } else {
        groups.insert(group, members);
    }
}
