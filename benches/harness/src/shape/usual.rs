//! The usual graphs; names and shapes are those of the JavaScript reactivity benchmark.

use super::{Formula, Id, Plan, Shape, Writes};

const HEAD: Id = Id::Signal(0);

fn shape(name: &str, plan: Plan, computeds: Vec<Formula>, effects: Vec<Vec<Id>>) -> Shape {
    Shape {
        name: name.to_owned(),
        signals: 1,
        gathered: false,
        computeds,
        effects,
        pulled: Vec::new(),
        writes: Writes::One(0),
        plan,
    }
}

fn computeds(ids: std::ops::Range<usize>) -> Vec<Id> {
    ids.map(Id::Computed).collect()
}

/// `signals` of which one is set, in turn; each of `effects` reads all.
pub fn updates(name: &str, signals: usize, effects: usize) -> Shape {
    let sources: Vec<_> = (0..signals).map(Id::Signal).collect();
    let plan = if signals == 1 { Plan::UpdateOne } else { Plan::UpdateMany };
    let shape = shape(name, plan, Vec::new(), vec![sources; effects]);
    Shape { signals, writes: Writes::InTurn, ..shape }
}

/// Computeds one after the other, an effect on the last.
pub fn chain(name: &str, length: usize) -> Shape {
    let link = |i: usize| Formula::Plus { of: before(i), n: 1 };
    let links = (0..length).map(link).collect();
    shape(name, Plan::Chain, links, vec![vec![Id::Computed(length - 1)]])
}

/// The computed before computed `i`, or the head.
fn before(i: usize) -> Id {
    if i == 0 { HEAD } else { Id::Computed(i - 1) }
}

/// Computeds of one signal, an effect on each.
pub fn fanout(name: &str, width: usize) -> Shape {
    let nodes = (0..width).map(|i| Formula::Plus { of: HEAD, n: i as u64 }).collect();
    shape(name, Plan::Fanout, nodes, (0..width).map(|i| vec![Id::Computed(i)]).collect())
}

/// Computeds of one signal, each read from outside.
pub fn fanout_pull(name: &str, width: usize) -> Shape {
    Shape { effects: Vec::new(), pulled: (0..width).collect(), ..fanout(name, width) }
}

/// One signal, several equal computeds of it, their sum.
pub fn diamond(name: &str, width: usize) -> Shape {
    let mut nodes = vec![Formula::Plus { of: HEAD, n: 1 }; width];
    nodes.push(Formula::Sum(computeds(0..width)));
    shape(name, Plan::Diamond, nodes, vec![vec![Id::Computed(width)]])
}

/// A chain, and the sum of all its links.
pub fn triangle(name: &str, width: usize) -> Shape {
    let mut shape = chain(name, width);
    shape.computeds.push(Formula::Sum(computeds(0..width)));
    Shape { effects: vec![vec![Id::Computed(width)]], plan: Plan::Triangle, ..shape }
}

/// Chains of two, all of one signal, an effect on each.
pub fn broad(name: &str, width: usize) -> Shape {
    let pair = |i: usize| {
        let first = Formula::Plus { of: HEAD, n: i as u64 };
        [first, Formula::Plus { of: Id::Computed(2 * i), n: 1 }]
    };
    let effects = (0..width).map(|i| vec![Id::Computed(2 * i + 1)]).collect();
    shape(name, Plan::Broad, (0..width).flat_map(pair).collect(), effects)
}

/// Signals gathered into a list, and taken apart again; one of them is set, in turn.
pub fn mux(name: &str, width: usize) -> Shape {
    let mut nodes: Vec<_> = (0..width).map(Formula::Element).collect();
    nodes.extend((0..width).map(|i| Formula::Plus { of: Id::Computed(i), n: 1 }));
    let effects = (0..width).map(|i| vec![Id::Computed(width + i)]).collect();
    let shape = shape(name, Plan::Mux, nodes, effects);
    Shape { signals: width, gathered: true, writes: Writes::InTurn, ..shape }
}

