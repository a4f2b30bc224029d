//! What would limit this engine on more cores than there are here? Its operations as lists of the
//! lines that they read and write, done by the cores of a model.
//!
//! The lists are read off `src/engine` and `src/structure`, for threads that others may meet
//! (nobody is solo); which fields share a line, off the layout of the records with `rustc
//! -Zprint-type-sizes`. Times of the lists' own work are set such that one core does what one
//! thread has been measured to do. docs/SCALING.md says what comes of it.
//!
//! `cargo bench -p isobar-benches --bench scaling [-- SEED]`

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use isobar_benches::coherence::SOCKET;
use isobar_benches::machine::{Common, Costs, Design, Found, Machine, Operation, Part, Place};
use isobar_benches::machine::{Random, Step, Turn};

use Part::{Clock, Counts, Due, Hints, Holds, Lists, Live, Register, Registered, Slots};
use Place::{Epoch, Everybodys, Fresh, Graph, Observer, Old, Own, Signal, Version};
use Step::{Read, Sometimes, Work, Write};

const NONE: &[Step] = &[];

/// Pin, look, keep: src/engine/read.rs, `newest_version` and `clean`.
static READ: Operation = Operation {
    begin: NONE,
    each: &[Work(11), Read(Epoch), Write(Own(1)), Read(Signal(0)), Read(Version)],
    install: NONE,
    end: NONE,
    signals: 1,
    is_conditional: false,
};

/// What `install_block` and `supersede` write, and what the marker reads.
const INSTALL: &[Step] = &[Work(20), Write(Signal(0)), Read(Signal(1)), Write(Graph(Due))];
/// What `after` looks at.
const AFTER: &[Step] = &[Read(Graph(Hints)), Read(Graph(Live))];
/// A read for the comparison, and a block for the value.
const COMPARE: &[Step] =
    &[Work(42), Read(Epoch), Write(Own(1)), Read(Signal(0)), Read(Version), Write(Fresh)];

static SET: Operation = Operation { each: COMPARE, install: INSTALL, end: AFTER, ..READ };

static UPDATE: Operation = Operation {
    begin: &[Work(23)],
    each: COMPARE,
    install: INSTALL,
    end: AFTER,
    signals: 1,
    is_conditional: true,
};

/// The revision is held while the batch collects.
static BATCH: Operation =
    Operation { begin: &[Work(60), Write(Own(0)), Read(Graph(Clock))], signals: 10, ..SET };

/// The marker finds one effect; this thread becomes the runner of a wave and runs it.
static SET_WATCHED: Operation = Operation {
    begin: NONE,
    each: COMPARE,
    install: &[
        Work(20),
        Write(Signal(0)),
        Read(Signal(1)),
        Write(Graph(Due)),
        Work(15),
        Write(Observer(0)),
        Write(Observer(1)),
        Write(Graph(Hints)),
    ],
    end: &[
        Write(Graph(Due)),
        Write(Graph(Hints)),
        Write(Own(0)),
        Read(Graph(Clock)),
        Work(90),
        Write(Observer(0)),
        Write(Observer(1)),
        Read(Observer(2)),
        Read(Signal(0)),
        Read(Version),
        Write(Graph(Counts)),
        Write(Graph(Live)),
        Write(Graph(Due)),
    ],
    signals: 1,
    is_conditional: false,
};

/// A chunk of a level: claim, sources, function, publication of each node; then the view's counts.
static CHUNK: Operation = Operation {
    begin: &[Work(50), Write(Own(0)), Read(Graph(Clock))],
    each: &[
        Work(80),
        Write(Observer(0)),
        Read(Observer(1)),
        Read(Observer(2)),
        Read(Signal(0)),
        Read(Version),
        Write(Observer(3)),
        Read(Graph(Hints)),
    ],
    install: NONE,
    end: &[Write(Graph(Counts)), Write(Graph(Live)), Write(Graph(Lists))],
    signals: 10,
    is_conditional: false,
};

