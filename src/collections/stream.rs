//! Changes of a collection as a stream, for whoever awaits them.

use super::{MapDiff, PersistentMap, Sequence, VecDiff};
use crate::error::ReadError;
use crate::{FollowExt, Readable, ValueStream};
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The changes of a map or set, as a [`Stream`]; see
/// [`ReadMap::stream_diff`](super::ReadMap::stream_diff).
pub type MapDiffStream<K, V> = DiffStream<PersistentMap<K, V>, MapDiff<K, V>>;

/// The changes of a vector, as a [`Stream`]; see
/// [`ReadVec::stream_diff`](super::ReadVec::stream_diff).
pub type VecDiffStream<T> = DiffStream<Sequence<T>, VecDiff<T>>;

/// The changes of a collection, as a [`Stream`] of steps from one revision to another.
///
/// A failing derived collection is an item, `Err`, once a change; after it the next step leads on
/// from what was told last. It ends (`None`) when the graph is shut down, or with the scope or
/// effect it was made in. Nothing is queued but the newest collection.
#[must_use = "a stream does nothing unless polled"]
pub struct DiffStream<C, D> {
    contents: ValueStream<C>,
    step: Step<C, D>,
}

type Step<C, D> = Box<dyn FnMut(&C) -> Vec<D> + Send>;

impl<C: Send + Sync + 'static, D> DiffStream<C, D> {
    pub(super) fn new(
        collection: &(impl Readable<Value = C> + Clone + 'static),
        step: impl FnMut(&C) -> Vec<D> + Send + 'static,
    ) -> Self {
        Self { contents: FollowExt::stream(collection), step: Box::new(step) }
    }

    /// The next step; `None` at the end. For code without the combinators of a futures crate.
    ///
    /// # Errors
    /// [`ReadError`] if a derived collection has failed.
    pub async fn next(&mut self) -> Option<Result<Vec<D>, ReadError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<C: Send + Sync + 'static, D> Stream for DiffStream<C, D> {
    type Item = Result<Vec<D>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Poll::Ready(contents) = Pin::new(&mut self.contents).poll_next(cx) else {
                return Poll::Pending;
            };
            let diffs = match contents {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(contents)) => (self.step)(&contents),
            };
            if !diffs.is_empty() {
                return Poll::Ready(Some(Ok(diffs)));
            }
        }
    }
}

impl<C, D> fmt::Debug for DiffStream<C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiffStream").finish_non_exhaustive()
    }
}
