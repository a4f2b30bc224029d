//! The slow and obvious evaluation that says what each step has to show.

use crate::shape::{Formula, Id, Shape, Writes, blend, dropped, seen, spread, work};

/// What a step has to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// What effects and outside reads add up to.
    pub sum: u64,
    /// What each effect sees, if it has to run.
    pub runs: Vec<Option<u64>>,
    /// How many computeds and effects have to run.
    pub needed: u64,
}

/// Evaluates a shape by recomputing every node at each step.
#[derive(Debug)]
pub struct Reference<'a> {
    shape: &'a Shape,
    signals: Nodes,
    computeds: Nodes,
    effects: Vec<u64>,
    listed: u64,
    turn: u64,
}

/// Values now and a step ago; in which step each last changed, and last had to run.
#[derive(Debug)]
struct Nodes {
    now: Vec<u64>,
    before: Vec<u64>,
    changed: Vec<u64>,
    ran: Vec<u64>,
}

impl Nodes {
    fn new(count: usize) -> Self {
        let zeros = || vec![0; count];
        Self { now: zeros(), before: zeros(), changed: zeros(), ran: zeros() }
    }

    fn note_changes(&mut self, turn: u64) {
        for (at, changed) in self.changed.iter_mut().enumerate() {
            if self.now[at] != self.before[at] {
                *changed = turn;
            }
        }
    }
}

impl<'a> Reference<'a> {
    /// The shape as it was built, before any step.
    pub fn new(shape: &'a Shape) -> Self {
        let mut reference = Self {
            signals: Nodes::new(shape.signals),
            computeds: Nodes::new(shape.computeds.len()),
            effects: vec![0; shape.effects.len()],
            listed: 0,
            turn: 0,
            shape,
        };
        reference.recompute();
        reference
    }

    /// Takes the next step.
    pub fn step(&mut self) -> Expected {
        self.turn += 1;
        self.signals.before.clone_from(&self.signals.now);
        self.computeds.before.clone_from(&self.computeds.now);
        self.write();
        self.recompute();
        self.signals.note_changes(self.turn);
        self.computeds.note_changes(self.turn);
        let runs: Vec<_> = (0..self.effects.len()).map(|effect| self.run(effect)).collect();
        let needed = self.needed() + runs.iter().flatten().count() as u64;
        let pulled = self.shape.pulled.iter().map(|at| seen(self.computeds.now[*at]));
        let sum = sum(runs.iter().flatten().map(|value| seen(*value)).chain(pulled));
        Expected { sum, runs, needed }
    }

    /// Goes on to that step, as if all between had been taken. Counts of what is needed are right
    /// again from the second step on.
    pub fn skip_to(&mut self, turn: u64) {
        let last = turn.saturating_sub(self.signals.now.len() as u64).max(self.turn);
        for turn in last + 1..=turn {
            self.turn = turn;
            self.write();
        }
        self.recompute();
    }

    /// All values: of signals, then of computeds.
    pub fn values(&self) -> Vec<u64> {
        [self.signals.now.as_slice(), &self.computeds.now].concat()
    }

    /// Whether a computed may show that value in this step: its own, or the one before.
    pub fn may_show(&self, computed: usize, value: u64) -> bool {
        [self.computeds.now[computed], self.computeds.before[computed]].contains(&value)
    }

    /// What an effect sees, or would see.
    pub fn watched(&self, effect: usize) -> u64 {
        sum(self.shape.effects[effect].iter().map(|id| self.value(*id)))
    }

    fn run(&mut self, effect: usize) -> Option<u64> {
        let latest = self.shape.effects[effect].iter().map(|id| self.changed(*id)).max();
        let has_to = latest > Some(self.effects[effect]);
        has_to.then(|| {
            self.effects[effect] = self.turn;
            self.watched(effect)
        })
    }

