//! Tables in Markdown.

use crate::contender::Role;
use crate::record::{Entry, Quantity, Record, Verdict};
use crate::report::{short, time};
use crate::workload::Section;

/// All tables of a record.
pub fn tables(record: &Record) -> String {
    let machine = &record.machine;
    let mut text = format!(
        "{}, {} cores, load {} at the start.",
        machine.processor, machine.cores, machine.load
    );
    if let Some(unit) = unit(record) {
        text.push_str(&format!(" One uncontended `fetch_add`: {} ns at best.", short(unit)));
    }
    text.push_str(" A cell is the best repetition's median; the best peer is bold.\n");
    for section in [Section::Operations, Section::Shapes] {
        text.push_str(&steps(record, section));
    }
    text.push_str(&runs(record));
    text.push_str(&growth(record));
    text.push_str(&memory(record));
    text.push_str(&threads(record));
    text.push_str(&spreads(record));
    text.push_str(&failures(record));
    text
}

/// The least time of one `fetch_add` that any process saw.
fn unit(record: &Record) -> Option<f64> {
    record.entries.iter().filter_map(|entry| entry.best(Quantity::Unit)).reduce(f64::min)
}

/// A table: a line for each workload, a column for each contender.
struct Table<'a> {
    columns: Vec<&'a str>,
    rows: Vec<(&'a str, Vec<&'a Entry>)>,
}

impl<'a> Table<'a> {
    fn new(record: &'a Record, is_wanted: impl Fn(&Entry) -> bool) -> Self {
        let mut table = Self { columns: Vec::new(), rows: Vec::new() };
        for entry in record.entries.iter().filter(|entry| is_wanted(entry)) {
            if !table.columns.contains(&entry.engine.as_str()) {
                table.columns.push(&entry.engine);
            }
            match table.rows.last_mut() {
                Some((name, row)) if *name == entry.workload => row.push(entry),
                _ => table.rows.push((&entry.workload, vec![entry])),
            }
        }
        // A contender that has no answer to anything has no column.
        let has_any = |column: &&str| {
            let mut all = table.rows.iter().flat_map(|(_, row)| row);
            all.any(|entry| entry.engine == *column && entry.verdict != Verdict::NotExpressible)
        };
        table.columns = table.columns.iter().copied().filter(has_any).collect();
        table
    }

    fn text(
        &self,
        title: &str,
        more: &[&str],
        cell: impl Fn(&[&Entry], &Entry) -> String,
        extra: impl Fn(&[&Entry]) -> Vec<String>,
    ) -> String {
        if self.rows.is_empty() || self.columns.is_empty() {
            return String::new();
        }
        let head: Vec<_> = self.columns.iter().chain(more).copied().collect();
        let mut text = format!("\n## {title}\n\n| | {} |\n", head.join(" | "));
        text.push_str(&format!("|---|{}\n", "---:|".repeat(head.len())));
        for (name, row) in &self.rows {
            let of = |column: &&str| {
                let entry = row.iter().find(|entry| entry.engine == **column);
                entry.map_or(String::new(), |entry| cell(row, entry))
            };
            let mut cells: Vec<_> = self.columns.iter().map(of).collect();
            cells.extend(extra(row));
            text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
        }
        text
    }
}

/// What is said instead of a number, if the entry has none to show.
fn verdict(entry: &Entry) -> Option<String> {
    match &entry.verdict {
        Verdict::Right => None,
        Verdict::NotExpressible => Some(String::new()),
        Verdict::OverLimit { seconds } => Some(format!(">{seconds} s")),
        Verdict::Crashed { .. } if entry.started == 0 => Some("not tried".to_owned()),
        Verdict::Crashed { .. } => Some(format!("CRASHED {} of {}", entry.failed, entry.started)),
        Verdict::Wrong => Some(wrong(entry)),
    }
}

