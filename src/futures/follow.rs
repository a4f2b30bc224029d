//! Following a node without blocking: streams of its values, the next change, a condition.
//!
//! An ordinary effect puts what it reads into an inbox and wakes whoever polls it; so what arrives
//! is as consistent and as ordered as what effects see, and nothing is polled in vain.

use crate::engine::frame::Frame;
use crate::error::ReadError;
use crate::handle::versions::{Listener, each_version};
use crate::revision::Revision;
use crate::sync::Mutex;
use crate::{Computed, Effect, Linked, Loaded, ReadSignal, Readable, ReadableExt, Signal};
use futures_core::Stream;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a stream of all values does when its consumer is slower than the writers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// The oldest value that waits is skipped.
    #[default]
    SkipOldest,
    /// The new value is skipped.
    SkipNewest,
    /// The stream ends after the values that wait.
    End,
}

/// Why what was awaited did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The node failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing will be told any more.
    #[error(
        "the wait ended: the graph was shut down, or the scope or effect that the wait was made \
         in is over; await outside of it, or treat this as its end"
    )]
    Ended,
}

type Item<T> = Result<Loaded<T>, ReadError>;

/// The values of a node, as a [`Stream`]; made by `stream` and `stream_all`.
///
/// A failing computed is an item, `Err`, once a change; the stream goes on when it recovers. It
/// ends (`None`) when the graph is shut down, or with the scope or effect it was made in. Dropping
/// it ends the subscription at once. Cost: an effect; a lock and a count an item.
#[must_use = "a stream does nothing unless polled"]
pub struct ValueStream<T> {
    inbox: Arc<Inbox<T>>,
    _effect: Effect,
}

/// Between the effect and the consumer. The lock is held for moving items only.
struct Inbox<T> {
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    items: VecDeque<Item<T>>,
    capacity: usize,
    when_full: WhenFull,
    skipped: u64,
    ended: bool,
    waker: Option<Waker>,
}

/// The effect's half; dropped with the effect, which is how the consumer hears of its end.
struct Sender<T>(Arc<Inbox<T>>);

impl<T> Inbox<T> {
    fn new(capacity: usize, when_full: WhenFull) -> Arc<Self> {
        let items = VecDeque::new();
        let capacity = capacity.max(1);
        let waiting = Waiting { items, capacity, when_full, skipped: 0, ended: false, waker: None };
        Arc::new(Self { waiting: Mutex::new(waiting) })
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<Item<T>>> {
        // Before the lock: cloning and dropping wakers is foreign code.
        let mine = cx.waker().clone();
        let mut waiting = self.waiting.lock();
        if let Some(item) = waiting.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if waiting.ended {
            return Poll::Ready(None);
        }
        let before = waiting.waker.replace(mine);
        drop(waiting);
        drop(before);
        Poll::Pending
    }

    fn take_all(&self) -> VecDeque<Item<T>> {
        std::mem::take(&mut self.waiting.lock().items)
    }
}

impl<T> Sender<T> {
    fn put(&self, item: Item<T>) {
        let mut waiting = self.0.waiting.lock();
        if waiting.ended {
            return;
        }
        let mut skipped = None;
        let mut item = Some(item);
        if waiting.items.len() >= waiting.capacity {
            waiting.skipped += 1;
            match waiting.when_full {
                WhenFull::SkipOldest => skipped = waiting.items.pop_front(),
                WhenFull::SkipNewest => skipped = item.take(),
                WhenFull::End => {
                    skipped = item.take();
                    waiting.ended = true;
                }
            }
        }
        waiting.items.extend(item);
        let waker = waiting.waker.take();
        drop(waiting);
        // Outside of the lock: values are user code, wakers the executor's.
        drop(skipped);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.ended = true;
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What is awaited inside an evaluation is no part of it: it has its own reads, but its owner.
fn apart<R>(f: impl FnOnce() -> R) -> R {
    let owner = Frame::current().owner;
    Frame { owner, ..Frame::detached() }.enter(f)
}

fn latest<R: Readable + Clone + 'static>(readable: &R) -> ValueStream<R::Value> {
    let inbox = Inbox::new(1, WhenFull::SkipOldest);
    let sender = Sender(inbox.clone());
    let world = readable.node().inner().world();
    let readable = readable.clone();
    let effect =
        apart(|| Effect::on(world, None, move || sender.put(ReadableExt::try_load(&readable))));
    ValueStream { inbox, _effect: effect }
}

/// Each version of a signal, also those that an effect would not see.
fn all<R: Readable + Clone + 'static>(
    signal: &R,
    capacity: usize,
    when_full: WhenFull,
) -> ValueStream<R::Value> {
    let inbox = Inbox::new(capacity, when_full);
    let sender = Sender(inbox.clone());
    let effect = apart(|| each_version(signal, None, sender));
    ValueStream { inbox, _effect: effect }
}

impl<T: Send + Sync + 'static> Listener<T> for Sender<T> {
    fn listens(&self) -> bool {
        !self.0.waiting.lock().ended
    }

