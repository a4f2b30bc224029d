//! A plan's graph, built with the crate under test, and what is recorded from inside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use isobar::{Computed, Draft, Effect, Graph, Join, Revision, RunOn, Signal, Snapshot};

use crate::log::{How, Log, OpId, Write};
use crate::script::{EffectSpec, Flavour, On, Plan};
use crate::spec::{Compare, ComputedSpec, Failed, Id, Outcome, Rule, SignalSpec, Sources, Val};

/// Effects write under numbers far from those of the threads.
pub(crate) const FIRST_EFFECT: u32 = 1_000;

/// A node of the graph under test.
#[derive(Clone)]
pub(crate) enum Handle {
    Signal(Signal<Val>, Compare),
    Computed(Computed<Val>, Compare),
}

impl Handle {
    fn seen(&self, value: Val) -> u64 {
        match self {
            Handle::Signal(_, compare) | Handle::Computed(_, compare) => compare.seen(value.v),
        }
    }

    /// A tracked read, in one of the ways there are; raises again what a computed failed with.
    fn get(&self, way: usize) -> u64 {
        let value = match (self, way % 4) {
            (Handle::Signal(signal, _), 0) => signal.get(),
            (Handle::Signal(signal, _), 1) => signal.with(|value| *value),
            (Handle::Signal(signal, _), 2) => *signal.load(),
            (Handle::Signal(signal, _), _) => signal.read_only().get(),
            (Handle::Computed(computed, _), 0 | 3) => computed.get(),
            (Handle::Computed(computed, _), 1) => computed.with(|value| *value),
            (Handle::Computed(computed, _), _) => *computed.load(),
        };
        self.seen(value)
    }

    pub(crate) fn try_get(&self, way: usize) -> Outcome {
        match self {
            Handle::Computed(computed, _) if way.is_multiple_of(3) => {
                computed.try_get().map(|value| self.seen(value)).map_err(|_| Failed)
            }
            Handle::Signal(..) => Ok(self.get(way)),
            Handle::Computed(..) => caught(|| self.get(way)),
        }
    }

    pub(crate) fn try_peek(&self) -> Outcome {
        caught(|| match self {
            Handle::Signal(signal, _) => self.seen(signal.peek()),
            Handle::Computed(computed, _) => self.seen(computed.peek()),
        })
    }

    pub(crate) fn in_snapshot(&self, snap: &Snapshot, way: usize) -> Outcome {
        caught(|| match (self, way % 2) {
            (Handle::Signal(signal, _), 0) => self.seen(snap.get(signal)),
            (Handle::Signal(signal, _), _) => snap.with(signal, |value| self.seen(*value)),
            (Handle::Computed(computed, _), 0) => self.seen(snap.get(computed)),
            (Handle::Computed(computed, _), _) => snap.with(computed, |value| self.seen(*value)),
        })
    }

    pub(crate) fn in_draft(&self, draft: &Draft, way: usize) -> Outcome {
        caught(|| match (self, way % 2) {
            (Handle::Signal(signal, _), 0) => self.seen(draft.get(signal)),
            (Handle::Signal(signal, _), _) => self.seen(*draft.load(signal)),
            (Handle::Computed(computed, _), 0) => self.seen(draft.get(computed)),
            (Handle::Computed(computed, _), _) => self.seen(*draft.load(computed)),
        })
    }
}

fn caught(read: impl FnOnce() -> u64) -> Outcome {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| Failed)
}

/// What something inside the graph read at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub revision: Revision,
    pub log: u64,
    /// All signals, where they were looked at.
    pub signals: Option<Vec<Val>>,
    pub reads: Vec<(Id, Outcome)>,
}

/// One run of a computed's function.
#[derive(Clone, Debug)]
pub(crate) struct Evaluation {
    pub node: Id,
    pub sight: Sight,
}

thread_local! {
    /// Whether this thread reads through writes of its own: what is evaluated then belongs to no
    /// state that others could see.
    static OVERLAID: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

pub(crate) fn overlaid<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERLAID.set(self.0);
        }
    }
    let _restore = Restore(OVERLAID.replace(true));
    work()
}

const SHARDS: usize = 16;

#[derive(Default)]
pub(crate) struct Evaluations {
    shards: [Mutex<Vec<Evaluation>>; SHARDS],
}

