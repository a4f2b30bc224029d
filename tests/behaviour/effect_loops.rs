//! Effects that write what effects read: they run until nothing changes, or are stopped by name.

use isobar::{Effect, Graph, Signal, computed, effect, signal};

use crate::stage::{Count, Trace, in_graph, in_reporting_graph, says, within};

fn named(name: &str, body: impl FnMut() + Send + 'static) -> Effect {
    Effect::builder(body).name(name).build()
}

/// Two effects that each set their signal one above what the other set: they never agree.
fn quarrel(a: &Signal<i32>, b: &Signal<i32>) -> [Effect; 2] {
    let (from_a, to_b) = (a.clone(), b.clone());
    let (from_b, to_a) = (b.clone(), a.clone());
    [
        named("raise b", move || to_b.set(from_a.get() + 1)),
        named("raise a", move || to_a.set(from_b.get() + 1)),
    ]
}

#[test]
fn an_effect_that_writes_its_own_input_runs_until_nothing_changes() {
    in_reporting_graph(|g, failures| {
        let seen = Trace::new();
        let s = signal(0);
        let _climb = effect!([s, seen] {
            let value = s.get();
            seen.note(value);
            if value < 5 {
                s.set(value + 1);
            }
        });
        assert_eq!((seen.take(), s.get()), (vec![0, 1, 2, 3, 4, 5], 5));
        s.set(3);
        assert_eq!((seen.take(), s.get()), (vec![3, 4, 5], 5));
        failures.expect_silence();
        assert_eq!(g.settle(), Ok(g.revision()));
    });
}

#[test]
fn two_effects_that_come_to_agree_are_no_loop() {
    in_reporting_graph(|g, failures| {
        let (celsius, fahrenheit) = (signal(0), signal(32));
        let _forth = effect!([celsius, fahrenheit] fahrenheit.set(celsius.get() * 9 / 5 + 32));
        let _back = effect!([celsius, fahrenheit] celsius.set((fahrenheit.get() - 32) * 5 / 9));
        celsius.set(100);
        assert_eq!((celsius.get(), fahrenheit.get()), (100, 212));
        fahrenheit.set(32);
        assert_eq!((celsius.get(), fahrenheit.get()), (0, 32));
        g.settle().unwrap();
        failures.expect_silence();
    });
}

#[test]
fn a_cascade_of_fifty_effects_settles_before_set_returns() {
    in_reporting_graph(|_, failures| {
        let cells: Vec<_> = (0..=50).map(|_| signal(0)).collect();
        // Made last first, so that each round reaches one cell further.
        let watches: Vec<_> = (0..50)
            .rev()
            .map(|i| {
                let (from, to) = (cells[i].clone(), cells[i + 1].clone());
                isobar::effect(move || to.set(from.get()))
            })
            .collect();
        cells[0].set(7);
        assert_eq!(cells[50].get(), 7);
        failures.expect_silence();
        drop(watches);
    });
}

#[test]
fn a_loop_is_stopped_and_reported_by_the_names_of_its_members() {
    in_reporting_graph(|g, failures| {
        let (a, b, calm) = (signal(0), signal(0), signal(0));
        let watched = calm.clone();
        let _bystander = named("bystander", move || _ = watched.get());
        let _quarrel = quarrel(&a, &b);
        let reported = failures.take();
        assert_eq!(reported.len(), 1, "{reported:?}");
        says(&reported[0], &["looping", "raise a", "raise b"]);
        assert!(!reported[0].contains("bystander"), "{reported:?}");
        let looping = g.settle().unwrap_err();
        let mut names = looping.names;
        names.sort();
        assert_eq!(names, ["raise a", "raise b"]);
    });
}

#[test]
fn after_a_stopped_loop_the_rest_of_the_graph_goes_on() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let (a, b, calm) = (signal(0), signal(0), signal(0));
        let _quarrel = quarrel(&a, &b);
        let _calm = effect!([calm, seen] seen.note(calm.get()));
        failures.take();
        calm.set(1);
        calm.set(2);
        assert_eq!(seen.take(), [0, 1, 2]);
        assert_eq!((a.get() - b.get()).abs(), 1, "the state is that of the last whole run");
    });
}

#[test]
fn the_runs_of_others_do_not_make_a_stopped_loop_settle() {
    in_reporting_graph(|g, failures| {
        let (a, b, calm) = (signal(0), signal(0), signal(0));
        let _quarrel = quarrel(&a, &b);
        let _calm = effect!([calm] _ = calm.get());
        assert_eq!(failures.take().len(), 1);
        calm.set(1);
        assert!(g.settle().is_err(), "the loop has not seen what it wrote last");
    });
}

#[test]
fn an_effect_of_the_same_wave_that_is_no_member_sees_the_write_that_woke_the_loop() {
    in_reporting_graph(|_, failures| {
        let seen = Trace::new();
        let (go, s) = (signal(false), signal(0));
        let _climb = effect!([go, s] if go.get() { s.set(s.get() + 1); });
        let _other = effect!([go, seen] seen.note(go.get()));
        go.set(true);
        assert_eq!(failures.take().len(), 1);
        assert_eq!(seen.take(), [false, true]);
    });
}

