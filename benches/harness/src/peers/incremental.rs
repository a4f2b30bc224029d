//! incremental: edges are declared, values are passed to the functions of nodes. So that a closure
//! can read what it declared, each value is copied to a place of its own on the side.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use incremental::{Incr, IncrState, Observer, Var};

use crate::engine::{Engine, Frees, OneThread, Read, ReadList, Source};

/// A state, and whether it has to be stabilised.
pub struct Incremental {
    state: IncrState,
    is_due: Cell<bool>,
    /// The height that is allowed: it has to be raised by hand.
    height: Cell<usize>,
}

impl fmt::Debug for Incremental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incremental").field("height", &self.height).finish_non_exhaustive()
    }
}

/// A node, its value on the side, and how many nodes stand above it.
#[allow(missing_debug_implementations, reason = "the crate's nodes have none")]
pub struct Node<V, T: incremental::Value> {
    value: V,
    incr: Incr<T>,
    height: usize,
    var: Option<Var<T>>,
    /// What is asked for from outside; nothing is computed that is not observed.
    observer: OnceCell<Observer<T>>,
}

/// A handle to a number.
pub(super) type Number = OneThread<Rc<Node<Rc<Cell<u64>>, u64>>>;
/// A handle to a list.
pub(super) type List = OneThread<Rc<Node<Rc<RefCell<Arc<[u64]>>>, Arc<[u64]>>>>;

impl Read for Number {
    #[inline]
    fn read(&self) -> u64 {
        self.get().value.get()
    }
}

impl ReadList for List {
    fn at(&self, index: usize) -> u64 {
        self.get().value.borrow()[index]
    }
}

impl Incremental {
    /// A state.
    #[allow(clippy::new_without_default, reason = "a state is not a value")]
    pub fn new() -> Self {
        let height = 128;
        let state = IncrState::new_with_height(height);
        Self { state, is_due: Cell::new(false), height: Cell::new(height) }
    }

    /// Room for a node of that height.
    fn allow(&self, height: usize) {
        if height + 2 > self.height.get() {
            self.height.set(2 * height + 2);
            self.state.set_max_height_allowed(2 * height + 2);
        }
    }

    /// A node that runs `f` once when any source has changed.
    fn node<T: incremental::Value>(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> T + 'static,
    ) -> (Incr<T>, usize) {
        let height = 1 + sources.iter().map(height).max().unwrap_or(0);
        self.allow(height);
        let incr = match sources {
            [Source::List(list)] => list.get().incr.map(move |_| f()),
            [a] => number(a).map(move |_| f()),
            [a, b] => number(a).map2(number(b), move |_, _| f()),
            [a, b, c] => number(a).map3(number(b), number(c), move |_, _, _| f()),
            [a, b, c, d] => number(a).map4(number(b), number(c), number(d), move |_, _, _, _| f()),
            [] => self.state.constant(f()),
            _ => self.fold(sources, f),
        };
        (incr, height)
    }

    /// Folds over the sources, and runs `f` at the last of them.
    fn fold<T: incremental::Value>(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> T + 'static,
    ) -> Incr<T> {
        let (count, turn) = (sources.len(), Cell::new(0));
        let numbers = sources.iter().map(|source| number(source).clone()).collect();
        let fold = self.state.fold(numbers, None, move |_: Option<T>, _: &u64| {
            turn.set((turn.get() + 1) % count);
            (turn.get() == 0).then(&f)
        });
        fold.map(|last| last.clone().expect("there are sources"))
    }
}

fn number<'a>(source: &Source<'a, Incremental>) -> &'a Incr<u64> {
    match source {
        Source::Signal(node) | Source::Computed(node) => &node.get().incr,
        Source::List(_) => panic!("a list is read alone"),
    }
}

fn height(source: &Source<'_, Incremental>) -> usize {
    match source {
        Source::Signal(node) | Source::Computed(node) => node.get().height,
        Source::List(list) => list.get().height,
    }
}

fn one_thread<H>(handle: H) -> OneThread<H> {
    // SAFETY: `Incremental` is not `Threaded`, so the harness keeps to one thread.
    unsafe { OneThread::new(handle) }
}

impl Engine for Incremental {
    type Signal = Number;
    type Computed = Number;
    type Effect = OneThread<Observer<()>>;
    type List = List;

    const DYNAMIC: bool = false;
    const FREES: Frees = Frees::Handles;

    fn signal(&self, value: u64) -> Self::Signal {
        let var = self.state.var(value);
        let (incr, value) = (var.watch(), Rc::new(Cell::new(value)));
        let observer = OnceCell::new();
        one_thread(Rc::new(Node { value, incr, height: 0, var: Some(var), observer }))
    }

    fn computed(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        let value = Rc::new(Cell::new(0));
        let place = Rc::clone(&value);
        let (incr, height) = self.node(sources, move || {
            let value = f();
            place.set(value);
            value
        });
        one_thread(Rc::new(Node { value, incr, height, var: None, observer: OnceCell::new() }))
    }

    fn effect(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() + Send + Sync + 'static,
    ) -> Self::Effect {
        self.is_due.set(true);
        one_thread(self.node(sources, f).0.observe())
    }

    fn list(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        let value = Rc::new(RefCell::new(Arc::from([])));
        let place = Rc::clone(&value);
        let (incr, height) = self.node(sources, move || {
            let values = f();
            place.replace(Arc::clone(&values));
            values
        });
        one_thread(Rc::new(Node { value, incr, height, var: None, observer: OnceCell::new() }))
    }

    fn set(&self, signal: &Self::Signal, value: u64) {
        let node = signal.get();
        node.value.set(value);
        node.var.as_ref().expect("a signal").set(value);
        self.is_due.set(true);
    }

    /// Nothing happens before it is stabilised.
    fn batch(&self, f: impl FnOnce()) {
        f();
    }

    fn settle(&self) {
        if self.is_due.replace(false) {
            self.state.stabilise();
        }
    }

    fn pull(&self, computed: &Self::Computed) -> u64 {
        let node = computed.get();
        let observer = node.observer.get_or_init(|| {
            self.is_due.set(true);
            node.incr.observe()
        });
        self.settle();
        observer.value()
    }
}
