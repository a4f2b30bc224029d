//! What the benchmarks share: the harness, this engine among its contenders, and a model of cores
//! and caches.

pub mod coherence;
/// This engine behind the harness's trait: the file that `isobar bench` uses.
#[path = "../src/bin/isobar/bench/engine.rs"]
pub mod engine;
pub mod machine;

pub use engine::Isobar;
pub use isobar_harness as harness;