/// Its computed observes a signal: the register; counts of the handle and of the edge.
const MAKE: &[Step] = &[
    Work(200),
    Write(Graph(Register)),
    Write(Graph(Registered)),
    Write(Graph(Slots)),
    Write(Signal(0)),
];
const SUBSCRIBE: &[Step] = &[
    Write(Own(0)),
    Read(Graph(Clock)),
    Work(200),
    Read(Version),
    Write(Signal(0)),
    Write(Signal(1)),
    Write(Graph(Live)),
    Write(Graph(Counts)),
    Read(Graph(Hints)),
];
const UNSUBSCRIBE: &[Step] = &[
    Work(150),
    Write(Signal(1)),
    Write(Signal(0)),
    Write(Graph(Live)),
    Read(Graph(Due)),
    Read(Epoch),
    Write(Graph(Register)),
    Write(Graph(Registered)),
    Write(Graph(Slots)),
    Sometimes(32, &[Read(Everybodys(1)), Write(Epoch)]),
];
static CREATE: Operation = Operation { each: MAKE, end: SUBSCRIBE, ..READ };
static DROP: Operation = Operation { each: UNSUBSCRIBE, ..READ };
static CHURN: Operation = Operation { begin: MAKE, each: SUBSCRIBE, end: UNSUBSCRIBE, ..READ };
/// An edge of a run that has read another source than before.
static RESUBSCRIBE: Operation = Operation {
    each: &[Work(40), Write(Signal(1)), Write(Signal(0)), Write(Graph(Live)), Write(Signal(1))],
    ..READ
};
/// A handle cloned and dropped.
static CLONE: Operation =
    Operation { each: &[Work(10), Write(Signal(0)), Write(Signal(0))], ..READ };

/// src/engine/commit.rs, `show` and `count`; src/engine/trim.rs, `run` and `drop_ripe`.
const COMMON: Common = Common {
    group: &[
        Work(10),
        Read(Graph(Clock)),
        Read(Graph(Live)),
        Write(Graph(Clock)),
        Write(Graph(Counts)),
    ],
    trim: [
        &[
            Write(Graph(Lists)),
            Read(Graph(Clock)),
            Write(Graph(Holds)),
            Read(Everybodys(0)),
            Work(100),
        ],
        &[Work(10), Write(Signal(0)), Read(Signal(1)), Write(Version)],
        &[Work(5), Write(Old)],
        &[Write(Graph(Live)), Read(Everybodys(1)), Write(Epoch), Write(Graph(Lists))],
    ],
    enlist: &[Write(Graph(Lists)), Write(Signal(1))],
    batch: 64,
    // A pause of the processor, about.
    back_off: 40.0,
    tries: 4,
};

/// Which signals the cores use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// All the same.
    Same,
    /// Each its own, of one graph.
    Distinct,
    /// Any of a hundred.
    Any,
    /// Each its own, of so many graphs.
    Sharded(usize),
}

impl Where {
    fn turn(self, operation: &'static Operation, core: usize, random: &mut Random) -> Turn {
        let (graph, first) = match self {
            Self::Same => (0, 0),
            Self::Distinct => (0, core),
            Self::Any => (0, random.below(100) as usize),
            Self::Sharded(graphs) => (core % graphs, core),
        };
        Turn { operation, graph, first: first * operation.signals }
    }

    fn graphs(self) -> usize {
        if let Self::Sharded(graphs) = self { graphs } else { 1 }
    }
}

const NOW: Design =
    Design { is_together: false, is_striped: false, has_queues: false, looks_first: false };
/// Within a socket and across, in ns: assumed.
const ASSUMED: Costs = Costs { near: 40.0, far: 120.0 };
const CORES: [usize; 5] = [1, 2, 4, 16, 64];

/// Everything the model is asked with, but for the cores.
#[derive(Clone, Copy)]
struct Mix {
    operation: &'static Operation,
    place: Where,
    /// One turn in so many is a `set`; 0: none.
    set_in: u64,
    design: Design,
    costs: Costs,
    batch: usize,
    back_off: f64,
}

impl Mix {
    fn new(operation: &'static Operation, place: Where) -> Self {
        let Common { batch, back_off, .. } = COMMON;
        Self { operation, place, set_in: 0, design: NOW, costs: ASSUMED, batch, back_off }
    }

