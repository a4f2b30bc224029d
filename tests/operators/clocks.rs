//! Clocks, and the time as a computed.

use std::cell::RefCell;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use isobar::{Clock, Edge, Graph, batch, computed, effect, signal, snapshot};

use crate::ms;
use crate::stage::{Count, Trace, caught, in_graph, in_reporting_graph, says};

/// For what a machine does by itself; nothing is asserted about how long it takes.
const PATIENCE: Duration = Duration::from_secs(50);

#[test]
fn older_than_thirty_seconds_becomes_true_by_itself() {
    in_graph(|_| {
        let (clock, seen) = (Clock::manual(), Trace::new());
        let (now, created) = (clock.now(ms(100)), clock.time());
        let old = computed!([now] now.get() - created >= ms(30_000));
        let _watch = effect!([old, seen] seen.note(old.get()));
        clock.advance(ms(29_900));
        assert_eq!((old.get(), seen.take()), (false, vec![false]));
        clock.advance(ms(100));
        assert_eq!(seen.take(), [true]);
    });
}

#[test]
fn deadlines_come_in_order_and_each_at_its_own_time() {
    in_graph(|g| {
        let (clock, seen) = (Clock::manual(), Trace::new());
        let (threes, fives) = (clock.now(ms(3)), clock.now(ms(5)));
        let told = clock.clone();
        let _watch = effect!([threes, fives, seen] {
            seen.note((told.time(), threes.get(), fives.get()));
        });
        let before = g.stats().commits;
        clock.advance(ms(10));
        let expected = [(0, 0, 0), (3, 3, 0), (5, 3, 5), (6, 6, 5), (9, 9, 5), (10, 9, 10)];
        assert_eq!(seen.take(), expected.map(|(t, three, five)| (ms(t), ms(three), ms(five))));
        assert_eq!(g.stats().commits - before, 5);
    });
}

#[test]
fn a_time_that_nobody_looks_at_costs_nothing() {
    in_graph(|g| {
        let clock = Clock::manual();
        let now = clock.now(ms(1));
        clock.advance(ms(1_000));
        assert_eq!(g.stats().commits, 0);
        assert_eq!(now.get(), ms(1_000), "and is right all the same");
        clock.advance(ms(1_000));
        assert_eq!(g.stats().commits, 1, "the end of what was read");
        let watch = now.subscribe(|_| {});
        clock.advance(ms(10));
        drop(watch);
        let before = g.stats().commits;
        clock.advance(ms(1_000));
        assert!(g.stats().commits - before <= 1);
        assert_eq!(now.get(), ms(3_010));
    });
}

#[test]
fn a_fine_time_that_nobody_looks_at_does_not_tick_for_a_coarse_one() {
    in_graph(|g| {
        let clock = Clock::manual();
        let (fine, coarse) = (clock.now(ms(1)), clock.now(ms(1_000)));
        let _watch = coarse.subscribe(|_| {});
        assert_eq!(fine.get(), ms(0));
        clock.advance(ms(5_000));
        assert_eq!((g.stats().commits, fine.get()), (6, ms(5_000)));
    });
}

/// Enough for a reader to come between a deadline and its commit, had it a way to.
const STEPS: u64 = 2_000;

#[test]
fn times_of_all_steps_agree_at_each_revision() {
    in_graph(|g| {
        let clock = Clock::manual();
        let (watched, lazy, coarse) = (clock.now(ms(1)), clock.now(ms(1)), clock.now(ms(10)));
        let torn = Count::new();
        let agree = computed!([watched, lazy, coarse, torn] {
            let (watched, lazy, coarse) = (watched.get(), lazy.get(), coarse.get());
            if (lazy, coarse) != (watched, ms(watched.as_millis() as u64 / 10 * 10)) {
                torn.tick();
            }
            watched
        });
        let _watch = watched.subscribe(|_| {});
        thread::scope(|scope| {
            scope.spawn(|| (0..STEPS).for_each(|_| clock.advance(ms(1))));
            scope.spawn(|| (0..STEPS).for_each(|_| assert!(agree.get() <= ms(STEPS))));
            scope.spawn(|| {
                (0..STEPS).for_each(|_| assert!(g.snapshot().get(&agree) <= ms(STEPS)));
            });
        });
        assert_eq!((torn.take(), agree.get()), (0, ms(STEPS)));
    });
}

#[test]
fn a_snapshot_does_not_see_the_time_go_by() {
    in_graph(|_| {
        let clock = Clock::manual();
        let (fine, coarse) = (clock.now(ms(1)), clock.now(ms(10)));
        let _watch = (fine.subscribe(|_| {}), coarse.subscribe(|_| {}));
        clock.advance(ms(15));
        let held = snapshot();
        clock.advance(ms(1));
        assert_eq!((held.get(&fine), held.get(&coarse)), (ms(15), ms(10)));
        let unread = snapshot();
        clock.advance(ms(100));
        assert_eq!((held.get(&fine), held.get(&coarse)), (ms(15), ms(10)));
        assert_eq!((fine.get(), coarse.get()), (ms(116), ms(110)));
        assert_eq!(unread.get(&fine), ms(16));
        let seen = Trace::new();
        let _after = effect!([fine, seen] seen.note(fine.get()));
        clock.advance(ms(2));
        assert_eq!(seen.take(), [ms(116), ms(117), ms(118)], "it goes by for all others");
    });
}

