//! What threads are asked to do at the same time. Whatever an engine loses, tears or panics with
//! is counted.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cells::Cell;
use crate::crew::{Done, Members, beside, beside_timed, together};
use crate::engine::{Engine, Read, Source, Threaded};
use crate::shape::work;

/// A thread workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crowd {
    /// So many threads add 1 to one signal; none may be lost.
    WriteSame(u64),
    /// So many threads set a signal each.
    WriteDistinct(u64),
    /// So many threads add 1 to one signal that an effect watches; it must have seen the last.
    WriteObserved(u64),
    /// So many threads read a signal beside its writer.
    ReadSignal(u64),
    /// So many threads read a computed beside the writer of its source.
    ReadComputed(u64),
    /// So many threads read a computed that nobody touches.
    ReadClean(u64),
    /// A batch keeps a + b; so many threads read the sum.
    Invariant(u64),
    /// Two computeds of one signal, and one that compares them, read by so many threads.
    Diamond(u64),
    /// 4 threads add to 1000 signals, 100 computeds add up 10 each, one all; it is looked at once a
    /// millisecond, and must be exact in the end.
    PipelinePolled,
    /// The same, and an effect watches the total.
    Pipeline,
    /// So many threads make, read and drop a signal and a computed.
    Churn(u64),
    /// So many threads set a watched signal each, while a slow effect runs elsewhere in the graph:
    /// how long one `set` takes.
    Latency(u64),
}

/// Does it for so long.
pub type Go = Box<dyn Fn(Duration) -> Done>;

impl Crowd {
    /// All, by name.
    pub fn all() -> Vec<(String, Self)> {
        type Make = fn(u64) -> Crowd;
        let families: [(&str, Make, &[u64]); 9] = [
            ("write_same", Self::WriteSame, &[1, 2, 4]),
            ("write_distinct", Self::WriteDistinct, &[1, 2, 4]),
            ("write_observed", Self::WriteObserved, &[1, 2, 4]),
            ("read_signal_beside_writer", Self::ReadSignal, &[1, 2]),
            ("read_computed_beside_writer", Self::ReadComputed, &[1, 2]),
            ("read_clean", Self::ReadClean, &[1, 2, 4]),
            ("invariant", Self::Invariant, &[1, 3]),
            ("diamond", Self::Diamond, &[1, 3]),
            ("churn", Self::Churn, &[1, 2, 4]),
        ];
        let mut all = Vec::new();
        for (name, make, counts) in families {
            all.extend(counts.iter().map(|count| (format!("mt_{name}_{count}"), make(*count))));
        }
        all.push(("mt_pipeline_polled".to_owned(), Self::PipelinePolled));
        all.push(("mt_pipeline".to_owned(), Self::Pipeline));
        all.extend([1, 2].map(|count| (format!("mt_set_latency_{count}"), Self::Latency(count))));
        all
    }

    /// How many threads do what is counted.
    pub fn threads(self) -> u64 {
        match self {
            Self::WriteSame(threads)
            | Self::WriteDistinct(threads)
            | Self::WriteObserved(threads)
            | Self::ReadSignal(threads)
            | Self::ReadComputed(threads)
            | Self::ReadClean(threads)
            | Self::Invariant(threads)
            | Self::Diamond(threads)
            | Self::Churn(threads)
            | Self::Latency(threads) => threads,
            Self::PipelinePolled | Self::Pipeline => PRODUCERS,
        }
    }

    /// Whether the rate is that of each reader, not of all together.
    pub fn is_each(self) -> bool {
        use Crowd::{Diamond, Invariant, ReadClean, ReadComputed, ReadSignal};
        matches!(self, ReadSignal(_) | ReadComputed(_) | ReadClean(_) | Invariant(_) | Diamond(_))
    }

    /// The work, done with a graph.
    pub fn of_engine<E: Threaded>(self, engine: E) -> Go {
        match self {
            Self::WriteSame(threads) => write_same(engine, threads),
            Self::WriteDistinct(threads) => write_distinct(engine, threads),
            Self::WriteObserved(threads) => write_observed(engine, threads),
            Self::ReadSignal(threads) => {
                let signal = engine.signal(0);
                Box::new(move |time| {
                    let read = |_, _| black_box(signal.read()) < u64::MAX;
                    beside(Members { threads, time }, read, |turn| engine.set(&signal, turn))
                })
            }
            Self::ReadComputed(threads) => read_computed(engine, threads),
            Self::ReadClean(threads) => {
                let (_signal, computed) = doubled(&engine);
                Box::new(move |time| {
                    let _alive = &engine;
                    together(Members { threads, time }, |_, _| computed.read() == 1)
                })
            }
            Self::Invariant(threads) => invariant(engine, threads),
            Self::Diamond(threads) => diamond(engine, threads),
            Self::PipelinePolled => pipeline(engine, false),
            Self::Pipeline => pipeline(engine, true),
            Self::Churn(threads) => churn(engine, threads),
            Self::Latency(threads) => latency(engine, threads),
        }
    }

