//! The gate: every scenario holds in every mode and explores no less than it used to, and every
//! seeded bug is caught by each scenario that names it.
//!
//! Modes and bugs are chosen once per process, so each exploration is a process of its own.

use crate::scenario::{EXPLORED, FAILED, Mode, Scenario, explore};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const USAGE: &str = "\
cargo test --release [-- ARGUMENTS], inside loom-tests/

    (none)            everything: all scenarios in all modes, then all seeded bugs
    NAME..            only scenarios whose names start so
    --mode MODE       only this mode: loads, loads-bare, rmw, rmw-bare, shadow
    --bug BUG         only this seeded bug
    --clean           no seeded bugs
    --list            the scenarios and the bugs they catch
    --record          write floors.txt anew from this run
    --here            explore the one scenario named, with --mode and --bug, in this process";

/// How long one exploration may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// The part of the measured executions that a later run must reach.
const FLOOR_PERCENT: u64 = 80;

#[derive(Default)]
struct Arguments {
    names: Vec<String>,
    mode: Option<Mode>,
    bug: Option<String>,
    clean: bool,
    list: bool,
    record: bool,
    here: bool,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut read = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--mode" => {
                    let name = words.next().unwrap_or_default();
                    read.mode = Some(Mode::named(&name).ok_or(format!("no mode {name:?}"))?);
                }
                "--bug" => read.bug = words.next(),
                "--clean" => read.clean = true,
                "--list" => read.list = true,
                "--record" => read.record = true,
                "--here" => read.here = true,
                // What cargo passes on to every harness.
                "--nocapture" | "--no-capture" => {}
                flag if flag.starts_with('-') => return Err(format!("no argument {flag}")),
                name => read.names.push(name.to_owned()),
            }
        }
        Ok(read)
    }

    fn names(&self, scenario: &Scenario) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| scenario.name.starts_with(name))
    }
}

/// One exploration.
struct Job<'a> {
    scenario: &'a Scenario,
    mode: Mode,
    bug: Option<&'static str>,
}

enum Outcome {
    Held,
    Failed(String),
    Endless,
}

struct Report<'a> {
    job: Job<'a>,
    outcome: Outcome,
    executions: u64,
    took: Duration,
    log: PathBuf,
}

pub fn main(scenarios: Vec<Scenario>) {
    let arguments = Arguments::read().unwrap_or_else(|error| {
        eprintln!("{error}\n\n{USAGE}");
        std::process::exit(2);
    });
    let chosen: Vec<&Scenario> = scenarios.iter().filter(|s| arguments.names(s)).collect();
    if arguments.here {
        return here(&arguments, &chosen);
    }
    if arguments.list {
        return list(&chosen);
    }
    let mut complaints = Vec::new();
    let everything = arguments.names.is_empty() && arguments.mode.is_none();
    if everything && arguments.bug.is_none() {
        complaints.extend(unnamed(&scenarios));
    }
    let started = Instant::now();
    let mut floors = Floors::read();
    let jobs = plan(&arguments, &chosen, &floors);
    let reports = run(jobs);
    if arguments.record {
        floors.record(&reports);
    }
    show(&reports, &floors, &mut complaints);
    println!("\n{} explorations in {:.0?}", reports.len(), started.elapsed());
    if reports.is_empty() {
        complaints.push("nothing ran".to_owned());
    }
    for complaint in &complaints {
        println!("GATE: {complaint}");
    }
    if !complaints.is_empty() {
        std::process::exit(1);
    }
    println!("the gate is open");
}

fn here(arguments: &Arguments, chosen: &[&Scenario]) {
    let [scenario] = chosen else {
        eprintln!("--here takes one scenario, and {} have such a name", chosen.len());
        std::process::exit(2);
    };
    let mode = arguments.mode.unwrap_or(Mode::Loads);
    let variables = mode.variables();
    // SAFETY: this process has one thread so far.
    variables.iter().for_each(|name| unsafe { std::env::set_var(name, "1") });
    if let Some(bug) = &arguments.bug {
        // SAFETY: as above.
        unsafe { std::env::set_var("ISOBAR_LOOM_BUG", bug) };
    }
    if std::env::var_os("LOOM_MAX_BRANCHES").is_none() {
        // SAFETY: as above.
        unsafe { std::env::set_var("LOOM_MAX_BRANCHES", "20000") };
    }
    explore(scenario, mode)
}

fn list(chosen: &[&Scenario]) {
    for scenario in chosen {
        println!("{}", scenario.name);
        for (bug, mode) in scenario.kills {
            println!("    {bug} ({})", mode.name());
        }
    }
}

