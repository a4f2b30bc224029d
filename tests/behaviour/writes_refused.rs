//! Computeds, updates and equalities do not write; there is no hole.

use isobar::{
    Computed, Graph, Linked, Signal, WriteError, batch, computed, effect, linked, signal,
    transaction, untracked,
};

use crate::stage::{Trace, caught, in_graph, in_this, on_stage, panicked_in, says};

/// What `write` answered when a computed tried it.
fn tried_in_a_computed(
    write: impl Fn() -> Result<(), WriteError> + Send + Sync + 'static,
) -> Result<(), WriteError> {
    computed(write).get()
}

#[test]
fn a_set_inside_a_computed_is_its_error() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(1));
        let c = computed!([a, b] { b.set(2); a.get() });
        says(c.try_get().unwrap_err().to_string(), &["set inside a computed"]);
        assert_eq!(b.get(), 1);
    });
}

#[test]
fn every_kind_of_write_inside_a_computed_is_refused() {
    in_graph(|_| {
        type Write = fn(&Signal<i32>);
        let kinds: [(&str, Write); 6] = [
            ("set", |s| s.set(2)),
            ("update", |s| s.update(|v| v + 1)),
            ("mutate", |s| s.mutate(|v| *v += 1)),
            ("replace", |s| drop(s.replace(2))),
            ("touch", |s| s.touch()),
            ("compare_set", |s| s.compare_set(s.revision(), 2).unwrap()),
        ];
        for (name, write) in kinds {
            let s = signal(1);
            let at = s.revision();
            let c = computed!([s] write(&s));
            assert!(c.try_get().is_err(), "{name} went through");
            assert_eq!((s.get(), s.revision()), (1, at), "{name}");
        }
    });
}

#[test]
fn the_trying_writes_inside_a_computed_answer_in_computed() {
    in_graph(|_| {
        let s = signal(1);
        let (a, b, c) = (s.clone(), s.clone(), s.clone());
        let refused = Err(WriteError::InComputed);
        assert_eq!(tried_in_a_computed(move || a.try_set(2)), refused);
        assert_eq!(tried_in_a_computed(move || b.try_update(|v| v + 1)), refused);
        assert_eq!(tried_in_a_computed(move || c.compare_set(c.revision(), 2)), refused);
        assert_eq!(s.get(), 1);
    });
}

#[test]
fn an_equal_set_inside_a_computed_is_refused_as_well() {
    in_graph(|_| {
        let s = signal(1);
        let same = s.clone();
        assert_eq!(tried_in_a_computed(move || same.try_set(1)), Err(WriteError::InComputed));
    });
}

#[test]
fn there_is_no_hole_through_untracked_batch_or_transaction() {
    in_graph(|_| {
        let s = signal(1);
        let (a, b, c) = (s.clone(), s.clone(), s.clone());
        let refused = Err(WriteError::InComputed);
        assert_eq!(tried_in_a_computed(move || untracked(|| a.try_set(2))), refused);
        assert_eq!(tried_in_a_computed(move || batch(|| b.try_set(2))), refused);
        assert_eq!(tried_in_a_computed(move || transaction(|| c.try_set(2))), refused);
        assert_eq!(s.get(), 1);
    });
}

#[test]
fn there_is_no_hole_through_another_graph() {
    in_graph(|_| {
        let elsewhere = Graph::new();
        let (s, entered) = (elsewhere.signal(1), elsewhere.signal(1));
        let (a, b) = (s.clone(), entered.clone());
        let refused = Err(WriteError::InComputed);
        assert_eq!(tried_in_a_computed(move || a.try_set(2)), refused);
        assert_eq!(tried_in_a_computed(move || elsewhere.enter(|| b.try_set(2))), refused);
        assert_eq!((s.get(), entered.get()), (1, 1));
    });
}

#[test]
fn there_is_no_hole_through_a_linked() {
    in_graph(|_| {
        let s = signal(1);
        let l = linked(&s, |s: &i32, _| s * 10);
        let target = l.clone();
        assert_eq!(tried_in_a_computed(move || target.try_set(5)), Err(WriteError::InComputed));
        assert_eq!(l.get(), 10);
    });
}

#[test]
fn there_is_no_hole_through_a_signal_made_on_the_spot() {
    in_graph(|_| {
        let made = tried_in_a_computed(|| signal(1).try_set(2));
        assert_eq!(made, Err(WriteError::InComputed));
    });
}

#[test]
fn there_is_no_hole_through_a_computed_read_by_an_effect() {
    in_graph(|_| {
        let seen = Trace::new();
        let (s, t) = (signal(1), signal(1));
        let c = computed!([s, t] t.try_set(s.get() + 1));
        let _watch = effect!([c, seen] seen.note(c.get()));
        s.set(2);
        assert_eq!(seen.take(), [Err(WriteError::InComputed)]);
        assert_eq!(t.get(), 1);
    });
}

#[test]
fn there_is_no_hole_through_the_function_of_a_map_or_a_linked() {
    in_graph(|_| {
        let (s, t) = (signal(1), signal(1));
        let (a, b) = (t.clone(), t.clone());
        let mapped = s.map(move |_| a.try_set(2));
        let chained = linked(&s, move |_: &i32, _| b.try_set(2));
        assert_eq!(mapped.get(), Err(WriteError::InComputed));
        assert_eq!(chained.get(), Err(WriteError::InComputed));
        assert_eq!(t.get(), 1);
    });
}

