//! Cycles across threads are found, never waited for, and they open again (C7).

use std::sync::{Arc, OnceLock};

use isobar::{Computed, Graph, Signal};

use crate::crew::{Shift, crew};
use crate::effort::Effort;
use crate::watchdog::{allowance, within};

const WRITERS: usize = 1;
const READERS: usize = 3;

/// Two computeds that read each other or not, as a gate says. Each thread enters the circle
/// elsewhere.
#[test]
fn cycles_across_threads() {
    within("cycles_across_threads", allowance(60), |case| {
        let ring = Ring::new();
        let stats = ring.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let shift = Shift::new(WRITERS, 1_000);
        let done = crew(WRITERS + READERS, |index| {
            if index < WRITERS { ring.turn(&shift, effort) } else { ring.read(&shift, index) }
        });
        let (reads, cycles, wrong) = done[WRITERS..]
            .iter()
            .fold((0, 0, 0), |sum, done| (sum.0 + done.0, sum.1 + done.1, sum.2 + done.2));
        println!("cycles: {} turns, {cycles} cycles, {wrong} wrong of {reads} reads", done[0].0);
        assert_eq!(wrong, 0, "outcomes that do not belong to their gate");
        for gate in 0..6 {
            ring.gate.set(gate);
            let found = (ring.a().try_get().ok(), ring.b().try_get().ok());
            assert_eq!(found, expected(gate), "at rest, gate {gate}");
        }
    });
}

/// What a and b are at a gate; `None` is a cycle.
fn expected(gate: u64) -> (Option<u64>, Option<u64>) {
    match (gate.is_multiple_of(2), gate.is_multiple_of(3)) {
        (true, true) => (Some(1), Some(10)),
        (true, false) => (Some(1), Some(11)),
        (false, true) => (Some(11), Some(10)),
        (false, false) => (None, None),
    }
}

type Slot = Arc<OnceLock<Computed<u64>>>;

struct Ring {
    graph: Graph,
    gate: Signal<u64>,
    a: Slot,
    b: Slot,
}

impl Ring {
    fn new() -> Ring {
        let graph = Graph::new();
        let gate = graph.signal(0u64);
        let (a, b) = (Slot::default(), Slot::default());
        let half = |ends: u64, value: u64, next: &Slot| {
            let (gate, next) = (gate.clone(), Arc::downgrade(next));
            graph.computed(move || {
                if gate.get() % ends == 0 {
                    return value;
                }
                let next = next.upgrade().expect("the ring outlives its reads");
                next.get().expect("both are made before the first read").get() + value
            })
        };
        a.set(half(2, 1, &b)).expect("set once");
        b.set(half(3, 10, &a)).expect("set once");
        Ring { graph, gate, a, b }
    }

    fn a(&self) -> &Computed<u64> {
        self.a.get().expect("set in new")
    }

    fn b(&self) -> &Computed<u64> {
        self.b.get().expect("set in new")
    }

    fn turn(&self, shift: &Shift, effort: Effort) -> (u64, u64, u64) {
        let _writing = shift.writing();
        let mut turns = 0;
        while effort.goes_on(turns) {
            self.gate.set(turns * 5 % 6);
            turns += 1;
            if turns % 8 == 0 {
                std::thread::yield_now();
            }
        }
        (turns, 0, 0)
    }

    fn read(&self, shift: &Shift, index: usize) -> (u64, u64, u64) {
        let (mut reads, mut cycles, mut wrong) = (0, 0, 0);
        while shift.goes_on(reads) {
            let found = match index % 3 {
                // At top level each value is of some state: 1 or 11 or a cycle, 10 or 11 or a
                // cycle.
                0 => (self.a().try_get().ok(), None),
                1 => (None, self.b().try_get().ok()),
                _ => self.at_one_revision(&mut wrong),
            };
            let possible =
                matches!(found.0, None | Some(1 | 11)) && matches!(found.1, None | Some(10 | 11));
            wrong += u64::from(!possible);
            cycles += u64::from(found == (None, None));
            reads += 1;
        }
        (reads, cycles, wrong)
    }

    fn at_one_revision(&self, wrong: &mut u64) -> (Option<u64>, Option<u64>) {
        let snap = self.graph.snapshot();
        let b = snap.try_get(self.b()).ok();
        let a = snap.try_get(self.a()).ok();
        *wrong += u64::from((a, b) != expected(snap.get(&self.gate)));
        (a, b)
    }
}
