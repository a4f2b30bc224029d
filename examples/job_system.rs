//! A job that is started, paused, resumed and killed while it goes on. Notice that a command and a
//! step of the job are transactions: each looks at the status and writes as one, so a paused job
//! does not move, whichever threads command and work. Frames go to whoever watches.
//!
//! Mended: the original lost branches and braces on its way into print. Its pause slept and then
//! took a step all the same, its command was never cleared and so came again with each step,
//! nothing ever said that the job was running, and frames were lost while one was being sent.

use isobar::{Effect, Graph, Signal};
use std::convert::Infallible;
use std::sync::Barrier;
use std::thread;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Status {
    Idle,
    Running,
    Paused,
    Dead,
}

use Status::{Dead, Idle, Paused, Running};

const DONE: u32 = 100;

struct Job {
    graph: Graph,
    status: Signal<Status>,
    progress: Signal<u32>,
}

impl Job {
    fn new() -> Self {
        let graph = Graph::new();
        Self { status: graph.signal(Idle), progress: graph.signal(0), graph }
    }

    /// Goes to `to` if the job is in one of `from`. Says what it is in then.
    fn go(&self, from: &[Status], to: Status) -> Status {
        self.atomically(|| {
            if from.contains(&self.status.get()) {
                self.status.set(to);
            }
            self.status.get()
        })
    }

    fn start(&self) -> Status {
        self.go(&[Idle], Running)
    }

    fn pause(&self) -> Status {
        self.go(&[Running], Paused)
    }

    fn resume(&self) -> Status {
        self.go(&[Paused], Running)
    }

    fn kill(&self) -> Status {
        self.go(&[Idle, Running, Paused], Dead)
    }

    /// One step of the work, if the job is running; the last one ends it.
    fn tick(&self) {
        self.atomically(|| {
            if self.status.get() != Running {
                return;
            }
            let progress = self.progress.get() + 1;
            self.progress.set(progress);
            if progress == DONE {
                self.status.set(Dead);
            }
        });
    }

    /// Sends each state to one who watches, as a web socket would.
    fn watch(&self, send: impl Fn(Status, u32) + Send + 'static) -> Effect {
        let (status, progress) = (self.status.clone(), self.progress.clone());
        self.graph.effect(move || send(status.get(), progress.get()))
    }

    fn atomically<R>(&self, mut f: impl FnMut() -> R) -> R {
        let Ok(result) = self.graph.transaction(|| Ok::<R, Infallible>(f()));
        result
    }
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let job = Job::new();
    let spy = job.status.subscribe(move |status| say(format!("spy: {status:?}")));
    say(format!("start answers {:?}", job.start()));
    drop(spy);

    let job = Job::new();
    let socket = job.watch(move |status, progress| say(format!("{status:?} {progress}")));
    let ticks = |count| (0..count).for_each(|_| job.tick());
    job.start();
    ticks(3);
    job.pause();
    ticks(5);
    job.resume();
    ticks(1);
    job.kill();
    ticks(3);
    drop(socket);

    let job = Job::new();
    job.start();
    (0..1000).for_each(|_| job.tick());
    say(format!("left alone: {:?} {}", job.status.get(), job.progress.get()));

    let moved = (0..300).filter(|_| moves_after_pause()).count();
    say(format!("{moved} of 300 moved after they were paused"));
}

/// One thread works, another one pauses: does the job move once pause has answered?
fn moves_after_pause() -> bool {
    let (job, both_ready) = (Job::new(), Barrier::new(2));
    job.start();
    thread::scope(|threads| {
        let worker = threads.spawn(|| {
            both_ready.wait();
            (0..1000).for_each(|_| job.tick());
        });
        both_ready.wait();
        // Paused, or dead if the work was done before.
        job.pause();
        let answered = job.progress.get();
        worker.join().expect("a step does not fail");
        job.progress.get() != answered
    })
}
