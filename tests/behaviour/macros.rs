//! The macros clone the handles they name into the closure, nothing else.

use isobar::{Computed, Signal, computed, effect, signal};

use crate::stage::{Trace, in_graph};

#[test]
fn the_named_handles_stay_usable_outside() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(1), signal(2));
        let sum = computed!([a, b] a.get() + b.get());
        let twice = computed!([sum] { let sum = sum.get(); sum * 2 });
        let _watch = effect!([twice, seen] seen.note(twice.get()));
        a.set(10);
        b.set(20);
        assert_eq!((sum.get(), seen.take()), (30, vec![6, 24, 60]));
    });
}

#[test]
fn a_trailing_comma_and_an_empty_list_are_fine() {
    in_graph(|_| {
        let a = signal(1);
        let c = computed!([a,] a.get());
        let constant = computed!([] 7);
        let _watch = effect!([a,] _ = a.get());
        assert_eq!((c.get(), constant.get()), (1, 7));
    });
}

#[test]
fn a_plain_value_may_be_moved_in_beside_the_named_handles() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let factor = 3;
        let words = String::from("times three");
        let c = computed!([a, words] { let a = a.get(); (a * factor, words.len()) });
        let mut before = 0;
        let _watch = effect!([c, seen] {
            let now = c.get().0;
            seen.note(now - before);
            before = now;
        });
        a.set(2);
        assert_eq!((words.len(), seen.take()), (11, vec![3, 3]));
    });
}

#[test]
fn they_build_in_the_entered_graph() {
    in_graph(|g| {
        let before = g.stats().live_effects;
        let a = signal(1);
        let _watch = effect!([a] _ = a.get());
        assert_eq!(g.stats().live_effects, before + 1);
    });
}

/// As in a method, or in a function that is given its handles.
#[test]
fn handles_may_be_named_by_reference() {
    fn plus_one(a: &Signal<i32>) -> Computed<i32> {
        computed!([a] a.get() + 1)
    }
    in_graph(|_| {
        let a = signal(1);
        let c = plus_one(&a);
        a.set(2);
        assert_eq!(c.get(), 3);
    });
}
