//! A linked computed follows its source, and may be set until the source changes.

use std::thread;

use isobar::{Computed, Linked, Signal, batch, computed, effect, linked, signal, snapshot};

use crate::stage::{Count, Halt, Trace, in_graph};

#[test]
fn a_linked_follows_its_source_and_is_lazy() {
    in_graph(|_| {
        let runs = Count::new();
        let page = signal(1);
        let ran = runs.clone();
        let title = linked(&page, move |page: &i32, _| {
            ran.tick();
            format!("page {page}")
        });
        assert_eq!(runs.take(), 0);
        assert_eq!((title.get(), title.get(), runs.take()), ("page 1".into(), "page 1".into(), 1));
        page.set(2);
        assert_eq!((title.get(), runs.take()), ("page 2".into(), 1));
    });
}

#[test]
fn a_set_holds_until_the_source_changes() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, stranger) = (signal(1), signal(0));
        let l = linked(&s, |s: &i32, _| s * 10);
        let _watch = effect!([l, seen] seen.note(l.get()));
        l.set(99);
        stranger.set(1);
        s.set(1);
        assert_eq!(l.get(), 99);
        s.set(2);
        assert_eq!(l.get(), 20);
        assert_eq!(seen.take(), [10, 99, 20]);
    });
}

#[test]
fn a_set_before_the_first_read_holds_and_the_source_still_resets_it() {
    in_graph(|_| {
        let page = signal(1);
        let l = linked(&page, |page: &i32, _| *page);
        l.set(77);
        assert_eq!(l.get(), 77);
        page.set(2);
        assert_eq!(l.get(), 2);
    });
}

#[test]
fn a_set_after_an_unread_source_change_is_the_later_one() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        assert_eq!(l.get(), 10);
        s.set(2);
        l.set(99);
        assert_eq!(l.get(), 99);
        s.set(3);
        assert_eq!(l.get(), 30);
    });
}

#[test]
fn in_one_batch_program_order_decides() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        let _watch = effect!([l, seen] seen.note(l.get()));
        batch(|| {
            s.set(2);
            l.set(5);
            assert_eq!(l.get(), 5);
        });
        batch(|| {
            l.set(6);
            s.set(3);
            assert_eq!(l.get(), 30);
        });
        assert_eq!(seen.take(), [10, 5, 30]);
        s.set(4);
        assert_eq!(seen.take(), [40]);
    });
}

#[test]
fn it_is_told_its_previous_value_and_source() {
    in_graph(|_| {
        let told = Trace::new();
        let s = signal(1);
        let log = told.clone();
        let l: Linked<i32> = linked(&s, move |s: &i32, previous| {
            log.note((*s, previous.map(|p| (*p.value, *p.source))));
            s * 10
        });
        l.get();
        s.set(2);
        l.get();
        l.set(7);
        s.set(3);
        l.get();
        assert_eq!(told.take(), [(1, None), (2, Some((10, 1))), (3, Some((7, 2)))]);
    });
}

#[test]
fn it_is_told_its_previous_value_and_source_also_when_they_are_nothing() {
    in_graph(|_| {
        let told = Trace::new();
        let s: Signal<Option<i32>> = signal(None);
        let log = told.clone();
        let l: Linked<Option<i32>> = linked(&s, move |s: &Option<i32>, previous| {
            log.note(previous.map(|p| (*p.value, *p.source)));
            s.filter(|n| n % 2 == 0)
        });
        l.get();
        [Some(1), None].into_iter().for_each(|n| (s.set(n), l.get()).0);
        l.set(Some(7));
        s.set(Some(3));
        l.get();
        let expected = [None, Some((None, None)), Some((None, Some(1))), Some((Some(7), None))];
        assert_eq!(told.take(), expected);
    });
}

#[test]
fn a_set_takes_in_an_unread_source_change_and_what_comes_next_is_told_so() {
    in_graph(|_| {
        let told = Trace::new();
        let s = signal(1);
        let log = told.clone();
        let l: Linked<i32> = linked(&s, move |s: &i32, previous| {
            log.note(previous.map(|p| (*p.value, *p.source)));
            s * 10
        });
        l.get();
        s.set(2);
        l.set(99);
        assert_eq!(l.get(), 99);
        s.set(3);
        assert_eq!((l.get(), told.take()), (30, vec![None, Some((99, 2))]));
    });
}

