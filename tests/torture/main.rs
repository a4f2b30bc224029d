//! Torture: the promises of the consistency section, under load, each with its own watchdog.
//!
//! The short form runs with the other tests. The long form:
//! `ISOBAR_TORTURE=long ISOBAR_TORTURE_SECONDS=60 cargo test --release --test torture --
//! --nocapture`.
//! Every test prints what it did; its numbers of glitches must be exactly 0.

mod counting;
mod crew;
mod cycles;
mod disposal;
mod effects;
mod effort;
mod glitches;
mod isolation;
mod memory;
mod panics;
mod rest;
mod stalls;
mod tracked;
mod waits;
mod watchdog;
mod waves;
