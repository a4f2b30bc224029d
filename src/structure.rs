//! Layer 2, the standing structure: nodes, edges, held revisions. Knows neither evaluations nor
//! waves, and never runs a user's closure.

pub(crate) mod holds;
pub(crate) mod node;
pub(crate) mod observers;
pub(crate) mod request;
pub(crate) mod world;
