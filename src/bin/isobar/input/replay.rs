//! One file into the graph, on a thread of its own.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Input;
use super::columns::Columns;
use super::combined;
use super::lines::{LONGEST, Line, Lines};
use super::malformed::Malformed;
use crate::fault::Fault;
use crate::pipeline::{Gauge, MachineFeed, Sample, Traffic, Turnstile};
use crate::producers::Outcome;
use crate::series::{Frame, Group, Row};
use crate::stop::Stop;

/// Where the samples of a file go, by its format.
#[derive(Debug)]
pub(crate) enum Intake {
    Series(Arc<Gauge>, Turnstile),
    Recording(Box<MachineFeed>),
    AccessLog(Arc<Traffic>, Turnstile),
}

pub(crate) struct Replay {
    input: Input,
    pacer: Pacer,
    columns: Columns,
    outcome: Outcome,
}

impl Replay {
    pub(crate) fn new(input: Input, speed: Option<f64>, stop: Stop) -> Replay {
        let pacer = Pacer { speed, stop, start: None };
        Replay { input, pacer, columns: Columns::new(), outcome: Outcome::default() }
    }

    pub(crate) fn run(mut self, intake: Intake) -> Outcome {
        let read = match intake {
            Intake::Series(gauge, turnstile) => self.each(Columns::point, |pacer, at, value| {
                let on_time = pacer.wait(at);
                if on_time {
                    turnstile.pass(1, || gauge.push(Sample { at, value }));
                }
                on_time
            }),
            Intake::Recording(mut feed) => {
                let mut frames = Frames::default();
                let read = self
                    .each(Columns::row, |pacer, at, row| frames.take(pacer, &mut feed, at, row));
                frames.flush(&mut feed);
                read
            }
            Intake::AccessLog(traffic, turnstile) => self.each(
                |_, line| combined::parse(line),
                |pacer, at, request| {
                    let on_time = pacer.wait(at);
                    if on_time {
                        traffic.take(request, &turnstile);
                    }
                    on_time
                },
            ),
        };
        let Replay { input, mut outcome, .. } = self;
        outcome.fault = match read {
            Err(cause) => Some(Fault::Read { file: input.file, cause }),
            Ok(()) => nothing_readable(&input, &outcome),
        };
        outcome
    }

    /// Every line parsed and handed in, until `take` says that the run has ended.
    fn each<R>(
        &mut self,
        parse: impl Fn(&mut Columns, &[u8]) -> Result<(Timestamp, R), Malformed>,
        mut take: impl FnMut(&mut Pacer, Timestamp, R) -> bool,
    ) -> io::Result<()> {
        let Replay { input, pacer, columns, outcome } = self;
        let Input { file, format, lines } = input;
        while let Some((number, line)) = next(lines, &pacer.stop)? {
            let malformed = match line {
                Line::TooLong => Malformed::TooLong(LONGEST),
                Line::Text(line) if line.trim_ascii().is_empty() => continue,
                Line::Text(line) => match parse(columns, line) {
                    Ok((at, reading)) => {
                        if !take(pacer, at, reading) {
                            return Ok(());
                        }
                        outcome.handed_in += 1;
                        continue;
                    }
                    // Joined files have a header in the middle.
                    Err(_) if format.is_header(line, columns) => continue,
                    Err(malformed) => malformed,
                },
            };
            outcome.malformed.add(file, number, &malformed);
        }
        Ok(())
    }
}

fn next<'a>(lines: &'a mut Lines, stop: &Stop) -> io::Result<Option<(u64, Line<'a>)>> {
    if stop.is_set() { Ok(None) } else { lines.next() }
}

/// Malformed lines are left out and counted, but a file of nothing else is the wrong file.
fn nothing_readable(input: &Input, outcome: &Outcome) -> Option<Fault> {
    let first = outcome.malformed.first.first()?;
    (outcome.handed_in == 0).then(|| Fault::NothingReadable {
        file: input.file.clone(),
        malformed: outcome.malformed.count,
        line: first.line,
        reason: first.reason.clone(),
    })
}

/// Rows of one time and group belong together: they were one commit when they were recorded.
#[derive(Default)]
struct Frames {
    pending: Option<Frame>,
}

impl Frames {
    fn take(&mut self, pacer: &mut Pacer, feed: &mut MachineFeed, at: Timestamp, row: Row) -> bool {
        let group = Group::of(&row.series);
        if let Some(frame) = &mut self.pending
            && frame.at == at
            && frame.group == group
        {
            frame.rows.push(row);
            return true;
        }
        self.flush(feed);
        let on_time = pacer.wait(at);
        if on_time {
            self.pending = Some(Frame { at, group, rows: vec![row] });
        }
        on_time
    }

    fn flush(&mut self, feed: &mut MachineFeed) {
        if let Some(frame) = self.pending.take() {
            feed.take(&frame);
        }
    }
}

/// Holds each sample back until its time has come, counted from the first.
struct Pacer {
    speed: Option<f64>,
    stop: Stop,
    start: Option<(Instant, Timestamp)>,
}

impl Pacer {
    /// False: the run ended first.
    fn wait(&mut self, at: Timestamp) -> bool {
        let Some(speed) = self.speed else {
            return true;
        };
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), at));
        let seconds = at.duration_since(first).as_secs_f64() / speed;
        if seconds <= 0.0 {
            return true;
        }
        // What lies beyond the clock is waited for until somebody stops the run.
        let wait = Duration::try_from_secs_f64(seconds).ok();
        self.stop.wait_until(wait.and_then(|wait| start.checked_add(wait)))
    }
}