impl Evaluations {
    fn add(&self, evaluation: Evaluation) {
        let shard = &self.shards[evaluation.node % SHARDS];
        shard.lock().expect("nobody panics here").push(evaluation);
    }

    pub(crate) fn take(&self) -> Vec<Evaluation> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.append(&mut shard.lock().expect("nobody panics here"));
        }
        all
    }
}

pub(crate) struct Plant {
    pub graph: Graph,
    pub log: Signal<Log>,
    pub nodes: Vec<Handle>,
    pub signals: Vec<Signal<Val>>,
    pub watches: Vec<Watch>,
    pub evaluations: Arc<Evaluations>,
    /// The newest place in the log that any thread has seen and told.
    pub known: AtomicU64,
    pub next_watch: AtomicU32,
    pub failures: Arc<AtomicU64>,
}

impl Plant {
    pub(crate) fn build(plan: &Plan) -> Plant {
        let failures = Arc::<AtomicU64>::default();
        let reported = Arc::clone(&failures);
        let mut builder = Graph::builder().on_error(move |_| {
            reported.fetch_add(1, Ordering::Relaxed);
        });
        if plan.alone {
            builder = builder.threads(1);
        }
        if plan.flavour == Flavour::History {
            builder = builder.history(1 << 20);
        }
        let graph = builder.build();
        let log = Signal::builder(Log::default()).graph(&graph).name("log").build();
        let signals: Vec<_> = plan.spec.signals.iter().map(|spec| signal(&graph, spec)).collect();
        let specs = plan.spec.signals.iter();
        let handles = signals.iter().cloned().zip(specs.map(|spec| spec.compare));
        let mut plant = Plant {
            graph,
            log,
            nodes: handles.map(|(signal, compare)| Handle::Signal(signal, compare)).collect(),
            signals,
            watches: Vec::new(),
            evaluations: Arc::default(),
            known: AtomicU64::new(0),
            next_watch: AtomicU32::new(FIRST_EFFECT),
            failures,
        };
        for spec in &plan.spec.computeds {
            let node = plant.computed(spec, plan.evaluations);
            plant.nodes.push(Handle::Computed(node, spec.compare));
        }
        plant.watches = plan.effects.iter().map(|spec| plant.watch(spec)).collect();
        plant
    }

    fn computed(&self, spec: &ComputedSpec, evaluations: bool) -> Computed<Val> {
        if spec.fixed
            && spec.compare == Compare::Number
            && let Some(node) = self.fixed(&spec.rule)
        {
            return node;
        }
        let run = self.closure(&spec.rule, evaluations.then(|| Arc::clone(&self.evaluations)));
        let compare = spec.compare;
        let builder = Computed::builder(run).graph(&self.graph);
        match compare {
            Compare::Number => builder.build(),
            Compare::Always => builder.always().build(),
            other => builder.equality(move |old, new| other.equal(old, new)).build(),
        }
    }

