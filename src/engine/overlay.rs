//! A private layer over one revision: pending writes, and results that are nobody else's.
//!
//! A batch, a transaction, an effect's writes, a draft and the private results of a snapshot or
//! of a contended evaluation are all this one mechanism. Protocol: docs/protocols/overlay.md.
//!
//! The lock is held for looking things up and storing them only; user code runs outside of it.

use crate::block::{Header, Shared};
use crate::solo::Guarded;
use crate::structure::node::{Node, NodeKind, NodeRef};
use crate::structure::request::Condition;
use crate::structure::world::World;
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A recorded read-modify-write, replayed on the newest value until the commit lands.
pub(crate) type Replay = Box<dyn FnMut(&Header) -> Shared + Send>;

#[derive(Debug)]
pub(crate) struct Overlay {
    /// `None` between two uses, see `recycle`.
    world: Option<Arc<World>>,
    /// Spares reads the lock while nothing is pending. Relaxed: written and read by threads that
    /// hand the overlay to each other.
    wrote: AtomicBool,
    /// Are reads conditions of the commit? Relaxed: as above.
    remembers: AtomicBool,
    state: Guarded<State>,
}

#[derive(Debug, Default)]
struct State {
    base: u64,
    /// Counts changes of the layer; results remember at which they were checked.
    sequence: u32,
    savepoints: Vec<u32>,
    pending: Vec<Pending>,
    /// May some of them be without ops?
    rolled_back: bool,
    /// Address of a signal -> its place in `pending`, once that is too long to search.
    places: ByAddress<usize>,
    conditions: Vec<(u32, NodeRef, Condition)>,
    /// By id, for the nodes are not counted: another one may take the address of one that is gone.
    table: ById<Entry>,
    /// A transaction's reads, by address.
    reads: ByAddress<NodeRef>,
}

/// The writes to one signal that wait for the commit.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) node: NodeRef,
    pub(crate) ops: SmallVec<[Op; 1]>,
    /// The sequence at which the pending value last changed; 0: equal to the base.
    changed: u32,
    /// The version the first op's value was made from.
    pub(crate) made_on: u64,
}

#[derive(Debug)]
pub(crate) struct Op {
    sequence: u32,
    /// Does the value differ from that of the version `made_on`? `None`: nobody compared the two.
    pub(crate) differs: Option<bool>,
    pub(crate) act: Act,
    /// The signal's value after this op, where it is not simply what was set.
    pub(crate) value: Option<Shared>,
}

impl Op {
    /// The signal's value after this op.
    pub(crate) fn value(&self) -> &Shared {
        match (&self.value, &self.act) {
            (Some(value), _) => value,
            (None, Act::Set(Some(new))) => new,
            (None, _) => unreachable!("asked while no commit has it, and only sets go without"),
        }
    }
}

/// A write on its way into the layer.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) act: Act,
    /// Is the value after it another than before?
    pub(crate) changed: bool,
    /// As in `Op`.
    pub(crate) value: Option<Shared>,
    /// The version visible at the base.
    pub(crate) made_on: u64,
    /// The sequence at which the signal had no place in the layer, if it was looked for.
    pub(crate) absent_at: Option<u32>,
}

pub(crate) enum Act {
    /// What was written; the value of the op is the one before if the two are equal. `None` while
    /// a commit has it.
    Set(Option<Shared>),
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

/// What the layer shows of a signal that was written.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) value: Shared,
    pub(crate) changed: u32,
    pub(crate) made_on: u64,
}

/// Maps by a node's address, which needs no protection against chosen keys.
pub(crate) type ByAddress<T> = HashMap<usize, T, BuildHasherDefault<NumberHasher>>;
/// The same by its id.
type ById<T> = HashMap<u64, T, BuildHasherDefault<NumberHasher>>;

