//! Single operations: reads, writes, and the making and dropping of nodes.

use std::any::Any;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Read, Source};

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Reads a signal.
    ReadSignal,
    /// Reads a computed that is up to date.
    ReadComputed,
    /// Writes a new value that nobody observes.
    Write,
    /// Writes the value that is there already.
    WriteEqual,
    /// Writes so many signals in one batch.
    Batch(usize),
    /// Makes nodes. Computeds are read once, effects run once.
    Create(Kind),
    /// Drops them.
    Drop(Kind),
}

/// The nodes that are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Signals.
    Signal,
    /// Computeds of so many sources; so many of them share each source.
    Computed {
        /// Sources of one computed.
        sources: usize,
        /// Computeds of one source.
        sharing: usize,
    },
    /// Effects, each of a signal of its own.
    Effect,
}

/// How long it took, and how much of it went wrong.
#[derive(Clone, Copy, Default, Debug)]
pub struct Took {
    /// The time of what was asked for alone.
    pub time: Duration,
    /// Answers that were not right.
    pub wrong: u64,
}

/// What can be timed: does it so often.
pub type Timed = Box<dyn FnMut(u64) -> Took>;

/// Nodes are made and dropped by so many.
pub const MADE: usize = 1000;

impl Operation {
    /// How many single operations one turn is.
    pub fn per(self) -> u64 {
        match self {
            Self::Create(kind) | Self::Drop(kind) => kind.count() as u64,
            _ => 1,
        }
    }
}

impl Kind {
    /// How many are made at a time.
    pub fn count(self) -> usize {
        match self {
            Self::Computed { sources: 1000.., .. } => 10,
            _ => MADE,
        }
    }
}

/// The operation, done with an engine.
pub fn timed<E: Engine>(engine: E, operation: Operation) -> Timed {
    match operation {
        Operation::ReadSignal => {
            let signal = engine.signal(1);
            reads(
                move || {
                    let _alive = &engine;
                    black_box(&signal).read()
                },
                1,
            )
        }
        Operation::ReadComputed => {
            let signal = engine.signal(1);
            let source = signal.clone();
            let of = [Source::Signal(&signal)];
            let computed = engine.computed(&of, move || source.read() + 1);
            engine.pull(&computed);
            reads(move || engine.pull(black_box(&computed)), 2)
        }
        Operation::Write => writes(engine, 1),
        Operation::WriteEqual => writes(engine, 0),
        Operation::Batch(size) => batches(engine, size),
        Operation::Create(kind) => {
            let nursery = Nursery::new(engine, kind, kind.count());
            Box::new(move |count| nursery.turns(count, |making, _| making))
        }
        Operation::Drop(kind) => {
            let nursery = Nursery::new(engine, kind, kind.count());
            Box::new(move |count| nursery.turns(count, |_, dropping| dropping))
        }
    }
}

fn reads(read: impl Fn() -> u64 + 'static, right: u64) -> Timed {
    Box::new(move |count| {
        let start = Instant::now();
        let mut sum = 0u64;
        for _ in 0..count {
            sum = sum.wrapping_add(black_box(read()));
        }
        let time = start.elapsed();
        Took { time, wrong: u64::from(sum != right * count) }
    })
}

fn writes<E: Engine>(engine: E, stride: u64) -> Timed {
    let signal = engine.signal(0);
    let mut turn = 0;
    Box::new(move |count| {
        let start = Instant::now();
        for _ in 0..count {
            turn += stride;
            engine.set(&signal, black_box(turn));
            engine.settle();
        }
        let time = start.elapsed();
        Took { time, wrong: u64::from(signal.read() != turn) }
    })
}

fn batches<E: Engine>(engine: E, size: usize) -> Timed {
    let signals: Vec<_> = (0..size).map(|_| engine.signal(0)).collect();
    let mut turn = 0;
    Box::new(move |count| {
        let start = Instant::now();
        for _ in 0..count {
            turn += 1;
            engine.batch(|| signals.iter().for_each(|signal| engine.set(signal, turn)));
            engine.settle();
        }
        let time = start.elapsed();
        let missed = signals.iter().filter(|signal| signal.read() != turn);
        Took { time, wrong: missed.count() as u64 }
    })
}

