//! Who takes part: engines, and the bounds that no engine passes, behind one erased trait.

use crate::answers::{self, Answers};
use crate::assembly::{Assembly, Sink, Steps};
use crate::cells::{Cell, Padded, PaddedMutex};
use crate::crowd::{Crowd, Go};
use crate::engine::{Engine, Frees, Threaded};
use crate::floor;
use crate::operation::{self, Keeping, Kind, Operation, Timed};
use crate::schedule::Schedule;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

/// What a contender stands for in the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The engine that the program is about.
    Own,
    /// The same, set up in another way: told, but not compared with peers.
    Variant,
    /// Another engine.
    Peer,
    /// No engine: what is possible by hand.
    Bound,
}

/// What can be asked of a contender; None where it has no answer.
trait Ask: Send + Sync {
    fn shape(&self, _: &Shape) -> Option<Box<dyn Steps>> {
        None
    }

    fn check(&self, _: &Shape, _steps: u64) -> Option<Answers> {
        None
    }

    fn frees(&self) -> Frees {
        Frees::Graph
    }

    fn operation(&self, _: Operation) -> Option<Timed> {
        None
    }

    fn keep(&self, _: Kind, _count: usize) -> Option<Keeping> {
        None
    }

    fn crowd(&self, _: Crowd) -> Option<Go> {
        None
    }
}

/// Somebody who takes part.
#[allow(missing_debug_implementations, reason = "it holds closures")]
pub struct Contender {
    /// The name on the command line and in tables.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    ask: Box<dyn Ask>,
}

impl Contender {
    /// The shape, built; `None` where the engine cannot express it.
    pub fn shape(&self, shape: &Shape) -> Option<Box<dyn Steps>> {
        self.ask.shape(shape)
    }

    /// Steps the shape with every run looked at; `None` where there is nothing to look into.
    pub fn check(&self, shape: &Shape, steps: u64) -> Option<Answers> {
        self.ask.check(shape, steps)
    }

    /// What gives its memory back.
    pub fn frees(&self) -> Frees {
        self.ask.frees()
    }

    /// The operation, ready to be timed.
    pub fn operation(&self, operation: Operation) -> Option<Timed> {
        self.ask.operation(operation)
    }

    /// Nodes of that kind, about to be made.
    pub fn keep(&self, kind: Kind, count: usize) -> Option<Keeping> {
        self.ask.keep(kind, count)
    }

    /// The threads' work, ready to be timed.
    pub fn crowd(&self, crowd: Crowd) -> Option<Go> {
        self.ask.crowd(crowd)
    }
}

/// All who take part.
#[derive(Default)]
#[allow(missing_debug_implementations, reason = "it holds closures")]
pub struct Contenders(Vec<Contender>);

impl Contenders {
    /// The bounds alone: the hand-written floor, the same on all cores, the static schedule, and
    /// for threads padded atomics and mutexes.
    pub fn bounds() -> Self {
        let mut bounds = Self::default();
        bounds.push("floor", Role::Bound, Floor { is_parallel: false });
        bounds.push("floor_rayon", Role::Bound, Floor { is_parallel: true });
        bounds
            .with("static_schedule", Role::Bound, Schedule::default)
            .cells::<Padded>()
            .cells::<PaddedMutex>()
    }

    /// Adds the engines and cells of other crates: see the source of each for how it is used.
    #[cfg(feature = "peers")]
    #[must_use]
    pub fn peers(self) -> Self {
        use crate::cells::{ArcSwapped, Watched};
        use crate::peers::{Alien, Incremental, Leptos, LeptosThreaded, Salsa, Sycamore};
        self.with("alien_signals", Role::Peer, || Alien)
            .with("incremental", Role::Peer, Incremental::new)
            .with("sycamore", Role::Peer, Sycamore::new)
            .with("salsa", Role::Peer, Salsa::new)
            .both("reactive_graph", Role::Peer, Leptos::new, LeptosThreaded::new)
            .cells::<ArcSwapped>()
            .cells::<Watched>()
    }

