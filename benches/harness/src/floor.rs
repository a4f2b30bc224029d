//! The hand-written floors: what a person would write who knows the shape and needs no graph.
//! Values are kept in plain arrays; there is no tracking, no cutoff beyond the obvious one.
//!
//! `black_box` stands where a compiler could otherwise see through a whole chain.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use crate::assembly::Steps;
use crate::operation::{Kind, MADE, Operation, Timed, Took};
use crate::reference::Reference;
use crate::shape::{Formula, Id, Plan, Shape, Writes, blend, dropped, seen, spread, work};

/// A floor: state, and a step that returns what its effects saw.
struct Floor<S, F> {
    state: S,
    turn: u64,
    step: F,
}

impl<S, F: FnMut(&mut S, u64) -> u64> Steps for Floor<S, F> {
    fn steps(&mut self, count: u64) -> u64 {
        let mut sum = 0u64;
        for _ in 0..count {
            self.turn += 1;
            sum = sum.wrapping_add((self.step)(&mut self.state, black_box(self.turn)));
            black_box(&mut self.state);
        }
        sum
    }
}

fn floor<S: 'static>(state: S, step: impl FnMut(&mut S, u64) -> u64 + 'static) -> Box<dyn Steps> {
    Box::new(Floor { state, turn: 0, step })
}

/// The floor of a shape.
pub fn of(shape: &Shape) -> Box<dyn Steps> {
    let (effects, computeds) = (shape.effects.len(), shape.computeds.len());
    match shape.plan {
        Plan::UpdateOne => update_one(effects),
        Plan::UpdateMany => update_many(shape.signals, effects),
        Plan::Chain => chain(computeds),
        Plan::Fanout => fanout(computeds),
        Plan::Diamond => diamond(computeds - 1),
        Plan::Triangle => triangle(computeds - 1),
        Plan::Broad => broad(effects),
        Plan::Mux => mux(shape.signals),
        Plan::Repeated => repeated(),
        Plan::Unstable => unstable(),
        Plan::Avoidable => avoidable(),
        Plan::TwoPaths => two_paths(),
        Plan::Cellx => cellx(effects / 4),
        Plan::Grid => grid(shape.signals),
        Plan::GridOne => grid_one(shape.signals),
        Plan::Wide { rounds } => wide(computeds - 1, rounds),
        Plan::Dynamic { sources } => Box::new(Layers::new(shape, sources)),
        Plan::Read => read(shape),
        Plan::Lists => Box::new(Lists::new(shape)),
    }
}

/// The same on all cores, where that could pay.
pub fn parallel(shape: &Shape) -> Option<Box<dyn Steps>> {
    match shape.plan {
        Plan::Wide { rounds } => Some(wide_parallel(shape.computeds.len() - 1, rounds)),
        _ => None,
    }
}

/// The floor of an operation, where there is one: an atomic, or boxes.
pub(crate) fn operation(operation: Operation) -> Option<Timed> {
    let value = AtomicU64::new(1);
    let boxes = || (0..MADE).map(|n| Box::new(black_box(n))).collect::<Vec<_>>();
    Some(match operation {
        Operation::ReadSignal | Operation::ReadComputed => repeated_timed(move || {
            // Acquire: as a read of anything shared would be; nothing pairs with it here.
            black_box(black_box(&value).load(Ordering::Acquire));
        }),
        Operation::Write | Operation::WriteEqual => repeated_timed(move || {
            // Release: as a write of anything shared would be; nothing pairs with it here.
            black_box(&value).store(black_box(1), Ordering::Release);
        }),
        Operation::Create(Kind::Signal) => Box::new(move |count| {
            let made = (0..count).map(|_| {
                let start = Instant::now();
                let made = black_box(boxes());
                let time = start.elapsed();
                drop(made);
                time
            });
            Took { time: made.sum(), wrong: 0 }
        }),
        _ => return None,
    })
}