#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("addresses and ids are numbers");
    }

    fn write_usize(&mut self, address: usize) {
        self.write_u64(address as u64);
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing; the map looks at the highest bits and at the lowest, and those of an
        // address are always 0.
        let product = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Taken {
    pub(crate) fn nothing(base: u64) -> Self {
        Self { base, pending: Vec::new(), conditions: Vec::new() }
    }
}

fn key(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

/// So many written signals are searched one by one.
const SEARCHED: usize = 16;

impl State {
    /// The place of a signal in `pending`.
    fn place(&self, node: &Node) -> Option<usize> {
        if self.pending.len() > SEARCHED {
            return self.places.get(&key(node)).copied();
        }
        self.pending.iter().position(|pending| pending.node.same(node))
    }

    /// Adds a signal that has no place.
    fn add(&mut self, pending: Pending) {
        let place = self.pending.len();
        self.pending.push(pending);
        match place {
            ..SEARCHED => {}
            SEARCHED => {
                self.places.extend((0..).zip(&self.pending).map(|(i, p)| (key(&p.node), i)))
            }
            _ => _ = self.places.insert(key(&self.pending[place].node), place),
        }
    }
}

impl State {
    /// The writes, and whether some may be without ops.
    fn take(&mut self, remembers: bool) -> (Taken, bool) {
        self.sequence += 1;
        let base = self.base;
        let pending = std::mem::take(&mut self.pending);
        clear(&mut self.places);
        let mut conditions = Vec::new();
        if !self.conditions.is_empty() {
            let stated = std::mem::take(&mut self.conditions);
            conditions.extend(stated.into_iter().map(|(_, node, condition)| (node, condition)));
        }
        if remembers {
            for (_, node) in std::mem::take(&mut self.reads) {
                let condition = match node.role() {
                    NodeKind::Signal => Condition::NotAfter(base),
                    _ => Condition::CleanSince(base),
                };
                conditions.push((node, condition));
            }
        }
        (Taken { base, pending, conditions }, std::mem::take(&mut self.rolled_back))
    }

    /// Adds a write; what it makes superfluous goes into `overridden`.
    #[inline]
    fn push(&mut self, node: &Node, pushed: Pushed, overridden: &mut SmallVec<[Op; 1]>) {
        let Pushed { act, changed, value, made_on, absent_at } = pushed;
        // Nothing was added, taken or put back since.
        let absent = absent_at == Some(self.sequence);
        self.sequence += 1;
        let mut op = Op { sequence: self.sequence, differs: Some(changed), act, value };
        let place = if absent { None } else { self.place(node) };
        let Some(place) = place else {
            let (node, changed) = (node.counted(), if changed { op.sequence } else { 0 });
            let ops = smallvec::smallvec![op];
            return self.add(Pending { node, ops, changed, made_on });
        };
        let pending = &mut self.pending[place];
        if changed {
            pending.changed = op.sequence;
        }
        if !pending.ops.is_empty() {
            op.differs = None;
        }
        if matches!(op.act, Act::Set(_)) {
            // What a set overrides within the same savepoint need not be remembered.
            let since = self.savepoints.last().copied().unwrap_or(0);
            let is_overridden = |op: &Op| op.sequence > since && !matches!(op.act, Act::Touch);
            while pending.ops.last().is_some_and(is_overridden) {
                overridden.extend(pending.ops.pop());
            }
        }
        pending.ops.push(op);
    }
}

crate::sync::per_thread! {
    /// An overlay nobody uses, kept for its memory.
    static SPARE: Cell<Option<Arc<Overlay>>> = Cell::new(None);
}

/// Larger lists are not kept for the next overlay.
const KEPT: usize = 4096;

/// Gives an overlay back, if nobody else has it, for the next one of this thread.
pub(crate) fn recycle(mut overlay: Arc<Overlay>) {
    // Under loom a lock must not outlive its execution, and its order is explored anew.
    if cfg!(loom) {
        return;
    }
    let Some(unused) = Arc::get_mut(&mut overlay) else { return };
    unused.clear();
    let _ = SPARE.try_with(|spare| spare.set(Some(overlay)));
}

impl Overlay {
    /// Over a revision that is held for longer than the overlay is used.
    pub(crate) fn within(world: &Arc<World>, base: u64) -> Arc<Self> {
        let mut overlay = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let new = Arc::get_mut(&mut overlay).expect("a spare overlay is nobody else's");
        new.world = Some(world.clone());
        new.state.get_mut().base = base;
        overlay
    }

    /// Forgets everything but its memory.
    fn clear(&mut self) {
        *self.wrote.get_mut() = false;
        *self.remembers.get_mut() = false;
        let state = self.state.get_mut();
        state.sequence = 0;
        state.rolled_back = false;
        state.savepoints.clear();
        state.pending.clear();
        state.conditions.clear();
        if state.pending.capacity() > KEPT {
            state.pending = Vec::new();
        }
        clear(&mut state.places);
        clear(&mut state.table);
        clear(&mut state.reads);
        self.world = None;
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        self.world.as_ref().expect("only spare overlays have no world")
    }

    pub(crate) fn base(&self) -> u64 {
        self.state.lock().base
    }

    /// From here on reads are remembered as conditions of the commit.
    pub(crate) fn remember_reads(&self) {
        // Relaxed: see the field.
        self.remembers.store(true, Relaxed);
    }

    pub(crate) fn remembers_reads(&self) -> bool {
        // Relaxed: see the field.
        self.remembers.load(Relaxed)
    }

    pub(crate) fn remember<'a>(&self, nodes: impl Iterator<Item = &'a NodeRef>) {
        if !self.remembers_reads() {
            return;
        }
        let reads = &mut self.state.lock().reads;
        for node in nodes {
            reads.entry(key(node)).or_insert_with(|| node.clone());
        }
    }

    pub(crate) fn has_writes(&self) -> bool {
        // Relaxed: see the field.
        self.wrote.load(Relaxed)
    }

    /// What is pending of a signal; `Err`: nothing, and if that took a search, at which sequence.
    pub(crate) fn pending(&self, signal: &Node) -> Result<Shown, Option<u32>> {
        if !self.has_writes() {
            return Err(None);
        }
        self.state.with(|state| {
            let Some(place) = state.place(signal) else { return Err(Some(state.sequence)) };
            let Pending { ops, changed, made_on, .. } = &state.pending[place];
            let value = ops.last().ok_or(None)?.value().clone();
            Ok(Shown { value, changed: *changed, made_on: *made_on })
        })
    }

    /// Adds a write.
    pub(crate) fn push(&self, node: &Node, pushed: Pushed) {
        // Relaxed: see the field.
        self.wrote.store(true, Relaxed);
        // Dropped outside of the lock: values are user code.
        let mut overridden = SmallVec::new();
        self.state.with(|state| state.push(node, pushed, &mut overridden));
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
        state_ref.rolled_back = true;
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
        // Relaxed: see the field.
        self.wrote.store(false, Relaxed);
        // Relaxed: as above.
        let remembers = self.remembers.swap(false, Relaxed);
        let (mut taken, rolled_back) = self.state.with(|state| state.take(remembers));
        if rolled_back {
            // Outside of the lock: dropping nodes is user code.
            taken.pending.retain(|pending| !pending.ops.is_empty());
        }
        taken
    }

    /// Gives back the memory of what was committed.
    pub(crate) fn reuse(&self, mut taken: Taken) {
        // Values are user code, and dropped outside of the lock.
        taken.pending.clear();
        self.state.with(|state| {
            if state.pending.capacity() == 0 {
                state.pending = std::mem::take(&mut taken.pending);
            }
        });
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
            state.add(pending);
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
        match state.table.get_mut(&node.id) {
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
        self.enter(node, Entry::Running(chain));
    }

    pub(crate) fn finish(&self, node: &Node, result: Outcome) {
        self.enter(node, Entry::Done(result));
    }

    fn enter(&self, node: &Node, entry: Entry) {
        let before = self.state.lock().table.insert(node.id, entry);
        // Outside of the lock: another thread that shares the layer may have had its own result,
        // and dropping values is user code.
        drop(before);
    }

    pub(crate) fn forget(&self, node: &Node) {
        let before = self.state.lock().table.remove(&node.id);
        // As above.
        drop(before);
    }
}

impl Default for Overlay {
    fn default() -> Self {
        Self {
            world: None,
            wrote: AtomicBool::new(false),
            remembers: AtomicBool::new(false),
            state: Guarded::new(State::default()),
        }
    }
}

/// Clearing costs time in proportion to the capacity.
fn clear<K, T>(map: &mut HashMap<K, T, BuildHasherDefault<NumberHasher>>) {
    if map.capacity() > KEPT {
        *map = HashMap::default();
    } else if !map.is_empty() {
        map.clear();
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
