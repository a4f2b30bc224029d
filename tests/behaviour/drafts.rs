//! What-if: writes nobody else sees, and what would follow from them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use isobar::{Computed, Draft, Signal, batch, computed, effect, signal};

use crate::stage::{Count, Trace, caught, in_graph, says};

#[test]
fn a_draft_shows_its_author_what_would_follow_and_nobody_else() {
    in_graph(|g| {
        let seen = Trace::new();
        let (a, b) = (signal(1), signal(10));
        let sum = computed!([a, b] a.get() + b.get());
        let _watch = effect!([sum, seen] seen.note(sum.get()));
        let draft = g.draft();
        draft.set(&a, 5);
        assert_eq!((draft.get(&a), draft.get(&b), draft.get(&sum)), (5, 10, 15));
        draft.update(&b, |v| v * 2);
        draft.mutate(&b, |v| *v += 1);
        assert_eq!((draft.with(&b, |v| *v), *draft.load(&sum)), (21, 26));
        assert_eq!((a.get(), b.get(), sum.get()), (1, 10, 11));
        thread::scope(|scope| {
            assert_eq!(scope.spawn(|| sum.get()).join().unwrap(), 11);
        });
        drop(draft);
        assert_eq!((a.get(), sum.get()), (1, 11));
        assert_eq!(seen.take(), [11]);
    });
}

#[test]
fn a_commit_is_one_revision_with_everything_in_it() {
    in_graph(|g| {
        let seen = Trace::new();
        let (a, b) = (signal(1), signal(1));
        let _watch = effect!([a, b, seen] seen.note((a.get(), b.get())));
        let draft = g.draft();
        draft.set(&a, 2);
        draft.set(&b, 2);
        let at = draft.commit().unwrap();
        assert_eq!((a.revision(), b.revision(), g.revision()), (at, at, at));
        assert_eq!(seen.take(), [(1, 1), (2, 2)]);
    });
}

#[test]
fn inside_enter_every_handle_speaks_of_the_draft() {
    in_graph(|g| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        let draft = g.draft();
        let told = draft.enter(|| {
            a.set(2);
            a.update(|v| v + 1);
            (a.get(), c.get(), c.peek())
        });
        assert_eq!(told, (3, 30, 30));
        assert_eq!((a.get(), c.get()), (1, 10));
        assert_eq!((draft.get(&a), draft.get(&c)), (3, 30));
        draft.commit().unwrap();
        assert_eq!((a.get(), c.get()), (3, 30));
    });
}

#[test]
fn a_draft_stands_on_its_base_until_it_is_rebased() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(10));
        let sum = computed!([a, b] a.get() + b.get());
        let mut draft = g.draft();
        let base = g.revision();
        draft.set(&a, 2);
        b.set(20);
        assert_eq!((draft.base(), draft.get(&b), draft.get(&sum)), (base, 10, 12));
        draft.rebase();
        assert_eq!((draft.base(), draft.get(&b), draft.get(&sum)), (g.revision(), 20, 22));
    });
}

#[test]
fn a_signal_it_wrote_that_has_changed_is_a_conflict_and_the_draft_comes_back() {
    in_graph(|g| {
        let a = isobar::Signal::builder(1).name("a").build();
        let b = signal(1);
        let draft = g.draft();
        draft.set(&a, 2);
        draft.set(&b, 2);
        a.set(100);
        let conflict = draft.commit().unwrap_err();
        assert_eq!(conflict.signals, ["a"]);
        assert_eq!((a.get(), b.get()), (100, 1), "nothing of it was committed");
        let mut draft = conflict.into_draft();
        assert_eq!((draft.get(&a), draft.get(&b)), (2, 2));
        draft.rebase();
        draft.commit().unwrap();
        assert_eq!((a.get(), b.get()), (2, 2));
    });
}

#[test]
fn commit_over_overwrites_whatever_has_changed() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let draft = g.draft();
        draft.set(&a, 2);
        a.set(100);
        b.set(100);
        let at = draft.commit_over();
        assert_eq!((a.get(), b.get(), a.revision()), (2, 100, at));
    });
}

#[test]
fn a_signal_it_only_read_may_change() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(10));
        let sum = computed!([a, b] a.get() + b.get());
        let draft = g.draft();
        draft.set(&a, 2);
        draft.get(&sum);
        b.set(20);
        draft.commit().unwrap();
        assert_eq!(sum.get(), 22);
    });
}

