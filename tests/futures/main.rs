//! What awaits: streams, async effects, async computeds and resources, on executors of two kinds
//! and on one that is driven by hand.

mod stage;

mod effects;
mod streams;
