//! A job that is started, paused, resumed and cancelled while it goes on. Notice that a command and
//! a step of the job are transactions: each looks at the status and writes as one, so a paused job
//! does not move, whichever threads command and work. Frames go to whoever watches. The same job
//! behind a web server, with a page: `cargo run --release -p job-server`.
//!
//! Mended: the original lost branches and braces on its way into print. Its pause slept and then
//! took a step all the same, its command was never cleared and so came again with each step,
//! nothing ever said that the job was running, and frames were lost while one was being sent.

mod job;

use isobar::{Effect, Graph};
use job::{Command, Job, State};
use std::sync::Barrier;
use std::thread;

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let graph = Graph::new();
    let job = Job::new(&graph);
    let spy = watch(&graph, &job, move |state| say(format!("spy: {:?}", state.status)));
    let started = job.obey(Command::Start).expect("it was idle");
    say(format!("start answers {:?}", started.status));
    drop(spy);

    let job = Job::new(&graph);
    let socket = watch(&graph, &job, move |State { status, progress }| {
        say(format!("{status:?} {progress}"));
    });
    let command = |command| job.obey(command).expect("the job is as the script has it");
    let steps = |count| (0..count).for_each(|_| job.step());
    command(Command::Start);
    steps(3);
    command(Command::Pause);
    steps(5);
    command(Command::Resume);
    steps(1);
    command(Command::Cancel);
    steps(3);
    drop(socket);

    let job = Job::new(&graph);
    job.obey(Command::Start).expect("it was idle");
    (0..1000).for_each(|_| job.step());
    let State { status, progress } = job.state();
    say(format!("left alone: {status:?} {progress}"));

    let moved = (0..300).filter(|_| moves_after_pause()).count();
    say(format!("{moved} of 300 moved after they were paused"));
}

/// Sends each state to one who watches, as a web socket would.
fn watch(graph: &Graph, job: &Job, send: impl Fn(State) + Send + 'static) -> Effect {
    let job = job.clone();
    graph.effect(move || send(job.state()))
}

/// One thread works, another one pauses: does the job move once pause has answered?
fn moves_after_pause() -> bool {
    let (job, both_ready) = (Job::new(&Graph::new()), Barrier::new(2));
    job.obey(Command::Start).expect("it was idle");
    thread::scope(|threads| {
        let worker = threads.spawn(|| {
            both_ready.wait();
            (0..1000).for_each(|_| job.step());
        });
        both_ready.wait();
        // Refused if the work was done before; either way the answer has the progress.
        let answered = job.obey(Command::Pause).unwrap_or_else(|refused| refused.state);
        worker.join().expect("a step does not fail");
        job.state() != answered
    })
}
