//! Graphs as data: which nodes there are, what each computes, what one step writes.

mod dynamic;
mod packages;
mod usual;

pub use dynamic::{DYNAMIC, Dynamic, dynamic};
pub use packages::{index, packages};
pub use usual::*;

/// A node: signals and computeds are numbered apart, each in order of creation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Id {
    /// A root value.
    Signal(usize),
    /// A derived value.
    Computed(usize),
}

/// What a computed computes. All arithmetic wraps.
#[derive(Clone, Debug)]
pub enum Formula {
    /// `of + n`
    Plus {
        /// What is read.
        of: Id,
        /// What is added.
        n: u64,
    },
    /// `of * n`
    Times {
        /// What is read.
        of: Id,
        /// The factor.
        n: u64,
    },
    /// The sum of all.
    Sum(Vec<Id>),
    /// `a - b`
    Minus(Id, Id),
    /// `a + b`
    Add(Id, Id),
    /// [`blend`]
    Blend(Id, Id),
    /// The sum of reading the same node `times` times.
    Repeat {
        /// What is read.
        of: Id,
        /// How often.
        times: u64,
    },
    /// Reads `head`, and 20 times more `odd` or `even`, whichever `head` is.
    Unstable {
        /// What decides.
        head: Id,
        /// Read when it is odd.
        odd: Id,
        /// Read when it is even.
        even: Id,
    },
    /// The sum of all; an odd first one leaves out one of the others, itself saying which.
    Dropping(Vec<Id>),
    /// Reads `of`, and is always 0.
    Zero(Id),
    /// [`work`] on `of + n`.
    Rounds {
        /// What is read.
        of: Id,
        /// What is added first.
        n: u64,
        /// How many multiplications follow.
        rounds: u32,
    },
    /// The element of that index of the shape's gathering; see [`Shape::gathered`].
    Element(usize),
}

impl Formula {
    /// The nodes that it may read; of a gathering there is no number.
    pub fn sources(&self) -> Vec<Id> {
        match self {
            Self::Plus { of, .. } | Self::Times { of, .. } | Self::Repeat { of, .. } => vec![*of],
            Self::Rounds { of, .. } | Self::Zero(of) => vec![*of],
            Self::Sum(of) | Self::Dropping(of) => of.clone(),
            Self::Minus(a, b) | Self::Add(a, b) | Self::Blend(a, b) => vec![*a, *b],
            Self::Unstable { head, odd, even } => vec![*head, *odd, *even],
            Self::Element(_) => Vec::new(),
        }
    }

    /// Whether its sources may differ from run to run.
    pub fn is_dynamic(&self) -> bool {
        matches!(self, Self::Unstable { .. } | Self::Dropping(_))
    }
}

/// Which of the others a [`Formula::Dropping`] leaves out.
#[inline]
pub fn dropped(first: u64, others: usize) -> Option<usize> {
    (first % 2 == 1).then(|| (first % others as u64) as usize)
}

/// What one step writes; `turn` is the number of the step, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// `turn` to one signal.
    One(usize),
    /// `turn` to signal `turn % signals`.
    InTurn,
    /// [`spread`] to every signal, in one batch.
    All,
    /// Nothing is written: a step only reads.
    Nothing,
}

/// The value a batch writes to signal `index`: all differ, and so do their differences.
#[inline]
pub fn spread(index: usize, turn: u64) -> u64 {
    turn.wrapping_mul(2 * index as u64 + 1).wrapping_add((index * index) as u64)
}

/// How the hand-written floor goes about a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of the shapes")]
pub enum Plan {
    UpdateOne,
    UpdateMany,
    Chain,
    Fanout,
    Diamond,
    Triangle,
    Broad,
    Mux,
    Repeated,
    Unstable,
    Avoidable,
    TwoPaths,
    Cellx,
    Grid,
    GridOne,
    Wide {
        rounds: u32,
    },
    Dynamic {
        sources: usize,
    },
    Read,
    /// What lies downstream of each signal, listed once.
    Lists,
}

/// A graph and its step.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name in lists and tables.
    pub name: String,
    /// How many signals; all begin at 0.
    pub signals: usize,
    /// If so, one computed gathers all signals into a list, for [`Formula::Element`].
    pub gathered: bool,
    /// Each may read what comes before it.
    pub computeds: Vec<Formula>,
    /// Each effect reads the sum of some nodes.
    pub effects: Vec<Vec<Id>>,
    /// The computeds that a step reads from outside, after it has written.
    pub pulled: Vec<usize>,
    /// What a step writes.
    pub writes: Writes,
    /// The floor of it.
    pub plan: Plan,
}

impl Shape {
    /// All its nodes: signals, computeds, effects.
    pub fn nodes(&self) -> usize {
        self.signals + usize::from(self.gathered) + self.computeds.len() + self.effects.len()
    }

    /// Whether a computed of it may read other sources than at its last run.
    pub fn is_dynamic(&self) -> bool {
        self.computeds.iter().any(Formula::is_dynamic)
    }
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
