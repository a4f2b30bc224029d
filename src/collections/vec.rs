//! Vectors whose readers depend on the indices they read.

use super::build::CollectionBuilder;
use super::map::Item;
use super::sequence::Sequence;
use super::triggers::{Part, PartReader, Scope, Triggers, is_recorded};
use super::{PersistentVec, VecChanges, VecDiff};
use crate::engine::frame::Frame;
use crate::engine::write;
use crate::handle::equality::ByValue;
use crate::handle::readable::{Readable, ReadableExt, sealed::Sealed};
use crate::structure::world::World;
use crate::sync::Mutex;
use crate::{Computed, Effect, Loaded, Node, Signal, batch, transaction};
use std::cmp::Ordering;
use std::convert::Infallible;
use std::ops::{Deref, RangeBounds};
use std::sync::{Arc, OnceLock};

/// A vector to read, with tracking by index: a [`ReactiveVec`] seen through
/// [`read_only`](ReactiveVec::read_only), or derived from a collection.
///
/// Inside a computed or effect each method makes a source of what it tells and of nothing else:
/// [`get`](Self::get) of the value at that index, also while there is none; `len` of the number;
/// `slice` of the values in that range; [`load`](Self::load) of everything.
pub struct ReadVec<T> {
    core: Arc<Core<T>>,
}

struct Core<T> {
    items: Items<T>,
    readers: Arc<Triggers<IndexReader<T>>>,
    /// Is it written, by those who touch the indices' triggers, or computed?
    written: bool,
    len: OnceLock<Computed<usize>>,
    first: OnceLock<Computed<Option<T>>>,
    last: OnceLock<Computed<Option<T>>>,
}

/// The whole vector, as a node.
pub(super) type Items<T> = Arc<dyn Readable<Value = Sequence<T>>>;

/// The value at one index, as a node; there is one of it in an index's cache.
struct IndexReader<T>(Computed<Option<T>>);

impl<T> Clone for IndexReader<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Item> PartReader for IndexReader<T> {
    fn is_unobserved(&self) -> bool {
        self.0.node().inner().is_sole()
    }
}

/// The value at an index, for its node.
fn look<T: Item>(items: &Items<T>, part: Option<&Part>, index: usize) -> Option<T> {
    let found = part.and_then(|part| part.follow(&**items).get(index).cloned());
    // Where there is no value yet, any change of the vector may bring one.
    found.or_else(|| items.with(|items| items.get(index).cloned()))
}

impl<T: Item> ReadVec<T> {
    pub(super) fn new(items: Items<T>, written: bool) -> Self {
        let readers = Triggers::new(items.node().inner().world());
        let (len, first, last) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { core: Arc::new(Core { items, readers, written, len, first, last }) }
    }

    fn world(&self) -> &Arc<World> {
        self.core.items.node().inner().world()
    }

    fn of_index(&self, index: usize) -> IndexReader<T> {
        self.core.readers.reader(
            index as u64,
            |_| true,
            |part| {
                let (items, part) = (self.core.items.clone(), self.core.written.then_some(part));
                let function = move || look(&items, part.as_ref(), index);
                IndexReader(Computed::on(self.world(), Some("index".into()), function))
            },
        )
    }

    /// The value at an index. Inside a computed or effect: woken when this index has another
    /// value, gets one or loses it.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let second = isobar::computed!([list] list.get(1));
    /// assert_eq!(second.get(), Some(20));
    /// list.remove(0).unwrap();
    /// assert_eq!(second.get(), Some(30));
    /// ```
    ///
    /// # Panics
    /// With a [`ReadError`](crate::ReadError) if a derived vector's function failed, or if the
    /// vector is of another graph than the computed or effect that reads it.
    pub fn get(&self, index: usize) -> Option<T> {
        if is_recorded(self.world()) {
            return self.of_index(index).0.get();
        }
        self.core.items.with(|items| items.get(index).cloned())
    }

    /// A computed of the value at one index, for code that wants a node.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let doubled = list.index(0).map(|first| first.unwrap_or(0) * 2);
    /// assert_eq!(doubled.get(), 20);
    /// ```
    pub fn index(&self, index: usize) -> Computed<Option<T>> {
        self.of_index(index).0
    }