    fn hear(&mut self, version: Loaded<T>, _: Revision) {
        self.put(Ok(version));
    }
}

impl<T> ValueStream<T> {
    /// The next value; `None` at the end. For code without the combinators of a futures crate.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let a = isobar::signal(1);
    /// let mut values = a.stream();
    /// assert_eq!(*block_on(values.next()).unwrap().unwrap(), 1);
    /// a.set(2);
    /// assert_eq!(*block_on(values.next()).unwrap().unwrap(), 2);
    /// ```
    pub async fn next(&mut self) -> Option<Item<T>> {
        poll_fn(|cx| self.inbox.poll(cx)).await
    }

    /// Leaves out what is there to be taken now: the value at the start.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let a = isobar::signal(1);
    /// let mut changes = a.stream().skip_waiting();
    /// a.set(2);
    /// assert_eq!(*block_on(changes.next()).unwrap().unwrap(), 2);
    /// ```
    pub fn skip_waiting(self) -> Self {
        drop(self.inbox.take_all());
        self
    }

    /// How many values this consumer was too slow for.
    ///
    /// ```
    /// let a = isobar::signal(1);
    /// let values = a.stream();
    /// a.set(2);
    /// a.set(3);
    /// assert_eq!(values.skipped(), 2);
    /// ```
    pub fn skipped(&self) -> u64 {
        self.inbox.waiting.lock().skipped
    }
}

impl<T> Stream for ValueStream<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll(cx)
    }
}

impl<T> std::fmt::Debug for ValueStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueStream").field("skipped", &self.skipped()).finish_non_exhaustive()
    }
}

async fn change<T>(mut stream: ValueStream<T>) -> Result<Loaded<T>, WaitError> {
    stream.next().await.ok_or(WaitError::Ended)?.map_err(WaitError::from)
}

async fn condition<T: 'static>(
    mut stream: ValueStream<T>,
    mut ready: impl FnMut(&T) -> bool,
) -> Result<Loaded<T>, WaitError> {
    loop {
        let value = stream.next().await.ok_or(WaitError::Ended)??;
        if crate::untracked(|| ready(&value)) {
            return Ok(value);
        }
    }
}

