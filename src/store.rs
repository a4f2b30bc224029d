//! The store: values by path, observed, derived, and kept in storage. Layer 8.

mod backend;
#[cfg(feature = "redb")]
mod embedded;
mod files;
mod memory;
mod path;
#[cfg(feature = "redis")]
mod redis;

pub use backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Expected, Heard, Notice,
    Notices, Stored, Version,
};
#[cfg(feature = "redb")]
pub use embedded::Embedded;
pub use files::{Files, FilesBuilder, Format, Json};
pub use memory::Memory;
pub use path::{Path, PathError, ToPath};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisBuilder};
pub use serde_json::Value;
