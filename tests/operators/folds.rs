//! Operators with a memory and without a clock.

use std::thread;

use isobar::{Signal, batch, computed, effect, signal, snapshot};

use crate::stage::{Count, Trace, caught, in_graph, in_reporting_graph, says};

#[test]
fn a_filter_begins_with_the_present_value_even_a_rejected_one() {
    in_graph(|_| {
        let s = signal(1);
        let even = s.filter(|n| n % 2 == 0);
        assert_eq!(even.get(), 1);
        s.set(2);
        assert_eq!(even.get(), 2);
        s.set(3);
        assert_eq!(even.get(), 2);
    });
}

#[test]
fn a_filter_tells_each_accepted_value_once() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let even = s.filter(|n| n % 2 == 0);
        let _watch = effect!([even, seen] seen.note(even.get()));
        [1, 2, 2, 3, 4, 6, 5].into_iter().for_each(|n| s.set(n));
        assert_eq!(seen.take(), [0, 2, 4, 6]);
    });
}

#[test]
fn an_operator_takes_each_value_in_though_nobody_reads_it() {
    in_graph(|_| {
        let s = signal(1);
        let (even, sum) = (s.filter(|n| n % 2 == 0), s.scan(0, |sum, n| sum + n));
        (2..=5).for_each(|n| s.set(n));
        assert_eq!((even.get(), sum.get()), (4, 15));
    });
}

#[test]
fn an_operator_never_shows_an_old_value_beside_a_new_source() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let (even, sum) = (s.filter(|n| n % 2 == 0), s.scan(0, |sum, n| sum + n));
        let _watch = effect!([s, even, sum, seen] seen.note((s.get(), even.get(), sum.get())));
        (1..=4).for_each(|n| s.set(n));
        assert_eq!(seen.take(), [(0, 0, 0), (1, 0, 1), (2, 2, 3), (3, 2, 6), (4, 4, 10)]);
    });
}

#[test]
fn on_many_threads_an_operator_agrees_with_its_source_at_each_revision() {
    in_graph(|g| {
        let s = signal(0_i64);
        let tens = s.filter(|n| n % 10 == 0);
        let last = s.pairwise();
        let torn = Count::new();
        let check = computed!([s, tens, last, torn] {
            let (now, ten, pair) = (s.get(), tens.get(), last.get());
            if pair.1 != now || (now % 10 == 0 && ten != now) {
                torn.tick();
            }
            now
        });
        thread::scope(|scope| {
            scope.spawn(|| (1..=1_000).for_each(|n| s.set(n)));
            scope.spawn(|| (0..1_000).for_each(|_| assert!(check.get() <= 1_000)));
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let now = g.snapshot();
                    assert_eq!(now.get(&s), now.get(&last).1);
                }
            });
        });
        g.settle().unwrap();
        assert_eq!((torn.take(), tens.get(), last.get().1), (0, 1_000, 1_000));
    });
}

#[test]
fn a_snapshot_keeps_an_operator_as_it_was() {
    in_graph(|_| {
        let s = signal(1);
        let sum = s.scan(0, |sum, n| sum + n);
        let held: Vec<_> = (2..=4).map(|n| (s.set(n), snapshot()).1).collect();
        s.set(100);
        let sums: Vec<i32> = held.iter().map(|held| held.get(&sum)).collect();
        assert_eq!((sums, sum.get()), (vec![3, 6, 10], 110));
    });
}

#[test]
fn a_draft_takes_the_next_step_and_nobody_else_sees_it() {
    in_graph(|g| {
        let s = signal(1);
        let sum = s.scan(0, |sum, n| sum + n);
        let draft = g.draft();
        draft.set(&s, 10);
        draft.set(&s, 20);
        assert_eq!((draft.get(&sum), sum.get()), (21, 1));
        draft.commit().unwrap();
        assert_eq!(sum.get(), 21);
    });
}

#[test]
fn what_is_set_in_one_batch_is_one_step_and_seen_inside() {
    in_graph(|_| {
        let s = signal(1);
        let steps = s.scan(0, |steps, _| steps + 1);
        batch(|| {
            (2..=9).for_each(|n| s.set(n));
            assert_eq!(steps.get(), 2);
        });
        assert_eq!(steps.get(), 2);
    });
}

