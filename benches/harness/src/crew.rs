//! Threads that do the same thing at the same time, timed together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How many threads, and how often each does it.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// Threads.
    pub threads: u64,
    /// Operations of each.
    pub each: u64,
}

/// What a crew did.
#[derive(Clone, Debug)]
pub struct Done {
    /// From when the first began until the last was done.
    pub elapsed: Duration,
    /// Operations of the thread beside the crew.
    pub beside: u64,
    /// Operations that said no: they have seen a state that never was.
    pub glitches: u64,
    /// Operations that panicked, those beside included.
    pub panics: u64,
    /// What was lost, or stale at rest.
    pub wrong: u64,
    /// How long single operations took, in nanoseconds, where that was the question.
    pub latencies: Option<Histogram<u64>>,
}

impl Done {
    /// Counts one more thing wrong if what was promised of all operations does not hold.
    #[must_use]
    pub fn unless(self, right: bool) -> Self {
        Self { wrong: self.wrong + u64::from(!right), ..self }
    }
}

/// One thread's operation, given its number and the turn.
type Operation<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// Each thread does `op(thread, turn)`; `false` is a glitch, a panic is counted.
pub fn together(members: Members, op: impl Fn(u64, u64) -> bool + Sync) -> Done {
    crew(members, &op, None, false)
}

/// The same, with one more thread that does `beside(turn)` until the crew is done.
pub fn beside(
    members: Members,
    op: impl Fn(u64, u64) -> bool + Sync,
    beside: impl Fn(u64) + Sync,
) -> Done {
    crew(members, &op, Some(&beside), false)
}

/// The same, and each operation is timed for itself.
pub fn beside_timed(
    members: Members,
    op: impl Fn(u64, u64) -> bool + Sync,
    beside: impl Fn(u64) + Sync,
) -> Done {
    crew(members, &op, Some(&beside), true)
}

type Beside<'a> = &'a (dyn Fn(u64) + Sync);

fn crew(members: Members, op: Operation<'_>, beside: Option<Beside<'_>>, is_timed: bool) -> Done {
    let start = Barrier::new(members.threads as usize + 1 + usize::from(beside.is_some()));
    let (over, panics) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let aside = beside.map(|beside| {
            scope.spawn(|| {
                start.wait();
                until(&over, &panics, beside)
            })
        });
        let member = |thread| {
            let (start, panics) = (&start, &panics);
            scope.spawn(move || {
                start.wait();
                let began = Instant::now();
                let (glitches, latencies) = turns(members.each, panics, is_timed, |turn| op(thread, turn));
                (began, Instant::now(), glitches, latencies)
            })
        };
        let crew: Vec<_> = (0..members.threads).map(member).collect();
        start.wait();
        let joined = crew.into_iter().map(|thread| thread.join().expect("panics are caught"));
        let joined: Vec<_> = joined.collect();
        // Relaxed: a signal to stop, nothing else.
        over.store(true, Ordering::Relaxed);
        let beside = aside.map_or(0, |thread| thread.join().expect("panics are caught"));
        let began = joined.iter().map(|one| one.0).min();
        let ended = joined.iter().map(|one| one.1).max();
        let mut latencies = is_timed.then(histogram);
        for (all, one) in latencies.iter_mut().zip(joined.iter().filter_map(|one| one.3.as_ref())) {
            all.add(one).expect("histograms of one kind");
        }
        Done {
            elapsed: began.zip(ended).map_or(Duration::ZERO, |(began, ended)| ended - began),
            beside,
            glitches: joined.iter().map(|one| one.2).sum(),
            // Relaxed: all are joined.
            panics: panics.load(Ordering::Relaxed),
            wrong: 0,
            latencies,
        }
    })
}

/// Nanoseconds, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

/// How many of the turns said no, and how long each took.
fn turns(
    each: u64,
    panics: &AtomicU64,
    is_timed: bool,
    op: impl Fn(u64) -> bool,
) -> (u64, Option<Histogram<u64>>) {
    let (mut turn, mut glitches) = (0, 0);
    let mut latencies = is_timed.then(histogram);
    while turn < each {
        // One catch for many turns: it must not cost those who do not panic.
        let stretch = catch_unwind(AssertUnwindSafe(|| {
            while turn < each {
                let done = match &mut latencies {
                    None => op(turn),
                    Some(latencies) => {
                        let start = Instant::now();
                        let done = op(turn);
                        latencies.saturating_record(start.elapsed().as_nanos() as u64);
                        done
                    }
                };
                turn += 1;
                glitches += u64::from(!done);
            }
        }));
        if stretch.is_err() {
            turn += 1;
            // Relaxed: read after the threads are joined.
            panics.fetch_add(1, Ordering::Relaxed);
        }
    }
    (glitches, latencies)
}

fn until(over: &AtomicBool, panics: &AtomicU64, op: Beside<'_>) -> u64 {
    let mut turn = 0;
    // Relaxed: a signal to stop, nothing else.
    while !over.load(Ordering::Relaxed) {
        let stretch = catch_unwind(AssertUnwindSafe(|| {
            // Relaxed: as above.
            while !over.load(Ordering::Relaxed) {
                turn += 1;
                op(turn);
            }
        }));
        // Relaxed: read after the threads are joined.
        panics.fetch_add(u64::from(stretch.is_err()), Ordering::Relaxed);
    }
    turn
}