fn repeated_timed(mut f: impl FnMut() + 'static) -> Timed {
    Box::new(move |count| {
        let start = Instant::now();
        (0..count).for_each(|_| f());
        Took { time: start.elapsed(), wrong: 0 }
    })
}

fn update_one(effects: usize) -> Box<dyn Steps> {
    floor(0u64, move |head, turn| {
        *head = turn;
        (0..effects).fold(0, |sum: u64, _| sum.wrapping_add(seen(black_box(*head))))
    })
}

fn update_many(signals: usize, effects: usize) -> Box<dyn Steps> {
    floor(vec![0u64; signals], move |heads, turn| {
        heads[turn as usize % signals] = turn;
        (0..effects).fold(0, |all: u64, _| all.wrapping_add(seen(sum(black_box(heads)))))
    })
}

fn chain(length: usize) -> Box<dyn Steps> {
    floor(vec![0u64; length], |nodes, turn| {
        let mut value = turn;
        for node in nodes {
            value = black_box(value.wrapping_add(1));
            *node = value;
        }
        seen(value)
    })
}

fn fanout(width: usize) -> Box<dyn Steps> {
    floor(vec![0u64; width], |nodes, turn| {
        for (i, node) in nodes.iter_mut().enumerate() {
            *node = turn.wrapping_add(i as u64);
        }
        sum_seen(black_box(nodes))
    })
}

fn diamond(width: usize) -> Box<dyn Steps> {
    floor(vec![0u64; width], |nodes, turn| {
        nodes.fill(turn.wrapping_add(1));
        seen(sum(black_box(nodes)))
    })
}

fn triangle(width: usize) -> Box<dyn Steps> {
    floor(vec![0u64; width], |nodes, turn| {
        let mut value = turn;
        for node in nodes.iter_mut() {
            value = value.wrapping_add(1);
            *node = value;
        }
        seen(sum(black_box(nodes)))
    })
}

fn broad(width: usize) -> Box<dyn Steps> {
    floor(vec![(0u64, 0u64); width], |nodes, turn| {
        for (i, (first, second)) in nodes.iter_mut().enumerate() {
            *first = turn.wrapping_add(i as u64);
            *second = first.wrapping_add(1);
        }
        black_box(nodes).iter().fold(0, |sum: u64, node| sum.wrapping_add(seen(node.1)))
    })
}

fn mux(width: usize) -> Box<dyn Steps> {
    let state = (vec![0u64; width], vec![0u64; width]);
    floor(state, move |(heads, split), turn| {
        heads[turn as usize % width] = turn;
        let mut sum = 0u64;
        for (head, split) in heads.iter().zip(split) {
            if *head != *split {
                *split = *head;
                sum = sum.wrapping_add(seen(head.wrapping_add(1)));
            }
        }
        sum
    })
}

fn repeated() -> Box<dyn Steps> {
    floor(0u64, |head, turn| {
        *head = turn;
        seen((0..30).fold(0, |sum: u64, _| sum.wrapping_add(*black_box(&*head))))
    })
}

fn unstable() -> Box<dyn Steps> {
    floor(0u64, |head, turn| {
        *head = turn;
        let value = if turn % 2 == 1 { turn.wrapping_neg() } else { turn.wrapping_mul(2) };
        seen(value.wrapping_mul(20))
    })
}

fn avoidable() -> Box<dyn Steps> {
    floor((0u64, 0u64), |(first, second), turn| {
        *first = turn;
        let before = std::mem::replace(second, 0);
        if before != *black_box(&*second) { seen(6) } else { 0 }
    })
}

fn two_paths() -> Box<dyn Steps> {
    floor([0u64; 2], |nodes, turn| {
        *nodes = [turn.wrapping_add(1), turn.wrapping_mul(2)];
        seen(sum(black_box(nodes)))
    })
}

fn read(shape: &Shape) -> Box<dyn Steps> {
    let mut reference = Reference::new(shape);
    // Nothing is written: every step shows the same.
    let shown = reference.step().sum;
    floor(shown, |shown, _| black_box(*shown))
}

