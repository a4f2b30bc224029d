//! A table redrawn in place on a terminal.

use std::io::{self, Write};
use std::mem;
use std::sync::{Mutex, PoisonError};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table, TableComponent};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, size,
};
use crossterm::{execute, queue};

use super::rows::{Row, rows};
use crate::pipeline::limit::Status;
use crate::report::Report;

/// Where a terminal does not tell its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Whether the terminal shows the alternate screen.
static IS_ENTERED: Mutex<bool> = Mutex::new(false);

/// The alternate screen, left again however the run ends.
#[derive(Debug)]
pub(crate) struct Screen {
    out: io::Stdout,
}

impl Screen {
    pub(crate) fn enter() -> io::Result<Screen> {
        let mut screen = Screen { out: io::stdout() };
        note_entered(true);
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    pub(crate) fn draw(&mut self, page: &str) -> io::Result<()> {
        let (_, height) = told_size();
        queue!(self.out, BeginSynchronizedUpdate, MoveTo(0, 0))?;
        for line in fit(page, usize::from(height)) {
            queue!(self.out, Print(line), Clear(ClearType::UntilNewLine), Print("\r\n"))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Some terminals answer, and know no more than 0 by 0.
fn told_size() -> (u16, u16) {
    size().ok().filter(|(width, height)| *width > 0 && *height > 0).unwrap_or(USUAL_SIZE)
}

/// For the end of a run, and for one that is ended by force.
pub(crate) fn leave() {
    if note_entered(false) {
        // Nobody is left to tell if the terminal is gone.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// What was noted before.
fn note_entered(now: bool) -> bool {
    let mut is_entered = IS_ENTERED.lock().unwrap_or_else(PoisonError::into_inner);
    mem::replace(&mut is_entered, now)
}

pub(crate) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_width(told_size().0);
    table.set_header(Row::HEADINGS);
    for row in rows(&report.view) {
        let status = Cell::new(row.status_word());
        let status = match row.status.map(color) {
            Some(color) => status.fg(color),
            None => status,
        };
        let cells = [row.what, row.now, row.average, row.total].map(Cell::new);
        table.add_row(cells.into_iter().chain([status]));
    }
    table
}

fn color(status: Status) -> Color {
    match status {
        Status::Critical => Color::Red,
        Status::Warn => Color::Yellow,
        Status::Ok => Color::Green,
    }
}

/// The last line of the screen stays empty, so that writing it does not scroll.
fn fit(text: &str, height: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let room = height.saturating_sub(1).max(1);
    if lines.len() <= room {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let kept = room - 1;
    let more = format!("… {} more lines; a taller terminal or --json has all", lines.len() - kept);
    lines[..kept].iter().map(|line| (*line).to_owned()).chain([more]).collect()
}
