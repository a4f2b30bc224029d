//! What was found, as lines of JSON: first the machine, then an entry for each contender and
//! workload.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::answers::Answers;
use crate::contender::Role;
use crate::workload::Section;

/// One line of a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Where and when.
    Machine(Machine),
    /// What was found.
    Entry(Entry),
}

/// Where and when it was measured.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many of it may be used.
    pub cores: usize,
    /// The load of the last minute when it began.
    pub load: String,
    /// Seconds since 1970.
    pub began: u64,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let models = read("/proc/cpuinfo");
        let model = models.lines().find_map(|line| line.strip_prefix("model name"));
        let load = read("/proc/loadavg");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            processor: model.unwrap_or("unknown").trim_start_matches(['\t', ' ', ':']).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            began: now.map_or(0, |time| time.as_secs()),
        }
    }
}

/// What is measured of a workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Nanoseconds a step, or an operation.
    Step,
    /// Nanoseconds a node, to build the graph.
    Build,
    /// Nanoseconds a node, to drop it.
    Drop,
    /// Bytes a node, by the allocator's count.
    Bytes,
    /// Bytes a node, by what the process has resident.
    Resident,
    /// Allocations a step, in steady state; of `bytes_` workloads, a node.
    Allocations,
    /// Million operations a second.
    Rate,
    /// Million operations a second of the thread beside.
    Beside,
    /// Nanoseconds that half of the operations stay below.
    P50,
    /// Nanoseconds that 99 of 100 stay below.
    P99,
    /// Nanoseconds that 999 of 1000 stay below.
    P999,
    /// Nanoseconds of one `fetch_add` that nobody contends for, in the same run.
    Unit,
}

impl Quantity {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "ns",
            Self::Build => "build ns a node",
            Self::Drop => "drop ns a node",
            Self::Bytes => "bytes a node",
            Self::Resident => "resident bytes a node",
            Self::Allocations => "allocations",
            Self::Rate => "M/s",
            Self::Beside => "M/s beside",
            Self::P50 => "p50 ns",
            Self::P99 => "p99 ns",
            Self::P999 => "p99.9 ns",
            Self::Unit => "fetch_add ns",
        }
    }

    /// Whether more is better.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::Rate | Self::Beside)
    }

    /// Whether it is a time, or its inverse, so that a faster machine shows.
    pub fn is_time(self) -> bool {
        !matches!(self, Self::Bytes | Self::Resident | Self::Allocations)
    }
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every answer was right.
    Right,
    /// Some were not; [`Entry::answers`] has the counts.
    Wrong,
    /// It did not end in time.
    OverLimit {
        /// The limit.
        seconds: u64,
    },
    /// Its process died.
    Crashed {
        /// The last it said.
        message: String,
    },
    /// The engine cannot express it, or it takes what the contender is not.
    NotExpressible,
}

/// What was found of one contender in one workload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The workload's section.
    pub section: Section,
    /// The workload's name.
    pub workload: String,
    /// What grows in it, and its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<(String, usize)>,
    /// The contender's name.
    pub engine: String,
    /// What the contender stands for.
    pub role: Role,
    /// How it ended, the worst of the repetitions.
    pub verdict: Verdict,
    /// Processes that were started, the one that only checks included.
    pub started: u32,
    /// How many of them did not end well.
    pub failed: u32,
    /// Nodes of the graph.
    #[serde(default)]
    pub nodes: u64,
    /// What was found of its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// By repetition: the median of that process.
    #[serde(default)]
    pub measured: BTreeMap<Quantity, Vec<f64>>,
}

impl Entry {
    /// The best repetition's median: the repetitions are disturbed, never helped.
    pub fn best(&self, quantity: Quantity) -> Option<f64> {
        let values = self.measured.get(&quantity)?.iter().copied();
        if quantity.is_rate() { values.reduce(f64::max) } else { values.reduce(f64::min) }
    }

    /// How far the repetitions lie apart: the largest divided by the least.
    pub fn spread(&self, quantity: Quantity) -> f64 {
        let values = self.measured.get(&quantity).map_or(&[] as &[f64], Vec::as_slice);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        if least > 0.0 && least.is_finite() { most / least } else { 1.0 }
    }

    /// Nanoseconds a step, divided by the runs that it needs.
    pub fn per_node(&self) -> Option<f64> {
        let needed = self.answers.map_or(1.0, |answers| answers.needed.max(1.0));
        Some(self.best(Quantity::Step)? / needed)
    }
}

/// All that one file has.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Record {
    /// Where and when.
    pub machine: Machine,
    /// What was found, in the order in which it was measured.
    pub entries: Vec<Entry>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error("{}: {cause}; name a file in a directory that may be written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A line of it is not of this format.
    #[error("{}, line {line}: {cause}; name a file that `--json` has written", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
}

impl Record {
    /// Reads what [`Writer`] has written.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has a line of another format.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let io = |cause| FileError::Io { path: path.to_owned(), cause };
        let mut record = Self::default();
        for (at, line) in fs::read_to_string(path).map_err(io)?.lines().enumerate() {
            let parsed = serde_json::from_str(line).map_err(|cause| FileError::Format {
                path: path.to_owned(),
                line: at + 1,
                cause,
            })?;
            match parsed {
                Line::Machine(machine) => record.machine = machine,
                Line::Entry(entry) => record.entries.push(entry),
            }
        }
        Ok(record)
    }

    /// The entry of that contender in that workload.
    pub fn entry(&self, workload: &str, engine: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.workload == workload && entry.engine == engine)
    }
}

/// Writes lines as they come, so that what was measured stays if the run is stopped.
pub struct Writer {
    path: PathBuf,
    to: Box<dyn Write>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins the file; `-` is standard output.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let io = |cause| FileError::Io { path: path.to_owned(), cause };
        let to: Box<dyn Write> = match path.to_str() {
            Some("-") => Box::new(io::stdout()),
            _ => Box::new(fs::File::create(path).map_err(io)?),
        };
        Ok(Self { path: path.to_owned(), to })
    }

    /// Writes one line.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&mut self, line: &Line) -> Result<(), FileError> {
        let text = serde_json::to_string(line).expect("these types have no maps with odd keys");
        let written = writeln!(self.to, "{text}").and_then(|()| self.to.flush());
        written.map_err(|cause| FileError::Io { path: self.path.clone(), cause })
    }
}