#[test]
fn of_two_drafts_on_one_base_the_second_to_write_the_same_signal_conflicts() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let (first, second, third) = (g.draft(), g.draft(), g.draft());
        first.set(&a, 2);
        second.set(&a, 3);
        third.set(&b, 4);
        assert_eq!((first.get(&a), second.get(&a), third.get(&a)), (2, 3, 1));
        first.commit().unwrap();
        assert!(second.commit().is_err());
        third.commit().unwrap();
        assert_eq!((a.get(), b.get()), (2, 4));
    });
}

#[test]
fn an_update_in_a_draft_is_replayed_on_the_newest_value() {
    in_graph(|g| {
        let a = signal(0);
        let draft = g.draft();
        draft.update(&a, |v| v + 1);
        assert_eq!(draft.get(&a), 1);
        a.set(10);
        if let Err(conflict) = draft.commit() {
            let mut draft = conflict.into_draft();
            draft.rebase();
            assert_eq!(draft.get(&a), 11);
            draft.commit().unwrap();
        }
        assert_eq!(a.get(), 11);
    });
}

#[test]
fn a_draft_may_be_filled_on_one_thread_and_committed_on_another() {
    in_graph(|g| {
        let a = signal(1);
        let c = computed!([a] a.get() * 10);
        let draft = g.draft();
        draft.set(&a, 2);
        let node = c.clone();
        let read = thread::spawn(move || {
            let read = draft.get(&node);
            draft.commit().unwrap();
            read
        });
        assert_eq!(read.join().unwrap(), 20);
        assert_eq!(c.get(), 20);
    });
}

#[test]
fn a_draft_works_each_value_out_once_and_leaves_the_cached_ones_alone() {
    in_graph(|g| {
        let runs = Count::new();
        let a = signal(1);
        let c = computed!([a, runs] { runs.tick(); a.get() });
        let d = computed!([c] c.get() + 1);
        d.get();
        runs.take();
        let draft = g.draft();
        draft.set(&a, 2);
        assert_eq!((draft.get(&d), draft.get(&c), draft.get(&d)), (3, 2, 3));
        assert_eq!(runs.take(), 1);
        assert_eq!((d.get(), c.get(), runs.take()), (2, 1, 0));
        draft.set(&a, 3);
        assert_eq!((draft.get(&d), runs.take()), (4, 1));
    });
}

#[test]
fn a_draft_of_equal_values_changes_nothing() {
    in_graph(|g| {
        let runs = Count::new();
        let a = signal(1);
        let _watch = effect!([a, runs] { a.get(); runs.tick(); });
        let at = a.revision();
        runs.take();
        let draft = g.draft();
        draft.set(&a, 7);
        draft.set(&a, 1);
        draft.commit().unwrap();
        assert_eq!((runs.take(), a.revision()), (0, at));
    });
}

#[test]
fn its_diff_names_what_would_differ_and_nothing_else() {
    in_graph(|g| {
        let a = isobar::Signal::builder(1).name("a").build();
        let b = isobar::Signal::builder(1).name("b").build();
        let named = |name: &str, f: Box<dyn Fn() -> i32 + Send + Sync>| {
            isobar::Computed::builder(f).name(name).build()
        };
        let source = a.clone();
        let twice = named("twice", Box::new(move || source.get() * 2));
        let source = a.clone();
        let positive = named("positive", Box::new(move || source.get().signum()));
        let source = b.clone();
        let other = named("other", Box::new(move || source.get()));
        let _watch =
            effect!([twice, positive, other] _ = (twice.get(), positive.get(), other.get()));
        let draft = g.draft();
        draft.set(&a, 5);
        let mut names: Vec<_> = draft.diff().iter().map(|d| d.node().name()).collect();
        names.sort();
        assert_eq!(names, ["a", "twice"]);
    });
}

#[test]
fn a_compare_set_inside_fails_the_whole_commit() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let at = a.revision();
        let draft = g.draft();
        draft.set(&b, 2);
        draft.enter(|| a.compare_set(at, 2).unwrap());
        a.set(100);
        assert!(draft.commit().is_err());
        assert_eq!((a.get(), b.get()), (100, 1));
    });
}

#[test]
fn a_batch_inside_enter_belongs_to_the_draft() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let draft = g.draft();
        draft.enter(|| {
            batch(|| {
                a.set(1);
                b.set(1);
            });
            caught(|| {
                batch(|| {
                    a.set(2);
                    panic!("undone");
                })
            });
        });
        assert_eq!((a.get(), draft.get(&a), draft.get(&b)), (0, 1, 1));
        draft.commit().unwrap();
        assert_eq!((a.get(), b.get()), (1, 1));
    });
}

