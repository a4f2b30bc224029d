//! The command line: what can be asked for, and what is refused before anything starts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;

use crate::pipeline::limit::{Limit, LimitName};

/// A metrics pipeline on the isobar computation graph: samples go from several threads into
/// signals, everything shown is derived from them, each view at one revision.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch this machine, or replay files, and show what is derived from the samples
    #[command(after_help = FORMATS)]
    Watch(WatchArgs),
    /// Watch this machine and write every sample to FILE, for `watch --input FILE`
    #[command(after_help = "\
The recording is CSV with the columns timestamp,series,value: one row a sample, times in UTC.")]
    Record(RecordArgs),
    /// Measure this engine beside others and beside hand-written code, answers checked first
    #[cfg(feature = "bench")]
    #[command(after_help = "\
Every measurement is a process of its own; what crashes, hangs or answers wrongly is told. See
docs/BENCHMARKS.md for the workloads and the method.")]
    Bench(isobar_harness::Options),
}

const FORMATS: &str = "\
Input formats, recognised by the first lines of the file, whatever its name:
  timestamp,value          CSV, one series, named after the file
  timestamp,series,value   CSV, several series: what `isobar record` writes
  Apache combined log      host ident user [time] \"request\" status bytes \"referer\" \"agent\"
Timestamps are `2014-04-02 14:29:00` (taken as UTC), RFC 3339, or seconds since 1970.

Exit codes: 0 fine, 1 the engine's count differs from what was handed in, 2 bad input or usage.";

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Replay FILE instead of sampling this machine (`-`: standard input); may be repeated
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["every", "proc"])]
    pub(crate) input: Vec<PathBuf>,
    /// Replay N times as fast as recorded, from each file's first timestamp on
    /// [default: as fast as it can]
    #[arg(long, value_name = "N", value_parser = parse_speed, requires = "input")]
    pub(crate) speed: Option<f64>,
    /// Print one report and exit: after two samples of each kind, or at the end of all input
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where to write the samples
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace FILE if it has content
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// End after this long, such as 10s, 2m or 1h30m
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) length: Option<Duration>,
    /// Print one JSON object a line; the last one has the totals under `end`
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample this machine this often
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1s")]
    pub(crate) every: Duration,
    /// How many processes, or paths of an access log, to list as busiest
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) busiest: usize,
    /// Moving averages and deviations span the last N samples of a series
    #[arg(long, value_name = "N", value_parser = parse_window, default_value = "30")]
    pub(crate) window: usize,
    /// Thresholds of a status: cpu, memory and disk in percent, errors in percent of an access
    /// log's requests, deviation of a series in standard deviations from its moving average
    /// [default: cpu=80:95 memory=80:95 disk=80:95 errors=1:5 deviation=4:8]
    #[arg(long = "limit", value_name = "NAME=WARN:CRITICAL", value_parser = parse_limit)]
    pub(crate) limits: Vec<(LimitName, Limit)>,
    /// Where proc is mounted
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    pub(crate) proc: PathBuf,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let advice = "write a time such as 10s, 500ms, 2m or 1h30m";
    let signed: SignedDuration = text.parse().map_err(|_| advice.to_owned())?;
    match Duration::try_from(signed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it must be longer than zero".to_owned()),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("write a number above zero, such as 1, 60 or 0.5".to_owned()),
    }
}

fn parse_window(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(samples) if (2..=10_000).contains(&samples) => Ok(samples),
        _ => Err("write a whole number from 2 to 10000".to_owned()),
    }
}

fn parse_limit(text: &str) -> Result<(LimitName, Limit), String> {
    let advice = || {
        format!("write NAME=WARN:CRITICAL, such as cpu=70:90; the names are {}", LimitName::LIST)
    };
    let (name, bounds) = text.split_once('=').ok_or_else(advice)?;
    let (warn, critical) = bounds.split_once(':').ok_or_else(advice)?;
    let name = LimitName::parse(name).ok_or_else(advice)?;
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    let warn = number(warn).ok_or_else(advice)?;
    let critical = number(critical).ok_or_else(advice)?;
    if warn > critical {
        return Err("the first number (warn) must not exceed the second (critical)".to_owned());
    }
    Ok((name, Limit { warn, critical }))
}
