//! Million operations a second, with one thread and with two.

use std::time::Duration;

use isobar_benches::crews::{Done, quietly};
use isobar_benches::scenarios::{self, CONTENDERS, Run, Scenario};

use super::meter::short;

const REPETITIONS: usize = 5;
const TIME: Duration = Duration::from_millis(40);

pub fn print() {
    println!("Million operations a second, median (best) of {REPETITIONS}; `w`: those of the");
    println!("writer beside; `!`: so many of a million failed, by a panic, a torn state or a lost");
    println!("update.\n");
    println!("| threads | {} |", CONTENDERS.join(" | "));
    println!("|---|{}", "---:|".repeat(CONTENDERS.len()));
    quietly(|| scenarios::all().iter().for_each(row));
    println!();
}

fn row(scenario: &Scenario) {
    let counts: Vec<_> = scenario.contenders.iter().map(|(_, run)| calibrated(run)).collect();
    let mut seen = vec![Vec::new(); counts.len()];
    for _ in 0..REPETITIONS {
        for (index, (_, run)) in scenario.contenders.iter().enumerate() {
            seen[index].push((counts[index], run(counts[index])));
        }
    }
    let cells = CONTENDERS.map(|column| {
        let index = scenario.contenders.iter().position(|(name, _)| *name == column);
        index.map_or(String::new(), |index| cell(&seen[index], scenario))
    });
    println!("| {} | {} |", scenario.name, cells.join(" | "));
}

fn calibrated(run: &Run) -> u64 {
    let mut count = 1000;
    loop {
        let time = run(count).elapsed;
        if time > TIME / 4 {
            return (count as f64 * TIME.as_secs_f64() / time.as_secs_f64()) as u64 + 1;
        }
        count *= 4;
    }
}

fn cell(seen: &[(u64, Done)], scenario: &Scenario) -> String {
    let times = if scenario.together { scenario.threads } else { 1 };
    let rates = sorted(seen.iter().map(|(each, done)| rate(each * times, done)));
    let mut cell = format!("{} ({})", short(rates[rates.len() / 2]), short(rates[rates.len() - 1]));
    if seen.iter().any(|(_, done)| done.beside > 0) {
        let beside = sorted(seen.iter().map(|(_, done)| rate(done.beside, done)));
        cell.push_str(&format!(", w {}", short(beside[beside.len() / 2])));
    }
    let failed: u64 = seen.iter().map(|(_, done)| done.failed).sum();
    let all: u64 = seen.iter().map(|(each, _)| each * scenario.threads).sum();
    if failed > 0 {
        cell.push_str(&format!(" !{}", short(failed as f64 * 1e6 / all as f64)));
    }
    cell
}

fn rate(count: u64, done: &Done) -> f64 {
    count as f64 / done.elapsed.as_secs_f64() / 1e6
}

fn sorted(rates: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut rates: Vec<_> = rates.collect();
    rates.sort_by(f64::total_cmp);
    rates
}
