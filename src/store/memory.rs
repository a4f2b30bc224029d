//! The backend that keeps values in memory: shared by clones, gone with the last of them.

use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Notices, Stored, Version,
};
use super::path::Path;
use crate::sync::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Values in memory, for mounts that need not outlive the process, and for tests.
///
/// Clones share the values, so several stores of one process can mount the same: each is told of
/// what the others store. It has versions, compare-and-set and atomic changes; a change costs the
/// logarithm of the number of values.
///
/// ```
/// use isobar::store::{Backend, Change, Expected, Memory};
/// use std::sync::Arc;
/// let mut one = Memory::new();
/// let mut other = one.clone();
/// let path: isobar::store::Path = "volume".parse().unwrap();
/// let value = Some(Arc::new(50.into()));
/// one.apply(&[Change { path: path.clone(), value, expected: Expected::Missing }]).unwrap();
/// assert_eq!(*other.read(&path).unwrap().unwrap().value, 50);
/// ```
#[derive(Debug, Default)]
pub struct Memory {
    shared: Arc<Mutex<Shared>>,
    /// Which of the clones this is; its own changes are not told to it.
    own: Arc<()>,
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), own: Arc::default() }
    }
}

#[derive(Debug, Default)]
struct Shared {
    values: BTreeMap<Path, (Arc<Value>, Version)>,
    /// Of the newest change.
    version: u64,
    watching: Vec<(Arc<()>, Notices)>,
}

impl Memory {
    /// Without values.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            compare_and_set: true,
            watch: true,
            atomic: true,
            durable: false,
        }
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        let shared = self.shared.lock();
        let stored = shared.values.iter().map(|(path, it)| stored(path, it)).collect();
        Ok(Contents { stored, broken: Vec::new() })
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        Ok(self.shared.lock().values.get(path).map(|it| stored(path, it)))
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        let mut replaced = Vec::new();
        let (versions, others) = {
            let mut shared = self.shared.lock();
            if let Some(change) = changes.iter().find(|change| shared.refuses(change)) {
                return Err(ApplyError::Conflict { applied: 0, path: change.path.clone() });
            }
            let versions = changes.iter().map(|it| shared.store(it, &mut replaced)).collect();
            (versions, shared.others(&self.own))
        };
        // Values are dropped, and others told, with nothing locked.
        drop(replaced);
        for other in others {
            other.changed(changes.iter().map(|change| change.path.clone()));
        }
        Ok(versions)
    }

    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        self.shared.lock().watching.push((Arc::clone(&self.own), notices));
        Ok(())
    }
}

impl Shared {
    fn refuses(&self, change: &Change) -> bool {
        let found = self.values.get(&change.path).map(|(_, version)| *version);
        !change.expected.is_met_by(found)
    }

    fn store(&mut self, change: &Change, replaced: &mut Vec<Arc<Value>>) -> Option<Version> {
        self.version += 1;
        let version = Version(self.version);
        let old = match &change.value {
            Some(value) => self.values.insert(change.path.clone(), (value.clone(), version)),
            None => self.values.remove(&change.path),
        };
        replaced.extend(old.map(|(value, _)| value));
        change.value.as_ref().map(|_| version)
    }

    fn others(&mut self, own: &Arc<()>) -> Vec<Notices> {
        self.watching.retain(|(_, notices)| !notices.is_over());
        let others = self.watching.iter().filter(|(clone, _)| !Arc::ptr_eq(clone, own));
        others.map(|(_, notices)| notices.clone()).collect()
    }
}

fn stored(path: &Path, (value, version): &(Arc<Value>, Version)) -> Stored {
    Stored { path: path.clone(), value: Arc::clone(value), version: Some(*version) }
}