#[test]
fn an_operator_made_in_a_batch_begins_with_what_the_batch_left() {
    in_graph(|_| {
        let s = signal(1);
        let pairs = batch(|| {
            let pairs = s.pairwise();
            s.set(2);
            pairs
        });
        assert_eq!(pairs.get(), (None, 2));
        s.set(3);
        assert_eq!(pairs.get(), (Some(2), 3));
    });
}

#[test]
fn filter_map_is_none_until_something_came_through() {
    in_graph(|_| {
        let s = signal("x");
        let number = s.filter_map(|text| text.parse::<i32>().ok());
        assert_eq!(number.get(), None);
        s.set("7");
        assert_eq!(number.get(), Some(7));
        s.set("y");
        assert_eq!(number.get(), Some(7));
    });
}

#[test]
fn distinct_drops_equal_values_of_a_source_to_which_every_set_is_a_change() {
    in_graph(|_| {
        let (all, distinct) = (Count::new(), Trace::new());
        let s = Signal::builder(1).always().build();
        let d = s.distinct();
        let _every = effect!([s, all](s.get(), all.tick()));
        let _watch = effect!([d, distinct] distinct.note(d.get()));
        [1, 1, 2, 2, 1].into_iter().for_each(|n| s.set(n));
        assert_eq!((all.take(), distinct.take()), (6, vec![1, 2, 1]));
    });
}

#[test]
fn dedupe_by_compares_with_the_value_kept_so_small_steps_add_up() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1.0_f64);
        let rough = s.dedupe_by(|kept, new| (kept - new).abs() < 1.0);
        let _watch = effect!([rough, seen] seen.note(rough.get()));
        [1.5, 2.2, 2.9, 3.5].into_iter().for_each(|n| s.set(n));
        assert_eq!(seen.take(), [1.0, 2.2, 3.5]);
        assert_eq!(rough.get(), 3.5);
    });
}

#[test]
fn pairwise_has_the_value_before_if_there_was_one() {
    in_graph(|_| {
        let seen = Trace::new();
        let base = signal(1);
        let pairs = base.map(|n| n * 2).filter(|n| *n > 10).pairwise();
        let _watch = effect!([pairs, seen] seen.note(pairs.get()));
        [6, 7, 3, 10, 11].into_iter().for_each(|n| base.set(n));
        let expected = [(None, 2), (Some(2), 12), (Some(12), 14), (Some(14), 20), (Some(20), 22)];
        assert_eq!(seen.take(), expected);
    });
}

#[test]
fn a_touch_is_no_new_value_to_an_operator() {
    in_graph(|_| {
        let s = Signal::builder(1).always().build();
        let steps = s.scan(0, |steps, _| steps + 1);
        s.touch();
        assert_eq!(steps.get(), 1);
        s.set(1);
        assert_eq!(steps.get(), 2, "to this one an equal value is");
    });
}

#[test]
fn zip_has_both_values_of_one_revision() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(1), signal("x"));
        let both = a.zip(&b);
        let _watch = effect!([both, seen] seen.note(both.get()));
        batch(|| (a.set(2), b.set("y")));
        b.set("z");
        assert_eq!(seen.take(), [(1, "x"), (2, "y"), (2, "z")]);
    });
}

#[test]
fn merge_has_the_value_of_whoever_changed_last() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(10));
        let either = a.merge(&b);
        assert_eq!(either.get(), 1);
        b.set(11);
        assert_eq!(either.get(), 11);
        a.set(2);
        assert_eq!(either.get(), 2);
        batch(|| (b.set(12), a.set(3)));
        assert_eq!(either.get(), 12, "both changed in one commit");
    });
}

#[test]
fn sample_has_the_value_at_the_last_change_of_its_trigger() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, trigger) = (signal(1), signal(0));
        let sampled = s.sample(&trigger);
        let _watch = effect!([sampled, seen] seen.note(sampled.get()));
        s.set(2);
        s.set(3);
        trigger.set(1);
        s.set(4);
        assert_eq!(sampled.get(), 3);
        batch(|| (s.set(5), trigger.set(2)));
        assert_eq!(seen.take(), [1, 3, 5]);
    });
}

