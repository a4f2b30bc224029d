//! Collections with per-key and per-index tracking, through the public API.

mod maps;
#[allow(dead_code, reason = "shared with the tests of behaviour, which use all of it")]
#[path = "../behaviour/stage.rs"]
mod stage;

/// For what only had to be read, or written.
fn ignore<T>(_: T) {}
