//! Values that are computed from others of the store.

use super::failure::StoreError;
use super::path::{Path, ToPath};
use super::pattern::{Pattern, ToPattern};
use super::state::Entries;
use super::{Core, Store};
use crate::collections::PersistentMap;
use crate::handle::readable::raise;
use crate::sync::Release;
use crate::{Computed, Linked};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Weak};

/// A derived value: computed, and writable until a source changes.
#[derive(Clone)]
pub(super) struct Derived {
    pub(super) value: Linked<Option<Arc<Value>>>,
}

impl Derived {
    /// Puts the value among others; raises its failure.
    pub(super) fn put(&self, path: &Path, entries: &mut Entries) {
        match self.value.try_get() {
            Ok(Some(value)) => drop(entries.insert(path.clone(), value)),
            Ok(None) => drop(entries.remove(path)),
            Err(error) => raise(error),
        }
    }
}

/// What a function that derives from several places reads.
#[derive(Debug)]
pub struct Sources {
    store: Store,
    patterns: Arc<[Pattern]>,
}

impl Sources {
    /// The value of one source, or of any other path; tracked.
    ///
    /// # Errors
    /// As [`At::get`](super::At::get).
    pub fn get<T: DeserializeOwned>(&self, path: impl ToPath) -> Result<Option<T>, StoreError> {
        self.store.at(path).get()
    }

    /// The paths that the sources name and that have values, with what is there; tracked.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn all(&self) -> Result<Vec<(Path, Arc<Value>)>, StoreError> {
        let mut all = Vec::new();
        for pattern in self.patterns.iter() {
            let tree = self.store.core.tree(&pattern.prefix())?;
            match pattern.exact() {
                Some(path) => all.extend(tree.to_value().map(|value| (path, Arc::new(value)))),
                None => {
                    let named = tree.iter().filter(|(path, _)| pattern.matches(path));
                    all.extend(named.map(|(path, value)| (path.clone(), value.clone())));
                }
            }
        }
        Ok(all)
    }
}

impl Store {
    /// Derives the value of `dest` from what is at one path: the tree below as one value, or
    /// `None` where nothing is. `f` gives the derived value, or `None` for none.
    ///
    /// A derived value is a computed: it runs when it is read or observed and its source has
    /// changed, once however much of it has; who reads source and result reads one revision. If it
    /// comes out the same nobody is woken. It may be [set](super::At::set), until its source
    /// changes. It is not stored by mounts. A panic is the error of each read of it until the
    /// source changes.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/counter").set(21)?;
    /// let doubled = store.derive("/doubled", "/counter", |n: Option<i64>| n.map(|n| n * 2))?;
    /// assert_eq!(store.at("/doubled").get()?, Some(42));
    /// store.at("/counter").set(4)?;
    /// assert_eq!(store.at("/doubled").get()?, Some(8));
    /// # drop(doubled);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::Read`] if it fails at once, or if it reads itself: the
    /// cycle is named, and nothing is derived. [`StoreError::Write`] inside a computed.
    pub fn derive<S, D>(
        &self,
        dest: impl ToPath,
        source: impl ToPath,
        f: impl Fn(Option<S>) -> Option<D> + Send + Sync + 'static,
    ) -> Result<Derivation, StoreError>
    where
        S: DeserializeOwned,
        D: Serialize,
    {
        let source = source.to_path()?;
        self.derive_by(dest.to_path()?, move |store| Ok(f(store.at(&source).get()?)))
    }

    /// Derives the value of `dest` from several places, which may be patterns; as
    /// [`derive`](Self::derive) else.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/users/ann/age").set(30)?;
    /// let oldest = store.derive_many("/oldest", ["/users/*/age"], |sources| {
    ///     Ok(sources.all()?.into_iter().filter_map(|(_, age)| age.as_i64()).max())
    /// })?;
    /// store.at("/users/bob/age").set(31)?;
    /// assert_eq!(store.at("/oldest").get()?, Some(31));
    /// # drop(oldest);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`derive`](Self::derive).
    pub fn derive_many<P: ToPattern, D: Serialize>(
        &self,
        dest: impl ToPath,
        sources: impl IntoIterator<Item = P>,
        f: impl Fn(&Sources) -> Result<Option<D>, StoreError> + Send + Sync + 'static,
    ) -> Result<Derivation, StoreError> {
        let patterns = sources.into_iter().map(|pattern| pattern.to_pattern());
        let patterns: Arc<[Pattern]> = patterns.collect::<Result<_, _>>()?;
        self.derive_by(dest.to_path()?, move |store| {
            f(&Sources { store: store.clone(), patterns: patterns.clone() })
        })
    }

