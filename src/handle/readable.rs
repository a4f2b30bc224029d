//! Reading, the same for every kind of handle.

use super::effect::Effect;
use super::inspect::Node;
use super::loaded::Loaded;
use crate::engine::read::{self, Track};
use crate::error::{ReadError, Timeout};
use crate::revision::Revision;
use crate::structure::holds::Kept;
use crate::sync::Relaxed;
use crate::sync::count::AtomicU64;
use crate::waiting::Event;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) mod sealed {
    /// Only this crate's handles promise that their node holds their value type.
    pub trait Sealed {}
}

/// Whatever has a value of type `Value` that can be read: signals, computeds, linked signals.
///
/// Object-safe: `Box<dyn Readable<Value = i32>>` is a handle of any kind. The methods to read
/// with are in [`ReadableExt`] (and inherent on each handle).
pub trait Readable: sealed::Sealed + Send + Sync {
    /// The type of the value.
    type Value: Send + Sync + 'static;

    /// The handle without its type.
    fn node(&self) -> &Node;
}

impl<R: Readable + ?Sized> sealed::Sealed for &R {}
impl<R: Readable + ?Sized> Readable for &R {
    type Value = R::Value;

    fn node(&self) -> &Node {
        (**self).node()
    }
}

impl<R: Readable + ?Sized> sealed::Sealed for Box<R> {}
impl<R: Readable + ?Sized> Readable for Box<R> {
    type Value = R::Value;

    fn node(&self) -> &Node {
        (**self).node()
    }
}

impl<R: Readable + ?Sized> sealed::Sealed for Arc<R> {}
impl<R: Readable + ?Sized> Readable for Arc<R> {
    type Value = R::Value;

    fn node(&self) -> &Node {
        (**self).node()
    }
}

/// A value while it is looked at.
pub(crate) struct Look<T>(Kept, std::marker::PhantomData<T>);

impl<T: 'static> Look<T> {
    #[inline]
    pub(crate) fn at(node: &Node, track: Track) -> Result<Self, ReadError> {
        read::read(node.inner(), track).map(Self::of)
    }

    pub(crate) fn of(kept: Kept) -> Self {
        Self(kept, std::marker::PhantomData)
    }

    #[inline]
    pub(crate) fn value(&self) -> Result<&T, &ReadError> {
        self.0.header().outcome()
    }

    pub(crate) fn load(&self) -> Result<Loaded<T>, ReadError> {
        self.value().map_err(ReadError::clone)?;
        Ok(Loaded::new(&self.0.share()))
    }
}

/// The value that a read of `readable`'s node found.
pub(crate) fn load_found<R: Readable + ?Sized>(
    _readable: &R,
    kept: Kept,
) -> Result<Loaded<R::Value>, ReadError> {
    Look::<R::Value>::of(kept).load()
}

/// Raises a read's error, without running the panic hook once more.
#[cold]
pub(crate) fn raise(error: ReadError) -> ! {
    resume_unwind(Box::new(error))
}

#[inline]
pub(crate) fn with<R: Readable + ?Sized, U>(
    readable: &R,
    track: Track,
    f: impl FnOnce(&R::Value) -> U,
) -> U {
    let node = readable.node().inner();
    let Some(kept) = read::at_hand(node, track) else { return with_afar(node, track, f) };
    match kept.header().plain_value() {
        Some(value) => f(value),
        None => with_look(Look::of(kept), f),
    }
}

/// The same for what is not at hand.
#[inline(never)]
fn with_afar<T: 'static, U>(
    node: &crate::structure::node::Node,
    track: Track,
    f: impl FnOnce(&T) -> U,
) -> U {
    let kept = read::read_afar(node, track).unwrap_or_else(|error| raise(error));
    with_look(Look::of(kept), f)
}

fn with_look<T: 'static, U>(look: Look<T>, f: impl FnOnce(&T) -> U) -> U {
    match look.value() {
        Ok(value) => f(value),
        Err(error) => raise(error.clone()),
    }
}

