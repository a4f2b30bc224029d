//! The usual graphs, as data: which nodes there are, what each computes, what one step writes.
//!
//! The names and shapes are those of the JavaScript reactivity benchmark. [`Reference`] is the
//! slow and obvious evaluation that says what each step has to show.

/// A node: signals and computeds are numbered apart, each in order of creation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Id {
    Signal(usize),
    Computed(usize),
}

/// What a computed computes. All arithmetic wraps.
#[derive(Clone, Debug)]
pub enum Formula {
    /// `of + n`
    Plus { of: Id, n: u64 },
    /// The sum of all.
    Sum(Vec<Id>),
    /// `a - b`
    Minus(Id, Id),
    /// `a + b`
    Add(Id, Id),
    /// [`blend`]
    Blend(Id, Id),
    /// The sum of reading the same node `times` times.
    Repeat { of: Id, times: u64 },
    /// Reads `head`, and 20 times more `odd` or `even`, whichever `head` is.
    Unstable { head: Id, odd: Id, even: Id },
    /// `of * n`
    Times { of: Id, n: u64 },
    /// Reads `of`, and is always 0.
    Zero(Id),
    /// `rounds` dependent multiplications of `of + n`.
    Rounds { of: Id, n: u64, rounds: u32 },
    /// The element `index` of the shape's gathering; see [`Shape::gathered`].
    Element(usize),
}

/// What one step writes; `turn` is the number of the step, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// `turn` to the first signal.
    First,
    /// `turn` to signal `turn % signals`.
    InTurn,
    /// [`spread`] to every signal, in one batch.
    All,
}

/// The value a batch writes to signal `index`: all differ, and so do their differences.
pub fn spread(index: usize, turn: u64) -> u64 {
    turn.wrapping_mul(2 * index as u64 + 1).wrapping_add((index * index) as u64)
}

/// A graph and its step.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: &'static str,
    /// How many signals; all begin at 0.
    pub signals: usize,
    /// If so, one computed gathers all signals into a list, for [`Formula::Element`].
    pub gathered: bool,
    pub computeds: Vec<Formula>,
    /// Each effect reads the sum of some nodes.
    pub effects: Vec<Vec<Id>>,
    /// What a step reads from outside, after it has written.
    pub pulled: Vec<Id>,
    pub writes: Writes,
    /// How many nodes a step recomputes, effects included: what its time is divided by.
    pub recomputed: usize,
}

const HEAD: Id = Id::Signal(0);

/// Every shape that is propagated through.
pub fn all() -> Vec<Shape> {
    let mut shapes = vec![
        updates("update_1to1", 1, 1),
        updates("update_1to4", 1, 4),
        updates("update_1to1000", 1, 1000),
        updates("update_1000to1", 1000, 1),
        chain("chain_50", 50),
        chain("chain_1000", 1000),
        fanout("fanout_1000", 1000),
        fanout_pull("fanout_1000_pull", 1000),
        diamond("diamond_5", 5),
        triangle("triangle_10", 10),
        broad("broad_50", 50),
        mux("mux_100", 100),
        repeated("repeated_30", 30),
        unstable("unstable"),
        avoidable("avoidable"),
        cellx("cellx_10", 10),
        grid("grid_100x100", 100),
    ];
    shapes.push(wide("wide10k_10ns", 10_000, 6));
    shapes.push(wide("wide10k_1us", 10_000, 560));
    shapes
}

/// The shape of that name.
pub fn named(name: &str) -> Shape {
    all().into_iter().find(|shape| shape.name == name).expect("a shape of that name")
}

fn shape(name: &'static str, computeds: Vec<Formula>, effects: Vec<Vec<Id>>) -> Shape {
    let recomputed = computeds.len() + effects.len();
    Shape {
        name,
        signals: 1,
        gathered: false,
        computeds,
        effects,
        pulled: Vec::new(),
        writes: Writes::First,
        recomputed,
    }
}

fn updates(name: &'static str, signals: usize, effects: usize) -> Shape {
    let sources: Vec<_> = (0..signals).map(Id::Signal).collect();
    let shape = shape(name, Vec::new(), vec![sources; effects]);
    Shape { signals, writes: Writes::InTurn, ..shape }
}

fn chain(name: &'static str, length: usize) -> Shape {
    let link = |i: usize| Formula::Plus { of: before(i), n: 1 };
    shape(name, (0..length).map(link).collect(), vec![vec![Id::Computed(length - 1)]])
}

