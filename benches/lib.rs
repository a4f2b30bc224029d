//! What the criterion benchmarks share: the harness, and this engine among its contenders.

/// This engine behind the harness's trait: the file that `isobar bench` uses.
#[path = "../src/bin/isobar/bench/engine.rs"]
pub mod engine;

pub use engine::Isobar;
pub use isobar_harness as harness;
