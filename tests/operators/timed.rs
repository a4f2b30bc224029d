//! Operators over a clock.

use std::thread;

use isobar::{Clock, Edge, ManualClock, Timeout, ZeroDuration, effect, signal, snapshot};

use crate::ms;
use crate::stage::{Halt, Trace, caught, in_graph, says};

/// Advances by each step, then does what belongs to it.
fn script(clock: &ManualClock, steps: impl IntoIterator<Item = (u64, i32)>, set: impl Fn(i32)) {
    for (wait, value) in steps {
        clock.advance(ms(wait));
        set(value);
    }
}

#[test]
fn a_trailing_debounce_tells_the_last_value_before_each_silence() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Trailing);
        let _watch = effect!([calm, seen] seen.note(calm.get()));
        script(&clock, [(0, 1), (17, 2), (17, 3), (75, 4), (75, 5)], |n| s.set(n));
        clock.advance(ms(75));
        assert_eq!(seen.take(), [0, 3, 4, 5]);
    });
}

#[test]
fn a_leading_debounce_tells_the_first_value_after_each_silence() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Leading);
        let _watch = effect!([calm, seen] seen.note(calm.get()));
        script(&clock, [(0, 1), (40, 2), (40, 3), (50, 4), (49, 5), (50, 6)], |n| s.set(n));
        clock.advance(ms(500));
        assert_eq!(seen.take(), [0, 1, 4, 6]);
    });
}

#[test]
fn a_debounce_of_both_edges_tells_the_first_and_the_last() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Both);
        let _watch = effect!([calm, seen] seen.note(calm.get()));
        script(&clock, [(0, 1), (20, 2), (20, 3), (50, 4)], |n| s.set(n));
        clock.advance(ms(500));
        assert_eq!(seen.take(), [0, 1, 3, 4]);
    });
}

#[test]
fn a_reader_of_source_and_debounce_sees_the_old_value_and_then_the_new() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Trailing);
        let _watch = effect!([s, calm, seen] seen.note((s.get(), calm.get())));
        s.set(1);
        clock.advance(ms(50));
        assert_eq!(seen.take(), [(0, 0), (1, 0), (1, 1)]);
    });
}

#[test]
fn a_leading_edge_is_of_the_same_revision_as_its_source() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Leading);
        let slow = s.throttle(&clock, ms(50), Edge::Both);
        let _watch = effect!([s, calm, slow, seen] seen.note((s.get(), calm.get(), slow.get())));
        s.set(1);
        assert_eq!(seen.take(), [(0, 0, 0), (1, 1, 1)]);
    });
}

#[test]
fn a_leading_throttle_drops_what_comes_too_early() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let slow = s.throttle(&clock, ms(100), Edge::Leading);
        let _watch = effect!([slow, seen] seen.note(slow.get()));
        script(&clock, [(0, 1), (50, 2), (49, 3), (1, 4), (99, 5), (1, 6)], |n| s.set(n));
        clock.advance(ms(500));
        assert_eq!(seen.take(), [0, 1, 4, 6]);
    });
}

#[test]
fn a_trailing_throttle_tells_the_last_at_the_end_of_each_stretch() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let slow = s.throttle(&clock, ms(100), Edge::Trailing);
        let now = clock.now(ms(1));
        let _watch = effect!([slow, now, seen] {
            let value = slow.get();
            seen.note((isobar::untracked(|| now.get()), value));
        });
        script(&clock, [(0, 1), (50, 2), (70, 3), (10, 4)], |n| s.set(n));
        clock.advance(ms(500));
        assert_eq!(seen.take(), [(ms(0), 0), (ms(100), 2), (ms(200), 4)]);
    });
}

#[test]
fn a_throttle_of_both_edges_never_tells_two_within_its_time() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let slow = s.throttle(&clock, ms(100), Edge::Both);
        let told = clock.clone();
        let _watch = effect!([slow, seen] seen.note((told.time(), slow.get())));
        // 1 leads; 3 trails at 100; 4 at 110 has to wait for 200; 5 leads at 400.
        script(&clock, [(0, 1), (30, 2), (30, 3), (50, 4), (290, 5)], |n| s.set(n));
        clock.advance(ms(500));
        let expected = [(ms(0), 0), (ms(0), 1), (ms(100), 3), (ms(200), 4), (ms(400), 5)];
        assert_eq!(seen.take(), expected);
    });
}

