//! An effect that is told every committed version of a signal, also those that others skip.

use super::effect::Effect;
use super::loaded::Loaded;
use super::readable::Readable;
use crate::block::Shared;
use crate::engine::read::{self, Track};
use crate::revision::Revision;
use crate::structure::holds::Follower;
use std::sync::Arc;

/// Who is told the versions of a signal, one after another.
pub(crate) trait Listener<T>: Send + 'static {
    /// Does it listen still? If not nothing is kept for it any more.
    fn listens(&self) -> bool {
        true
    }

    /// A version, and the revision that made it; the first one is the present one.
    fn hear(&mut self, version: Loaded<T>, changed_at: Revision);

    /// All that there is has been told. Inside the effect's run, as is `hear`.
    fn pause(&mut self) {}
}

/// Tells `listener` each version of `signal` from now on, in order; several in one run where
/// effects could not keep up. Memory: the versions committed while effects are running.
pub(crate) fn each_version<R: Readable + Clone + 'static>(
    signal: &R,
    name: Option<Arc<str>>,
    mut listener: impl Listener<R::Value>,
) -> Effect {
    let node = signal.node().inner().clone();
    let world = node.world().clone();
    // From here on no version of the signal is let go of before it was told.
    let mut follower = Follower::new(&world, &node);
    let mut told = None;
    let body = move || {
        let Ok(newest) = read::find(&node, Track::Yes) else { return };
        if !listener.listens() {
            return follower.end();
        }
        let first = *told.get_or_insert_with(|| {
            let found = read::version_at(&node, follower.from());
            listener.hear(Loaded::new(&found.kept.share()), Revision(found.changed_at));
            found.changed_at
        });
        let mut missed: Vec<(Shared, u64)> = Vec::new();
        let (mut at, newest_at) = (newest.changed_at, newest.changed_at);
        let mut kept = newest.kept;
        while at > first {
            missed.push((kept.share(), at));
            let older = read::version_at(&node, at - 1);
            (at, kept) = (older.changed_at, older.kept);
        }
        for (value, changed_at) in missed.iter().rev() {
            listener.hear(Loaded::new(value), Revision(*changed_at));
        }
        told = Some(newest_at.max(first));
        follower.advance(newest_at);
        listener.pause();
    };
    Effect::on(&world, name, body)
}