/// The computed before computed `i`, or the head.
fn before(i: usize) -> Id {
    if i == 0 { HEAD } else { Id::Computed(i - 1) }
}

fn fanout(name: &'static str, width: usize) -> Shape {
    let computeds = (0..width).map(|i| Formula::Plus { of: HEAD, n: i as u64 }).collect();
    shape(name, computeds, (0..width).map(|i| vec![Id::Computed(i)]).collect())
}

fn fanout_pull(name: &'static str, width: usize) -> Shape {
    let shape = fanout(name, width);
    let pulled = (0..width).map(Id::Computed).collect();
    Shape { effects: Vec::new(), pulled, recomputed: width, ..shape }
}

fn diamond(name: &'static str, width: usize) -> Shape {
    let mut computeds = vec![Formula::Plus { of: HEAD, n: 1 }; width];
    computeds.push(Formula::Sum((0..width).map(Id::Computed).collect()));
    shape(name, computeds, vec![vec![Id::Computed(width)]])
}

fn triangle(name: &'static str, width: usize) -> Shape {
    let mut shape = chain(name, width);
    shape.computeds.push(Formula::Sum((0..width).map(Id::Computed).collect()));
    Shape { effects: vec![vec![Id::Computed(width)]], recomputed: width + 2, ..shape }
}

fn broad(name: &'static str, width: usize) -> Shape {
    let pair = |i: usize| {
        let first = Formula::Plus { of: HEAD, n: i as u64 };
        [first, Formula::Plus { of: Id::Computed(2 * i), n: 1 }]
    };
    let effects = (0..width).map(|i| vec![Id::Computed(2 * i + 1)]).collect();
    shape(name, (0..width).flat_map(pair).collect(), effects)
}

fn mux(name: &'static str, width: usize) -> Shape {
    let mut computeds: Vec<_> = (0..width).map(Formula::Element).collect();
    computeds.extend((0..width).map(|i| Formula::Plus { of: Id::Computed(i), n: 1 }));
    let effects = (0..width).map(|i| vec![Id::Computed(width + i)]).collect();
    let shape = shape(name, computeds, effects);
    let (writes, recomputed) = (Writes::InTurn, width + 3);
    Shape { signals: width, gathered: true, writes, recomputed, ..shape }
}

fn repeated(name: &'static str, times: u64) -> Shape {
    shape(name, vec![Formula::Repeat { of: HEAD, times }], vec![vec![Id::Computed(0)]])
}

fn unstable(name: &'static str) -> Shape {
    let (even, odd) = (Id::Computed(0), Id::Computed(1));
    let computeds = vec![
        Formula::Times { of: HEAD, n: 2 },
        Formula::Times { of: HEAD, n: u64::MAX },
        Formula::Unstable { head: HEAD, odd, even },
    ];
    Shape { recomputed: 3, ..shape(name, computeds, vec![vec![Id::Computed(2)]]) }
}

fn avoidable(name: &'static str) -> Shape {
    let mut computeds = vec![Formula::Plus { of: HEAD, n: 0 }, Formula::Zero(Id::Computed(0))];
    computeds.extend((1..4).map(|i| Formula::Plus { of: Id::Computed(i), n: i as u64 }));
    Shape { recomputed: 2, ..shape(name, computeds, vec![vec![Id::Computed(4)]]) }
}

fn cellx(name: &'static str, layers: usize) -> Shape {
    let mut computeds = Vec::new();
    let mut row: [Id; 4] = std::array::from_fn(Id::Signal);
    for layer in 0..layers {
        computeds.extend([
            Formula::Plus { of: row[1], n: 0 },
            Formula::Minus(row[0], row[2]),
            Formula::Add(row[1], row[3]),
            Formula::Plus { of: row[2], n: 0 },
        ]);
        row = std::array::from_fn(|i| Id::Computed(4 * layer + i));
    }
    let effects = (0..4 * layers).map(|i| vec![Id::Computed(i)]).collect();
    Shape { signals: 4, writes: Writes::All, ..shape(name, computeds, effects) }
}

/// `side` rows of `side`: each node blends its two neighbours of the row above; the sum of the
/// last row is watched.
fn grid(name: &'static str, side: usize) -> Shape {
    let mut computeds = Vec::with_capacity(side * side);
    let mut above: Vec<_> = (0..side).map(Id::Signal).collect();
    for row in 0..side {
        let node = |i: usize| Formula::Blend(above[i], above[(i + 1) % side]);
        computeds.extend((0..side).map(node));
        above = (0..side).map(|i| Id::Computed(row * side + i)).collect();
    }
    computeds.push(Formula::Sum(above));
    let effects = vec![vec![Id::Computed(side * side)]];
    Shape { signals: side, writes: Writes::All, ..shape(name, computeds, effects) }
}

