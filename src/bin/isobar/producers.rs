//! The threads that hand samples in, and what came of each.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::fault::Fault;
use crate::input::MalformedLines;
use crate::stop::StopSwitch;

/// What one producer did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Counted by the producer, apart from the count in the graph.
    pub(crate) handed_in: u64,
    pub(crate) malformed: MalformedLines,
    pub(crate) fault: Option<Fault>,
}

pub(crate) struct Producers {
    switch: StopSwitch,
    threads: Vec<(Arc<str>, JoinHandle<Outcome>)>,
    alive: Option<Sender<Infallible>>,
    over: Receiver<Infallible>,
}

impl Producers {
    pub(crate) fn new(switch: StopSwitch) -> Producers {
        let (alive, over) = bounded(0);
        Producers { switch, threads: Vec::new(), alive: Some(alive), over }
    }

    /// A panic in one ends the run of all; after a fault the others go on with their own input.
    pub(crate) fn start(
        &mut self,
        name: &Arc<str>,
        body: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<(), Fault> {
        let presence = Presence { switch: self.switch.clone(), _alive: self.alive.clone() };
        let watched = move || {
            let outcome = body();
            drop(presence);
            outcome
        };
        let thread = thread::Builder::new().name(name.to_string()).spawn(watched);
        self.threads.push((name.clone(), thread.map_err(Fault::Thread)?));
        Ok(())
    }

    /// Disconnected once all producers have ended. None may be started afterwards.
    pub(crate) fn over(&mut self) -> Receiver<Infallible> {
        self.alive = None;
        self.over.clone()
    }

    /// Stops what still runs and waits for it.
    pub(crate) fn join(self) -> Vec<Outcome> {
        self.switch.throw();
        let join = |(name, thread): (Arc<str>, JoinHandle<Outcome>)| {
            let fault = |_| Some(Fault::Died(name.to_string()));
            thread
                .join()
                .unwrap_or_else(|died| Outcome { fault: fault(died), ..Outcome::default() })
        };
        self.threads.into_iter().map(join).collect()
    }
}

/// Goes away with its thread, however that ends.
struct Presence {
    switch: StopSwitch,
    _alive: Option<Sender<Infallible>>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if thread::panicking() {
            self.switch.throw();
        }
    }
}
