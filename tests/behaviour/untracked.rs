//! Reads that make no edge: `untracked`, `peek`, `peek_with`.

use isobar::{batch, computed, effect, signal, untracked};

use crate::stage::{Count, Trace, caught, in_graph};

#[test]
fn an_untracked_read_sees_the_newest_value_but_wakes_nobody() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b, c) = (signal(1), signal(10), signal(100));
        let _watch = effect!([a, b, c, seen] {
            seen.note((a.get(), untracked(|| b.get()), c.peek(), c.peek_with(|v| v + 1)));
        });
        b.set(20);
        c.set(200);
        assert_eq!(seen.take(), [(1, 10, 100, 101)]);
        a.set(2);
        assert_eq!(seen.take(), [(2, 20, 200, 201)]);
    });
}

#[test]
fn a_cached_value_may_be_older_than_what_it_peeked() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(10));
        let c = computed!([a, b] a.get() + b.peek());
        assert_eq!(c.get(), 11);
        b.set(20);
        assert_eq!(c.get(), 11);
        a.set(2);
        assert_eq!(c.get(), 22);
    });
}

#[test]
fn a_peek_that_leads_to_older_sources_changes_the_value_for_those_who_observe_it_too() {
    in_graph(|g| {
        let seen = Trace::new();
        let (left, right, is_left, other) = (signal(1), signal(10), signal(true), signal(0));
        let chosen = computed!([left, right, is_left] {
            if is_left.peek() { left.get() } else { right.get() }
        });
        let tenfold = computed!([chosen] chosen.get() * 10);
        let _watch = effect!([tenfold, other, seen] seen.note((other.get(), tenfold.get())));
        is_left.set(false);
        other.set(1);
        let before = g.snapshot();
        assert_eq!(before.get(&tenfold), 10);
        left.set(2);
        assert_eq!((chosen.get(), tenfold.get()), (10, 100));
        assert_eq!(seen.take(), [(0, 10), (1, 10), (1, 100)]);
        assert_eq!(before.get(&other), 1);
        left.set(3);
        right.set(20);
        assert_eq!(seen.take(), [(1, 200)]);
    });
}

#[test]
fn an_untracked_computed_is_fresh_and_what_it_reads_stays_its_own_affair() {
    in_graph(|_| {
        let seen = Trace::new();
        let runs = Count::new();
        let (a, b) = (signal(0), signal(1));
        let c = computed!([b, runs] { runs.tick(); b.get() * 10 });
        let _watch = effect!([a, c, seen] seen.note((a.get(), untracked(|| c.get()))));
        b.set(2);
        b.set(3);
        a.set(1);
        assert_eq!(seen.take(), [(0, 10), (1, 30)]);
        assert_eq!((c.get(), runs.take()), (30, 2));
    });
}

#[test]
fn a_computed_first_read_untracked_still_tracks_for_itself() {
    in_graph(|_| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        assert_eq!(untracked(|| c.get()), 10);
        a.set(2);
        assert_eq!(untracked(|| c.get()), 20);
    });
}

#[test]
fn tracking_goes_on_behind_an_untracked_part() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(1));
        let _watch = effect!([a, b, runs] {
            untracked(|| a.get());
            b.get();
            runs.tick();
        });
        runs.take();
        a.set(2);
        assert_eq!(runs.take(), 0);
        b.set(2);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn tracking_goes_on_behind_an_untracked_part_that_panicked() {
    in_graph(|_| {
        let runs = Count::new();
        let b = signal(1);
        let _watch = effect!([b, runs] {
            caught(|| untracked(|| panic!("inside")));
            b.get();
            runs.tick();
        });
        runs.take();
        b.set(2);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn untracked_parts_nest() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let _watch = effect!([a, runs] {
            untracked(|| {
                untracked(|| a.get());
                a.get();
            });
            runs.tick();
        });
        runs.take();
        a.set(2);
        assert_eq!(runs.take(), 0);
    });
}

#[test]
fn a_batch_inside_an_untracked_part_is_still_one_commit() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(0), signal(0));
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        untracked(|| {
            batch(|| {
                a.set(1);
                b.set(1);
            })
        });
        assert_eq!(seen.take(), [(0, 0), (1, 1)]);
    });
}

#[test]
fn an_untracked_read_inside_a_batch_sees_the_pending_writes() {
    in_graph(|_| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        batch(|| {
            a.set(2);
            assert_eq!(untracked(|| (a.get(), c.get())), (2, 20));
        });
    });
}

#[test]
fn an_effect_that_reads_nothing_never_runs_again() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let _watch = effect!([a, runs] { a.peek(); runs.tick(); });
        a.set(2);
        a.touch();
        assert_eq!(runs.take(), 1);
    });
}