    /// The work, done with numbers that no graph joins; `None` where it takes one.
    pub fn of_cells<C: Cell>(self, make: fn(u64) -> C) -> Option<Go> {
        Some(match self {
            Self::WriteSame(threads) => {
                let cell = make(0);
                Box::new(move |time| {
                    let before = cell.value();
                    let done = together(Members { threads, time }, |_, _| {
                        cell.increment();
                        true
                    });
                    let right = cell.value() == before + done.count();
                    done.unless(right)
                })
            }
            Self::WriteDistinct(threads) => {
                let cells: Vec<_> = (0..threads).map(make).collect();
                Box::new(move |time| {
                    let done = together(Members { threads, time }, |thread, turn| {
                        cells[thread as usize].store(turn);
                        true
                    });
                    let is_last = |(cell, count): (&C, &u64)| *count == 0 || cell.value() == *count;
                    let right = cells.iter().zip(&done.counts).all(is_last);
                    done.unless(right)
                })
            }
            Self::ReadSignal(threads) => {
                let cell = make(0);
                Box::new(move |time| {
                    let read = |_, _| black_box(cell.value()) < u64::MAX;
                    beside(Members { threads, time }, read, |turn| cell.store(turn))
                })
            }
            Self::PipelinePolled => {
                let cells: Vec<_> = (0..SENSORS as u64).map(|_| make(0)).collect();
                Box::new(move |time| {
                    let total = || cells.iter().map(Cell::value).sum();
                    produce(time, |at| cells[at].increment(), total)
                })
            }
            _ => return None,
        })
    }
}

fn write_same<E: Threaded>(engine: E, threads: u64) -> Go {
    let signal = engine.signal(0);
    Box::new(move |time| {
        let before = signal.read();
        let done = together(Members { threads, time }, |_, _| {
            engine.increment(&signal);
            true
        });
        let right = signal.read() == before + done.count();
        done.unless(right)
    })
}

fn write_distinct<E: Threaded>(engine: E, threads: u64) -> Go {
    let signals: Vec<_> = (0..threads).map(|_| engine.signal(0)).collect();
    Box::new(move |time| {
        let done = together(Members { threads, time }, |thread, turn| {
            engine.set(&signals[thread as usize], turn);
            true
        });
        let is_last = |(signal, count): (&E::Signal, &u64)| *count == 0 || signal.read() == *count;
        let right = signals.iter().zip(&done.counts).all(is_last);
        done.unless(right)
    })
}

fn write_observed<E: Threaded>(engine: E, threads: u64) -> Go {
    let signal = engine.signal(0);
    let (effect, shown) = watch(&engine, Source::Signal(&signal), signal.clone());
    Box::new(move |time| {
        let _alive = &effect;
        let before = signal.read();
        let done = together(Members { threads, time }, |_, _| {
            engine.increment(&signal);
            true
        });
        engine.rest();
        let last = before + done.count();
        let right = signal.read() == last && shows(&shown, last);
        done.unless(right)
    })
}

