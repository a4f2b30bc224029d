//! Layer 5, futures: waiting for nodes without blocking a thread, and nodes whose work awaits.
//!
//! Nothing here knows an executor. What runs elsewhere is one task a node, handed to the caller's
//! spawner; every stretch of it between two awaits is the run of an ordinary effect, so it reads
//! one revision, its writes are one commit, and what it read is watched by the engine.

mod async_computed;
mod async_effect;
mod follow;
mod load;
mod resource;
mod runs;
mod spawn;

pub use async_computed::{AsyncComputed, AsyncComputedBuilder, async_computed};
pub use async_effect::{AsyncEffect, AsyncEffectBuilder, Outcome, async_effect};
pub use follow::{FollowExt, ValueStream, WaitError, WhenFull};
pub use load::{LoadError, LoadState, Status};
pub use resource::{Resource, ResourceBuilder, resource};
pub use runs::WhenChanged;
pub use spawn::{Spawn, Task};
