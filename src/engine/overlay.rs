//! A private layer over one revision: pending writes, and results that are nobody else's.
//!
//! A batch, a transaction, an effect's writes, a draft and the private results of a snapshot or
//! of a contended evaluation are all this one mechanism. Protocol: docs/protocols/overlay.md.
//!
//! The lock is held for looking things up and storing them only; user code runs outside of it.

use crate::block::{Header, Shared};
use crate::structure::node::{Node, NodeKind, NodeRef};
use crate::structure::request::Condition;
use crate::structure::world::World;
use crate::sync::Mutex;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A recorded read-modify-write, replayed on the newest value until the commit lands.
pub(crate) type Replay = Box<dyn FnMut(&Header) -> Shared + Send>;

#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) world: Arc<World>,
    /// Spares reads the lock while nothing is pending. Relaxed: written and read by threads that
    /// hand the overlay to each other.
    wrote: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    base: u64,
    /// Counts changes of the layer; results remember at which they were checked.
    sequence: u32,
    savepoints: Vec<u32>,
    pending: Vec<Pending>,
    /// Address of a signal -> its place in `pending`.
    places: HashMap<usize, usize>,
    conditions: Vec<(u32, NodeRef, Condition)>,
    table: HashMap<usize, Entry>,
    /// A transaction's reads, by address.
    reads: Option<HashMap<usize, NodeRef>>,
}

/// The writes to one signal that wait for the commit.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) node: NodeRef,
    pub(crate) ops: Vec<Op>,
    /// The sequence at which the pending value last changed; 0: equal to the base.
    changed: u32,
    /// The version the first op's value was made from.
    pub(crate) made_on: u64,
}

#[derive(Debug)]
pub(crate) struct Op {
    sequence: u32,
    pub(crate) act: Act,
    /// The signal's value after this op.
    pub(crate) value: Shared,
}

pub(crate) enum Act {
    /// What was written; the value of the op is the one before if the two are equal.
    Set(Shared),
    Replay(Replay),
    Touch,
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Replay(_) => "Replay",
            Self::Touch => "Touch",
        })
    }
}

#[derive(Debug)]
enum Entry {
    /// By this chain of evaluations.
    Running(u64),
    Done(Outcome),
}

/// A computed's private result.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) block: Shared,
    pub(crate) sources: Arc<[NodeRef]>,
    /// The layer's sequence when the value last differed; 0: it is that of the base.
    pub(crate) changed: u32,
    pub(crate) verified: u32,
    pub(crate) valid_from: u64,
}

/// Marks a place to roll back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint(Option<u32>);

impl Savepoint {
    /// Before every write.
    pub(crate) const START: Self = Self(None);
}

/// Everything a commit needs, taken out of the overlay.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) base: u64,
    pub(crate) pending: Vec<Pending>,
    pub(crate) conditions: Vec<(NodeRef, Condition)>,
}

