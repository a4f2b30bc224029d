//! Many clients at once, and one who does not read.

use crate::client::{Client, Job, Reply};
use crate::site::{Site, in_time};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Barrier, watch};
use tokio::task::{JoinSet, yield_now};

const CLIENTS: usize = 6;
const ROUNDS: usize = 40;

/// Lets the time go on and on, and tells how many steps there have been.
async fn tick(site: Arc<Site>, ticks: watch::Sender<u64>) {
    loop {
        site.step();
        ticks.send_modify(|n| *n += 1);
        yield_now().await;
    }
}

/// Keeps frames flowing: a job that runs, whatever becomes of the others.
async fn bustle(mut client: Client) {
    loop {
        let number = client.add_started("bustle").await;
        // Done, and perhaps cleared since.
        client.board(|board| board.job(number).is_none_or(|job| job.status == "done")).await;
    }
}

/// What the clients of one round tell each other.
struct Round {
    barrier: Barrier,
    job: Mutex<u64>,
    answers: Mutex<Vec<(bool, Job)>>,
}

impl Round {
    /// Everybody's answers to one command: who obeyed, and the job. Comes back when all are in.
    async fn gather(&self, reply: Reply) -> Vec<(bool, Job)> {
        let is_done = matches!(reply, Reply::Answer { .. });
        lock(&self.answers).push((is_done, reply.job()));
        self.barrier.wait().await;
        let all = lock(&self.answers).clone();
        if self.barrier.wait().await.is_leader() {
            lock(&self.answers).clear();
        }
        self.barrier.wait().await;
        all
    }

    /// All pause, nothing moves, all resume; false once the job is over.
    async fn pause_and_resume(
        &self,
        client: &mut Client,
        job: u64,
        ticks: &mut watch::Receiver<u64>,
    ) -> bool {
        let reply = client.tell("pause", job).await;
        let answered = match &reply {
            Reply::Answer { job, .. } | Reply::Error { job, .. } => job.clone(),
            Reply::Board(_) => None,
        };
        let answered = answered.expect("it is on the board");
        client.stands(&answered);
        let all = self.gather(reply).await;
        assert!(all.iter().all(|(_, job)| *job == answered), "paused at once: {all:?}");
        pass(ticks, 20).await;
        // Refused; on the way to it come the frames of the time since.
        client.tell("pause", job).await;
        self.barrier.wait().await;
        client.goes_on(job);
        if answered.status == "done" {
            return false;
        }
        assert_eq!(all.iter().filter(|(is_done, _)| *is_done).count(), 1, "one paused it: {all:?}");
        let all = self.gather(client.tell("resume", job).await).await;
        assert_eq!(all.iter().filter(|(is_done, _)| *is_done).count(), 1, "one resumed: {all:?}");
        true
    }
}

/// Waits until so many steps have gone by.
async fn pass(ticks: &mut watch::Receiver<u64>, count: u64) {
    let until = *ticks.borrow() + count;
    ticks.wait_for(|n| *n >= until).await.expect("the time goes on");
}

/// How often the jobs stood still.
async fn take_part(mut client: Client, round: Arc<Round>, mut ticks: watch::Receiver<u64>) -> u32 {
    let mut pauses = 0;
    for _ in 0..ROUNDS {
        if round.barrier.wait().await.is_leader() {
            client.ask(json!({ "do": "clear" })).await;
            let job = client.add_started("contended").await;
            *lock(&round.job) = job;
        }
        round.barrier.wait().await;
        let job = *lock(&round.job);
        while round.pause_and_resume(&mut client, job, &mut ticks).await {
            pauses += 1;
            pass(&mut ticks, 2).await;
        }
    }
    pauses
}

#[test]
fn once_a_pause_has_answered_nobody_sees_the_job_move() {
    in_time(|| async {
        let site = Arc::new(Site::open().await);
        let (ticks, passed) = watch::channel(0);
        let mut background = JoinSet::new();
        background.spawn(bustle(site.client().await));
        background.spawn(tick(site.clone(), ticks));
        let (job, answers) = (Mutex::default(), Mutex::default());
        let round = Arc::new(Round { barrier: Barrier::new(CLIENTS), job, answers });
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(take_part(site.client().await, round.clone(), passed.clone()));
        }
        let mut pauses = 0;
        while let Some(ended) = clients.join_next().await {
            pauses += ended.expect("every client saw what it was to see");
            let failed = background.try_join_next();
            assert!(failed.is_none(), "time and bustle go on: {failed:?}");
        }
        assert!(pauses > 0, "every job was done before it could be paused");
    });
}

#[test]
fn who_does_not_read_holds_up_nobody_and_skips_frames() {
    const JOBS: usize = 200;
    const COMMANDS: usize = 6_000;
    in_time(|| async {
        let site = Site::open().await;
        let mut sleeping = site.client().await;
        let mut awake = site.client().await;
        let job = awake.add_started(&"n".repeat(60)).await;
        for _ in 1..JOBS {
            awake.add(&"n".repeat(60)).await;
        }
        // More than the system keeps for a connection, many times over.
        for _ in 0..COMMANDS / 2 {
            awake.tell("pause", job).await.done();
            awake.tell("resume", job).await.done();
        }
        let last = awake.add_started("last").await;
        site.step();
        awake.progress(last, 1).await;

        sleeping.progress(last, 1).await;
        assert!(sleeping.boards < COMMANDS / 2, "all {} frames were kept for it", sleeping.boards);
        sleeping.tell("pause", last).await.done();
    });
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
