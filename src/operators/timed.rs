//! Operators over a clock. Their timers write the memory of a fold, each deadline in one commit
//! with whatever else is due then.

use super::fold::{Arm, Memory, State, is_one, timed};
use crate::error::{Timeout, ZeroDuration};
use crate::handle::{Computed, Loaded, Readable};
use crate::time::{Clock, Timer, above_zero};
use std::collections::VecDeque;
use std::time::Duration;

/// Which values [`debounce`](crate::Signal::debounce) and [`throttle`](crate::Signal::throttle)
/// let through.
///
/// ```
/// use isobar::{Clock, Edge, Graph};
/// use std::time::Duration;
///
/// let (g, clock) = (Graph::new(), Clock::manual());
/// let key = g.signal(' ');
/// let pause = Duration::from_millis(100);
/// let edges = [Edge::Leading, Edge::Trailing, Edge::Both];
/// let calm = edges.map(|edge| key.debounce(&clock, pause, edge));
/// key.set('a');
/// key.set('b');
/// assert_eq!(calm.each_ref().map(|key| key.get()), ['a', ' ', 'a']);
/// clock.advance(pause);
/// assert_eq!(calm.each_ref().map(|key| key.get()), ['a', 'b', 'b']);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// The one that begins the time of waiting, at once.
    Leading,
    /// The last one, when the time of waiting ends.
    Trailing,
    /// Both.
    Both,
}

impl Edge {
    fn leads(self) -> bool {
        self != Self::Trailing
    }

    fn trails(self) -> bool {
        self != Self::Leading
    }
}

#[track_caller]
pub(super) fn debounce<R>(
    source: &R,
    clock: &Clock,
    quiet: Duration,
    edge: Edge,
) -> Result<Computed<R::Value>, ZeroDuration>
where
    R: Readable + Clone + 'static,
    R::Value: PartialEq,
{
    let quiet = above_zero("debounce", quiet)?;
    let ends = move |state: &State<R::Value, R::Value>| {
        let value = if edge.trails() { &state.seen } else { &state.value };
        State::new(&state.seen, value.clone())
    };
    let ended = clock.clone();
    let step = move |before: Option<&State<R::Value, R::Value>>, source: &Loaded<R::Value>| {
        let Some(before) = before else { return State::new(source, source.clone()) };
        let passes = before.until.is_none() && edge.leads();
        let value = if passes { source } else { &before.value };
        State { until: Some(ended.after(quiet)), ..State::new(source, value.clone()) }
    };
    Ok(timed("debounce", source, step, |memory| Some(calling(clock, memory, ends))))
}

#[track_caller]
pub(super) fn throttle<R>(
    source: &R,
    clock: &Clock,
    every: Duration,
    edge: Edge,
) -> Result<Computed<R::Value>, ZeroDuration>
where
    R: Readable + Clone + 'static,
    R::Value: PartialEq,
{
    let every = above_zero("throttle", every)?;
    let began = clock.clone();
    let step = move |before: Option<&State<R::Value, R::Value>>, source: &Loaded<R::Value>| {
        let Some(before) = before else { return State::new(source, source.clone()) };
        let passes = before.until.is_none() && edge.leads();
        let value = if passes { source } else { &before.value };
        let until = before.until.unwrap_or_else(|| began.after(every));
        State { until: Some(until), ..State::new(source, value.clone()) }
    };
    let began = clock.clone();
    let ends = move |state: &State<R::Value, R::Value>| {
        if !edge.trails() || is_one(&state.seen, &state.value) {
            return State::new(&state.seen, state.value.clone());
        }
        // What passes at the end begins the next time of waiting.
        let until = Some(began.after(every));
        State { until, ..State::new(&state.seen, state.seen.clone()) }
    };
    Ok(timed("throttle", source, step, |memory| Some(calling(clock, memory, ends))))
}

#[track_caller]
pub(super) fn delay<R>(
    source: &R,
    clock: &Clock,
    by: Duration,
) -> Result<Computed<R::Value>, ZeroDuration>
where
    R: Readable + Clone + 'static,
    R::Value: PartialEq,
{
    let by = above_zero("delay", by)?;
    let came = clock.clone();
    let step = move |before: Option<&State<R::Value, R::Value>>, source: &Loaded<R::Value>| {
        let Some(before) = before else { return State::new(source, source.clone()) };
        let until = Some(came.after(by));
        State { until, ..State::new(source, before.value.clone()) }
    };
    Ok(timed("delay", source, step, |memory| Some(delivering(clock, memory))))
}

#[track_caller]
pub(super) fn timeout<R>(
    source: &R,
    clock: &Clock,
    limit: Duration,
) -> Result<Computed<Result<R::Value, Timeout>>, ZeroDuration>
where
    R: Readable + Clone + 'static,
    R::Value: Clone + PartialEq,
{
    type Kept<S> = State<S, Result<S, Timeout>>;
    let limit = above_zero("timeout", limit)?;
    let began = clock.clone();
    let step = move |_: Option<&Kept<R::Value>>, source: &Loaded<R::Value>| {
        let value = Loaded::made(Ok(R::Value::clone(source)));
        State { until: Some(began.after(limit)), ..State::new(source, value) }
    };
    let ends = |state: &Kept<R::Value>| State::new(&state.seen, Loaded::made(Err(Timeout)));
    Ok(timed("timeout", source, step, |memory| Some(calling(clock, memory, ends))))
}

/// Calls `ends` with the state whose deadline has come. One deadline at a time: a later state
/// replaces it.
fn calling<S, T>(
    clock: &Clock,
    memory: &Memory<S, T>,
    ends: impl Fn(&State<S, T>) -> State<S, T> + Clone + Send + Sync + 'static,
) -> Arm<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let (clock, memory) = (clock.clone(), memory.clone());
    let mut timer: Option<Timer> = None;
    Box::new(move |state| {
        if state.until == timer.as_ref().map(Timer::at) {
            return;
        }
        timer = state.until.map(|at| {
            let (memory, ends) = (memory.clone(), ends.clone());
            let end = move |now: &Option<State<S, T>>| match now {
                Some(state) if state.until == Some(at) => Some(ends(state)),
                // Another value came between the deadline and this commit.
                later => later.clone(),
            };
            let node = memory.node().clone();
            clock.schedule(at, &node, move || memory.update(end))
        });
    })
}

/// Makes each value that was seen the operator's, at the deadline it was given. As many deadlines
/// as values on the way.
fn delivering<T: Send + Sync + 'static>(clock: &Clock, memory: &Memory<T, T>) -> Arm<T, T> {
    let (clock, memory) = (clock.clone(), memory.clone());
    let mut last: Option<Loaded<T>> = None;
    let mut timers: VecDeque<Timer> = VecDeque::new();
    Box::new(move |state| {
        let is_known = last.as_ref().is_some_and(|last| is_one(last, &state.seen));
        last = Some(state.seen.clone());
        let Some(at) = state.until.filter(|_| !is_known) else { return };
        while timers.front().is_some_and(|timer| timer.at() <= clock.time()) {
            // Called already: deadlines come in the order of the values.
            timers.pop_front();
        }
        let (memory, value) = (memory.clone(), state.seen.clone());
        let deliver = move |now: &Option<State<T, T>>| {
            now.as_ref().map(|state| State { value: value.clone(), ..state.clone() })
        };
        let node = memory.node().clone();
        timers.push_back(clock.schedule(at, &node, move || memory.update(deliver.clone())));
    })
}
