//! Effects: actions that run again when what they read has changed.

use super::graph::Graph;
use crate::engine::frame::Frame;
use crate::engine::react::{self, EffectRef, PendingRun, RunOn, Runs, Waits};
use crate::structure::world::World;
use std::panic::Location;
use std::sync::Arc;

/// An action kept in step with what it reads; dropping the handle disposes it.
///
/// It runs once when made, and again after each commit that changed what it read, on the thread
/// that committed unless built otherwise. Never two runs at once; each run sees one revision, and
/// later runs later revisions. What it writes is one commit at the end of the run.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// let g = isobar::Graph::new();
/// let a = g.signal(1);
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = g.effect({
///     let (a, seen) = (a.clone(), seen.clone());
///     move || seen.lock().unwrap().push(a.get())
/// });
/// a.set(2);
/// drop(log);
/// a.set(3);
/// assert_eq!(*seen.lock().unwrap(), [1, 2]);
/// ```
///
/// Effects run inside `set`: do not set a signal while holding a lock that an effect takes.
#[must_use = "an effect lives as long as its handle; keep it, or `detach` it"]
#[derive(Debug)]
pub struct Effect {
    effect: EffectRef,
    /// Does its owner keep it, instead of this handle?
    is_detached: bool,
}

/// An effect of the current graph; see [`Effect`].
///
/// # Panics
/// Inside a computed or an `update` or equality closure.
#[track_caller]
pub fn effect(f: impl FnMut() + Send + 'static) -> Effect {
    Effect::new(f)
}

impl Effect {
    /// See [`effect`].
    ///
    /// # Panics
    /// As [`effect`].
    #[track_caller]
    pub fn new(f: impl FnMut() + Send + 'static) -> Self {
        Self::builder(f).build()
    }

    /// An effect with a name, another graph, or another thread to run on.
    ///
    /// ```
    /// use isobar::{Effect, RunOn};
    /// let g = isobar::Graph::new();
    /// let a = g.signal(1);
    /// let log = Effect::builder(move || println!("{}", a.get())).name("log").graph(&g);
    /// let e = log.run_on(RunOn::Pool).build();
    /// g.settle().unwrap();
    /// e.dispose();
    /// ```
    pub fn builder<F: FnMut() + Send + 'static>(f: F) -> EffectBuilder<F> {
        EffectBuilder { body: f, name: None, world: None, runs: Runs::On(RunOn::Writer) }
    }

    #[track_caller]
    pub(crate) fn on(
        world: &Arc<World>,
        name: Option<Arc<str>>,
        f: impl FnMut() + Send + 'static,
    ) -> Self {
        let place = Location::caller();
        let effect = react::create(world, Box::new(f), name, Runs::On(RunOn::Writer), place);
        Self { effect, is_detached: false }
    }

    /// Ends the effect: its cleanups run and no run starts any more. Waits for a run in progress
    /// on another thread, unless called from inside an effect or computed; so do not call it while
    /// holding a lock that the effect takes. Dropping the handle does the same and never waits.
    pub fn dispose(&self) {
        self.effect.dispose(Waits::IfOutside);
    }

    /// Has it been disposed?
    pub fn is_disposed(&self) -> bool {
        self.effect.is_disposed()
    }

    /// Leaves the effect to its owner: the enclosing effect or scope, else the graph.
    pub fn detach(mut self) {
        self.effect.detach();
        self.is_detached = true;
    }

    /// The name given at creation, or kind, number and place of creation.
    pub fn name(&self) -> String {
        self.effect.node().name().to_string()
    }
}

impl Drop for Effect {
    fn drop(&mut self) {
        if !self.is_detached {
            self.effect.dispose(Waits::No);
        }
    }
}

/// Builds an [`Effect`]; see [`Effect::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct EffectBuilder<F> {
    body: F,
    name: Option<Arc<str>>,
    world: Option<Arc<World>>,
    runs: Runs,
}

impl<F> std::fmt::Debug for EffectBuilder<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EffectBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F: FnMut() + Send + 'static> EffectBuilder<F> {
    /// A name for errors, dumps and reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// The graph, instead of the current one.
    pub fn graph(mut self, graph: &Graph) -> Self {
        self.world = Some(graph.world().clone());
        self
    }

    /// The thread it runs on.
    pub fn run_on(mut self, run_on: RunOn) -> Self {
        self.runs = Runs::On(run_on);
        self
    }

    /// A schedule of your own: an event loop, an executor, a frame of an animation. It is called
    /// with each run that is due: by the thread whose commit made it so, before `set` returns, or,
    /// if another thread is running effects of the graph, by that one or a worker. It should pass
    /// the run on, and return. What the effect reads may have changed, or not: that is
    /// found out when the run is told to [`run`](PendingRun::run), so nothing is computed before.
    ///
    /// A panic in it is reported like one of the effect.
    ///
    /// ```
    /// use isobar::Effect;
    /// let g = isobar::Graph::new();
    /// let a = g.signal(1);
    /// let (later, runs) = std::sync::mpsc::channel();
    /// let show = Effect::builder({
    ///     let a = a.clone();
    ///     move || println!("{}", a.get())
    /// });
    /// let _show = show.graph(&g).run_with(move |run| later.send(run).unwrap()).build();
    /// a.set(2);
    /// a.set(3);
    /// // Later, in the loop that is to run it: prints 3, once.
    /// for run in runs.try_iter() {
    ///     run.run();
    /// }
    /// ```
    pub fn run_with(mut self, schedule: impl Fn(PendingRun) + Send + Sync + 'static) -> Self {
        self.runs = Runs::With(Box::new(schedule));
        self
    }

    /// The effect; it runs at once, or is queued if it runs on another thread or if this is
    /// inside a batch.
    ///
    /// # Panics
    /// As [`effect`].
    #[track_caller]
    pub fn build(self) -> Effect {
        let world = self.world.unwrap_or_else(|| Frame::current().world());
        let place = Location::caller();
        let effect = react::create(&world, Box::new(self.body), self.name, self.runs, place);
        Effect { effect, is_detached: false }
    }
}
