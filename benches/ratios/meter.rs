//! Measuring contenders side by side, and the table of what was seen.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

/// Repetitions of each question, and how long one contender runs in each.
const REPETITIONS: usize = 25;
const SLICE: Duration = Duration::from_micros(800);
/// A contender stops taking part in a question when it has used so much.
const PATIENCE: Duration = Duration::from_millis(600);
const LEAST: usize = 3;

/// One operation, and who performs it.
pub struct Question {
    pub name: String,
    /// What one time is divided by: the nodes a step recomputes.
    pub per: u64,
    pub contenders: Vec<Contender>,
    unit: Vec<f64>,
}

impl Question {
    pub fn new(name: impl Into<String>, per: u64) -> Self {
        Self { name: name.into(), per, contenders: Vec::new(), unit: Vec::new() }
    }

    pub fn contender(mut self, name: &'static str, run: impl FnMut(u64) + 'static) -> Self {
        self.contenders.push(Contender { name, run: Box::new(run), count: 1, times: Vec::new() });
        self
    }

    pub fn wrong(&mut self, name: &'static str, why: String) {
        eprintln!("WRONG {name}: {why}");
        self.name.push_str(&format!(" ({name} WRONG)"));
    }

    fn of(&self, name: &str) -> Option<&Contender> {
        self.contenders.iter().find(|one| one.name == name && !one.times.is_empty())
    }
}

pub struct Contender {
    pub name: &'static str,
    run: Box<dyn FnMut(u64)>,
    /// Operations in one slice.
    count: u64,
    /// Nanoseconds an operation, by repetition.
    times: Vec<f64>,
}

impl Contender {
    fn calibrate(&mut self) {
        (self.run)(1);
        loop {
            let time = timed(&mut self.run, self.count);
            if time >= SLICE / 4 {
                let scale = SLICE.as_secs_f64() / time.as_secs_f64();
                self.count = ((self.count as f64 * scale) as u64).max(1);
                return;
            }
            self.count *= 2;
        }
    }

    fn repeat(&mut self, per: u64) {
        let used: f64 = self.times.iter().sum::<f64>() * (self.count * per) as f64;
        if self.times.len() >= LEAST && used > PATIENCE.as_nanos() as f64 {
            return;
        }
        let time = timed(&mut self.run, self.count);
        self.times.push(time.as_nanos() as f64 / (self.count * per) as f64);
    }
}

fn timed(run: &mut dyn FnMut(u64), count: u64) -> Duration {
    let start = Instant::now();
    run(count);
    start.elapsed()
}

/// The unit of all ratios: the result is looked at, as that of every contender is.
#[inline(never)]
fn fetch_adds(counter: &AtomicU64, count: u64) {
    for _ in 0..count {
        black_box(counter.fetch_add(1, Ordering::SeqCst));
    }
}

/// The same with the result thrown away: a shorter instruction. For comparison only.
#[inline(never)]
fn blind_fetch_adds(counter: &AtomicU64, count: u64) {
    for _ in 0..count {
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

const UNITS: u64 = 50_000;

fn unit(counter: &AtomicU64, run: fn(&AtomicU64, u64)) -> f64 {
    timed(&mut |count| run(counter, count), UNITS).as_nanos() as f64 / UNITS as f64
}

/// A counter on lines of its own: on the stack, the time depends on what lies beside it.
fn counter() -> Box<CachePadded<AtomicU64>> {
    Box::default()
}

pub fn measure(questions: &mut [Question]) {
    let counter = counter();
    for question in questions {
        question.contenders.iter_mut().for_each(Contender::calibrate);
        for _ in 0..REPETITIONS {
            question.unit.push(unit(&counter, fetch_adds));
            question.contenders.iter_mut().for_each(|one| one.repeat(question.per));
        }
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

const COLUMNS: [&str; 6] =
    ["floor", "floor, 2 threads", "isobar", "isobar, 1 thread", "alien-signals", "reactive_graph"];
const PEERS: [&str; 2] = ["alien-signals", "reactive_graph"];

pub fn print(questions: &[Question]) {
    let units: Vec<_> = questions.iter().map(|question| least(&question.unit)).collect();
    if units.is_empty() {
        return;
    }
    let counter = counter();
    let blind: Vec<_> = (0..REPETITIONS).map(|_| unit(&counter, blind_fetch_adds)).collect();
    println!("fetch_add: {:.2} ns at best, {:.2} ns median;", least(&units), median(&units));
    println!("with its result thrown away {:.2} ns at best.\n", least(&blind));
    println!("Median ratio to fetch_add (ratio of the least times); in brackets ns, median.\n");
    println!("| per node or operation | {} | isobar ÷ best peer |", COLUMNS.join(" | "));
    println!("|---|{}---:|", "---:|".repeat(COLUMNS.len()));
    for question in questions {
        let cells = COLUMNS.map(|column| cell(question, column));
        println!("| {} | {} | {} |", question.name, cells.join(" | "), against(question));
    }
    println!();
}

/// What was promised of the first measurements, in `fetch_add`s.
const REACH: [(&str, f64); 4] = [
    ("read a clean computed", 3.0),
    ("set, unobserved", 10.0),
    ("chain_1000", 12.0),
    ("fanout_1000", 12.0),
];

pub fn print_reach(questions: &[Question]) {
    for (name, most) in REACH {
        let question = questions.iter().find(|question| question.name == name);
        let ours = question.and_then(|question| Some((question, question.of("isobar")?)));
        let Some((question, ours)) = ours else { continue };
        let middle = median(&ours.times) / median(&question.unit);
        let best = least(&ours.times) / least(&question.unit);
        let verdict = if middle <= most { "reached" } else { "missed" };
        println!("- {name}: {} ({}), {verdict}: at most {most}", short(middle), short(best));
    }
    println!();
}

fn cell(question: &Question, column: &str) -> String {
    let Some(one) = question.of(column) else { return String::new() };
    let (middle, unit) = (median(&one.times), median(&question.unit));
    let best = least(&one.times) / least(&question.unit);
    format!("{} ({}) [{}]", short(middle / unit), short(best), short(middle))
}

fn against(question: &Question) -> String {
    let ours = question.of("isobar");
    let peers = || PEERS.iter().filter_map(|name| question.of(name));
    let best =
        |of: fn(&[f64]) -> f64| least(&peers().map(|one| of(&one.times)).collect::<Vec<_>>());
    match ours {
        Some(one) if peers().next().is_some() => format!(
            "{} ({})",
            short(median(&one.times) / best(median)),
            short(least(&one.times) / best(least)),
        ),
        _ => String::new(),
    }
}

/// Three digits.
pub fn short(number: f64) -> String {
    match number {
        _ if number >= 100.0 => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

pub fn print_machine() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("Machine: {}, {cores} cores.", model.trim_start_matches([' ', '\t', ':']));
    print_load("at the start");
}

pub fn print_load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("Load {when} (1, 5, 15 minutes): {}\n", load.trim());
}
