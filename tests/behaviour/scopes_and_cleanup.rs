//! Who owns what: nested effects, scopes, cleanups.

use isobar::{Effect, Graph, effect, on_cleanup, scope, signal};

use crate::stage::{Trace, caught, in_graph, on_stage, says};

/// Notes `what` when the owner in whose run this is called cleans up.
fn farewell(ran: &Trace<&'static str>, what: &'static str) {
    let ran = ran.clone();
    on_cleanup(move || ran.note(what));
}

#[test]
fn a_cleanup_runs_before_the_next_run_and_at_dispose() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let watch = effect!([s, ran] {
            s.get();
            ran.note("run");
            farewell(&ran, "first");
            farewell(&ran, "second");
        });
        s.set(1);
        assert_eq!(ran.take(), ["run", "second", "first", "run"]);
        watch.dispose();
        watch.dispose();
        assert_eq!(ran.take(), ["second", "first"]);
    });
}

#[test]
fn a_cleanup_belongs_to_the_run_that_registered_it() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let watch = effect!([s, ran] {
            if s.get() == 0 {
                farewell(&ran, "of the first run");
            }
        });
        s.set(1);
        s.set(2);
        watch.dispose();
        assert_eq!(ran.take(), ["of the first run"]);
    });
}

#[test]
fn the_cleanups_and_nested_effects_of_one_run_go_last_first() {
    in_graph(|_| {
        let ran = Trace::new();
        let watch = effect!([ran] {
            farewell(&ran, "first");
            effect!([ran] farewell(&ran, "nested")).detach();
            farewell(&ran, "last");
        });
        watch.dispose();
        assert_eq!(ran.take(), ["last", "nested", "first"]);
    });
}

#[test]
fn a_cleanup_outside_of_an_effect_or_scope_is_refused() {
    in_graph(|_| says(caught(|| on_cleanup(|| ())), &["on_cleanup"]));
}

#[test]
fn a_cleanup_may_write_and_what_it_wrote_is_seen() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, closed) = (signal(0), signal(0));
        let watch = effect!([s, closed] {
            s.get();
            let closed = closed.clone();
            on_cleanup(move || closed.update(|c| c + 1));
        });
        let _count = effect!([closed, seen] seen.note(closed.get()));
        s.set(1);
        s.set(2);
        watch.dispose();
        assert_eq!(seen.take(), [0, 1, 2, 3]);
    });
}

#[test]
fn a_nested_effect_is_cleaned_up_before_the_next_run_of_its_owner() {
    in_graph(|g| {
        let ran = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let outer = effect!([s, t, ran] {
            ran.note(("outer", s.get()));
            effect!([t, ran] ran.note(("inner", t.get()))).detach();
        });
        ran.take();
        for round in 1..=3 {
            s.set(round);
            assert_eq!(ran.take(), [("outer", round), ("inner", 0)]);
            assert_eq!(g.stats().live_effects, 2);
        }
        t.set(1);
        assert_eq!(ran.take(), [("inner", 1)]);
        outer.dispose();
        t.set(2);
        ran.expect_silence();
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn nested_effects_and_their_cleanups_go_last_first() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let outer = effect!([s, ran] {
            s.get();
            for name in ["first", "second", "third"] {
                effect!([ran] farewell(&ran, name)).detach();
            }
            ran.note("body");
        });
        s.set(1);
        assert_eq!(ran.take(), ["body", "third", "second", "first", "body"]);
        outer.dispose();
        assert_eq!(ran.take(), ["third", "second", "first"]);
    });
}

#[test]
fn a_nested_effect_is_cleaned_up_also_when_its_handle_is_kept_elsewhere() {
    in_graph(|_| {
        let ran = Trace::new();
        let kept: Trace<Effect> = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let _outer = effect!([s, t, ran, kept] {
            let made_at = s.get();
            kept.note(effect!([t, ran] ran.note((made_at, t.get()))));
        });
        s.set(1);
        ran.take();
        t.set(1);
        assert_eq!(ran.take(), [(1, 1)]);
        let kept = kept.take();
        assert_eq!(kept.iter().map(Effect::is_disposed).collect::<Vec<_>>(), [true, false]);
    });
}

#[test]
fn a_nested_handle_that_is_dropped_disposes_at_once() {
    in_graph(|_| {
        let ran = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let _outer = effect!([s, t, ran] {
            s.get();
            drop(effect!([t, ran] { t.get(); ran.note("inner"); farewell(&ran, "gone"); }));
            ran.note("end of outer");
        });
        assert_eq!(ran.take(), ["inner", "gone", "end of outer"]);
        t.set(1);
        ran.expect_silence();
    });
}

#[test]
fn the_inner_reads_are_not_the_outers() {
    in_graph(|_| {
        let ran = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let _outer = effect!([s, t, ran] {
            ran.note(("outer", s.get()));
            effect!([t, ran] ran.note(("inner", t.get()))).detach();
        });
        ran.take();
        t.set(1);
        assert_eq!(ran.take(), [("inner", 1)]);
    });
}

#[test]
fn an_owner_and_its_nested_effect_woken_by_one_write_do_not_run_the_stale_inner() {
    in_graph(|_| {
        let ran = Trace::new();
        let item = signal(Some(1));
        let _outer = effect!([item, ran] {
            if item.with(Option::is_some) {
                effect!([item, ran] ran.note(item.with(|i| i.expect("there is one")))).detach();
            }
        });
        item.set(Some(2));
        assert_eq!(ran.take(), [1, 2]);
        item.set(None);
        ran.expect_silence();
    });
}

