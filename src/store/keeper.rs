//! The thread of a mount: keeps what is stored the same as what is in memory.
//!
//! It knows what is stored (`stored`), and compares the newest state with it at those paths that
//! may be different (`dirty`). So nothing is logged for it: states that were overtaken meanwhile
//! are skipped, writes to one path are one change, what failed is different still, and what was
//! taken in from others is not.

use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Expected, Notice, Notices,
    Stored, Version,
};
use super::failure::StoreError;
use super::mount::{self, Ending, Reports, Rule, Shared};
use super::path::Path;
use super::state::{Entries, Logged, State, Tree, different};
use super::{Core, Places};
use crate::error::panic_message;
use crate::sync::Relaxed;
use crate::time::Timer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// After so many groups in a row of which nothing was stored the rest is not tried.
const PATIENCE: u32 = 3;

/// What was known to be stored at a path.
type Known = (Option<Arc<Value>>, Option<Version>);

/// Why a change was not stored.
#[derive(Clone)]
enum Reason {
    /// Another one's was there before; the state takes it.
    Conflict,
    Failed(BackendError),
}

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
    places: Arc<Places>,
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
            places: core.places.clone(),
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
        let ending = Ending(self.shared.clone());
        mount::keeps();
        let loaded = self.load_first();
        let goes_on = loaded.is_ok();
        if tell.send(loaded).is_ok() && goes_on {
            self.keep();
        }
        drop(ending);
        self.backend
    }

    fn keep(&mut self) {
        loop {
            let work = self.shared.take_work();
            work.unheard.iter().for_each(|error| self.report(error));
            self.hear(work.notices);
            if let Some(target) = work.target {
                self.look(target);
            }
            self.look_below(&work.left);
            let through = matches!(self.shared.rule, Rule::Through);
            if through || work.flush || work.due || work.over {
                self.timer = None;
                self.store();
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
        let mut new = Entries::new();
        self.report_broken(&loaded.broken);
        for stored in loaded.stored {
            let path = self.shared.path.join(&stored.path)?;
            self.note_version(&path, stored.version);
            new.insert(path, stored.value);
        }
        self.stored = new.clone();
        self.target.entries = new.clone();
        let (shared, listeners) = (self.shared.clone(), self.places.listeners.clone());
        let scope = self.places.scope(new.keys());
        self.places.write(scope, move |state| {
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

    fn report_broken(&self, broken: &[BackendError]) {
        broken.iter().for_each(|broken| self.report(&self.failed(broken.clone())));
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
        // What is another mount's now may be stored here from before.
        let own = new.filter(|path| self.shared.owns(path) || self.stored.contains_key(*path));
        let own = own.cloned();
        self.dirty.extend(own.collect::<Vec<_>>());
        self.target = target;
        self.count_pending();
    }

    /// Where mounts below have ended, what is there is this one's.
    fn look_below(&mut self, left: &[Path]) {
        for left in left {
            let all = [&self.target.entries, &self.stored];
            let below = all.map(|entries| Tree::new(entries.clone(), left.clone()));
            let paths = below.iter().flat_map(Tree::iter).map(|(path, _)| path.clone());
            self.dirty.extend(paths.filter(|path| self.shared.owns(path)));
        }
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
            let node = crate::Readable::node(&self.places.state);
            self.timer = Some(clock.schedule(at, node, due));
        }
        let armed = self.timer.is_some();
        self.shared.tell(|post| post.armed = armed);
    }

    /// Stores what is different, and answers who waits for it.
    fn store(&mut self) {
        let number = self.target.number;
        let mut failed = BTreeMap::new();
        // So often in a row nothing was stored at all.
        let mut vain = 0;
        while vain < PATIENCE {
            let changes = self.changes(&failed);
            if changes.is_empty() {
                break;
            }
            let applied = self.apply(&changes, &mut failed);
            vain = if applied == 0 { vain + 1 } else { 0 };
        }
        if !failed.is_empty() {
            // Not tried any more, because of failures: who conflicts is taken back alone.
            let first = failed.values().find(|reason| matches!(reason, Reason::Failed(_))).cloned();
            let rest = self.changes(&failed).into_iter().map(|change| self.whole(&change.path));
            failed.extend(rest.zip(first.into_iter().cycle()));
            // Relaxed: a figure.
            self.shared.counts.failures.fetch_add(1, Relaxed);
        }
        self.count_pending();
        let failed = self.settle_failed(failed);
        for error in self.shared.tried(number, failed) {
            self.report(&error);
        }
    }

    /// Has changes stored; how many were. What failed is noted with its reason.
    fn apply(&mut self, changes: &[Change], failed: &mut BTreeMap<Path, Reason>) -> usize {
        // Relaxed: a figure.
        self.shared.counts.groups.fetch_add(1, Relaxed);
        let asked = catch_unwind(AssertUnwindSafe(|| self.backend.apply(changes)));
        let done = asked.unwrap_or_else(|payload| {
            let message = panic_message(&*payload).to_string();
            let source = BackendError::failed("apply panicked", message);
            Err(ApplyError::Backend { applied: 0, source })
        });
        match done {
            Ok(versions) => {
                self.note_stored(changes, &versions);
                changes.len()
            }
            Err(ApplyError::Conflict { applied, path }) => {
                let applied = applied.min(changes.len());
                self.note_stored(&changes[..applied], &[]);
                let whole = self.whole(&path);
                let reason = match self.ask("read", |backend| backend.read(&path)) {
                    Ok(theirs) => {
                        self.note_theirs(&whole, theirs);
                        Reason::Conflict
                    }
                    Err(source) => Reason::Failed(source),
                };
                failed.insert(whole, reason);
                // The others were not to blame.
                applied.max(1)
            }
            Err(ApplyError::Backend { applied, source }) => {
                let (stored, rest) = changes.split_at(applied.min(changes.len()));
                self.note_stored(stored, &[]);
                let reason = Reason::Failed(source);
                // Of all or none each may be to blame.
                let to_blame = if self.can.atomic { rest } else { &rest[..rest.len().min(1)] };
                let paths = to_blame.iter().map(|change| self.whole(&change.path));
                failed.extend(paths.map(|path| (path, reason.clone())));
                applied
            }
        }
    }

    /// What was not stored is taken back, or tried again at the next time.
    fn settle_failed(&mut self, failed: BTreeMap<Path, Reason>) -> Failed {
        let behind = matches!(self.shared.rule, Rule::Behind { .. });
        let (mut back, mut errors, mut later) = (Vec::new(), Vec::new(), None);
        for (path, reason) in failed {
            let error = match reason {
                Reason::Conflict => StoreError::Conflict { path: path.clone() },
                Reason::Failed(source) if behind => {
                    later = Some(self.failed(source));
                    continue;
                }
                Reason::Failed(source) => StoreError::NotStored { path: path.clone(), source },
            };
            back.push(path.clone());
            errors.push((path, error));
        }
        // One for all of them.
        errors.extend(later.map(|error| (self.shared.path.clone(), error)));
        Failed { errors, up_to: self.take_back(back) }
    }

    /// What is to be stored: the state's values where others are stored.
    fn changes(&mut self, failed: &BTreeMap<Path, Reason>) -> Vec<Change> {
        let (shared, entries, stored) = (&self.shared, &self.target.entries, &self.stored);
        // Where another mount has come, nothing is to be left of what was here.
        let wanted = |path: &Path| entries.get(path).filter(|_| shared.owns(path));
        self.dirty.retain(|path| wanted(path) != stored.get(path));
        let relative = |path: &Path| path.strip(&self.shared.path);
        let open = self.dirty.iter().filter(|path| !failed.contains_key(*path));
        let changes = open.filter_map(|path| {
            let expected = match (self.can.compare_and_set, self.versions.get(path)) {
                (false, _) => Expected::Any,
                (true, None) => Expected::Missing,
                (true, Some(version)) => Expected::At(*version),
            };
            Some(Change { path: relative(path)?, value: wanted(path).cloned(), expected })
        });
        changes.collect()
    }

    /// Of a path that was stored from here.
    fn whole(&self, path: &Path) -> Path {
        self.shared.path.join(path).unwrap_or_else(|_| self.shared.path.clone())
    }

    /// Of a path that others may have stored; what is too deep for the store is reported.
    fn checked(&self, path: &Path) -> Option<Path> {
        let joined = self.shared.path.join(path);
        joined.map_err(|error| self.report(&error.into())).ok()
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

    fn note_theirs(&mut self, path: &Path, theirs: Option<Stored>) -> Known {
        let (value, version) = match theirs {
            Some(theirs) => (Some(theirs.value), theirs.version),
            None => (None, None),
        };
        let known = (self.stored.get(path).cloned(), self.versions.get(path).copied());
        self.note(path, (value, version));
        known
    }

    fn note(&mut self, path: &Path, (value, version): Known) {
        self.note_version(path, version);
        match value {
            Some(value) => drop(self.stored.insert(path.clone(), value)),
            None => drop(self.stored.remove(path)),
        }
    }

    /// Where memory did not take what others have stored, because it was written meanwhile: that
    /// was decided on what was known before, and is to be a conflict when it is to be stored.
    fn unknow(&mut self, left: Vec<Path>, mut known: HashMap<Path, Known>) {
        for path in left {
            if let Some(known) = known.remove(&path) {
                self.note(&path, known);
            }
        }
    }

    /// Makes the state's values those that are stored. Also where newer ones were written
    /// meanwhile: they may have been made of those that are taken back. The number of the last
    /// write that this concerns.
    fn take_back(&mut self, paths: Vec<Path>) -> u64 {
        let number = self.target.number;
        if paths.is_empty() {
            return number;
        }
        self.dirty.extend(paths.iter().cloned());
        self.take_in(paths, |_, _| true).map_or(number, |taken| taken.number.max(number))
    }

    /// Makes the state's values at some paths those that are stored, in one commit, where `may`
    /// agrees to lose what is there.
    fn take_in(
        &mut self,
        paths: Vec<Path>,
        may: impl Fn(&Path, Option<&Arc<Value>>) -> bool + Send + 'static,
    ) -> Option<TakenIn> {
        let places = self.places.clone();
        let (stored, listeners) = (self.stored.clone(), places.listeners.clone());
        let done = places.write(places.scope(paths.iter()), move |state| {
            let (number, mut left) = (state.number, Vec::new());
            for path in &paths {
                let (there, new) = (state.entries.get(path), stored.get(path));
                if !may(path, there) {
                    left.push(path.clone());
                    continue;
                }
                if there == new {
                    continue;
                }
                match new {
                    Some(value) => drop(state.entries.insert(path.clone(), value.clone())),
                    None => drop(state.entries.remove(path)),
                }
                listeners.log(state, || Logged::plain(path));
            }
            TakenIn { number, left }
        });
        // What was taken in is not to be stored.
        self.look(places.state.with(Target::of));
        done.map_err(|error| self.report(&error)).ok()
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
                    Ok(stored) => theirs.extend(self.checked(&path).map(|path| (path, stored))),
                    Err(source) => self.report(&self.failed(source)),
                }
            }
        }
        self.hear_of(theirs);
    }

    /// Everything that is stored or was, to be compared; but what is broken stays what it was.
    fn compared(&self, all: Contents) -> Vec<(Path, Option<Stored>)> {
        let mut theirs: HashMap<Path, Option<Stored>> =
            self.stored.keys().map(|path| (path.clone(), None)).collect();
        for broken in &all.broken {
            if let BackendError::Invalid { path, .. } = broken {
                theirs.remove(&self.whole(path));
            }
        }
        self.report_broken(&all.broken);
        let stored = all.stored.into_iter();
        theirs
            .extend(stored.filter_map(|stored| Some((self.checked(&stored.path)?, Some(stored)))));
        theirs.into_iter().collect()
    }

    /// Takes in what others have stored.
    fn hear_of(&mut self, theirs: Vec<(Path, Option<Stored>)>) {
        let before = self.stored.clone();
        let mut changed = HashMap::new();
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
            let known = self.note_theirs(&path, theirs);
            changed.insert(path, known);
        }
        if changed.is_empty() {
            return;
        }
        self.dirty.extend(changed.keys().cloned());
        let paths: Vec<Path> = changed.keys().cloned().collect();
        let may = move |path: &Path, there: Option<&Arc<Value>>| there == before.get(path);
        let left = self.take_in(paths, may).map(|taken| taken.left).unwrap_or_default();
        // Relaxed: a figure.
        self.shared.counts.taken_in.fetch_add((changed.len() - left.len()) as u64, Relaxed);
        if self.can.compare_and_set {
            self.unknow(left, changed);
        }
        // Else what was written meanwhile is stored over it.
    }

    fn is_pending(&self, path: &Path) -> bool {
        self.places.state.with(|state| state.entries.get(path) != self.stored.get(path))
    }
}

/// What was made of values that are stored.
struct TakenIn {
    /// That of the state before.
    number: u64,
    /// Where something else is written.
    left: Vec<Path>,
}

/// What could not be stored.
pub(super) struct Failed {
    pub(super) errors: Vec<(Path, StoreError)>,
    /// The last write that this concerns, where it concerns the paths.
    pub(super) up_to: u64,
}