/// Complaints about seeded bugs that no scenario names, and names that are no seeded bugs.
fn unnamed(scenarios: &[Scenario]) -> Vec<String> {
    let named: Vec<&str> = scenarios.iter().flat_map(|s| s.kills).map(|(bug, _)| *bug).collect();
    let seeded = isobar::protocol::Bug::ALL;
    let orphans = seeded.iter().filter(|bug| !named.contains(bug));
    let orphans = orphans.map(|bug| format!("no scenario names the seeded bug {bug}"));
    let strangers = named.iter().filter(|bug| !seeded.contains(bug));
    orphans.chain(strangers.map(|bug| format!("{bug} is no seeded bug"))).collect()
}

fn plan<'a>(arguments: &Arguments, chosen: &[&'a Scenario], floors: &Floors) -> Vec<Job<'a>> {
    let wanted = |mode: Mode| arguments.mode.is_none_or(|only| only == mode);
    let mut jobs = Vec::new();
    for scenario in chosen {
        if arguments.bug.is_none() {
            let modes = Mode::ALL.into_iter().filter(|mode| wanted(*mode));
            let modes = modes.filter(|mode| scenario.shadow || *mode != Mode::Shadow);
            jobs.extend(modes.map(|mode| Job { scenario, mode, bug: None }));
        }
        for (bug, mode) in scenario.kills {
            let asked = arguments.bug.as_deref().is_none_or(|only| only == *bug);
            if asked && wanted(*mode) && !arguments.clean {
                jobs.push(Job { scenario, mode: *mode, bug: Some(bug) });
            }
        }
    }
    // The longest first, so that the cores end together.
    jobs.sort_by_key(|job| std::cmp::Reverse((job.bug.is_none(), floors.of(job))));
    jobs
}

