//! Effects with a schedule of the user's: it gets the runs, and runs them where and when it likes.

use std::sync::mpsc;
use std::thread;

use isobar::{Effect, Graph, PendingRun, Signal, computed};

use crate::stage::{Count, Trace, in_graph, in_reporting_graph, in_this};

/// An effect of `source` whose runs go into a channel, and what it has seen.
fn queued(source: &Signal<i32>) -> (Effect, mpsc::Receiver<PendingRun>, Trace<i32>) {
    let (later, runs) = mpsc::channel();
    let seen = Trace::new();
    let (source, log) = (source.clone(), seen.clone());
    let effect = Effect::builder(move || log.note(source.get()));
    let effect = effect.run_with(move |run| later.send(run).expect("the test listens")).build();
    (effect, runs, seen)
}

#[test]
fn nothing_runs_before_the_schedule_says_so_and_changes_run_into_one() {
    in_graph(|g| {
        let s = Signal::new(0);
        let (_watch, runs, seen) = queued(&s);
        assert_eq!(seen.take(), [0; 0], "not even the first run");
        s.set(1);
        s.set(2);
        let due: Vec<PendingRun> = runs.try_iter().collect();
        assert_eq!(due.len(), 1, "one at a time");
        due.into_iter().for_each(PendingRun::run);
        assert_eq!(seen.take(), [2]);
        s.set(3);
        runs.try_recv().expect("the next change makes the next run").run();
        assert_eq!(seen.take(), [3]);
        g.settle().unwrap();
    });
}

#[test]
fn what_it_reads_is_not_computed_before_the_run() {
    in_graph(|_| {
        let (s, computations) = (Signal::new(0), Count::new());
        let half = computed!([s, computations] { computations.tick(); s.get() / 2 });
        let (later, runs) = mpsc::channel();
        let shown = Count::new();
        let (read, ticks) = (half.clone(), shown.clone());
        let effect = Effect::builder(move || {
            read.get();
            ticks.tick();
        });
        let _watch = effect.run_with(move |run| later.send(run).unwrap()).build();
        runs.recv().unwrap().run();
        assert_eq!((computations.take(), shown.take()), (1, 1));
        s.set(1);
        assert_eq!(computations.take(), 0);
        runs.recv().unwrap().run();
        assert_eq!((computations.take(), shown.take()), (1, 0), "looked, and nothing had changed");
    });
}

#[test]
fn a_run_that_is_dropped_is_not_lost() {
    for threads in [0, 1] {
        in_this(
            move || Graph::builder().threads(threads).build(),
            |g| {
                let s = Signal::new(0);
                let (_watch, runs, seen) = queued(&s);
                drop(runs.recv().unwrap());
                g.settle().unwrap();
                s.set(7);
                drop(runs.recv().unwrap());
                g.settle().unwrap();
                assert_eq!(seen.take(), [0, 7]);
            },
        );
    }
}

#[test]
fn a_schedule_that_panics_is_reported_and_loses_nothing() {
    in_reporting_graph(|g, failures| {
        let (s, seen) = (Signal::new(0), Trace::new());
        let (source, log) = (s.clone(), seen.clone());
        let effect = Effect::builder(move || log.note(source.get())).name("shy");
        let _watch = effect.run_with(|_| panic!("no time")).build();
        g.settle().unwrap();
        s.set(1);
        g.settle().unwrap();
        assert_eq!(seen.take(), [0, 1]);
        let told = failures.take();
        assert_eq!(told.len(), 2);
        assert!(
            told.iter().all(|text| text.contains("shy") && text.contains("no time")),
            "{told:?}"
        );
    });
}

#[test]
fn a_disposed_effects_run_does_nothing() {
    in_graph(|g| {
        let s = Signal::new(0);
        let (watch, runs, seen) = queued(&s);
        let run = runs.recv().unwrap();
        watch.dispose();
        run.run();
        s.set(1);
        assert!(runs.try_recv().is_err());
        g.settle().unwrap();
        assert_eq!(seen.take(), [0; 0]);
    });
}

#[test]
fn settle_waits_for_a_run_that_another_thread_has() {
    in_graph(|g| {
        let s = Signal::new(0);
        let (_watch, runs, seen) = queued(&s);
        let runner = thread::spawn(move || runs.iter().for_each(PendingRun::run));
        for value in 1..=100 {
            s.set(value);
            g.settle().unwrap();
            assert_eq!(seen.take().last(), Some(&value));
        }
        drop(_watch);
        runner.join().unwrap();
    });
}

#[test]
fn writes_of_a_scheduled_run_are_one_commit_and_wake_others() {
    in_graph(|g| {
        let (from, to) = (Signal::new(1), Signal::new(0));
        let (later, runs) = mpsc::channel();
        let (source, sink) = (from.clone(), to.clone());
        let copy = Effect::builder(move || sink.set(source.get() * 10));
        let _copy = copy.run_with(move |run| later.send(run).unwrap()).build();
        let (_watch, seen_runs, seen) = queued(&to);
        runs.recv().unwrap().run();
        seen_runs.recv().unwrap().run();
        assert_eq!(seen.take(), [10]);
        g.settle().unwrap();
    });
}