#[test]
fn a_loop_runs_a_hundred_rounds_and_no_more() {
    in_reporting_graph(|_, failures| {
        let runs = Count::new();
        let s = signal(0);
        let _climb = effect!([s, runs] { runs.tick(); s.set(s.get() + 1); });
        assert_eq!(failures.take().len(), 1);
        let runs = runs.take();
        assert!((100..=101).contains(&runs), "{runs} runs");
    });
}

#[test]
fn the_number_of_rounds_may_be_chosen() {
    for rounds in [3, 500] {
        within("the_number_of_rounds_may_be_chosen", 60, move || {
            let failures = Count::new();
            let told = failures.clone();
            let graph = Graph::builder().max_rounds(rounds).on_error(move |_| told.tick()).build();
            graph.enter(|| {
                let runs = Count::new();
                let s = signal(0);
                let _climb = effect!([s, runs] { runs.tick(); s.set(s.get() + 1); });
                let runs = runs.take();
                assert!((rounds as usize..=rounds as usize + 1).contains(&runs), "{runs}");
                assert_eq!(failures.take(), 1);
            });
        });
    }
}

#[test]
fn ninety_rounds_that_end_are_no_loop() {
    in_reporting_graph(|g, failures| {
        let s = signal(90);
        let _fall = effect!([s] if s.get() > 0 { s.set(s.get() - 1); });
        assert_eq!(s.get(), 0);
        failures.expect_silence();
        assert!(g.settle().is_ok());
    });
}

#[test]
fn rounds_are_counted_anew_for_each_outside_write() {
    in_reporting_graph(|_, failures| {
        let s = signal(0);
        let _fall = effect!([s] if s.get() > 0 { s.set(s.get() - 1); });
        for _ in 0..5 {
            s.set(60);
            assert_eq!(s.get(), 0);
        }
        failures.expect_silence();
    });
}

#[test]
fn a_loop_through_a_computed_is_stopped_too() {
    in_reporting_graph(|_, failures| {
        let s = signal(0);
        let next = computed!([s] s.get() + 1);
        let (from, to) = (next.clone(), s.clone());
        let _climb = named("climb", move || to.set(from.get()));
        says(failures.take().join("\n"), &["looping", "climb"]);
        s.set(-1_000);
        assert_eq!(next.get(), s.get() + 1);
    });
}

#[test]
fn three_effects_in_a_ring_are_all_named() {
    in_reporting_graph(|g, failures| {
        let cells = [signal(0), signal(0), signal(0)];
        let _ring: Vec<_> = ["one", "two", "three"]
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let (from, to) = (cells[i].clone(), cells[(i + 1) % 3].clone());
                named(name, move || to.set(from.get() + 1))
            })
            .collect();
        says(failures.take().join("\n"), &["one", "two", "three"]);
        assert!(g.settle().is_err());
    });
}

#[test]
fn a_loop_that_was_mended_settles_again() {
    in_reporting_graph(|g, failures| {
        let (on, s) = (signal(false), signal(0));
        let _climb = effect!([on, s] if on.get() { s.set(s.get() + 1); });
        g.settle().unwrap();
        on.set(true);
        assert_eq!(failures.take().len(), 1);
        assert!(g.settle().is_err());
        on.set(false);
        assert!(g.settle().is_ok());
        let rest = s.get();
        s.set(rest + 10);
        assert_eq!(s.get(), rest + 10);
    });
}

#[test]
fn a_disposed_loop_settles_again() {
    in_graph(|g| {
        let (a, b) = (signal(0), signal(0));
        let quarrel = quarrel(&a, &b);
        assert!(g.settle().is_err());
        drop(quarrel);
        a.set(1000);
        assert!(g.settle().is_ok());
        assert_eq!(a.get(), 1000);
    });
}

#[test]
fn an_effect_that_ran_long_and_came_to_rest_is_not_named_in_a_later_loop() {
    in_reporting_graph(|g, failures| {
        let (patient, a, b) = (signal(0), signal(0), signal(0));
        let counted = patient.clone();
        let _patient = named("patient", move || {
            if counted.get() > 0 {
                counted.set(counted.get() - 1);
            }
        });
        patient.set(90);
        g.settle().unwrap();
        let _quarrel = quarrel(&a, &b);
        let told = failures.take().join("\n");
        says(&told, &["raise a", "raise b"]);
        assert!(!told.contains("patient"), "{told}");
    });
}

#[test]
fn a_loop_through_the_first_run_of_a_nested_effect_is_stopped() {
    in_reporting_graph(|g, failures| {
        let a = signal(0);
        let outer = effect({
            let a = a.clone();
            move || {
                a.get();
                let a = a.clone();
                effect(move || a.set(a.peek() + 1)).detach();
            }
        });
        assert!(g.settle().is_err());
        assert!(a.get() < 200);
        assert_eq!(failures.take().len(), 1);
        drop(outer);
    });
}
