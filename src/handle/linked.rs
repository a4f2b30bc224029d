//! Linked signals: derived from a source, and writable until the source changes.

use super::computed::Computed;
use super::effect::Effect;
use super::equality::{By, ByValue, Equality};
use super::inspect::{Node, Why};
use super::loaded::Loaded;
use super::readable::{self, Look, Readable, raise, reading};
use super::signal::{Signal, refused};
use crate::block::Shared;
use crate::engine::frame::Frame;
use crate::engine::private;
use crate::engine::read::{self, Track};
use crate::error::{ReadError, Timeout, WriteError};
use crate::revision::Revision;
use crate::structure::node::NodeRef;
use crate::sync::Mutex;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A computed one may also set: what was set holds until the source changes.
///
/// In one batch program order decides between a set and a change of the source; across commits
/// the later one wins. "Changes" means the source's value, by the source's equality: a computed
/// source that is different and the same again before anybody looks has not changed.
///
/// ```
/// use isobar::{linked, signal};
/// let shipping = signal(vec!["ground", "air", "sea"]);
/// let choice = linked(&shipping, |options: &Vec<&str>, previous| match previous {
///     Some(previous) if options.contains(previous.value) => *previous.value,
///     _ => options[0],
/// });
/// assert_eq!(choice.get(), "ground");
/// choice.set("sea");
/// assert_eq!(choice.get(), "sea");
/// shipping.set(vec!["email", "sea"]);
/// assert_eq!(choice.get(), "sea");
/// shipping.set(vec!["email", "post"]);
/// assert_eq!(choice.get(), "email");
/// ```
#[must_use = "a linked signal is lazy, and goes with its last handle"]
pub struct Linked<T> {
    node: Node,
    value: PhantomData<fn() -> T>,
    setter: Setter,
}

/// Sets by hand: the signal that holds what was set, and the source it is set against.
#[derive(Clone)]
struct Setter {
    manual: Signal<Option<Manual>>,
    source: Node,
}

impl Setter {
    fn manual(&self, value: Shared) -> Option<Manual> {
        // A failing source has a block, too: its failure.
        let source = read::read(self.source.inner(), Track::No);
        let source = source.unwrap_or_else(|error| raise(error)).share();
        Some(Manual { value, source })
    }
}

/// What a linked signal's function is given: the value before, and the source's then.
#[derive(Debug)]
pub struct Previous<'a, S, T> {
    /// The value before, set or computed.
    pub value: &'a T,
    /// The source's value at that time.
    pub source: &'a S,
}

/// A value set by hand, and the source's value at that moment.
#[derive(Clone)]
struct Manual {
    value: Shared,
    source: Shared,
}

/// A value, what it was made from, and the revision it belongs to.
#[derive(Clone)]
struct Last {
    value: Shared,
    source: Shared,
    revision: u64,
}

#[derive(Default)]
struct Memory {
    last: Option<Last>,
    /// The manual set of revision `.0` was seen overridden at revision `.1`.
    overridden: Option<(u64, u64)>,
}

/// A linked signal in the source's graph; equality is `PartialEq`. See [`Linked`].
///
/// ```
/// let source = isobar::signal(1);
/// let tenfold = isobar::linked(&source, |n: &i32, _| n * 10);
/// tenfold.set(99);
/// assert_eq!(tenfold.get(), 99);
/// source.set(2);
/// assert_eq!(tenfold.get(), 20);
/// ```
#[track_caller]
pub fn linked<R, T>(
    source: &R,
    f: impl Fn(&R::Value, Option<Previous<'_, R::Value, T>>) -> T + Send + Sync + 'static,
) -> Linked<T>
where
    R: Readable + Clone + 'static,
    T: PartialEq + Send + Sync + 'static,
{
    Linked::builder(source, f).build()
}

/// Builds a [`Linked`]; see [`Linked::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct LinkedBuilder<'a, R, F, E = ByValue> {
    source: &'a R,
    function: F,
    equality: E,
    name: Option<Arc<str>>,
}