    /// How many computeds are asked for and have a source that changed since they last ran.
    fn needed(&mut self) -> u64 {
        let mut asked = vec![false; self.shape.computeds.len()];
        let mut ask = |id: &Id| {
            if let Id::Computed(at) = *id {
                asked[at] = true;
            }
        };
        self.shape.effects.iter().flatten().for_each(&mut ask);
        self.shape.pulled.iter().for_each(|at| ask(&Id::Computed(*at)));
        let (mut needed, mut is_listed) = (0, false);
        for at in (0..asked.len()).rev() {
            if !asked[at] {
                continue;
            }
            let read = self.read_by(&self.shape.computeds[at]);
            for id in &read {
                if let Id::Computed(source) = *id {
                    asked[source] = true;
                }
            }
            is_listed |= matches!(self.shape.computeds[at], Formula::Element(_));
            if self.latest(&self.shape.computeds[at], &read) > self.computeds.ran[at] {
                self.computeds.ran[at] = self.turn;
                needed += 1;
            }
        }
        let list = self.signals.changed.iter().copied().max().unwrap_or(0);
        if is_listed && list > self.listed {
            self.listed = self.turn;
            needed += 1;
        }
        needed
    }

    fn latest(&self, formula: &Formula, read: &[Id]) -> u64 {
        match formula {
            Formula::Element(_) => self.signals.changed.iter().copied().max().unwrap_or(0),
            _ => read.iter().map(|id| self.changed(*id)).max().unwrap_or(0),
        }
    }

    /// What it really reads, values being as they are.
    fn read_by(&self, formula: &Formula) -> Vec<Id> {
        match formula {
            Formula::Unstable { head, odd, even } => {
                vec![*head, if self.value(*head) % 2 == 1 { *odd } else { *even }]
            }
            Formula::Dropping(of) => {
                let left_out = dropped(self.value(of[0]), of.len() - 1);
                let stays = |(at, _): &(usize, &Id)| left_out.is_none_or(|out| *at != out + 1);
                of.iter().enumerate().filter(stays).map(|(_, id)| *id).collect()
            }
            _ => formula.sources(),
        }
    }

    fn write(&mut self) {
        let (turn, signals) = (self.turn, self.signals.now.len());
        match self.shape.writes {
            Writes::One(index) => self.signals.now[index] = turn,
            Writes::InTurn => self.signals.now[turn as usize % signals] = turn,
            Writes::All => {
                for (index, signal) in self.signals.now.iter_mut().enumerate() {
                    *signal = spread(index, turn);
                }
            }
            Writes::Nothing => {}
        }
    }

    fn recompute(&mut self) {
        for index in 0..self.computeds.now.len() {
            self.computeds.now[index] = self.evaluate(&self.shape.computeds[index]);
        }
    }

    fn evaluate(&self, formula: &Formula) -> u64 {
        match formula {
            Formula::Plus { of, n } => self.value(*of).wrapping_add(*n),
            Formula::Times { of, n } => self.value(*of).wrapping_mul(*n),
            Formula::Sum(of) => sum(of.iter().map(|id| self.value(*id))),
            Formula::Minus(a, b) => self.value(*a).wrapping_sub(self.value(*b)),
            Formula::Add(a, b) => self.value(*a).wrapping_add(self.value(*b)),
            Formula::Blend(a, b) => blend(self.value(*a), self.value(*b)),
            Formula::Repeat { of, times } => self.value(*of).wrapping_mul(*times),
            Formula::Unstable { .. } => self.value(self.read_by(formula)[1]).wrapping_mul(20),
            Formula::Dropping(_) => sum(self.read_by(formula).iter().map(|id| self.value(*id))),
            Formula::Zero(_) => 0,
            Formula::Rounds { of, n, rounds } => work(self.value(*of).wrapping_add(*n), *rounds),
            Formula::Element(index) => self.signals.now[*index],
        }
    }

    fn value(&self, id: Id) -> u64 {
        match id {
            Id::Signal(index) => self.signals.now[index],
            Id::Computed(index) => self.computeds.now[index],
        }
    }

    fn changed(&self, id: Id) -> u64 {
        match id {
            Id::Signal(index) => self.signals.changed[index],
            Id::Computed(index) => self.computeds.changed[index],
        }
    }
}

fn sum(values: impl Iterator<Item = u64>) -> u64 {
    values.fold(0, u64::wrapping_add)
}