#[test]
fn a_delay_tells_each_value_in_order_and_its_time_later() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let late = s.delay(&clock, ms(100));
        let told = clock.clone();
        let _watch = effect!([late, seen] seen.note((told.time(), late.get())));
        script(&clock, [(10, 1), (10, 2), (50, 3)], |n| s.set(n));
        assert_eq!(late.get(), 0);
        clock.advance(ms(500));
        assert_eq!(seen.take(), [(ms(0), 0), (ms(110), 1), (ms(120), 2), (ms(170), 3)]);
    });
}

#[test]
fn a_timeout_comes_when_nothing_did_and_goes_with_the_next_value() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let alive = s.timeout(&clock, ms(100));
        let _watch = effect!([alive, seen] seen.note(alive.get()));
        script(&clock, [(99, 1), (99, 2), (100, 3)], |n| s.set(n));
        clock.advance(ms(100));
        let expected = [Ok(0), Ok(1), Ok(2), Err(Timeout), Ok(3), Err(Timeout)];
        assert_eq!(seen.take(), expected);
    });
}

#[test]
fn a_sample_by_time_has_the_value_at_each_step() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let sampled = s.sample(&clock.now(ms(100)));
        let _watch = effect!([sampled, seen] seen.note(sampled.get()));
        script(&clock, [(10, 1), (80, 2), (20, 3), (50, 4), (10, 5)], |n| s.set(n));
        clock.advance(ms(500));
        assert_eq!(seen.take(), [0, 2, 5]);
    });
}

#[test]
fn what_is_due_at_one_deadline_is_one_commit() {
    in_graph(|g| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let (calm, late) = (s.debounce(&clock, ms(50), Edge::Trailing), s.delay(&clock, ms(50)));
        let now = clock.now(ms(50));
        let _watch =
            effect!([calm, late, now, seen] seen.note((now.get(), calm.get(), late.get())));
        s.set(1);
        let before = g.stats().commits;
        clock.advance(ms(50));
        assert_eq!(seen.take(), [(ms(0), 0, 0), (ms(50), 1, 1)]);
        assert_eq!(g.stats().commits - before, 1);
    });
}

#[test]
fn a_deadline_that_is_put_off_does_not_come() {
    in_graph(|g| {
        let (clock, s) = (Clock::manual(), signal(0));
        let calm = s.debounce(&clock, ms(50), Edge::Trailing);
        (1..=10).for_each(|n| (s.set(n), clock.advance(ms(49))).1);
        let before = g.stats().commits;
        assert_eq!(calm.get(), 0);
        clock.advance(ms(1));
        assert_eq!((calm.get(), g.stats().commits - before), (10, 1));
    });
}

#[test]
fn a_deadline_that_is_put_off_while_it_strikes_does_not_come() {
    in_graph(|g| {
        let (clock, s, halt) = (Clock::manual(), signal(0), Halt::idle());
        let calm = s.debounce(&clock, ms(50), Edge::Trailing);
        // Runs after the debounce has taken the value in, and before it has set its new timer.
        let _between = effect!([s, halt] { s.get(); halt.here(); });
        s.set(1);
        clock.advance(ms(40));
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(2));
            halt.reached();
            clock.advance(ms(10));
            let early = calm.get();
            halt.release();
            assert_eq!(early, 0, "of two values 40 ms apart none was followed by 50 ms");
        });
        g.settle().unwrap();
        clock.advance(ms(39));
        assert_eq!(calm.get(), 0);
        clock.advance(ms(1));
        assert_eq!(calm.get(), 2);
    });
}

