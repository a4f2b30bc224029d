//! `map`, tuples and `all`: derived nodes with fixed sources.

use isobar::{Join as _, all, batch, computed, effect, signal};

use crate::stage::{Count, Trace, in_graph};

#[test]
fn a_map_is_lazy_cached_and_cut_off() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let (first, second) = (ran.clone(), ran.clone());
        let parity = s.map(move |v| {
            first.note("parity");
            v % 2
        });
        let label = parity.map(move |p| {
            second.note("label");
            if *p == 1 { "odd" } else { "even" }
        });
        ran.expect_silence();
        assert_eq!((label.get(), label.get()), ("odd", "odd"));
        assert_eq!(ran.take_sorted(), ["label", "parity"]);
        s.set(3);
        assert_eq!(label.get(), "odd");
        assert_eq!(ran.take(), ["parity"]);
        s.set(4);
        assert_eq!(label.get(), "even");
        assert_eq!(ran.take_sorted(), ["label", "parity"]);
    });
}

#[test]
fn a_join_of_two_sees_both_at_one_revision() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let b = computed!([a] a.get() * 10);
        let both = (&a, &b).map(|a: &i32, b: &i32| (*a, *b));
        let _watch = effect!([both, seen] seen.note(both.get()));
        a.set(2);
        a.set(3);
        assert_eq!(seen.take(), [(1, 10), (2, 20), (3, 30)]);
    });
}

#[test]
fn a_join_may_be_of_different_types_and_of_many() {
    in_graph(|_| {
        let (a, b, c) = (signal(1_u8), signal(String::from("x")), signal(vec![true]));
        let (d, e, f) = (signal(2_i64), signal('z'), signal(0.5_f64));
        let three = (&a, &b, &c).map(|a: &u8, b: &String, c: &Vec<bool>| format!("{a}{b}{c:?}"));
        let six = (&a, &b, &c, &d, &e, &f).map(
            |a: &u8, b: &String, c: &Vec<bool>, d: &i64, e: &char, f: &f64| {
                format!("{a}{b}{}{d}{e}{f}", c.len())
            },
        );
        assert_eq!((three.get(), six.get()), ("1x[true]".into(), "1x12z0.5".into()));
        batch(|| {
            b.set("y".into());
            f.set(1.5);
        });
        assert_eq!((three.get(), six.get()), ("1y[true]".into(), "1y12z1.5".into()));
    });
}

#[test]
fn a_join_runs_once_per_batch_over_all_its_sources() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(2));
        let ran = runs.clone();
        let sum = (&a, &b).map(move |a: &i32, b: &i32| {
            ran.tick();
            a + b
        });
        let _watch = effect!([sum] _ = sum.get());
        runs.take();
        batch(|| {
            a.set(10);
            b.set(20);
        });
        assert_eq!((sum.get(), runs.take()), (30, 1));
    });
}

#[test]
fn all_gives_the_values_in_the_order_of_the_nodes() {
    in_graph(|_| {
        let runs = Count::new();
        let signals: Vec<_> = (0..100).map(signal).collect();
        let ran = runs.clone();
        let digits = all(&signals).map(move |values| {
            ran.tick();
            values.iter().map(|v| **v).collect::<Vec<i32>>()
        });
        assert_eq!(digits.get(), (0..100).collect::<Vec<_>>());
        signals[7].set(-7);
        let changed = digits.get();
        assert_eq!((changed[6], changed[7], changed[8]), (6, -7, 8));
        assert_eq!(runs.take(), 2);
    });
}

#[test]
fn all_of_nothing_is_a_constant() {
    in_graph(|_| {
        let none: Vec<isobar::Signal<i32>> = Vec::new();
        let sum = all(&none).map(|values| values.iter().map(|v| **v).sum::<i32>());
        assert_eq!(sum.get(), 0);
    });
}

#[test]
fn a_map_depends_on_its_fixed_sources_only() {
    in_graph(|_| {
        let runs = Count::new();
        let (s, other) = (signal(1), signal(10));
        let (read, ran) = (other.clone(), runs.clone());
        let c = s.map(move |v| {
            ran.tick();
            v + read.get()
        });
        let _watch = effect!([c] _ = c.get());
        assert_eq!(runs.take(), 1);
        other.set(20);
        assert_eq!((c.get(), runs.take()), (11, 0));
        s.set(2);
        assert_eq!((c.get(), runs.take()), (22, 1));
    });
}

#[test]
fn an_error_of_a_source_is_the_error_of_the_join() {
    in_graph(|_| {
        let s = signal(0);
        let bad = computed!([s] 10 / s.get());
        let (joined, listed) =
            ((&s, &bad).map(|s: &i32, b: &i32| s + b), all([&bad]).map(|v| *v[0]));
        assert!(joined.try_get().is_err() && listed.try_get().is_err());
        s.set(5);
        assert_eq!((joined.get(), listed.get()), (7, 2));
    });
}
