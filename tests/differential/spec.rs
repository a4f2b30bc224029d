//! What a random graph is made of, and its naive evaluation: recompute everything from the signals.

use std::fmt;

use crate::rng::Rng;

/// Nodes are numbered: signals first, then computeds; a computed reads only what stands before it.
pub(crate) type Id = usize;

/// Values are small, so that equal ones are frequent.
pub(crate) const MODULUS: u64 = 24;

/// A value: the number that computeds see, and the mark of the write that made it (0 for none).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Val {
    pub v: u64,
    pub tag: u64,
}

impl Val {
    pub(crate) fn plain(v: u64) -> Val {
        Val { v, tag: 0 }
    }
}

impl fmt::Debug for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            0 => write!(f, "{}", self.v),
            tag => write!(f, "{}@{}.{}", self.v, tag >> 32, tag & 0xffff_ffff),
        }
    }
}

/// When a new value counts as the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// The numbers are equal; the tag is then the old one's.
    Number,
    /// Number and tag are equal: never, for two writes.
    Tagged,
    /// Never.
    Always,
    /// The numbers divided by this are equal. Readers see the quotient only: which of the equal
    /// values is kept depends on what ran when.
    Quotient(u64),
    /// As `Number`, but the function panics for a new number with this remainder modulo 5.
    Panics(u64),
}

impl Compare {
    pub(crate) fn equal(self, old: &Val, new: &Val) -> bool {
        match self {
            Compare::Number => old.v == new.v,
            Compare::Tagged => old == new,
            Compare::Always => false,
            Compare::Quotient(by) => old.v / by == new.v / by,
            Compare::Panics(rest) => {
                assert!(new.v % 5 != rest, "deliberate: equality of {new:?}");
                old.v == new.v
            }
        }
    }

    /// The same without the panic.
    pub(crate) fn same(self, old: &Val, new: &Val) -> bool {
        match self {
            Compare::Panics(_) => old.v == new.v,
            other => other.equal(old, new),
        }
    }

    /// What readers see of a number.
    pub(crate) fn seen(self, v: u64) -> u64 {
        match self {
            Compare::Quotient(by) => v / by,
            _ => v,
        }
    }

    /// Whether the engine may find a change where the number is the same.
    pub(crate) fn changes_without_change(self) -> bool {
        matches!(self, Compare::Always | Compare::Panics(_) | Compare::Tagged)
    }
}

/// Who writes a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Threads, in commits that are logged.
    Logged,
    /// One effect, in its own logged commits: the number it saw.
    Mirror,
    /// Threads, in lone writes that are not logged: one thread only, or any.
    Free { only: Option<usize> },
}

#[derive(Clone, Debug)]
pub(crate) struct SignalSpec {
    pub first: u64,
    pub compare: Compare,
    pub role: Role,
}

#[derive(Clone, Debug)]
pub(crate) struct ComputedSpec {
    pub rule: Rule,
    pub compare: Compare,
    /// Built by `map`, tuples or `all` instead of a closure with tracking, where the rule can be.
    pub fixed: bool,
}

/// How a computed gets its number.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Sum(Vec<Id>),
    Mix(Id, Id, u64),
    Modulo(Id, u64),
    /// One of two, as a third says.
    Choose {
        by: Id,
        odd: Id,
        even: Id,
    },
    /// One of several, as another says.
    Index {
        by: Id,
        among: Vec<Id>,
    },
    /// In order, until one is odd.
    FirstOdd(Vec<Id>),
    /// Panics for every number with this remainder.
    Fail {
        of: Id,
        modulo: u64,
        rest: u64,
    },
    /// Survives a failing source.
    Catch(Id),
}

/// A computed that panicked, or read one that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

pub(crate) type Outcome = Result<u64, Failed>;

/// Where a rule reads from.
pub(crate) trait Sources {
    /// A read whose failure is the reader's own.
    fn read(&mut self, id: Id) -> Outcome;
    /// A read whose failure the reader survives.
    fn attempt(&mut self, id: Id) -> Outcome;
}

