//! Live configuration: three layers of TOML files, merged and validated, for sixteen workers.
//! Notice that workers read one finished value: all settings of it are of one revision, whoever
//! edits which file; and that a file which is broken, or makes no sense with the others, changes
//! nothing and is reported.

use isobar::store::{BackendError, Files, Format, Store, StoreError, Value};
use isobar::{Computed, Graph};
use serde::Deserialize;
use std::error::Error;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

/// Later ones win.
const LAYERS: [&str; 3] = ["defaults", "site", "local"];
const WORKERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// At most `largest` bytes a request, of which `buffer` are kept: two settings that belong
/// together.
#[derive(Clone, PartialEq, Debug, Deserialize)]
struct Config {
    level: String,
    largest: u64,
    buffer: u64,
}

struct Toml;

impl Format for Toml {
    fn extension(&self) -> &str {
        "toml"
    }

    fn write(&self, value: &Value) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        Ok(toml::to_string_pretty(value)?.into_bytes())
    }

    fn read(&self, text: &[u8]) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(toml::from_str(std::str::from_utf8(text)?)?)
    }
}

fn merged(layers: &Value) -> Value {
    let layers = LAYERS.iter().filter_map(|layer| layers[layer].as_object());
    Value::Object(layers.flat_map(|layer| layer.clone()).collect())
}

fn validated(layers: Option<Value>) -> Result<Config, String> {
    let merged = merged(&layers.unwrap_or_default());
    let config: Config = serde_json::from_value(merged).map_err(|error| error.to_string())?;
    match config {
        Config { largest, buffer, .. } if buffer > largest => {
            Err(format!("a buffer of {buffer} for requests of at most {largest}"))
        }
        config => Ok(config),
    }
}

/// The last configuration that made sense, and what is wrong with the newest.
fn configure(store: &Store) -> Result<(Computed<Option<Config>>, Computed<String>), StoreError> {
    let newest = store.at("/layers").node()?.map(|layers| validated(layers.to_value()));
    let wrong = newest.map(|newest| newest.as_ref().err().cloned().unwrap_or_default());
    Ok((newest.filter_map(|newest| newest.as_ref().ok().cloned()), wrong))
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let edit = |layer: &str, text: &str| {
        let file = directory.path().join(layer).with_extension("toml");
        fs::write(file, text).expect("the file can be written");
    };
    edit("defaults", "level = 'info'\nlargest = 1000\nbuffer = 100\n");
    let told = Graph::new().enter(|| tell(say, directory.path(), &edit));
    told.expect("the files can be read");
}

fn tell(
    say: fn(String),
    directory: &FilePath,
    edit: &dyn Fn(&str, &str),
) -> Result<(), StoreError> {
    let store = Store::new();
    let (broken, reported) = mpsc::channel();
    store.on_storage_error(move |error| drop(broken.send(name_of(error))));
    let files = Files::builder(directory).format(Toml).debounce(Duration::from_millis(20));
    store.mount("/layers", files.open()?).build()?;
    let (config, wrong) = configure(&store)?;
    let (torn, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|threads| {
        for _ in 0..WORKERS {
            threads.spawn(|| work(&config, &torn, &over));
        }
        let _over = Over(&over);
        let shown = |config: &Computed<Option<Config>>| match config.get() {
            Some(Config { level, largest, buffer }) => format!("{level} {largest} {buffer}"),
            None => "nothing".to_string(),
        };
        let until = |largest: u64| {
            let reached = |config: &Option<Config>| {
                config.as_ref().is_some_and(|config| config.largest == largest)
            };
            config.wait_until(reached, PATIENCE).expect("the edit is noticed");
        };
        say(format!("at first: {}", shown(&config)));
        edit("site", "largest = 2000\nbuffer = 200\n");
        until(2000);
        say(format!("the site's: {}", shown(&config)));
        edit("local", "level = ");
        let name = reported.recv_timeout(PATIENCE).expect("the broken file is noticed");
        say(format!("{name} is broken: {}", shown(&config)));
        edit("local", "buffer = 9000\n");
        let noticed = wrong.wait_until(|wrong| !wrong.is_empty(), PATIENCE);
        say(format!("{}: {}", *noticed.expect("the edit is noticed"), shown(&config)));
        edit("local", "level = 'debug'\nlargest = 4000\nbuffer = 400\n");
        until(4000);
        say(format!("mended: {}", shown(&config)));
    });
    say(format!("{} of the workers' views were torn", torn.load(SeqCst)));
    Ok(())
}

/// Which file an error is about.
fn name_of(error: &StoreError) -> String {
    match error {
        StoreError::Storage { source: BackendError::Invalid { path, .. }, .. } => path.to_string(),
        other => other.to_string(),
    }
}

/// In all the files a buffer is a tenth of the largest request.
fn work(config: &Computed<Option<Config>>, torn: &AtomicUsize, over: &AtomicBool) {
    while !over.load(SeqCst) {
        if config.get().is_some_and(|config| config.buffer * 10 != config.largest) {
            torn.fetch_add(1, SeqCst);
        }
        thread::yield_now();
    }
}

/// Ends the workers, also if the story ends early.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