/// Waiting for [`Readable`] handles, for code that is generic over them; inherent on each handle.
///
/// ```
/// use isobar::{FollowExt, Readable, signal};
/// use std::sync::Arc;
/// let a = signal(1);
/// let any: Arc<dyn Readable<Value = i32>> = Arc::new(a.clone());
/// let high = any.wait_for(|n| *n > 1);
/// a.set(2);
/// assert_eq!(*futures::executor::block_on(high).unwrap(), 2);
/// ```
pub trait FollowExt: Readable + Clone + 'static {
    /// See [`Signal::stream`].
    fn stream(&self) -> ValueStream<Self::Value> {
        latest(self)
    }

    /// See [`Signal::changed`].
    ///
    /// # Errors
    /// [`WaitError`].
    fn changed(
        &self,
    ) -> impl Future<Output = Result<Loaded<Self::Value>, WaitError>> + Send + use<Self> {
        change(latest(self).skip_waiting())
    }

    /// See [`Signal::wait_for`].
    ///
    /// # Errors
    /// [`WaitError`].
    fn wait_for<F: FnMut(&Self::Value) -> bool + Send>(
        &self,
        ready: F,
    ) -> impl Future<Output = Result<Loaded<Self::Value>, WaitError>> + Send + use<Self, F> {
        condition(latest(self), ready)
    }
}

impl<R: Readable + Clone + 'static> FollowExt for R {}

macro_rules! following {
    ($($handle:ident),*) => { $(
        impl<T: Send + Sync + 'static> $handle<T> {
            /// The values from now on, the present one first. Conflates: a slow consumer gets the
            /// newest. What is taken from it inside an async effect is not tracked.
            ///
            /// ```
            /// use futures::executor::block_on;
            /// let a = isobar::signal(1);
            /// let mut values = a.stream();
            /// a.set(2);
            /// a.set(3);
            /// assert_eq!(*block_on(values.next()).unwrap().unwrap(), 3);
            /// ```
            pub fn stream(&self) -> ValueStream<T> {
                latest(self)
            }

            /// The next value after this call: resolves when the value changes.
            ///
            /// ```
            /// use futures::executor::block_on;
            /// let a = isobar::signal(1);
            /// let change = a.changed();
            /// a.set(2);
            /// assert_eq!(*block_on(change).unwrap(), 2);
            /// ```
            ///
            /// # Errors
            /// [`WaitError`]; a computed's failure is a change, too.
            pub fn changed(
                &self,
            ) -> impl Future<Output = Result<Loaded<T>, WaitError>> + Send + use<T> {
                change(latest(self).skip_waiting())
            }

            /// The first value that satisfies `ready`, the present one included. Values may be
            /// conflated, so ask for what stays true. What `ready` reads is not tracked.
            ///
            /// ```
            /// use futures::executor::block_on;
            /// let a = isobar::signal(1);
            /// let high = a.wait_for(|n| *n > 10);
            /// a.set(11);
            /// assert_eq!(*block_on(high).unwrap(), 11);
            /// ```
            ///
            /// # Errors
            /// [`WaitError`]; a failing computed ends the wait.
            pub fn wait_for<F: FnMut(&T) -> bool + Send>(
                &self,
                ready: F,
            ) -> impl Future<Output = Result<Loaded<T>, WaitError>> + Send + use<T, F> {
                condition(latest(self), ready)
            }
        }
    )* };
}

following!(Signal, ReadSignal, Computed, Linked);

macro_rules! following_all {
    ($($handle:ident),*) => { $(
        impl<T: Send + Sync + 'static> $handle<T> {
            /// Every committed value from now on, the present one first, in order; also those that
            /// effects and [`stream`](Self::stream) skip because another followed at once. At most
            /// `capacity` (at least one) wait for the consumer; then `when_full` decides, and
            /// [`skipped`](ValueStream::skipped) counts.
            ///
            /// For signals only: a computed has values for the revisions it was asked at, not for
            /// all. Memory: the values that wait, and those committed while effects are running.
            ///
            /// ```
            /// use isobar::WhenFull;
            /// let a = isobar::signal(0);
            /// let mut all = a.stream_all(2, WhenFull::SkipOldest);
            /// for n in 1..=5 { a.set(n) }
            /// assert_eq!(all.skipped(), 4);
            /// # drop(all.next());
            /// ```
            pub fn stream_all(&self, capacity: usize, when_full: WhenFull) -> ValueStream<T> {
                all(self, capacity, when_full)
            }
        }
    )* };
}

following_all!(Signal, ReadSignal);
