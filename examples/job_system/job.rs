//! The job itself, which the story beside it and the web program in `examples/job_server` share.

use isobar::{Graph, Signal};
use std::convert::Infallible;
use std::fmt;

/// How many steps a job takes.
pub(crate) const DONE: u32 = 100;

/// What a job is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    /// Waits to be started.
    Idle,
    /// Takes steps.
    Running,
    /// Takes none until it is resumed.
    Paused,
    /// Has taken its last step, or was cancelled.
    Dead,
}

use Status::{Dead, Idle, Paused, Running};

/// What a job can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Idle jobs only.
    Start,
    /// Running jobs only.
    Pause,
    /// Paused jobs only.
    Resume,
    /// All but dead ones.
    Cancel,
}

impl Command {
    /// Whom it is for, and what becomes of them.
    fn transition(self) -> (&'static [Status], Status) {
        match self {
            Self::Start => (&[Idle], Running),
            Self::Pause => (&[Running], Paused),
            Self::Resume => (&[Paused], Running),
            Self::Cancel => (&[Idle, Running, Paused], Dead),
        }
    }
}

/// A job at one revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// What it is doing.
    pub status: Status,
    /// The steps taken, up to [`DONE`].
    pub progress: u32,
}

/// A command came to a job that it is not for, and changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    /// What the job was told.
    pub command: Command,
    /// The job as it is.
    pub state: State,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, state } = self;
        let from = command.transition().0;
        write!(f, "{command:?} is for jobs that are {from:?}, and this one is {:?}", state.status)
    }
}

impl std::error::Error for Refused {}

/// Handles are clones of one job; any thread may command it, step it and look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Job {
    graph: Graph,
    status: Signal<Status>,
    progress: Signal<u32>,
}

impl Job {
    /// An idle job.
    pub(crate) fn new(graph: &Graph) -> Self {
        Self { status: graph.signal(Idle), progress: graph.signal(0), graph: graph.clone() }
    }

    /// Both from one revision inside a transaction, a computed or an effect; tracked there.
    pub(crate) fn state(&self) -> State {
        State { status: self.status.get(), progress: self.progress.get() }
    }

    /// Does as told, and says how the job is then. Once a pause has answered, the job does not
    /// move until it is resumed, whoever steps it.
    ///
    /// # Errors
    /// [`Refused`] if the command is not for a job in this status.
    pub(crate) fn obey(&self, command: Command) -> Result<State, Refused> {
        self.graph.transaction(|| {
            let state = self.state();
            let (from, to) = command.transition();
            if !from.contains(&state.status) {
                return Err(Refused { command, state });
            }
            self.status.set(to);
            Ok(self.state())
        })
    }

    /// One step of the work, if the job is running; the last one ends it.
    pub(crate) fn step(&self) {
        let Ok(()) = self.graph.transaction(|| {
            let State { status, progress } = self.state();
            if status == Running {
                self.progress.set(progress + 1);
                if progress + 1 == DONE {
                    self.status.set(Dead);
                }
            }
            Ok::<_, Infallible>(())
        });
    }
}
