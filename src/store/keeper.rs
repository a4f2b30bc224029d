//! The thread of a mount: keeps what is stored the same as what is in memory.
//!
//! It knows what is stored (`stored`), and compares the newest state with it at those paths that
//! may be different (`dirty`). So nothing is logged for it: states that were overtaken meanwhile
//! are skipped, writes to one path are one change, what failed is different still, and what was
//! taken in from others is not.

use super::Core;
use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Expected, Notice, Notices, Stored,
    Version,
};
use super::error::StoreError;
use super::mount::{Reports, Rule, Shared};
use super::path::Path;
use super::state::{Entries, Logged, State, different};
use crate::error::panic_message;
use crate::sync::Relaxed;
use crate::time::Timer;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

/// A state that is to be stored.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) number: u64,
    entries: Entries,
}

impl Target {
    pub(super) fn of(state: &State) -> Self {
        Self { number: state.number, entries: state.entries.clone() }
    }
}

pub(super) struct Keeper {
    core: Weak<Core>,
    shared: Arc<Shared>,
    reports: Arc<Reports>,
    backend: Box<dyn Backend>,
    can: Capabilities,
    /// What is stored, by whole paths.
    stored: Entries,
    versions: HashMap<Path, Version>,
    /// The newest state that was looked at.
    target: Target,
    /// Where that may differ from what is stored.
    dirty: BTreeSet<Path>,
    timer: Option<Timer>,
}

impl Keeper {
    pub(super) fn new(core: &Arc<Core>, shared: &Arc<Shared>, backend: Box<dyn Backend>) -> Self {
        let can = backend.capabilities();
        Self {
            core: Arc::downgrade(core),
            shared: shared.clone(),
            reports: core.mounts.reports.clone(),
            backend,
            can,
            stored: Entries::new(),
            versions: HashMap::new(),
            target: Target { number: 0, entries: Entries::new() },
            dirty: BTreeSet::new(),
            timer: None,
        }
    }

    /// Loads, tells how that went, and keeps until it is over.
    pub(super) fn run(mut self, tell: Sender<Result<(), StoreError>>) -> Box<dyn Backend> {
        let loaded = self.load_first();
        let goes_on = loaded.is_ok();
        if tell.send(loaded).is_ok() && goes_on {
            self.keep();
        }
        self.shared.ended();
        self.backend
    }

    fn keep(&mut self) {
        loop {
            let work = self.shared.take_work();
            self.hear(work.notices);
            if let Some(target) = work.target {
                self.look(target);
            }
            let through = matches!(self.shared.rule, Rule::Through);
            if through || work.flush || work.due || work.over {
                self.timer = None;
                self.store(work.flush);
            }
            if work.over {
                return;
            }
            self.arm();
        }
    }

    fn failed(&self, source: BackendError) -> StoreError {
        StoreError::Storage { mount: self.shared.path.clone(), source }
    }

    fn report(&self, error: &StoreError) {
        self.reports.report(error);
    }

    /// Calls the backend, whose panic is a failure.
    fn ask<R>(
        &mut self,
        what: &str,
        f: impl FnOnce(&mut dyn Backend) -> Result<R, BackendError>,
    ) -> Result<R, BackendError> {
        let asked = catch_unwind(AssertUnwindSafe(|| f(&mut *self.backend)));
        asked.unwrap_or_else(|payload| {
            Err(BackendError::failed(
                format!("{what} panicked"),
                panic_message(&*payload).to_string(),
            ))
        })
    }

    fn load_first(&mut self) -> Result<(), StoreError> {
        if self.can.watch {
            let notices = Notices::new(self.shared.clone());
            self.ask("watch", |backend| backend.watch(notices)).map_err(|e| self.failed(e))?;
        }
        let loaded = self.ask("load", |backend| backend.load()).map_err(|e| self.failed(e))?;
        let core =
            self.core.upgrade().ok_or(StoreError::Gone { path: self.shared.path.clone() })?;
        let mut new = Entries::new();
        for stored in loaded {
            let path = self.shared.path.join(&stored.path)?;
            self.note_version(&path, stored.version);
            new.insert(path, stored.value);
        }
        self.stored = new.clone();
        let (shared, listeners) = (self.shared.clone(), core.listeners.clone());
        let scope = core.scope(new.keys());
        core.write(scope, move |state| {
            let there = state.tree(&shared.path);
            if there.iter().any(|(path, _)| shared.owns(path)) {
                return Err(StoreError::NotEmpty { path: shared.path.clone() });
            }
            for (path, value) in &new {
                state.entries.insert(path.clone(), value.clone());
                listeners.log(state, || Logged::plain(path));
            }
            Ok(())
        })?
    }

    fn note_version(&mut self, path: &Path, version: Option<Version>) {
        match version {
            Some(version) => drop(self.versions.insert(path.clone(), version)),
            None => drop(self.versions.remove(path)),
        }
    }