fn wrong(entry: &Entry) -> String {
    let Some(answers) = &entry.answers else { return "WRONG".to_owned() };
    let counts =
        [(answers.wrong, "wrong"), (answers.glitches, "glitches"), (answers.panics, "panics")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    format!("WRONG: {} in {}", counts.join(", "), answers.looked_at)
}

fn cell(row: &[&Entry], entry: &Entry, quantity: Quantity) -> String {
    if let Some(verdict) = verdict(entry) {
        return verdict;
    }
    let Some(value) = entry.best(quantity) else { return String::new() };
    let shown = match quantity {
        Quantity::Rate => {
            let beside = entry.best(Quantity::Beside);
            let beside = beside.map_or(String::new(), |rate| format!(", w {}", short(rate)));
            format!("{}{beside}", short(value))
        }
        quantity if quantity.is_time() => time(value),
        _ => short(value),
    };
    let is_best = entry.role == Role::Peer && best_peer(row, quantity) == Some(value);
    if is_best { format!("**{shown}**") } else { shown }
}

/// The best number that a peer with right answers has.
pub(crate) fn best_peer(row: &[&Entry], quantity: Quantity) -> Option<f64> {
    let right = row.iter().filter(|entry| entry.verdict == Verdict::Right);
    let peers = right.filter(|entry| entry.role == Role::Peer);
    let values = peers.filter_map(|entry| entry.best(quantity));
    if quantity.is_rate() { values.reduce(f64::max) } else { values.reduce(f64::min) }
}

fn own<'a>(row: &[&'a Entry]) -> Option<&'a Entry> {
    row.iter().copied().find(|entry| entry.role == Role::Own && entry.verdict == Verdict::Right)
}

/// Own time divided by the best peer's, below 1 being ahead; of rates the other way round.
pub(crate) fn against(row: &[&Entry], quantity: Quantity) -> Option<f64> {
    let (own, peer) = (own(row)?.best(quantity)?, best_peer(row, quantity)?);
    Some(if quantity.is_rate() { peer / own } else { own / peer })
}

fn steps(record: &Record, section: Section) -> String {
    let title = match section {
        Section::Operations => "Operations, each",
        _ => "Shapes, one step",
    };
    let extra = |row: &[&Entry]| {
        let ratio = against(row, Quantity::Step).map_or(String::new(), short);
        let units = own(row).and_then(|own| Some(own.per_node()? / own.best(Quantity::Unit)?));
        vec![ratio, units.map_or(String::new(), short)]
    };
    let more = ["own ÷ best peer", "own, `fetch_add`s a node"];
    Table::new(record, |entry| entry.section == section).text(
        title,
        &more,
        |row, entry| cell(row, entry, Quantity::Step),
        extra,
    )
}

/// Runs and allocations a step.
fn runs(record: &Record) -> String {
    let is_shape = |entry: &Entry| entry.section == Section::Shapes;
    let needed = |row: &[&Entry]| {
        let mut all = row.iter().filter_map(|entry| entry.answers);
        vec![all.next().map_or(String::new(), |answers| short(answers.needed))]
    };
    let looked_into = |entry: &Entry| is_shape(entry) && entry.role != Role::Bound;
    let runs = Table::new(record, looked_into).text(
        "Runs of computeds and effects a step",
        &["needed"],
        |_, entry| match entry.answers {
            Some(answers) if answers.runs > 0.0 => short(answers.runs),
            _ => String::new(),
        },
        needed,
    );
    let allocations = Table::new(record, looked_into).text(
        "Allocations a step",
        &[],
        |_, entry| entry.best(Quantity::Allocations).map_or(String::new(), short),
        |_| Vec::new(),
    );
    runs + &allocations
}

fn growth(record: &Record) -> String {
    let mut families: Vec<&str> = Vec::new();
    for (family, _) in record.entries.iter().filter_map(|entry| entry.growth.as_ref()) {
        if !families.contains(&family.as_str()) {
            families.push(family);
        }
    }
    let mut text = String::new();
    for family in families {
        let is_of = |entry: &Entry| entry.growth.as_ref().is_some_and(|(name, _)| name == family);
        let table = Table::new(record, is_of);
        let title = format!("Growth, {family}: a step");
        text.push_str(&table.text(
            &title,
            &[],
            |row, entry| cell(row, entry, Quantity::Step),
            |_| Vec::new(),
        ));
        if family == "read" || family == "update_one" {
            continue;
        }
        for quantity in [Quantity::Build, Quantity::Drop, Quantity::Bytes, Quantity::Resident] {
            let title = format!("Growth, {family}: {}", quantity.name());
            let of =
                |_: &[&Entry], entry: &Entry| entry.best(quantity).map_or(String::new(), short);
            text.push_str(&table.text(&title, &[], of, |_| Vec::new()));
        }
    }
    text
}