    fn found(self, cores: usize, seed: u64) -> Found {
        let signals = 100.max(cores) * self.operation.signals;
        let common = Common { batch: self.batch, back_off: self.back_off, ..COMMON };
        let idle = Turn { operation: self.operation, graph: 0, first: 0 };
        let size = (cores, self.place.graphs(), signals);
        let mut machine = Machine::new(size, (common, self.design, self.costs), idle, seed);
        // Reads have to warm caches up; of updates most are refused, and done again.
        let turns = match (self.operation.install.is_empty(), self.operation.is_conditional) {
            (true, _) => 1000,
            (false, false) => 150,
            (false, true) => 50,
        };
        machine.run(turns * cores as u64 + 4000, |core, random| {
            let sets = self.set_in > 0 && random.below(self.set_in) == 0;
            self.place.turn(if sets { &SET } else { self.operation }, core, random)
        })
    }
}

fn main() {
    let given = std::env::args().skip(1).find(|it| it != "--bench");
    let seed = given.map_or(1, |it| it.parse().expect("a seed is a number"));
    let Costs { near, far } = ASSUMED;
    println!("seed {seed}; {near} ns a transfer in a socket of {SOCKET} cores, {far} ns across");
    here(seed);
    operations(seed);
    mixes(seed);
    designs(seed);
    limits(seed);
}

/// Transfers an operation, if all cores do nothing else.
fn operations(seed: u64) {
    use Where::{Distinct, Same, Sharded};
    println!("\ntransfers an operation: the same signal, one each, one each in a graph each");
    println!(
        "{:<28}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "cores", "2 same", "2 each", "64 same", "64 each", "64 own"
    );
    let all: [(&str, &Operation); 11] = [
        ("read, clean", &READ),
        ("handle cloned and dropped", &CLONE),
        ("set, unobserved", &SET),
        ("update", &UPDATE),
        ("batch of 10 sets", &BATCH),
        ("set, one effect, its wave", &SET_WATCHED),
        ("10 nodes of a level, pool", &CHUNK),
        ("source changed by a run", &RESUBSCRIBE),
        ("computed made and read", &CREATE),
        ("computed dropped", &DROP),
        ("made, read and dropped", &CHURN),
    ];
    for (name, operation) in all {
        print!("{name:<28}");
        for (cores, place) in
            [(2, Same), (2, Distinct), (64, Same), (64, Distinct), (64, Sharded(64))]
        {
            // Chunks of a level go to whoever is free.
            let place = if name.contains("pool") && place == Distinct { Where::Any } else { place };
            print!("{:>8.2}", Mix::new(operation, place).found(cores, seed).per_operation());
        }
        println!();
    }
}

