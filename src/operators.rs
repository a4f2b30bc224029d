//! Operators: computeds made of other nodes by the field's usual words.
//!
//! Those without a memory (`zip`, and `map` of the handles) are computeds and nothing more. The
//! others are folds (see `operators/fold.rs`): computeds over their source and a memory of their
//! own. No operator runs user code under a lock, keeps state outside of the graph, or outlives the
//! last handle and observer of its result.

mod fold;
mod timed;

pub use self::timed::Edge;

use self::fold::{State, fold};
use crate::error::{Timeout, ZeroDuration};
use crate::handle::{Computed, Join, Linked, Loaded, ReadSignal, Readable, ReadableExt, Signal};
use crate::time::{Clock, unless_zero};
use std::time::Duration;

/// Two sources' values at one revision.
struct Pair<A, B>(Loaded<A>, Loaded<B>);

/// A computed of both, which changes unless `is_same`.
#[track_caller]
fn pair<A, B>(
    one: &A,
    other: &B,
    is_same: impl Fn(&Pair<A::Value, B::Value>, &Pair<A::Value, B::Value>) -> bool
    + Send
    + Sync
    + 'static,
) -> Computed<Pair<A::Value, B::Value>>
where
    A: Readable + Clone + 'static,
    B: Readable + Clone + 'static,
{
    let name = format!("{} and {}", one.node().name(), other.node().name());
    let (first, second) = (one.clone(), other.clone());
    let both = move || Pair(first.load(), second.load());
    one.node().beside(|| Computed::builder(both).equality(is_same).name(name).build())
}

#[track_caller]
fn merge<A, B>(one: &A, other: &B) -> Computed<A::Value>
where
    A: Readable + Clone + 'static,
    B: Readable<Value = A::Value> + Clone + 'static,
    A::Value: PartialEq,
{
    let (a, b) = (one.node().clone(), other.node().clone());
    let node = b.clone();
    let both =
        pair(one, other, move |old, new| a.is_same(&old.0, &new.0) && b.is_same(&old.1, &new.1));
    fold("merge", &both, move |before, now| {
        let other_changed =
            before.is_some_and(|before: &State<_, _>| !node.is_same(&before.seen.1, &now.1));
        State::new(now, if other_changed { &now.1 } else { &now.0 }.clone())
    })
}

#[track_caller]
fn sample<A, B>(source: &A, trigger: &B) -> Computed<A::Value>
where
    A: Readable + Clone + 'static,
    B: Readable + Clone + 'static,
    A::Value: PartialEq,
{
    // Only the trigger makes a new pair, so the source alone wakes nobody.
    let node = trigger.node().clone();
    let triggered = pair(source, trigger, move |old, new| node.is_same(&old.1, &new.1));
    fold("sample", &triggered, |_, now| State::new(now, now.0.clone()))
}