fn memory(record: &Record) -> String {
    Table::new(record, |entry| entry.section == Section::Memory).text(
        "Bytes a node, handle and closure included, sources not (allocations)",
        &[],
        |row, entry| {
            let allocations = entry.best(Quantity::Allocations).map_or(String::new(), short);
            match cell(row, entry, Quantity::Bytes) {
                bytes if bytes.is_empty() || verdict(entry).is_some() => bytes,
                bytes => format!("{bytes} ({allocations})"),
            }
        },
        |_| Vec::new(),
    )
}

fn threads(record: &Record) -> String {
    let is_crowd = |entry: &Entry| entry.section == Section::Threads;
    let is_latency = |entry: &Entry| entry.workload.contains("latency");
    let ratio = |row: &[&Entry]| vec![against(row, Quantity::Rate).map_or(String::new(), short)];
    let rates = Table::new(record, |entry| is_crowd(entry) && !is_latency(entry)).text(
        "Threads, million operations a second: writers together, readers each; w: beside them",
        &["best peer ÷ own"],
        |row, entry| cell(row, entry, Quantity::Rate),
        ratio,
    );
    let latencies = Table::new(record, |entry| is_crowd(entry) && is_latency(entry)).text(
        "Latency of `set` beside a slow effect: p50, p99, p99.9",
        &[],
        |_, entry| {
            let quantiles = [Quantity::P50, Quantity::P99, Quantity::P999];
            let times: Vec<_> = quantiles.iter().filter_map(|one| entry.best(*one)).collect();
            let times: Vec<_> = times.into_iter().map(time).collect();
            verdict(entry).unwrap_or_else(|| times.join(", "))
        },
        |_| Vec::new(),
    );
    rates + &latencies
}

/// How far repetitions lie apart: the median and the worst of all entries.
fn spreads(record: &Record) -> String {
    let of = |entry: &Entry| {
        let repeated = entry.measured.iter().filter(|(_, values)| values.len() > 1);
        let main = repeated.map(|(quantity, _)| *quantity);
        let main = main.filter(|one| matches!(one, Quantity::Step | Quantity::Rate));
        main.map(|quantity| entry.spread(quantity)).reduce(f64::max)
    };
    let mut spreads: Vec<_> = record.entries.iter().filter_map(of).collect();
    spreads.sort_by(f64::total_cmp);
    let at = |share: f64| spreads.get((spreads.len() as f64 * share) as usize).copied();
    match (at(0.5), at(0.9)) {
        (Some(median), Some(most)) => format!(
            "\nSpread, the largest repetition divided by the least: median {}, p90 {}.\n",
            short(median),
            short(most)
        ),
        _ => String::new(),
    }
}

/// Everything that did not end well, in words.
fn failures(record: &Record) -> String {
    let mut text = String::new();
    for entry in &record.entries {
        let said = match &entry.verdict {
            Verdict::Right | Verdict::NotExpressible => continue,
            Verdict::Wrong => wrong(entry),
            Verdict::OverLimit { seconds } => format!("did not end within {seconds} s"),
            Verdict::Crashed { message } => format!("crashed: {message}"),
        };
        let counts = match entry.started {
            0 => "not tried again when larger".to_owned(),
            started => format!("{} of {started} processes", entry.failed),
        };
        let (workload, engine) = (&entry.workload, &entry.engine);
        text.push_str(&format!("- {workload}, {engine}: {said} ({counts})\n"));
    }
    if text.is_empty() { text } else { format!("\n## What went wrong\n\n{text}") }
}
