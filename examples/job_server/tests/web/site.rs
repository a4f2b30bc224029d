//! A server of one test's own, and the bound on how long the test may take.

use crate::client::Client;
use isobar::{Clock, ManualClock};
use job_server::{STEP, Server};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far beyond what any test here needs, on any machine.
const HUNG: Duration = Duration::from_secs(180);

/// Runs a test on a runtime of its own, and on a thread of its own: what hangs, fails.
pub(crate) fn in_time<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, ended) = channel::<()>();
    let runner = thread::spawn(move || {
        let _done = done;
        Runtime::new().expect("the system gives threads").block_on(test());
    });
    let in_time = ended.recv_timeout(HUNG) != Err(RecvTimeoutError::Timeout);
    assert!(in_time, "the test hangs");
    runner.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// A running server, and the clock that its jobs work by.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) clock: ManualClock,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::open_on("127.0.0.1:0").await
    }

    pub(crate) async fn open_on(address: &str) -> Self {
        let clock = Clock::manual();
        let server = Server::bind(address, &clock).await.expect("the address is free");
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server.run_until(stopped).await.expect("the listener stays");
        });
        Self { address, clock, stop, served }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Time for one step of each running job.
    pub(crate) fn step(&self) {
        self.clock.advance(STEP);
    }

    /// Stops the server, and comes back when it has ended.
    pub(crate) async fn close(self) {
        self.stop.send(()).expect("the server waits for it");
        self.served.await.expect("the server does not panic");
    }
}