#[test]
fn a_source_alone_does_not_commit_for_a_sample() {
    in_graph(|g| {
        let (s, trigger) = (signal(1), signal(0));
        let _sampled = s.sample(&trigger);
        let before = g.stats().commits;
        (2..=11).for_each(|n| s.set(n));
        assert_eq!(g.stats().commits - before, 10);
    });
}

#[test]
fn a_function_that_panics_is_reported_and_is_the_value_until_the_source_changes() {
    in_reporting_graph(|_, failures| {
        let s = signal(1);
        let checked = s.filter(|n| if *n == 13 { panic!("thirteen") } else { n % 2 == 0 });
        s.set(2);
        s.set(13);
        says(caught(|| checked.get()), &["filter of", "thirteen"]);
        says(failures.take().concat(), &["feeder of filter of", "thirteen"]);
        s.set(3);
        assert_eq!(checked.get(), 2, "the memory is as it was");
    });
}

#[test]
fn an_operator_fails_while_its_source_does_and_remembers_what_was_before() {
    in_graph(|_| {
        let s = signal(5);
        let sum = s.map(|n| 100 / n).scan(0, |sum, n| sum + n);
        assert_eq!(sum.get(), 20);
        s.set(0);
        assert!(sum.try_get().is_err());
        s.set(10);
        assert_eq!(sum.get(), 30);
    });
}

#[test]
fn operators_follow_computeds_linked_signals_and_views_alike() {
    in_graph(|_| {
        let s = signal(1);
        let l = isobar::linked(&s, |s: &i32, _| *s);
        let sums = [
            s.scan(0, |sum, n| sum + n),
            s.read_only().scan(0, |sum, n| sum + n),
            s.map(|n| *n).scan(0, |sum, n| sum + n),
            l.scan(0, |sum, n| sum + n),
        ];
        s.set(2);
        assert_eq!(sums.map(|sum| sum.get()), [3, 3, 3, 3]);
    });
}

#[test]
fn what_an_operators_function_reads_is_no_source() {
    in_graph(|_| {
        let (s, limit) = (signal(1), signal(10));
        let below = s.filter({
            let limit = limit.clone();
            move |n| *n < limit.get()
        });
        s.set(20);
        limit.set(100);
        assert_eq!(below.get(), 1);
        s.set(30);
        assert_eq!(below.get(), 30);
    });
}

#[test]
fn nothing_runs_for_what_an_operators_function_has_read() {
    in_graph(|g| {
        let (s, limit) = (signal(1), signal(10));
        let below = s.filter({
            let limit = limit.clone();
            move |n| *n < limit.get()
        });
        let watch = below.subscribe(|_| ());
        s.set(20);
        let before = g.stats();
        limit.set(100);
        let after = g.stats();
        assert_eq!(after.effect_runs, before.effect_runs);
        assert_eq!(after.recomputes, before.recomputes);
        let draft = g.draft();
        draft.set(&s, 200);
        assert_eq!(draft.get(&below), 1);
        draft.set(&limit, 1_000);
        assert_eq!(draft.get(&below), 1);
        drop(watch);
    });
}

#[test]
fn a_step_is_one_run_and_one_commit_more() {
    in_graph(|g| {
        let s = signal(0);
        let _sum = s.scan(0, |sum, n| sum + n);
        let before = g.stats();
        (1..=10).for_each(|n| s.set(n));
        let after = g.stats();
        assert_eq!(after.effect_runs - before.effect_runs, 10);
        assert_eq!(after.commits - before.commits, 20);
    });
}

#[test]
fn counts_under_concurrent_writers_never_go_back() {
    in_graph(|g| {
        let seen = Trace::new();
        let s = signal(0);
        let steps = s.scan(0, |steps, _| steps + 1);
        let _watch = effect!([steps, seen] seen.note(steps.get()));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..300).for_each(|_| s.update(|n| n + 1)));
            }
        });
        g.settle().unwrap();
        let seen = seen.take();
        assert!(seen.is_sorted(), "{seen:?}");
        assert!((2..=901).contains(&steps.get()));
        assert_eq!(seen.last(), Some(&steps.get()));
    });
}