    /// How many values there are. Woken when that changes.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.len(), 3);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn len(&self) -> usize {
        self.asked(&self.core.len, PersistentVec::len)
    }

    /// Is there none?
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.clear();
    /// assert!(list.is_empty());
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value. Woken when that is another one.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.first(), Some(10));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn first(&self) -> Option<T> {
        self.asked(&self.core.first, |items| items.front().cloned())
    }

    /// The last value. Woken when that is another one.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.last(), Some(30));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn last(&self) -> Option<T> {
        self.asked(&self.core.last, |items| items.back().cloned())
    }

    /// Is the value there? Woken when the answer changes; looks at all values after each change.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert!(list.contains(&20) && !list.contains(&21));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn contains(&self, value: &T) -> bool {
        let value = value.clone();
        self.asked(&OnceLock::new(), move |items| items.contains(&value))
    }

    /// Where the value is first. Woken when the answer changes; looks at all values before it
    /// after each change.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!((list.position(&20), list.position(&21)), (Some(1), None));
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn position(&self, value: &T) -> Option<usize> {
        let value = value.clone();
        self.asked(&OnceLock::new(), move |items| items.index_of(&value))
    }

    /// The values in a range of indices, as far as there are any. Woken when they change; compared
    /// after each change of the vector.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let rest = isobar::computed!([list] list.slice(1..));
    /// assert_eq!(rest.get(), [20, 30]);
    /// list.set(0, 11).unwrap(); // `rest` is as it was
    /// assert_eq!(rest.get(), [20, 30]);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Vec<T> {
        let (start, end) = bounds(range);
        self.asked(&OnceLock::new(), move |items| {
            let end = end.min(items.len());
            items.iter().take(end).skip(start).cloned().collect()
        })
    }

    /// A question about the whole vector: a node where the answer is recorded. One that is not
    /// kept in the core lives as long as its observer.
    fn asked<U: Item>(
        &self,
        node: &OnceLock<Computed<U>>,
        f: impl Fn(&PersistentVec<T>) -> U + Send + Sync + 'static,
    ) -> U {
        if !is_recorded(self.world()) {
            return self.core.items.with(|items| f(items));
        }
        let node = node.get_or_init(|| {
            let items = self.core.items.clone();
            Computed::on(self.world(), None, move || items.with(|items| f(items)))
        });
        node.get()
    }

    /// The whole vector, shared and not copied: for iteration, comparison, or to keep. Woken by
    /// every change. Blocks nobody.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let all = list.load();
    /// list.clear();
    /// assert_eq!(all.iter().sum::<i32>(), 60);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn load(&self) -> Loaded<Sequence<T>> {
        self.core.items.load()
    }

    /// The values. Woken by every change.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.values(), [10, 20, 30]);
    /// ```
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn values(&self) -> Vec<T> {
        self.core.items.with(|items| items.iter().cloned().collect())
    }

    /// What changes from now on, to be polled; begins with a [`VecDiff::Reset`].
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let mut changes = list.changes();
    /// changes.poll();
    /// list.push(40);
    /// assert_eq!(changes.poll(), [isobar::VecDiff::Insert { index: 3, value: 40 }]);
    /// ```
    pub fn changes(&self) -> VecChanges<T> {
        VecChanges::new(self.clone())
    }

    /// Calls back at once with a [`VecDiff::Reset`], and after each change with what was done
    /// since the last call, in order; several commits may come as one. What the callback reads is
    /// not tracked.
    ///
    /// ```
    /// use isobar::{ReactiveVec, VecDiff};
    /// use std::sync::mpsc;
    /// let queue = ReactiveVec::new();
    /// let (tell, told) = mpsc::channel();
    /// let log = queue.subscribe_diff(move |diffs| tell.send(diffs.to_vec()).unwrap());
    /// queue.push("ann");
    /// assert!(matches!(&told.recv().unwrap()[..], [VecDiff::Reset { .. }]));
    /// assert_eq!(told.recv().unwrap(), [VecDiff::Insert { index: 0, value: "ann" }]);
    /// # drop(log);
    /// ```
    pub fn subscribe_diff(&self, mut f: impl FnMut(&[VecDiff<T>]) + Send + 'static) -> Effect {
        let mut changes = self.changes();
        Effect::on(self.world(), None, move || {
            let diffs = changes.poll();
            if !diffs.is_empty() {
                crate::untracked(|| f(&diffs));
            }
        })
    }

    /// What is done to it, as a stream: at first a [`VecDiff::Reset`], then with each item what was
    /// done since the one before, in order. Who is far behind gets a `Reset`. What is taken from it
    /// inside an async effect is not tracked.
    #[cfg(feature = "async")]
    pub fn stream_diff(&self) -> super::VecDiffStream<T> {
        let mut changes = self.changes();
        super::DiffStream::new(&self.core.items, move |now| changes.step(now.clone()))
    }

    /// The name given at creation, or kind, number and place of creation.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert!(list.name().starts_with("signal"));
    /// ```
    pub fn name(&self) -> String {
        self.core.items.node().name()
    }

    /// The node of the whole collection.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.node(), list.read_only().node());
    /// ```
    pub fn node(&self) -> &Node {
        Readable::node(self)
    }
}

