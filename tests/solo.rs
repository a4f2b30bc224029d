//! A process in which one thread alone uses graphs, until others come and go. A test binary of its
//! own with one test in it, for other tests' threads would use graphs, too.

use isobar::{Context, Graph};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

#[test]
fn a_lone_thread_sees_what_any_thread_would() {
    let (done, finished) = channel();
    let all = std::thread::spawn(move || {
        a_value_that_is_looked_at_stays_while_its_signal_is_set();
        a_memo_that_is_looked_at_stays_while_it_is_recomputed();
        what_a_snapshot_shows_stays();
        what_is_loaded_stays();
        what_an_evaluation_looks_at_stays_while_it_sets_a_signal_from_outside();
        an_evaluation_that_sets_a_new_source_from_outside_is_out_of_date();
        an_effect_sees_each_set_and_what_it_sets_itself();
        values_with_a_destructor_are_dropped_once_each();
        nothing_is_lost_while_threads_come_and_go();
        a_computed_never_glitches_while_threads_come_and_go();
        an_effect_ends_when_a_thread_that_never_used_a_graph_disposes_it();
        let _ = done.send(());
    });
    let finished = finished.recv_timeout(Duration::from_secs(120));
    assert!(finished.is_ok() || all.is_finished(), "the lone thread hangs");
    all.join().expect("no check fails");
}

fn a_value_that_is_looked_at_stays_while_its_signal_is_set() {
    let a = Graph::new().signal(0_u64);
    a.with(|seen| {
        for n in 1..100 {
            a.set(n);
        }
        assert_eq!(*seen, 0, "the value of before");
    });
    assert_eq!(a.get(), 99);
}

fn a_memo_that_is_looked_at_stays_while_it_is_recomputed() {
    let g = Graph::new();
    let a = g.signal(0_u64);
    let d = a.map(|a| a + 1000);
    d.with(|seen| {
        for n in 1..100 {
            a.set(n);
            assert_eq!(d.get(), n + 1000);
        }
        assert_eq!(*seen, 1000, "the value of before");
    });
}

fn what_a_snapshot_shows_stays() {
    let g = Graph::new();
    let a = g.signal(0_u64);
    let d = a.map(|a| a + 1000);
    assert_eq!(d.get(), 1000);
    let before = g.snapshot();
    for n in 1..100 {
        a.set(n);
        assert_eq!(d.get(), n + 1000);
    }
    assert_eq!((before.get(&a), before.get(&d)), (0, 1000));
}

fn what_is_loaded_stays() {
    let g = Graph::new();
    let a = g.signal(0_u64);
    let d = a.map(|a| a + 1000);
    let (at_first, memo) = (a.load(), d.load());
    for n in 1..100 {
        a.set(n);
        assert_eq!(d.get(), n + 1000);
    }
    assert_eq!((*at_first, *memo), (0, 1000));
}

/// A context taken outside of everything lets a computed do what it may not do itself.
fn what_an_evaluation_looks_at_stays_while_it_sets_a_signal_from_outside() {
    let g = Graph::new();
    let outside = Context::current();
    let a = g.signal(0_u64);
    let d = a.map(|a| a + 1000);
    let looks = g.computed({
        let (a, d) = (a.clone(), d.clone());
        move || {
            d.with(|seen| {
                let before = *seen;
                outside.enter(|| {
                    for n in before..before + 5 {
                        a.set(n - 999);
                        assert_eq!(d.get(), n + 1);
                    }
                });
                assert_eq!(*seen, before, "the value of before");
                before
            })
        }
    });
    for n in 0..20 {
        assert_eq!(looks.get(), 1000 + 5 * n);
    }
}

fn an_evaluation_that_sets_a_new_source_from_outside_is_out_of_date() {
    let g = Graph::new();
    let outside = Context::current();
    let (a, b) = (g.signal(0_u64), g.signal(0_u64));
    let sets = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || {
            let n = a.get();
            if n > 0 {
                outside.enter(|| b.set(n));
                // At the revision of before the set.
                n * 10 + b.get()
            } else {
                0
            }
        }
    });
    assert_eq!(sets.get(), 0);
    a.set(1);
    assert_eq!(sets.get(), 10);
    assert_eq!(sets.get(), 11, "the set from outside is seen");
}