impl Rule {
    pub(crate) fn apply(&self, from: &mut impl Sources) -> Outcome {
        let number = match self {
            Rule::Sum(of) => {
                let mut sum = 0;
                for id in of {
                    sum += from.read(*id)?;
                }
                sum
            }
            Rule::Mix(a, b, k) => from.read(*a)? * 5 + from.read(*b)? * 3 + k,
            Rule::Modulo(of, by) => from.read(*of)? % by,
            Rule::Choose { by, odd, even } => {
                let way = from.read(*by)?;
                from.read(if way % 2 == 1 { *odd } else { *even })?
            }
            Rule::Index { by, among } => {
                let at = from.read(*by)? as usize % among.len();
                from.read(among[at])? + 1
            }
            Rule::FirstOdd(among) => {
                let mut last = 0;
                for id in among {
                    last = from.read(*id)?;
                    if last % 2 == 1 {
                        break;
                    }
                }
                last
            }
            Rule::Fail { of, modulo, rest } => {
                let number = from.read(*of)?;
                if number % modulo == *rest {
                    return Err(Failed);
                }
                number
            }
            Rule::Catch(of) => from.attempt(*of).map_or(7, |number| number + 1),
        };
        Ok(number % MODULUS)
    }

    /// Every node it may read.
    pub(crate) fn sources(&self) -> Vec<Id> {
        match self {
            Rule::Sum(of) | Rule::FirstOdd(of) => of.clone(),
            Rule::Mix(a, b, _) => vec![*a, *b],
            Rule::Modulo(of, _) | Rule::Fail { of, .. } | Rule::Catch(of) => vec![*of],
            Rule::Choose { by, odd, even } => vec![*by, *odd, *even],
            Rule::Index { by, among } => [&[*by], among.as_slice()].concat(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub signals: Vec<SignalSpec>,
    pub computeds: Vec<ComputedSpec>,
}

impl Spec {
    pub(crate) fn nodes(&self) -> usize {
        self.signals.len() + self.computeds.len()
    }

    pub(crate) fn compare(&self, id: Id) -> Compare {
        match id.checked_sub(self.signals.len()) {
            None => self.signals[id].compare,
            Some(at) => self.computeds[at].compare,
        }
    }

    pub(crate) fn first(&self) -> Vec<Val> {
        self.signals.iter().map(|signal| Val::plain(signal.first)).collect()
    }

    /// The outcome of every node, from nothing but the signals.
    pub(crate) fn outcomes(&self, signals: &[Val]) -> Vec<Outcome> {
        let mut known = Naive { outcomes: Vec::with_capacity(self.nodes()) };
        for (signal, value) in self.signals.iter().zip(signals) {
            known.outcomes.push(Ok(signal.compare.seen(value.v)));
        }
        for computed in &self.computeds {
            let outcome = computed.rule.apply(&mut known);
            known.outcomes.push(outcome.map(|number| computed.compare.seen(number)));
        }
        known.outcomes
    }

    /// For each node, whether it or anything it may depend on satisfies `which`.
    pub(crate) fn tainted(&self, which: impl Fn(Id) -> bool) -> Vec<bool> {
        let mut tainted: Vec<bool> = (0..self.signals.len()).map(&which).collect();
        for (at, computed) in self.computeds.iter().enumerate() {
            let own = which(self.signals.len() + at);
            let sources = computed.rule.sources();
            tainted.push(own || sources.iter().any(|source| tainted[*source]));
        }
        tainted
    }
}

/// The outcomes of the nodes so far.
pub(crate) struct Naive {
    pub outcomes: Vec<Outcome>,
}

impl Sources for Naive {
    fn read(&mut self, id: Id) -> Outcome {
        self.outcomes[id]
    }

    fn attempt(&mut self, id: Id) -> Outcome {
        self.outcomes[id]
    }
}

/// A random rule over the nodes below `end`, mostly the later ones, so that graphs get deep.
pub(crate) fn random_rule(rng: &mut Rng, end: Id) -> Rule {
    let mut id = || {
        let one = rng.below(end);
        if rng.percent(60) { one.max(rng.below(end)) } else { one }
    };
    let (a, b, c, d) = (id(), id(), id(), id());
    let several = if rng.percent(50) { vec![a, b, c] } else { vec![a, b, c, d] };
    match rng.below(10) {
        0 | 1 => Rule::Sum(several),
        2 => Rule::Mix(a, b, rng.next() % 7),
        3 => Rule::Modulo(a, 2 + rng.next() % 3),
        4 | 5 => Rule::Choose { by: a, odd: b, even: c },
        6 => Rule::Index { by: d, among: several },
        7 => Rule::FirstOdd(several),
        8 => {
            let modulo = 3 + rng.next() % 4;
            Rule::Fail { of: a, modulo, rest: rng.next() % modulo }
        }
        _ => Rule::Catch(a),
    }
}