pub(crate) fn try_load<R: Readable + ?Sized>(
    readable: &R,
    track: Track,
) -> Result<Loaded<R::Value>, ReadError> {
    let look = Look::<R::Value>::at(readable.node(), track)?;
    look.load()
}

/// The methods of [`Readable`] handles, for code that is generic over them.
pub trait ReadableExt: Readable {
    /// The value; see [`Signal::get`](crate::Signal::get).
    fn get(&self) -> Self::Value
    where
        Self::Value: Clone,
    {
        with(self, Track::Yes, Clone::clone)
    }

    /// Looks at the value; see [`Signal::with`](crate::Signal::with).
    fn with<U>(&self, f: impl FnOnce(&Self::Value) -> U) -> U {
        with(self, Track::Yes, f)
    }

    /// Keeps the value; see [`Signal::load`](crate::Signal::load).
    fn load(&self) -> Loaded<Self::Value> {
        try_load(self, Track::Yes).unwrap_or_else(|error| raise(error))
    }

    /// The value, or why there is none; tracked.
    ///
    /// # Errors
    /// [`ReadError`].
    fn try_load(&self) -> Result<Loaded<Self::Value>, ReadError> {
        try_load(self, Track::Yes)
    }

    /// The value, untracked; see [`Signal::peek`](crate::Signal::peek).
    fn peek(&self) -> Self::Value
    where
        Self::Value: Clone,
    {
        with(self, Track::No, Clone::clone)
    }

    /// Looks at the value, untracked; see [`Signal::peek_with`](crate::Signal::peek_with).
    fn peek_with<U>(&self, f: impl FnOnce(&Self::Value) -> U) -> U {
        with(self, Track::No, f)
    }
}

impl<R: Readable + ?Sized> ReadableExt for R {}

pub(crate) fn revision(node: &Node) -> Revision {
    match read::find(node.inner(), Track::No) {
        Ok(found) => Revision(found.changed_at),
        Err(error) => raise(error),
    }
}

#[track_caller]
pub(crate) fn wait_until<R: Readable + Clone + 'static>(
    readable: &R,
    mut ready: impl FnMut(&R::Value) -> bool,
    timeout: Duration,
) -> Result<Loaded<R::Value>, Timeout> {
    let deadline = Instant::now().checked_add(timeout);
    let news = Arc::new((AtomicU64::new(0), Event::new()));
    let world = readable.node().inner().world();
    let _effect = Effect::on(world, None, {
        let (readable, news) = (readable.clone(), news.clone());
        move || {
            let _ = try_load(&readable, Track::Yes);
            // Release: the waiter that sees the news sees the value, or a newer one.
            news.0.fetch_add(1, crate::sync::Release);
            news.1.notify();
        }
    });
    loop {
        // Acquire: pairs with the Release above.
        let seen = news.0.load(crate::sync::Acquire);
        let value = try_load(readable, Track::No).unwrap_or_else(|error| raise(error));
        if ready(&value) {
            return Ok(value);
        }
        // Relaxed: the Acquire above follows.
        if !news.1.wait(deadline, || news.0.load(Relaxed) != seen) {
            return Err(Timeout);
        }
    }
}

#[track_caller]
pub(crate) fn subscribe<R: Readable + Clone + 'static>(
    readable: &R,
    mut f: impl FnMut(&R::Value) + Send + 'static,
) -> Effect {
    let world = readable.node().inner().world();
    let readable = readable.clone();
    Effect::on(world, None, move || {
        let value = try_load(&readable, Track::Yes).unwrap_or_else(|error| raise(error));
        crate::untracked(|| f(&value));
    })
}