#[test]
fn what_a_draft_or_a_snapshot_makes_of_it_is_nobodys_previous_value() {
    in_graph(|g| {
        let told = Trace::new();
        let s = signal(1);
        let log = told.clone();
        let l: Linked<i32> = linked(&s, move |s: &i32, previous| {
            log.note(previous.map(|p| (*p.value, *p.source)));
            s * 10
        });
        l.get();
        let before = snapshot();
        let draft = g.draft();
        draft.set(&s, 5);
        assert_eq!(draft.get(&l), 50);
        drop(draft);
        s.set(2);
        assert_eq!((before.get(&l), l.get()), (10, 20));
        assert_eq!(told.take().last(), Some(&Some((10, 1))));
    });
}

#[test]
fn over_a_computed_it_follows_whatever_that_one_reads() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(2));
        let sum = computed!([a, b] a.get() + b.get());
        let l = linked(&sum, |sum: &i32, _| *sum);
        l.set(99);
        a.set(10);
        assert_eq!(l.get(), 12);
        l.set(99);
        b.set(3);
        assert_eq!(l.get(), 13);
    });
}

#[test]
fn over_a_computed_to_which_every_run_is_a_change_any_source_resets_it() {
    in_graph(|_| {
        let s = signal(1);
        let parity = Computed::builder({
            let s = s.clone();
            move || s.get() % 2
        });
        let l = linked(&parity.always().build(), |parity: &i32, _| *parity);
        l.set(99);
        s.set(3);
        assert_eq!(l.get(), 1);
    });
}

#[test]
fn a_choice_is_kept_while_it_is_still_on_offer() {
    in_graph(|_| {
        let options = signal(vec!["A", "B", "C"]);
        let choice = linked(&options, |options: &Vec<&'static str>, previous| {
            let kept = previous.map(|p| *p.value).filter(|v| options.contains(v));
            kept.unwrap_or(options[0])
        });
        choice.set("B");
        assert_eq!(choice.get(), "B");
        options.set(vec!["X", "B", "Y"]);
        assert_eq!(choice.get(), "B");
        options.set(vec!["X", "Y", "Z"]);
        assert_eq!(choice.get(), "X");
    });
}

#[test]
fn an_update_of_a_linked_that_was_never_read_starts_from_its_function() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        l.update(|v| v + 1);
        assert_eq!(l.get(), 11);
        l.mutate(|v| *v += 1);
        assert_eq!(l.get(), 12);
    });
}

#[test]
fn linked_over_linked_reset_one_after_the_other() {
    in_graph(|_| {
        let s = signal(1);
        let first = linked(&s, |s: &i32, _| s * 10);
        let second = linked(&first, |first: &i32, _| first + 100);
        assert_eq!(second.get(), 110);
        first.set(50);
        assert_eq!(second.get(), 150);
        second.set(999);
        assert_eq!((first.get(), second.get()), (50, 999));
        s.set(2);
        assert_eq!((first.get(), second.get()), (20, 120));
    });
}

#[test]
fn an_override_equal_to_what_stands_wakes_nobody() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        let _watch = effect!([l, seen] seen.note(l.get()));
        l.set(20);
        l.set(20);
        s.set(2);
        assert_eq!(l.get(), 20);
        assert_eq!(seen.take(), [10, 20]);
    });
}

#[test]
fn a_source_that_comes_out_equal_does_not_reset_it() {
    in_graph(|_| {
        let s = signal(1);
        let parity = computed!([s] s.get() % 2);
        let l = linked(&parity, |parity: &i32, _| parity * 10);
        l.set(99);
        s.set(3);
        assert_eq!(l.get(), 99);
        s.set(4);
        assert_eq!(l.get(), 0);
    });
}

#[test]
fn a_set_clears_the_error_of_its_function() {
    in_graph(|_| {
        let s = signal(0);
        let l = linked(&s, |s: &i32, _| 10 / s);
        assert!(l.try_get().is_err());
        l.set(5);
        assert_eq!(l.try_get(), Ok(5));
        s.set(2);
        assert_eq!(l.try_get(), Ok(5), "10 / 2");
    });
}

#[test]
fn a_snapshot_sees_it_as_it_stood() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        let at_first = snapshot();
        l.set(99);
        let overridden = snapshot();
        s.set(2);
        let reset = snapshot();
        let read = [&at_first, &overridden, &reset].map(|snap| snap.get(&l));
        assert_eq!(read, [10, 99, 20]);
    });
}

#[test]
fn updates_of_a_linked_by_many_threads_are_all_kept() {
    in_graph(|_| {
        let s = signal(0);
        let l = linked(&s, |s: &i32, _| *s);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| l.update(|v| v + 1)));
            }
        });
        assert_eq!(l.get(), 2_000);
        s.set(1);
        assert_eq!(l.get(), 1);
    });
}

