//! What differs from an earlier run.

use crate::record::{Entry, Quantity, Record, Verdict};
use crate::report::short;

/// What is told: differences of more than a tenth, beyond what repetitions of either run show.
const TOLD: f64 = 1.1;

/// A table of what is slower, faster, larger, smaller, right or wrong now. Times are compared as
/// they are and, where another load or machine would show, in `fetch_add`s of their own run.
pub fn table(old: &Record, new: &Record) -> String {
    let mut lines = Vec::new();
    for entry in &new.entries {
        match old.entry(&entry.workload, &entry.engine) {
            Some(before) => lines.extend(differences(before, entry)),
            None => lines.push(line(entry, "", "", "not measured before", "")),
        }
    }
    for entry in
        old.entries.iter().filter(|entry| new.entry(&entry.workload, &entry.engine).is_none())
    {
        lines.push(line(entry, "", "not measured now", "", ""));
    }
    let compared = "\n## Compared with the earlier run\n\n";
    if lines.is_empty() {
        return format!("{compared}No difference of a tenth or more.\n");
    }
    let head = "| | contender | | old | new | new ÷ old | in `fetch_add`s |\n\
        |---|---|---|---:|---:|---:|---:|\n";
    format!("{compared}{head}{}", lines.concat())
}

fn line(entry: &Entry, what: &str, old: &str, new: &str, ratios: &str) -> String {
    let ratios = if ratios.is_empty() { " | " } else { ratios };
    format!("| {} | {} | {what} | {old} | {new} | {ratios} |\n", entry.workload, entry.engine)
}

fn differences(old: &Entry, new: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    if said(&old.verdict) != said(&new.verdict) {
        lines.push(line(new, "verdict", said(&old.verdict), said(&new.verdict), ""));
    }
    for quantity in new.measured.keys().filter(|one| **one != Quantity::Unit) {
        let (Some(before), Some(now)) = (old.best(*quantity), new.best(*quantity)) else {
            continue;
        };
        let ratio = now / before;
        let normal = quantity.is_time().then(|| in_units(old, new, *quantity)).flatten();
        // A disturbed run is seen by its unit, a disturbed repetition by its spread.
        let judged = normal.unwrap_or(ratio);
        let spread = old.spread(*quantity).max(new.spread(*quantity));
        if judged.max(1.0 / judged) > TOLD.max(spread.min(2.0)) {
            let ratios = format!("{} | {}", short(ratio), normal.map_or(String::new(), short));
            lines.push(line(new, quantity.name(), &short(before), &short(now), &ratios));
        }
    }
    lines
}

fn in_units(old: &Entry, new: &Entry, quantity: Quantity) -> Option<f64> {
    let (before, now) = (old.best(Quantity::Unit)?, new.best(Quantity::Unit)?);
    let ratio = new.best(quantity)? / old.best(quantity)?;
    Some(if quantity.is_rate() { ratio * now / before } else { ratio * before / now })
}

fn said(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Right => "right",
        Verdict::Wrong => "wrong",
        Verdict::OverLimit { .. } => "over the limit",
        Verdict::Crashed { .. } => "crashed",
        Verdict::NotExpressible => "not expressible",
    }
}