impl<'a, R, F, E> LinkedBuilder<'a, R, F, E>
where
    R: Readable + Clone + 'static,
{
    /// A name for errors, dumps and `why`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// When a new value is no change: arguments are the old value and the new one. A panic in it
    /// counts as a change.
    pub fn equality<G>(self, equality: G) -> LinkedBuilder<'a, R, F, By<G>> {
        let Self { source, function, name, .. } = self;
        LinkedBuilder { source, function, equality: By(equality), name }
    }

    /// The linked signal; its function does not run yet.
    #[track_caller]
    pub fn build<T>(self) -> Linked<T>
    where
        T: Send + Sync + 'static,
        F: Fn(&R::Value, Option<Previous<'_, R::Value, T>>) -> T + Send + Sync + 'static,
        E: Equality<T>,
    {
        let Self { source, function, equality, name } = self;
        let world = source.node().inner().world().clone();
        let of_manual = name.as_ref().map_or("manual".into(), |name| format!("{name}.manual"));
        let manual: Signal<Option<Manual>> =
            Signal::make(&world, None, super::equality::Never, Some(of_manual.into()));
        let link =
            Link { source: source.clone(), manual: manual.clone(), memory: Mutex::default() };
        let value = move || link.value(&function);
        let computed = Computed::<T>::make(&world, value, equality, name);
        let setter = Setter { manual, source: source.node().clone() };
        Linked { node: computed.node.clone(), value: PhantomData, setter }
    }
}

struct Link<R> {
    source: R,
    manual: Signal<Option<Manual>>,
    memory: Mutex<Memory>,
}

impl<R: Readable> Link<R> {
    fn value<T: Send + Sync + 'static>(
        &self,
        f: impl Fn(&R::Value, Option<Previous<'_, R::Value, T>>) -> T,
    ) -> Shared {
        let source_node = self.source.node().inner();
        let source = read::find(source_node, Track::Yes).unwrap_or_else(|error| raise(error));
        let (changed_at, published) = (source.changed_at, source.published);
        let source_block = source.kept.share();
        drop(source);
        let manual_node = self.manual.node().inner();
        let manual = read::find(manual_node, Track::Yes).unwrap_or_else(|error| raise(error));
        let set_at = manual.changed_at;
        let manual = match Look::<Option<Manual>>::of(manual.kept).load() {
            Ok(manual) => (*manual).clone(),
            Err(error) => raise(error),
        };
        let revision = revision_here();
        let exact = published && !has_pending(source_node) && !has_pending(manual_node);
        let holds = |manual: &Manual| {
            if exact && set_at != changed_at {
                return set_at > changed_at;
            }
            source_node.equal(manual.source.header(), source_block.header())
        };
        if let Some(manual) = &manual
            && !self.is_overridden(set_at, revision)
            && holds(manual)
        {
            self.remember(&manual.value, &source_block, revision, None);
            return Shared::alias(manual.value.clone());
        }
        let last = self.last(manual.as_ref(), set_at, revision);
        let value = self.compute(&source_block, last.as_ref(), f);
        self.remember(&value, &source_block, revision, manual.map(|_| set_at));
        Shared::alias(value)
    }

    fn compute<T: Send + Sync + 'static>(
        &self,
        source: &Shared,
        last: Option<&Last>,
        f: impl Fn(&R::Value, Option<Previous<'_, R::Value, T>>) -> T,
    ) -> Shared {
        let look = source.resolved();
        if let Some(error) = look.header().failure() {
            raise(error.clone());
        }
        let source: &R::Value = look.header().value();
        let kept = last.map(|last| (last.value.resolved(), last.source.resolved()));
        let usable = kept.as_ref().filter(|(value, source)| {
            value.header().failure().is_none() && source.header().failure().is_none()
        });
        let previous = usable.map(|(value, source)| Previous {
            value: value.header().value::<T>(),
            source: source.header().value::<R::Value>(),
        });
        Shared::value(f(source, previous))
    }

    fn is_overridden(&self, set_at: u64, revision: u64) -> bool {
        let memory = self.memory.lock();
        memory.overridden.is_some_and(|(set, seen)| set == set_at && revision >= seen)
    }

    /// The value before: what was computed last, or what was set by hand since.
    fn last(&self, manual: Option<&Manual>, set_at: u64, revision: u64) -> Option<Last> {
        let last = self.memory.lock().last.clone().filter(|last| last.revision <= revision);
        match manual {
            Some(manual) if last.as_ref().is_none_or(|last| last.revision < set_at) => {
                let Manual { value, source } = manual.clone();
                Some(Last { value, source, revision: set_at })
            }
            _ => last,
        }
    }

    /// What everybody will see is remembered; private results are not.
    fn remember(&self, value: &Shared, source: &Shared, revision: u64, overridden: Option<u64>) {
        if !Frame::current().tracker().is_some_and(|tracker| tracker.is_claimed()) {
            return;
        }
        let last = Last { value: value.clone(), source: source.clone(), revision };
        let mut memory = self.memory.lock();
        let before = memory.last.replace(last);
        if let Some(set_at) = overridden {
            memory.overridden = Some((set_at, revision));
        }
        drop(memory);
        // Values are user code, so they are dropped outside of the lock.
        drop(before);
    }
}