    /// A function that reads by a rule, for a computed with tracking.
    pub(crate) fn closure(
        &self,
        rule: &Rule,
        evaluations: Option<Arc<Evaluations>>,
    ) -> impl Fn() -> Val + Send + Sync + 'static {
        let (rule, node) = (rule.clone(), self.nodes.len());
        let sources = self.sources_of(&rule);
        let (graph, log) = (self.graph.clone(), self.log.clone());
        move || {
            let sight = evaluations.as_ref().map(|_| Sight {
                revision: graph.revision(),
                log: log.peek_with(Log::index),
                signals: None,
                reads: Vec::new(),
            });
            let mut reader = Reader { node, sources: &sources, sight, kept: &evaluations };
            let outcome = rule.apply(&mut reader);
            drop(reader);
            match outcome {
                Ok(number) => Val::plain(number),
                Err(Failed) => panic!("deliberate: node {node} fails"),
            }
        }
    }

    fn sources_of(&self, rule: &Rule) -> Vec<(Id, Handle)> {
        rule.sources().into_iter().map(|id| (id, self.nodes[id].clone())).collect()
    }

    /// The same rule by fixed sources, where it can be had.
    fn fixed(&self, rule: &Rule) -> Option<Computed<Val>> {
        let made = |sum: u64| Val::plain(sum % crate::spec::MODULUS);
        self.graph.enter(|| match rule {
            Rule::Modulo(of, by) => {
                let (by, of) = (*by, self.nodes[*of].clone());
                let seen = of.clone();
                let run = move |value: &Val| made(seen.seen(*value) % by);
                Some(match of {
                    Handle::Signal(signal, _) => signal.map(run),
                    Handle::Computed(computed, _) => computed.map(run),
                })
            }
            Rule::Mix(a, b, k) => {
                let (a, b, k) = (self.nodes[*a].clone(), self.nodes[*b].clone(), *k);
                let (one, other) = (a.clone(), b.clone());
                let run = move |a: &Val, b: &Val| made(one.seen(*a) * 5 + other.seen(*b) * 3 + k);
                Some(match (a, b) {
                    (Handle::Signal(a, _), Handle::Signal(b, _)) => (&a, &b).map(run),
                    (Handle::Signal(a, _), Handle::Computed(b, _)) => (&a, &b).map(run),
                    (Handle::Computed(a, _), Handle::Signal(b, _)) => (&a, &b).map(run),
                    (Handle::Computed(a, _), Handle::Computed(b, _)) => (&a, &b).map(run),
                })
            }
            Rule::Sum(of) => self.fixed_sum(of),
            _ => None,
        })
    }

    /// `all` takes nodes of one kind.
    fn fixed_sum(&self, of: &[Id]) -> Option<Computed<Val>> {
        let handles: Vec<Handle> = of.iter().map(|id| self.nodes[*id].clone()).collect();
        let signals: Option<Vec<_>> = handles
            .iter()
            .map(|handle| match handle {
                Handle::Signal(signal, _) => Some(signal.clone()),
                Handle::Computed(..) => None,
            })
            .collect();
        let computeds: Option<Vec<_>> = handles
            .iter()
            .map(|handle| match handle {
                Handle::Signal(..) => None,
                Handle::Computed(computed, _) => Some(computed.clone()),
            })
            .collect();
        let sum = move |values: &[isobar::Loaded<Val>]| {
            let numbers = values.iter().zip(&handles).map(|(value, handle)| handle.seen(**value));
            Val::plain(numbers.sum::<u64>() % crate::spec::MODULUS)
        };
        match (signals, computeds) {
            (Some(signals), _) => Some(isobar::all(&signals).map(sum)),
            (_, Some(computeds)) => Some(isobar::all(&computeds).map(sum)),
            _ => None,
        }
    }

    pub(crate) fn watch(&self, spec: &EffectSpec) -> Watch {
        let number = self.next_watch.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::new(Seen { number, ..Seen::default() });
        let run = EffectRun {
            spec: spec.clone(),
            sources: self.sources_of(&spec.rule),
            graph: self.graph.clone(),
            log: self.log.clone(),
            signals: self.signals.clone(),
            seen: Arc::clone(&seen),
        };
        let on = match spec.on {
            On::Writer => RunOn::Writer,
            On::Pool => RunOn::Pool,
            On::Thread => RunOn::Thread,
        };
        let effect = Effect::builder(move || run.run()).graph(&self.graph).run_on(on).build();
        Watch { spec: spec.clone(), seen, effect: Some(effect) }
    }

    /// All signals as this evaluation, effect or batch sees them, without tracking.
    pub(crate) fn all_signals(signals: &[Signal<Val>]) -> Vec<Val> {
        signals.iter().map(Signal::peek).collect()
    }

    pub(crate) fn write(&self, write: &Write, op: OpId) {
        apply(&self.signals[write.signal], write, op);
    }

    pub(crate) fn append(&self, op: OpId, writes: &Arc<[Write]>, read: &Arc<[(Id, Outcome)]>) {
        let (writes, read) = (Arc::clone(writes), Arc::clone(read));
        self.log.update(move |log| log.with(op, &writes, &read));
    }
}

pub(crate) fn apply(signal: &Signal<Val>, write: &Write, op: OpId) {
    let (write, tag) = (*write, op.tag());
    match write.how {
        How::Set => signal.set(Val { v: write.v, tag }),
        How::Update => signal.update(move |old| write.of(old, tag)),
        How::Mutate => signal.mutate(move |value| *value = write.of(value, tag)),
    }
}

fn signal(graph: &Graph, spec: &SignalSpec) -> Signal<Val> {
    let builder = Signal::builder(Val::plain(spec.first)).graph(graph);
    match spec.compare {
        Compare::Tagged => builder.build(),
        Compare::Always => builder.always().build(),
        other => builder.equality(move |old, new| other.equal(old, new)).build(),
    }
}