    /// Notes where a new state may differ from what is stored.
    fn look(&mut self, target: Target) {
        if target.number < self.target.number {
            return;
        }
        let new = different(&self.target.entries, &target.entries);
        let own = new.filter(|path| self.shared.owns(path)).cloned();
        self.dirty.extend(own.collect::<Vec<_>>());
        self.target = target;
        self.count_pending();
    }

    fn count_pending(&self) {
        // Relaxed: a figure.
        self.shared.counts.pending.store(self.dirty.len() as u64, Relaxed);
    }

    /// A time for what is not stored at once.
    fn arm(&mut self) {
        let Rule::Behind { clock, every } = &self.shared.rule else { return };
        if self.timer.is_none() && !self.dirty.is_empty() {
            let shared = self.shared.clone();
            let due = move || shared.tell(|post| post.due = true);
            let at = clock.time().saturating_add(*every);
            let core = self.core.upgrade();
            self.timer =
                core.map(|core| clock.schedule(at, crate::Readable::node(&core.state), due));
        }
        let armed = self.timer.is_some();
        self.shared.tell(|post| post.armed = armed);
    }

    /// Stores what is different, and answers who waits for it.
    fn store(&mut self, flush: bool) {
        let mut failed: Vec<(Path, StoreError)> = Vec::new();
        loop {
            let changes = self.changes();
            if changes.is_empty() {
                break;
            }
            // Relaxed: figures.
            self.shared.counts.groups.fetch_add(1, Relaxed);
            let asked = catch_unwind(AssertUnwindSafe(|| self.backend.apply(&changes)));
            let applied = asked.unwrap_or_else(|payload| {
                let message = panic_message(&*payload).to_string();
                let source = BackendError::failed("apply panicked", message);
                Err(ApplyError::Backend { applied: 0, source })
            });
            match applied {
                Ok(versions) => self.note_stored(&changes, &versions),
                Err(ApplyError::Conflict { applied, path }) => {
                    self.note_stored(&changes[..applied], &[]);
                    self.yield_to_other(&path, &mut failed);
                }
                Err(ApplyError::Backend { applied, source }) => {
                    self.note_stored(&changes[..applied], &[]);
                    self.shared.counts.failures.fetch_add(1, Relaxed);
                    self.fail(&changes[applied..], &source, &mut failed);
                    break;
                }
            }
        }
        self.count_pending();
        let unheard = self.shared.tried(self.target.number, failed);
        // Whoever flushes has heard; else each is told once.
        for error in unheard.iter().filter(|_| !flush) {
            self.report(error);
        }
    }

    /// What is to be stored: the state's values where others are stored.
    fn changes(&mut self) -> Vec<Change> {
        let (entries, stored) = (&self.target.entries, &self.stored);
        self.dirty.retain(|path| entries.get(path) != stored.get(path));
        let relative = |path: &Path| path.strip(&self.shared.path);
        let changes = self.dirty.iter().filter_map(|path| {
            let expected = match (self.can.compare_and_set, self.versions.get(path)) {
                (false, _) => Expected::Any,
                (true, None) => Expected::Missing,
                (true, Some(version)) => Expected::At(*version),
            };
            let value = self.target.entries.get(path).cloned();
            Some(Change { path: relative(path)?, value, expected })
        });
        changes.collect()
    }

    fn whole(&self, path: &Path) -> Path {
        self.shared.path.join(path).unwrap_or_else(|_| self.shared.path.clone())
    }

    fn note_stored(&mut self, changes: &[Change], versions: &[Option<Version>]) {
        for (index, change) in changes.iter().enumerate() {
            let path = self.whole(&change.path);
            match &change.value {
                Some(value) => drop(self.stored.insert(path.clone(), value.clone())),
                None => drop(self.stored.remove(&path)),
            }
            match versions.get(index) {
                Some(version) => self.note_version(&path, *version),
                // Not told: it has to be read.
                None if self.can.compare_and_set => self.read_version(change),
                None => {}
            }
            self.dirty.remove(&path);
        }
        // Relaxed: a figure.
        self.shared.counts.stored.fetch_add(changes.len() as u64, Relaxed);
    }

    fn read_version(&mut self, change: &Change) {
        let there = self.ask("read", |backend| backend.read(&change.path));
        let path = self.whole(&change.path);
        self.note_version(&path, there.ok().flatten().and_then(|there| there.version));
    }

    /// Another one's change was there before: the state takes it.
    fn yield_to_other(&mut self, path: &Path, failed: &mut Vec<(Path, StoreError)>) {
        let whole = self.whole(path);
        match self.ask("read", |backend| backend.read(path)) {
            Ok(theirs) => {
                self.note_theirs(&whole, theirs);
                self.take_back(vec![whole.clone()]);
                failed.push((whole.clone(), StoreError::Conflict { path: whole }));
            }
            Err(source) => self.fail(
                &[Change { path: path.clone(), value: None, expected: Expected::Any }],
                &source,
                failed,
            ),
        }
    }