#[test]
fn an_update_of_a_linked_inside_a_batch_is_replayed_on_the_newest_value() {
    in_graph(|_| {
        let s = signal(0);
        let l = linked(&s, |s: &i32, _| *s);
        batch(|| {
            l.update(|v| v + 1);
            thread::scope(|scope| {
                scope.spawn(|| l.update(|v| v + 10));
            });
            assert_eq!(l.get(), 1);
        });
        assert_eq!(l.get(), 11);
    });
}

#[test]
fn a_source_that_changed_and_came_back_has_changed() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        l.set(99);
        s.set(2);
        s.set(1);
        assert_eq!(l.get(), 10);
    });
}

#[test]
fn a_set_and_a_source_change_on_two_threads_end_in_one_of_the_two_and_the_watcher_saw_it() {
    for round in 0..50 {
        in_graph(move |g| {
            let seen = Trace::new();
            let s = signal(0);
            let l = linked(&s, |s: &i32, _| s * 10);
            let _watch = effect!([l, seen] seen.note(l.get()));
            thread::scope(|scope| {
                scope.spawn(|| s.set(round + 1));
                scope.spawn(|| l.set(-1));
            });
            g.settle().unwrap();
            let end = l.get();
            assert!([-1, (round + 1) * 10].contains(&end), "{end}");
            assert_eq!(seen.take().last(), Some(&end));
        });
    }
}

#[test]
fn an_abandoned_batch_leaves_the_override_as_it_was() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        l.set(5);
        crate::stage::caught(|| {
            batch(|| {
                s.set(2);
                l.set(6);
                panic!("abandon");
            })
        });
        assert_eq!((s.get(), l.get()), (1, 5));
    });
}

#[test]
fn a_draft_resets_the_override_and_may_set_one_of_its_own() {
    in_graph(|g| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        l.set(99);
        let mut draft = g.draft();
        assert_eq!(draft.get(&l), 99);
        draft.set(&s, 2);
        assert_eq!((draft.get(&l), l.get()), (20, 99));
        draft.enter(|| l.set(5));
        assert_eq!((draft.get(&l), l.get()), (5, 99));
        draft.rebase();
        assert_eq!(draft.get(&l), 5);
        draft.commit().unwrap();
        assert_eq!((s.get(), l.get()), (2, 5));
        s.set(3);
        assert_eq!(l.get(), 30);
    });
}

#[test]
fn a_transaction_that_read_one_runs_again_when_it_was_set_or_its_source_changed() {
    for disturb_source in [false, true] {
        in_graph(move |g| {
            let attempts = Trace::new();
            let (s, out) = (signal(1), signal(0));
            let l = linked(&s, |s: &i32, _| s * 10);
            let halt = Halt::first();
            thread::scope(|scope| {
                scope.spawn(|| {
                    g.transaction(|| -> Result<(), ()> {
                        let read = l.get();
                        attempts.note(read);
                        halt.here();
                        out.set(read);
                        Ok(())
                    })
                });
                halt.reached();
                if disturb_source {
                    s.set(2)
                } else {
                    l.set(20)
                }
                halt.release();
            });
            assert_eq!((attempts.take(), out.get()), (vec![10, 20], 20));
        });
    }
}

#[test]
fn an_override_made_in_an_effect_is_one_commit_with_its_other_writes() {
    in_graph(|_| {
        let seen = Trace::new();
        let (go, s, other) = (signal(0), signal(1), signal(0));
        let l = linked(&s, |s: &i32, _| s * 10);
        let _watch = effect!([l, other, seen] seen.note((l.get(), other.get())));
        let _writer = effect!([go, l, other] {
            if go.get() > 0 {
                l.set(go.get());
                other.set(go.get());
            }
        });
        go.set(7);
        assert_eq!(seen.take(), [(10, 0), (7, 7)]);
    });
}

#[test]
fn a_built_one_has_its_name_in_errors_and_keeps_the_old_value_while_equal() {
    in_graph(|_| {
        let s = signal(1);
        let rough = Linked::builder(&s, |s: &i32, _| 100 / s);
        let rough = rough.name("rough").equality(|old: &i32, new: &i32| old.abs_diff(*new) < 5);
        let rough = rough.build();
        assert_eq!((rough.name(), rough.get()), ("rough".to_string(), 100));
        rough.set(97);
        assert_eq!(rough.get(), 100);
        rough.set(95);
        assert_eq!(rough.get(), 95);
        s.set(0);
        let failure = rough.try_get().unwrap_err().to_string();
        assert!(failure.starts_with("rough panicked"), "{failure}");
    });
}
