//! The store for async code: the same, with awaiting in the place of blocking.

use super::Store;
use super::at::{At, Write};
use super::failure::StoreError;
use super::path::ToPath;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Deref;

/// A [`Store`] whose writes are awaited: where a backend keeps them the future resolves when they
/// are stored, and no thread of an executor waits for it. Everything else is the store's: reads
/// never wait.
///
/// A write is in memory after the first poll, at once; dropping the future then gives up waiting,
/// not the write.
///
/// What has no awaited form blocks as it does in a [`Store`]: `get_or_insert`, `restore`, mounting,
/// unmounting, and the drop of the last handle if something is not stored yet, so [`flush`] before.
/// A write with a payload is `at(p).write().payload(p).asynchronous().set(value).await`.
///
/// [`flush`]: Self::flush
///
/// ```
/// use isobar::store::Store;
/// # futures::executor::block_on(async {
/// let store = Store::new().asynchronous();
/// assert!(store.at("/counter").set(21).await?);
/// store.at("/counter").update(|n: Option<u32>| n.unwrap_or(0) * 2).await?;
/// assert_eq!(store.at("/counter").get()?, Some(42));
/// # Ok::<(), isobar::store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AsyncStore {
    store: Store,
}

impl Store {
    /// The same store for async code.
    pub fn asynchronous(&self) -> AsyncStore {
        AsyncStore { store: self.clone() }
    }
}

impl AsyncStore {
    /// A place in the store; see [`Store::at`].
    pub fn at(&self, path: impl ToPath) -> AsyncAt {
        AsyncAt { at: self.store.at(path) }
    }

    /// Resolves when all that is written so far is stored; see [`Store::flush`].
    ///
    /// # Errors
    /// As [`Store::flush`].
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.store.flushed().stored().await
    }
}

impl Deref for AsyncStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A place in a store, for async code; see [`At`], to which it dereferences for reading.
#[derive(Clone, Debug)]
pub struct AsyncAt {
    at: At,
}

impl Deref for AsyncAt {
    type Target = At;

    fn deref(&self) -> &At {
        &self.at
    }
}

impl AsyncAt {
    /// See [`At::set`].
    ///
    /// # Errors
    /// As [`At::set`].
    pub async fn set(&self, value: impl Serialize) -> Result<bool, StoreError> {
        self.at.write().asynchronous().set(value).await
    }

    /// See [`At::get_or_insert`].
    ///
    /// # Errors
    /// As [`At::get_or_insert`].
    pub async fn get_or_insert<T>(&self, default: T) -> Result<T, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        if let Some(there) = self.at.get()? {
            return Ok(there);
        }
        self.at.commit_default(&default)?.stored().await?;
        self.at.get_or(default)
    }

    /// See [`At::update`].
    ///
    /// # Errors
    /// As [`At::update`].
    pub async fn update<T>(
        &self,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<bool, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.at.write().asynchronous().update(f).await
    }

    /// See [`At::set_tree`].
    ///
    /// # Errors
    /// As [`At::set_tree`].
    pub async fn set_tree(&self, value: impl Serialize) -> Result<bool, StoreError> {
        self.at.write().asynchronous().set_tree(value).await
    }

    /// See [`At::delete`].
    ///
    /// # Errors
    /// As [`At::delete`].
    pub async fn delete(&self) -> Result<bool, StoreError> {
        self.at.write().asynchronous().delete().await
    }
}

/// A [`Write`] that is awaited.
#[must_use = "nothing is written until one of the methods that write is awaited"]
#[derive(Debug)]
pub struct AsyncWrite<'a>(pub(super) Write<'a>);

impl AsyncWrite<'_> {
    /// See [`At::set`].
    ///
    /// # Errors
    /// As [`At::set`].
    pub async fn set(self, value: impl Serialize) -> Result<bool, StoreError> {
        self.0.commit_set(value)?.stored().await
    }

    /// See [`At::update`].
    ///
    /// # Errors
    /// As [`At::update`].
    pub async fn update<T>(
        self,
        f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<bool, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        self.0.commit_update(f)?.stored().await
    }

    /// See [`At::set_tree`].
    ///
    /// # Errors
    /// As [`At::set_tree`].
    pub async fn set_tree(self, value: impl Serialize) -> Result<bool, StoreError> {
        self.0.commit_tree(value)?.stored().await
    }

    /// See [`At::delete`].
    ///
    /// # Errors
    /// As [`At::delete`].
    pub async fn delete(self) -> Result<bool, StoreError> {
        self.0.commit_delete()?.stored().await
    }
}
