//! Has a usual operation or shape become dearer? Counts instructions, which repeat where times do
//! not, and compares them with `benches/instructions.txt`: the guard that `.ci/run` asks.
//!
//! Each is run twice under `valgrind --tool=callgrind`, for few turns and for many; what the
//! difference does not contain is what only begins and ends a process. A second thread has used a
//! graph and waits meanwhile, so the engine is never solo (docs/protocols/solo.md), whatever the
//! version of valgrind makes of `membarrier`.
//!
//! `cargo bench -p isobar-benches --bench instructions [-- [--record] [chain ..]]`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::{env, fs, io, thread};

use isobar_benches::Isobar;
use isobar_benches::harness::{Assembly, Sink, Steps, Task, Workload, operation, workloads};

/// What is counted: the name among the harness's workloads, few turns, many turns.
const COUNTED: [(&str, u64, u64); 20] = [
    ("read_signal", 1000, 51_000),
    ("read_computed", 1000, 51_000),
    ("write_unobserved", 500, 5500),
    ("write_equal", 500, 10_500),
    ("batch_10", 100, 600),
    // A thousand nodes a turn, which are dropped again.
    ("create_signals", 1, 8),
    ("create_comp_1to1", 1, 6),
    ("create_comp_4to1", 1, 6),
    ("create_effect_1to1", 1, 6),
    ("update_1to1", 200, 2200),
    ("update_1to1000", 2, 8),
    ("fanout_1000", 2, 5),
    ("fanout_1000_pull", 2, 5),
    ("chain_1000", 2, 6),
    ("diamond_5", 100, 600),
    ("mux_100", 20, 120),
    ("unstable", 50, 350),
    ("avoidable", 50, 450),
    ("cellx_10", 20, 80),
    ("dyn_wide_dense", 2, 6),
];

/// A change by more per cent than this is an error, or a reason to record again.
const ALLOWED: f64 = 10.0;
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// Asks this program for the turns themselves.
const TURNS: &str = "--turns";

fn main() -> ExitCode {
    // What cargo adds says nothing here.
    let arguments: Vec<String> = env::args().skip(1).filter(|it| it != "--bench").collect();
    if let [TURNS, name, turns] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        take_turns(name, turns.parse().expect("a number of turns"));
        return ExitCode::SUCCESS;
    }
    let (options, names): (Vec<_>, Vec<_>) =
        arguments.into_iter().partition(|it| it.starts_with('-'));
    let done = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => guard(&names),
        ["--record"] if names.is_empty() => record(),
        ["--record"] => Err(Failure::PartOfAll),
        [option, ..] => Err(Failure::Option(option.to_owned())),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What makes counting impossible.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is no option `{0}`: `--record`, and names of what to count")]
    Option(String),
    #[error("`--record` records all of them: leave the names out")]
    PartOfAll,
    #[error("nothing that is counted has a name like that")]
    Nothing,
    #[error("cannot start valgrind ({0}): install it, on Debian with `apt-get install valgrind`")]
    Valgrind(io::Error),
    #[error("valgrind counted nothing for {name}; it said:\n{said}")]
    Uncounted { name: String, said: String },
    #[error("cannot read or write {BASELINE} ({0}): `-- --record` makes it")]
    Baseline(io::Error),
    #[error("{BASELINE} has a line that is no name and number: {0}")]
    Line(String),
}

/// The turns, with nothing around them that grows with their number.
fn take_turns(name: &str, turns: u64) {
    let (begun, has_begun) = mpsc::channel();
    let (until, over) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        begun.send(isobar::Graph::new().signal(1).get()).expect("somebody waits");
        // Ends with an error, when the turns are over and the sender is dropped.
        let _ = over.recv();
    });
    has_begun.recv().expect("the other thread has used a graph");
    match workload(name).task {
        Task::Steps(build) => {
            let mut subject = Assembly::new(Isobar::alone(), Sink::default(), &build(name));
            black_box(subject.steps(turns));
        }
        Task::Operation(operation) => {
            let took = operation::timed(Isobar::alone(), operation)(turns);
            assert_eq!(took.wrong, 0, "{name} answers wrongly: ask `isobar bench {name}`");
        }
        _ => panic!("{name} is neither a shape nor an operation"),
    }
    drop(until);
    other.join().expect("a thread that waits does not panic");
}

fn workload(name: &str) -> Workload {
    let named = workloads().into_iter().find(|workload| workload.name == name);
    named.unwrap_or_else(|| panic!("the harness has no workload {name}"))
}