/// Where nodes of one kind are made, of signals that are there already.
struct Nursery<E: Engine> {
    engine: E,
    kind: Kind,
    count: usize,
    signals: Vec<E::Signal>,
}

struct Made<E: Engine> {
    effects: Vec<E::Effect>,
    computeds: Vec<E::Computed>,
    signals: Vec<E::Signal>,
}

impl<E: Engine> Nursery<E> {
    fn new(engine: E, kind: Kind, count: usize) -> Self {
        let needed = match kind {
            Kind::Signal => 0,
            Kind::Computed { sources, sharing } => count * sources / sharing + sources,
            Kind::Effect => count,
        };
        let signals = (0..needed).map(|_| engine.signal(1)).collect();
        Self { engine, kind, count, signals }
    }

    fn make(&self) -> Made<E> {
        let numbers = 0..self.count;
        let mut made = Made { effects: Vec::new(), computeds: Vec::new(), signals: Vec::new() };
        match self.kind {
            Kind::Signal => made.signals.extend(numbers.map(|_| self.engine.signal(1))),
            Kind::Computed { sources, sharing } => {
                made.computeds.extend(numbers.map(|at| self.computed(at, sources, sharing)));
            }
            Kind::Effect => {
                made.effects.extend(numbers.map(|at| self.effect(&self.signals[at])));
                self.engine.settle();
            }
        }
        made
    }

    fn computed(&self, at: usize, sources: usize, sharing: usize) -> E::Computed {
        let first = at / sharing * sources;
        let computed = match &self.signals[first..first + sources] {
            [] => self.engine.computed(&[], || 0),
            [a] => {
                let source = a.clone();
                self.engine.computed(&[Source::Signal(a)], move || source.read())
            }
            of @ [a, b, c, d] => {
                let sources = [a.clone(), b.clone(), c.clone(), d.clone()];
                let declared: [_; 4] = std::array::from_fn(|at| Source::Signal(&of[at]));
                self.engine.computed(&declared, move || sources.iter().map(Read::read).sum())
            }
            of => {
                let sources: Box<[E::Signal]> = of.into();
                let declared: Vec<_> = of.iter().map(Source::Signal).collect();
                self.engine.computed(&declared, move || sources.iter().map(Read::read).sum())
            }
        };
        black_box(self.engine.pull(&computed));
        computed
    }

    fn effect(&self, signal: &E::Signal) -> E::Effect {
        let source = signal.clone();
        self.engine.effect(&[Source::Signal(signal)], move || {
            black_box(source.read());
        })
    }

    fn wrong(&self, made: &Made<E>) -> u64 {
        let right = match self.kind {
            Kind::Computed { sources, .. } => sources as u64,
            _ => 1,
        };
        let computeds = made.computeds.iter().map(|computed| self.engine.pull(computed));
        let values = computeds.chain(made.signals.iter().map(Read::read));
        values.filter(|value| *value != right).count() as u64
    }

    fn turns(&self, count: u64, pick: impl Fn(Duration, Duration) -> Duration) -> Took {
        let mut took = Took::default();
        for turn in 0..count {
            let start = Instant::now();
            let made = self.make();
            let making = start.elapsed();
            if turn == 0 {
                took.wrong += self.wrong(&made);
            }
            let start = Instant::now();
            drop(made);
            took.time += pick(making, start.elapsed());
        }
        took
    }
}

/// Makes nodes, and hands them out to be kept.
pub type Keeping = Box<dyn FnOnce() -> Box<dyn Any>>;

/// Makes nodes of that kind and keeps them: what they cost in memory is counted around it. The
/// sources are made by the first call, the nodes by the second.
pub fn kept<E: Engine>(engine: E, kind: Kind, count: usize) -> Keeping {
    let nursery = Nursery::new(engine, kind, count);
    Box::new(move || {
        let made = nursery.make();
        Box::new((made, nursery))
    })
}