#[test]
fn an_error_that_would_follow_stays_in_the_draft() {
    in_graph(|g| {
        let a = signal(5);
        let c = computed!([a] {
            assert!(a.get() != 0, "zero");
            10 / a.get()
        });
        assert_eq!(c.get(), 2);
        let draft = g.draft();
        draft.set(&a, 0);
        says(caught(|| draft.get(&c)), &["zero"]);
        assert_eq!(c.get(), 2);
        draft.set(&a, 2);
        assert_eq!(draft.get(&c), 5);
    });
}

#[test]
fn a_conflict_names_every_signal_that_changed_and_no_other() {
    in_graph(|g| {
        let named = |name| isobar::Signal::builder(1).name(name).build();
        let (a, b, c) = (named("a"), named("b"), named("c"));
        let draft = g.draft();
        for signal in [&a, &b, &c] {
            draft.set(signal, 2);
        }
        a.set(5);
        c.set(5);
        let conflict = draft.commit().unwrap_err();
        assert_eq!(conflict.signals, ["a", "c"]);
    });
}

#[test]
fn a_commit_of_a_draft_is_one_of_its_own_also_inside_a_batch() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(1));
        let text = caught(|| {
            batch(|| {
                b.set(2);
                let draft = g.draft();
                draft.set(&a, 2);
                draft.commit().unwrap();
                thread::scope(|s| {
                    s.spawn(|| assert_eq!((a.get(), b.get()), (2, 1))).join().unwrap()
                });
                panic!("the batch fails");
            })
        });
        says(text, &["the batch fails"]);
        assert_eq!((a.get(), b.get()), (2, 1));
    });
}

/// What it read stays readable: its hold was not the draft's to give up.
#[test]
fn a_rebase_that_panics_leaves_the_draft_on_its_base_and_others_their_snapshots() {
    in_graph(|g| {
        let (a, b) = (signal(1), signal(10));
        let mut draft = g.draft();
        let snapshot = g.snapshot();
        draft.update(&a, |n| {
            assert!(*n < 5, "too much");
            n + 100
        });
        draft.update(&b, |n| n + 1);
        batch(|| {
            a.set(7);
            b.set(20);
        });
        says(caught(|| draft.rebase()), &["too much"]);
        assert_eq!((draft.get(&a), draft.get(&b)), (101, 11));
        assert_eq!(draft.base(), snapshot.revision());
        a.set(3);
        draft.rebase();
        assert_eq!((draft.get(&a), draft.get(&b)), (103, 21));
        a.set(8);
        says(caught(|| draft.rebase()), &["too much"]);
        drop(draft);
        for n in 0..1000 {
            a.set(n);
        }
        g.collect();
        assert_eq!((snapshot.get(&a), snapshot.get(&b)), (1, 10));
    });
}

#[test]
fn a_draft_takes_no_computed_for_one_that_is_gone() {
    in_graph(|g| {
        let a = signal(0);
        let draft = g.draft();
        draft.set(&a, 1);
        // Each takes the memory of one before, once there are enough of them.
        for n in 0..200 {
            let sum = computed!([a] a.get() + n);
            assert_eq!((sum.get(), draft.get(&sum)), (n, n + 1));
        }
    });
}

#[test]
fn of_two_results_for_one_draft_the_one_that_goes_may_read_it_in_its_drop() {
    /// Reads the draft when it is dropped.
    struct Reading(Arc<OnceLock<Draft>>, Signal<i32>);
    impl Drop for Reading {
        fn drop(&mut self) {
            self.0.get().map(|draft| draft.get(&self.1));
        }
    }
    in_graph(|g| {
        let a = signal(0);
        let draft = Arc::new(OnceLock::new());
        let (both, runs) = (Arc::new(Barrier::new(2)), AtomicUsize::new(0));
        let of_run = {
            let (a, draft) = (a.clone(), draft.clone());
            move || {
                // Two threads are inside at once, and so both have a result.
                if a.get() == 1 && runs.fetch_add(1, SeqCst) < 2 {
                    both.wait();
                }
                Reading(draft.clone(), a.clone())
            }
        };
        let c = Computed::builder(of_run).always().build();
        let made = g.draft();
        made.set(&a, 1);
        draft.set(made).expect("set once");
        let look = || draft.get().expect("set above").with(&c, |_| ());
        thread::scope(|scope| {
            scope.spawn(look);
            scope.spawn(look);
        });
        // The values own the draft, which owns the values.
        std::mem::forget((draft, c));
    });
}
