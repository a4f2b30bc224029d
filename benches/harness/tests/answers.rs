//! Every workload's shape, in every bound and peer, shows what the reference says; and operations
//! and threads do what they are asked.

use std::time::Duration;

use isobar_harness::{Contender, Contenders, Role, Shape, Task, workloads};

/// Larger graphs are left to the program.
const QUICK: usize = 3_000;

fn contenders() -> Contenders {
    let bounds = Contenders::bounds();
    #[cfg(feature = "peers")]
    let bounds = bounds.peers();
    bounds
}

fn shapes() -> Vec<Shape> {
    let steps = workloads().into_iter().filter(|workload| !workload.is_long);
    let built = steps.filter_map(|workload| match workload.task {
        Task::Steps(build) => Some(build(&workload.name)),
        _ => None,
    });
    built.filter(|shape| shape.nodes() <= QUICK).collect()
}

#[test]
fn bounds_show_what_the_reference_says() {
    let all = contenders();
    for one in all.iter().filter(|one| one.role == Role::Bound) {
        shapes().iter().for_each(|shape| agrees(one, shape));
        operations_are_right(one);
    }
}

/// All in one test: some of them have one graph for the process, and for one thread.
#[cfg(feature = "peers")]
#[test]
fn peers_show_what_the_reference_says() {
    // reactive_graph recomputes layered graphs along every path: it would not end.
    let is_endless = |one: &Contender, shape: &Shape| {
        one.name == "reactive_graph" && (shape.name.contains("dyn_") || shape.nodes() > 300)
    };
    let all = contenders();
    for one in all.iter().filter(|one| one.role == Role::Peer) {
        for shape in shapes().iter().filter(|shape| !is_endless(one, shape)) {
            agrees(one, shape);
        }
        operations_are_right(one);
    }
}

fn agrees(one: &Contender, shape: &Shape) {
    if let Some(answers) = one.check(shape, 12) {
        assert!(answers.are_right(), "{} in {}: {answers:?}", one.name, shape.name);
    }
    if let Some(mut subject) = one.shape(shape) {
        let answers = isobar_harness::check_sums(subject.as_mut(), shape, 0, 12);
        assert!(answers.are_right(), "{} in {}: {answers:?}", one.name, shape.name);
        subject.steps(50);
        let answers = isobar_harness::check_sums(subject.as_mut(), shape, 62, 3);
        assert!(answers.are_right(), "{} in {}, later: {answers:?}", one.name, shape.name);
    }
}

fn operations_are_right(one: &Contender) {
    for workload in workloads() {
        let Task::Operation(operation) = workload.task else { continue };
        let took = one.operation(operation).map(|mut timed| timed(3));
        assert_eq!(took.map_or(0, |took| took.wrong), 0, "{} in {}", one.name, workload.name);
    }
}

/// The cells; whether engines are right is for the program to find out.
#[test]
fn cells_lose_nothing() {
    for workload in workloads() {
        let Task::Crowd(crowd) = workload.task else { continue };
        for one in contenders().iter().filter(|one| one.role == Role::Bound) {
            let Some(go) = one.crowd(crowd) else { continue };
            let done = go(Duration::from_millis(5));
            let lost = done.wrong + done.glitches + done.panics;
            assert_eq!(lost, 0, "{} in {}", one.name, workload.name);
        }
    }
}
