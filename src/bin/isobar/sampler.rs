//! One group of this machine's series sampled on a thread of its own.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::fault::Fault;
use crate::host::Host;
use crate::pipeline::MachineFeed;
use crate::producers::Outcome;
use crate::series::{Frame, Group};
use crate::stop::{Stop, StopSwitch};

pub(crate) struct Sampler {
    pub(crate) host: Host,
    pub(crate) group: Group,
    pub(crate) every: Duration,
    /// None: until the run ends.
    pub(crate) rounds: Option<u64>,
    pub(crate) recording: Option<Sender<Frame>>,
    pub(crate) switch: StopSwitch,
    pub(crate) stop: Stop,
}

impl Sampler {
    pub(crate) fn run(self, mut feed: MachineFeed) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.fault = self.sample(&mut feed, &mut outcome.handed_in).err();
        if outcome.fault.is_some() {
            self.switch.throw();
        }
        outcome
    }

    fn sample(&self, feed: &mut MachineFeed, handed_in: &mut u64) -> Result<(), Fault> {
        let mut round = 0;
        let mut due = Some(Instant::now());
        loop {
            let frame = self.host.look(self.group)?;
            *handed_in += frame.rows.len() as u64;
            feed.take(&frame);
            if let Some(recording) = &self.recording {
                // A recorder that failed has stopped the run and says why.
                let _ = recording.send(frame);
            }
            round += 1;
            // What could not be kept up with is not caught up on.
            due =
                due.and_then(|due| due.checked_add(self.every)).map(|due| due.max(Instant::now()));
            if self.rounds == Some(round) || !self.stop.wait_until(due) {
                return Ok(());
            }
        }
    }
}
