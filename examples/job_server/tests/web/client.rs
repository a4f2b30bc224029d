//! A WebSocket client that believes nothing: every board it is sent is looked at.

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) job: u64,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) progress: u32,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Overview {
    idle: usize,
    running: usize,
    paused: usize,
    done: usize,
    cancelled: usize,
    progress: f64,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    pub(crate) jobs: Vec<Job>,
    pub(crate) overview: Overview,
    pub(crate) clients: usize,
}

impl Board {
    pub(crate) fn job(&self, number: u64) -> Option<&Job> {
        self.jobs.iter().find(|job| job.job == number)
    }

    /// The overview is of these jobs, and each status goes with the progress beside it.
    fn check(&self) {
        let count = |status| self.jobs.iter().filter(|job| job.status == status).count();
        let steps: u32 = self.jobs.iter().map(|job| job.progress).sum();
        let overview = Overview {
            idle: count("idle"),
            running: count("running"),
            paused: count("paused"),
            done: count("done"),
            cancelled: count("cancelled"),
            progress: f64::from(steps) / self.jobs.len().max(1) as f64,
        };
        let mean = (overview.progress - self.overview.progress).abs() < 1e-9;
        let progress = self.overview.progress;
        assert!(mean && Overview { progress, ..overview } == self.overview, "torn: {self:?}");
        for job in &self.jobs {
            let fits = match &*job.status {
                "idle" => job.progress == 0,
                "running" | "paused" | "cancelled" => job.progress < 100,
                "done" => job.progress == 100,
                _ => false,
            };
            assert!(fits, "torn: {job:?}");
        }
    }
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Reply {
    Answer { id: u64, job: Option<Job> },
    Error { id: Option<u64>, kind: String, message: String, job: Option<Job> },
    Board(Board),
}

impl Reply {
    /// The job it tells of, be it that this one obeyed or refused.
    pub(crate) fn job(self) -> Job {
        match self {
            Self::Answer { job: Some(job), .. } | Self::Error { job: Some(job), .. } => job,
            other => panic!("tells of no job: {other:?}"),
        }
    }

    /// The job that obeyed.
    pub(crate) fn done(self) -> Job {
        assert!(matches!(self, Self::Answer { .. }), "not done: {self:?}");
        self.job()
    }

    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Error { kind, .. } => kind,
            other => panic!("no error: {other:?}"),
        }
    }
}

pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    requests: u64,
    /// What was last heard of each job; none of it is ever taken back.
    heard: BTreeMap<u64, Job>,
    /// Jobs that do not move, and where they stand.
    standing: BTreeMap<u64, u32>,
    /// How many boards came.
    pub(crate) boards: usize,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("it is a TCP stream");
        let opened = client_async(format!("ws://{address}/socket"), stream).await;
        let (socket, _) = opened.expect("the server speaks WebSocket");
        let (heard, standing) = (BTreeMap::new(), BTreeMap::new());
        Self { socket, requests: 0, heard, standing, boards: 0 }
    }

    /// What comes next; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.socket.next().await?.ok()
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.try_send(message).await.expect("the server takes it");
    }

    pub(crate) async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    async fn reply(&mut self) -> Reply {
        let message = self.next().await.expect("the server is there");
        let text = message.into_text().expect("the server sends texts");
        let reply = serde_json::from_str(&text);
        let reply = reply.unwrap_or_else(|error| panic!("{error} in {text}"));
        match &reply {
            Reply::Board(board) => {
                self.boards += 1;
                board.check();
                board.jobs.iter().for_each(|job| self.hear(job));
            }
            Reply::Answer { job, .. } | Reply::Error { job, .. } => {
                job.iter().for_each(|job| self.hear(job));
            }
        }
        reply
    }

    fn hear(&mut self, job: &Job) {
        if let Some(before) = self.heard.insert(job.job, job.clone()) {
            let steps_back = job.progress < before.progress;
            assert!(!steps_back, "went back: {job:?} after {before:?}");
        }
        if let Some(stands) = self.standing.get(&job.job) {
            assert_eq!(job.progress, *stands, "moved after pause had answered: {job:?}");
        }
    }

    /// From now on the job must not move, until `goes_on`.
    pub(crate) fn stands(&mut self, job: &Job) {
        self.standing.insert(job.job, job.progress);
    }

    pub(crate) fn goes_on(&mut self, job: u64) {
        self.standing.remove(&job);
    }

    /// Sends what is asked for, with a number of its own, and reads until the answer to it.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Reply {
        self.requests += 1;
        request["id"] = json!(self.requests);
        self.send(Message::text(request.to_string())).await;
        self.answer().await
    }

    /// Reads until something that is not a board.
    pub(crate) async fn answer(&mut self) -> Reply {
        loop {
            let reply = self.reply().await;
            let number = match &reply {
                Reply::Board(_) => continue,
                Reply::Answer { id, .. } => Some(*id),
                Reply::Error { id, .. } => *id,
            };
            assert!(number.is_none_or(|id| id == self.requests), "whose answer? {reply:?}");
            return reply;
        }
    }

    /// `start`, `pause`, `resume` or `cancel`.
    pub(crate) async fn tell(&mut self, command: &str, job: u64) -> Reply {
        self.ask(json!({ "do": command, "job": job })).await
    }

    pub(crate) async fn add(&mut self, name: &str) -> u64 {
        self.ask(json!({ "do": "add", "name": name })).await.done().job
    }

    pub(crate) async fn add_started(&mut self, name: &str) -> u64 {
        let job = self.add(name).await;
        self.tell("start", job).await.done();
        job
    }

    /// Reads until a board is as awaited.
    pub(crate) async fn board(&mut self, awaited: impl Fn(&Board) -> bool) -> Board {
        loop {
            match self.reply().await {
                Reply::Board(board) if awaited(&board) => return board,
                Reply::Board(_) => {}
                other => panic!("an answer to nothing: {other:?}"),
            }
        }
    }

    /// Reads until the job has come that far.
    pub(crate) async fn progress(&mut self, job: u64, progress: u32) -> Board {
        self.board(|board| board.job(job).is_some_and(|job| job.progress >= progress)).await
    }
}
