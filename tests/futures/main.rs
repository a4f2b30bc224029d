//! What awaits: streams, async effects, async computeds and resources, on executors of two kinds
//! and on one that is driven by hand.

mod stage;

mod computeds;
mod effects;
mod resources;
mod streams;
