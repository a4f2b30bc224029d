//! Threads that do the same thing at the same time, timed together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a crew did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// From when the first began until the last was done.
    pub elapsed: Duration,
    /// Operations of the thread beside the crew.
    pub beside: u64,
    /// Operations that panicked or said no.
    pub failed: u64,
}

/// `threads` threads each do `op(thread, turn)` `each` times; `false` or a panic is a failure.
pub fn together(threads: u64, each: u64, op: impl Fn(u64, u64) -> bool + Sync) -> Done {
    crew(threads, each, &op, None)
}

/// The same, with one more thread that does `beside(turn)` until the crew is done.
pub fn beside(
    threads: u64,
    each: u64,
    op: impl Fn(u64, u64) -> bool + Sync,
    beside: impl Fn(u64) + Sync,
) -> Done {
    crew(threads, each, &op, Some(&beside))
}

type Beside<'a> = &'a (dyn Fn(u64) + Sync);

fn crew(
    threads: u64,
    each: u64,
    op: &(impl Fn(u64, u64) -> bool + Sync),
    beside: Option<Beside<'_>>,
) -> Done {
    let start = Barrier::new(threads as usize + 1 + usize::from(beside.is_some()));
    let (over, failed) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let aside = beside.map(|beside| {
            scope.spawn(|| {
                start.wait();
                until(&over, beside)
            })
        });
        let member = |thread| {
            let (start, failed) = (&start, &failed);
            scope.spawn(move || {
                start.wait();
                let began = Instant::now();
                // Relaxed: read after the threads are joined.
                failed.fetch_add(turns(each, |turn| op(thread, turn)), Ordering::Relaxed);
                (began, Instant::now())
            })
        };
        let crew: Vec<_> = (0..threads).map(member).collect();
        start.wait();
        let times = crew.into_iter().map(|thread| thread.join().expect("panics are caught"));
        let (began, ended): (Vec<_>, Vec<_>) = times.unzip();
        let elapsed = match (began.iter().min(), ended.iter().max()) {
            (Some(began), Some(ended)) => *ended - *began,
            _ => Duration::ZERO,
        };
        // Relaxed: a signal to stop, nothing else.
        over.store(true, Ordering::Relaxed);
        let beside = aside.map_or(0, |thread| thread.join().expect("panics are caught"));
        // Relaxed: all are joined.
        Done { elapsed, beside, failed: failed.load(Ordering::Relaxed) }
    })
}

/// How many of the turns failed.
fn turns(each: u64, op: impl Fn(u64) -> bool) -> u64 {
    let (mut turn, mut failed) = (0, 0);
    while turn < each {
        // One catch for many turns: it must not cost those who do not panic.
        let stretch = catch_unwind(AssertUnwindSafe(|| {
            while turn < each {
                let done = op(turn);
                turn += 1;
                failed += u64::from(!done);
            }
        }));
        if stretch.is_err() {
            turn += 1;
            failed += 1;
        }
    }
    failed
}

fn until(over: &AtomicBool, op: Beside<'_>) -> u64 {
    let mut turn = 0;
    // Relaxed: a signal to stop, nothing else.
    while !over.load(Ordering::Relaxed) {
        // Rivals may panic here too; what matters is that the thread goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // Relaxed: as above.
            while !over.load(Ordering::Relaxed) {
                turn += 1;
                op(turn);
            }
        }));
    }
    turn
}

/// Says nothing about panics while `f` runs: rivals panic by the thousand.
pub fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = f();
    std::panic::set_hook(hook);
    result
}