fn revision_here() -> u64 {
    let frame = Frame::current();
    frame.fixed_view().map_or(0, |view| view.revision)
}

/// Does the layer around this evaluation change the node?
fn has_pending(node: &NodeRef) -> bool {
    let frame = Frame::current();
    let Some(view) = frame.fixed_view() else { return false };
    let over = view.overlay_if_any().is_some_and(|overlay| overlay.has_writes());
    over && private::over(view, node).is_ok_and(|(_, changed)| changed > 0)
}

reading!(Linked, setter);

impl<T: Send + Sync + 'static> Linked<T> {
    /// A linked signal with a name, or an equality of its own.
    ///
    /// ```
    /// use isobar::Linked;
    /// let shipping = isobar::signal(vec!["ground", "air"]);
    /// let choice = Linked::builder(&shipping, |options: &Vec<&str>, _| options[0]);
    /// let choice = choice.name("choice").build();
    /// assert_eq!((choice.name(), choice.get()), ("choice".to_string(), "ground"));
    /// ```
    pub fn builder<R, F>(source: &R, f: F) -> LinkedBuilder<'_, R, F>
    where
        R: Readable + Clone + 'static,
        F: Fn(&R::Value, Option<Previous<'_, R::Value, T>>) -> T + Send + Sync + 'static,
    {
        LinkedBuilder { source, function: f, equality: ByValue, name: None }
    }

    /// The value, or why there is none; tracked.
    ///
    /// ```
    /// let source = isobar::signal(0);
    /// let ratio = isobar::linked(&source, |n: &i32, _| 10 / n);
    /// assert!(ratio.try_get().is_err());
    /// ratio.set(5);
    /// assert_eq!(ratio.try_get(), Ok(5));
    /// ```
    ///
    /// # Errors
    /// As [`Computed::try_get`].
    pub fn try_get(&self) -> Result<T, ReadError>
    where
        T: Clone,
    {
        readable::try_load(self, Track::Yes).map(|value| T::clone(&value))
    }

    /// Sets the value until the source changes; see [`Signal::set`].
    ///
    /// ```
    /// let source = isobar::signal(1);
    /// let tenfold = isobar::linked(&source, |n: &i32, _| n * 10);
    /// tenfold.set(99);
    /// assert_eq!(tenfold.get(), 99);
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    #[track_caller]
    pub fn set(&self, value: T) {
        if let Err(error) = self.try_set(value) {
            refused(&self.node, &error);
        }
    }

    /// [`set`](Self::set), with its misuse as a value.
    ///
    /// ```
    /// let source = isobar::signal(1);
    /// let tenfold = isobar::linked(&source, |n: &i32, _| n * 10);
    /// let writes = isobar::computed!([tenfold] tenfold.try_set(99));
    /// assert_eq!(writes.get(), Err(isobar::WriteError::InComputed));
    /// assert_eq!(tenfold.try_set(99), Ok(()));
    /// ```
    ///
    /// # Errors
    /// As [`Signal::try_set`].
    #[track_caller]
    pub fn try_set(&self, value: T) -> Result<(), WriteError> {
        if let Some(refusal) = Frame::current().writes.refusal() {
            return Err(refusal);
        }
        self.setter.manual.try_set(self.setter.manual(Shared::value(value)))
    }

    /// Atomic read-modify-write against other sets of this linked signal; in a batch recorded
    /// and replayed on the newest value, like [`Signal::update`].
    ///
    /// ```
    /// let source = isobar::signal(1);
    /// let tenfold = isobar::linked(&source, |n: &i32, _| n * 10);
    /// tenfold.update(|n| n + 1);
    /// assert_eq!(tenfold.get(), 11);
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    #[track_caller]
    pub fn update(&self, mut f: impl FnMut(&T) -> T + Send + 'static) {
        let this = self.clone();
        let updated = self.setter.manual.try_update(move |_| {
            let value = this.peek_with(|value| f(value));
            this.setter.manual(Shared::value(value))
        });
        if let Err(error) = updated {
            refused(&self.node, &error);
        }
    }

    /// [`update`](Self::update) on a clone of the value.
    ///
    /// ```
    /// let source = isobar::signal(1);
    /// let tenfold = isobar::linked(&source, |n: &i32, _| n * 10);
    /// tenfold.mutate(|n| *n += 1);
    /// assert_eq!(tenfold.get(), 11);
    /// ```
    ///
    /// # Panics
    /// As [`Signal::set`].
    #[track_caller]
    pub fn mutate(&self, mut f: impl FnMut(&mut T) + Send + 'static)
    where
        T: Clone,
    {
        self.update(move |old| {
            let mut new = old.clone();
            f(&mut new);
            new
        });
    }
}