macro_rules! operators {
    ($($handle:ident)+) => {$(
        /// Operators: computeds over this one value. They refuse to be made inside a computed.
        impl<T: Send + Sync + 'static> $handle<T> {
            /// The last value that satisfies `accepts`; before there is one, the value that
            /// stood when the filter was made.
            ///
            /// ```
            /// let n = isobar::signal(1);
            /// let even = n.filter(|n| n % 2 == 0);
            /// assert_eq!(even.get(), 1); // what stood there at first
            /// n.set(2);
            /// n.set(3);
            /// assert_eq!(even.get(), 2);
            /// ```
            #[track_caller]
            pub fn filter(
                &self,
                accepts: impl Fn(&T) -> bool + Send + Sync + 'static,
            ) -> Computed<T>
            where
                T: PartialEq,
            {
                fold("filter", self, move |before, now| {
                    let kept = before.filter(|_| !accepts(now));
                    State::new(now, kept.map_or(now, |before| &before.value).clone())
                })
            }

            /// The last `Some` that `f` made of a value; `None` before there is one.
            ///
            /// ```
            /// let text = isobar::signal("?");
            /// let number = text.filter_map(|text| text.parse::<i32>().ok());
            /// assert_eq!(number.get(), None);
            /// text.set("7");
            /// text.set("seven");
            /// assert_eq!(number.get(), Some(7));
            /// ```
            #[track_caller]
            pub fn filter_map<U: Clone + PartialEq + Send + Sync + 'static>(
                &self,
                f: impl Fn(&T) -> Option<U> + Send + Sync + 'static,
            ) -> Computed<Option<U>> {
                fold("filter_map", self, move |before, now| {
                    let made = f(now);
                    let kept = before.filter(|_: &&State<T, Option<U>>| made.is_none());
                    let value = kept.map(|before| before.value.clone());
                    State::new(now, value.unwrap_or_else(|| Loaded::made(made)))
                })
            }

            /// The value, but no change to an equal one: for sources to which every set is a
            /// change.
            ///
            /// ```
            /// use isobar::Signal;
            /// let beat = Signal::builder("idle").always().build();
            /// let state = beat.distinct();
            /// let changes = state.scan(0, |changes, _| changes + 1);
            /// beat.set("idle");
            /// beat.set("busy");
            /// assert_eq!((state.get(), changes.get()), ("busy", 2));
            /// ```
            #[track_caller]
            pub fn distinct(&self) -> Computed<T>
            where
                T: PartialEq,
            {
                self.dedupe_by(T::eq)
            }

            /// The value, kept until one comes that is not the same to `same`; its arguments are
            /// the value kept and the new one, so small steps add up.
            ///
            /// ```
            /// let degrees = isobar::signal(20.0_f64);
            /// let rough = degrees.dedupe_by(|kept, new| (kept - new).abs() < 1.0);
            /// degrees.set(20.7);
            /// assert_eq!(rough.get(), 20.0);
            /// degrees.set(21.4);
            /// assert_eq!(rough.get(), 21.4);
            /// ```
            #[track_caller]
            pub fn dedupe_by(
                &self,
                same: impl Fn(&T, &T) -> bool + Send + Sync + 'static,
            ) -> Computed<T>
            where
                T: PartialEq,
            {
                fold("dedupe", self, move |before, now| {
                    let kept = before.filter(|before| same(&before.value, now));
                    State::new(now, kept.map_or(now, |before| &before.value).clone())
                })
            }

            /// What `f` makes of the result so far and each value, beginning with `first` and
            /// the present value. It counts what effects would see: values set in one batch, or
            /// while another thread runs effects, are one.
            ///
            /// ```
            /// let sale = isobar::signal(10);
            /// let total = sale.scan(0, |total, sale| total + sale);
            /// sale.set(5);
            /// sale.set(7);
            /// assert_eq!(total.get(), 22);
            /// ```
            #[track_caller]
            pub fn scan<U: PartialEq + Send + Sync + 'static>(
                &self,
                first: U,
                f: impl Fn(&U, &T) -> U + Send + Sync + 'static,
            ) -> Computed<U> {
                fold("scan", self, move |before, now| {
                    let so_far = before.map_or(&first, |before| &*before.value);
                    State::new(now, Loaded::made(f(so_far, now)))
                })
            }

            /// The value before, if there was one, and the value.
            ///
            /// ```
            /// let price = isobar::signal(100);
            /// let step = price.pairwise();
            /// assert_eq!(step.get(), (None, 100));
            /// price.set(103);
            /// assert_eq!(step.get(), (Some(100), 103));
            /// ```
            #[track_caller]
            pub fn pairwise(&self) -> Computed<(Option<T>, T)>
            where
                T: Clone + PartialEq,
            {
                fold("pairwise", self, |before, now| {
                    let last = before.map(|before: &State<T, _>| T::clone(&before.seen));
                    State::new(now, Loaded::made((last, T::clone(now))))
                })
            }

            /// Both values, at one revision; `(&a, &b).map(..)` combines more, or without clones.
            ///
            /// ```
            /// let (width, height) = (isobar::signal(3), isobar::signal("tall"));
            /// let size = width.zip(&height);
            /// height.set("low");
            /// assert_eq!(size.get(), (3, "low"));
            /// ```
            #[track_caller]
            pub fn zip<R>(&self, other: &R) -> Computed<(T, R::Value)>
            where
                R: Readable + Clone + 'static,
                T: Clone + PartialEq,
                R::Value: Clone + PartialEq,
            {
                (self, other).map(|one: &T, other: &R::Value| (one.clone(), other.clone()))
            }

            /// The value of the one that changed last; of `other` if both changed in one commit.
            /// At first, of this one.
            ///
            /// ```
            /// let (mouse, keys) = (isobar::signal("still"), isobar::signal("none"));
            /// let last = mouse.merge(&keys);
            /// assert_eq!(last.get(), "still");
            /// keys.set("enter");
            /// assert_eq!(last.get(), "enter");
            /// mouse.set("click");
            /// assert_eq!(last.get(), "click");
            /// ```
            #[track_caller]
            pub fn merge<R>(&self, other: &R) -> Computed<T>
            where
                R: Readable<Value = T> + Clone + 'static,
                T: PartialEq,
            {
                merge(self, other)
            }

            /// The value at the last change of `trigger`; at first, the present one.
            ///
            /// ```
            /// let (level, bell) = (isobar::signal(1), isobar::signal(0));
            /// let at_the_bell = level.sample(&bell);
            /// level.set(2);
            /// assert_eq!(at_the_bell.get(), 1);
            /// bell.set(1);
            /// assert_eq!(at_the_bell.get(), 2);
            /// ```
            #[track_caller]
            pub fn sample<R>(&self, trigger: &R) -> Computed<T>
            where
                R: Readable + Clone + 'static,
                T: PartialEq,
            {
                sample(self, trigger)
            }

            /// The value once it has been `quiet` for a time: with [`Edge::Leading`] the first
            /// change after such a time, at once; with [`Edge::Trailing`] the last before it.
            ///
            /// ```
            /// use isobar::{Clock, Edge};
            /// use std::time::Duration;
            /// let (clock, key) = (Clock::manual(), isobar::signal(' '));
            /// let ms = Duration::from_millis;
            /// let calm = key.debounce(&clock, ms(100), Edge::Trailing);
            /// key.set('a');
            /// clock.advance(ms(99));
            /// key.set('b');
            /// clock.advance(ms(99));
            /// assert_eq!(calm.get(), ' ');
            /// clock.advance(ms(1));
            /// assert_eq!(calm.get(), 'b');
            /// ```
            ///
            /// # Panics
            /// If `quiet` is zero.
            #[track_caller]
            pub fn debounce(&self, clock: &Clock, quiet: Duration, edge: Edge) -> Computed<T>
            where
                T: PartialEq,
            {
                unless_zero(self.try_debounce(clock, quiet, edge))
            }

            /// [`debounce`](Self::debounce) by a duration that comes from outside.
            ///
            /// # Errors
            /// [`ZeroDuration`].
            #[track_caller]
            pub fn try_debounce(
                &self,
                clock: &Clock,
                quiet: Duration,
                edge: Edge,
            ) -> Result<Computed<T>, ZeroDuration>
            where
                T: PartialEq,
            {
                timed::debounce(self, clock, quiet, edge)
            }

            /// The value, but two changes are at least `every` apart: with [`Edge::Leading`] a
            /// change passes at once, and what comes within `every` does not; with
            /// [`Edge::Trailing`] the last that came within it passes at its end.
            ///
            /// ```
            /// use isobar::{Clock, Edge};
            /// use std::time::Duration;
            /// let (clock, key) = (Clock::manual(), isobar::signal(' '));
            /// let ms = Duration::from_millis;
            /// let slow = key.throttle(&clock, ms(100), Edge::Both);
            /// key.set('a');
            /// key.set('b');
            /// assert_eq!(slow.get(), 'a');
            /// clock.advance(ms(100));
            /// assert_eq!(slow.get(), 'b');
            /// ```
            ///
            /// # Panics
            /// If `every` is zero.
            #[track_caller]
            pub fn throttle(&self, clock: &Clock, every: Duration, edge: Edge) -> Computed<T>
            where
                T: PartialEq,
            {
                unless_zero(self.try_throttle(clock, every, edge))
            }

            /// [`throttle`](Self::throttle) by a duration that comes from outside.
            ///
            /// # Errors
            /// [`ZeroDuration`].
            #[track_caller]
            pub fn try_throttle(
                &self,
                clock: &Clock,
                every: Duration,
                edge: Edge,
            ) -> Result<Computed<T>, ZeroDuration>
            where
                T: PartialEq,
            {
                timed::throttle(self, clock, every, edge)
            }

            /// The value as it was `by` ago; at first, the present one. Keeps what is on the way.
            ///
            /// ```
            /// use isobar::Clock;
            /// use std::time::Duration;
            /// let (clock, key) = (Clock::manual(), isobar::signal(' '));
            /// let late = key.delay(&clock, Duration::from_millis(100));
            /// key.set('a');
            /// clock.advance(Duration::from_millis(99));
            /// assert_eq!(late.get(), ' ');
            /// clock.advance(Duration::from_millis(1));
            /// assert_eq!(late.get(), 'a');
            /// ```
            ///
            /// # Panics
            /// If `by` is zero.
            #[track_caller]
            pub fn delay(&self, clock: &Clock, by: Duration) -> Computed<T>
            where
                T: PartialEq,
            {
                unless_zero(self.try_delay(clock, by))
            }

            /// [`delay`](Self::delay) by a duration that comes from outside.
            ///
            /// # Errors
            /// [`ZeroDuration`].
            #[track_caller]
            pub fn try_delay(
                &self,
                clock: &Clock,
                by: Duration,
            ) -> Result<Computed<T>, ZeroDuration>
            where
                T: PartialEq,
            {
                timed::delay(self, clock, by)
            }

            /// The value, or [`Timeout`] while it has not changed for `limit`.
            ///
            /// ```
            /// use isobar::{Clock, Timeout};
            /// use std::time::Duration;
            /// let (clock, beat) = (Clock::manual(), isobar::signal(1));
            /// let alive = beat.timeout(&clock, Duration::from_secs(30));
            /// assert_eq!(alive.get(), Ok(1));
            /// clock.advance(Duration::from_secs(30));
            /// assert_eq!(alive.get(), Err(Timeout));
            /// beat.set(2);
            /// assert_eq!(alive.get(), Ok(2));
            /// ```
            ///
            /// # Panics
            /// If `limit` is zero.
            #[track_caller]
            pub fn timeout(&self, clock: &Clock, limit: Duration) -> Computed<Result<T, Timeout>>
            where
                T: Clone + PartialEq,
            {
                unless_zero(self.try_timeout(clock, limit))
            }

            /// [`timeout`](Self::timeout) by a duration that comes from outside.
            ///
            /// # Errors
            /// [`ZeroDuration`].
            #[track_caller]
            pub fn try_timeout(
                &self,
                clock: &Clock,
                limit: Duration,
            ) -> Result<Computed<Result<T, Timeout>>, ZeroDuration>
            where
                T: Clone + PartialEq,
            {
                timed::timeout(self, clock, limit)
            }
        }
    )+};
}

operators!(Signal ReadSignal Computed Linked);