/// What the instructions of a turn are divided by: its nodes, or the nodes that it makes.
fn per_turn(name: &str) -> u64 {
    match workload(name).task {
        Task::Steps(build) => build(name).nodes() as u64,
        Task::Operation(operation) => operation.per(),
        _ => 1,
    }
}

/// Instructions a node, or an operation.
fn count((name, few, many): (&str, u64, u64)) -> Result<f64, Failure> {
    let (few_cost, many_cost) = thread::scope(|scope| {
        let few = scope.spawn(|| collected(name, few));
        (collected(name, many), few.join().expect("counting does not panic"))
    });
    let (many_cost, few_cost) = (few_cost?, many_cost?);
    Ok((many_cost - few_cost) / ((many - few) * per_turn(name)) as f64)
}

/// Instructions of a whole process.
fn collected(name: &str, turns: u64) -> Result<f64, Failure> {
    let program = env::current_exe().map_err(Failure::Valgrind)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([TURNS, name, &turns.to_string()])
        .output()
        .map_err(Failure::Valgrind)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let number =
        said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    number
        .filter(|_| output.status.success())
        .ok_or(Failure::Uncounted { name: name.to_owned(), said })
}

/// With what the counts were made: others make others.
fn tools() -> Result<String, Failure> {
    let valgrind = Command::new("valgrind").arg("--version").output().map_err(Failure::Valgrind)?;
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    let line = |text: Vec<u8>| String::from_utf8_lossy(&text).trim().to_owned();
    let (rustc, valgrind) = (line(rustc.unwrap_or_default()), line(valgrind.stdout));
    Ok(format!("# With {rustc}, {valgrind}, {}.", env::consts::ARCH))
}

fn record() -> Result<ExitCode, Failure> {
    let mut text =
        "# Instructions a node, or an operation: what `benches/instructions.rs` compares \
                    with.\n# Written by `cargo bench -p isobar-benches --bench instructions -- \
                    --record`.\n"
            .to_owned();
    writeln!(text, "{}", tools()?).expect("a string takes all");
    for counted in COUNTED {
        let line = format!("{} {:.1}", counted.0, count(counted)?);
        println!("{line}");
        writeln!(text, "{line}").expect("a string takes all");
    }
    fs::write(BASELINE, text).map_err(Failure::Baseline)?;
    Ok(ExitCode::SUCCESS)
}

/// The baseline: with what it was recorded, and the numbers by name.
fn baseline() -> Result<(String, BTreeMap<String, f64>), Failure> {
    let text = fs::read_to_string(BASELINE).map_err(Failure::Baseline)?;
    let (comments, lines): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let numbers = lines.into_iter().map(|line| {
        let number = line.split_once(' ').and_then(|(name, it)| Some((name, it.parse().ok()?)));
        let (name, number) = number.ok_or_else(|| Failure::Line(line.to_owned()))?;
        Ok((name.to_owned(), number))
    });
    Ok((
        comments.last().copied().unwrap_or_default().to_owned(),
        numbers.collect::<Result<_, _>>()?,
    ))
}

fn guard(names: &[String]) -> Result<ExitCode, Failure> {
    let tools = tools()?;
    let (recorded_with, before) = baseline()?;
    let is_meant = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    let mut meant = COUNTED.into_iter().filter(|counted| is_meant(counted.0)).peekable();
    meant.peek().ok_or(Failure::Nothing)?;
    let (mut dearer, mut cheaper) = (Vec::new(), Vec::new());
    println!("{:<18} {:>12} {:>12} {:>9}", "instructions", "baseline", "now", "change");
    for counted in meant {
        let (name, now) = (counted.0, count(counted)?);
        let Some(before) = before.get(name) else {
            println!("{name:<18} {:>12} {now:>12.1}", "none");
            dearer.push(name);
            continue;
        };
        let change = (now / before - 1.0) * 100.0;
        println!("{name:<18} {before:>12.1} {now:>12.1} {change:>+8.1}%");
        if change > ALLOWED {
            dearer.push(name);
        } else if change < -ALLOWED {
            cheaper.push(name);
        }
    }
    if recorded_with != tools {
        println!("\nRecorded {recorded_with}\nCounted  {tools}");
    }
    if !cheaper.is_empty() {
        println!("\nCheaper by more than {ALLOWED} %: {}.", cheaper.join(", "));
        println!("Record them, lest it be lost again: `-- --record`.");
    }
    if dearer.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nDearer by more than {ALLOWED} %, or without a baseline: {}.", dearer.join(", "));
    println!("Mend it; or, if it is worth its price, record it and say so: `-- --record`.");
    Ok(ExitCode::FAILURE)
}
