//! An equal value stops the wave where it stands.

use isobar::{Computed, computed, effect, signal};

use crate::stage::{Count, Trace, in_graph};

#[test]
fn setting_an_equal_value_tells_nobody() {
    in_graph(|_| {
        let runs = Count::new();
        let derivations = Count::new();
        let a = signal(String::from("same"));
        let c = computed!([a, derivations] { derivations.tick(); a.get() });
        let _watch = effect!([a, c, runs] { a.get(); c.get(); runs.tick(); });
        let at = a.revision();
        runs.take();
        derivations.take();
        a.set(String::from("same"));
        assert_eq!((runs.take(), derivations.take()), (0, 0));
        assert_eq!(a.revision(), at);
    });
}

#[test]
fn the_first_value_of_a_computed_is_no_change() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(1);
        let c = computed!([s] s.get() * 10);
        let _watch = effect!([c, runs] { c.get(); runs.tick(); });
        assert_eq!((runs.take(), c.get(), runs.take()), (1, 10, 0));
        s.set(2);
        assert_eq!((runs.take(), c.get(), runs.take()), (1, 20, 0));
    });
}

#[test]
fn a_computed_that_comes_out_equal_stops_the_wave() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let parity = computed!([s, ran] { ran.note("parity"); s.get() % 2 });
        let label = computed!([parity, ran] { ran.note("label"); parity.get() == 1 });
        let _watch = effect!([label, ran] { label.get(); ran.note("effect"); });
        ran.take();
        s.set(3);
        assert_eq!(ran.take(), ["parity"]);
        s.set(5);
        assert_eq!(ran.take(), ["parity"]);
        s.set(6);
        assert_eq!(ran.take(), ["parity", "label", "effect"]);
    });
}

#[test]
fn a_computed_nobody_observes_stops_a_pull_in_the_same_way() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let parity = computed!([s, ran] { ran.note("parity"); s.get() % 2 });
        let label = computed!([parity, ran] { ran.note("label"); parity.get() == 1 });
        label.get();
        ran.take();
        s.set(3);
        ran.expect_silence();
        assert!(label.get());
        assert_eq!(ran.take(), ["parity"]);
        s.set(4);
        assert!(!label.get());
        assert_eq!(ran.take(), ["parity", "label"]);
    });
}

#[test]
fn one_unchanged_source_does_not_hold_back_a_changed_one() {
    in_graph(|_| {
        let seen = Trace::new();
        let a = signal(1);
        let constant = computed!([a] { a.get(); 0 });
        let moving = computed!([a] a.get() + 1);
        let both =
            computed!([constant, moving] { let first = constant.get(); (first, moving.get()) });
        let flipped =
            computed!([constant, moving] { let first = moving.get(); (first, constant.get()) });
        let _watch = effect!([both, flipped, seen] seen.note((both.get(), flipped.get())));
        a.set(2);
        assert_eq!(seen.take(), [((0, 2), (2, 0)), ((0, 3), (3, 0))]);
    });
}

#[test]
fn a_node_whose_sources_all_came_out_equal_does_not_run() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(0);
        let third = computed!([s] s.get() / 3);
        let half = computed!([s] s.get() / 2);
        let both = computed!([third, half, runs] { runs.tick(); third.get() + half.get() });
        let _watch = effect!([both] _ = both.get());
        runs.take();
        s.set(1);
        assert_eq!(runs.take(), 0);
        s.set(2);
        assert_eq!(runs.take(), 1);
        s.set(3);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_stopped_wave_does_not_stop_the_next() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let capped = computed!([s] s.get().min(10));
        let shown = capped.map(|v| format!("<{v}>"));
        let _watch = effect!([shown, seen] seen.note(shown.get()));
        for value in [5, 11, 12, 13, 9] {
            s.set(value);
        }
        assert_eq!(seen.take(), ["<0>", "<5>", "<10>", "<9>"]);
    });
}

#[test]
fn when_equal_the_old_value_stays_so_that_reader_and_watcher_agree() {
    in_graph(|_| {
        let seen = Trace::new();
        let read = Trace::new();
        let s = signal(1.0_f64);
        let near = |old: &f64, new: &f64| (old - new).abs() < 1.0;
        let source = s.clone();
        let c = Computed::builder(move || source.get()).equality(near).build();
        let _watch = effect!([c, seen] seen.note(c.get()));
        for value in [1.5, 2.2, 2.9, 3.5] {
            s.set(value);
            read.note(c.get());
        }
        assert_eq!(seen.take(), [1.0, 2.2, 3.5]);
        assert_eq!(read.take(), [1.0, 2.2, 2.2, 3.5]);
    });
}

#[test]
fn a_step_within_the_tolerance_of_a_computed_wakes_nobody() {
    in_graph(|_| {
        let runs = Count::new();
        let s = signal(1.0_f64);
        let source = s.clone();
        let thirds = Computed::builder(move || 3.333 * source.get());
        let thirds = thirds.equality(|old, new| (old - new).abs() < 0.5).build();
        let _watch = effect!([thirds, runs] { thirds.get(); runs.tick(); });
        runs.take();
        s.set(1.1);
        assert_eq!(runs.take(), 0);
        s.set(1.5);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn what_did_not_change_keeps_its_revision() {
    in_graph(|g| {
        let s = signal(1);
        let parity = computed!([s] s.get() % 2);
        parity.get();
        let at = parity.revision();
        s.set(3);
        parity.get();
        assert_eq!(parity.revision(), at);
        s.set(4);
        parity.get();
        assert_eq!(parity.revision(), g.revision());
    });
}

#[test]
fn a_recovered_error_that_comes_out_as_before_is_still_told() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let checked = computed!([s] {
            assert!(s.get() >= 0, "negative");
            7
        });
        let _watch = effect!([checked, seen] seen.note(checked.try_get().ok()));
        s.set(2);
        s.set(-1);
        s.set(3);
        assert_eq!(seen.take(), [Some(7), None, Some(7)]);
    });
}

#[test]
fn a_write_that_nothing_depends_on_any_more_runs_nothing() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(1);
        let c = computed!([s, ran] { ran.note("c"); s.get() });
        let watch = effect!([c, ran] { c.get(); ran.note("effect"); });
        ran.take();
        drop(watch);
        s.set(2);
        ran.expect_silence();
        assert_eq!(c.get(), 2);
        assert_eq!(ran.take(), ["c"]);
    });
}
