//! The store: values by path, observed, derived, and kept in storage. Layer 8.

mod backend;
mod path;

pub use backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Expected, Notices, Stored, Version,
};
pub use path::{Path, PathError, ToPath};
pub use serde_json::Value;