fn bounds(range: impl RangeBounds<usize>) -> (usize, usize) {
    use std::ops::Bound;
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => usize::MAX,
    };
    (start, end)
}

impl<T: Item> Sealed for ReadVec<T> {}

impl<T: Item> Readable for ReadVec<T> {
    type Value = Sequence<T>;

    fn node(&self) -> &Node {
        self.core.items.node()
    }
}

/// There is no such index; nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("index {index} is out of range: there are {len} values; ask `len` in the same batch")]
pub struct OutOfRange {
    /// The index given.
    pub index: usize,
    /// How many values there are.
    pub len: usize,
}

/// A vector that any thread may write, and whose readers are woken by what they read only.
///
/// It reads like a [`ReadVec`], to which it dereferences. Each write is one commit; writes inside
/// a [`batch`](crate::batch) or effect are one commit with everything else written there, and
/// their author reads them at once. No concurrent write is lost. Writes that change nothing wake
/// nobody.
///
/// Setting an index wakes the readers of that index, and appending wakes no reader of any, however
/// many there are; inserting and removing elsewhere shifts what is behind and looks at the readers
/// of that. See `docs/COLLECTIONS.md` for what each operation costs.
///
/// ```
/// use isobar::{ReactiveVec, computed};
/// let scores = ReactiveVec::from_iter([10, 20, 30]);
/// let first = computed!([scores] scores.get(0));
/// assert_eq!(first.get(), Some(10));
/// scores.push(40); // `first` is not run again
/// scores.set(0, 11).unwrap();
/// assert_eq!(first.get(), Some(11));
/// ```
///
/// An index recorded in a batch means the same index when the batch commits: if other threads have
/// inserted or removed before it meanwhile, there is another value there then. Use
/// [`transaction`](crate::transaction) for what must not be so.
pub struct ReactiveVec<T> {
    read: ReadVec<T>,
    items: Signal<Sequence<T>>,
}

impl<T: Item> ReactiveVec<T> {
    /// An empty vector in the current graph.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::new();
    /// list.push(10);
    /// assert_eq!(list.values(), [10]);
    /// ```
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A vector with a name, or of another graph.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::<u32>::builder().name("scores").build();
    /// assert_eq!(list.name(), "scores");
    /// ```
    pub fn builder() -> CollectionBuilder<Self> {
        CollectionBuilder::new()
    }

    #[track_caller]
    fn make(builder: CollectionBuilder<Self>, contents: PersistentVec<T>) -> Self {
        let (world, name) = builder.parts();
        let items = Signal::make(&world, Sequence::new(contents), ByValue, name);
        Self { read: ReadVec::new(Arc::new(items.clone()), true), items }
    }

    /// A handle that can only read.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// let view = list.read_only();
    /// list.push(40);
    /// assert_eq!(view.last(), Some(40));
    /// ```
    pub fn read_only(&self) -> ReadVec<T> {
        self.read.clone()
    }

