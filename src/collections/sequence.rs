//! A persistent vector that remembers what was last done to it.
//!
//! Two persistent vectors cannot be compared in less than the time to look at both, so each
//! carries a log: whoever has seen an earlier one of the same line finds the steps from there.

use super::map::Item;
use super::{PersistentVec, VecDiff};
use crate::sync::Relaxed;
use crate::sync::count::AtomicU64;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The value of a [`ReactiveVec`](crate::ReactiveVec): a [`PersistentVec`], to which it
/// dereferences, with a log of its last changes, at least a thousand.
#[derive(Clone, Debug)]
pub struct Sequence<T> {
    items: PersistentVec<T>,
    log: Log<T>,
}

/// The last steps, the newest first, in two lists: the older one goes as a whole when the younger
/// is full, so a step costs one small block and the log is bounded.
#[derive(Clone, Debug)]
struct Log<T> {
    recent: Option<Arc<Link<T>>>,
    /// In `recent`.
    length: usize,
    older: Option<Arc<Link<T>>>,
    /// The number of the state before the oldest step.
    before: u64,
}

/// A step with its number, which no other step has; numbers grow along a line.
#[derive(Debug)]
struct Link<T> {
    number: u64,
    step: VecDiff<T>,
    previous: Option<Arc<Link<T>>>,
}

/// Who is further behind, up to twice as far, begins again.
const REMEMBERED: usize = 1024;

fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness matters, and growth on one thread or from a value that it was given.
    NUMBERS.fetch_add(1, Relaxed)
}

impl<T> Log<T> {
    fn new() -> Self {
        Self { recent: None, length: 0, older: None, before: next_number() }
    }

    fn number(&self) -> u64 {
        let newest = self.recent.as_ref().or(self.older.as_ref());
        newest.map_or(self.before, |link| link.number)
    }

    fn note(&mut self, step: VecDiff<T>) {
        if self.length == REMEMBERED {
            let forgotten = std::mem::replace(&mut self.older, self.recent.take());
            self.before = forgotten.map_or(self.before, |link| link.number);
            self.length = 0;
        }
        let previous = self.recent.take();
        self.recent = Some(Arc::new(Link { number: next_number(), step, previous }));
        self.length += 1;
    }

    /// The steps after the state with this number, the oldest first, if it is remembered.
    fn since(&self, seen: u64) -> Option<impl DoubleEndedIterator<Item = &VecDiff<T>>> {
        let links =
            |newest| std::iter::successors(newest, |link: &&Link<T>| link.previous.as_deref());
        let mut links = links(self.recent.as_deref()).chain(links(self.older.as_deref()));
        let (mut steps, mut met) = (Vec::new(), self.before);
        for link in &mut links {
            if link.number <= seen {
                met = link.number;
                break;
            }
            steps.push(&link.step);
        }
        (met == seen).then(|| steps.into_iter().rev())
    }
}

impl<T> Drop for Link<T> {
    /// One after the other: lists are long and stacks may be small.
    fn drop(&mut self) {
        let mut next = self.previous.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.previous.take();
        }
    }
}

impl<T: Item> Sequence<T> {
    pub(super) fn new(items: PersistentVec<T>) -> Self {
        Self { items, log: Log::new() }
    }

    pub(super) fn push(&mut self, value: T) {
        self.insert(self.items.len(), value);
    }

    pub(super) fn insert(&mut self, index: usize, value: T) {
        self.items.insert(index, value.clone());
        self.log.note(VecDiff::Insert { index, value });
    }

    pub(super) fn remove(&mut self, index: usize) -> T {
        let old = self.items.remove(index);
        self.log.note(VecDiff::Remove { index, old: old.clone() });
        old
    }

    pub(super) fn set(&mut self, index: usize, value: T) {
        if self.items[index] != value {
            let old = self.items.set(index, value.clone());
            self.log.note(VecDiff::Update { index, old, value });
        }
    }

    pub(super) fn move_item(&mut self, from: usize, to: usize) {
        if from != to {
            let value = self.items.remove(from);
            self.items.insert(to, value);
            self.log.note(VecDiff::Move { from, to });
        }
    }

    /// Replaces a range; returns what was there.
    pub(super) fn splice(&mut self, range: Range<usize>, values: &[T]) -> Vec<T> {
        let old: Vec<T> = self.items.iter().take(range.end).skip(range.start).cloned().collect();
        let both = old.len().min(values.len());
        for (offset, value) in values.iter().enumerate() {
            let index = range.start + offset;
            if offset < both {
                self.set(index, value.clone());
            } else {
                self.insert(index, value.clone());
            }
        }
        for _ in both..old.len() {
            self.remove(range.start + both);
        }
        old
    }

    /// Takes over other contents: as updates if these are few, else there is no way back in the
    /// log.
    pub(super) fn become_other(&mut self, items: PersistentVec<T>) {
        const FEW: usize = 64;
        let differ = |index: &usize| self.items[*index] != items[*index];
        if self.items.len() == items.len() {
            let differing: Vec<usize> = (0..items.len()).filter(differ).take(FEW + 1).collect();
            if differing.len() <= FEW {
                differing.iter().for_each(|index| self.set(*index, items[*index].clone()));
                return;
            }
        }
        *self = Self::new(items);
    }

    /// What was done since `seen`; `None` if that is too long ago, or of another line.
    pub(super) fn steps_since(
        &self,
        seen: &Self,
    ) -> Option<impl DoubleEndedIterator<Item = &VecDiff<T>>> {
        self.log.since(seen.log.number())
    }

    /// Is it what `old` was, given as many values and the steps between?
    fn is_same_after<'a>(&self, old: &Self, steps: impl Iterator<Item = &'a VecDiff<T>>) -> bool
    where
        T: 'a,
    {
        let (mut updated, mut first_shifted) = (Vec::new(), usize::MAX);
        for step in steps {
            match step {
                VecDiff::Update { index, .. } => updated.push(*index),
                VecDiff::Insert { index, .. } | VecDiff::Remove { index, .. } => {
                    first_shifted = first_shifted.min(*index);
                }
                VecDiff::Move { from, to } => first_shifted = first_shifted.min(*from).min(*to),
                VecDiff::Reset { .. } => first_shifted = 0,
            }
        }
        updated.retain(|index| *index < first_shifted);
        let (now, then) = (self.items.skip(first_shifted), old.items.skip(first_shifted));
        updated.iter().all(|index| self.items[*index] == old.items[*index]) && now == then
    }
}

/// By their values; looked at are those that the steps between the two may have changed.
impl<T: Item> PartialEq for Sequence<T> {
    fn eq(&self, other: &Self) -> bool {
        if self.log.number() == other.log.number() {
            return true;
        }
        if self.items.len() != other.items.len() {
            return false;
        }
        match other.steps_since(self) {
            Some(steps) => other.is_same_after(self, steps),
            None => self.items == other.items,
        }
    }
}

impl<T: Item> Deref for Sequence<T> {
    type Target = PersistentVec<T>;

    fn deref(&self) -> &PersistentVec<T> {
        &self.items
    }
}