/// Whether an effect comes to show that value. Some engines cannot say when all effects have run:
/// they are given half a second, which is far more than any of them needs.
fn shows(shown: &AtomicU64, last: u64) -> bool {
    let start = Instant::now();
    loop {
        // Acquire: pairs with the effect's store.
        if shown.load(Ordering::Acquire) == last {
            return true;
        }
        if start.elapsed() > Duration::from_millis(500) {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// An effect that says what it has seen.
fn watch<E: Threaded>(
    engine: &E,
    source: Source<'_, E>,
    handle: impl Read,
) -> (E::Effect, Arc<AtomicU64>) {
    let shown = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&shown);
    let effect = engine.effect(&[source], move || {
        // Release: pairs with the Acquire in `shows`.
        seen.store(handle.read(), Ordering::Release);
    });
    engine.rest();
    (effect, shown)
}

/// A signal, and twice it and one.
fn doubled<E: Engine>(engine: &E) -> (E::Signal, E::Computed) {
    let signal = engine.signal(0);
    let source = signal.clone();
    let computed = engine.computed(&[Source::Signal(&signal)], move || 2 * source.read() + 1);
    (signal, computed)
}

fn read_computed<E: Threaded>(engine: E, threads: u64) -> Go {
    let (signal, computed) = doubled(&engine);
    Box::new(move |time| {
        let read = |_, _| computed.read() % 2 == 1;
        let done = beside(Members { threads, time }, read, |turn| engine.set(&signal, turn));
        engine.rest();
        let right = catch_unwind(AssertUnwindSafe(|| computed.read() == 2 * signal.read() + 1));
        done.unless(right.unwrap_or(false))
    })
}

/// a + b is always the same; who sees another sum has seen half of a batch.
fn invariant<E: Threaded>(engine: E, threads: u64) -> Go {
    const SUM: u64 = 1 << 40;
    let (a, b) = (engine.signal(0), engine.signal(SUM));
    let sum = {
        let sources = [Source::Signal(&a), Source::Signal(&b)];
        let (a, b) = (a.clone(), b.clone());
        engine.computed(&sources, move || a.read() + b.read())
    };
    Box::new(move |time| {
        let write = |turn: u64| {
            engine.batch(|| {
                engine.set(&a, turn);
                engine.set(&b, SUM - turn);
            });
        };
        beside(Members { threads, time }, |_, _| sum.read() == SUM, write)
    })
}

fn diamond<E: Threaded>(engine: E, threads: u64) -> Go {
    const TORN: u64 = u64::MAX;
    let signal = engine.signal(0);
    let times = |n: u64| {
        let source = signal.clone();
        engine.computed(&[Source::Signal(&signal)], move || n * source.read())
    };
    let (two, three) = (times(2), times(3));
    let whole = {
        let sources = [Source::Computed(&two), Source::Computed(&three)];
        let (two, three) = (two.clone(), three.clone());
        engine.computed(&sources, move || {
            let (two, three) = (two.read(), three.read());
            if 3 * two == 2 * three { three - two } else { TORN }
        })
    };
    Box::new(move |time| {
        let read = |_, _| whole.read() != TORN;
        beside(Members { threads, time }, read, |turn| engine.set(&signal, turn))
    })
}

const PRODUCERS: u64 = 4;
const SENSORS: usize = 1000;
const GROUP: usize = 10;

fn pipeline<E: Threaded>(engine: E, is_watched: bool) -> Go {
    let sensors: Vec<_> = (0..SENSORS).map(|_| engine.signal(0)).collect();
    let group = |group: &[E::Signal]| {
        let sources: Vec<_> = group.iter().map(Source::Signal).collect();
        let group = group.to_vec();
        engine.computed(&sources, move || group.iter().map(Read::read).sum::<u64>())
    };
    let groups: Vec<_> = sensors.chunks(GROUP).map(group).collect();
    let total = {
        let sources: Vec<_> = groups.iter().map(Source::Computed).collect();
        let groups = groups.clone();
        engine.computed(&sources, move || groups.iter().map(Read::read).sum::<u64>())
    };
    let watched = is_watched.then(|| watch(&engine, Source::Computed(&total), total.clone()));
    Box::new(move |time| {
        let done = produce(time, |at| engine.increment(&sensors[at]), || total.read());
        engine.rest();
        let Some((_effect, shown)) = &watched else { return done };
        let right = catch_unwind(AssertUnwindSafe(|| total.read()));
        done.unless(right.is_ok_and(|total| shows(shown, total)))
    })
}

fn produce(time: Duration, add: impl Fn(usize) + Sync, total: impl Fn() -> u64 + Sync) -> Done {
    let look = || catch_unwind(AssertUnwindSafe(&total)).unwrap_or(u64::MAX);
    let before = look();
    let share = SENSORS / PRODUCERS as usize;
    let op = |thread: u64, turn: u64| {
        add(thread as usize * share + turn as usize % share);
        true
    };
    let poll = |_| {
        std::thread::park_timeout(Duration::from_millis(1));
        black_box(total());
    };
    let done = beside(Members { threads: PRODUCERS, time }, op, poll);
    let right = look() == before.wrapping_add(done.count());
    Done { beside: 0, ..done.unless(right) }
}

fn churn<E: Threaded>(engine: E, threads: u64) -> Go {
    Box::new(move |time| {
        together(Members { threads, time }, |_, _| {
            let (_signal, computed) = doubled(&engine);
            computed.read() == 1
        })
    })
}

/// About a millisecond.
const SLOW: u32 = 700_000;

fn latency<E: Threaded>(engine: E, threads: u64) -> Go {
    let elsewhere = engine.signal(0);
    let slow = {
        let source = elsewhere.clone();
        engine.effect(&[Source::Signal(&elsewhere)], move || {
            black_box(work(source.read(), SLOW));
        })
    };
    let signals: Vec<_> = (0..threads).map(|_| engine.signal(0)).collect();
    let watch_one = |signal: &E::Signal| watch(&engine, Source::Signal(signal), signal.clone());
    let watched: Vec<_> = signals.iter().map(watch_one).collect();
    Box::new(move |time| {
        let _alive = (&slow, &watched);
        let set = |thread: u64, turn: u64| {
            engine.set(&signals[thread as usize], turn);
            true
        };
        let members = Members { threads, time };
        let done = beside_timed(members, set, |turn| engine.set(&elsewhere, turn));
        engine.rest();
        let seen =
            |((_, shown), count): (&(_, Arc<AtomicU64>), &u64)| *count == 0 || shows(shown, *count);
        let right = watched.iter().zip(&done.counts).all(seen);
        done.unless(right)
    })
}