    fn derive_by<D: Serialize>(
        &self,
        dest: Path,
        f: impl Fn(&Self) -> Result<Option<D>, StoreError> + Send + Sync + 'static,
    ) -> Result<Derivation, StoreError> {
        let (core, place) = (Arc::downgrade(&self.core), dest.clone());
        let function = move || {
            let store = Self::from_weak(&core);
            let store = store.unwrap_or_else(|| panic!("the store of {place} is gone"));
            let made = f(&store).and_then(|made| super::at::encode_some(&place, made));
            made.unwrap_or_else(|error| fail(error)).map(Arc::new)
        };
        // A name of its own: in a cycle it stands beside the path's reader and its value.
        let name = Some(format!("{dest} (function)").into());
        let source = Computed::on(self.core.world(), name, function);
        let value = Linked::builder(&source, |value: &Option<Arc<Value>>, _| value.clone());
        let value = value.name(format!("{dest} (derived)")).build();
        self.install(dest, Derived { value })
    }

    fn install(&self, dest: Path, derived: Derived) -> Result<Derivation, StoreError> {
        let core = &self.core;
        // Release: pairs with the Acquire of `tree`.
        core.derives.store(true, Release);
        let (to, new) = (dest.clone(), derived.clone());
        let before = core.derived.load().get(&dest).cloned();
        core.derived.try_update(move |all| all.update(to.clone(), new.clone()))?;
        let derivation = Derivation { core: Arc::downgrade(core), dest, derived, detached: false };
        let Err(error) = derivation.derived.value.try_get() else {
            return Ok(derivation);
        };
        if let Some(before) = before {
            let to = derivation.dest.clone();
            core.derived.update(move |all| all.update(to.clone(), before.clone()));
        }
        Err(error.into())
    }
}

/// In the function of a derived value: its failure, or that of what it has read.
fn fail(error: StoreError) -> ! {
    match error {
        StoreError::Read(error) => raise(error),
        // Not `panic!`: an answer that was returned is nothing for the panic hook to print.
        other => resume_unwind(Box::new(other.to_string())),
    }
}

impl Core {
    /// All derived values, for those who are told of their changes; one that fails is none.
    pub(super) fn all_derived(&self) -> Computed<Entries> {
        let derived = self.derived.clone();
        Computed::on(self.world(), Some("derived values".into()), move || {
            let mut values = Entries::new();
            for (path, derived) in &derived.get() {
                if let Ok(Some(value)) = derived.value.try_get() {
                    values.insert(path.clone(), value);
                }
            }
            values
        })
    }

    /// The derived value at this very path.
    pub(super) fn derived_at(&self, path: &Path) -> Option<Derived> {
        self.derived.peek_with(|all| all.get(path).cloned())
    }
}

/// A value being derived, until this is dropped.
#[must_use = "dropping a derivation ends it; `detach` leaves it to the store"]
pub struct Derivation {
    core: Weak<Core>,
    dest: Path,
    derived: Derived,
    detached: bool,
}

impl Derivation {
    /// Where the value is.
    pub fn path(&self) -> &Path {
        &self.dest
    }

    /// Ends it; as dropping does. There is no value at the path any more, or what was written
    /// there before it was derived.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// store.at("/n").set(1)?;
    /// let twice = store.derive("/twice", "/n", |n: Option<i64>| n.map(|n| n * 2))?;
    /// assert!(store.at("/twice").contains()?);
    /// twice.remove();
    /// assert!(!store.at("/twice").contains()?);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn remove(self) {}

    /// Leaves it to the store: it ends with that, or when another one takes its path. The function
    /// must not keep a handle of the store then, or neither ends.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl Drop for Derivation {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        let Some(core) = self.core.upgrade() else { return };
        let (dest, node) = (self.dest.clone(), crate::Readable::node(&self.derived.value).clone());
        let remove = move |all: &PersistentMap<Path, Derived>| match all.get(&dest) {
            Some(there) if *crate::Readable::node(&there.value) == node => all.without(&dest),
            // Another one has taken the place.
            _ => all.clone(),
        };
        crate::engine::frame::Frame::detached().enter(|| core.derived.update(remove));
    }
}

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Derivation").field(&self.dest).finish()
    }
}
