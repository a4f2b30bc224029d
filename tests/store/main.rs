//! The store and its storage, through the public API.

mod conformance;
mod contention;
mod derived;
#[cfg(feature = "redb")]
mod embedded;
mod events;
mod files;
mod kills;
mod memory;
mod models;
mod mounts;
mod paths;
mod places;
#[cfg(all(unix, feature = "redis"))]
mod redis;
#[allow(dead_code, reason = "shared with the tests of behaviour, which use all of it")]
#[path = "../behaviour/stage.rs"]
mod stage;
mod threads;

use isobar::store::{
    Backend, Change, Contents, Event, Expected, Path, Store, StoreError, Subscription, Value,
    Version,
};
use stage::Trace;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Notes each event that a pattern hears, in words.
fn listen(store: &Store, pattern: &str, heard: &Trace<String>) -> Subscription {
    let (name, heard) = (pattern.to_string(), heard.clone());
    let note = move |event: &Event<'_>| heard.note(format!("{name}: {}", in_words(event)));
    store.subscribe(pattern, note).unwrap()
}

fn in_words(event: &Event<'_>) -> String {
    let word = |value: Option<&isobar::store::Value>| match value {
        Some(value) => value.to_string(),
        None => "-".to_string(),
    };
    format!("{} {} -> {}", event.path(), word(event.previous()), word(event.value()))
}

type Done = Result<(), StoreError>;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

fn path(text: &str) -> Path {
    text.parse().expect("it is a path")
}

fn put(at: &str, value: impl Into<Value>) -> Change {
    Change { path: path(at), value: Some(Arc::new(value.into())), expected: Expected::Any }
}

fn remove(at: &str) -> Change {
    Change { path: path(at), value: None, expected: Expected::Any }
}

/// Stores one value.
fn set(backend: &mut dyn Backend, at: &str, value: impl Into<Value>) -> Option<Version> {
    backend.apply(&[put(at, value)]).expect("it can be stored")[0]
}

/// The value at a path.
fn get(backend: &mut dyn Backend, at: &str) -> Option<Value> {
    let stored = backend.read(&path(at)).expect("it can be read");
    stored.map(|stored| Value::clone(&stored.value))
}

/// All values, by path as text.
fn all(backend: &mut dyn Backend) -> BTreeMap<String, Value> {
    let Contents { stored, broken } = backend.load().expect("it can be loaded");
    assert!(broken.is_empty(), "{broken:?}");
    let count = stored.len();
    let pairs = stored.iter().map(|it| (it.path.to_string(), Value::clone(&it.value)));
    let all = BTreeMap::from_iter(pairs);
    assert_eq!(all.len(), count, "no path is told twice");
    all
}

/// Aborts the process if it is not dropped within a minute: whatever hangs has a name.
struct Watchdog {
    _ended: mpsc::Sender<()>,
}

impl Watchdog {
    fn of(name: &str) -> Self {
        let (ended, waits) = mpsc::channel::<()>();
        let name = name.to_string();
        std::thread::spawn(move || {
            let waited = waits.recv_timeout(Duration::from_secs(60));
            if waited == Err(mpsc::RecvTimeoutError::Timeout) {
                // Past the test harness: what it captures is lost.
                let _ = writeln!(std::io::stderr(), "`{name}` did not end; aborting");
                std::process::abort();
            }
        });
        Self { _ended: ended }
    }
}

fn within_a_minute<R>(name: &str, body: impl FnOnce() -> R) -> R {
    let _watchdog = Watchdog::of(name);
    body()
}