/// Reads a computed's sources and records them, also if a read unwinds.
struct Reader<'a> {
    node: Id,
    sources: &'a [(Id, Handle)],
    sight: Option<Sight>,
    kept: &'a Option<Arc<Evaluations>>,
}

impl Reader<'_> {
    fn source(&self, id: Id) -> &Handle {
        let found = self.sources.iter().find(|(source, _)| *source == id);
        &found.expect("rules name all their sources").1
    }

    fn record(&mut self, id: Id, outcome: Outcome) {
        if let Some(sight) = &mut self.sight {
            sight.reads.push((id, outcome));
        }
    }
}

impl Sources for Reader<'_> {
    fn read(&mut self, id: Id) -> Outcome {
        // If the read unwinds, this stands; else it is replaced.
        self.record(id, Err(Failed));
        let number = self.source(id).get(self.node + id);
        if let Some(last) = self.sight.as_mut().and_then(|sight| sight.reads.last_mut()) {
            last.1 = Ok(number);
        }
        Ok(number)
    }

    fn attempt(&mut self, id: Id) -> Outcome {
        let outcome = self.source(id).try_get(self.node + id);
        self.record(id, outcome);
        outcome
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let (Some(sight), Some(kept), false) = (self.sight.take(), self.kept, OVERLAID.get()) {
            kept.add(Evaluation { node: self.node, sight });
        }
    }
}

/// An effect and what it has seen.
pub(crate) struct Watch {
    pub spec: EffectSpec,
    pub seen: Arc<Seen>,
    pub effect: Option<Effect>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub number: u32,
    pub runs: Mutex<Vec<Sight>>,
    pub busy: AtomicBool,
    pub overlaps: AtomicU64,
    pub over: AtomicBool,
    pub late: AtomicU64,
}

struct EffectRun {
    spec: EffectSpec,
    sources: Vec<(Id, Handle)>,
    graph: Graph,
    log: Signal<Log>,
    signals: Vec<Signal<Val>>,
    seen: Arc<Seen>,
}

impl EffectRun {
    fn run(&self) {
        let seen = &self.seen;
        let overlap = seen.busy.swap(true, Ordering::AcqRel);
        seen.overlaps.fetch_add(u64::from(overlap), Ordering::Relaxed);
        seen.late.fetch_add(u64::from(seen.over.load(Ordering::Acquire)), Ordering::Relaxed);
        let mut reader = EffectReader { run: self, reads: Vec::new() };
        let outcome = self.spec.rule.apply(&mut reader);
        let reads = reader.reads;
        let log = if self.spec.tracks_log {
            self.log.with(Log::index)
        } else {
            self.log.peek_with(Log::index)
        };
        let signals = Some(Plant::all_signals(&self.signals));
        let sight = Sight { revision: self.graph.revision(), log, signals, reads };
        let run = {
            let mut runs = seen.runs.lock().expect("nobody panics here");
            runs.push(sight);
            runs.len()
        };
        if let (Some(mirror), Ok(number)) = (self.spec.mirror, outcome) {
            self.reflect(mirror, number, run as u32);
        }
        seen.busy.store(false, Ordering::Release);
        assert!(outcome.is_err() || outcome.ok() != self.spec.panics, "deliberate: effect panics");
    }

    fn reflect(&self, mirror: usize, number: u64, run: u32) {
        let op = OpId { by: self.seen.number, at: run };
        let write = Write { signal: mirror, how: How::Set, v: number };
        apply(&self.signals[mirror], &write, op);
        let (writes, read): (Arc<[Write]>, Arc<[_]>) = ([write].into(), [].into());
        self.log.update(move |log| log.with(op, &writes, &read));
    }
}

struct EffectReader<'a> {
    run: &'a EffectRun,
    reads: Vec<(Id, Outcome)>,
}

impl Sources for EffectReader<'_> {
    fn read(&mut self, id: Id) -> Outcome {
        let found = self.run.sources.iter().find(|(source, _)| *source == id);
        let handle = &found.expect("rules name all their sources").1;
        let outcome = handle.try_get(id);
        self.reads.push((id, outcome));
        outcome
    }

    fn attempt(&mut self, id: Id) -> Outcome {
        self.read(id)
    }
}
