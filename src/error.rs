//! What can go wrong, by name, with what to do about it.

use crate::revision::Revision;
use std::sync::Arc;

/// Why a computed has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The function panicked; the error is its value until something it read changes.
    #[error("{node} panicked: {message}")]
    Panicked {
        /// The computed whose function panicked; it may lie upstream of the one that was read.
        node: Arc<str>,
        /// What it panicked with.
        message: Arc<str>,
    },
    /// A computed read itself, directly or through others.
    #[error("cycle: {}; break it by reading one of these untracked at an older state, or by \
             making one of them a signal", path.join(" -> "))]
    Cycle {
        /// The nodes on the way, the first one repeated at the end.
        path: Arc<[String]>,
    },
    /// A node of one graph was read in a computed or effect of another.
    #[error(
        "{node} belongs to graph {graph}, but was read in an evaluation of graph {reader}; \
             build both in one graph, or carry the value over with an effect or a snapshot"
    )]
    OtherGraph {
        /// The node that was read.
        node: Arc<str>,
        /// The graph it belongs to.
        graph: Arc<str>,
        /// The graph of the computed or effect that read it.
        reader: Arc<str>,
    },
}

/// Why a write was refused. Nothing was committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Computeds are pure: they may run again at any time and on any thread.
    #[error(
        "a signal was set inside a computed; set it in an effect, or make the computed's \
             value hold what you wanted to store"
    )]
    InComputed,
    /// An `update` or equality closure may run again, so it must not write.
    #[error(
        "a signal was set inside an update or equality closure; use batch or transaction \
             to change several signals together"
    )]
    InUpdate,
    /// The signal changed after the revision given to `compare_set`.
    #[error(
        "{node} changed at {changed_at}, after the revision the write was based on; read it \
             again and decide anew"
    )]
    Conflict {
        /// The signal.
        node: Arc<str>,
        /// When it last changed.
        changed_at: Revision,
    },
}

/// The condition did not come true in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the condition did not come true within the given time")]
pub struct Timeout;

/// An operator was given a duration of zero, which would never hold still, or never wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{of} over a duration of zero; give it one above zero")]
pub struct ZeroDuration {
    /// The operator.
    pub of: &'static str,
}

/// Effects that woke each other without end were stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("effects kept waking each other and were stopped: {}; let them write only what really \
         differs, or raise the limit with Graph::builder().max_rounds(n)", names.join(", "))]
pub struct Looping {
    /// The members of the loop.
    pub names: Vec<String>,
}

/// Why `settle_timeout` gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// A loop of effects was stopped.
    #[error(transparent)]
    Looping(#[from] Looping),
    /// Effects were still running when the time was over.
    #[error("effects were still running: {}", running.join(", "))]
    Timeout {
        /// The effects that had not seen the revision yet.
        running: Vec<String>,
    },
}

/// The asked-for revision is no longer, or not yet, kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{asked} is not kept: the graph keeps {oldest} to {newest}; raise \
         Graph::builder().history(n) or hold a snapshot"
)]
pub struct NotKept {
    /// What was asked for.
    pub asked: Revision,
    /// The oldest revision that is kept.
    pub oldest: Revision,
    /// The newest revision.
    pub newest: Revision,
}

/// What a graph reports to its `on_error` because nobody else would hear of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An effect panicked. It stays subscribed to what it had read.
    #[error("effect {node} panicked: {message}")]
    Effect {
        /// The effect.
        node: Arc<str>,
        /// What it panicked with.
        message: Arc<str>,
    },
    /// An executor dropped the task of an async node that was not disposed: it never runs again.
    #[error(
        "the executor dropped the task of {node}, which never runs again; keep the executor \
             for as long as the node, or dispose the node first"
    )]
    Abandoned {
        /// The async effect, async computed or resource.
        node: Arc<str>,
    },
    /// The storage of a store has failed, and no caller waits for what it was to do.
    #[error("storage of {store}: {message}")]
    Storage {
        /// The store's name.
        store: Arc<str>,
        /// What failed, and where.
        message: Arc<str>,
    },
    /// A cleanup panicked; the other cleanups ran.
    #[error("a cleanup panicked: {message}")]
    Cleanup {
        /// What it panicked with.
        message: Arc<str>,
    },
    /// The drop of a value or closure panicked.
    #[error("a drop panicked: {message}")]
    Drop {
        /// What it panicked with.
        message: Arc<str>,
    },
    /// Effects woke each other without end and were stopped.
    #[error(transparent)]
    Looping(#[from] Looping),
}

/// The text of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> Arc<str> {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Arc::from(*text)
    } else if let Some(text) = payload.downcast_ref::<String>() {
        Arc::from(text.as_str())
    } else if let Some(error) = payload.downcast_ref::<ReadError>() {
        Arc::from(error.to_string())
    } else {
        Arc::from("a panic without a message")
    }
}
