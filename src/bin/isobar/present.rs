//! How reports reach people: a redrawn table on a terminal, plain lines elsewhere, or JSON.

mod rows;
mod screen;
mod units;

use std::env;
use std::io::{self, IsTerminal, Write};

use jiff::tz::TimeZone;

use self::rows::printable;
use self::screen::Screen;
pub(crate) use self::screen::leave as leave_screen;
use self::units::count;
use crate::fault::Fault;
use crate::input::NamedLine;
use crate::pipeline::alarm::{Alarm, AlarmLog};
use crate::report::{End, Report};

#[derive(Debug)]
pub(crate) enum Presenter {
    Json,
    /// With the number of alarms told so far.
    Lines(u64),
    /// On a terminal, which is taken over at the first draw.
    Table(Option<Screen>),
}

impl Presenter {
    pub(crate) fn new(is_json: bool) -> Presenter {
        let is_plain = env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        if is_json {
            Presenter::Json
        } else if is_plain || !io::stdout().is_terminal() {
            Presenter::Lines(0)
        } else {
            Presenter::Table(None)
        }
    }

    pub(crate) fn show(&mut self, report: &Report) -> Result<(), Fault> {
        let shown = match self {
            Presenter::Json => json(report).and_then(|line| print(&line)),
            Presenter::Lines(told) => print(&lines(report, told)),
            Presenter::Table(screen) => draw(screen, report),
        };
        shown.map_err(Fault::Output)
    }

    /// The last view and the account, left on the terminal after the program.
    pub(crate) fn end(self, report: &Report) -> Result<(), Fault> {
        let end = report.end.as_ref().map(account).unwrap_or_default();
        let ended = match self {
            Presenter::Json => json(report).and_then(|line| print(&line)),
            Presenter::Lines(mut told) => print(&format!("{}{end}", lines(report, &mut told))),
            Presenter::Table(screen) => {
                drop(screen);
                print(&format!("{}\n{end}", page(report)))
            }
        };
        ended.map_err(Fault::Output)
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn draw(screen: &mut Option<Screen>, report: &Report) -> io::Result<()> {
    let screen = match screen {
        Some(screen) => screen,
        None => screen.insert(Screen::enter()?),
    };
    screen.draw(&page(report))
}

fn json(report: &Report) -> io::Result<String> {
    Ok(serde_json::to_string(report)? + "\n")
}

fn page(report: &Report) -> String {
    let mut page = format!("isobar  {}\n{}\n", heading(report), screen::table(report));
    for alarm in &report.alarms.latest {
        page.push_str(&alarm_line(alarm));
        page.push('\n');
    }
    page
}

fn lines(report: &Report, told: &mut u64) -> String {
    let clock = report.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
    let mut lines = vec![heading(report)];
    for row in rows::rows(&report.view) {
        let labels = ["", "average ", "total ", ""];
        let figures = [row.now.as_str(), &row.average, &row.total, row.status_word()];
        let figures = labels.iter().zip(figures).filter(|(_, figure)| !figure.is_empty());
        let figures: Vec<String> =
            figures.map(|(label, figure)| label.to_string() + figure).collect();
        lines.push(format!("{}: {}", row.what, figures.join(" | ")));
    }
    lines.extend(new_alarms(&report.alarms, told));
    lines.iter().map(|line| format!("{clock} {line}\n")).collect()
}

fn new_alarms(alarms: &AlarmLog, told: &mut u64) -> Vec<String> {
    let new = alarms.status_changes - *told;
    *told = alarms.status_changes;
    let shown = alarms.latest.len().min(usize::try_from(new).unwrap_or(usize::MAX));
    let earlier = new - shown as u64;
    let latest = alarms.latest.iter().skip(alarms.latest.len() - shown).map(alarm_line);
    let earlier = (earlier > 0).then(|| format!("{} earlier status changes", count(earlier)));
    earlier.into_iter().chain(latest).collect()
}

fn alarm_line(alarm: &Alarm) -> String {
    let Alarm { of, from, to, at } = alarm;
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{} went from {} to {}{at}", printable(of), from.word(), to.word())
}

fn heading(report: &Report) -> String {
    format!(
        "{}, {} samples in {:.1} s, revision {}, {} status changes",
        report.view.status.word(),
        count(report.view.samples),
        report.seconds,
        report.revision,
        count(report.alarms.status_changes),
    )
}

/// Plain digits, for whoever reads this with a program.
fn account(end: &End) -> String {
    let mut text = String::new();
    let mut add = |what: &str, figure: String| text.push_str(&format!("{what:<18}{figure}\n"));
    add("samples in", end.samples_in.to_string());
    add("counted", end.counted.to_string());
    add("commits", end.commits.to_string());
    add("recomputes", end.recomputes.to_string());
    add("effect runs", end.effect_runs.to_string());
    add("samples a second", format!("{:.0}", end.samples_per_second));
    if let Some(recorded) = end.recorded {
        add("recorded", recorded.to_string());
    }
    add("malformed lines", end.malformed.to_string());
    for NamedLine { file, line, reason } in &end.first_malformed {
        text.push_str(&format!("  {}:{line}: {reason}\n", printable(file)));
    }
    text
}