fn an_effect_sees_each_set_and_what_it_sets_itself() {
    let g = Graph::new();
    let (a, b) = (g.signal(0_u64), g.signal(0_u64));
    let sum = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || a.get() + b.get()
    });
    let seen = Arc::new(AtomicU64::new(0));
    let _mirror = g.effect({
        let (a, b) = (a.clone(), b.clone());
        move || b.set(a.get() * 2)
    });
    let _watch = g.effect({
        let (sum, seen) = (sum.clone(), seen.clone());
        move || seen.store(sum.get(), Ordering::Relaxed)
    });
    for n in 1..100 {
        a.set(n);
        assert_eq!(seen.load(Ordering::Relaxed), 3 * n);
    }
}

fn values_with_a_destructor_are_dropped_once_each() {
    #[derive(Debug)]
    struct Counted(Arc<AtomicU64>, u64);
    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.1 == other.1
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU64::new(0));
    let g = Graph::new();
    let a = g.signal(Counted(dropped.clone(), 0));
    for n in 1..1000 {
        a.set(Counted(dropped.clone(), n));
    }
    drop((a, g));
    assert_eq!(dropped.load(Ordering::Relaxed), 1000);
}

fn nothing_is_lost_while_threads_come_and_go() {
    const THREADS: u64 = 200;
    const EACH: u64 = 200;
    let g = Graph::new();
    let a = g.signal(0_u64);
    let mut lone = 0;
    for _ in 0..THREADS {
        // The thread comes while this one is in the middle of its updates, and is gone at the end.
        let (ready, begin) = sync_channel(0);
        let other = std::thread::spawn({
            let a = a.clone();
            move || {
                let _ = begin.recv();
                for _ in 0..EACH {
                    a.update(|n| n + 1);
                }
            }
        });
        let _ = ready.send(());
        while !other.is_finished() {
            a.update(|n| n + 1);
            lone += 1;
        }
        other.join().expect("an update does not panic");
    }
    assert_eq!(a.get(), THREADS * EACH + lone, "each update counts");
}

fn a_computed_never_glitches_while_threads_come_and_go() {
    const THREADS: u64 = 200;
    let g = Graph::new();
    let (a, b) = (g.signal(0_u64), g.signal(0_u64));
    let both = g.computed({
        let (a, b) = (a.clone(), b.clone());
        move || (a.get(), b.get())
    });
    let read = |of: &dyn Fn() -> (u64, u64)| {
        let (a, b) = of();
        assert_eq!(a, b, "set in one batch");
    };
    let mut n = 0;
    for _ in 0..THREADS {
        let other = std::thread::spawn({
            let both = both.clone();
            move || {
                for _ in 0..200 {
                    both.with(|(a, b)| assert_eq!(a, b, "set in one batch"));
                }
            }
        });
        while !other.is_finished() {
            n += 1;
            g.batch(|| {
                a.set(n);
                b.set(n);
            });
            read(&|| both.get());
        }
        other.join().expect("a read does not fail");
    }
    assert_eq!(both.get(), (n, n));
}

fn an_effect_ends_when_a_thread_that_never_used_a_graph_disposes_it() {
    const THREADS: u64 = 500;
    let g = Graph::new();
    let a = g.signal(0_u64);
    let mut n = 0;
    for _ in 0..THREADS {
        let runs = Arc::new(AtomicU64::new(0));
        let effect = g.effect({
            let (a, runs) = (a.clone(), runs.clone());
            move || runs.store(a.get(), Ordering::Relaxed)
        });
        // Nothing else of the thread's uses a graph before.
        let other = std::thread::spawn(move || effect.dispose());
        while !other.is_finished() {
            n += 1;
            a.set(n);
        }
        other.join().expect("disposing does not fail");
        let before = runs.load(Ordering::Relaxed);
        n += 1;
        a.set(n);
        assert_eq!(runs.load(Ordering::Relaxed), before, "no run after the end");
    }
    assert_eq!(g.stats().live_effects, 0);
}
