//! Builds a shape with an engine, and steps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Engine, Read, ReadList, Source};
use crate::shape::{Formula, Id, Shape, Writes, blend, dropped, seen, spread, work};

/// A graph that can be stepped: what is timed.
pub trait Steps {
    /// Takes `count` steps, and says what effects and outside reads have added up to in them.
    fn steps(&mut self, count: u64) -> u64;
}

/// Where effects add what they see. They run one after the other.
#[derive(Clone, Default, Debug)]
pub struct Sink(Arc<AtomicU64>);

impl Sink {
    /// Adds what an effect has seen.
    #[inline]
    pub fn add(&self, value: u64) {
        // Relaxed: written and read by one thread, or after it was joined.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(seen(value));
        self.0.store(sum, Ordering::Relaxed);
    }

    /// What was seen so far.
    pub fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shape, built. Effects go first, then what they read.
#[derive(Debug)]
pub struct Assembly<E: Engine> {
    effects: Vec<E::Effect>,
    computeds: Vec<E::Computed>,
    list: Option<E::List>,
    signals: Vec<E::Signal>,
    pulled: Vec<usize>,
    writes: Writes,
    sink: Sink,
    turn: u64,
    engine: E,
}

/// A signal or a computed, where a formula mixes them.
#[derive(Debug)]
enum Node<E: Engine> {
    Signal(E::Signal),
    Computed(E::Computed),
}

impl<E: Engine> Node<E> {
    #[inline]
    fn read(&self) -> u64 {
        match self {
            Self::Signal(signal) => signal.read(),
            Self::Computed(computed) => computed.read(),
        }
    }
}

/// One source, whatever it is: `body` is compiled for signals and for computeds.
macro_rules! with_source {
    ($assembly:expr, $id:expr, $handle:ident => $body:expr) => {
        match $id {
            Id::Signal(index) => {
                let $handle = $assembly.signals[index].clone();
                $body
            }
            Id::Computed(index) => {
                let $handle = $assembly.computeds[index].clone();
                $body
            }
        }
    };
}

/// Two sources: `body` is compiled for two signals, for two computeds, and for a mixture.
macro_rules! with_pair {
    ($assembly:expr, $a:expr, $b:expr, ($first:ident, $second:ident) => $body:expr) => {
        match ($a, $b) {
            (Id::Signal(a), Id::Signal(b)) => {
                let ($first, $second) =
                    ($assembly.signals[a].clone(), $assembly.signals[b].clone());
                $body
            }
            (Id::Computed(a), Id::Computed(b)) => {
                let ($first, $second) =
                    ($assembly.computeds[a].clone(), $assembly.computeds[b].clone());
                $body
            }
            (a, b) => {
                let ($first, $second) = ($assembly.node(a), $assembly.node(b));
                $body
            }
        }
    };
}

/// Any number of sources: `body` is compiled for signals, for computeds, and for a mixture.
macro_rules! with_sources {
    ($assembly:expr, $ids:expr, $handles:ident => $body:expr) => {
        if $ids.iter().all(|id| matches!(id, Id::Signal(_))) {
            let $handles = $assembly.these_signals($ids);
            $body
        } else if $ids.iter().all(|id| matches!(id, Id::Computed(_))) {
            let $handles = $assembly.these_computeds($ids);
            $body
        } else {
            let $handles: Box<[Node<E>]> = $ids.iter().map(|id| $assembly.node(*id)).collect();
            $body
        }
    };
}

impl<E: Engine> Assembly<E> {
    /// Builds the shape; all has been read once, and every effect has run, when this returns.
    pub fn new(engine: E, sink: Sink, shape: &Shape) -> Self {
        let signals = (0..shape.signals).map(|_| engine.signal(0)).collect();
        let mut assembly = Self {
            effects: Vec::with_capacity(shape.effects.len()),
            computeds: Vec::with_capacity(shape.computeds.len()),
            list: None,
            signals,
            pulled: shape.pulled.clone(),
            writes: shape.writes,
            sink,
            turn: 0,
            engine,
        };
        assembly.build(shape);
        assembly
    }

    fn build(&mut self, shape: &Shape) {
        if shape.gathered {
            self.list = Some(self.gather());
        }
        for formula in &shape.computeds {
            let computed = self.computed(formula);
            self.computeds.push(computed);
        }
        for sources in &shape.effects {
            let effect = self.effect(sources);
            self.effects.push(effect);
        }
        for at in &self.pulled {
            self.engine.pull(&self.computeds[*at]);
        }
        self.engine.settle();
    }

    fn gather(&self) -> E::List {
        let handles = self.signals.clone();
        let sources: Vec<_> = self.signals.iter().map(Source::Signal).collect();
        self.engine.list(&sources, move || handles.iter().map(Read::read).collect())
    }

    fn source(&self, id: Id) -> Source<'_, E> {
        match id {
            Id::Signal(index) => Source::Signal(&self.signals[index]),
            Id::Computed(index) => Source::Computed(&self.computeds[index]),
        }
    }

    fn node(&self, id: Id) -> Node<E> {
        match id {
            Id::Signal(index) => Node::Signal(self.signals[index].clone()),
            Id::Computed(index) => Node::Computed(self.computeds[index].clone()),
        }
    }

