//! What one process does: one contender, one workload. It says what it finds in lines of JSON.

use std::hint::black_box;
use std::io::Write;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use serde::{Deserialize, Serialize};

use crate::allocator::{self, Counted, counted};
use crate::answers::{Answers, check_sums};
use crate::assembly::Steps;
use crate::contender::Contender;
use crate::crew::Done;
use crate::crowd::Crowd;
use crate::engine::Frees;
use crate::operation::{Kind, Operation, Took};
use crate::record::Quantity;
use crate::shape::Shape;
use crate::workload::{Section, Task, Workload};

/// What a process says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// The graph has so many nodes.
    Nodes(u64),
    /// What was found of the answers.
    Answers(Answers),
    /// A number.
    Measured(Quantity, f64),
    /// The contender has no answer to this.
    NotExpressible,
    /// That was all.
    Done,
}

/// How long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Samples of a process; the median of them is told.
    pub(crate) samples: usize,
    /// The least a sample takes.
    pub(crate) slice: Duration,
    /// The least a sample of threads takes.
    pub(crate) crowd_slice: Duration,
    /// No more samples after this long, beyond three.
    pub(crate) patience: Duration,
}

impl Effort {
    /// The usual one.
    pub(crate) const USUAL: Self = Self {
        samples: 7,
        slice: Duration::from_millis(2),
        crowd_slice: Duration::from_millis(40),
        patience: Duration::from_secs(3),
    };

    /// For a first look.
    pub(crate) const QUICK: Self = Self {
        samples: 5,
        slice: Duration::from_millis(1),
        crowd_slice: Duration::from_millis(10),
        patience: Duration::from_millis(300),
    };
}

/// What a thread has by default; what cannot live with it has to be seen to die.
const USUAL_STACK: usize = 2 << 20;
/// For those engines that recurse. Only what is touched is ever mapped.
const LARGE_STACK: usize = 1 << 30;

/// Runs one workload, on a thread of its own, and says what it finds on standard output.
pub(crate) fn run(
    contender: &Contender,
    workload: &Workload,
    effort: Effort,
    is_check: bool,
) -> bool {
    say_the_first_panic_only();
    let grows_deep = workload.growth.is_some_and(|(family, _)| family == "depth");
    let stack = if grows_deep { USUAL_STACK } else { LARGE_STACK };
    thread::scope(|scope| {
        let job = || Process { contender, effort }.perform(workload, is_check);
        let builder = thread::Builder::new().stack_size(stack).name("workload".to_owned());
        let thread = builder.spawn_scoped(scope, job).expect("address space for a stack");
        thread.join().is_ok()
    })
}

/// The first panic is the reason; engines may panic by the thousand after it.
fn say_the_first_panic_only() {
    static FIRST: Once = Once::new();
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| FIRST.call_once(|| usual(panic))));
}

fn say(said: &Said) {
    let line = serde_json::to_string(said).expect("these types have no maps");
    // If nobody listens any more, there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn measured(quantity: Quantity, value: f64) {
    say(&Said::Measured(quantity, value));
}

struct Process<'a> {
    contender: &'a Contender,
    effort: Effort,
}

