//! A snapshot reads any number of nodes at one revision, as long as it is held.

use std::thread;

use isobar::{Graph, ReadError, batch, computed, effect, signal, snapshot};

use crate::stage::{Count, Halt, Trace, in_graph, in_this, on_stage};

#[test]
fn a_snapshot_stays_at_its_revision_through_later_writes() {
    in_graph(|g| {
        let a = signal(1);
        let read_before = computed!([a] a.get() * 10);
        let never_read = computed!([a, read_before] a.get() + read_before.get());
        read_before.get();
        let then = snapshot();
        let at = g.revision();
        for value in 2..=50 {
            a.set(value);
            assert_eq!(read_before.get(), value * 10);
        }
        assert_eq!((then.get(&a), then.get(&read_before), then.get(&never_read)), (1, 10, 11));
        assert_eq!((*then.load(&a), then.with(&read_before, |v| *v)), (1, 10));
        assert_eq!(then.revision(), at);
        let now = snapshot();
        assert_eq!((now.get(&a), now.get(&never_read)), (50, 550));
        assert!(now.revision() > at);
    });
}

#[test]
fn snapshots_of_several_revisions_may_be_held_at_once() {
    in_graph(|_| {
        let a = signal(0);
        let c = computed!([a] a.get() * 10);
        let held: Vec<_> = (1..=20)
            .map(|value| {
                a.set(value);
                snapshot()
            })
            .collect();
        for (value, snap) in (1..).zip(&held) {
            assert_eq!((snap.get(&a), snap.get(&c)), (value, value * 10));
        }
    });
}

#[test]
fn a_snapshot_sees_whole_batches_only() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let sum = computed!([a, b] a.get() + b.get());
        let halt = Halt::first();
        thread::scope(|scope| {
            scope.spawn(|| {
                g.batch(|| {
                    a.set(1);
                    halt.here();
                    b.set(1);
                })
            });
            halt.reached();
            let during = snapshot();
            halt.release();
            assert_eq!((during.get(&a), during.get(&b), during.get(&sum)), (0, 0, 0));
        });
        let after = snapshot();
        assert_eq!((after.get(&a), after.get(&b), after.get(&sum)), (1, 1, 2));
    });
}

#[test]
fn a_snapshot_may_move_to_another_thread() {
    in_graph(|_| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        let then = snapshot();
        a.set(2);
        let (theirs, node) = (a.clone(), c.clone());
        let read = thread::spawn(move || (then.get(&theirs), then.get(&node))).join().unwrap();
        assert_eq!(read, (1, 10));
        assert_eq!(c.get(), 20);
    });
}

#[test]
fn an_old_answer_does_not_displace_the_newest() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let c = computed!([a, runs] { runs.tick(); a.get() });
        let then = snapshot();
        a.set(2);
        assert_eq!((c.get(), runs.take()), (2, 1));
        assert_eq!((then.get(&c), runs.take()), (1, 1));
        assert_eq!((then.get(&c), c.get(), runs.take()), (1, 2, 0));
    });
}

#[test]
fn an_error_is_of_its_revision_as_well() {
    in_graph(|_| {
        let a = signal(0);
        let c = computed!([a] 10 / a.get());
        let failing = snapshot();
        a.set(5);
        assert_eq!(c.get(), 2);
        assert!(matches!(failing.try_get(&c), Err(ReadError::Panicked { .. })));
        assert_eq!(snapshot().try_get(&c), Ok(2));
    });
}

#[test]
fn inside_a_batch_it_holds_what_is_committed_only() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let c = computed!([a] a.get() * 10);
        let at = g.revision();
        batch(|| {
            a.set(2);
            b.set(2);
            let inside = snapshot();
            assert_eq!((inside.get(&a), inside.get(&c), inside.revision()), (1, 10, at));
            assert_eq!((a.get(), c.get()), (2, 20));
        });
    });
}

#[test]
fn inside_an_effect_it_is_of_the_revision_of_the_run_and_subscribes_to_nothing() {
    in_graph(|g| {
        let seen = Trace::new();
        let halt = Halt::idle();
        let (a, b, out) = (signal(0), signal(0), signal(0));
        let _watch = effect!([a, b, out, seen, halt] {
            let now = a.get();
            out.set(now * 100);
            halt.here();
            let inside = snapshot();
            seen.note((now, inside.get(&b), inside.get(&out)));
        });
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| a.set(1));
            halt.reached();
            b.set(9);
            halt.release();
        });
        g.settle().unwrap();
        assert_eq!(seen.take(), [(0, 0, 0), (1, 0, 0)]);
        b.set(10);
        seen.expect_silence();
    });
}

