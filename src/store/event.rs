//! What listeners are told.

use super::failure::StoreError;
use super::path::{Path, ToPath};
use super::state::{Payload, State};
use crate::Loaded;
use crate::revision::Revision;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

/// Why there is an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A value was written; there may have been none before.
    Set,
    /// A value was deleted.
    Deleted,
    /// A derived value has changed.
    Derived,
    /// Nothing was written: somebody asked for the event.
    Ping,
}

/// A change of one path in one commit, on its way up from it. It lives for as long as the callback
/// runs; paths and values can be cloned out of it.
///
/// ```
/// use isobar::store::Store;
/// let store = Store::new();
/// let (tell, told) = std::sync::mpsc::channel();
/// let heard = store.subscribe("/users/*", move |event| {
///     let values = (event.previous().cloned(), event.value().cloned());
///     tell.send((event.path().clone(), event.matches()[0].clone(), values)).unwrap();
/// })?;
/// store.at("/users/1/name").set("Ann")?;
/// let (path, user, values) = told.recv().unwrap();
/// assert_eq!((path.as_str(), user.as_str()), ("/users/1/name", "1"));
/// assert_eq!(values, (None, Some("Ann".into())));
/// # drop(heard);
/// # Ok::<(), isobar::store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct Event<'a> {
    pub(super) told: &'a Told,
    pub(super) current: Path,
    pub(super) matches: Vec<String>,
    pub(super) stopped: &'a Cell<bool>,
}

/// What is the same for all who hear of an event.
pub(super) struct Told {
    pub(super) kind: EventKind,
    pub(super) path: Path,
    pub(super) previous: Option<Arc<Value>>,
    pub(super) value: Option<Arc<Value>>,
    pub(super) payload: Option<Payload>,
    pub(super) revision: Revision,
    pub(super) state: Loaded<State>,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("kind", &self.kind).field("path", &self.path).finish()
    }
}

impl Event<'_> {
    /// Why there is an event.
    pub fn kind(&self) -> EventKind {
        self.told.kind
    }

    /// The path whose value has changed.
    pub fn path(&self) -> &Path {
        &self.told.path
    }

    /// The path which the subscription names: the one that has changed, or one above it.
    pub fn current_path(&self) -> &Path {
        &self.current
    }

    /// The segments of the current path that each `*` of the pattern stands for.
    pub fn matches(&self) -> &[String] {
        &self.matches
    }

    /// The value of the path before the commit.
    pub fn previous(&self) -> Option<&Value> {
        self.told.previous.as_deref()
    }

    /// The value of the path since the commit.
    pub fn value(&self) -> Option<&Value> {
        self.told.value.as_deref()
    }

    /// What was given with the write, if it is a `P`.
    pub fn payload<P: Any + Send + Sync>(&self) -> Option<&P> {
        self.told.payload.as_ref()?.downcast_ref()
    }

    /// The revision of the commit.
    pub fn revision(&self) -> Revision {
        self.told.revision
    }

    /// What was written at a path and below, at the event's revision; later commits do not show.
    ///
    /// # Errors
    /// [`StoreError::Path`], [`StoreError::Decode`].
    pub fn get<T: DeserializeOwned>(&self, path: impl ToPath) -> Result<Option<T>, StoreError> {
        super::at::decode(&self.told.state.tree(&path.to_path()?))
    }

    /// Those above the current path do not hear of it; others at the current path do.
    pub fn stop_bubbling(&self) {
        self.stopped.set(true);
    }
}
