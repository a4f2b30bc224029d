//! Starts a process for each contender, workload and repetition, in turns, and puts together what
//! they say. Whatever ends badly is told, never left out.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use indicatif::{ProgressBar, ProgressStyle};

use crate::contender::Contender;
use crate::one::Said;
use crate::options::Options;
use crate::record::{Entry, FileError, Line, Machine, Record, Verdict, Writer};
use crate::workload::{Task, Workload};

/// Why nothing was measured, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A name that nothing has.
    #[error("no {what} is called {name}; `--list` has the names")]
    Unknown {
        /// What should have had it.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The program cannot start itself again.
    #[error("cannot start a process of this program: {0}; is its file still there?")]
    Start(io::Error),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A plot.
    #[error("cannot draw {path}: {cause}; name a directory that may be written")]
    Plot {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// What was measured is in the reports, but our own engine was wrong.
    #[error("{name} was not right in {count} workloads; the table has them")]
    OwnIsWrong {
        /// Which.
        name: String,
        /// In how many.
        count: usize,
    },
    /// A process that was asked for one workload ended badly.
    #[error("the workload panicked")]
    Panicked,
}

/// Measures everything that is wanted.
pub(crate) fn measure(
    contenders: &[&Contender],
    workloads: &[Workload],
    options: &Options,
    started_by: &[String],
) -> Result<Record, BenchError> {
    let mut writer = options.json.as_deref().map(Writer::create).transpose()?;
    let mut record = Record { machine: Machine::here(), entries: Vec::new() };
    if let Some(writer) = &mut writer {
        writer.write(&Line::Machine(record.machine.clone()))?;
    }
    let repetitions = options.repetitions();
    let turns = workloads.len() * contenders.len() * (1 + repetitions as usize);
    let bar = ProgressBar::new(turns as u64).with_style(style());
    for workload in workloads {
        let mut all: Vec<_> = contenders.iter().map(|one| fresh(one, workload)).collect();
        all.iter_mut().for_each(|entry| spare(entry, &record));
        for repetition in 0..=repetitions {
            for entry in &mut all {
                bar.set_message(format!("{} {}", entry.workload, entry.engine));
                bar.inc(1);
                // The first turn looks at every run, where there are runs to look into.
                let is_check = repetition == 0;
                let is_wanted = !is_check || matches!(workload.task, Task::Steps(_));
                if is_wanted && entry.verdict == Verdict::Right {
                    let limit = options.limit() * if workload.is_huge { 4 } else { 1 };
                    let one = Start { options, started_by, is_check, limit };
                    one.process(entry)?;
                }
            }
        }
        for entry in all {
            if let Some(writer) = &mut writer {
                writer.write(&Line::Entry(entry.clone()))?;
            }
            record.entries.push(entry);
        }
    }
    bar.finish_and_clear();
    Ok(record)
}

fn style() -> ProgressStyle {
    let template = "{elapsed} [{bar:30}] {pos}/{len} {eta} left  {wide_msg}";
    ProgressStyle::with_template(template).expect("the template is a constant")
}

fn fresh(contender: &Contender, workload: &Workload) -> Entry {
    Entry {
        section: workload.section,
        workload: workload.name.clone(),
        growth: workload.growth.map(|(family, size)| (family.to_owned(), size)),
        engine: contender.name.clone(),
        role: contender.role,
        verdict: Verdict::Right,
        started: 0,
        failed: 0,
        nodes: 0,
        answers: None,
        measured: Default::default(),
    }
}

/// Does not try what failed when it was smaller.
fn spare(entry: &mut Entry, record: &Record) {
    let Some((family, _)) = &entry.growth else { return };
    let is_smaller = |other: &&Entry| {
        let same = other.growth.as_ref().is_some_and(|(name, _)| name == family);
        same && other.engine == entry.engine
    };
    let ended_badly = |other: &&Entry| {
        matches!(other.verdict, Verdict::OverLimit { .. } | Verdict::Crashed { .. })
    };
    if let Some(failed) = record.entries.iter().filter(is_smaller).find(ended_badly) {
        entry.verdict = failed.verdict.clone();
    }
}

struct Start<'a> {
    options: &'a Options,
    started_by: &'a [String],
    is_check: bool,
    /// In seconds.
    limit: u64,
}

impl Start<'_> {
    /// Runs one process, and adds what it said to the entry.
    fn process(&self, entry: &mut Entry) -> Result<(), BenchError> {
        let mut command = Command::new(env::current_exe().map_err(BenchError::Start)?);
        command.args(self.started_by).args(["--one", &entry.engine, &entry.workload]);
        command.args(self.is_check.then_some("--check"));
        command.args(self.options.quick.then_some("--quick"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(BenchError::Start)?;
        entry.started += 1;
        let ended = self.listen(&mut child, entry);
        let verdict = match ended.map_err(BenchError::Start)? {
            Ended::InTime { is_done: true, status, .. } if status.success() => judged(entry),
            Ended::InTime { status, last, .. } => {
                let message = if last.is_empty() { status.to_string() } else { last };
                Verdict::Crashed { message }
            }
            Ended::OverLimit => Verdict::OverLimit { seconds: self.limit },
        };
        if !matches!(verdict, Verdict::Right | Verdict::NotExpressible) {
            entry.failed += 1;
        }
        if entry.verdict == Verdict::Right {
            entry.verdict = verdict;
        }
        Ok(())
    }

    fn listen(&self, child: &mut Child, entry: &mut Entry) -> io::Result<Ended> {
        let lines = child.stdout.take().map(in_background);
        let errors = child.stderr.take().map(in_background);
        let ends = Instant::now() + Duration::from_secs(self.limit);
        let mut is_done = false;
        for lines in lines.iter() {
            loop {
                match lines.recv_timeout(ends.saturating_duration_since(Instant::now())) {
                    Ok(line) => is_done |= heard(&line, entry),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        child.kill()?;
                        child.wait()?;
                        return Ok(Ended::OverLimit);
                    }
                }
            }
        }
        let status = child.wait()?;
        let said = errors.iter().flat_map(|errors| errors.iter());
        let last = said.filter(|line| !is_boilerplate(line)).take(3).collect::<Vec<_>>().join(" ");
        Ok(Ended::InTime { is_done, status, last })
    }
}

enum Ended {
    InTime { is_done: bool, status: ExitStatus, last: String },
    OverLimit,
}

/// Whether the line is not worth repeating in a table.
fn is_boilerplate(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("note: ")
}

/// The lines of a stream; it is read to its end, so that nobody waits for a full pipe.
fn in_background(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody may be interested any more; the pipe is to be emptied all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Adds what was said; true if it was the last.
fn heard(line: &str, entry: &mut Entry) -> bool {
    match serde_json::from_str(line) {
        Ok(Said::Nodes(nodes)) => entry.nodes = nodes,
        Ok(Said::Answers(answers)) => match &mut entry.answers {
            Some(sum) => {
                sum.looked_at += answers.looked_at;
                sum.wrong += answers.wrong;
                sum.glitches += answers.glitches;
                sum.panics += answers.panics;
            }
            none => *none = Some(answers),
        },
        Ok(Said::Measured(quantity, value)) => {
            entry.measured.entry(quantity).or_default().push(value);
        }
        Ok(Said::NotExpressible) => entry.verdict = Verdict::NotExpressible,
        Ok(Said::Done) => return true,
        // An engine that prints; not ours to judge.
        Err(_) => {}
    }
    false
}

fn judged(entry: &Entry) -> Verdict {
    match &entry.answers {
        Some(answers) if !answers.are_right() => Verdict::Wrong,
        _ => entry.verdict.clone(),
    }
}