#[test]
fn a_write_inside_an_update_is_refused() {
    in_graph(|_| {
        let answers = Trace::new();
        let (s, other) = (signal(1), signal(1));
        let (target, log) = (other.clone(), answers.clone());
        s.update(move |v| {
            log.note(target.try_set(2));
            log.note(target.try_update(|v| v + 1));
            v + 1
        });
        assert_eq!(answers.take(), [Err(WriteError::InUpdate), Err(WriteError::InUpdate)]);
        let (own, log) = (s.clone(), answers.clone());
        s.mutate(move |v| {
            log.note(own.try_set(50));
            *v += 1;
        });
        assert_eq!(answers.take(), [Err(WriteError::InUpdate)]);
        assert_eq!((s.get(), other.get()), (3, 1));
    });
}

#[test]
fn a_set_inside_an_update_panics_and_the_update_does_nothing() {
    in_graph(|_| {
        let (s, other) = (signal(1), signal(1));
        let target = other.clone();
        let words = caught(|| {
            s.update(move |v| {
                target.set(2);
                v + 1
            })
        });
        says(words, &["update"]);
        assert_eq!((s.get(), other.get()), (1, 1));
    });
}

#[test]
fn a_write_inside_an_equality_is_refused() {
    in_graph(|_| {
        let answers = Trace::new();
        let other = signal(1);
        let (target, log) = (other.clone(), answers.clone());
        let writing = move |old: &i32, new: &i32| {
            log.note(target.try_set(2));
            old == new
        };
        let s = Signal::builder(1).equality(writing.clone()).build();
        s.set(2);
        assert_eq!(answers.take(), [Err(WriteError::InUpdate)]);
        let source = s.clone();
        let c = Computed::builder(move || source.get()).equality(writing).build();
        c.get();
        s.set(3);
        c.get();
        assert!(answers.take().iter().all(Result::is_err));
        assert_eq!(other.get(), 1);
    });
}

#[test]
fn a_write_is_allowed_again_behind_the_computed_that_tried_it() {
    in_graph(|_| {
        let s = signal(1);
        let c = computed!([s] { s.set(s.get() + 1); s.get() });
        assert!(c.try_get().is_err());
        s.set(5);
        assert_eq!(s.get(), 5);
        let inner = s.clone();
        caught(|| {
            s.update(move |_| {
                inner.set(7);
                8
            })
        });
        s.set(6);
        assert_eq!(s.get(), 6);
    });
}

#[test]
fn a_computed_read_inside_a_batch_may_not_write_into_the_batch() {
    in_graph(|_| {
        let (s, t) = (signal(1), signal(1));
        let c = computed!([s, t] t.try_set(s.get()));
        batch(|| {
            s.set(2);
            assert_eq!(c.get(), Err(WriteError::InComputed));
        });
        assert_eq!(t.get(), 1);
    });
}

#[test]
fn an_effect_may_write_also_when_its_graph_uses_one_thread_only() {
    in_this(
        || Graph::builder().threads(1).build(),
        |_| {
            let (s, t) = (signal(1), signal(0));
            let _copy = effect!([s, t] t.set(s.get()));
            s.set(2);
            assert_eq!(t.get(), 2);
        },
    );
}

#[test]
fn an_effect_of_one_graph_may_write_a_signal_of_another() {
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let seen = Trace::new();
        let (from, to) = (left.signal(1), right.signal(0));
        let _bridge = left.enter(|| effect!([from, to] to.set(from.get())));
        let _watch = right.enter(|| effect!([to, seen] seen.note(to.get())));
        from.set(2);
        assert_eq!(seen.take(), [1, 2]);
    });
}

#[test]
fn a_draft_is_no_way_around_a_refusal() {
    on_stage(|| {
        let (left, right) = (Graph::new(), Graph::new());
        let (s, other) = (left.signal(1), right.signal(1));
        type Way = fn(&Graph, &Signal<i32>, &Signal<i32>);
        let ways: [(&str, Way); 3] = [
            ("commit", |g, s, _| {
                let draft = g.draft();
                draft.set(s, 2);
                draft.commit().unwrap();
            }),
            ("commit_over", |g, s, _| {
                let draft = g.draft();
                draft.set(s, 2);
                draft.commit_over();
            }),
            ("enter", |g, _, other| g.draft().enter(|| other.set(2))),
        ];
        for (name, way) in ways {
            let c = left.computed({
                let (g, s, other) = (left.clone(), s.clone(), other.clone());
                move || way(&g, &s, &other)
            });
            says(c.try_get().unwrap_err().to_string(), &["set inside a computed"]);
            let (g, t, elsewhere) = (left.clone(), s.clone(), other.clone());
            let target = left.signal(1);
            let refused = caught(|| {
                target.update(move |v| {
                    way(&g, &t, &elsewhere);
                    *v
                });
            });
            says(refused, &["update or equality closure"]);
            assert_eq!((s.get(), other.get()), (1, 1), "{name}");
        }
    });
}

#[test]
fn a_refused_effect_says_that_it_was_made_in_a_computed() {
    in_graph(|_| {
        let c = computed(|| effect(|| ()).dispose());
        says(c.try_get().unwrap_err().to_string(), &["effect was made inside a computed"]);
    });
}

#[test]
fn a_refused_write_panics_where_it_stands() {
    in_graph(|_| {
        let (s, l) = (signal(1), linked(&signal(1), |v, _| *v));
        type Write = fn(&Signal<i32>, &Linked<i32>);
        let kinds: [Write; 7] = [
            |s, _| s.set(2),
            |s, _| s.update(|v| v + 1),
            |s, _| s.mutate(|v| *v += 1),
            |s, _| drop(s.replace(2)),
            |s, _| s.touch(),
            |_, l| l.set(2),
            |_, l| l.update(|v| v + 1),
        ];
        for write in kinds {
            assert!(computed!([s, l] write(&s, &l)).try_get().is_err());
            assert_eq!(panicked_in().as_deref(), Some(file!()));
        }
    });
}