fn cellx(layers: usize) -> Box<dyn Steps> {
    floor(vec![[0u64; 4]; layers], |rows, turn| {
        let mut above: [u64; 4] = std::array::from_fn(|i| spread(i, turn));
        let mut sum = 0u64;
        for row in rows {
            let [a, b, c, d] = above;
            *row = black_box([b, a.wrapping_sub(c), b.wrapping_add(d), c]);
            sum = row.iter().fold(sum, |sum, value| sum.wrapping_add(seen(*value)));
            above = *row;
        }
        sum
    })
}

fn grid(side: usize) -> Box<dyn Steps> {
    floor(vec![0u64; side * (side + 1)], move |nodes, turn| {
        for (index, node) in nodes[..side].iter_mut().enumerate() {
            *node = spread(index, turn);
        }
        for row in 1..=side {
            let (above, below) = nodes.split_at_mut(row * side);
            let above = &above[(row - 1) * side..];
            for i in 0..side - 1 {
                below[i] = blend(above[i], above[i + 1]);
            }
            below[side - 1] = blend(above[side - 1], above[0]);
        }
        seen(sum(&nodes[side * side..]))
    })
}

/// A write to the middle of the top reaches one node more to the left in each row.
fn grid_one(side: usize) -> Box<dyn Steps> {
    floor(vec![0u64; side * (side + 1)], move |nodes, turn| {
        nodes[side / 2] = turn;
        for row in 1..=side {
            let (above, below) = nodes.split_at_mut(row * side);
            let above = &above[(row - 1) * side..];
            for back in 0..(row + 1).min(side) {
                let i = (side / 2 + side - back) % side;
                below[i] = blend(above[i], above[if i + 1 == side { 0 } else { i + 1 }]);
            }
        }
        seen(sum(&nodes[side * side..]))
    })
}

fn wide(width: usize, rounds: u32) -> Box<dyn Steps> {
    floor(vec![0u64; width], move |nodes, turn| {
        for (i, node) in nodes.iter_mut().enumerate() {
            *node = work(turn.wrapping_add(i as u64), rounds);
        }
        seen(sum(black_box(nodes)))
    })
}

fn wide_parallel(width: usize, rounds: u32) -> Box<dyn Steps> {
    floor(vec![0u64; width], move |nodes, turn| {
        nodes.par_chunks_mut(1250).enumerate().for_each(|(chunk, nodes)| {
            for (i, node) in nodes.iter_mut().enumerate() {
                *node = work(turn.wrapping_add((chunk * 1250 + i) as u64), rounds);
            }
        });
        seen(sum(black_box(nodes)))
    })
}

/// Layers that sum their neighbours above: per layer, the window that a write reaches is known.
struct Layers {
    width: usize,
    sources: usize,
    is_dropping: Vec<bool>,
    pulled: Vec<usize>,
    /// The signals, then layer after layer.
    values: Vec<u64>,
    turn: u64,
}

impl Layers {
    fn new(shape: &Shape, sources: usize) -> Self {
        Self {
            width: shape.signals,
            sources,
            is_dropping: shape.computeds.iter().map(Formula::is_dynamic).collect(),
            pulled: shape.pulled.clone(),
            values: vec![0; shape.signals + shape.computeds.len()],
            turn: 0,
        }
    }

    fn step(&mut self) -> u64 {
        self.turn += 1;
        let (width, written) = (self.width, self.turn as usize % self.width);
        self.values[written] = self.turn;
        for layer in 1..self.values.len() / width {
            let reach = (layer * (self.sources - 1) + 1).min(width);
            for back in 0..reach {
                let place = (written + width - back) % width;
                self.values[layer * width + place] = self.node(layer - 1, place);
            }
        }
        let shown = self.pulled.iter().map(|at| seen(self.values[width + at]));
        shown.fold(0, u64::wrapping_add)
    }

