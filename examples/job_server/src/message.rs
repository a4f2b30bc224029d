//! What goes over the socket: requests, and replies to them, as JSON texts.
//!
//! ```text
//!  {"do":"add","id":1,"name":"report"}     {"answer":{"id":1,"job":{"job":1, ..}}}
//!  {"do":"start","id":2,"job":1}           {"error":{"id":2,"kind":"refused","message":".."}}
//!                                          {"board":{"jobs":[..],"overview":{..}, ..}}
//! ```

use crate::job::{Command, DONE, Refused, State, Status};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a client asks for; `id` is its own, and comes back with the answer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    Add {
        id: u64,
        name: String,
    },
    Start {
        id: u64,
        job: u64,
    },
    Pause {
        id: u64,
        job: u64,
    },
    Resume {
        id: u64,
        job: u64,
    },
    Cancel {
        id: u64,
        job: u64,
    },
    /// Takes the jobs that are over off the board.
    Clear {
        id: u64,
    },
}

/// What a client is sent. Answers come in the order of the requests; between them, boards.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    Answer {
        id: u64,
        /// The job at the revision of the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        job: Option<JobView>,
    },
    Error {
        /// Of the request, if it can be made out.
        id: Option<u64>,
        kind: &'static str,
        message: String,
        /// A refusing job, as it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        job: Option<JobView>,
    },
    Board(BoardView),
}

/// All that a page shows, at one revision.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct BoardView {
    pub(crate) jobs: Vec<JobView>,
    pub(crate) overview: Overview,
    /// How many clients there are.
    pub(crate) clients: usize,
}

/// One job at one revision.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct JobView {
    job: u64,
    name: Arc<str>,
    status: Label,
    progress: u32,
}

impl JobView {
    pub(crate) fn new(job: u64, name: Arc<str>, state: State) -> Self {
        Self { job, name, status: Label::of(state), progress: state.progress }
    }
}

/// A status, and of dead jobs why.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Label {
    Idle,
    Running,
    Paused,
    Done,
    Cancelled,
}

impl Label {
    fn of(state: State) -> Self {
        match state.status {
            Status::Idle => Self::Idle,
            Status::Running => Self::Running,
            Status::Paused => Self::Paused,
            Status::Dead if state.progress == DONE => Self::Done,
            Status::Dead => Self::Cancelled,
        }
    }
}

/// All jobs in a few numbers.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Overview {
    idle: usize,
    running: usize,
    paused: usize,
    done: usize,
    cancelled: usize,
    /// The mean progress, in percent.
    progress: f64,
}

impl Overview {
    pub(crate) fn of(states: &[State]) -> Self {
        let count = |label| states.iter().filter(|state| Label::of(**state) == label).count();
        let steps: u32 = states.iter().map(|state| state.progress).sum();
        let all = states.len().max(1) as f64 * f64::from(DONE);
        Self {
            idle: count(Label::Idle),
            running: count(Label::Running),
            paused: count(Label::Paused),
            done: count(Label::Done),
            cancelled: count(Label::Cancelled),
            progress: f64::from(steps) * 100.0 / all,
        }
    }
}

/// Why a request was not done; nothing was changed by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("{0}; send a text such as {{\"do\":\"pause\",\"id\":1,\"job\":1}}")]
    Malformed(String),
    #[error("a name has 1 to {limit} characters")]
    Name { limit: usize },
    #[error("{capacity} jobs are on the board; clear those that are over")]
    Full { capacity: usize },
    #[error("there is no job {job}; see the last board")]
    UnknownJob { job: u64 },
    #[error("{refused}")]
    Refused { job: JobView, refused: Refused },
}

impl RequestError {
    /// As the reply to the request `id`.
    pub(crate) fn reply_to(self, id: Option<u64>) -> Reply {
        let message = self.to_string();
        let (kind, job) = match self {
            Self::Malformed(_) => ("malformed", None),
            Self::Name { .. } => ("name", None),
            Self::Full { .. } => ("full", None),
            Self::UnknownJob { .. } => ("unknown_job", None),
            Self::Refused { job, .. } => ("refused", Some(job)),
        };
        Reply::Error { id, kind, message, job }
    }
}

impl Request {
    /// # Errors
    /// The reply that says what is wrong with the text.
    pub(crate) fn read(text: &str) -> Result<Self, Reply> {
        #[derive(Deserialize)]
        struct Numbered {
            id: u64,
        }
        serde_json::from_str(text).map_err(|error| {
            let id = serde_json::from_str(text).ok().map(|Numbered { id }| id);
            RequestError::Malformed(error.to_string()).reply_to(id)
        })
    }

    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Add { id, .. }
            | Self::Start { id, .. }
            | Self::Pause { id, .. }
            | Self::Resume { id, .. }
            | Self::Cancel { id, .. }
            | Self::Clear { id } => *id,
        }
    }

    /// The job it is for, and what that one is told.
    pub(crate) fn command(&self) -> Option<(u64, Command)> {
        match self {
            Self::Start { job, .. } => Some((*job, Command::Start)),
            Self::Pause { job, .. } => Some((*job, Command::Pause)),
            Self::Resume { job, .. } => Some((*job, Command::Resume)),
            Self::Cancel { job, .. } => Some((*job, Command::Cancel)),
            Self::Add { .. } | Self::Clear { .. } => None,
        }
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("replies are made of numbers, names and lists")
    }
}
