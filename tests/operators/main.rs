//! Time and the operators, told through the public API only. Time passes where a manual clock is
//! advanced; the two tests of the system's clock wait for what it does, and for no time.

#[path = "../behaviour/stage.rs"]
#[allow(dead_code)]
mod stage;

mod clocks;
mod folds;
mod keys;
mod lifetimes;
mod models;
mod timed;

use std::time::Duration;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
