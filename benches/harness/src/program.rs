//! The whole program: choose, measure, tell.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::contender::{Contender, Contenders, Role};
use crate::one;
use crate::options::Options;
use crate::record::{FileError, Record, Verdict};
use crate::report::{compare, markdown, plot};
use crate::runner::{self, BenchError};
use crate::workload::{self, Workload};

/// Measures reactive engines side by side, and checks their answers first.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// A whole `main`: reads the command line, and does what it asks.
pub fn main(contenders: &Contenders) -> ExitCode {
    let Cli { options } = Cli::parse();
    match run(contenders, &options, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code tells all the same.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the options ask. `started_by` is what stands before them on the command line, such as
/// the name of a subcommand: the program starts itself with it, once for each measurement.
///
/// # Errors
///
/// A name is unknown, a file cannot be used, the program cannot be started again; or all was
/// measured and told, and the own engine was found wrong, slow beyond the limit, or dead.
pub fn run(
    contenders: &Contenders,
    options: &Options,
    started_by: &[&str],
) -> Result<(), BenchError> {
    if let [engine, workload] = &options.one[..] {
        return run_one(contenders, options, engine, workload);
    }
    let chosen = choose(contenders, options)?;
    let workloads = wanted(options)?;
    if options.list {
        list(contenders, &workloads);
        return Ok(());
    }
    let old = options.compare.as_deref().map(Record::read).transpose()?;
    let record = match &options.from {
        Some(path) => Record::read(path)?,
        None => {
            let started_by: Vec<_> = started_by.iter().map(|part| (*part).to_owned()).collect();
            runner::measure(&chosen, &workloads, options, &started_by)?
        }
    };
    let mut text = markdown::tables(&record);
    if let Some(old) = &old {
        text.push_str(&compare::table(old, &record));
    }
    let is_json_on_stdout = options.json.as_deref() == Some(Path::new("-"));
    match options.markdown.as_deref() {
        Some(path) if path != Path::new("-") => {
            fs::write(path, text)
                .map_err(|cause| FileError::Io { path: path.to_owned(), cause })?;
        }
        None if is_json_on_stdout => {}
        // If nobody reads it, there is nobody to tell.
        _ => drop(io::stdout().write_all(text.as_bytes())),
    }
    if let Some(folder) = &options.svg {
        plot::draw(&record, folder)?;
    }
    judge(&record)
}

fn run_one(
    contenders: &Contenders,
    options: &Options,
    engine: &str,
    workload: &str,
) -> Result<(), BenchError> {
    let contender = known(contenders, engine)?;
    let named = workload::all().into_iter().find(|one| one.name == *workload);
    let unknown = || BenchError::Unknown { what: "workload", name: workload.to_owned() };
    let workload = named.ok_or_else(unknown)?;
    let is_well = one::run(contender, &workload, options.effort(), options.check);
    if is_well { Ok(()) } else { Err(BenchError::Panicked) }
}

fn known<'a>(contenders: &'a Contenders, name: &str) -> Result<&'a Contender, BenchError> {
    let unknown = || BenchError::Unknown { what: "contender", name: name.to_owned() };
    contenders.named(name).ok_or_else(unknown)
}

fn choose<'a>(
    contenders: &'a Contenders,
    options: &Options,
) -> Result<Vec<&'a Contender>, BenchError> {
    if options.engines.is_empty() {
        return Ok(contenders.iter().collect());
    }
    options.engines.iter().map(|name| known(contenders, name)).collect()
}

fn wanted(options: &Options) -> Result<Vec<Workload>, BenchError> {
    let unknown = |name| BenchError::Unknown { what: "section", name };
    let sections = options.wanted_sections().map_err(unknown)?;
    let parts = &options.workloads;
    let has_part = |one: &Workload| parts.iter().any(|part| one.name.contains(part));
    let all = workload::all().into_iter().filter(|one| sections.contains(&one.section));
    // What is named is wanted, however long it takes.
    let wanted: Vec<_> = match parts.is_empty() {
        true => all.filter(|one| !(options.quick && one.is_long)).collect(),
        false => all.filter(has_part).collect(),
    };
    if wanted.is_empty() {
        return Err(BenchError::Unknown { what: "workload", name: parts.join(", ") });
    }
    Ok(wanted)
}

fn list(contenders: &Contenders, workloads: &[Workload]) {
    let mut text = String::from("contenders:\n");
    contenders.iter().for_each(|one| text.push_str(&format!("  {}\n", one.name)));
    let mut section = None;
    for workload in workloads {
        if section != Some(workload.section) {
            section = Some(workload.section);
            text.push_str(&format!("{}:\n", workload.section.name()));
        }
        text.push_str(&format!("  {}\n", workload.name));
    }
    // If nobody reads it, there is nobody to tell.
    drop(io::stdout().write_all(text.as_bytes()));
}

/// A program that is about an engine fails when that engine does.
fn judge(record: &Record) -> Result<(), BenchError> {
    let failed = record.entries.iter().filter(|entry| {
        let is_well = matches!(entry.verdict, Verdict::Right | Verdict::NotExpressible);
        entry.role == Role::Own && !is_well
    });
    let names: Vec<_> = failed.map(|entry| entry.engine.clone()).collect();
    match names.first() {
        Some(name) => Err(BenchError::OwnIsWrong { name: name.clone(), count: names.len() }),
        None => Ok(()),
    }
}
