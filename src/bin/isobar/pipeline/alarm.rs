//! Status changes, noted by effects in the order in which they happen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use isobar::{Computed, Effect, Graph};
use jiff::Timestamp;
use serde::Serialize;

use super::limit::Status;

/// How many of the latest alarms are kept to be shown; all are counted.
const KEPT: usize = 5;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Alarm {
    pub(crate) of: Arc<str>,
    pub(crate) from: Status,
    pub(crate) to: Status,
    /// The time of the sample that brought it.
    pub(crate) at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct AlarmLog {
    pub(crate) status_changes: u64,
    pub(crate) latest: VecDeque<Alarm>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms {
    log: Arc<Mutex<AlarmLog>>,
}

impl Alarms {
    pub(crate) fn log(&self) -> AlarmLog {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An effect that notes each change of `status`, dated by what `now` says then.
    pub(crate) fn watch(
        &self,
        graph: &Graph,
        of: &Arc<str>,
        status: &Computed<Status>,
        now: impl Fn() -> Option<Timestamp> + Send + 'static,
    ) -> Effect {
        let (alarms, of, status) = (self.clone(), of.clone(), status.clone());
        let name = format!("alarm of {of}");
        let mut from = Status::Ok;
        let body = move || {
            let to = status.get();
            if to != from {
                alarms.note(Alarm { of: of.clone(), from, to, at: now() });
                from = to;
            }
        };
        Effect::builder(body).name(name).graph(graph).build()
    }

    fn note(&self, alarm: Alarm) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.status_changes += 1;
        if log.latest.len() == KEPT {
            log.latest.pop_front();
        }
        log.latest.push_back(alarm);
    }
}
