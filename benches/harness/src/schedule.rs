//! A static schedule over boxed closures: what any engine with opaque closures pays at least. What
//! lies downstream of a write is listed once, in order of creation; no tracking, and no cutoff but
//! for effects, which run when a source of theirs has another value.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Engine, Frees, OneThread, Read, ReadList, Source};

/// The nodes of one graph, in order of creation.
#[derive(Default)]
#[allow(missing_debug_implementations, reason = "closures have none")]
pub struct Schedule(RefCell<State>);

#[derive(Default)]
struct State {
    nodes: Vec<Node>,
    /// The signals written since the last settling, and what was listed for the last such set.
    written: Vec<u32>,
    last_written: Vec<u32>,
    /// What lies downstream of one signal, or of the last several that were written together.
    listed: Vec<Option<Rc<[u32]>>>,
    last: Option<Rc<[u32]>>,
}

struct Node {
    run: Box<dyn Fn()>,
    observers: Vec<u32>,
}

/// A value's place, and the number of its node.
#[derive(Clone, Debug)]
pub struct Slot {
    value: Arc<AtomicU64>,
    number: u32,
}

impl Read for Slot {
    #[inline]
    fn read(&self) -> u64 {
        // Relaxed: one thread only, here and below.
        self.value.load(Ordering::Relaxed)
    }
}

/// A list's place, and the number of its node.
#[derive(Clone, Debug)]
pub struct ListSlot {
    values: OneThread<Rc<RefCell<Arc<[u64]>>>>,
    number: u32,
}

impl ReadList for ListSlot {
    #[inline]
    fn at(&self, index: usize) -> u64 {
        self.values.get().borrow()[index]
    }
}

impl Schedule {
    fn node(&self, sources: &[Source<'_, Self>], run: impl Fn() + 'static) -> u32 {
        let mut state = self.0.borrow_mut();
        let number = state.nodes.len() as u32;
        for source in sources {
            state.nodes[place(source) as usize].observers.push(number);
        }
        state.nodes.push(Node { run: Box::new(run), observers: Vec::new() });
        state.listed.clear();
        state.last = None;
        number
    }

    /// What has to run after the writes since the last settling.
    fn due(&self) -> Rc<[u32]> {
        let state = &mut *self.0.borrow_mut();
        let listed = match state.written[..] {
            [one] => {
                state.listed.resize(state.nodes.len(), None);
                &mut state.listed[one as usize]
            }
            _ => {
                if state.written != state.last_written {
                    state.last = None;
                    state.last_written.clone_from(&state.written);
                }
                &mut state.last
            }
        };
        let list = listed.get_or_insert_with(|| downstream(&state.nodes, &state.written));
        let list = Rc::clone(list);
        state.written.clear();
        list
    }
}

fn place(source: &Source<'_, Schedule>) -> u32 {
    match source {
        Source::Signal(slot) | Source::Computed(slot) => slot.number,
        Source::List(list) => list.number,
    }
}

fn downstream(nodes: &[Node], written: &[u32]) -> Rc<[u32]> {
    let mut is_reached = vec![false; nodes.len()];
    for at in written {
        is_reached[*at as usize] = true;
    }
    for at in 0..nodes.len() {
        if is_reached[at] {
            nodes[at].observers.iter().for_each(|to| is_reached[*to as usize] = true);
        }
    }
    // Signals have nothing to run.
    for at in written {
        is_reached[*at as usize] = false;
    }
    let numbers = 0..nodes.len() as u32;
    numbers.filter(|at| is_reached[*at as usize]).collect()
}

impl Engine for Schedule {
    type Signal = Slot;
    type Computed = Slot;
    type Effect = ();
    type List = ListSlot;

    const DYNAMIC: bool = false;
    const FREES: Frees = Frees::Graph;

    fn signal(&self, value: u64) -> Self::Signal {
        Slot { value: Arc::new(AtomicU64::new(value)), number: self.node(&[], || {}) }
    }

    fn computed(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        let value = Arc::new(AtomicU64::new(f()));
        let slot = Arc::clone(&value);
        let number = self.node(sources, move || slot.store(f(), Ordering::Relaxed));
        Slot { value, number }
    }

    fn effect(&self, sources: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) {
        f();
        let slots = sources.iter().filter_map(|source| match source {
            Source::Signal(slot) | Source::Computed(slot) => Some((*slot).clone()),
            Source::List(_) => None,
        });
        let seen: Vec<_> = slots.map(|slot| (Cell::new(slot.read()), slot)).collect();
        self.node(sources, move || {
            let mut moved = false;
            for (last, slot) in &seen {
                let now = slot.read();
                moved |= last.replace(now) != now;
            }
            if moved {
                f();
            }
        });
    }

    fn list(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        let values = Rc::new(RefCell::new(f()));
        let slot = Rc::clone(&values);
        let number = self.node(sources, move || *slot.borrow_mut() = f());
        // SAFETY: `Schedule` is not `Threaded`, so the harness keeps to one thread.
        ListSlot { values: unsafe { OneThread::new(values) }, number }
    }

    fn set(&self, signal: &Self::Signal, value: u64) {
        signal.value.store(value, Ordering::Relaxed);
        let written = &mut self.0.borrow_mut().written;
        if written.last() != Some(&signal.number) {
            written.push(signal.number);
        }
    }

    fn batch(&self, f: impl FnOnce()) {
        f();
    }

    fn settle(&self) {
        if self.0.borrow().written.is_empty() {
            return;
        }
        let due = self.due();
        let state = self.0.borrow();
        for at in due.iter() {
            (state.nodes[*at as usize].run)();
        }
    }
}
