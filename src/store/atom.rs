//! Typed handles of single paths.

use super::Store;
use super::at::At;
use super::event::Event;
use super::failure::StoreError;
use super::listeners::Subscription;
use super::path::{Path, PathError, ToPath};
use super::pattern::{Pattern, ToPattern};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// One path's value as a `T`, with a default where there is none. Usable wherever a path is.
///
/// ```
/// use isobar::store::Store;
/// let store = Store::new();
/// let volume = store.atom("/audio/volume", 5)?;
/// assert_eq!(volume.get()?, 5);
/// volume.update(|volume| volume + 1)?;
/// assert_eq!(store.at(&volume).get()?, Some(6));
/// # Ok::<(), isobar::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct Atom<T> {
    store: Store,
    path: Path,
    default: T,
}

impl Store {
    /// A typed handle of one path.
    ///
    /// # Errors
    /// [`StoreError::Path`].
    pub fn atom<T>(&self, path: impl ToPath, default: T) -> Result<Atom<T>, StoreError> {
        Ok(Atom { store: self.clone(), path: path.to_path()?, default })
    }
}

impl<T> Atom<T> {
    /// The place, to read and write in other ways.
    pub fn at(&self) -> At {
        self.store.at(&self.path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls back when it changes; see [`Store::subscribe`].
    ///
    /// # Errors
    /// [`StoreError::Write`] inside a computed.
    pub fn subscribe(
        &self,
        callback: impl FnMut(&Event<'_>) + Send + 'static,
    ) -> Result<Subscription, StoreError> {
        self.store.subscribe(&self.path, callback)
    }
}

impl<T> Atom<T>
where
    T: Serialize + DeserializeOwned + Clone + Send + 'static,
{
    /// The value, or the default; tracked.
    ///
    /// # Errors
    /// As [`At::get`].
    pub fn get(&self) -> Result<T, StoreError> {
        self.at().get_or(self.default.clone())
    }

    /// Sets the value; true if it is another one now.
    ///
    /// # Errors
    /// As [`At::set`].
    #[track_caller]
    pub fn set(&self, value: T) -> Result<bool, StoreError> {
        self.at().set(value)
    }

    /// Makes the value of the one there, or of the default; no concurrent update is lost.
    ///
    /// # Errors
    /// As [`At::update`].
    #[track_caller]
    pub fn update(&self, mut f: impl FnMut(T) -> T + Send + 'static) -> Result<bool, StoreError> {
        let default = self.default.clone();
        self.at().update(move |old: Option<T>| f(old.unwrap_or_else(|| default.clone())))
    }

    /// Deletes the value, so that it is the default; true if there was one.
    ///
    /// # Errors
    /// As [`At::delete`].
    #[track_caller]
    pub fn delete(&self) -> Result<bool, StoreError> {
        self.at().delete()
    }
}

impl<T> ToPath for Atom<T> {
    fn to_path(&self) -> Result<Path, PathError> {
        Ok(self.path.clone())
    }
}

impl<T> ToPattern for Atom<T> {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        self.path.to_pattern()
    }
}

impl<T: fmt::Debug> fmt::Debug for Atom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Atom").field(&self.path).finish()
    }
}
