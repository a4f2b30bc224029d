//! Threads that do the same thing at the same time, timed together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How many threads, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// Threads.
    pub threads: u64,
    /// From the moment at which all are there.
    pub time: Duration,
}

/// What a crew did.
#[derive(Clone, Debug)]
pub struct Done {
    /// From when the first began until the last was done.
    pub elapsed: Duration,
    /// Operations of each thread.
    pub counts: Vec<u64>,
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
    /// Operations of all threads of the crew.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Counts one more thing wrong if what was promised of all operations does not hold.
    #[must_use]
    pub fn unless(self, right: bool) -> Self {
        Self { wrong: self.wrong + u64::from(!right), ..self }
    }
}

/// One thread's operation, given its number and the turn.
type Operation<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// Each thread does `op(thread, turn)`, turns from 1 on, until the time is over; `false` is a
/// glitch, a panic is counted.
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
    let shared = Shared { start: &start, over: &over, panics: &panics };
    std::thread::scope(|scope| {
        let aside = beside.map(|beside| scope.spawn(move || shared.until_over(beside)));
        let member = |thread| scope.spawn(move || shared.turns(is_timed, |turn| op(thread, turn)));
        let crew: Vec<_> = (0..members.threads).map(member).collect();
        start.wait();
        let began = Instant::now();
        while let Some(left) = members.time.checked_sub(began.elapsed()).filter(|it| !it.is_zero())
        {
            std::thread::park_timeout(left);
        }
        // Relaxed: a signal to stop, nothing else.
        over.store(true, Ordering::Relaxed);
        let joined = crew.into_iter().map(|thread| thread.join().expect("panics are caught"));
        let joined: Vec<_> = joined.collect();
        let beside = aside.map_or(0, |thread| thread.join().expect("panics are caught"));
        let ended = joined.iter().map(|one| one.ended).max();
        let mut latencies = is_timed.then(histogram);
        for (all, one) in
            latencies.iter_mut().zip(joined.iter().filter_map(|one| one.latencies.as_ref()))
        {
            all.add(one).expect("histograms of one kind");
        }
        Done {
            elapsed: ended.map_or(Duration::ZERO, |ended| ended - began),
            counts: joined.iter().map(|one| one.count).collect(),
            beside,
            glitches: joined.iter().map(|one| one.glitches).sum(),
            // Relaxed: all are joined.
            panics: panics.load(Ordering::Relaxed),
            wrong: 0,
            latencies,
        }
    })
}

/// What the threads of a crew share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    start: &'a Barrier,
    over: &'a AtomicBool,
    panics: &'a AtomicU64,
}

/// What one thread did.
struct Turns {
    ended: Instant,
    count: u64,
    glitches: u64,
    latencies: Option<Histogram<u64>>,
}

/// Nanoseconds, to three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

/// The end is looked for after so many operations: looking must not cost those who are fast.
const STRETCH: u64 = 16;

impl Shared<'_> {
    fn is_over(&self) -> bool {
        // Relaxed: a signal to stop, nothing else.
        self.over.load(Ordering::Relaxed)
    }

    /// Counts a panic of `stretch`, if it has one. One catch for many turns: it must not cost
    /// those who do not panic.
    fn counting_panics(&self, stretch: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(stretch)).is_err() {
            // Relaxed: read after the threads are joined.
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn turns(&self, is_timed: bool, op: impl Fn(u64) -> bool) -> Turns {
        let (mut turn, mut glitches) = (0, 0);
        let mut latencies = is_timed.then(histogram);
        self.start.wait();
        while !self.is_over() {
            self.counting_panics(|| {
                while turn % STRETCH != 0 || !self.is_over() {
                    // Counted first: one that panics is not repeated.
                    turn += 1;
                    let done = match &mut latencies {
                        None => op(turn),
                        Some(latencies) => {
                            let start = Instant::now();
                            let done = op(turn);
                            latencies.saturating_record(start.elapsed().as_nanos() as u64);
                            done
                        }
                    };
                    glitches += u64::from(!done);
                }
            });
        }
        Turns { ended: Instant::now(), count: turn, glitches, latencies }
    }

    fn until_over(&self, op: Beside<'_>) -> u64 {
        let mut turn = 0;
        self.start.wait();
        while !self.is_over() {
            self.counting_panics(|| {
                while !self.is_over() {
                    turn += 1;
                    op(turn);
                }
            });
        }
        turn
    }
}
