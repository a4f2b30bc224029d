//! What can go wrong with a store, by name.

use super::backend::BackendError;
use super::path::{Path, PathError};
use crate::error::{ReadError, WriteError, ZeroDuration};
use std::sync::Arc;

/// Why a store did not do what was asked. Unless a variant says otherwise nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What was given is no path, or no pattern.
    #[error(transparent)]
    Path(#[from] PathError),
    /// What is at a path is not of the type that was asked for.
    #[error("{path} holds no {wanted}: {source}")]
    Decode {
        /// Where.
        path: Path,
        /// The type.
        wanted: &'static str,
        /// What does not fit.
        source: Arc<serde_json::Error>,
    },
    /// A value that cannot be held: a map whose keys are no texts, a number of more than 64 bits.
    #[error("no value can be made for {path}: {source}")]
    Encode {
        /// Where.
        path: Path,
        /// What does not fit.
        source: Arc<serde_json::Error>,
    },
    /// A derived value has failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Writing is refused here.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There is a callback of this name.
    #[error("there is a callback {name:?} already; choose another name, or use `replace_callback`")]
    CallbackExists {
        /// The name.
        name: String,
    },
    /// There is no callback of this name.
    #[error("there is no callback {name:?}; register it before, or use `IfMissing::Wait`")]
    NoSuchCallback {
        /// The name.
        name: String,
    },
    /// The store was dropped, or the mount was unmounted.
    #[error("what was at {path} has ended; keep a handle of its store, and unmount it once")]
    Gone {
        /// What was asked for.
        path: Path,
    },
    /// It could not be stored, and was taken back.
    #[error("{path} was not stored: {source}; its value is the stored one again")]
    NotStored {
        /// Where.
        path: Path,
        /// What went wrong.
        source: BackendError,
    },
    /// Somebody else has stored another value meanwhile, which the store has now.
    #[error("{path} was changed by another process; read it again and decide anew")]
    Conflict {
        /// Where.
        path: Path,
    },
    /// The backend of a mount has failed.
    #[error("the storage at {mount}: {source}")]
    Storage {
        /// Where it is mounted.
        mount: Path,
        /// What went wrong.
        source: BackendError,
    },
    /// A backend could not be opened.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// There is something at the place to mount at.
    #[error("{path} has values, which the mount would hide; delete or move them before")]
    NotEmpty {
        /// Where.
        path: Path,
    },
    /// Something is mounted at the place already.
    #[error("{path} has a mount already; unmount it, or mount elsewhere")]
    Mounted {
        /// Where.
        path: Path,
    },
    /// A duration of zero.
    #[error(transparent)]
    ZeroDuration(#[from] ZeroDuration),
    /// It did not happen in time.
    #[error("{path} was not stored within the given time; it is still on its way")]
    Timeout {
        /// Where.
        path: Path,
    },
}