    fn computed(&self, formula: &Formula) -> E::Computed {
        match *formula {
            Formula::Plus { of, n } => with_source!(self, of, a => {
                self.of_one(of, move || a.read().wrapping_add(n))
            }),
            Formula::Times { of, n } => with_source!(self, of, a => {
                self.of_one(of, move || a.read().wrapping_mul(n))
            }),
            Formula::Rounds { of, n, rounds } => with_source!(self, of, a => {
                self.of_one(of, move || work(a.read().wrapping_add(n), rounds))
            }),
            Formula::Repeat { of, times } => with_source!(self, of, a => {
                self.of_one(of, move || sum((0..times).map(|_| a.read())))
            }),
            Formula::Zero(of) => with_source!(self, of, a => self.of_one(of, move || {
                a.read();
                0
            })),
            Formula::Minus(a, b) => with_pair!(self, a, b, (first, second) => {
                self.of_two(a, b, move || first.read().wrapping_sub(second.read()))
            }),
            Formula::Add(a, b) => with_pair!(self, a, b, (first, second) => {
                self.of_two(a, b, move || first.read().wrapping_add(second.read()))
            }),
            Formula::Blend(a, b) => with_pair!(self, a, b, (first, second) => {
                self.of_two(a, b, move || blend(first.read(), second.read()))
            }),
            Formula::Sum(ref of) => with_sources!(self, of, handles => {
                self.of_all(of, move || sum(handles.iter().map(|one| one.read())))
            }),
            Formula::Dropping(ref of) => with_sources!(self, of, handles => {
                self.of_all(of, move || {
                    let first = handles[0].read();
                    let others = &handles[1..];
                    let left_out = dropped(first, others.len());
                    let stays = (0..others.len()).filter(|at| Some(*at) != left_out);
                    sum(stays.map(|at| others[at].read())).wrapping_add(first)
                })
            }),
            Formula::Unstable { head, odd, even } => self.unstable(head, odd, even),
            Formula::Element(index) => {
                let list = self.list.as_ref().expect("the shape gathers");
                let handle = list.clone();
                self.engine.computed(&[Source::List(list)], move || handle.at(index))
            }
        }
    }

    fn of_one(&self, of: Id, f: impl Fn() -> u64 + Send + Sync + 'static) -> E::Computed {
        self.engine.computed(&[self.source(of)], f)
    }

    fn of_two(&self, a: Id, b: Id, f: impl Fn() -> u64 + Send + Sync + 'static) -> E::Computed {
        self.engine.computed(&[self.source(a), self.source(b)], f)
    }

    fn of_all(&self, of: &[Id], f: impl Fn() -> u64 + Send + Sync + 'static) -> E::Computed {
        let sources: Vec<_> = of.iter().map(|id| self.source(*id)).collect();
        self.engine.computed(&sources, f)
    }

    fn unstable(&self, head: Id, odd: Id, even: Id) -> E::Computed {
        let sources = [head, odd, even];
        let [head, odd, even] = sources.map(|id| self.node(id));
        let pick = move |_| if head.read() % 2 == 1 { odd.read() } else { even.read() };
        self.of_all(&sources, move || sum((0..20).map(&pick)))
    }

    fn effect(&self, sources: &[Id]) -> E::Effect {
        let sink = self.sink.clone();
        if let [of] = *sources {
            return with_source!(self, of, a => {
                self.engine.effect(&[self.source(of)], move || sink.add(a.read()))
            });
        }
        let declared: Vec<_> = sources.iter().map(|id| self.source(*id)).collect();
        with_sources!(self, sources, handles => self.engine.effect(&declared, move || {
            sink.add(sum(handles.iter().map(|one| one.read())));
        }))
    }

    fn these_signals(&self, ids: &[Id]) -> Box<[E::Signal]> {
        let one = |id: &Id| match *id {
            Id::Signal(index) => Some(self.signals[index].clone()),
            Id::Computed(_) => None,
        };
        ids.iter().filter_map(one).collect()
    }

    fn these_computeds(&self, ids: &[Id]) -> Box<[E::Computed]> {
        let one = |id: &Id| match *id {
            Id::Computed(index) => Some(self.computeds[index].clone()),
            Id::Signal(_) => None,
        };
        ids.iter().filter_map(one).collect()
    }

    fn write(&self) {
        let turn = self.turn;
        match self.writes {
            Writes::One(index) => self.engine.set(&self.signals[index], turn),
            Writes::InTurn => {
                self.engine.set(&self.signals[turn as usize % self.signals.len()], turn);
            }
            Writes::All => self.engine.batch(|| {
                for (index, signal) in self.signals.iter().enumerate() {
                    self.engine.set(signal, spread(index, turn));
                }
            }),
            Writes::Nothing => {}
        }
    }
}

impl<E: Engine> Steps for Assembly<E> {
    fn steps(&mut self, count: u64) -> u64 {
        let before = self.sink.sum();
        let mut pulled = 0u64;
        for _ in 0..count {
            self.turn += 1;
            self.write();
            self.engine.settle();
            for at in &self.pulled {
                pulled = pulled.wrapping_add(seen(self.engine.pull(&self.computeds[*at])));
            }
        }
        self.sink.sum().wrapping_sub(before).wrapping_add(pulled)
    }
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::wrapping_add)
}