fn key(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

impl Overlay {
    /// Over a revision that is held for longer than the overlay is used.
    pub(crate) fn within(world: &Arc<World>, base: u64) -> Arc<Self> {
        let state = State {
            base,
            sequence: 0,
            savepoints: Vec::new(),
            pending: Vec::new(),
            places: HashMap::new(),
            conditions: Vec::new(),
            table: HashMap::new(),
            reads: None,
        };
        let wrote = AtomicBool::new(false);
        Arc::new(Self { world: world.clone(), wrote, state: Mutex::new(state) })
    }

    pub(crate) fn base(&self) -> u64 {
        self.state.lock().base
    }

    /// From here on reads are remembered as conditions of the commit.
    pub(crate) fn remember_reads(&self) {
        self.state.lock().reads.get_or_insert_default();
    }

    pub(crate) fn remembers_reads(&self) -> bool {
        self.state.lock().reads.is_some()
    }

    pub(crate) fn remember<'a>(&self, nodes: impl Iterator<Item = &'a NodeRef>) {
        if let Some(reads) = &mut self.state.lock().reads {
            for node in nodes {
                reads.entry(key(node)).or_insert_with(|| node.clone());
            }
        }
    }

    pub(crate) fn has_writes(&self) -> bool {
        // Relaxed: see the field.
        self.wrote.load(Relaxed)
    }

    /// The pending value of a signal and when it changed.
    pub(crate) fn pending(&self, signal: &Node) -> Option<(Shared, u32)> {
        if !self.has_writes() {
            return None;
        }
        let state = self.state.lock();
        let pending = &state.pending[*state.places.get(&key(signal))?];
        pending.ops.last().map(|op| (op.value.clone(), pending.changed))
    }

    /// Adds a write. `before` is the value it was made from, which stays if `changed` is false;
    /// `made_on` the version visible at the base.
    pub(crate) fn push(&self, node: &Node, act: Act, value: Shared, changed: bool, made_on: u64) {
        // Relaxed: see the field.
        self.wrote.store(true, Relaxed);
        // Dropped after the lock is released: values are user code.
        let mut overridden_ops: SmallVec<[Op; 1]> = SmallVec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.sequence += 1;
        let place = *state.places.entry(key(node)).or_insert_with(|| {
            let (node, ops) = (node.counted(), Vec::new());
            state.pending.push(Pending { node, ops, changed: 0, made_on });
            state.pending.len() - 1
        });
        let pending = &mut state.pending[place];
        if changed {
            pending.changed = state.sequence;
        }
        if matches!(act, Act::Set(_)) {
            // What a set overrides within the same savepoint need not be remembered.
            let since = state.savepoints.last().copied().unwrap_or(0);
            let overridden = |op: &Op| op.sequence > since && !matches!(op.act, Act::Touch);
            while pending.ops.last().is_some_and(overridden) {
                overridden_ops.extend(pending.ops.pop());
            }
        }
        pending.ops.push(Op { sequence: state.sequence, act, value });
    }

    pub(crate) fn push_condition(&self, node: &Node, condition: Condition) {
        let mut state = self.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        state.conditions.push((sequence, node.counted(), condition));
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        let mut state = self.state.lock();
        let here = state.sequence;
        state.savepoints.push(here);
        Savepoint(Some(here))
    }

    /// The writes since the savepoint belong to what surrounds it.
    pub(crate) fn merge(&self, _savepoint: Savepoint) {
        self.state.lock().savepoints.pop();
    }

    /// Forgets every write after the savepoint.
    pub(crate) fn roll_back(&self, to: Savepoint) {
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        let state_ref = &mut *state;
        if to.0.is_some() {
            state_ref.savepoints.pop();
        }
        let since = to.0.unwrap_or(0);
        state_ref.sequence += 1;
        for pending in &mut state_ref.pending {
            while pending.ops.last().is_some_and(|op| op.sequence > since) {
                dropped.extend(pending.ops.pop());
                pending.changed = state_ref.sequence;
            }
        }
        let forgotten: Vec<_> =
            state_ref.conditions.extract_if(.., |(sequence, ..)| *sequence > since).collect();
        drop(state);
        // Outside of the lock: dropping values and nodes is user code.
        drop((dropped, forgotten));
    }

    /// Takes the writes out, for a commit.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        let base = state.base;
        let mut pending = std::mem::take(&mut state.pending);
        pending.retain(|pending| !pending.ops.is_empty());
        state.places.clear();
        // Relaxed: see the field.
        self.wrote.store(false, Relaxed);
        let conditions = std::mem::take(&mut state.conditions);
        let mut conditions: Vec<_> = conditions.into_iter().map(|(_, n, c)| (n, c)).collect();
        for (_, node) in state.reads.take().into_iter().flatten() {
            let condition = match node.role() {
                NodeKind::Signal => Condition::NotAfter(base),
                _ => Condition::CleanSince(base),
            };
            conditions.push((node, condition));
        }
        Taken { base, pending, conditions }
    }

    /// Puts back what a commit could not use, on a new base.
    pub(crate) fn restore(&self, taken: Taken) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.base = taken.base;
        let table = std::mem::take(&mut state.table);
        state.sequence += 1;
        for mut pending in taken.pending {
            pending.changed = state.sequence;
            state.places.insert(key(&pending.node), state.pending.len());
            state.pending.push(pending);
        }
        state.conditions = taken.conditions.into_iter().map(|(n, c)| (0, n, c)).collect();
        // Relaxed: see the field.
        self.wrote.store(!state.pending.is_empty(), Relaxed);
        drop(guard);
        // Outside of the lock: dropping values and nodes is user code.
        drop(table);
    }

    /// The signals with pending writes.
    pub(crate) fn written(&self) -> Vec<NodeRef> {
        let state = self.state.lock();
        let written = state.pending.iter().filter(|pending| !pending.ops.is_empty());
        written.map(|pending| pending.node.clone()).collect()
    }

    pub(crate) fn sequence(&self) -> u32 {
        self.state.lock().sequence
    }

    /// What is known of a computed; if nothing fresh is, the caller must `finish` it.
    pub(crate) fn look_up(&self, node: &Node, chain: u64) -> Lookup {
        let mut state = self.state.lock();
        let sequence = state.sequence;
        match state.table.get_mut(&key(node)) {
            None => Lookup::Absent(sequence),
            Some(Entry::Running(owner)) if *owner == chain => Lookup::Running,
            // Another thread that shares the layer: it has its result, this one makes its own.
            Some(Entry::Running(_)) => Lookup::Absent(sequence),
            Some(Entry::Done(done)) if done.verified == sequence => Lookup::Fresh(done.clone()),
            Some(entry) => match std::mem::replace(entry, Entry::Running(chain)) {
                Entry::Done(stale) => Lookup::Stale(stale, sequence),
                Entry::Running(_) => unreachable!("looked at above"),
            },
        }
    }

    pub(crate) fn begin(&self, node: &Node, chain: u64) {
        self.state.lock().table.insert(key(node), Entry::Running(chain));
    }

    pub(crate) fn finish(&self, node: &Node, result: Outcome) {
        self.state.lock().table.insert(key(node), Entry::Done(result));
    }

    pub(crate) fn forget(&self, node: &Node) {
        self.state.lock().table.remove(&key(node));
    }
}

/// See `Overlay::look_up`; the numbers are the layer's sequence.
#[derive(Debug)]
pub(crate) enum Lookup {
    Fresh(Outcome),
    /// Now marked as running.
    Stale(Outcome, u32),
    Absent(u32),
    Running,
}
