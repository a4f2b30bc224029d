//! Builds a shape with an engine, and steps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engines::{Engine, Read};
use crate::shapes::{Formula, Id, Reference, Shape, Writes, blend, seen, spread, work};

/// A graph that can be stepped: what is timed.
pub trait Steps {
    /// Takes `count` steps, and says what effects and outside reads have added up to in them.
    fn steps(&mut self, count: u64) -> u64;
}

/// Compares the first steps with the reference.
pub fn check(shape: &Shape, subject: &mut dyn Steps, steps: u64) -> Result<(), String> {
    let mut reference = Reference::new(shape);
    for step in 1..=steps {
        let (right, got) = (reference.step(), subject.steps(1));
        if right != got {
            return Err(format!("{}: step {step} adds {got}, not {right}", shape.name));
        }
    }
    Ok(())
}

/// Where effects add what they see. They run one after the other.
#[derive(Clone, Default, Debug)]
pub struct Sink(Arc<AtomicU64>);

impl Sink {
    #[inline]
    pub fn add(&self, value: u64) {
        // Relaxed: written and read by one thread, or after it was joined.
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(seen(value));
        self.0.store(sum, Ordering::Relaxed);
    }

    pub fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shape, built. Effects go first, then what they read.
pub struct Assembly<E: Engine> {
    effects: Vec<E::Effect>,
    computeds: Vec<E::Computed>,
    list: Option<E::List>,
    signals: Vec<E::Signal>,
    pulled: Vec<E::Computed>,
    writes: Writes,
    sink: Sink,
    turn: u64,
    engine: E,
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

/// Several sources, all signals or all computeds.
macro_rules! with_sources {
    ($assembly:expr, $ids:expr, $handles:ident => $body:expr) => {
        match $ids[0] {
            Id::Signal(_) => {
                let $handles = $assembly.these_signals($ids);
                $body
            }
            Id::Computed(_) => {
                let $handles = $assembly.these_computeds($ids);
                $body
            }
        }
    };
}

impl<E: Engine> Assembly<E> {
    pub fn new(engine: E, shape: &Shape) -> Self {
        let signals = (0..shape.signals).map(|_| engine.signal(0)).collect();
        let mut assembly = Self {
            effects: Vec::with_capacity(shape.effects.len()),
            computeds: Vec::with_capacity(shape.computeds.len()),
            list: None,
            signals,
            pulled: Vec::new(),
            writes: shape.writes,
            sink: Sink::default(),
            turn: 0,
            engine,
        };
        assembly.build(shape);
        assembly
    }

    fn build(&mut self, shape: &Shape) {
        if shape.gathered {
            self.list = Some(self.engine.list(self.signals.clone()));
        }
        for formula in &shape.computeds {
            let computed = self.computed(formula);
            self.computeds.push(computed);
        }
        for sources in &shape.effects {
            let effect = self.effect(sources);
            self.effects.push(effect);
        }
        self.pulled = self.these_computeds(&shape.pulled);
        for computed in &self.pulled {
            computed.read();
        }
        self.engine.settle();
    }

    fn computed(&self, formula: &Formula) -> E::Computed {
        let engine = &self.engine;
        match *formula {
            Formula::Plus { of, n } => {
                with_source!(self, of, a => engine.computed(move || a.read().wrapping_add(n)))
            }
            Formula::Times { of, n } => {
                with_source!(self, of, a => engine.computed(move || a.read().wrapping_mul(n)))
            }
            Formula::Rounds { of, n, rounds } => with_source!(self, of, a => {
                engine.computed(move || work(a.read().wrapping_add(n), rounds))
            }),
            Formula::Repeat { of, times } => with_source!(self, of, a => {
                engine.computed(move || sum((0..times).map(|_| a.read())))
            }),
            Formula::Zero(of) => with_source!(self, of, a => engine.computed(move || {
                a.read();
                0
            })),
            Formula::Minus(a, b) => with_source!(self, a, a => with_source!(self, b, b => {
                engine.computed(move || a.read().wrapping_sub(b.read()))
            })),
            Formula::Add(a, b) => with_source!(self, a, a => with_source!(self, b, b => {
                engine.computed(move || a.read().wrapping_add(b.read()))
            })),
            Formula::Blend(a, b) => with_source!(self, a, a => with_source!(self, b, b => {
                engine.computed(move || blend(a.read(), b.read()))
            })),
            Formula::Sum(ref of) => with_sources!(self, of, handles => {
                engine.computed(move || sum(handles.iter().map(Read::read)))
            }),
            Formula::Unstable { head, odd, even } => self.unstable(head, odd, even),
            Formula::Element(index) => {
                engine.element(self.list.as_ref().expect("the shape gathers"), index)
            }
        }
    }

    fn unstable(&self, head: Id, odd: Id, even: Id) -> E::Computed {
        let (Id::Signal(head), Id::Computed(odd), Id::Computed(even)) = (head, odd, even) else {
            panic!("a signal decides between computeds");
        };
        let head = self.signals[head].clone();
        let (odd, even) = (self.computeds[odd].clone(), self.computeds[even].clone());
        let pick = move |_| if head.read() % 2 == 1 { odd.read() } else { even.read() };
        self.engine.computed(move || sum((0..20).map(&pick)))
    }

    fn effect(&self, sources: &[Id]) -> E::Effect {
        let sink = self.sink.clone();
        match *sources {
            [of] => with_source!(self, of, a => self.engine.effect(move || sink.add(a.read()))),
            _ => with_sources!(self, sources, handles => {
                self.engine.effect(move || sink.add(sum(handles.iter().map(Read::read))))
            }),
        }
    }

    fn these_signals(&self, ids: &[Id]) -> Vec<E::Signal> {
        let one = |id: &Id| match *id {
            Id::Signal(index) => self.signals[index].clone(),
            Id::Computed(_) => panic!("signals and computeds mixed"),
        };
        ids.iter().map(one).collect()
    }

    fn these_computeds(&self, ids: &[Id]) -> Vec<E::Computed> {
        let one = |id: &Id| match *id {
            Id::Computed(index) => self.computeds[index].clone(),
            Id::Signal(_) => panic!("signals and computeds mixed"),
        };
        ids.iter().map(one).collect()
    }

    fn write(&self) {
        let turn = self.turn;
        match self.writes {
            Writes::First => self.engine.set(&self.signals[0], turn),
            Writes::InTurn => {
                self.engine.set(&self.signals[turn as usize % self.signals.len()], turn);
            }
            Writes::All => self.engine.batch(|| {
                for (index, signal) in self.signals.iter().enumerate() {
                    self.engine.set(signal, spread(index, turn));
                }
            }),
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
            for computed in &self.pulled {
                pulled = pulled.wrapping_add(seen(computed.read()));
            }
        }
        self.sink.sum().wrapping_sub(before).wrapping_add(pulled)
    }
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::wrapping_add)
}