/// The reading half of a handle: inherent methods and identity.
macro_rules! reading {
    ($handle:ident $(, $field:ident)?) => {
        impl<T: Send + Sync + 'static> $handle<T> {
            /// A clone of the value.
            ///
            /// Inside a computed or effect it becomes a source of it. Wait-free for signals and
            /// for computeds that are up to date. A computed that is not runs on this thread, or
            /// this thread waits while another one runs it.
            ///
            /// ```
            /// let a = isobar::signal(1);
            /// assert_eq!(a.get(), 1);
            /// ```
            ///
            /// # Panics
            /// With a [`ReadError`](crate::ReadError) if a computed failed, or if the node
            /// belongs to another graph than the computed or effect that reads it.
            pub fn get(&self) -> T
            where
                T: Clone,
            {
                readable::with(self, Track::Yes, Clone::clone)
            }

            /// Looks at the value without cloning it; tracked. The closure may take its time:
            /// nobody waits for it.
            ///
            /// ```
            /// let list = isobar::signal(vec![1, 2, 3]);
            /// assert_eq!(list.with(|list| list.len()), 3);
            /// ```
            ///
            /// # Panics
            /// Like [`get`](Self::get).
            pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
                readable::with(self, Track::Yes, f)
            }

            /// The value, shared and not cloned; tracked. May be kept; blocks nobody. Costs one
            /// count of the value's own, which all who load it write.
            ///
            /// ```
            /// let list = isobar::signal(vec![1, 2, 3]);
            /// let kept = list.load();
            /// list.set(vec![]);
            /// assert_eq!(*kept, [1, 2, 3]);
            /// ```
            ///
            /// # Panics
            /// Like [`get`](Self::get).
            pub fn load(&self) -> Loaded<T> {
                readable::try_load(self, Track::Yes).unwrap_or_else(|error| raise(error))
            }

            /// [`get`](Self::get), untracked.
            ///
            /// ```
            /// let (a, b) = (isobar::signal(1), isobar::signal(10));
            /// let sum = isobar::computed!([a, b] a.get() + b.peek());
            /// assert_eq!(sum.get(), 11);
            /// b.set(20); // no source
            /// assert_eq!(sum.get(), 11);
            /// ```
            ///
            /// # Panics
            /// Like [`get`](Self::get).
            pub fn peek(&self) -> T
            where
                T: Clone,
            {
                readable::with(self, Track::No, Clone::clone)
            }

            /// [`with`](Self::with), untracked.
            ///
            /// ```
            /// let list = isobar::signal(vec![1, 2, 3]);
            /// assert_eq!(list.peek_with(|list| list.len()), 3);
            /// ```
            ///
            /// # Panics
            /// Like [`get`](Self::get).
            pub fn peek_with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
                readable::with(self, Track::No, f)
            }

            /// When the value last changed. Untracked; brings a computed up to date first.
            ///
            /// ```
            /// let a = isobar::signal(1);
            /// let before = a.revision();
            /// a.set(1); // no change
            /// assert_eq!(a.revision(), before);
            /// a.set(2);
            /// assert!(a.revision() > before);
            /// ```
            ///
            /// # Panics
            /// Like [`get`](Self::get).
            pub fn revision(&self) -> Revision {
                readable::revision(&self.node)
            }

            /// Blocks this thread until the value satisfies `ready`, or for `timeout`. `ready` runs
            /// on this thread, at once and after changes; it may miss values that are replaced
            /// soon.
            ///
            /// For plain threads: inside a batch or effect the value is that of one revision, so
            /// nothing another thread does is seen, and the wait lasts until the time is over.
            ///
            /// ```
            /// use std::time::Duration;
            /// let a = isobar::signal(1);
            /// std::thread::scope(|threads| {
            ///     threads.spawn(|| a.set(2));
            ///     let two = a.wait_until(|n| *n == 2, Duration::from_secs(60));
            ///     assert_eq!(*two.unwrap(), 2);
            /// });
            /// ```
            ///
            /// # Errors
            /// [`Timeout`](crate::Timeout) when the time is over.
            ///
            /// # Panics
            /// Like [`get`](Self::get); inside a computed, and inside an `update` or equality
            /// closure.
            #[track_caller]
            pub fn wait_until(
                &self,
                ready: impl FnMut(&T) -> bool,
                timeout: Duration,
            ) -> Result<Loaded<T>, Timeout> {
                readable::wait_until(self, ready, timeout)
            }

            /// Calls back at once and after changes, until the effect is dropped. What the
            /// callback reads is not tracked.
            ///
            /// It is an [`Effect`]: it runs inside the `set` that woke it, sees the newest value
            /// and may skip some. While a computed fails there is no call; the failure is reported
            /// to the graph's `on_error`.
            ///
            /// ```
            /// use std::sync::mpsc;
            /// let (a, (tell, told)) = (isobar::signal(1), mpsc::channel());
            /// let watch = a.subscribe(move |n| tell.send(*n).unwrap());
            /// a.set(2);
            /// drop(watch);
            /// a.set(3);
            /// assert_eq!(told.iter().collect::<Vec<_>>(), [1, 2]);
            /// ```
            ///
            /// # Panics
            /// Inside a computed, or an `update` or equality closure.
            #[track_caller]
            pub fn subscribe(&self, f: impl FnMut(&T) + Send + 'static) -> Effect {
                readable::subscribe(self, f)
            }

            /// A computed of this one value; nothing else that `f` reads becomes a source.
            ///
            /// ```
            /// let a = isobar::signal(20);
            /// let half = a.map(|n| n / 2);
            /// assert_eq!(half.get(), 10);
            /// ```
            #[track_caller]
            pub fn map<U: PartialEq + Send + Sync + 'static>(
                &self,
                f: impl Fn(&T) -> U + Send + Sync + 'static,
            ) -> Computed<U> {
                let this = self.clone();
                Computed::on(self.node.inner().world(), None, move || {
                    this.with(|value| Frame::without_tracking(|| f(value)))
                })
            }

            /// The name given at creation, or kind, number and place of creation.
            ///
            /// ```
            /// let a = isobar::Signal::builder(1).name("a").build();
            /// assert_eq!(a.name(), "a");
            /// ```
            pub fn name(&self) -> String {
                self.node.name()
            }

            /// The handle without its type, for mixed collections.
            ///
            /// ```
            /// let (a, b) = (isobar::signal(1), isobar::signal("x"));
            /// let nodes = [a.node().clone(), b.node().clone()];
            /// assert!(nodes[0] != nodes[1]);
            /// ```
            pub fn node(&self) -> &Node {
                &self.node
            }

            /// Why it has the value it has; see [`Why`].
            ///
            /// ```
            /// let a = isobar::Signal::builder(1).name("a").build();
            /// let double = a.map(|n| n * 2);
            /// a.set(2);
            /// assert_eq!(double.get(), 4);
            /// assert!(double.why().to_string().contains('a'));
            /// ```
            pub fn why(&self) -> Why {
                self.node.why()
            }
        }

        impl<T> Clone for $handle<T> {
            fn clone(&self) -> Self {
                let node = self.node.clone();
                Self { node, value: PhantomData, $($field: self.$field.clone())? }
            }
        }

        impl<T> PartialEq for $handle<T> {
            fn eq(&self, other: &Self) -> bool {
                self.node == other.node
            }
        }

        impl<T> Eq for $handle<T> {}

        impl<T> std::hash::Hash for $handle<T> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.node.hash(state);
            }
        }

        /// Shows the name; neither reads nor evaluates.
        impl<T> std::fmt::Debug for $handle<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($handle)).field(&self.node.name()).finish()
            }
        }

        impl<T: Send + Sync + 'static> readable::sealed::Sealed for $handle<T> {}

        impl<T: Send + Sync + 'static> Readable for $handle<T> {
            type Value = T;

            fn node(&self) -> &Node {
                &self.node
            }
        }

        #[cfg(feature = "serde")]
        impl<T: serde::Serialize + Send + Sync + 'static> serde::Serialize for $handle<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.with(|value| value.serialize(serializer))
            }
        }
    };
}

pub(crate) use reading;
