//! Tells what others do in a directory of values.
//!
//! A debouncer of its own: those that come with notify either forget that the system's queue ran
//! over, or wake several times a period for nothing.

use super::names::Names;
use super::walk::{Found, is_inside, walk};
use crate::store::backend::{BackendError, Notices};
use crate::store::path::Path;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::ops::Bound::Excluded;
use std::path::{Path as FilePath, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// When more paths than this have changed, reading all is no slower.
const MANY: usize = 1000;
/// Edits that never cease are told after so many times the quiet that was asked for.
const PATIENCE: u32 = 10;

enum Message {
    Seen(notify::Result<Event>),
    Stop,
}

/// Watches until it is dropped.
pub(super) struct Edits {
    stop: Sender<Message>,
}

impl Drop for Edits {
    fn drop(&mut self) {
        // It fails only if the thread has ended before.
        let _ = self.stop.send(Message::Stop);
    }
}

impl Edits {
    /// Whatever is done after this returned will be told.
    pub(super) fn watch(
        base: &FilePath,
        names: &Names,
        quiet: Duration,
        notices: Notices,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (stop, messages) = mpsc::channel();
        let seen = stop.clone();
        let watcher = notify::recommended_watcher(move |event| {
            // It fails only when nobody watches any more.
            let _ = seen.send(Message::Seen(event));
        })?;
        let (base, names) = (base.to_path_buf(), names.clone());
        let known = BTreeSet::new();
        let mut watching = Watching { watcher, messages, notices, base, names, quiet, known };
        watching.begin()?;
        thread::Builder::new().name("isobar-edits".into()).spawn(move || watching.run())?;
        Ok(Self { stop })
    }
}

struct Watching {
    watcher: RecommendedWatcher,
    messages: Receiver<Message>,
    notices: Notices,
    base: PathBuf,
    names: Names,
    quiet: Duration,
    /// Where there were values: a directory that vanishes does not tell what was in it.
    known: BTreeSet<Path>,
}

/// What was seen, and not told yet.
#[derive(Default)]
struct Pending {
    files: BTreeSet<PathBuf>,
    missed: bool,
}

impl Watching {
    /// Also again, after the queue ran over: directories may have appeared meanwhile.
    fn begin(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.watcher.watch(&self.base, RecursiveMode::Recursive)?;
        self.known.clear();
        walk(&self.base, &self.names, self.base.clone(), &mut |found| {
            if let Found::Value(path, _) = found {
                self.known.insert(path);
            }
        })?;
        Ok(())
    }

    fn run(mut self) {
        while let Ok(Message::Seen(first)) = self.messages.recv() {
            if self.notices.is_over() {
                break;
            }
            let mut pending = Pending::default();
            self.see(first, &mut pending);
            if !self.gather(&mut pending) {
                break;
            }
            self.tell(pending);
        }
    }

    /// What follows without a pause; false if it is to stop.
    fn gather(&self, pending: &mut Pending) -> bool {
        let begun = Instant::now();
        loop {
            let left = (self.quiet * PATIENCE).saturating_sub(begun.elapsed());
            match self.messages.recv_timeout(self.quiet.min(left)) {
                Ok(Message::Seen(event)) => self.see(event, pending),
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn see(&self, event: notify::Result<Event>, pending: &mut Pending) {
        match event {
            Err(error) => {
                self.fail(error);
                pending.missed = true;
            }
            Ok(event) if event.need_rescan() => pending.missed = true,
            // Our own reading of a file, for one.
            Ok(Event { kind: EventKind::Access(_), .. }) => {}
            Ok(event) => pending.files.extend(event.paths),
        }
    }

    fn fail(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        let what = format!("watching {}", self.base.display());
        self.notices.failed(BackendError::failed(what, error));
    }

    fn tell(&mut self, pending: Pending) {
        let mut changed = BTreeSet::new();
        for file in &pending.files {
            match file.strip_prefix(&self.base) {
                Ok(relative) if relative.as_os_str().is_empty() => self.look_for_base(),
                Ok(relative) if !is_hidden(relative) => self.look_at(relative, &mut changed),
                _ => {}
            }
        }
        if pending.missed || changed.len() > MANY {
            if let Err(error) = self.begin() {
                self.fail(error);
            }
            self.notices.missed();
        } else if !changed.is_empty() {
            self.notices.changed(changed);
        }
    }

    fn look_for_base(&self) {
        if !self.base.is_dir() {
            self.fail("the directory is gone; put it back and mount it again");
        }
    }

    /// Something was done to a file or a directory, which may be there, or not any more.
    fn look_at(&mut self, relative: &FilePath, changed: &mut BTreeSet<Path>) {
        let file = self.base.join(relative);
        if let Some(path) = self.names.path_of_file(relative) {
            if file.exists() {
                self.known.insert(path.clone());
            } else {
                self.known.remove(&path);
            }
            changed.insert(path);
        } else if let Some(path) = self.names.path_of_directory(relative) {
            let below = self.known.range((Excluded(&path), Excluded(&path.end())));
            let below: Vec<Path> = below.cloned().collect();
            for path in &below {
                self.known.remove(path);
            }
            changed.extend(below);
            if is_inside(&self.base, &file) {
                self.find_below(file, changed);
            }
        }
    }

    fn find_below(&mut self, directory: PathBuf, changed: &mut BTreeSet<Path>) {
        let walked = walk(&self.base, &self.names, directory, &mut |found| {
            if let Found::Value(path, _) = found {
                self.known.insert(path.clone());
                changed.insert(path);
            }
        });
        if let Err(error) = walked {
            self.fail(error);
        }
    }
}

fn is_hidden(relative: &FilePath) -> bool {
    relative.iter().any(|name| name.to_string_lossy().starts_with('.'))
}
