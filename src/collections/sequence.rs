//! A persistent vector that remembers what was last done to it.
//!
//! Two persistent vectors cannot be compared in less than the time to look at both, so each
//! carries a log: whoever has seen an earlier one of the same line finds the steps from there.

use super::map::Item;
use super::{PersistentVec, VecDiff};
use crate::sync::Relaxed;
use crate::sync::count::AtomicU64;
use std::ops::{Deref, Range};

/// The value of a [`ReactiveVec`](crate::ReactiveVec): a [`PersistentVec`], to which it
/// dereferences, with a log of the last thousand changes.
#[derive(Clone, Debug)]
pub struct Sequence<T> {
    items: PersistentVec<T>,
    /// Each step with its number, which no other step has; numbers grow along a line.
    log: PersistentVec<(u64, VecDiff<T>)>,
    /// The number of the state before the log.
    before: u64,
}

/// Who is further behind begins again.
const REMEMBERED: usize = 1024;

fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only uniqueness matters, and growth on one thread or from a value that it was given.
    NUMBERS.fetch_add(1, Relaxed)
}

impl<T: Item> Sequence<T> {
    pub(super) fn new(items: PersistentVec<T>) -> Self {
        Self { items, log: PersistentVec::new(), before: next_number() }
    }

    fn number(&self) -> u64 {
        self.log.back().map_or(self.before, |(number, _)| *number)
    }

    fn note(&mut self, diff: VecDiff<T>) {
        self.log.push_back((next_number(), diff));
        if self.log.len() > REMEMBERED {
            let oldest = self.log.pop_front();
            self.before = oldest.map_or(self.before, |(number, _)| number);
        }
    }

    pub(super) fn push(&mut self, value: T) {
        self.insert(self.items.len(), value);
    }

    pub(super) fn insert(&mut self, index: usize, value: T) {
        self.items.insert(index, value.clone());
        self.note(VecDiff::Insert { index, value });
    }

    pub(super) fn remove(&mut self, index: usize) -> T {
        let old = self.items.remove(index);
        self.note(VecDiff::Remove { index, old: old.clone() });
        old
    }

    pub(super) fn set(&mut self, index: usize, value: T) {
        if self.items[index] != value {
            let old = self.items.set(index, value.clone());
            self.note(VecDiff::Update { index, old, value });
        }
    }

    pub(super) fn move_item(&mut self, from: usize, to: usize) {
        if from != to {
            let value = self.items.remove(from);
            self.items.insert(to, value);
            self.note(VecDiff::Move { from, to });
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
    pub(super) fn steps_since(&self, seen: &Self) -> Option<impl Iterator<Item = &VecDiff<T>>> {
        let seen = seen.number();
        let newer = self.log.iter().rev().take_while(|(number, _)| *number > seen).count();
        let start = self.log.len() - newer;
        let met = if start == 0 { self.before } else { self.log[start - 1].0 };
        (met == seen).then(|| (start..self.log.len()).map(|index| &self.log[index].1))
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
        if self.number() == other.number() {
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
