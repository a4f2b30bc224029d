//! Engines that are right, wrong, glitching, hanging and dying: a program like any that uses the
//! harness, for `tests/faults.rs`.

use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar_harness::allocator::Counting;
use isobar_harness::{Contenders, Engine, OneThread, Read, ReadList, Role, Source};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let contenders = Contenders::bounds()
        .with("right", Role::Own, || Toy::new(Fault::None))
        .with("wrong", Role::Peer, || Toy::new(Fault::Wrong))
        .with("glitching", Role::Peer, || Toy::new(Fault::Glitching))
        .with("hanging", Role::Peer, || Toy::new(Fault::Hanging))
        .with("dying", Role::Peer, || Toy::new(Fault::Dying));
    isobar_harness::main(&contenders)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// The third write is forgotten.
    Wrong,
    /// Effects run as soon as the first of what they read has changed.
    Glitching,
    /// The third settling does not end.
    Hanging,
    /// The third settling panics.
    Dying,
}

/// Recomputes everything, in order of creation, whenever it settles.
struct Toy {
    fault: Fault,
    turn: Cell<u64>,
    nodes: RefCell<Vec<Node>>,
}

enum Node {
    Computed(Box<dyn Fn()>),
    Effect { sources: Vec<Number>, seen: Vec<Cell<u64>>, run: Box<dyn Fn()> },
}

#[derive(Clone)]
struct Number(Arc<AtomicU64>);

impl Read for Number {
    fn read(&self) -> u64 {
        // Relaxed: one thread only.
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct List(OneThread<Rc<RefCell<Arc<[u64]>>>>);

impl ReadList for List {
    fn at(&self, index: usize) -> u64 {
        self.0.get().borrow()[index]
    }
}

impl Toy {
    fn new(fault: Fault) -> Self {
        Self { fault, turn: Cell::new(0), nodes: RefCell::default() }
    }

    fn run_effects(&self) {
        for node in &*self.nodes.borrow() {
            let Node::Effect { sources, seen, run } = node else { continue };
            let mut moved = false;
            for (source, seen) in sources.iter().zip(seen) {
                moved |= seen.replace(source.read()) != source.read();
            }
            if moved {
                run();
            }
        }
    }
}

impl Engine for Toy {
    type Signal = Number;
    type Computed = Number;
    type Effect = ();
    type List = List;

    fn signal(&self, value: u64) -> Number {
        Number(Arc::new(AtomicU64::new(value)))
    }

    fn computed(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Number {
        let number = self.signal(f());
        let place = number.clone();
        // Relaxed: one thread only.
        let run = Box::new(move || place.0.store(f(), Ordering::Relaxed));
        self.nodes.borrow_mut().push(Node::Computed(run));
        number
    }

    fn effect(&self, sources: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) {
        f();
        let numbers = sources.iter().filter_map(|source| match source {
            Source::Signal(number) | Source::Computed(number) => Some((*number).clone()),
            Source::List(_) => None,
        });
        let sources: Vec<_> = numbers.collect();
        let seen = sources.iter().map(|source| Cell::new(source.read())).collect();
        self.nodes.borrow_mut().push(Node::Effect { sources, seen, run: Box::new(f) });
    }

    fn list(
        &self,
        _: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> List {
        let list = Rc::new(RefCell::new(f()));
        let place = Rc::clone(&list);
        let run = Box::new(move || *place.borrow_mut() = f());
        self.nodes.borrow_mut().push(Node::Computed(run));
        // SAFETY: the engine is for one thread, and the harness keeps to it.
        List(unsafe { OneThread::new(list) })
    }

    fn set(&self, signal: &Number, value: u64) {
        if self.fault == Fault::Wrong && value == 3 {
            return;
        }
        // Relaxed: one thread only.
        signal.0.store(value, Ordering::Relaxed);
    }

    fn batch(&self, f: impl FnOnce()) {
        f();
    }

    fn settle(&self) {
        self.turn.set(self.turn.get() + 1);
        if self.turn.get() == 3 && self.fault == Fault::Hanging {
            loop {
                std::thread::park();
            }
        }
        assert!(self.turn.get() != 3 || self.fault != Fault::Dying, "dead at the third settling");
        for node in &*self.nodes.borrow() {
            if let Node::Computed(run) = node {
                run();
                if self.fault == Fault::Glitching {
                    self.run_effects();
                }
            }
        }
        self.run_effects();
    }
}