#[test]
fn inside_a_computed_it_is_of_the_revision_of_the_evaluation_and_makes_no_edge() {
    in_graph(|g| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(10));
        let c = computed!([a, b, runs] {
            runs.tick();
            let inside = snapshot();
            (a.get(), inside.get(&b), inside.revision())
        });
        let at = g.revision();
        assert_eq!(c.get(), (1, 10, at));
        b.set(20);
        assert_eq!((c.get(), runs.take()), ((1, 10, at), 1));
        a.set(2);
        assert_eq!(c.get(), (2, 20, g.revision()));
    });
}

#[test]
fn reading_a_held_snapshot_inside_a_computed_makes_no_edge() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(10));
        let baseline = std::sync::Arc::new(snapshot());
        let change = computed!([a, b, baseline] {
            let before = baseline.get(&a) + baseline.get(&b);
            a.get() - before
        });
        assert_eq!(change.get(), -10);
        b.set(20);
        a.set(5);
        assert_eq!(change.get(), -6);
    });
}

#[test]
fn a_graph_with_history_gives_back_old_revisions() {
    in_this(
        || Graph::builder().history(100).build(),
        |g| {
            let a = signal(0);
            let c = computed!([a] a.get() * 10);
            let mut past = Vec::new();
            for value in 1..=20 {
                a.set(value);
                past.push((g.revision(), value));
            }
            for (at, value) in past {
                let then = g.snapshot_at(at).unwrap();
                assert_eq!((then.get(&a), then.get(&c), then.revision()), (value, value * 10, at));
            }
        },
    );
}

#[test]
fn a_revision_beyond_the_history_is_not_kept_and_says_so() {
    in_this(
        || Graph::builder().history(5).build(),
        |g| {
            let a = signal(0);
            let early = g.revision();
            for value in 1..=2_000 {
                a.set(value);
            }
            let refused = g.snapshot_at(early).unwrap_err();
            assert_eq!((refused.asked, refused.newest), (early, g.revision()));
            assert!(refused.oldest > early);
            assert_eq!(g.snapshot_at(g.revision()).unwrap().get(&a), 2_000);
        },
    );
}

#[test]
fn a_node_of_another_graph_is_refused_with_both_names() {
    on_stage(|| {
        let left = Graph::builder().name("left").build();
        let right = Graph::builder().name("right").build();
        let (mine, theirs) = (left.signal(1), right.signal(2));
        let snap = left.snapshot();
        assert_eq!(snap.try_get(&mine), Ok(1));
        let error = snap.try_get(&theirs).unwrap_err();
        crate::stage::says(error.to_string(), &["left", "right"]);
    });
}

#[test]
fn the_revision_of_a_snapshot_serves_for_compare_set() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(1));
        let snap = snapshot();
        b.set(2);
        assert_eq!(a.compare_set(snap.revision(), snap.get(&a) + 1), Ok(()));
        assert!(a.compare_set(snap.revision(), 99).is_err());
        assert_eq!(a.get(), 2);
    });
}

#[test]
fn a_value_that_came_back_later_is_not_taken_for_that_of_the_time_between() {
    in_graph(|_| {
        let s = signal(0);
        let odd = computed!([s] s.get() % 2);
        let shown = computed!([odd] odd.get() * 10);
        assert_eq!(shown.get(), 0);
        s.set(1);
        let between = snapshot();
        s.set(2);
        assert_eq!((odd.get(), shown.get()), (0, 0));
        assert_eq!((between.get(&odd), between.get(&shown)), (1, 10));
    });
}

#[test]
fn a_snapshot_takes_no_computed_for_one_that_is_gone() {
    in_graph(|g| {
        let a = signal(0);
        let then = g.snapshot();
        a.set(1);
        // Each takes the memory of one before, once there are enough of them.
        for n in 0..200 {
            let sum = computed!([a] a.get() + n);
            assert_eq!((sum.get(), then.get(&sum)), (n + 1, n));
        }
    });
}
