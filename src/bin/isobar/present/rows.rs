//! A view as rows of words: what, now, on average, in total, status. Table and lines share them.

use super::units::{bytes, count, percent, quantity, rate};
use crate::pipeline::limit::Status;
use crate::view::{
    CoreView, DiskView, InterfaceView, MachineView, MemoryView, SeriesView, TrafficView, View,
};

/// A row for each core up to this many; beyond, rows of that many cores.
const CORES: usize = 8;
/// A path or series name longer than this is cut; `--json` has it whole.
const NAME: usize = 60;

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) now: String,
    pub(crate) average: String,
    pub(crate) total: String,
    /// None: nothing to judge.
    pub(crate) status: Option<Status>,
}

impl Row {
    pub(crate) const HEADINGS: [&str; 5] = ["what", "now", "average", "total", "status"];

    pub(crate) fn status_word(&self) -> &'static str {
        self.status.map_or("", Status::word)
    }
}

pub(crate) fn rows(view: &View) -> Vec<Row> {
    let several = view.machines.len() > 1;
    let machines = view.machines.iter().flat_map(|machine| machine_rows(machine, several));
    let series = view.series.iter().map(series_row);
    let logs = view.logs.iter().flat_map(log_rows);
    machines.chain(series).chain(logs).collect()
}

fn machine_rows(machine: &MachineView, is_named: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    if is_named {
        let (what, status) = (printable(&machine.machine), Some(machine.status));
        rows.push(Row { what, status, ..Row::default() });
    }
    if !machine.cores.is_empty() {
        rows.push(Row {
            what: "cpu".to_owned(),
            now: percent(machine.cpu.percent),
            average: percent(machine.cpu.average_percent),
            status: Some(machine.cpu.status),
            ..Row::default()
        });
    }
    rows.extend(core_rows(&machine.cores));
    rows.extend(machine.memory.as_ref().map(memory_row));
    rows.extend(machine.disks.iter().map(disk_row));
    if machine.disks.len() > 1 {
        rows.push(disk_row(&machine.disk_total));
    }
    rows.extend(machine.network.iter().map(interface_row));
    if machine.network.len() > 1 {
        rows.push(interface_row(&machine.network_total));
    }
    rows.extend(machine.busiest.iter().map(|process| Row {
        what: format!("process {}", printable(&process.process)),
        now: percent(process.percent),
        average: percent(process.average_percent),
        ..Row::default()
    }));
    rows.extend(machine.series.iter().map(series_row));
    rows
}

fn core_rows(cores: &[CoreView]) -> Vec<Row> {
    let figures = |cores: &[CoreView], figure: fn(&CoreView) -> f64| {
        let each = cores.iter().map(|core| format!("{:.0}", figure(core)));
        format!("{}%", each.collect::<Vec<_>>().join(" "))
    };
    let row = |cores: &[CoreView]| Row {
        what: match cores {
            [core] => format!("core {}", core.core),
            [first, .., last] => format!("cores {}-{}", first.core, last.core),
            [] => String::new(),
        },
        now: figures(cores, |core| core.percent),
        average: figures(cores, |core| core.average_percent),
        ..Row::default()
    };
    let size = if cores.len() > CORES { CORES } else { 1 };
    cores.chunks(size).map(row).collect()
}

fn memory_row(memory: &MemoryView) -> Row {
    Row {
        what: "memory".to_owned(),
        now: format!("{} / {}", bytes(memory.used_bytes), percent(memory.percent)),
        average: percent(memory.average_percent),
        total: format!("of {}", bytes(memory.total_bytes)),
        status: Some(memory.status),
    }
}

fn disk_row(disk: &DiskView) -> Row {
    Row {
        what: format!("disk {}", printable(&disk.disk)),
        now: format!(
            "read {} / written {} / busy {}",
            rate(disk.read_bytes_per_second),
            rate(disk.written_bytes_per_second),
            percent(disk.busy_percent)
        ),
        average: format!("{} / {}", rate(disk.read_average), rate(disk.written_average)),
        total: format!("{} / {}", bytes(disk.read_bytes), bytes(disk.written_bytes)),
        status: Some(disk.status),
    }
}

fn interface_row(interface: &InterfaceView) -> Row {
    Row {
        what: format!("network {}", printable(&interface.interface)),
        now: format!(
            "in {} / out {}",
            rate(interface.received_bytes_per_second),
            rate(interface.sent_bytes_per_second)
        ),
        average: format!("{} / {}", rate(interface.received_average), rate(interface.sent_average)),
        total: format!("{} / {}", bytes(interface.received_bytes), bytes(interface.sent_bytes)),
        status: None,
    }
}

fn series_row(series: &SeriesView) -> Row {
    Row {
        what: printable(&series.series),
        now: format!("{} / deviation {:.1}", quantity(series.latest), series.deviation),
        average: quantity(series.average),
        total: format!(
            "{} in {} samples{}",
            quantity(series.total),
            count(series.samples),
            late(series.late)
        ),
        status: Some(series.status),
    }
}

fn log_rows(log: &TrafficView) -> Vec<Row> {
    let first = Row {
        what: printable(&log.log),
        now: format!(
            "{} requests/s / errors {}",
            quantity(log.requests_per_second),
            percent(log.error_percent)
        ),
        average: format!("{} a request", bytes(log.average_bytes)),
        total: format!("{} requests / {}{}", count(log.requests), bytes(log.bytes), late(log.late)),
        status: Some(log.status),
    };
    let classes = log.responses.iter().zip(1..).filter(|(requests, _)| **requests > 0);
    let responses = classes.map(|(requests, class)| Row {
        what: format!("responses {class}xx"),
        total: format!("{} requests", count(*requests)),
        ..Row::default()
    });
    let paths = log.busiest.iter().map(|path| Row {
        what: printable(&path.path),
        total: format!("{} requests / {}", count(path.requests), bytes(path.bytes)),
        ..Row::default()
    });
    std::iter::once(first).chain(responses).chain(paths).collect()
}

/// Said only where something came out of order.
fn late(samples: u64) -> String {
    if samples == 0 { String::new() } else { format!(", {} out of order", count(samples)) }
}

/// Names come from files and processes: they get no say over the terminal.
pub(crate) fn printable(name: &str) -> String {
    let mut letters = name.chars();
    let mut short: String =
        letters.by_ref().take(NAME).map(|c| if c.is_control() { '?' } else { c }).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}