fn wide(name: &'static str, width: usize, rounds: u32) -> Shape {
    let work = |i: usize| Formula::Rounds { of: HEAD, n: i as u64, rounds };
    let mut computeds: Vec<_> = (0..width).map(work).collect();
    computeds.push(Formula::Sum((0..width).map(Id::Computed).collect()));
    shape(name, computeds, vec![vec![Id::Computed(width)]])
}

/// `rounds` dependent multiplications that no compiler shortens, or does for several nodes at once.
#[inline(never)]
pub fn work(seed: u64, rounds: u32) -> u64 {
    let mut value = seed;
    for _ in 0..rounds {
        value = (value ^ (value >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    value
}

/// Two neighbours, such that a sum over a row never becomes even more often than its sources do.
#[inline]
pub fn blend(a: u64, b: u64) -> u64 {
    a.wrapping_mul(3).wrapping_add(b.wrapping_mul(2))
}

/// What an effect adds to the sum of what was seen: a run too many or too few shows.
#[inline]
pub fn seen(value: u64) -> u64 {
    value.wrapping_add(1)
}

/// Evaluates a shape by recomputing every node at each step.
#[derive(Debug)]
pub struct Reference {
    shape: Shape,
    signals: Vec<u64>,
    computeds: Vec<u64>,
    last: Vec<Vec<u64>>,
    turn: u64,
}

impl Reference {
    pub fn new(shape: &Shape) -> Self {
        let mut reference = Self {
            signals: vec![0; shape.signals],
            computeds: vec![0; shape.computeds.len()],
            last: Vec::new(),
            turn: 0,
            shape: shape.clone(),
        };
        reference.recompute();
        reference.last = reference.watched();
        reference
    }

    /// What the next step's effects and outside reads add up to.
    pub fn step(&mut self) -> u64 {
        self.turn += 1;
        self.write();
        self.recompute();
        let watched = self.watched();
        let moved = watched.iter().zip(&self.last).filter(|(now, then)| now != then);
        let effects = moved.map(|(now, _)| seen(sum(now.iter().copied())));
        let effects = sum(effects);
        self.last = watched;
        effects.wrapping_add(sum(self.shape.pulled.iter().map(|id| seen(self.value(*id)))))
    }

    fn write(&mut self) {
        let (turn, signals) = (self.turn, self.signals.len());
        match self.shape.writes {
            Writes::First => self.signals[0] = turn,
            Writes::InTurn => self.signals[turn as usize % signals] = turn,
            Writes::All => {
                for (index, signal) in self.signals.iter_mut().enumerate() {
                    *signal = spread(index, turn);
                }
            }
        }
    }

    fn recompute(&mut self) {
        for index in 0..self.computeds.len() {
            self.computeds[index] = self.evaluate(&self.shape.computeds[index]);
        }
    }

    fn evaluate(&self, formula: &Formula) -> u64 {
        match formula {
            Formula::Plus { of, n } => self.value(*of).wrapping_add(*n),
            Formula::Sum(of) => sum(of.iter().map(|id| self.value(*id))),
            Formula::Minus(a, b) => self.value(*a).wrapping_sub(self.value(*b)),
            Formula::Add(a, b) => self.value(*a).wrapping_add(self.value(*b)),
            Formula::Blend(a, b) => blend(self.value(*a), self.value(*b)),
            Formula::Repeat { of, times } => self.value(*of).wrapping_mul(*times),
            Formula::Unstable { head, odd, even } => {
                let id = if self.value(*head) % 2 == 1 { odd } else { even };
                self.value(*id).wrapping_mul(20)
            }
            Formula::Times { of, n } => self.value(*of).wrapping_mul(*n),
            Formula::Zero(_) => 0,
            Formula::Rounds { of, n, rounds } => work(self.value(*of).wrapping_add(*n), *rounds),
            Formula::Element(index) => self.signals[*index],
        }
    }

    fn value(&self, id: Id) -> u64 {
        match id {
            Id::Signal(index) => self.signals[index],
            Id::Computed(index) => self.computeds[index],
        }
    }

    fn watched(&self) -> Vec<Vec<u64>> {
        let values = |ids: &Vec<Id>| ids.iter().map(|id| self.value(*id)).collect();
        self.shape.effects.iter().map(values).collect()
    }
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::wrapping_add)
}