    /// Adds an engine for one thread; `make` makes a graph.
    #[must_use]
    pub fn with<E: Engine>(
        mut self,
        name: &str,
        role: Role,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.push(name, role, Single(make));
        self
    }

    /// Adds an engine that takes part in the thread workloads as well.
    #[must_use]
    pub fn with_threads<E: Threaded>(
        self,
        name: &str,
        role: Role,
        make: impl Fn() -> E + Clone + Send + Sync + 'static,
    ) -> Self {
        self.both(name, role, make.clone(), make)
    }

    /// Adds an engine that is set up in another way for several threads.
    #[must_use]
    pub fn both<E: Engine, T: Threaded>(
        mut self,
        name: &str,
        role: Role,
        make: impl Fn() -> E + Send + Sync + 'static,
        make_threaded: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        self.push(name, role, Both(Single(make), make_threaded));
        self
    }

    /// Adds a shared number without a graph, as a bound for the thread workloads.
    #[must_use]
    pub fn cells<C: Cell>(mut self) -> Self {
        self.push(C::NAME, Role::Bound, Cells(C::new));
        self
    }

    fn push(&mut self, name: &str, role: Role, ask: impl Ask + 'static) {
        self.0.push(Contender { name: name.to_owned(), role, ask: Box::new(ask) });
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Contender> {
        self.0.iter()
    }

    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&Contender> {
        self.0.iter().find(|one| one.name == name)
    }
}

struct Single<F>(F);

impl<E: Engine, F: Fn() -> E + Send + Sync> Ask for Single<F> {
    fn shape(&self, shape: &Shape) -> Option<Box<dyn Steps>> {
        let is_possible = E::DYNAMIC || !shape.is_dynamic();
        is_possible
            .then(|| Box::new(Assembly::new((self.0)(), Sink::default(), shape)) as Box<dyn Steps>)
    }

    fn check(&self, shape: &Shape, steps: u64) -> Option<Answers> {
        let is_possible = E::DYNAMIC || !shape.is_dynamic();
        is_possible.then(|| answers::check((self.0)(), shape, steps))
    }

    fn frees(&self) -> Frees {
        E::FREES
    }

    fn operation(&self, operation: Operation) -> Option<Timed> {
        let drops_nothing = E::FREES != Frees::Handles && matches!(operation, Operation::Drop(_));
        (!drops_nothing).then(|| operation::timed((self.0)(), operation))
    }

    fn keep(&self, kind: Kind, count: usize) -> Option<Keeping> {
        Some(operation::kept((self.0)(), kind, count))
    }
}

struct Both<S, F>(S, F);

impl<S: Ask, T: Threaded, F: Fn() -> T + Send + Sync> Ask for Both<S, F> {
    fn shape(&self, shape: &Shape) -> Option<Box<dyn Steps>> {
        self.0.shape(shape)
    }

    fn check(&self, shape: &Shape, steps: u64) -> Option<Answers> {
        self.0.check(shape, steps)
    }

    fn frees(&self) -> Frees {
        self.0.frees()
    }

    fn operation(&self, operation: Operation) -> Option<Timed> {
        self.0.operation(operation)
    }

    fn keep(&self, kind: Kind, count: usize) -> Option<Keeping> {
        self.0.keep(kind, count)
    }

    fn crowd(&self, crowd: Crowd) -> Option<Go> {
        Some(crowd.of_engine((self.1)()))
    }
}

struct Floor {
    is_parallel: bool,
}

impl Ask for Floor {
    fn shape(&self, shape: &Shape) -> Option<Box<dyn Steps>> {
        if self.is_parallel { floor::parallel(shape) } else { Some(floor::of(shape)) }
    }

    fn operation(&self, operation: Operation) -> Option<Timed> {
        if self.is_parallel { None } else { floor::operation(operation) }
    }
}

struct Cells<C>(fn(u64) -> C);

impl<C: Cell> Ask for Cells<C> {
    fn crowd(&self, crowd: Crowd) -> Option<Go> {
        crowd.of_cells(self.0)
    }
}
