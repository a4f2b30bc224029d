//! The promises of the crate, one file each, told through the public API only.
//!
//! A test's name is the promise as a sentence. Orders between two threads are steered by halts
//! and gates (`stage.rs`), never by sleeping, and every scene plays under a watchdog.

mod stage;

mod batches;
mod contexts;
mod crossings;
mod cutoff;
mod cycles;
mod depth;
mod disposal;
mod drafts;
mod dynamic_edges;
mod effect_loops;
mod effects;
mod equality;
mod glitches;
mod handles;
mod introspection;
mod joins;
mod linked;
mod macros;
mod memory;
mod other_graph;
mod panics;
mod progress;
mod revisions;
mod run_on;
mod run_with;
mod scopes_and_cleanup;
mod settle;
mod snapshots;
mod stories;
mod transactions;
mod untracked;
mod update;
mod wait;
mod writes_refused;
