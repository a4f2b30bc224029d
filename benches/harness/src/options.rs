//! The command line, for every program that uses the harness.

use std::path::PathBuf;

use crate::one::Effort;
use crate::workload::Section;

/// What to measure, and where to tell it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only workloads whose name has one of these in it
    #[arg(value_name = "PART")]
    pub workloads: Vec<String>,
    /// Only these contenders, separated by commas
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub engines: Vec<String>,
    /// Only these sections: operations, shapes, growth, memory, threads
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub sections: Vec<String>,
    /// Processes for each contender and workload [default: 3, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repetitions: Option<u32>,
    /// A first look: short samples, nothing large, growth up to 10,000 nodes
    #[arg(long)]
    pub quick: bool,
    /// Stop a process after this many seconds [default: 15, with --quick 3]
    #[arg(long, value_name = "SECONDS")]
    pub limit: Option<u64>,
    /// Write what is found, as lines of JSON (`-`: standard output)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the tables (`-`: standard output) [default: standard output, unless JSON goes there]
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Draw plots into DIR
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    /// Tell what differs from an earlier run
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Measure nothing: tell what an earlier run has found
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["json", "quick", "repetitions"])]
    pub from: Option<PathBuf>,
    /// List contenders and workloads
    #[arg(long)]
    pub list: bool,
    /// What the processes are started with: a contender and a workload.
    #[arg(long, hide = true, num_args = 2, value_names = ["ENGINE", "WORKLOAD"])]
    pub one: Vec<String>,
    /// With `--one`: look at every run, measure nothing.
    #[arg(long, hide = true, requires = "one")]
    pub check: bool,
}

impl Options {
    /// Processes for each contender and workload.
    pub fn repetitions(&self) -> u32 {
        self.repetitions.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// Seconds after which a process is stopped.
    pub fn limit(&self) -> u64 {
        self.limit.unwrap_or(if self.quick { 3 } else { 15 })
    }

    pub(crate) fn effort(&self) -> Effort {
        if self.quick { Effort::QUICK } else { Effort::USUAL }
    }

    /// The sections asked for; an unknown name is given back.
    pub(crate) fn wanted_sections(&self) -> Result<Vec<Section>, String> {
        if self.sections.is_empty() {
            return Ok(Section::ALL.to_vec());
        }
        let section = |name: &String| {
            Section::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| name.clone())
        };
        self.sections.iter().map(section).collect()
    }
}
