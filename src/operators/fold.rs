//! What every operator with a memory is made of.
//!
//! ```text
//!                 ┌───────────► result: a computed of source and memory ──► observers
//!   source ───────┤                       ▲
//!                 └─► feeder: an effect ──► memory: a signal (what was seen, the value, ..)
//!                                         ▲
//!                        timers of a clock ┘
//! ```
//!
//! The result is what the operator makes of the memory and of a source value that is not in the
//! memory yet; so it follows the source in the same revision, in drafts and snapshots, too. The
//! feeder then puts that step into the memory, which leaves the result as it was. All state is in
//! the memory, a signal, and has its versions; nothing is kept beside the graph.
//!
//! The feeder is an effect, so it conflates: of values that come while another thread runs the
//! wave, or in one batch, only the last is a step. It belongs to the result's function, and ends
//! with the last handle and observer of the result.

use crate::handle::{Computed, Effect, Loaded, Readable, ReadableExt, Signal, untracked};
use std::sync::Arc;
use std::time::Duration;

/// What an operator knows.
pub(super) struct State<S, T> {
    /// The source's value that the last step took in.
    pub(super) seen: Loaded<S>,
    /// The operator's own.
    pub(super) value: Loaded<T>,
    /// When a clock is to call.
    pub(super) until: Option<Duration>,
}

pub(super) type Memory<S, T> = Signal<Option<State<S, T>>>;

/// Told of each state once it is committed; sets timers.
pub(super) type Arm<S, T> = Box<dyn FnMut(&State<S, T>) + Send>;

impl<S, T> Clone for State<S, T> {
    fn clone(&self) -> Self {
        let Self { seen, value, until } = self;
        Self { seen: seen.clone(), value: value.clone(), until: *until }
    }
}

impl<S: 'static, T: 'static> State<S, T> {
    /// Without a deadline.
    pub(super) fn new(seen: &Loaded<S>, value: Loaded<T>) -> Self {
        Self { seen: seen.clone(), value, until: None }
    }

    fn is(&self, other: &Self) -> bool {
        is_one(&self.seen, &other.seen)
            && is_one(&self.value, &other.value)
            && self.until == other.until
    }
}

/// Are these one value, and not only equal ones?
pub(super) fn is_one<T: 'static>(one: &Loaded<T>, other: &Loaded<T>) -> bool {
    std::ptr::eq(one.shared().header(), other.shared().header())
}

/// An operator: its source, its memory, and the step from one state to the next.
struct Fold<R: Readable, T, F> {
    source: R,
    memory: Memory<R::Value, T>,
    step: F,
}

/// A fold and the effect that feeds it: what the result's function owns.
struct Fed<R: Readable, T, F> {
    fold: Arc<Fold<R, T, F>>,
    _feeder: Effect,
}

/// The computed that `step` makes of each new value of `source`. It must be pure; the state before
/// is `None` at first.
#[track_caller]
pub(super) fn fold<R, T, F>(verb: &str, source: &R, step: F) -> Computed<T>
where
    R: Readable + Clone + 'static,
    T: PartialEq + Send + Sync + 'static,
    F: Fn(Option<&State<R::Value, T>>, &Loaded<R::Value>) -> State<R::Value, T>
        + Send
        + Sync
        + 'static,
{
    timed(verb, source, step, |_| None)
}

/// `fold`, with what sets timers because of a state; timers write the memory.
#[track_caller]
pub(super) fn timed<R, T, F>(
    verb: &str,
    source: &R,
    step: F,
    arm: impl FnOnce(&Memory<R::Value, T>) -> Option<Arm<R::Value, T>>,
) -> Computed<T>
where
    R: Readable + Clone + 'static,
    T: PartialEq + Send + Sync + 'static,
    F: Fn(Option<&State<R::Value, T>>, &Loaded<R::Value>) -> State<R::Value, T>
        + Send
        + Sync
        + 'static,
{
    let name = format!("{verb} of {}", source.node().name());
    source.node().beside(|| {
        let memory = memory(&name);
        let mut arm = arm(&memory);
        let fold = Arc::new(Fold { source: source.clone(), memory, step });
        let fed = fold.clone();
        let feeder = Effect::builder(move || fed.feed(arm.as_mut()));
        let feeder = feeder.name(format!("feeder of {name}")).build();
        let fed = Fed { fold, _feeder: feeder };
        Computed::sharing(Some(name.into()), move || fed.value())
    })
}

fn memory<S: Send + Sync + 'static, T: Send + Sync + 'static>(name: &str) -> Memory<S, T> {
    let is_same = |old: &Option<State<S, T>>, new: &Option<State<S, T>>| match (old, new) {
        (Some(old), Some(new)) => old.is(new),
        (old, new) => old.is_none() && new.is_none(),
    };
    Signal::builder(None).name(format!("memory of {name}")).equality(is_same).build()
}

impl<R, T, F> Fed<R, T, F>
where
    R: Readable,
    T: Send + Sync + 'static,
    F: Fn(Option<&State<R::Value, T>>, &Loaded<R::Value>) -> State<R::Value, T>,
{
    /// By reference to the whole: a closure that named the fold alone would own it alone.
    fn value(&self) -> Loaded<T> {
        self.fold.value()
    }
}

impl<R, T, F> Fold<R, T, F>
where
    R: Readable,
    T: Send + Sync + 'static,
    F: Fn(Option<&State<R::Value, T>>, &Loaded<R::Value>) -> State<R::Value, T>,
{
    /// The state after the source's value, if that is a new one.
    fn after(
        &self,
        before: Option<&State<R::Value, T>>,
        source: &Loaded<R::Value>,
    ) -> Option<State<R::Value, T>> {
        let is_new = before.is_none_or(|state| !self.source.node().is_same(&state.seen, source));
        is_new.then(|| (self.step)(before, source))
    }

    fn value(&self) -> Loaded<T> {
        let (source, memory) = (self.source.load(), self.memory.load());
        let after = untracked(|| self.after(memory.as_ref().as_ref(), &source));
        let state = after.or_else(|| (*memory).clone());
        state.expect("what has no state before has one after").value
    }
}

impl<R, T, F> Fold<R, T, F>
where
    R: Readable + 'static,
    T: Send + Sync + 'static,
    F: Fn(Option<&State<R::Value, T>>, &Loaded<R::Value>) -> State<R::Value, T>
        + Send
        + Sync
        + 'static,
{
    fn feed(self: &Arc<Self>, arm: Option<&mut Arm<R::Value, T>>) {
        let before = match arm {
            // Tracked, so that the run after this one's commit sets the timers of what is in the
            // memory by then.
            Some(arm) => {
                let before = self.memory.load();
                before.iter().for_each(|state| untracked(|| arm(state)));
                before
            }
            None => untracked(|| self.memory.load()),
        };
        // While the source fails, so does the result; there is no step to take.
        let Ok(source) = self.source.try_load() else { return };
        let Some(after) = untracked(|| self.after((*before).as_ref(), &source)) else { return };
        let fold = self.clone();
        self.memory.update(move |now| match (now, &*before) {
            (Some(now), Some(before)) if !now.is(before) => {
                Some(fold.after(Some(now), &source).unwrap_or_else(|| now.clone()))
            }
            _ => Some(after.clone()),
        });
    }
}
