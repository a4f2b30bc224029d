//! What is shown: every figure of one revision. The field names are those of `--json`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::pipeline::limit::Status;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct View {
    /// The worst status of all below.
    pub(crate) status: Status,
    pub(crate) samples: u64,
    pub(crate) feeds: Vec<FeedView>,
    pub(crate) machines: Vec<MachineView>,
    pub(crate) series: Vec<SeriesView>,
    pub(crate) logs: Vec<TrafficView>,
}

/// A producer thread: a sampler or a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FeedView {
    pub(crate) feed: Arc<str>,
    pub(crate) samples: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MachineView {
    pub(crate) machine: Arc<str>,
    pub(crate) status: Status,
    pub(crate) cpu: LoadView,
    pub(crate) cores: Vec<CoreView>,
    pub(crate) memory: Option<MemoryView>,
    pub(crate) disk_total: DiskView,
    pub(crate) disks: Vec<DiskView>,
    pub(crate) network_total: InterfaceView,
    pub(crate) network: Vec<InterfaceView>,
    pub(crate) busiest: Vec<ProcessView>,
    pub(crate) series: Vec<SeriesView>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LoadView {
    pub(crate) percent: f64,
    pub(crate) average_percent: f64,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CoreView {
    pub(crate) core: Arc<str>,
    pub(crate) percent: f64,
    pub(crate) average_percent: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct MemoryView {
    pub(crate) used_bytes: f64,
    pub(crate) total_bytes: f64,
    pub(crate) percent: f64,
    pub(crate) average_percent: f64,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct DiskView {
    pub(crate) disk: Arc<str>,
    pub(crate) read_bytes_per_second: f64,
    pub(crate) read_average: f64,
    pub(crate) read_bytes: f64,
    pub(crate) written_bytes_per_second: f64,
    pub(crate) written_average: f64,
    pub(crate) written_bytes: f64,
    /// The share of time with a request under way; of the total: the busiest disk's.
    pub(crate) busy_percent: f64,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct InterfaceView {
    pub(crate) interface: Arc<str>,
    pub(crate) received_bytes_per_second: f64,
    pub(crate) received_average: f64,
    pub(crate) received_bytes: f64,
    pub(crate) sent_bytes_per_second: f64,
    pub(crate) sent_average: f64,
    pub(crate) sent_bytes: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ProcessView {
    /// `pid/name`.
    pub(crate) process: Arc<str>,
    /// Of one core.
    pub(crate) percent: f64,
    pub(crate) average_percent: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SeriesView {
    pub(crate) series: Arc<str>,
    pub(crate) status: Status,
    pub(crate) at: Option<Timestamp>,
    pub(crate) latest: f64,
    pub(crate) average: f64,
    /// Standard deviations from the moving average.
    pub(crate) deviation: f64,
    pub(crate) change_per_second: f64,
    pub(crate) total: f64,
    pub(crate) samples: u64,
    pub(crate) late: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TrafficView {
    pub(crate) log: Arc<str>,
    pub(crate) status: Status,
    pub(crate) at: Option<Timestamp>,
    pub(crate) requests: u64,
    /// By the log's own clock, over the window.
    pub(crate) requests_per_second: f64,
    pub(crate) bytes: f64,
    pub(crate) average_bytes: f64,
    /// Responses 500 and above, over the window.
    pub(crate) error_percent: f64,
    /// How many responses were 1xx, 2xx and so on.
    pub(crate) responses: [u64; 5],
    pub(crate) paths: usize,
    pub(crate) busiest: Vec<PathView>,
    pub(crate) late: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PathView {
    pub(crate) path: Arc<str>,
    pub(crate) requests: u64,
    pub(crate) bytes: f64,
}
