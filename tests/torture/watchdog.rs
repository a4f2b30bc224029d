//! A watchdog for each test: a hang becomes a failure with a name.
//!
//! A hung thread cannot be ended from outside, so on expiry the whole process is aborted, after the
//! name of the test, what the test told about itself and what each thread is doing have been
//! printed.
//! Tests under the watchdog run one after the other: each has the machine and the memory figures to
//! itself.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, fs, process, thread};

static ALONE: Mutex<()> = Mutex::new(());

type Facts = Arc<Mutex<Vec<Box<dyn Fn() -> String + Send>>>>;

/// One test under the watchdog; what it `knows` is printed should it hang.
pub(crate) struct Case {
    facts: Facts,
    alive: mpsc::Sender<()>,
}

impl Case {
    /// Adds something to print should the test hang. It is called on a thread of its own.
    pub(crate) fn knows(&self, fact: impl Fn() -> String + Send + 'static) {
        locked(&self.facts).push(Box::new(fact));
    }

    /// A part is over: the next one has the whole time again.
    pub(crate) fn lives(&self) {
        self.alive.send(()).expect("the watchdog listens as long as the test runs");
    }
}

/// Runs `body`, alone, and aborts the process if that takes more than `seconds`.
pub(crate) fn within<R>(name: &'static str, seconds: u64, body: impl FnOnce(&Case) -> R) -> R {
    let _alone = locked(&ALONE);
    quiet_deliberate_panics();
    let (alive, signs) = mpsc::channel::<()>();
    let case = Case { facts: Facts::default(), alive };
    let facts = Arc::clone(&case.facts);
    let watch = move || {
        // The end of `within`, also by a panic, closes the channel.
        loop {
            match signs.recv_timeout(Duration::from_secs(seconds)) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => expire(name, seconds, &facts),
            }
        }
    };
    let watcher = thread::Builder::new().name("watchdog".into()).spawn(watch);
    let watcher = watcher.expect("the system gives one more thread");
    let result = body(&case);
    drop(case);
    watcher.join().expect("the watchdog itself does not panic");
    result
}

/// The seconds a test is given: `seconds` in the short form, more where the long form takes longer,
/// or what `ISOBAR_WATCHDOG` says (a great number keeps a hung process for a debugger).
pub(crate) fn allowance(seconds: u64) -> u64 {
    let asked = env::var("ISOBAR_WATCHDOG").ok().and_then(|seconds| seconds.parse().ok());
    asked.unwrap_or(seconds + super::effort::long_seconds().map_or(0, |long| long * 4 + 120))
}

/// Past the test harness: what it captures is lost when the process aborts.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn expire(name: &str, seconds: u64, facts: &Facts) -> ! {
    tell(&format!("\nwatchdog: `{name}` did not finish within {seconds} s"));
    tell(&threads());
    let (told, asked) = mpsc::channel::<()>();
    let facts = Arc::clone(facts);
    // What the test knows may ask the engine, and the engine may be what hangs.
    thread::spawn(move || {
        for fact in locked(&facts).iter() {
            tell(&format!("  known: {}", fact()));
        }
        drop(told);
    });
    if asked.recv_timeout(Duration::from_secs(5)) == Err(RecvTimeoutError::Timeout) {
        tell("  known: (asking hangs, too)");
    }
    tell(&format!("watchdog: `{name}` failed: hung; aborting the process"));
    process::abort();
}

/// Name, state (R runs, S sleeps) and processor time of every thread, where the system tells.
fn threads() -> String {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return String::from("  (no list of threads on this system)");
    };
    let mut lines = Vec::new();
    for task in tasks.flatten() {
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else {
            continue;
        };
        let Some((head, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let name = head.split_once('(').map_or("?", |(_, name)| name);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or("?");
        lines.push(format!("  thread {name}: state {}, {} ticks", field(0), field(11)));
    }
    lines.join("\n")
}

/// Panics raised on purpose, marked by this word, are not worth a backtrace on the screen.
pub(crate) const DELIBERATE: &str = "deliberate";

fn quiet_deliberate_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload_as_str().is_some_and(|message| message.contains(DELIBERATE)) {
                usual(info);
            }
        }));
    });
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