#[test]
fn a_deadline_that_is_set_late_comes_next_and_does_not_turn_the_time_back() {
    in_graph(|g| {
        let (clock, s, halt) = (Clock::manual(), signal(0), Halt::idle());
        let now = clock.now(ms(10));
        let calm = s.debounce(&clock, ms(50), Edge::Trailing);
        let _between = effect!([s, halt] { s.get(); halt.here(); });
        let tick = || {
            clock.advance(ms(10));
            now.get()
        };
        assert_eq!(tick(), ms(10));
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(1));
            halt.reached();
            let times: Vec<_> = (2..=20).map(|_| tick()).collect();
            halt.release();
            assert_eq!(times, (2..=20).map(|step| ms(10 * step)).collect::<Vec<_>>());
        });
        g.settle().unwrap();
        assert_eq!(calm.get(), 0, "its deadline was set when it had passed");
        clock.advance(ms(1));
        assert_eq!((calm.get(), now.get()), (1, ms(200)));
        let held = snapshot();
        tick();
        tick();
        assert_eq!(held.get(&now), ms(200));
    });
}

#[test]
fn operators_over_operators_share_the_clock() {
    in_graph(|_| {
        let (clock, seen, s) = (Clock::manual(), Trace::new(), signal(0));
        let chain = s.debounce(&clock, ms(50), Edge::Trailing).delay(&clock, ms(30)).pairwise();
        let told = clock.clone();
        let _watch = effect!([chain, seen] seen.note((told.time(), chain.get())));
        s.set(1);
        clock.advance(ms(1_000));
        assert_eq!(seen.take(), [(ms(0), (None, 0)), (ms(80), (Some(0), 1))]);
    });
}

#[test]
fn while_time_and_values_come_from_two_threads_the_last_value_always_arrives() {
    for _ in 0..20 {
        in_graph(|g| {
            let (clock, s) = (Clock::manual(), signal(0));
            let edges = [Edge::Leading, Edge::Trailing, Edge::Both];
            let calm = edges.map(|edge| s.debounce(&clock, ms(3), edge));
            let slow = edges.map(|edge| s.throttle(&clock, ms(3), edge));
            let (late, alive) = (s.delay(&clock, ms(3)), s.timeout(&clock, ms(3)));
            thread::scope(|scope| {
                scope.spawn(|| (1..=200).for_each(|n| s.set(n)));
                scope.spawn(|| (0..200).for_each(|_| clock.advance(ms(1))));
            });
            g.settle().unwrap();
            clock.advance(ms(10));
            assert_eq!((late.get(), alive.get()), (200, Err(Timeout)));
            assert_eq!([&calm[1], &calm[2], &slow[1], &slow[2]].map(|c| c.get()), [200; 4]);
            // No window was left open: the next value leads.
            s.set(-1);
            assert_eq!([&calm[0], &calm[2], &slow[0]].map(|c| c.get()), [-1; 3]);
        });
    }
}

#[test]
fn durations_of_zero_are_refused_by_the_operators_name() {
    in_graph(|g| {
        let (clock, s) = (Clock::manual(), signal(0));
        let (zero, before) = (ms(0), g.stats().live_nodes);
        let refusals = [
            s.try_debounce(&clock, zero, Edge::Both).err(),
            s.try_throttle(&clock, zero, Edge::Both).err(),
            s.try_delay(&clock, zero).err(),
            s.try_timeout(&clock, zero).err(),
            clock.try_now(zero).err(),
        ];
        let names = ["debounce", "throttle", "delay", "timeout", "now"];
        assert_eq!(refusals, names.map(|of| Some(ZeroDuration { of })));
        says(caught(|| s.debounce(&clock, zero, Edge::Both)), &["debounce", "zero"]);
        says(caught(|| s.throttle(&clock, zero, Edge::Both)), &["throttle", "zero"]);
        says(caught(|| s.delay(&clock, zero)), &["delay", "zero"]);
        says(caught(|| s.timeout(&clock, zero)), &["timeout", "zero"]);
        says(caught(|| clock.now(zero)), &["now", "zero"]);
        assert_eq!(g.stats().live_nodes, before);
    });
}

#[test]
fn a_wait_beyond_all_time_never_ends() {
    in_graph(|_| {
        let (clock, s) = (Clock::manual(), signal(0));
        clock.advance(ms(1));
        let never = s.delay(&clock, std::time::Duration::MAX);
        s.set(1);
        clock.advance(ms(1_000_000));
        assert_eq!(never.get(), 0);
    });
}
