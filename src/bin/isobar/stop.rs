//! The end of a run: asked for by anyone (Ctrl-C, a fault, the end of input) or due at a time.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

/// Seen by every thread of a run. Waiting on it ends at once when the run is to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    requested: Receiver<Infallible>,
    due: Option<Instant>,
}

/// Ends the run: dropping the only sender wakes all who wait on the receiver.
#[derive(Clone, Debug)]
pub(crate) struct StopSwitch {
    sender: Arc<Mutex<Option<Sender<Infallible>>>>,
}

impl StopSwitch {
    pub(crate) fn new(due: Option<Instant>) -> (StopSwitch, Stop) {
        let (sender, requested) = bounded(0);
        let switch = StopSwitch { sender: Arc::new(Mutex::new(Some(sender))) };
        (switch, Stop { requested, due })
    }

    pub(crate) fn throw(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.requested.try_recv() == Err(TryRecvError::Disconnected)
            || self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Waits until `moment` (for ever if it is beyond the clock). False: the run ended first.
    pub(crate) fn wait_until(&self, moment: Option<Instant>) -> bool {
        let wake = self.earlier(moment);
        let Some(wake) = wake else {
            let _ = self.requested.recv();
            return false;
        };
        let _ = self.requested.recv_deadline(wake);
        !self.is_set()
    }

    /// The time to wake: `moment`, or the end of the run if that comes first.
    pub(crate) fn earlier(&self, moment: Option<Instant>) -> Option<Instant> {
        moment.into_iter().chain(self.due).min()
    }

    /// Delivers when the run is due to end.
    pub(crate) fn due(&self) -> Receiver<Instant> {
        self.due.map_or_else(crossbeam_channel::never, crossbeam_channel::at)
    }

    pub(crate) fn requested(&self) -> &Receiver<Infallible> {
        &self.requested
    }
}