#[test]
fn one_clock_tells_several_graphs_the_same_time() {
    in_graph(|g| {
        let (other, clock) = (Graph::new(), Clock::manual());
        let here = clock.now(ms(10));
        let there = other.enter(|| clock.now(ms(10)));
        let _watch = (here.subscribe(|_| {}), there.subscribe(|_| {}));
        clock.advance(ms(35));
        assert_eq!((here.get(), there.get()), (ms(30), ms(30)));
        assert_eq!((g.stats().commits, other.stats().commits), (3, 3));
    });
}

#[test]
fn a_deadline_commits_in_the_graphs_it_concerns_only() {
    in_graph(|g| {
        let (other, clock) = (Graph::new(), Clock::manual());
        let _here = clock.now(ms(10)).subscribe(|_| {});
        let there = other.enter(|| clock.now(ms(25)));
        let _there = there.subscribe(|_| {});
        clock.advance(ms(40));
        assert_eq!((g.stats().commits, other.stats().commits), (4, 1));
    });
}

#[test]
fn what_an_advance_sets_in_motion_falls_due_in_the_same_advance() {
    in_graph(|_| {
        let (clock, seen) = (Clock::manual(), Trace::new());
        let (first, second) = (signal(0), signal(0));
        let calm = first.debounce(&clock, ms(10), Edge::Trailing);
        let late = second.delay(&clock, ms(10));
        let told = clock.clone();
        let _forward = effect!([calm, second] second.set(calm.get()));
        let _watch = effect!([late, seen] seen.note((told.time(), late.get())));
        first.set(1);
        clock.advance(ms(100));
        assert_eq!(seen.take(), [(ms(0), 0), (ms(20), 1)]);
    });
}

#[test]
fn a_clock_is_not_advanced_inside_of_one_revision() {
    in_reporting_graph(|_, failures| {
        let clock = Clock::manual();
        says(caught(|| batch(|| clock.advance(ms(1)))), &["advanced inside a batch"]);
        let inside = clock.clone();
        let c = computed(move || inside.advance(ms(1)));
        assert!(c.try_get().is_err());
        let (inside, now) = (clock.clone(), clock.now(ms(1)));
        let _watch = effect(move || {
            if now.get() == ms(1) {
                inside.advance(ms(1));
            }
        });
        clock.advance(ms(2));
        says(failures.take().concat(), &["advanced inside a batch, effect or computed"]);
        assert_eq!(clock.time(), ms(2));
    });
}

#[test]
fn threads_that_advance_one_clock_take_turns() {
    in_graph(|_| {
        let (clock, seen) = (Clock::manual(), Trace::new());
        let now = clock.now(ms(1));
        let _watch = effect!([now, seen] seen.note(now.get()));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..STEPS).for_each(|_| clock.advance(ms(2))));
            }
        });
        let seen = seen.take();
        assert!(seen.is_sorted(), "{seen:?}");
        let end = ms(STEPS * 2 * 3);
        assert_eq!((clock.time(), now.get(), seen.last()), (end, end, Some(&end)));
    });
}

#[test]
fn the_systems_clock_moves_by_itself() {
    in_graph(|_| {
        let clock = Clock::system();
        let now = clock.now(ms(1));
        now.wait_until(|now| *now >= ms(3), PATIENCE).expect("the clock strikes");
        assert!(clock.time() >= ms(3));
    });
}

#[test]
fn the_systems_clock_comes_to_a_nearer_deadline_while_it_waits_for_a_farther_one() {
    in_graph(|_| {
        let (clock, far, near) = (Clock::system(), signal(0), signal(0));
        let hour = far.delay(&clock, Duration::from_secs(3_600));
        let soon = near.delay(&clock, ms(1));
        far.set(1);
        near.set(1);
        soon.wait_until(|value| *value == 1, PATIENCE).expect("the nearer one comes first");
        assert_eq!(hour.get(), 0);
    });
}

/// Tells when the thread it is kept on ends.
struct Farewell(Sender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

thread_local!(static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) });

#[test]
fn the_systems_clock_has_a_thread_that_ends_with_its_last_handle() {
    in_graph(|_| {
        let (clock, s) = (Clock::system(), signal(0));
        let calm = s.debounce(&clock, ms(1), Edge::Trailing);
        let (told, heard) = mpsc::channel();
        let (gone, ended) = mpsc::channel();
        let watch = calm.subscribe(move |value| {
            if *value == 1 {
                FAREWELL.set(Some(Farewell(gone.clone())));
                told.send(thread::current().name().map(str::to_owned)).unwrap();
            }
        });
        s.set(1);
        let name = heard.recv_timeout(PATIENCE).expect("the deadline comes");
        assert_eq!(name.as_deref(), Some("isobar-clock"));
        drop((watch, clock));
        assert!(ended.try_recv().is_err(), "the operator still needs it");
        drop(calm);
        ended.recv_timeout(PATIENCE).expect("the thread ends");
    });
}
