//! From a seed to a plan: the graph, its effects and what each thread does.

use std::fmt;
use std::sync::Arc;

use crate::log::{How, Write};
use crate::rng::Rng;
use crate::spec::{Compare, ComputedSpec, Id, MODULUS, Role, Rule, SignalSpec, Spec, random_rule};

/// How the order of commits is known to the oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Every commit is in the log: each state is known completely.
    Logged,
    /// Some signals are written by lone `set`s and the like, outside the log: what is seen of them
    /// must fit the order of each thread's script.
    Free,
    /// As `Free`, but the graph keeps its history: afterwards it is asked for every revision.
    History,
}

#[derive(Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub flavour: Flavour,
    pub spec: Spec,
    pub effects: Vec<EffectSpec>,
    pub scripts: Vec<Vec<Op>>,
    /// Whether evaluations record what they read, too.
    pub evaluations: bool,
    /// Whether threads tell one another what they have seen.
    pub share: bool,
    /// Whether threads enter the graph and use the free functions.
    pub entered: bool,
    /// Whether the graph may use other threads.
    pub alone: bool,
    pub touched: Vec<usize>,
}

impl fmt::Debug for Plan {
    /// One line for each node, effect and operation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, flavour, evaluations, share, entered, alone, touched, .. } = self;
        writeln!(f, "seed {seed:#x}, {flavour:?}, evaluations {evaluations}, share {share},")?;
        writeln!(f, "entered {entered}, alone {alone}, touched {touched:?}")?;
        for (at, signal) in self.spec.signals.iter().enumerate() {
            writeln!(f, "  node {at}: {signal:?}")?;
        }
        for (at, computed) in self.spec.computeds.iter().enumerate() {
            writeln!(f, "  node {}: {computed:?}", at + self.spec.signals.len())?;
        }
        for effect in &self.effects {
            writeln!(f, "  {effect:?}")?;
        }
        for (thread, script) in self.scripts.iter().enumerate() {
            for (at, op) in script.iter().enumerate() {
                writeln!(f, "  {}.{}: {op:?}", thread + 1, at + 1)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EffectSpec {
    pub rule: Rule,
    pub on: On,
    /// The signal to which it writes what it saw.
    pub mirror: Option<usize>,
    pub tracks_log: bool,
    /// Panics after it saw this number.
    pub panics: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Writer,
    Pool,
    Thread,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Commit {
        via: Via,
        writes: Arc<[Write]>,
        reads: Vec<Id>,
        end: End,
    },
    WhatIf {
        writes: Arc<[Write]>,
        reads: Vec<Id>,
        enter: bool,
    },
    Lone {
        write: Write,
        way: Lone,
    },
    Touch(usize),
    Read(Vec<Id>),
    Snapshot {
        reads: Vec<Id>,
        keep: bool,
    },
    Again {
        reads: Vec<Id>,
    },
    /// A computed made for one read.
    Passing(Rule),
    Watch(EffectSpec),
    Unwatch {
        dispose: bool,
    },
    Settle,
    Collect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Batch,
    /// Each write in a batch of its own, inside one.
    Nested,
    Transaction,
    Draft,
}

#[derive(Clone, Debug)]
pub(crate) enum End {
    Commits,
    /// The whole ends by a panic or, in a transaction, an error: nothing commits.
    Refuses,
    /// An inner batch ends by a panic that is caught: only its writes are undone.
    Undoes(Arc<[Write]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lone {
    Set,
    Try,
    Replace,
    Update,
    Mutate,
    /// `compare_set` at a snapshot's revision, again and again until it succeeds.
    Compare,
}

pub(crate) fn plan(seed: u64) -> Plan {
    let mut rng = Rng::new(seed);
    let flavour = *rng.pick(&[Flavour::Logged, Flavour::Logged, Flavour::Free, Flavour::History]);
    let threads = rng.between(1, 8);
    let spec = random_spec(&mut rng.fork(), flavour, threads);
    let touched = (0..spec.signals.len()).filter(|_| rng.percent(15)).collect();
    let effects = random_effects(&mut rng.fork(), &spec);
    let length = rng.between(10, 40);
    let scripts = (0..threads)
        .map(|thread| {
            let rng = rng.fork();
            Writer { rng, spec: &spec, touched: &touched, thread, flavour }.script(length)
        })
        .collect();
    Plan {
        seed,
        flavour,
        effects,
        scripts,
        evaluations: rng.percent(50),
        share: rng.percent(50),
        entered: rng.percent(50),
        alone: rng.percent(30),
        touched,
        spec,
    }
}

pub(crate) fn random_spec(rng: &mut Rng, flavour: Flavour, threads: usize) -> Spec {
    let mut signals = Vec::new();
    for _ in 0..rng.between(2, 6) {
        let compare = random_signal_compare(rng);
        signals.push(SignalSpec { first: rng.next() % MODULUS, compare, role: Role::Logged });
    }
    for _ in 0..rng.below(3) {
        let compare = *rng.pick(&[Compare::Number, Compare::Tagged]);
        signals.push(SignalSpec { first: 0, compare, role: Role::Mirror });
    }
    for _ in 0..if flavour == Flavour::Logged { 0 } else { rng.between(1, 4) } {
        let only = rng.percent(50).then(|| rng.below(threads));
        let compare = *rng.pick(&[Compare::Tagged, Compare::Tagged, Compare::Always]);
        signals.push(SignalSpec { first: 0, compare, role: Role::Free { only } });
    }
    let mut computeds = Vec::new();
    for _ in 0..rng.between(3, 20) {
        let rule = random_rule(rng, signals.len() + computeds.len());
        let compare = random_computed_compare(rng);
        computeds.push(ComputedSpec { rule, compare, fixed: rng.percent(40) });
    }
    Spec { signals, computeds }
}

fn random_signal_compare(rng: &mut Rng) -> Compare {
    match rng.below(20) {
        0..10 => Compare::Number,
        10..13 => Compare::Tagged,
        13..15 => Compare::Always,
        15..18 => Compare::Quotient(3),
        _ => Compare::Panics(rng.next() % 5),
    }
}

fn random_computed_compare(rng: &mut Rng) -> Compare {
    match rng.below(20) {
        0..13 => Compare::Number,
        13..15 => Compare::Always,
        15..18 => Compare::Quotient(2 + rng.next() % 3),
        _ => Compare::Panics(rng.next() % 5),
    }
}

fn random_effects(rng: &mut Rng, spec: &Spec) -> Vec<EffectSpec> {
    let mirrors = (0..spec.signals.len()).filter(|at| spec.signals[*at].role == Role::Mirror);
    let mut effects: Vec<EffectSpec> = mirrors
        .map(|mirror| EffectSpec {
            rule: rule_without_mirrors(rng, spec),
            on: random_on(rng),
            mirror: Some(mirror),
            tracks_log: false,
            panics: None,
        })
        .collect();
    for _ in 0..rng.below(5) {
        effects.push(random_effect(rng, spec));
    }
    effects
}

fn random_effect(rng: &mut Rng, spec: &Spec) -> EffectSpec {
    EffectSpec {
        rule: random_rule(rng, spec.nodes()),
        on: random_on(rng),
        mirror: None,
        tracks_log: rng.percent(20),
        panics: rng.percent(20).then(|| rng.next() % MODULUS),
    }
}

fn random_on(rng: &mut Rng) -> On {
    *rng.pick(&[On::Writer, On::Writer, On::Writer, On::Pool, On::Thread])
}

/// A rule that does not depend on what effects write: an effect that did would go round in circles.
fn rule_without_mirrors(rng: &mut Rng, spec: &Spec) -> Rule {
    let is_mirror = |id: Id| spec.signals.get(id).is_some_and(|s| s.role == Role::Mirror);
    let tainted = spec.tainted(is_mirror);
    for _ in 0..30 {
        let rule = random_rule(rng, spec.nodes());
        if rule.sources().iter().all(|source| !tainted[*source]) {
            return rule;
        }
    }
    Rule::Sum(vec![0, 1])
}

/// Draws the script of one thread.
struct Writer<'a> {
    rng: Rng,
    spec: &'a Spec,
    touched: &'a Vec<usize>,
    thread: usize,
    flavour: Flavour,
}

impl Writer<'_> {
    fn script(mut self, length: usize) -> Vec<Op> {
        (0..length).map(|_| self.op()).collect()
    }

    fn op(&mut self) -> Op {
        match self.rng.below(100) {
            0..32 => self.commit(),
            32..40 => self.lone(),
            40..44 => Op::WhatIf {
                writes: self.writes(),
                reads: self.reads(),
                enter: self.rng.percent(50),
            },
            44..47 if !self.touched.is_empty() => Op::Touch(*self.rng.pick(self.touched)),
            47..68 => Op::Read(self.reads()),
            68..82 => Op::Snapshot { reads: self.reads(), keep: self.rng.percent(40) },
            82..88 => Op::Again { reads: self.reads() },
            88..91 => Op::Passing(random_rule(&mut self.rng, self.spec.nodes())),
            91..94 => Op::Watch(random_effect(&mut self.rng, self.spec)),
            94..97 => Op::Unwatch { dispose: self.rng.percent(70) },
            97 => Op::Settle,
            98 => Op::Collect,
            _ => self.commit(),
        }
    }

    fn commit(&mut self) -> Op {
        let via = *self.rng.pick(&[
            Via::Batch,
            Via::Batch,
            Via::Batch,
            Via::Nested,
            Via::Transaction,
            Via::Draft,
        ]);
        let end = match self.rng.below(10) {
            0 if via != Via::Draft => End::Refuses,
            1 if via != Via::Draft => End::Undoes(self.writes()),
            _ => End::Commits,
        };
        Op::Commit { via, writes: self.writes(), reads: self.reads(), end }
    }

    /// Writes to logged signals: often several, to one signal more than once only where it is clear
    /// what equality makes of it.
    fn writes(&mut self) -> Arc<[Write]> {
        let mut writes: Vec<Write> = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            let logged = self.spec.signals.iter().filter(|s| s.role == Role::Logged).count();
            let signal = self.rng.below(logged);
            let compare = self.spec.signals[signal].compare;
            let again = writes.iter().any(|write| write.signal == signal);
            if !again || matches!(compare, Compare::Tagged | Compare::Always) {
                writes.push(self.write(signal));
            }
        }
        writes.into()
    }

    fn write(&mut self, signal: usize) -> Write {
        let how = *self.rng.pick(&[How::Set, How::Set, How::Update, How::Mutate]);
        // Which of several equal values is there is not determined, so none is added to.
        let vague = matches!(self.spec.signals[signal].compare, Compare::Quotient(_));
        let how = if vague { How::Set } else { how };
        Write { signal, how, v: self.rng.next() % MODULUS }
    }

    fn lone(&mut self) -> Op {
        let mine = |role: Role| match role {
            Role::Free { only } => only.is_none_or(|only| only == self.thread),
            _ => false,
        };
        let signals = self.spec.signals.iter().enumerate();
        let free: Vec<usize> = signals.filter(|(_, s)| mine(s.role)).map(|(at, _)| at).collect();
        if self.flavour == Flavour::Logged || free.is_empty() {
            return self.commit();
        }
        let signal = *self.rng.pick(&free);
        let ways = [
            Lone::Set,
            Lone::Set,
            Lone::Try,
            Lone::Replace,
            Lone::Update,
            Lone::Mutate,
            Lone::Compare,
        ];
        Op::Lone { write: self.write(signal), way: *self.rng.pick(&ways) }
    }

    fn reads(&mut self) -> Vec<Id> {
        let nodes = self.spec.nodes();
        (0..self.rng.between(1, 5)).map(|_| self.rng.below(nodes)).collect()
    }
}