/// Runs the jobs, two at a time.
fn run(jobs: Vec<Job<'_>>) -> Vec<Report<'_>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    let (count, done) = (jobs.len(), AtomicUsize::new(0));
    let queue = Mutex::new(jobs.into_iter());
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..workers {
            threads.spawn(|| {
                loop {
                    let Some(job) = queue.lock().expect("no panics").next() else { return };
                    let report = report(job);
                    let done = done.fetch_add(1, Relaxed) + 1;
                    report.tell(done, count);
                    reports.lock().expect("no panics").push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no panics");
    reports.sort_by_key(|report| {
        let Job { scenario, mode, bug } = report.job;
        (bug, scenario.name, mode as u8)
    });
    reports
}

fn report(job: Job<'_>) -> Report<'_> {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "{}.{}.{}.log",
        job.scenario.name,
        job.mode.name(),
        job.bug.unwrap_or("clean")
    ));
    let file = File::create(&log).expect("the target directory can be written");
    let mut child = Command::new(std::env::current_exe().expect("this test has a file"));
    child.args(["--here", job.scenario.name, "--mode", job.mode.name()]);
    if let Some(bug) = job.bug {
        child.args(["--bug", bug]);
    }
    for variable in
        ["ISOBAR_LOOM_RMW", "ISOBAR_LOOM_NO_ORACLE", "ISOBAR_LOOM_SHADOW", "ISOBAR_LOOM_BUG"]
    {
        child.env_remove(variable);
    }
    for variable in ["LOOM_CHECKPOINT_FILE", "LOOM_LOCATION", "LOOM_LOG", "RUST_BACKTRACE"] {
        child.env_remove(variable);
    }
    child.stdin(Stdio::null()).stderr(file.try_clone().expect("a file has two ends")).stdout(file);
    let started = Instant::now();
    let mut child = child.spawn().expect("this test can be run once more");
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break Some(status);
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            break None;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    let told = std::fs::read(&log).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let line = |prefix| told.lines().rev().find_map(|line: &str| line.strip_prefix(prefix));
    let outcome = match status {
        None => Outcome::Endless,
        Some(status) if status.success() => Outcome::Held,
        Some(status) => Outcome::Failed(line(FAILED).map_or(format!("{status}"), str::to_owned)),
    };
    let executions = line(EXPLORED).and_then(|number| number.parse().ok()).unwrap_or(0);
    Report { job, outcome, executions, took: started.elapsed(), log }
}

impl Report<'_> {
    fn is_as_wanted(&self) -> bool {
        matches!(
            (&self.outcome, self.job.bug),
            (Outcome::Held, None) | (Outcome::Failed(_), Some(_))
        )
    }

    /// A line while the gate runs; the tables follow at the end.
    fn tell(&self, done: usize, count: usize) {
        let Job { scenario, mode, bug } = self.job;
        let what = match (&self.outcome, bug) {
            (Outcome::Held, None) => "holds",
            (Outcome::Failed(_), Some(_)) => "caught",
            (Outcome::Held, Some(_)) => "NOT CAUGHT",
            (Outcome::Failed(_), None) => "FAILED",
            (Outcome::Endless, _) => "TOOK TOO LONG",
        };
        let bug = bug.map(|bug| format!(" with {bug}")).unwrap_or_default();
        println!("{done:4}/{count} {what} {} {}{bug}", scenario.name, mode.name());
    }

    fn complaint(&self) -> Option<String> {
        let Job { scenario, mode, bug } = self.job;
        let name = format!("{} in mode {}", scenario.name, mode.name());
        let log = self.log.display();
        match (&self.outcome, bug) {
            _ if self.is_as_wanted() => None,
            (Outcome::Failed(claim), _) => Some(format!("{name} failed: {claim}; see {log}")),
            (Outcome::Held, bug) => {
                let bug = bug.unwrap_or_default();
                Some(format!("the seeded bug {bug} survived {name}"))
            }
            (Outcome::Endless, bug) => {
                let bug = bug.map(|bug| format!(" with {bug}")).unwrap_or_default();
                Some(format!("{name}{bug} took longer than {PATIENCE:?}"))
            }
        }
    }
}

fn show(reports: &[Report<'_>], floors: &Floors, complaints: &mut Vec<String>) {
    complaints.extend(reports.iter().filter_map(Report::complaint));
    println!("\n{:58} {:10} {:>10} {:>9} {:>7}", "scenario", "mode", "executions", "floor", "s");
    for report in reports.iter().filter(|report| report.job.bug.is_none()) {
        let Job { scenario, mode, .. } = report.job;
        let (name, mode) = (scenario.name, mode.name());
        let seconds = report.took.as_secs_f64();
        let floor = floors.of(&report.job);
        println!("{name:58} {mode:10} {:>10} {:>9} {seconds:>7.1}", report.executions, floor);
        if floor == 0 {
            complaints.push(format!("{name} has no floor in mode {mode}: run with --record"));
        } else if report.executions < floor {
            complaints.push(format!(
                "{name} explored {} executions in mode {mode}, and {floor} is the least",
                report.executions
            ));
        }
    }
    println!("\n{:26} {:58} {:10} {:>7}  claim", "seeded bug", "caught by", "mode", "after");
    for report in reports {
        if let (Some(bug), Outcome::Failed(claim)) = (report.job.bug, &report.outcome) {
            let Job { scenario, mode, .. } = report.job;
            let (name, mode, after) = (scenario.name, mode.name(), report.executions);
            let claim: String = claim.chars().take(70).collect();
            println!("{bug:26} {name:58} {mode:10} {after:>7}  {claim}");
        }
    }
}

/// The least number of executions by scenario and mode: floors.txt.
struct Floors(BTreeMap<(String, String), u64>);

impl Floors {
    fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("floors.txt")
    }

    fn read() -> Self {
        let text = std::fs::read_to_string(Self::path()).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entry = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (name, mode, floor) = (words.next()?, words.next()?, words.next()?);
            Some(((name, mode), floor.parse().ok()?))
        };
        Self(
            lines
                .map(|line| entry(line).expect("a line of floors.txt: name, mode, floor"))
                .collect(),
        )
    }

    fn of(&self, job: &Job<'_>) -> u64 {
        let key = (job.scenario.name.to_owned(), job.mode.name().to_owned());
        self.0.get(&key).copied().unwrap_or(0)
    }

    fn record(&mut self, reports: &[Report<'_>]) {
        for report in reports {
            if report.job.bug.is_none() && matches!(report.outcome, Outcome::Held) {
                let Job { scenario, mode, .. } = report.job;
                let floor = (report.executions * FLOOR_PERCENT / 100).max(1);
                self.0.insert((scenario.name.to_owned(), mode.name().to_owned()), floor);
            }
        }
        let head = format!(
            "# The least number of executions explored at preemption bound 2: \
             {FLOOR_PERCENT} % of what was\n\
             # measured. Written by `cargo test --release -- --record`.\n"
        );
        let lines =
            self.0.iter().map(|((name, mode), floor)| format!("{name:58} {mode:10} {floor}\n"));
        let text: String = std::iter::once(head).chain(lines).collect();
        std::fs::write(Self::path(), text).expect("floors.txt can be written");
    }
}
