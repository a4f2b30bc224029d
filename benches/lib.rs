//! What the benchmarks share: the shapes as data, the engines behind one trait, the hand-written
//! floors, and the counting of allocations.

pub mod allocator;
pub mod assembly;
pub mod crews;
pub mod engines;
pub mod floors;
pub mod scenarios;
pub mod shapes;
