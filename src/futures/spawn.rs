//! Where tasks go: the caller's executor, behind one method.

use std::future::Future;
use std::pin::Pin;

/// A node's task, for an executor. Dropping it before its node is disposed ends the node, and is
/// reported as [`Failure::Abandoned`](crate::Failure::Abandoned).
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands a task to an executor.
///
/// Any `Fn(Task)` is one, and so, with the feature `tokio`, is a `tokio::runtime::Handle`. Whoever
/// writes the closure owns the task: it may keep a `JoinHandle`, use a `JoinSet`, or count.
///
/// ```
/// use isobar::{Task, async_effect};
/// use std::sync::{Arc, Mutex};
/// let g = isobar::Graph::new();
/// let tasks = Arc::new(Mutex::new(Vec::<Task>::new()));
/// let mine = tasks.clone();
/// let effect = g.enter(|| async_effect(move |task| mine.lock().unwrap().push(task), async || ()));
/// assert_eq!(tasks.lock().unwrap().len(), 1); // to be polled by whoever took it
/// effect.dispose();
/// ```
pub trait Spawn {
    /// Gives `task` to the executor, which is to poll it until it ends.
    fn spawn(&self, task: Task);
}

impl<F: Fn(Task)> Spawn for F {
    fn spawn(&self, task: Task) {
        self(task);
    }
}

#[cfg(feature = "tokio")]
impl Spawn for tokio::runtime::Handle {
    fn spawn(&self, task: Task) {
        drop(tokio::runtime::Handle::spawn(self, task));
    }
}
