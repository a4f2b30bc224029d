//! The hand-written floors: what a person would write who knows the shape and needs no graph.
//! Values are kept in plain arrays; there is no tracking, no cutoff beyond the obvious one.
//!
//! `black_box` stands where a compiler could otherwise see through a whole chain.

use std::hint::black_box;

use rayon::prelude::*;

use crate::assembly::Steps;
use crate::shapes::{Shape, blend, seen, spread, work};

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
    let effects = shape.effects.len();
    match shape.name {
        "update_1to1" | "update_1to4" | "update_1to1000" => update_one(effects),
        "update_1000to1" => update_many(shape.signals),
        "chain_50" | "chain_1000" => chain(shape.computeds.len()),
        "fanout_1000" | "fanout_1000_pull" => fanout(shape.computeds.len()),
        "diamond_5" => diamond(),
        "triangle_10" => triangle(),
        "broad_50" => broad(effects),
        "mux_100" => mux(shape.signals),
        "repeated_30" => repeated(),
        "unstable" => unstable(),
        "avoidable" => avoidable(),
        "cellx_10" => cellx(effects / 4),
        "grid_100x100" => grid(shape.signals),
        "wide10k_10ns" => wide(shape.computeds.len() - 1, 6),
        "wide10k_1us" => wide(shape.computeds.len() - 1, 560),
        other => panic!("no floor for {other}"),
    }
}

/// The same on two threads, where that could pay.
pub fn parallel(shape: &Shape) -> Option<Box<dyn Steps>> {
    match shape.name {
        "wide10k_10ns" => Some(wide_parallel(shape.computeds.len() - 1, 6)),
        "wide10k_1us" => Some(wide_parallel(shape.computeds.len() - 1, 560)),
        _ => None,
    }
}

fn update_one(effects: usize) -> Box<dyn Steps> {
    floor(0u64, move |head, turn| {
        *head = turn;
        (0..effects).fold(0, |sum: u64, _| sum.wrapping_add(seen(black_box(*head))))
    })
}

fn update_many(signals: usize) -> Box<dyn Steps> {
    floor(vec![0u64; signals], move |heads, turn| {
        heads[turn as usize % signals] = turn;
        seen(sum(heads))
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

fn diamond() -> Box<dyn Steps> {
    floor([0u64; 5], |nodes, turn| {
        *nodes = [turn.wrapping_add(1); 5];
        seen(sum(black_box(nodes)))
    })
}

fn triangle() -> Box<dyn Steps> {
    floor([0u64; 10], |nodes, turn| {
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

fn sum(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}

fn sum_seen(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum, value| sum.wrapping_add(seen(*value)))
}
