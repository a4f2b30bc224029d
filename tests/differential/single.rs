//! On one thread the trace of runs is checked: what `pull.rs` says is due, neither more nor less.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::log::{OpId, Write};
use crate::oracle::Verdict;
use crate::plant::Plant;
use crate::pull::Pull;
use crate::rng::Rng;
use crate::script::{EffectSpec, Flavour, On, Plan, random_spec};
use crate::spec::{Compare, Id, Rule, random_rule};

pub(crate) struct Single {
    plan: Plan,
    steps: Vec<Step>,
    /// Whether no computed chooses its sources: then waves, too, do only what is due.
    steady: bool,
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.plan)?;
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "  step {at}: {step:?}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Arc<[Write]>),
    Touch(usize),
    Read(Id),
}

pub(crate) fn plan(seed: u64) -> Single {
    let mut rng = Rng::new(seed);
    let mut spec = random_spec(&mut rng, Flavour::Logged, 1);
    for signal in &mut spec.signals {
        if matches!(signal.compare, Compare::Panics(_) | Compare::Tagged) {
            signal.compare = Compare::Number;
        }
    }
    for computed in &mut spec.computeds {
        // Only functions that count their runs.
        computed.fixed = false;
    }
    let observed = rng.percent(50);
    let effects: Vec<EffectSpec> = (0..if observed { rng.between(1, 3) } else { 0 })
        .map(|_| EffectSpec {
            rule: random_rule(&mut rng, spec.nodes()),
            on: On::Writer,
            mirror: None,
            tracks_log: false,
            panics: None,
        })
        .collect();
    let steps = (0..rng.between(10, 60)).map(|_| step(&mut rng, &spec)).collect();
    let fixed = |rule: &Rule| matches!(rule, Rule::Sum(_) | Rule::Mix(..) | Rule::Modulo(..));
    let steady = spec.computeds.iter().all(|computed| fixed(&computed.rule));
    let plan = Plan {
        seed,
        flavour: Flavour::Logged,
        spec,
        effects,
        scripts: Vec::new(),
        evaluations: true,
        share: false,
        entered: false,
        alone: true,
        touched: Vec::new(),
    };
    Single { plan, steps, steady }
}

fn step(rng: &mut Rng, spec: &crate::spec::Spec) -> Step {
    let signals = spec.signals.len();
    match rng.below(20) {
        0..8 => Step::Read(rng.below(spec.nodes())),
        8 => Step::Touch(rng.below(signals)),
        _ => {
            // One write to each signal, for clarity; several signals in one commit.
            let mut writes: BTreeMap<usize, Write> = BTreeMap::new();
            for _ in 0..rng.between(1, 3) {
                let signal = rng.below(signals);
                let how = *rng.pick(&[crate::log::How::Set, crate::log::How::Update]);
                writes.insert(signal, Write { signal, how, v: rng.next() % crate::spec::MODULUS });
            }
            Step::Write(writes.into_values().collect())
        }
    }
}

/// How many runs there were, all of them due.
pub(crate) fn run(seed: u64) -> Verdict<u64> {
    let single = plan(seed);
    let plant = Plant::build(&single.plan);
    let rules: Vec<Rule> = single.plan.effects.iter().map(|effect| effect.rule.clone()).collect();
    let mut pull = Pull::new(&single.plan.spec, &rules);
    let mut total = single.compare(&plant, &mut pull, "at first")?;
    for (at, step) in single.steps.iter().enumerate() {
        match step {
            Step::Write(writes) => {
                let op = OpId { by: 1, at: at as u32 + 1 };
                match &writes[..] {
                    [write] => plant.write(write, op),
                    several => {
                        plant.graph.batch(|| several.iter().for_each(|w| plant.write(w, op)))
                    }
                }
                pull.write(writes, &[]);
            }
            Step::Touch(signal) => {
                plant.signals[*signal].touch();
                pull.write(&[], &[*signal]);
            }
            Step::Read(id) => {
                let (found, due) = (plant.nodes[*id].try_get(at), pull.read(*id));
                if found != due {
                    return Err(format!("step {at}: node {id} is {found:?}, due {due:?}"));
                }
            }
        }
        total += single.compare(&plant, &mut pull, &format!("step {at}: {step:?}"))?;
    }
    Ok(total)
}

impl Single {
    fn compare(&self, plant: &Plant, pull: &mut Pull<'_>, after: &str) -> Verdict<u64> {
        let count = |ids: &mut dyn Iterator<Item = Id>| {
            let mut counts: BTreeMap<Id, u64> = BTreeMap::new();
            ids.for_each(|id| *counts.entry(id).or_default() += 1);
            counts
        };
        let due = count(&mut pull.runs.drain(..));
        let found = count(&mut plant.evaluations.take().into_iter().map(|run| run.node));
        let exact = self.plan.effects.is_empty() || self.steady;
        let more =
            found.iter().all(|(_, runs)| *runs == 1) && due.keys().all(|id| found.contains_key(id));
        if !(found == due || (!exact && more)) {
            return Err(format!("{after}: runs (node: times) {found:?} where {due:?} are due"));
        }
        let effects: usize = pull.effect_runs.drain(..).count();
        let mut seen = 0;
        for watch in &plant.watches {
            seen += std::mem::take(&mut *watch.seen.runs.lock().expect("nobody panics here")).len();
        }
        if seen != effects {
            return Err(format!("{after}: {seen} effect runs where {effects} are due"));
        }
        Ok(found.values().sum())
    }
}