    fn node(&self, above: usize, place: usize) -> u64 {
        let row = &self.values[above * self.width..(above + 1) * self.width];
        let source = |at: usize| row[if at < self.width { at } else { at - self.width }];
        let first = source(place);
        let left_out = match self.is_dropping[above * self.width + place] {
            true => dropped(first, self.sources - 1),
            false => None,
        };
        let all = (1..self.sources).fold(first, |sum, at| sum.wrapping_add(source(place + at)));
        left_out.map_or(all, |at| all.wrapping_sub(source(place + at + 1)))
    }
}

impl Steps for Layers {
    fn steps(&mut self, count: u64) -> u64 {
        (0..count).fold(0, |sum, _| sum.wrapping_add(self.step()))
    }
}

/// Sums of any kind: what lies downstream of a signal is listed when it is first
/// written, in order of creation. Values that stay the same are passed on all the same, but an
/// effect runs only if its own sum moved.
struct Lists {
    shape: Shape,
    observers: Vec<Vec<u32>>,
    listed: Vec<Option<Box<[u32]>>>,
    values: Vec<u64>,
    shown: Vec<u64>,
    turn: u64,
}

impl Lists {
    /// Values lie in one array: signals, computeds, effects.
    fn new(shape: &Shape) -> Self {
        let reference = Reference::new(shape);
        let mut lists = Self {
            observers: vec![Vec::new(); shape.signals + shape.computeds.len()],
            listed: vec![None; shape.signals],
            values: reference.values(),
            shown: (0..shape.effects.len()).map(|at| reference.watched(at)).collect(),
            turn: 0,
            shape: shape.clone(),
        };
        let computeds = shape.computeds.iter().map(Formula::sources);
        let nodes = computeds.chain(shape.effects.iter().cloned());
        for (at, sources) in nodes.enumerate() {
            for source in sources {
                lists.observers[place(source, shape.signals)].push((shape.signals + at) as u32);
            }
        }
        lists
    }

    fn step(&mut self) -> u64 {
        self.turn += 1;
        let written = match self.shape.writes {
            Writes::One(index) => index,
            _ => self.turn as usize % self.shape.signals,
        };
        self.values[written] = self.turn;
        let list = match self.listed[written].take() {
            Some(list) => list,
            None => self.downstream(written),
        };
        let mut sum = 0u64;
        for at in &list {
            let at = *at as usize - self.shape.signals;
            match at.checked_sub(self.shape.computeds.len()) {
                None => self.values[self.shape.signals + at] = self.evaluate(at),
                Some(effect) => {
                    let value = self.sum(&self.shape.effects[effect]);
                    if std::mem::replace(&mut self.shown[effect], value) != value {
                        sum = sum.wrapping_add(seen(value));
                    }
                }
            }
        }
        self.listed[written] = Some(list);
        sum
    }

    fn downstream(&self, written: usize) -> Box<[u32]> {
        let all = self.shape.nodes();
        let mut is_reached = vec![false; all];
        is_reached[written] = true;
        for at in written..self.observers.len() {
            if is_reached[at] {
                self.observers[at].iter().for_each(|to| is_reached[*to as usize] = true);
            }
        }
        let reached = (self.shape.signals..all).filter(|at| is_reached[*at]);
        reached.map(|at| at as u32).collect()
    }

    fn evaluate(&self, at: usize) -> u64 {
        match &self.shape.computeds[at] {
            Formula::Sum(of) => self.sum(of),
            other => panic!("no list for {other:?}"),
        }
    }

    fn sum(&self, of: &[Id]) -> u64 {
        of.iter().fold(0, |sum, id| sum.wrapping_add(self.value(*id)))
    }

    fn value(&self, id: Id) -> u64 {
        self.values[place(id, self.shape.signals)]
    }
}

fn place(id: Id, signals: usize) -> usize {
    match id {
        Id::Signal(at) => at,
        Id::Computed(at) => signals + at,
    }
}

impl Steps for Lists {
    fn steps(&mut self, count: u64) -> u64 {
        (0..count).fold(0, |sum, _| sum.wrapping_add(self.step()))
    }
}

fn sum(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

fn sum_seen(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(seen(*value)))
}
