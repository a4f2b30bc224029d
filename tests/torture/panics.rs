//! Panics in user code, everywhere, under load: contained, and the graph stays right (C9).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar::{Computed, Effect, Graph, ReadError, Signal};

use crate::crew::{Shift, crew};
use crate::effects::count_into;
use crate::effort::Effort;
use crate::watchdog::{DELIBERATE, allowance, within};

const WRITERS: usize = 2;
const READERS: usize = 2;

/// A computed fails for every third value, an effect for every fifth; sets fail in equality
/// functions, updates in their closures, batches in the middle.
#[test]
fn panics_under_load() {
    within("panics_under_load", allowance(60), |case| {
        let ground = Ground::new();
        let stats = ground.graph.clone();
        case.knows(move || format!("{:?}", stats.stats()));
        let effort = Effort::of(4_000);
        let shift = Shift::new(WRITERS, 500);
        let done = crew(WRITERS + READERS, |index| {
            if index < WRITERS { ground.write(&shift, effort) } else { ground.read(&shift) }
        });
        ground.graph.settle().expect("nothing loops");
        let commits: u64 = done[..WRITERS].iter().map(|done| done.0).sum();
        let reads: u64 = done[WRITERS..].iter().map(|done| done.0).sum();
        let wrong: u64 = done.iter().map(|done| done.1).sum();
        println!(
            "panics: {commits} commits, {wrong} wrong in {reads} reads, {} effect panics",
            ground.effect_panics.load(Ordering::Relaxed)
        );
        assert_eq!(wrong, 0, "errors and values that do not belong to their state");
        assert_eq!(ground.s.get(), commits, "no failed write committed, none lost");
        ground.check_rest();
    });
}

struct Ground {
    graph: Graph,
    s: Signal<u64>,
    picky: Signal<u64>,
    thirds: Computed<u64>,
    above: Computed<u64>,
    reported: Arc<AtomicU64>,
    effect_panics: Arc<AtomicU64>,
    steady: Arc<AtomicU64>,
    _effects: [Effect; 2],
}

impl Ground {
    fn new() -> Ground {
        let reported = Arc::<AtomicU64>::default();
        let graph = Graph::builder().on_error(count_into(&reported)).build();
        let s = graph.signal(0u64);
        let picky = Signal::builder(0u64).graph(&graph).equality(|old: &u64, new: &u64| {
            assert!(*new != 13, "{DELIBERATE}: 13");
            old == new
        });
        let thirds = graph.computed({
            let s = s.clone();
            move || {
                let s = s.get();
                assert!(!s.is_multiple_of(3), "{DELIBERATE}: a third");
                s
            }
        });
        let above = graph.computed({
            let (s, thirds) = (s.clone(), thirds.clone());
            move || s.get() * 1000 + thirds.get()
        });
        let (effect_panics, steady) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let fifths = graph.effect({
            let (s, panics) = (s.clone(), Arc::clone(&effect_panics));
            move || {
                if s.get() % 5 == 0 {
                    panics.fetch_add(1, Ordering::Relaxed);
                    panic!("{DELIBERATE}: a fifth");
                }
            }
        });
        let other = graph.effect({
            let (s, steady) = (s.clone(), Arc::clone(&steady));
            move || steady.store(s.get(), Ordering::Relaxed)
        });
        let picky = picky.build();
        let _effects = [fifths, other];
        Ground { graph, s, picky, thirds, above, reported, effect_panics, steady, _effects }
    }

    /// Each round commits one step, and fails to commit several others.
    fn write(&self, shift: &Shift, effort: Effort) -> (u64, u64) {
        let _writing = shift.writing();
        let (mut commits, mut wrong) = (0, 0);
        while effort.goes_on(commits) {
            self.s.update(|s| s + 1);
            commits += 1;
            let failed = match commits % 4 {
                0 => caught(|| self.s.update(|_| panic!("{DELIBERATE}: in an update"))),
                1 => caught(|| self.picky.set(13)),
                2 => caught(|| {
                    self.graph.batch(|| {
                        self.s.set(0);
                        self.picky.set(5);
                        panic!("{DELIBERATE}: in a batch");
                    })
                }),
                _ => caught(|| {
                    self.graph.batch(|| {
                        self.s.update(|s| s + 1_000_000);
                        self.picky.set(13);
                    })
                }),
            };
            wrong += u64::from(!failed);
        }
        (commits, wrong)
    }

    fn read(&self, shift: &Shift) -> (u64, u64) {
        let (mut reads, mut wrong) = (0, 0);
        while shift.goes_on(reads) {
            let snap = self.graph.snapshot();
            let s = snap.get(&self.s);
            let right = match (snap.try_get(&self.thirds), snap.try_get(&self.above)) {
                (Ok(third), Ok(above)) => !s.is_multiple_of(3) && third == s && above == s * 1001,
                (Err(first), Err(second)) => s.is_multiple_of(3) && told(&first) && told(&second),
                _ => false,
            };
            // At top level the value may be of any state, but it is a right one of that state.
            let free = match self.thirds.try_get() {
                Ok(third) => third % 3 != 0 && third >= s,
                Err(error) => told(&error),
            };
            let raised = caught(|| {
                self.above.get();
            });
            let calm = self.picky.get() == 0;
            wrong += u64::from(!(right && free && calm));
            reads += 1 + u64::from(raised);
        }
        (reads, wrong)
    }

    fn check_rest(&self) {
        let s = self.s.get();
        assert_eq!(self.steady.load(Ordering::Relaxed), s, "the other effect saw the last state");
        let panics = self.effect_panics.load(Ordering::Relaxed);
        assert_eq!(self.reported.load(Ordering::Relaxed), panics, "each panic reported once");
        // Still usable, and still subscribed after all those panics.
        self.s.set(10);
        self.s.set(11);
        self.graph.settle().expect("nothing loops");
        assert_eq!(self.effect_panics.load(Ordering::Relaxed), panics + u64::from(s != 10));
        assert_eq!(self.above.try_get().ok(), Some(11 * 1001));
        assert_eq!(self.steady.load(Ordering::Relaxed), 11);
    }
}

fn told(error: &ReadError) -> bool {
    matches!(error, ReadError::Panicked { message, .. } if message.contains(DELIBERATE))
}

fn caught(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}
