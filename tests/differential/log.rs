//! A log inside the graph: one signal whose value is the whole list of commits so far.
//!
//! Every logged commit also appends itself to this signal, by an `update`. Whoever reads the log
//! together with other nodes at one revision therefore knows exactly which commits that revision
//! consists of, in which order, without asking the engine.

use std::sync::Arc;

use crate::spec::{Id, Outcome, Spec, Val};

/// An operation: the thread (or effect) and its place in that thread's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OpId {
    pub by: u32,
    pub at: u32,
}

impl OpId {
    /// The tag of the values this operation writes.
    pub(crate) fn tag(self) -> u64 {
        u64::from(self.by) << 32 | u64::from(self.at)
    }

    pub(crate) fn of_tag(tag: u64) -> Option<OpId> {
        (tag != 0).then_some(OpId { by: (tag >> 32) as u32, at: tag as u32 })
    }
}

/// One write of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub signal: usize,
    pub how: How,
    pub v: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Set,
    /// Adds by `update`.
    Update,
    /// Adds by `mutate`.
    Mutate,
}

impl Write {
    /// The value it makes of an old one.
    pub(crate) fn of(&self, old: &Val, tag: u64) -> Val {
        match self.how {
            How::Set => Val { v: self.v, tag },
            How::Update | How::Mutate => Val { v: (old.v + self.v) % crate::spec::MODULUS, tag },
        }
    }
}

pub(crate) struct Entry {
    pub index: u64,
    pub op: OpId,
    pub writes: Arc<[Write]>,
    /// What a transaction read: it must hold right before this commit.
    pub read: Arc<[(Id, Outcome)]>,
    earlier: Log,
}

#[derive(Clone, Default)]
pub(crate) struct Log(Option<Arc<Entry>>);

impl Log {
    pub(crate) fn index(&self) -> u64 {
        self.0.as_ref().map_or(0, |entry| entry.index)
    }

    #[must_use]
    pub(crate) fn with(&self, op: OpId, writes: &Arc<[Write]>, read: &Arc<[(Id, Outcome)]>) -> Log {
        Log(Some(Arc::new(Entry {
            index: self.index() + 1,
            op,
            writes: Arc::clone(writes),
            read: Arc::clone(read),
            earlier: self.clone(),
        })))
    }

    /// All entries, the first one first.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        let mut next = self.0.clone();
        while let Some(entry) = next {
            next = entry.earlier.0.clone();
            entries.push(entry);
        }
        entries.reverse();
        entries
    }
}

impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Drop for Entry {
    /// Not recursively: the log may be long.
    fn drop(&mut self) {
        let mut next = self.earlier.0.take();
        while let Some(entry) = next {
            next = match Arc::try_unwrap(entry) {
                Ok(mut entry) => entry.earlier.0.take(),
                Err(_) => None,
            };
        }
    }
}

/// What a commit makes of the signals.
pub(crate) fn commit(spec: &Spec, signals: &mut [Val], writes: &[Write], tag: u64) {
    let before = signals.to_vec();
    overlay(signals, writes, tag);
    for (at, signal) in spec.signals.iter().enumerate() {
        // The engine's own call decides whether equality panics; here only its answer counts.
        if signal.compare.same(&before[at], &signals[at]) {
            signals[at] = before[at];
        }
    }
}

/// What the author of uncommitted writes sees of the signals.
pub(crate) fn overlay(signals: &mut [Val], writes: &[Write], tag: u64) {
    for write in writes {
        signals[write.signal] = write.of(&signals[write.signal], tag);
    }
}
