//! A view with what stands around it, and the account that is given at the end of a run.

use isobar::{Loaded, Revision};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::input::NamedLine;
use crate::pipeline::alarm::AlarmLog;
use crate::view::View;

/// One line of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) seconds: f64,
    #[serde(serialize_with = "serialize_revision")]
    pub(crate) revision: Revision,
    #[serde(flatten, serialize_with = "serialize_view")]
    pub(crate) view: Loaded<View>,
    pub(crate) alarms: AlarmLog,
    /// Of the last report only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<End>,
}

#[derive(Debug, Serialize)]
pub(crate) struct End {
    /// By the producers' own count.
    pub(crate) samples_in: u64,
    /// By the graph's count.
    pub(crate) counted: u64,
    pub(crate) commits: u64,
    pub(crate) recomputes: u64,
    pub(crate) effect_runs: u64,
    pub(crate) samples_per_second: f64,
    pub(crate) malformed: u64,
    pub(crate) first_malformed: Vec<NamedLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recorded: Option<u64>,
}

fn serialize_view<S: Serializer>(view: &Loaded<View>, serializer: S) -> Result<S::Ok, S::Error> {
    View::serialize(view, serializer)
}

fn serialize_revision<S: Serializer>(of: &Revision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(of.as_u64())
}
