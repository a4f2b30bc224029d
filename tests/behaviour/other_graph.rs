//! Graphs are worlds of their own; reading across is an error, not silence.

use isobar::{Computed, Graph, ReadError, Signal, computed, effect, signal};

use crate::stage::{Trace, on_stage, says};

fn left_and_right() -> (Graph, Graph) {
    (Graph::builder().name("left").build(), Graph::builder().name("right").build())
}

#[test]
fn a_computed_that_reads_a_node_of_another_graph_fails_naming_both() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let theirs = Signal::builder(1).name("theirs").graph(&right).build();
        let mixed = left.enter(|| computed!([theirs] theirs.get()));
        let error = mixed.try_get().unwrap_err();
        assert!(matches!(error, ReadError::OtherGraph { .. }), "{error:?}");
        says(error.to_string(), &["left", "right", "theirs"]);
        says(crate::stage::caught(|| mixed.get()), &["left", "right"]);
    });
}

#[test]
fn a_computed_of_another_graph_is_refused_too() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let theirs = right.enter(|| {
            let s = signal(1);
            computed!([s] s.get())
        });
        let mixed = left.enter(|| theirs.map(|v| *v));
        let by_hand = left.enter(|| computed!([theirs] theirs.get()));
        assert!(matches!(by_hand.try_get(), Err(ReadError::OtherGraph { .. })));
        assert_eq!(theirs.get(), 1);
        assert_eq!(mixed.get(), 1, "a map lives in the graph of its source");
    });
}

#[test]
fn an_effect_that_reads_a_node_of_another_graph_is_reported_naming_both() {
    on_stage(|| {
        let failures = Trace::new();
        let told = failures.clone();
        let left = Graph::builder()
            .name("left")
            .on_error(move |failure| told.note(failure.to_string()))
            .build();
        let right = Graph::builder().name("right").build();
        let theirs = right.signal(1);
        let _mixed = left.enter(|| effect!([theirs] _ = theirs.get()));
        says(failures.take().join("\n"), &["left", "right"]);
    });
}

#[test]
fn a_computed_may_catch_it_and_go_on() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let theirs = right.enter(|| computed(|| 1));
        let careful = left.enter(|| computed!([theirs] theirs.try_get().unwrap_or(-1)));
        assert_eq!(careful.get(), -1);
    });
}

#[test]
fn what_is_built_for_a_graph_lives_there_whatever_is_entered() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let s = left.enter(|| Signal::builder(1).graph(&right).build());
        let source = s.clone();
        let c = left.enter(|| Computed::builder(move || source.get() * 10).graph(&right).build());
        assert_eq!(c.try_get(), Ok(10));
        s.set(2);
        assert_eq!(c.get(), 20);
    });
}

#[test]
fn outside_evaluations_nodes_of_any_graph_may_be_read() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let (mine, theirs) = (left.signal(1), right.signal(2));
        left.enter(|| assert_eq!((mine.get(), theirs.get()), (1, 2)));
    });
}

#[test]
fn the_revisions_of_two_graphs_have_nothing_to_do_with_each_other() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let (a, b) = (left.signal(0), right.signal(0));
        let before = right.revision();
        (1..=10).for_each(|v| a.set(v));
        assert_eq!(right.revision(), before);
        b.set(1);
        assert_eq!(right.revision().as_u64(), before.as_u64() + 1);
    });
}

#[test]
fn a_slow_effect_of_one_graph_does_not_hold_up_another() {
    on_stage(|| {
        let (left, right) = left_and_right();
        let seen = Trace::new();
        let halt = crate::stage::Halt::idle();
        let (a, b) = (left.signal(0), right.signal(0));
        let _slow = left.enter(|| effect!([a, halt] { a.get(); halt.here(); }));
        let _quick = right.enter(|| effect!([b, seen] seen.note(b.get())));
        halt.arm();
        std::thread::scope(|scope| {
            scope.spawn(|| a.set(1));
            halt.reached();
            b.set(1);
            assert_eq!(seen.take(), [0, 1]);
            halt.release();
        });
    });
}

#[test]
fn fifty_graphs_bridged_by_effects_pass_a_write_on_to_the_last() {
    on_stage(|| {
        let graphs: Vec<_> = (0..50).map(|_| Graph::new()).collect();
        let signals: Vec<_> = graphs.iter().map(|g| g.signal(0)).collect();
        let bridges: Vec<_> = (1..50)
            .map(|i| {
                let (from, to) = (signals[i - 1].clone(), signals[i].clone());
                graphs[i - 1].effect(move || to.set(from.get() + 1))
            })
            .collect();
        assert_eq!(signals[49].get(), 49);
        signals[0].set(100);
        assert_eq!(signals[49].get(), 149);
        drop(bridges);
    });
}
