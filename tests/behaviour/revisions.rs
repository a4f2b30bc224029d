//! C1, C3, C4: commits are revisions in one order; who was told of one sees it or a later one.

use std::sync::mpsc;
use std::thread;

use isobar::{batch, computed, effect, signal, snapshot, transaction};

use crate::stage::{Halt, Trace, in_graph};

#[test]
fn every_write_and_every_batch_is_one_revision() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let mut at = g.revision().as_u64();
        let mut next = |what: &str| {
            at += 1;
            assert_eq!(g.revision().as_u64(), at, "{what}");
        };
        a.set(1);
        next("set");
        a.update(|v| v + 1);
        next("update");
        a.mutate(|v| *v += 1);
        next("mutate");
        a.touch();
        next("touch");
        a.replace(10);
        next("replace");
        a.compare_set(a.revision(), 11).unwrap();
        next("compare_set");
        batch(|| {
            a.set(20);
            b.set(20);
            a.set(21);
        });
        next("batch");
        let told: Result<(), ()> = transaction(|| {
            a.set(30);
            b.set(30);
            Ok(())
        });
        told.unwrap();
        next("transaction");
        let draft = g.draft();
        draft.set(&a, 40);
        draft.set(&b, 40);
        draft.commit().unwrap();
        next("draft");
        assert_eq!(a.revision(), b.revision());
    });
}

#[test]
fn a_revision_prints_as_r_and_its_number() {
    in_graph(|g| {
        let s = signal(0);
        s.set(1);
        let at = g.revision();
        let expected = format!("R{}", at.as_u64());
        assert_eq!((at.to_string(), format!("{at:?}")), (expected.clone(), expected));
    });
}

#[test]
fn a_node_knows_when_it_last_changed() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let c = computed!([a] a.get() / 10);
        c.get();
        a.set(1);
        let a_changed = g.revision();
        b.set(1);
        assert_eq!((a.revision(), b.revision()), (a_changed, g.revision()));
        c.get();
        assert!(c.revision() < a_changed, "0 stayed 0");
        a.set(10);
        c.get();
        assert_eq!(c.revision(), a.revision());
    });
}

#[test]
fn after_set_returned_its_thread_sees_it_through_everything() {
    in_graph(|_| {
        let s = signal(0);
        let c = computed!([s] s.get() * 10).map(|v| v + 1);
        for value in 1..=100 {
            s.set(value);
            assert_eq!(
                (s.get(), c.get(), snapshot().get(&c)),
                (value, value * 10 + 1, value * 10 + 1)
            );
        }
    });
}

#[test]
fn a_thread_that_was_told_sees_it_through_everything() {
    in_graph(|g| {
        let s = signal(0);
        let c = computed!([s] s.get() * 10).map(|v| v + 1);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for value in told {
                    assert!(s.get() >= value);
                    assert!(c.get() > value * 10);
                    assert!(g.snapshot().get(&c) > value * 10);
                }
            });
            for value in 1..=2_000 {
                s.set(value);
                tell.send(value).unwrap();
            }
            drop(tell);
        });
    });
}

#[test]
fn of_two_commits_one_after_the_other_the_first_has_the_smaller_revision() {
    in_graph(|_| {
        let (a, b) = (signal(0), signal(0));
        for round in 1..=500 {
            thread::scope(|scope| {
                scope.spawn(|| a.set(round)).join().unwrap();
                scope.spawn(|| b.set(round)).join().unwrap();
            });
            assert!(a.revision() < b.revision());
        }
    });
}

#[test]
fn inside_an_evaluation_the_graph_tells_the_revision_it_reads_at() {
    in_graph(|g| {
        let seen = Trace::new();
        let (s, other, halt) = (signal(0), signal(0), Halt::idle());
        let world = g.clone();
        let c = computed!([s, world] { s.get(); world.revision() });
        let _watch = effect!([s, world, halt, seen] {
            s.get();
            let before = world.revision();
            halt.here();
            seen.note(before == world.revision());
        });
        s.set(1);
        let at = g.revision();
        assert_eq!(c.get(), at);
        batch(|| {
            thread::scope(|scope| {
                scope.spawn(|| other.set(1));
            });
            assert_eq!(g.revision(), at);
        });
        assert!(g.revision() > at);
        assert_eq!(c.get(), at, "cached: nothing it read has changed");
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| s.set(2));
            halt.reached();
            other.set(2);
            halt.release();
        });
        assert_eq!(seen.take(), [true, true, true]);
    });
}

#[test]
fn plain_reads_of_one_thread_never_go_back() {
    in_graph(|_| {
        let s = signal(0_u64);
        let c = computed!([s] s.get());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < 5_000 {
                        let now = c.get();
                        assert!(now >= last, "{now} after {last}");
                        let direct = s.get();
                        assert!(direct >= now, "{direct} after {now}");
                        last = direct;
                    }
                });
            }
            (1..=5_000).for_each(|v| s.set(v));
        });
    });
}