#[test]
fn three_levels_of_effects_are_cleaned_up_together() {
    in_graph(|g| {
        let ran = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let top = effect!([s, t, ran] {
            s.get();
            farewell(&ran, "top");
            effect!([t, ran] {
                farewell(&ran, "middle");
                effect!([t, ran] { t.get(); ran.note("leaf runs"); farewell(&ran, "leaf"); })
                    .detach();
            })
            .detach();
        });
        assert_eq!(ran.take(), ["leaf runs"]);
        s.set(1);
        let noted = ran.take();
        assert_eq!(noted.last(), Some(&"leaf runs"));
        let cleaned = &noted[..noted.len() - 1];
        let place = |name| cleaned.iter().position(|n| *n == name);
        assert_eq!(cleaned.len(), 3, "{cleaned:?}");
        assert!(place("leaf").is_some() && place("middle").is_some() && place("top").is_some());
        assert_eq!(g.stats().live_effects, 3);
        top.dispose();
        ran.take();
        t.set(1);
        ran.expect_silence();
        assert_eq!(g.stats().live_effects, 0);
    });
}

#[test]
fn an_effect_made_in_a_cleanup_belongs_to_the_owner_of_the_effect() {
    in_graph(|_| {
        let ran = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let owner = scope(|| {
            effect!([s, t, ran] {
                if s.get() == 0 {
                    let (t, ran) = (t.clone(), ran.clone());
                    on_cleanup(move || effect!([t, ran] ran.note(t.get())).detach());
                }
            })
            .detach();
        });
        s.set(1);
        assert_eq!(ran.take(), [0]);
        s.set(2);
        t.set(1);
        assert_eq!(ran.take(), [1], "the runs of the effect do not clean it up");
        owner.dispose();
        t.set(2);
        ran.expect_silence();
    });
}

#[test]
fn a_scope_disposes_what_was_made_and_detached_in_it_last_first() {
    in_graph(|_| {
        let ran = Trace::new();
        let s = signal(0);
        let owner = scope(|| {
            for name in ["first", "second", "third"] {
                effect!([s, ran] { s.get(); ran.note("run"); farewell(&ran, name); }).detach();
            }
        });
        assert_eq!(ran.take(), ["run", "run", "run"]);
        drop(owner);
        assert_eq!(ran.take(), ["third", "second", "first"]);
        s.set(1);
        ran.expect_silence();
    });
}

#[test]
fn a_scope_may_be_added_to_and_disposed_by_reference() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let owner = scope(|| ());
        let made = owner.run(|| {
            effect!([s, seen] seen.note(s.get())).detach();
            "made"
        });
        assert_eq!(made, "made");
        s.set(1);
        owner.dispose();
        owner.dispose();
        s.set(2);
        assert_eq!(seen.take(), [0, 1]);
    });
}

#[test]
fn a_scope_has_cleanups_of_its_own() {
    in_graph(|_| {
        let ran = Trace::new();
        let owner = scope(|| farewell(&ran, "scope"));
        ran.expect_silence();
        owner.dispose();
        drop(owner);
        assert_eq!(ran.take(), ["scope"]);
    });
}

#[test]
fn an_effect_whose_handle_is_kept_inside_a_scope_is_not_disposed_twice() {
    in_graph(|_| {
        let ran = Trace::new();
        let kept: Trace<Effect> = Trace::new();
        let owner = scope(|| kept.note(effect!([ran] farewell(&ran, "cleanup"))));
        drop(kept.take());
        drop(owner);
        assert_eq!(ran.take(), ["cleanup"]);
    });
}

#[test]
fn a_scope_made_in_an_effect_lives_as_its_handle_says() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, t) = (signal(0), signal(0));
        let _outer = effect!([s, t, seen] {
            s.get();
            let inner = scope(|| effect!([t, seen] seen.note(t.get())).detach());
            drop(inner);
        });
        t.set(1);
        assert_eq!(seen.take(), [0]);
    });
}

#[test]
fn scopes_nest_and_the_inner_goes_with_its_own_handle() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(0);
        let inner = Trace::new();
        let outer = scope(|| {
            effect!([s, seen] seen.note(("outer", s.get()))).detach();
            inner.note(scope(|| effect!([s, seen] seen.note(("inner", s.get()))).detach()));
        });
        seen.take();
        drop(inner.take());
        s.set(1);
        assert_eq!(seen.take(), [("outer", 1)]);
        drop(outer);
        s.set(2);
        seen.expect_silence();
    });
}

#[test]
fn the_last_handle_of_a_graph_takes_its_detached_effects_along() {
    on_stage(|| {
        let ran = Trace::new();
        let graph = Graph::new();
        let s = graph.signal(0);
        let c = graph.computed({
            let s = s.clone();
            move || s.get() * 10
        });
        graph.enter(|| {
            effect!([c, ran] { c.get(); ran.note("run"); farewell(&ran, "cleanup"); }).detach();
        });
        let second_handle = graph.clone();
        drop(graph);
        s.set(1);
        assert_eq!(ran.take(), ["run", "cleanup", "run"]);
        drop(second_handle);
        assert_eq!(ran.take(), ["cleanup"]);
        s.set(2);
        assert_eq!((s.get(), c.get()), (2, 20), "its nodes stay readable");
        ran.expect_silence();
    });
}
