//! Differential test: random graphs and random commits from one to eight threads, against a
//! sequential oracle.
//!
//! A seed gives the graph and what each thread does; how the threads interleave is up to the
//! machine.
//! What every thread, effect and evaluation saw is kept, and judged after the run: each observation
//! against a naive evaluation of the state at its place in the order of commits (`log.rs` tells how
//! that order is known).
//!
//! `ISOBAR_ROUNDS` asks for a number of rounds; `ISOBAR_SEED` repeats the same seed in each of
//! them;
//! `ISOBAR_TORTURE=long` goes on for `ISOBAR_TORTURE_SECONDS`.

mod log;
mod oracle;
mod perform;
mod plant;
mod pull;
mod rng;
mod script;
mod single;
mod spec;

#[path = "../torture/crew.rs"]
#[allow(dead_code, reason = "shared with the torture test, which uses all of it")]
mod crew;
#[path = "../torture/effort.rs"]
#[allow(dead_code, reason = "shared with the torture test, which uses all of it")]
mod effort;
#[path = "../torture/watchdog.rs"]
#[allow(dead_code, reason = "shared with the torture test, which uses all of it")]
mod watchdog;

use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crew::crew;
use crate::effort::Effort;
use crate::oracle::{Remains, Tally, Verdict, judge};
use crate::perform::Performer;
use crate::plant::Plant;
use crate::rng::Rng;
use crate::script::{Plan, plan};
use crate::watchdog::{allowance, within};

#[test]
fn random_graphs_from_many_threads() {
    within("random_graphs_from_many_threads", allowance(30), |case| {
        let current = Arc::<AtomicU64>::default();
        let told = Arc::clone(&current);
        case.knows(move || {
            let seed = told.load(Ordering::Relaxed);
            format!("{}\n{:?}", rerun(seed, "random_graphs_from_many_threads"), plan(seed))
        });
        let mut sum = Tally::default();
        let rounds = for_each_seed(400, |seed| {
            case.lives();
            current.store(seed, Ordering::Relaxed);
            let plan = plan(seed);
            match run(&plan) {
                Ok(tally) => sum.add(&tally),
                Err(wrong) => fail(seed, "random_graphs_from_many_threads", &plan, &wrong),
            }
        });
        println!("differential: {rounds} graphs, {sum:?}");
    });
}

#[test]
fn runs_are_minimal_on_one_thread() {
    within("runs_are_minimal_on_one_thread", allowance(120), |_| {
        let mut runs = 0;
        let rounds = for_each_seed(400, |seed| match single::run(seed) {
            Ok(count) => runs += count,
            Err(wrong) => fail(seed, "runs_are_minimal_on_one_thread", &single::plan(seed), &wrong),
        });
        println!("minimal: {rounds} graphs, {runs} runs, as many as due");
    });
}

fn fail(seed: u64, test: &str, plan: &impl std::fmt::Debug, wrong: &str) -> ! {
    eprintln!("{wrong}\n{plan:?}\n");
    panic!("{wrong}\n{}", rerun(seed, test));
}

fn rerun(seed: u64, test: &str) -> String {
    format!(
        "seed {seed:#x}; again: ISOBAR_SEED={seed:#x} ISOBAR_ROUNDS=500 \
         cargo test --release --test differential {test}"
    )
}

/// Seeds as asked for, or new ones; how many there were.
fn for_each_seed(usual: u64, mut round: impl FnMut(u64)) -> u64 {
    let asked = env::var("ISOBAR_ROUNDS").ok();
    let asked: Option<u64> = asked.map(|text| text.parse().expect("ISOBAR_ROUNDS is a number"));
    let effort = Effort::share(usual, 2);
    let goes_on = |done| asked.map_or_else(|| effort.goes_on(done), |rounds| done < rounds);
    let fixed = env::var("ISOBAR_SEED").ok().map(|text| parse_seed(&text));
    let mut seeds = Rng::new(RandomState::new().build_hasher().finish());
    let mut done = 0;
    while goes_on(done) {
        round(fixed.unwrap_or_else(|| seeds.next()));
        done += 1;
    }
    done
}

fn parse_seed(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.expect("ISOBAR_SEED is a number")
}

fn run(plan: &Plan) -> Verdict<Tally> {
    let plant = Plant::build(plan);
    let performed = catch_unwind(AssertUnwindSafe(|| {
        crew(plan.scripts.len(), |thread| {
            let perform = || Performer::new(plan, &plant, thread).perform();
            if plan.entered { plant.graph.enter(perform) } else { perform() }
        })
    }));
    let ended = performed.map_err(|panic| format!("a thread panicked: {}", message(&*panic)))?;
    // Effects write, too: at rest is when a settled revision is still the newest.
    loop {
        let settled = plant.graph.settle().map_err(|looping| format!("settle: {looping:?}"))?;
        if settled >= plant.graph.revision() {
            break;
        }
    }
    let evaluations = plant.evaluations.take();
    judge(plan, &Remains { plant: &plant, ended: &ended, evaluations: &evaluations })
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.or_else(|| panic.downcast_ref::<isobar::ReadError>().map(|error| format!("{error:?}")))
        .unwrap_or_else(|| String::from("(not a text)"))
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.commits += other.commits;
        self.observations += other.observations;
        self.runs += other.runs;
        self.evaluations += other.evaluations;
    }
}