    /// As [`ReadVec::get`]; here, lest the `get` of an imported [`ReadableExt`] come before it.
    ///
    /// # Panics
    /// As [`ReadVec::get`].
    pub fn get(&self, index: usize) -> Option<T> {
        self.read.get(index)
    }

    /// Appends a value. Wakes no reader of an index that has a value.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.push(40);
    /// assert_eq!(list.values(), [10, 20, 30, 40]);
    /// ```
    ///
    /// # Panics
    /// Like [`Signal::set`], as all writes do: inside a computed, or an `update` or equality
    /// closure.
    #[track_caller]
    pub fn push(&self, value: T) {
        self.extend([value]);
    }

    /// Appends values, in one commit.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.extend([40, 50]);
    /// assert_eq!(list.len(), 5);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn extend(&self, values: impl IntoIterator<Item = T>) {
        let values: Vec<T> = values.into_iter().collect();
        self.write(NOTHING, move |items| {
            values.iter().for_each(|value| items.push(value.clone()));
            NOTHING
        });
    }

    /// Removes the last value and returns it.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!((list.pop(), list.len()), (Some(30), 2));
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn pop(&self) -> Option<T> {
        self.write_and_tell(Scope::Whole, |items| {
            let last = items.len().checked_sub(1)?;
            Some((items.remove(last), Scope::Parts(vec![last as u64])))
        })
    }

    /// Sets the value at an index.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.set(1, 21), Ok(()));
    /// assert!(list.set(3, 40).is_err());
    /// assert_eq!(list.values(), [10, 21, 30]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn set(&self, index: usize, value: T) -> Result<(), OutOfRange> {
        self.update(index, move |_| value.clone())
    }

    /// Makes the value at an index of the one there. No concurrent update is lost: the closure
    /// runs again if another write came between.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.update(1, |n| n + 1).unwrap();
    /// assert_eq!(list.values(), [10, 21, 30]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn update(
        &self,
        index: usize,
        mut f: impl FnMut(&T) -> T + Send + 'static,
    ) -> Result<(), OutOfRange> {
        self.write_checked(Scope::Parts(vec![index as u64]), move |items| {
            let old = items.get(index).ok_or(OutOfRange { index, len: items.len() })?;
            let value = f(old);
            items.set(index, value);
            Ok(((), Scope::Parts(vec![index as u64])))
        })
    }

    /// Inserts a value before an index; at the end if the index is the length. If the vector has
    /// become shorter by the time this write, or the batch with it, commits, at its end.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.insert(1, 15).unwrap();
    /// assert_eq!(list.values(), [10, 15, 20, 30]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`] if the index is greater than the length.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn insert(&self, index: usize, value: T) -> Result<(), OutOfRange> {
        let mut checked = false;
        self.write_checked(Scope::Whole, move |items| {
            let len = items.len();
            if index > len && !checked {
                return Err(OutOfRange { index, len });
            }
            checked = true;
            items.insert(index.min(len), value.clone());
            Ok(((), Scope::From(index as u64)))
        })
    }

    /// Removes the value at an index and returns it.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.remove(1), Ok(20));
    /// assert_eq!(list.values(), [10, 30]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn remove(&self, index: usize) -> Result<T, OutOfRange> {
        self.write_checked(Scope::Whole, move |items| {
            let len = items.len();
            if index >= len {
                return Err(OutOfRange { index, len });
            }
            Ok((items.remove(index), Scope::From(index as u64)))
        })
    }

    /// Exchanges the values at two indices.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.swap(0, 2).unwrap();
    /// assert_eq!(list.values(), [30, 20, 10]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn swap(&self, a: usize, b: usize) -> Result<(), OutOfRange> {
        let both = Scope::Parts(vec![a as u64, b as u64]);
        self.write_checked(both.clone(), move |items| {
            let len = items.len();
            let at = |index| items.get(index).cloned().ok_or(OutOfRange { index, len });
            let (at_a, at_b) = (at(a)?, at(b)?);
            items.set(a, at_b);
            items.set(b, at_a);
            Ok(((), both.clone()))
        })
    }

    /// Moves the value at an index to another one, counted when it is out.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.move_item(0, 2).unwrap();
    /// assert_eq!(list.values(), [20, 30, 10]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`].
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn move_item(&self, from: usize, to: usize) -> Result<(), OutOfRange> {
        self.write_checked(Scope::Whole, move |items| {
            let len = items.len();
            if from >= len || to >= len {
                return Err(OutOfRange { index: from.max(to), len });
            }
            items.move_item(from, to);
            Ok(((), Scope::From(from.min(to) as u64)))
        })
    }

    /// Replaces the values in a range by others, in one commit; returns the old ones.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// assert_eq!(list.splice(0..2, [1, 2, 3]), Ok(vec![10, 20]));
    /// assert_eq!(list.values(), [1, 2, 3, 30]);
    /// ```
    ///
    /// # Errors
    /// [`OutOfRange`] if the range ends behind the length, or before it starts.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn splice(
        &self,
        range: impl RangeBounds<usize>,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Vec<T>, OutOfRange> {
        let (range, values) = (bounds(range), values.into_iter().collect::<Vec<T>>());
        self.write_checked(Scope::Whole, move |items| {
            let len = items.len();
            let (start, end) = (range.0, if range.1 == usize::MAX { len } else { range.1 });
            if start > end || end > len {
                return Err(OutOfRange { index: start.max(end), len });
            }
            Ok((items.splice(start..end, &values), Scope::From(start as u64)))
        })
    }

    /// Keeps the first `len` values, in one commit.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.truncate(1);
    /// assert_eq!(list.values(), [10]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn truncate(&self, len: usize) {
        self.write(Scope::Whole, move |items| {
            items.splice(len.min(items.len())..items.len(), &[]);
            Scope::From(len as u64)
        });
    }

    /// Removes everything, in one commit.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.clear();
    /// assert_eq!(list.len(), 0);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn clear(&self) {
        self.mutate(PersistentVec::clear);
    }

    /// Keeps the values that satisfy `keep`, in one commit. Looks at all.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.retain(|n| *n != 20);
    /// assert_eq!(list.values(), [10, 30]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn retain(&self, mut keep: impl FnMut(&T) -> bool + Send + 'static) {
        self.write(Scope::Whole, move |items| {
            let gone = items.iter().enumerate().filter(|(_, value)| !keep(value));
            let gone: Vec<usize> = gone.map(|(index, _)| index).collect();
            gone.iter().rev().for_each(|index| drop(items.remove(*index)));
            gone.first().map_or(NOTHING, |first| Scope::From(*first as u64))
        });
    }

    /// Sorts the values, in one commit; equal ones stay in their order.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.push(15);
    /// list.sort();
    /// assert_eq!(list.values(), [10, 15, 20, 30]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn sort(&self)
    where
        T: Ord,
    {
        self.sort_by(T::cmp);
    }

    /// Sorts the values by `compare`, in one commit; equal ones stay in their order.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.sort_by(|a, b| b.cmp(a));
    /// assert_eq!(list.values(), [30, 20, 10]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn sort_by(&self, mut compare: impl FnMut(&T, &T) -> Ordering + Send + 'static) {
        self.mutate(move |items| {
            let mut sorted: Vec<T> = items.iter().cloned().collect();
            sorted.sort_by(&mut compare);
            *items = sorted.into();
        });
    }

    /// Reverses the order, in one commit.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.reverse();
    /// assert_eq!(list.values(), [30, 20, 10]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn reverse(&self) {
        self.mutate(|items| *items = items.iter().rev().cloned().collect());
    }

    /// Replaces everything, in one commit; wakes the readers of what is different only.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.replace([10, 21]); // wakes no reader of index 0
    /// assert_eq!(list.values(), [10, 21]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn replace(&self, values: impl IntoIterator<Item = T>) {
        let new: PersistentVec<T> = values.into_iter().collect();
        self.mutate(move |items| *items = new.clone());
    }

    /// Changes the vector in any way, in one commit. The closure runs again if another write came
    /// between. Every index that is read is looked at again.
    ///
    /// ```
    /// let list = isobar::ReactiveVec::from_iter([10, 20, 30]);
    /// list.mutate(|list| list.iter_mut().for_each(|n| *n /= 10));
    /// assert_eq!(list.values(), [1, 2, 3]);
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn mutate(&self, mut f: impl FnMut(&mut PersistentVec<T>) + Send + 'static) {
        self.write(Scope::Whole, move |items| {
            let mut new = PersistentVec::clone(items);
            f(&mut new);
            items.become_other(new);
            Scope::Whole
        });
    }

    #[track_caller]
    fn write_and_tell<R: Send + 'static>(
        &self,
        scope: Scope,
        mut op: impl FnMut(&mut Sequence<T>) -> Option<(R, Scope)> + Send + 'static,
    ) -> Option<R> {
        self.write_checked(scope, move |items| op(items).ok_or(())).ok()
    }

    #[track_caller]
    fn write_checked<R: Send + 'static, E: Send + 'static>(
        &self,
        scope: Scope,
        mut op: impl FnMut(&mut Sequence<T>) -> Result<(R, Scope), E> + Send + 'static,
    ) -> Result<R, E> {
        // Of the first run in a batch, whose replays nobody hears of; of the last at top level.
        let told = Arc::new(Mutex::new(None));
        let tell = told.clone();
        self.write(scope, move |items| {
            let (result, scope) = match op(items) {
                Ok((result, scope)) => (Ok(result), scope),
                Err(error) => (Err(error), NOTHING),
            };
            let before = tell.lock().replace(result);
            drop(before);
            scope
        });
        let result = told.lock().take();
        result.expect("an operation runs at once, and again if need be")
    }

    /// One write. Where it is collected it may be replayed on another vector, so it wakes whatever
    /// it may concern, `scope`; at top level it wakes what `op` says it changed.
    #[track_caller]
    fn write(&self, scope: Scope, mut op: impl FnMut(&mut Sequence<T>) -> Scope + Send + 'static) {
        match write::is_collecting(self.items.node().inner()) {
            Err(error) => panic!("{}: {error}", self.name()),
            Ok(true) => batch(|| {
                self.read.core.readers.announce(scope).update(&self.items, move |old| {
                    let mut new = old.clone();
                    op(&mut new);
                    new
                });
            }),
            // Apart from an effect of another graph, whose writes here are commits of their own.
            Ok(false) => Frame::detached().enter(|| {
                let done = transaction(|| {
                    let old = self.items.load();
                    let mut new = Sequence::clone(&old);
                    let scope = op(&mut new);
                    if new != *old {
                        let announced = self.read.core.readers.announce(scope);
                        announced.update(&self.items, move |_| new.clone());
                    }
                    Ok::<_, Infallible>(())
                });
                done.unwrap_or_else(|never| match never {});
            }),
        }
    }
}

/// No index that has a value.
const NOTHING: Scope = Scope::Parts(Vec::new());

impl<T: Item> CollectionBuilder<ReactiveVec<T>> {
    /// The vector, empty.
    #[track_caller]
    pub fn build(self) -> ReactiveVec<T> {
        ReactiveVec::make(self, PersistentVec::new())
    }
}

impl<T> Deref for ReactiveVec<T> {
    type Target = ReadVec<T>;

    fn deref(&self) -> &ReadVec<T> {
        &self.read
    }
}

impl<T: Item> Default for ReactiveVec<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Item> FromIterator<T> for ReactiveVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::make(Self::builder(), values.into_iter().collect())
    }
}

impl<T: Item> Sealed for ReactiveVec<T> {}

impl<T: Item> Readable for ReactiveVec<T> {
    type Value = Sequence<T>;

    fn node(&self) -> &Node {
        self.items.node()
    }
}

super::handles!(ReadVec<T: Item>, core);
super::handles!(ReactiveVec<T: Item>, read, items);
super::serialized!(ReadVec<T: Item>, collect_seq, load);
super::serialized!(ReactiveVec<T: Item>, collect_seq, load);