fn named() -> [(&'static str, Mix); 10] {
    use Where::{Any, Distinct, Same, Sharded};
    let beside = |set_in| Mix { set_in, ..Mix::new(&READ, Any) };
    [
        ("reads only", beside(0)),
        ("1 % sets, 99 % reads", beside(100)),
        ("10 % sets, 90 % reads", beside(10)),
        ("all set one signal", Mix::new(&SET, Same)),
        ("all update one signal", Mix::new(&UPDATE, Same)),
        ("all set a signal each", Mix::new(&SET, Distinct)),
        ("set a signal each, 4 graphs", Mix::new(&SET, Sharded(4))),
        ("set in a graph each", Mix::new(&SET, Sharded(64))),
        ("make, drop in one graph", Mix::new(&CHURN, Distinct)),
        ("make, drop in a graph each", Mix::new(&CHURN, Sharded(64))),
    ]
}

/// Transfers an operation and million operations a second, by mix and cores.
fn mixes(seed: u64) {
    println!("\ntransfers an operation | million operations a second, all cores together");
    print!("{:<28}", "cores");
    CORES.iter().for_each(|cores| print!("{cores:>15}"));
    println!();
    for (name, mix) in named() {
        print!("{name:<28}");
        for cores in CORES {
            let found = mix.found(cores, seed);
            print!("{:>6.1} |{:>7.2}", found.per_operation(), found.rate());
        }
        println!();
    }
}

/// What would be done about it. The middle one of three seeds: cores fall into step, or not.
fn designs(seed: u64) {
    let looking = Design { looks_first: true, ..NOW };
    let together = Design { is_together: true, ..NOW };
    let striped = Design { is_striped: true, ..NOW };
    let queues = Design { has_queues: true, ..NOW };
    let all = Design { is_striped: true, has_queues: true, looks_first: true, ..NOW };
    let named = [
        ("as it is", NOW, COMMON.batch),
        ("counts beside the right", together, COMMON.batch),
        ("striped counts, register", striped, COMMON.batch),
        ("a commit queue a core", queues, COMMON.batch),
        ("refused before it is queued", looking, COMMON.batch),
        ("a trim in 1024 versions", NOW, 1024),
        ("the last four", all, 1024),
    ];
    let mix = |operation, place| Mix::new(operation, place);
    let head = [
        ("1 % sets", Mix { set_in: 100, ..mix(&READ, Where::Any) }),
        ("update one", mix(&UPDATE, Where::Same)),
        ("set a signal each", mix(&SET, Where::Distinct)),
        ("the same, 4 graphs", mix(&SET, Where::Sharded(4))),
        ("a graph each", mix(&SET, Where::Sharded(64))),
        ("make, drop", mix(&CHURN, Where::Distinct)),
    ];
    println!("\nmillion operations a second with 16 and 64 cores");
    print!("{:<28}", "");
    head.iter().for_each(|(name, _)| print!("{name:>19}"));
    println!();
    for (name, design, batch) in named {
        print!("{name:<28}");
        for (_, base) in head {
            let rates = [16, 64].map(|cores| {
                let rate = |seed| Mix { design, batch, ..base }.found(cores, seed).rate();
                let mut rates = [rate(seed), rate(seed + 1), rate(seed + 2)];
                rates.sort_by(f64::total_cmp);
                rates[1]
            });
            print!("{:>11.2}{:>8.2}", rates[0], rates[1]);
        }
        println!();
    }
}

/// Which lines the transfers are of.
fn limits(seed: u64) {
    println!("\nof the transfers with 64 cores, an operation, by line");
    for (name, mix) in named() {
        let found = mix.found(64, seed);
        let mut by_place: Vec<_> = found.by_place.iter().collect();
        by_place.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        print!("{name:<28}");
        for (place, count) in by_place.into_iter().take(6) {
            print!(" {place:?} {:.2}", *count as f64 / found.done as f64);
        }
        println!();
    }
}

/// With what a transfer costs on this machine, to be compared with `isobar bench`.
fn here(seed: u64) {
    let (near, back_off) = (transfer(), pause());
    println!("\non this machine, {near:.0} ns a transfer, {back_off:.0} ns a pause:");
    println!("million operations a second with 1 and 2 cores");
    let costs = Costs { near, far: near };
    let all = [
        ("mt_read_clean (each)", Mix::new(&READ, Where::Same), true),
        ("mt_write_same", Mix::new(&UPDATE, Where::Same), false),
        ("mt_write_distinct", Mix::new(&SET, Where::Distinct), false),
        ("mt_churn", Mix::new(&CHURN, Where::Distinct), false),
    ];
    for (name, mix, is_each) in all {
        let mix = Mix { costs, back_off, ..mix };
        let rates = [1, 2]
            .map(|cores| mix.found(cores, seed).rate() / if is_each { cores as f64 } else { 1.0 });
        println!("{name:<28}{:>8.1}{:>8.1}", rates[0], rates[1]);
    }
}

/// What the processor's pause takes here, in nanoseconds.
fn pause() -> f64 {
    const PAUSES: u32 = 1000;
    let once = || {
        let start = Instant::now();
        (0..PAUSES).for_each(|_| spin_loop());
        start.elapsed().as_nanos() as f64 / f64::from(PAUSES)
    };
    (0..30).map(|_| once()).fold(f64::MAX, f64::min)
}

/// What it takes a line to cross here, in nanoseconds: two threads answer each other through it.
/// The least of some tries, for others use the cores too.
fn transfer() -> f64 {
    const ROUNDS: u64 = 5000;
    let once = || {
        let ball = AtomicU64::new(0);
        // Even numbers are one thread's to answer, odd ones the other's.
        let play = |parity: u64| {
            for turn in 0..ROUNDS {
                // Acquire, Release: as in any hand-over; the line is what is measured.
                while ball.load(Ordering::Acquire) != 2 * turn + parity {
                    spin_loop();
                }
                ball.store(2 * turn + parity + 1, Ordering::Release);
            }
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| play(1));
            let start = Instant::now();
            play(0);
            let time = start.elapsed();
            other.join().expect("it only counts");
            time.as_nanos() as f64 / (2 * ROUNDS) as f64
        })
    };
    (0..30).map(|_| once()).fold(f64::MAX, f64::min)
}