/// A computed that reads one signal many times.
pub fn repeated(name: &str, times: u64) -> Shape {
    let nodes = vec![Formula::Repeat { of: HEAD, times }];
    shape(name, Plan::Repeated, nodes, vec![vec![Id::Computed(0)]])
}

/// A computed that reads another source at every step.
pub fn unstable(name: &str) -> Shape {
    let (even, odd) = (Id::Computed(0), Id::Computed(1));
    let nodes = vec![
        Formula::Times { of: HEAD, n: 2 },
        Formula::Times { of: HEAD, n: u64::MAX },
        Formula::Unstable { head: HEAD, odd, even },
    ];
    shape(name, Plan::Unstable, nodes, vec![vec![Id::Computed(2)]])
}

/// A computed that never changes stands before others, and an effect, that need not run.
pub fn avoidable(name: &str) -> Shape {
    let mut nodes = vec![Formula::Plus { of: HEAD, n: 0 }, Formula::Zero(Id::Computed(0))];
    nodes.extend((1..4).map(|i| Formula::Plus { of: Id::Computed(i), n: i as u64 }));
    shape(name, Plan::Avoidable, nodes, vec![vec![Id::Computed(4)]])
}

/// One write outside of a batch, an effect that it reaches on two paths.
pub fn two_paths(name: &str) -> Shape {
    let nodes = vec![Formula::Plus { of: HEAD, n: 1 }, Formula::Times { of: HEAD, n: 2 }];
    shape(name, Plan::TwoPaths, nodes, vec![computeds(0..2)])
}

/// Layers of four that mix the layer above, an effect on each node; all four sources are set.
pub fn cellx(name: &str, layers: usize) -> Shape {
    let mut nodes = Vec::new();
    let mut row: [Id; 4] = std::array::from_fn(Id::Signal);
    for layer in 0..layers {
        nodes.extend([
            Formula::Plus { of: row[1], n: 0 },
            Formula::Minus(row[0], row[2]),
            Formula::Add(row[1], row[3]),
            Formula::Plus { of: row[2], n: 0 },
        ]);
        row = std::array::from_fn(|i| Id::Computed(4 * layer + i));
    }
    let effects = (0..4 * layers).map(|i| vec![Id::Computed(i)]).collect();
    Shape { signals: 4, writes: Writes::All, ..shape(name, Plan::Cellx, nodes, effects) }
}

/// `side` rows of `side`: each node blends its two neighbours of the row above; the sum of the
/// last row is watched.
pub fn grid(name: &str, side: usize) -> Shape {
    let mut nodes = Vec::with_capacity(side * side + 1);
    let mut above: Vec<_> = (0..side).map(Id::Signal).collect();
    for row in 0..side {
        let node = |i: usize| Formula::Blend(above[i], above[(i + 1) % side]);
        nodes.extend((0..side).map(node));
        above = computeds(row * side..(row + 1) * side);
    }
    nodes.push(Formula::Sum(above));
    let effects = vec![vec![Id::Computed(side * side)]];
    Shape { signals: side, writes: Writes::All, ..shape(name, Plan::Grid, nodes, effects) }
}

/// The grid, one source of which is set.
pub fn grid_one(name: &str, side: usize) -> Shape {
    Shape { writes: Writes::One(side / 2), plan: Plan::GridOne, ..grid(name, side) }
}

/// The grid at rest, whose total is read.
pub fn grid_read(name: &str, side: usize) -> Shape {
    let pulled = vec![side * side];
    Shape { writes: Writes::Nothing, pulled, plan: Plan::Read, ..grid(name, side) }
}

/// Computeds of one signal that work for a while each, and their sum.
pub fn wide(name: &str, width: usize, rounds: u32) -> Shape {
    let work = |i: usize| Formula::Rounds { of: HEAD, n: i as u64, rounds };
    let mut nodes: Vec<_> = (0..width).map(work).collect();
    nodes.push(Formula::Sum(computeds(0..width)));
    shape(name, Plan::Wide { rounds }, nodes, vec![vec![Id::Computed(width)]])
}
