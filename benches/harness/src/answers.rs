//! Whether an engine's answers are right: every run of every closure is looked at, and compared
//! with the reference.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::assembly::{Assembly, Sink, Steps};
use crate::engine::{Engine, Frees, Source};
use crate::reference::{Expected, Reference};
use crate::shape::{Shape, seen};

/// What was found in some steps.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answers {
    /// Steps, or operations of threads, that were looked at.
    pub looked_at: u64,
    /// Values that were not what they had to be in the end: not shown, shown again although
    /// nothing changed, or others. On threads: lost updates and stale values at rest.
    pub wrong: u64,
    /// Runs that saw a state that never was: some of it from before a write, some from after.
    pub glitches: u64,
    /// Operations that panicked.
    pub panics: u64,
    /// Runs of computeds and effects a step.
    pub runs: f64,
    /// Those that were needed: what was asked for, and had a source that changed.
    pub needed: f64,
}

impl Answers {
    /// Nothing wrong, nothing glitched, nothing panicked.
    pub fn are_right(&self) -> bool {
        self.wrong == 0 && self.glitches == 0 && self.panics == 0
    }
}

/// Steps the shape with each closure watched.
pub fn check<E: Engine>(engine: E, shape: &Shape, steps: u64) -> Answers {
    let (sink, log) = (Sink::default(), Arc::new(Mutex::default()));
    let watched = Watched {
        engine,
        sink: sink.clone(),
        log: Arc::clone(&log),
        made: [0, 0].map(AtomicUsize::new),
    };
    let mut assembly = Assembly::new(watched, sink, shape);
    let mut reference = Reference::new(shape);
    let mut answers = Answers { looked_at: steps, ..Answers::default() };
    for _ in 0..steps {
        take(&log);
        let sum = assembly.steps(1);
        let expected = reference.step();
        let log = take(&log);
        judge(&mut answers, &reference, &expected, &log, sum);
        answers.needed += expected.needed as f64 / steps as f64;
        answers.runs += log.len() as f64 / steps as f64;
    }
    answers
}

/// Compares sums only: for graphs so large that looking at each run takes too long, and for what
/// is about to be timed. Needs some steps to have come before, `taken` of them.
pub fn check_sums(subject: &mut dyn Steps, shape: &Shape, taken: u64, steps: u64) -> Answers {
    let mut reference = Reference::new(shape);
    reference.skip_to(taken);
    let mut answers = Answers { looked_at: steps, ..Answers::default() };
    for _ in 0..steps {
        let (sum, expected) = (subject.steps(1), reference.step());
        answers.wrong += u64::from(sum != expected.sum);
        answers.needed += expected.needed as f64 / steps as f64;
    }
    answers
}

fn judge(
    answers: &mut Answers,
    reference: &Reference<'_>,
    expected: &Expected,
    log: &[Run],
    sum: u64,
) {
    let before = (answers.wrong, answers.glitches);
    let mut last = vec![None; expected.runs.len()];
    for run in log {
        match *run {
            Run::List => {}
            Run::Computed(at, value) => {
                answers.glitches += u64::from(!reference.may_show(at, value));
            }
            Run::Effect(at, value) => {
                // An earlier run of the same step that showed another value was in between.
                if let Some(earlier) = last[at].replace(value) {
                    let torn = earlier != value;
                    answers.glitches += u64::from(torn);
                    answers.wrong += u64::from(!torn);
                }
            }
        }
    }
    for (shown, right) in last.iter().zip(&expected.runs) {
        answers.wrong += u64::from(*shown != right.map(seen));
    }
    if (answers.wrong, answers.glitches) == before {
        answers.wrong += u64::from(sum != expected.sum);
    }
}

type Log = Arc<Mutex<Vec<Run>>>;

fn take(log: &Log) -> Vec<Run> {
    std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What ran, and what it came to. An effect's value is what it has added to the sink.
#[derive(Clone, Copy, Debug)]
enum Run {
    Computed(usize, u64),
    Effect(usize, u64),
    List,
}

/// An engine whose closures are written down as they run.
struct Watched<E> {
    engine: E,
    sink: Sink,
    log: Log,
    made: [AtomicUsize; 2],
}

impl<E: Engine> Watched<E> {
    fn number(&self, kind: usize) -> usize {
        // Relaxed: a count; nodes are made by one thread.
        self.made[kind].fetch_add(1, Ordering::Relaxed)
    }
}

fn note(log: &Log, run: Run) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(run);
}

fn unwatched<'a, E: Engine>(sources: &[Source<'a, Watched<E>>]) -> Vec<Source<'a, E>> {
    let one = |source: &Source<'a, Watched<E>>| match *source {
        Source::Signal(signal) => Source::Signal(signal),
        Source::Computed(computed) => Source::Computed(computed),
        Source::List(list) => Source::List(list),
    };
    sources.iter().map(one).collect()
}

impl<E: Engine> Engine for Watched<E> {
    type Signal = E::Signal;
    type Computed = E::Computed;
    type Effect = E::Effect;
    type List = E::List;

    const DYNAMIC: bool = E::DYNAMIC;
    const FREES: Frees = E::FREES;

    fn signal(&self, value: u64) -> Self::Signal {
        self.engine.signal(value)
    }

    fn computed(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self::Computed {
        let (number, log) = (self.number(0), Arc::clone(&self.log));
        self.engine.computed(&unwatched(sources), move || {
            let value = f();
            note(&log, Run::Computed(number, value));
            value
        })
    }

    fn effect(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() + Send + Sync + 'static,
    ) -> Self::Effect {
        let (number, log, sink) = (self.number(1), Arc::clone(&self.log), self.sink.clone());
        self.engine.effect(&unwatched(sources), move || {
            let before = sink.sum();
            f();
            note(&log, Run::Effect(number, sink.sum().wrapping_sub(before)));
        })
    }

    fn list(
        &self,
        sources: &[Source<'_, Self>],
        f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
    ) -> Self::List {
        let log = Arc::clone(&self.log);
        self.engine.list(&unwatched(sources), move || {
            note(&log, Run::List);
            f()
        })
    }

    fn set(&self, signal: &Self::Signal, value: u64) {
        self.engine.set(signal, value);
    }

    fn batch(&self, f: impl FnOnce()) {
        self.engine.batch(f);
    }

    fn settle(&self) {
        self.engine.settle();
    }

    fn pull(&self, computed: &Self::Computed) -> u64 {
        self.engine.pull(computed)
    }
}
