//! Collections with per-key and per-index tracking, through the public API.

mod costs;
mod diffs;
mod incremental;
mod maps;
mod models;
mod sets;
#[allow(dead_code, reason = "shared with the tests of behaviour, which use all of it")]
#[path = "../behaviour/stage.rs"]
mod stage;
#[cfg(feature = "async")]
mod streams;
mod threads;
mod vectors;

use isobar::{Effect, effect};
use stage::Count;

/// For what only had to be read, or written.
fn ignore<T>(_: T) {}

/// An effect that reads, and how often it has run since it began.
fn counting(mut read: impl FnMut() + Send + 'static) -> (Count, Effect) {
    let runs = Count::new();
    let watch = effect({
        let runs = runs.clone();
        move || {
            runs.tick();
            read();
        }
    });
    runs.take();
    (runs, watch)
}