    fn note_theirs(&mut self, path: &Path, theirs: Option<Stored>) {
        self.note_version(path, theirs.as_ref().and_then(|theirs| theirs.version));
        match theirs {
            Some(theirs) => drop(self.stored.insert(path.clone(), theirs.value)),
            None => drop(self.stored.remove(path)),
        }
    }

    /// What was not stored is taken back, or tried again at the next time.
    fn fail(
        &mut self,
        changes: &[Change],
        source: &BackendError,
        failed: &mut Vec<(Path, StoreError)>,
    ) {
        let paths: Vec<Path> = changes.iter().map(|change| self.whole(&change.path)).collect();
        if let Rule::Behind { .. } = self.shared.rule {
            let error = self.failed(source.clone());
            failed.push((self.shared.path.clone(), error));
            return;
        }
        for path in &paths {
            let (path, source) = (path.clone(), source.clone());
            failed.push((path.clone(), StoreError::NotStored { path, source }));
        }
        self.take_back(paths);
    }

    /// Makes the state's values those that are stored, where no newer ones were written.
    fn take_back(&mut self, paths: Vec<Path>) {
        let tried = self.target.entries.clone();
        for path in &paths {
            self.dirty.remove(path);
        }
        self.take_in(paths, move |path| tried.get(path).cloned());
    }

    /// Makes the state's values at some paths those that are stored, in one commit, where the
    /// state has what `known` says.
    fn take_in(
        &mut self,
        paths: Vec<Path>,
        known: impl Fn(&Path) -> Option<Arc<Value>> + Send + 'static,
    ) {
        let Some(core) = self.core.upgrade() else { return };
        let (stored, listeners) = (self.stored.clone(), core.listeners.clone());
        let done = core.write(core.scope(paths.iter()), move |state| {
            for path in &paths {
                let (there, new) = (state.entries.get(path).cloned(), stored.get(path));
                if there != known(path) || there.as_ref() == new {
                    continue;
                }
                match new {
                    Some(value) => drop(state.entries.insert(path.clone(), value.clone())),
                    None => drop(state.entries.remove(path)),
                }
                listeners.log(state, || Logged::plain(path));
            }
        });
        done.unwrap_or_else(|error| self.report(&error));
    }

    fn hear(&mut self, notices: Vec<Notice>) {
        let mut paths = BTreeSet::new();
        let mut missed = false;
        for notice in notices {
            match notice {
                Notice::Changed(changed) => paths.extend(changed),
                Notice::Missed => missed = true,
                Notice::Failed(source) => self.report(&self.failed(source)),
            }
        }
        let mut theirs = Vec::new();
        if missed {
            match self.ask("load", |backend| backend.load()) {
                Ok(all) => theirs = self.compared(all),
                Err(source) => self.report(&self.failed(source)),
            }
        } else {
            for path in paths {
                match self.ask("read", |backend| backend.read(&path)) {
                    Ok(stored) => theirs.push((self.whole(&path), stored)),
                    Err(source) => self.report(&self.failed(source)),
                }
            }
        }
        self.hear_of(theirs);
    }

    /// Everything that is stored or was, to be compared.
    fn compared(&self, all: Vec<Stored>) -> Vec<(Path, Option<Stored>)> {
        let mut theirs: HashMap<Path, Option<Stored>> =
            self.stored.keys().map(|path| (path.clone(), None)).collect();
        theirs.extend(all.into_iter().map(|stored| (self.whole(&stored.path), Some(stored))));
        theirs.into_iter().collect()
    }

    /// Takes in what others have stored.
    fn hear_of(&mut self, theirs: Vec<(Path, Option<Stored>)>) {
        let before = self.stored.clone();
        let mut changed = Vec::new();
        for (path, theirs) in theirs {
            if !self.shared.owns(&path) {
                continue;
            }
            if theirs.as_ref().map(|theirs| &theirs.value) == before.get(&path) {
                self.note_version(&path, theirs.and_then(|theirs| theirs.version));
                continue;
            }
            let pending = self.can.compare_and_set && self.is_pending(&path);
            if pending {
                // What is written here was decided on the value before: a conflict, when it is
                // to be stored.
                continue;
            }
            self.note_theirs(&path, theirs);
            changed.push(path);
        }
        if changed.is_empty() {
            return;
        }
        // Relaxed: a figure.
        self.shared.counts.taken_in.fetch_add(changed.len() as u64, Relaxed);
        // Where something else is written meanwhile, that is stored over it.
        self.dirty.extend(changed.iter().cloned());
        self.take_in(changed, move |path| before.get(path).cloned());
        if let Some(core) = self.core.upgrade() {
            self.look(core.state.with(Target::of));
        }
    }

    fn is_pending(&self, path: &Path) -> bool {
        let newest = self.core.upgrade().map(|core| core.state.with(Target::of));
        let entries = newest.as_ref().map_or(&self.target.entries, |newest| &newest.entries);
        entries.get(path) != self.stored.get(path)
    }
}