impl Process<'_> {
    fn perform(&self, workload: &Workload, is_check: bool) {
        let is_answered = match &workload.task {
            Task::Steps(build) if is_check => self.check(&build(&workload.name)),
            Task::Steps(build) => {
                self.steps(&build(&workload.name), workload.section == Section::Growth)
            }
            Task::Operation(operation) => self.operation(*operation),
            Task::Keep(kind) => self.keep(*kind),
            Task::Crowd(crowd) => self.crowd(*crowd),
        };
        if is_answered.is_none() {
            say(&Said::NotExpressible);
        }
        say(&Said::Done);
    }

    /// Looks at every run, if that does not take too long. What the steps add up to is compared by
    /// the processes that measure, too.
    fn check(&self, shape: &Shape) -> Option<()> {
        let nodes = shape.nodes();
        say(&Said::Nodes(nodes as u64));
        if nodes > LOOKED_AT {
            return Some(());
        }
        let steps = (LOOKED_AT / nodes).clamp(2, 50) as u64;
        let answers = match self.contender.check(shape, steps) {
            Some(answers) => answers,
            None => check_sums(self.contender.shape(shape)?.as_mut(), shape, 0, steps),
        };
        say(&Said::Answers(answers));
        Some(())
    }

    fn steps(&self, shape: &Shape, is_growth: bool) -> Option<()> {
        let nodes = shape.nodes() as f64;
        say(&Said::Nodes(shape.nodes() as u64));
        let resident = allocator::resident();
        let start = Instant::now();
        let (subject, Counted { bytes, .. }) = counted(|| self.contender.shape(shape));
        let built = start.elapsed();
        let grown = allocator::resident().saturating_sub(resident);
        let mut subject = Steady { subject: subject?, taken: 0 };
        let few = (LOOKED_AT / shape.nodes()).clamp(1, 5) as u64;
        if !subject.is_right(shape, few) {
            return Some(());
        }
        let (samples, count) = self.samples(|count| subject.timed(count));
        let (_, Counted { allocations, .. }) = counted(|| subject.timed(count));
        if !subject.is_right(shape, few.min(2)) {
            return Some(());
        }
        measured(Quantity::Step, median(&samples));
        measured(Quantity::Unit, self.unit());
        measured(Quantity::Build, built.as_nanos() as f64 / nodes);
        if allocator::is_counting() {
            measured(Quantity::Bytes, bytes as f64 / nodes);
            measured(Quantity::Allocations, allocations as f64 / count as f64);
        }
        if is_growth || shape.nodes() >= LOOKED_AT {
            measured(Quantity::Resident, grown as f64 / nodes);
        }
        let start = Instant::now();
        drop(subject);
        if self.contender.frees() != Frees::Nothing {
            measured(Quantity::Drop, start.elapsed().as_nanos() as f64 / nodes);
        }
        Some(())
    }

    fn operation(&self, operation: Operation) -> Option<()> {
        let mut timed = self.contender.operation(operation)?;
        let mut answers = Answers { needed: 1.0, ..Answers::default() };
        let (samples, _) = self.samples(|count| {
            let took = timed(count);
            answers.looked_at += 1;
            answers.wrong += took.wrong;
            took
        });
        say(&Said::Answers(answers));
        measured(Quantity::Step, median(&samples) / operation.per() as f64);
        measured(Quantity::Unit, self.unit());
        Some(())
    }

    fn keep(&self, kind: Kind) -> Option<()> {
        const KEPT: usize = 10_000;
        let make = self.contender.keep(kind, KEPT)?;
        let (kept, Counted { allocations, bytes }) = counted(make);
        if allocator::is_counting() {
            measured(Quantity::Bytes, bytes as f64 / KEPT as f64);
            measured(Quantity::Allocations, allocations as f64 / KEPT as f64);
        }
        drop(kept);
        Some(())
    }

    fn crowd(&self, crowd: Crowd) -> Option<()> {
        let go = self.contender.crowd(crowd)?;
        // To warm up: threads, pools, the allocator's arenas.
        go(self.effort.crowd_slice / 4);
        let runs: Vec<_> = (0..self.effort.samples).map(|_| go(self.effort.crowd_slice)).collect();
        let total = |of: fn(&Done) -> u64| runs.iter().map(of).sum::<u64>();
        say(&Said::Answers(Answers {
            looked_at: total(Done::count),
            wrong: total(|done| done.wrong),
            glitches: total(|done| done.glitches),
            panics: total(|done| done.panics),
            ..Answers::default()
        }));
        let sharers = if crowd.is_each() { crowd.threads() } else { 1 };
        let rate = |count: u64, done: &Done| count as f64 * 1e3 / done.elapsed.as_nanos() as f64;
        let rates: Vec<_> = runs.iter().map(|done| rate(done.count() / sharers, done)).collect();
        measured(Quantity::Rate, median(&rates));
        if total(|done| done.beside) > 0 {
            let rates: Vec<_> = runs.iter().map(|done| rate(done.beside, done)).collect();
            measured(Quantity::Beside, median(&rates));
        }
        let mut latencies = runs.into_iter().filter_map(|done| done.latencies);
        if let Some(mut all) = latencies.next() {
            latencies.for_each(|one| all.add(one).expect("histograms of one kind"));
            for (quantity, quantile) in
                [(Quantity::P50, 0.5), (Quantity::P99, 0.99), (Quantity::P999, 0.999)]
            {
                measured(quantity, all.value_at_quantile(quantile) as f64);
            }
        }
        measured(Quantity::Unit, self.unit());
        Some(())
    }

    /// Nanoseconds a turn, by sample, and the turns of a sample; it warms up before.
    fn samples(&self, mut timed: impl FnMut(u64) -> Took) -> (Vec<f64>, u64) {
        // What the first turn sets up is no measure.
        timed(1);
        let mut count = 1;
        let per_turn = loop {
            let time = timed(count).time;
            if time >= self.effort.slice / 2 {
                break time.as_secs_f64() / count as f64;
            }
            count *= 2;
        };
        let count = ((self.effort.slice.as_secs_f64() / per_turn) as u64).max(1);
        let start = Instant::now();
        let mut samples = Vec::new();
        while samples.len() < self.effort.samples {
            if samples.len() >= LEAST && start.elapsed() > self.effort.patience {
                break;
            }
            samples.push(timed(count).time.as_nanos() as f64 / count as f64);
        }
        (samples, count)
    }

    /// What all ratios are to: a `fetch_add` on a line of its own, its result looked at.
    fn unit(&self) -> f64 {
        const COUNT: u64 = 50_000;
        let counter = Box::new(CachePadded::new(AtomicU64::new(0)));
        let sample = |_| {
            let start = Instant::now();
            for _ in 0..COUNT {
                // SeqCst: the dearest, which on many machines is each of them; nobody else looks.
                black_box(counter.fetch_add(1, Ordering::SeqCst));
            }
            start.elapsed().as_nanos() as f64 / COUNT as f64
        };
        median(&(0..self.effort.samples).map(sample).collect::<Vec<_>>())
    }
}

/// Graphs up to this size are looked into, run by run.
const LOOKED_AT: usize = 100_000;
/// Samples that are taken however long they take.
const LEAST: usize = 3;

/// What is stepped, and how many steps it has taken.
struct Steady {
    subject: Box<dyn Steps>,
    taken: u64,
}

impl Steady {
    fn timed(&mut self, count: u64) -> Took {
        self.taken += count;
        let start = Instant::now();
        black_box(self.subject.steps(count));
        Took { time: start.elapsed(), wrong: 0 }
    }

    /// Tells what is wrong with the next steps, if anything is.
    fn is_right(&mut self, shape: &Shape, steps: u64) -> bool {
        let answers = check_sums(self.subject.as_mut(), shape, self.taken, steps);
        self.taken += steps;
        // Of smaller graphs the process that looked at every run has told already.
        if !answers.are_right() || (shape.nodes() > LOOKED_AT && self.taken == steps) {
            say(&Said::Answers(answers));
        }
        answers.are_right()
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
