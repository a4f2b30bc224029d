//! The same store with parts of it in files, in memory and in a slow place behind a write-behind
//! mount. Notice that reading never touches a disk, that each value is a file a person can read,
//! and that what is deleted stays deleted although it is not yet gone from the disk.
//!
//! Mended: in the original a deleted value came back from the backend until it was flushed,
//! flushing happened only when something else was written, `1.5` and `1.7` shared one file, paths
//! left the directory, and deleting through the backend with a text did nothing.

use isobar::store::{Files, Memory, Path, Store, StoreError};
use isobar::{Clock, Graph};
use std::fs;
use std::path::Path as FilePath;
use std::time::Duration;

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let told = Graph::new().enter(|| {
        layout(say, directory.path())?;
        hybrid(say, directory.path())?;
        behind(say)
    });
    told.expect("the disk takes what it is given");
}

fn layout(say: fn(String), directory: &FilePath) -> Result<(), StoreError> {
    let base = directory.join("layout");
    let store = Store::new();
    store.mount("/", Files::open(&base)?).build()?;
    store.at("/config").set_tree(serde_json::json!({
        "theme": "dark", "colors": { "primary": "#336699", "secondary": "#993366" }
    }))?;
    store.at("/n/1.5").set("a half more")?;
    store.at("/n/1.7").set("more than that")?;
    files(&base).iter().for_each(|(name, text)| say(format!("{name}: {text}")));
    let outside = store.at("/../outside").set(1);
    say(outside.expect_err("it leads out of the store").to_string());
    store.at("/config/colors").delete()?;
    store.at("/n").delete()?;
    say(format!("left: {:?}", files(&base).iter().map(|(name, _)| name).collect::<Vec<_>>()));
    Ok(())
}

/// Each file below, with its text.
fn files(base: &FilePath) -> Vec<(String, String)> {
    let (mut found, mut directories) = (Vec::new(), vec![base.to_path_buf()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, hidden) = (entry.path(), entry.file_name().as_encoded_bytes()[0] == b'.');
            if path.is_dir() {
                directories.push(path);
            } else if !hidden {
                let name = path.strip_prefix(base).unwrap_or(&path).display().to_string();
                found.push((name, fs::read_to_string(path).unwrap_or_default().trim().into()));
            }
        }
    }
    found.sort();
    found
}

fn hybrid(say: fn(String), directory: &FilePath) -> Result<(), StoreError> {
    let store = Store::new();
    let kept = store.mount("/persistent", Files::open(directory.join("hybrid"))?).build()?;
    store.at("/temporary").set("in memory")?;
    store.at("/persistent/important").set("on the disk")?;
    say(format!("the store: {}", store.at("/").to_value()?.unwrap_or_default()));
    let mut backend = kept.unmount()?;
    let path: Path = "/important".parse()?;
    let stored = backend.read(&path)?;
    say(format!("in the backend, at {path}: {}", stored.is_some()));
    say(format!("the store without it: {}", store.at("/").to_value()?.unwrap_or_default()));
    Ok(())
}

fn behind(say: fn(String)) -> Result<(), StoreError> {
    let (store, slow, clock) = (Store::new(), Memory::new(), Clock::manual());
    let mount = store.mount("/", slow.clone()).write_behind(&clock, Duration::from_secs(5));
    let mount = mount.build()?;
    (1..=3).try_for_each(|n| store.at("/a").set(n).map(|_| ()))?;
    store.at("/b").set(1)?;
    store.at("/b").delete()?;
    say(format!(
        "before: {:?} stored, /b is {:?}",
        mount.stats().stored,
        store.at("/b").to_value()?
    ));
    mount.flush()?;
    say(format!("flushed: {:?} stored in {:?} group", mount.stats().stored, mount.stats().groups));
    store.at("/a").delete()?;
    say(format!("deleted: {:?}, or {}", store.at("/a").to_value()?, store.at("/a").get_or(50)?));
    mount.flush()?;
    say(format!("a default is not a value: {}", store.at("/a").contains()?));
    Ok(())
}
