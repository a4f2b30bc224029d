//! Graphs: isolated worlds of nodes with their own revisions.

use super::computed::Computed;
use super::draft::Draft;
use super::effect::Effect;
use super::equality::ByValue;
use super::inspect::GraphDump;
use super::scope::Scope;
use super::signal::Signal;
use super::snapshot::Snapshot;
use crate::engine::frame::{Frame, Reads};
use crate::engine::react::{EffectRef, Waits};
use crate::engine::{trim, wave, write};
use crate::error::{Failure, Looping, NotKept, SettleError};
use crate::revision::Revision;
use crate::structure::node::NodeKind;
use crate::structure::world::{Config, World, default_world};
use crate::sync::{Relaxed, Release};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An isolated world of signals, computeds and effects.
///
/// Handles are clones of one graph. When the last is dropped its detached effects are disposed;
/// nodes stay readable while they have handles.
///
/// ```
/// let g = isobar::Graph::new();
/// let doubled = g.enter(|| {
///     let a = isobar::signal(2);
///     isobar::computed(move || a.get() * 2)
/// });
/// assert_eq!(doubled.get(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    keeper: Arc<Keeper>,
}

/// Ends the graph's detached effects with its last handle.
#[derive(Debug)]
struct Keeper {
    world: Arc<World>,
    /// The default graph has handles for ever.
    is_default: bool,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !self.is_default {
            let detached = std::mem::take(&mut *self.world.detached.lock());
            for effect in detached.into_iter().rev() {
                EffectRef::of(effect).dispose(Waits::No);
            }
        }
    }
}

/// The graph of code that entered none.
///
/// ```
/// let g = isobar::default_graph();
/// let a = isobar::signal(1);
/// let before = g.revision();
/// a.set(2);
/// assert!(g.revision() > before);
/// ```
pub fn default_graph() -> Graph {
    Graph { keeper: Arc::new(Keeper { world: default_world(), is_default: true }) }
}

/// A snapshot of the current graph; see [`Snapshot`]. Inside a batch, effect or computed: at the
/// revision that one reads, committed state only.
///
/// ```
/// let a = isobar::signal(1);
/// let before = isobar::snapshot();
/// a.set(2);
/// assert_eq!(before.get(&a), 1);
/// ```
pub fn snapshot() -> Snapshot {
    snapshot_of(&Frame::current().world())
}

fn snapshot_of(world: &Arc<World>) -> Snapshot {
    match fixed_revision(world) {
        Some(revision) => {
            world.holds.share_held(revision);
            Snapshot::of_shared(world, revision)
        }
        None => Snapshot::newest(world),
    }
}

/// The revision that the surrounding evaluation, effect or batch reads `world` at.
fn fixed_revision(world: &Arc<World>) -> Option<u64> {
    let frame = Frame::current();
    frame.view(world).ok().flatten().map(|view| view.revision)
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.world(), other.world())
    }
}

impl Eq for Graph {}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A graph with a name, a history, or limits.
    ///
    /// ```
    /// let g = isobar::Graph::builder().name("config").threads(1).history(100).build();
    /// assert_eq!(g.name(), "config");
    /// ```
    pub fn builder() -> GraphBuilder {
        GraphBuilder { config: Config::default(), on_error: None }
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.keeper.world
    }

    /// The name given at creation, or one made up.
    pub fn name(&self) -> String {
        self.world().name().to_string()
    }

    /// Runs `f` with this graph as the current one of this thread: the one that the free functions
    /// use. Threads started inside do not inherit it; carry it with [`Context`](crate::Context).
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        Frame { graph: self.world(), ..Frame::current() }.enter(f)
    }

    /// The newest revision; inside a computed, effect or batch of this graph, the one it reads.
    pub fn revision(&self) -> Revision {
        Revision(fixed_revision(self.world()).unwrap_or_else(|| self.world().now()))
    }

    /// A signal of this graph; see [`signal`](fn@crate::signal).
    #[track_caller]
    pub fn signal<T: PartialEq + Send + Sync + 'static>(&self, value: T) -> Signal<T> {
        Signal::make(self.world(), value, ByValue, None)
    }

    /// A computed of this graph; see [`computed`](fn@crate::computed).
    #[track_caller]
    pub fn computed<T: PartialEq + Send + Sync + 'static>(
        &self,
        f: impl Fn() -> T + Send + Sync + 'static,
    ) -> Computed<T> {
        Computed::on(self.world(), None, f)
    }

    /// An effect of this graph; see [`effect`](fn@crate::effect).
    #[track_caller]
    pub fn effect(&self, f: impl FnMut() + Send + 'static) -> Effect {
        Effect::on(self.world(), None, f)
    }

    /// A scope in this graph; see [`scope`](crate::scope).
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> Scope {
        self.enter(|| super::scope(f))
    }

    /// A batch in this graph; see [`batch`](crate::batch).
    #[track_caller]
    pub fn batch<R>(&self, f: impl FnOnce() -> R) -> R {
        let place = Location::caller();
        self.enter(|| write::batch(place, f))
    }

    /// A transaction in this graph; see [`transaction`](crate::transaction).
    ///
    /// # Errors
    /// What `f` returns.
    #[track_caller]
    pub fn transaction<R, E>(&self, f: impl FnMut() -> Result<R, E>) -> Result<R, E> {
        let place = Location::caller();
        self.enter(|| write::transaction(place, f))
    }

    /// A snapshot of this graph; see [`Snapshot`].
    pub fn snapshot(&self) -> Snapshot {
        snapshot_of(self.world())
    }

    /// A snapshot of the past, as far as the graph was built with a `history`.
    ///
    /// ```
    /// let g = isobar::Graph::builder().history(10).build();
    /// let a = g.signal(1);
    /// let then = g.revision();
    /// a.set(2);
    /// assert_eq!(g.snapshot_at(then).unwrap().get(&a), 1);
    /// ```
    ///
    /// # Errors
    /// [`NotKept`] if the revision is older than the history, or not committed yet.
    pub fn snapshot_at(&self, revision: Revision) -> Result<Snapshot, NotKept> {
        let world = self.world();
        // Held before the look at the clock: what is kept then stays kept.
        world.holds.share_held(revision.0);
        let newest = world.now();
        let oldest = newest.saturating_sub(world.config.history).max(1);
        if (oldest..=newest).contains(&revision.0) {
            return Ok(Snapshot::of_shared(world, revision.0));
        }
        world.holds.unshare(revision.0);
        let (oldest, newest) = (Revision(oldest), Revision(newest));
        Err(NotKept { asked: revision, oldest, newest })
    }

    /// An empty draft over the newest revision; see [`Draft`].
    pub fn draft(&self) -> Draft {
        Draft::new(self.world())
    }

    /// Waits until every effect has seen the revision current at the call, and what effects
    /// wrote because of it. Queued effects that nobody runs are run on this thread; it sleeps
    /// while other threads run theirs; then it frees what nobody needs any more. A stopped loop is
    /// reported until one of its effects has run again.
    ///
    /// # Errors
    /// [`Looping`] if a loop of effects was stopped.
    ///
    /// # Panics
    /// Inside a batch, effect or computed: it would wait for itself.
    pub fn settle(&self) -> Result<Revision, Looping> {
        match self.settle_until(None) {
            Ok(revision) => Ok(revision),
            Err(SettleError::Looping(looping)) => Err(looping),
            Err(SettleError::Timeout { .. }) => unreachable!("no deadline was given"),
        }
    }

    /// [`settle`](Self::settle) for at most `timeout`.
    ///
    /// # Errors
    /// [`SettleError`].
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    pub fn settle_timeout(&self, timeout: Duration) -> Result<Revision, SettleError> {
        self.settle_until(Instant::now().checked_add(timeout))
    }

    fn settle_until(&self, deadline: Option<Instant>) -> Result<Revision, SettleError> {
        let frame = Frame::current();
        let fixed = !matches!(frame.reads, Reads::Newest) || frame.writes.refusal().is_some();
        assert!(
            !fixed,
            "settle inside a batch, effect or computed would wait for itself; call it after"
        );
        let world = self.world();
        let mut revision = world.now();
        // A revision causes `max_rounds` rounds at most, and each turn covers one of them. What
        // other threads' commits make effects write meanwhile is not waited for.
        for round in 0.. {
            wave::run_pending(world, wave::Whose::All);
            let effects = self.effects();
            let seen = |effect: &EffectRef| effect.has_seen(revision);
            if !world.progress.wait(deadline, || effects.iter().all(seen)) {
                let late = effects.iter().filter(|effect| !seen(effect));
                let running = late.map(|effect| effect.name().to_string()).collect();
                return Err(SettleError::Timeout { running });
            }
            // Relaxed: written before the revision was seen.
            let caused = world.caused.load(Relaxed);
            if caused <= revision || round >= world.config.max_rounds {
                break;
            }
            revision = caused;
        }
        trim::collect(world);
        if self.effects().iter().any(EffectRef::is_stopped)
            && let Some(looping) = &*world.looping.lock()
        {
            return Err(looping.clone().into());
        }
        Ok(Revision(revision))
    }

    fn effects(&self) -> Vec<EffectRef> {
        let nodes = self.world().live_nodes().into_iter();
        nodes.filter(|node| node.role() == NodeKind::Effect).map(EffectRef::of).collect()
    }

    /// What the graph has done and holds.
    pub fn stats(&self) -> Stats {
        let world = self.world();
        let counters = &world.counters;
        // Relaxed, all of them: statistics.
        Stats {
            requests: counters.requests.load(Relaxed),
            commits: counters.commits.load(Relaxed),
            waves_sequential: counters.waves_sequential.load(Relaxed),
            waves_parallel: counters.waves_parallel.load(Relaxed),
            recomputes: counters.recomputes.load(Relaxed),
            private_runs: counters.private_runs.load(Relaxed),
            cutoffs: counters.cutoffs.load(Relaxed),
            effect_runs: counters.effect_runs.load(Relaxed),
            live_nodes: world.nodes(),
            live_edges: world.edges.load(Relaxed),
            live_effects: world.effects.load(Relaxed),
            awaiting_reclamation: counters.awaiting.load(Relaxed),
        }
    }

    /// Drops what nobody needs any more, on this thread. Committing and settling threads do it now
    /// and then by themselves.
    pub fn collect(&self) {
        trim::collect(self.world());
    }

    /// Disposes every effect, waiting for those that run on other threads; effects made later
    /// are disposed at once. Values stay readable and settable.
    pub fn shutdown(&self) {
        // Release: pairs with the Acquire in `react::create`.
        self.world().closed.store(true, Release);
        for effect in self.effects().iter().rev() {
            effect.dispose(Waits::IfOutside);
        }
        self.world().detached.lock().clear();
        trim::collect(self.world());
    }

    /// Replaces the receiver of failures nobody else hears of. Without one they go to stderr,
    /// and to `tracing` with that feature. [`settle`](Self::settle) waits for it to return, so it
    /// must not settle the graph itself.
    #[cfg(not(loom))]
    pub fn on_error(&self, handler: impl Fn(&Failure) + Send + Sync + 'static) {
        self.world().set_on_error(Some(Box::new(handler)));
    }

    /// The nodes and edges as they are now; see [`GraphDump`]. Runs nothing; costs time and memory
    /// in proportion to the graph.
    pub fn dump(&self) -> GraphDump {
        GraphDump::of(self.world())
    }
}

type Handler = Box<dyn Fn(&Failure) + Send + Sync>;

/// Builds a [`Graph`]; see [`Graph::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct GraphBuilder {
    config: Config,
    on_error: Option<Handler>,
}

impl std::fmt::Debug for GraphBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl GraphBuilder {
    /// A name for errors and dumps.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = Some(name.into());
        self
    }

    /// With 1, waves and effects never use another thread than the committing one. Otherwise the
    /// process's worker pool serves wide levels.
    pub fn threads(mut self, threads: usize) -> Self {
        self.config.threads = threads;
        self
    }

    /// Keeps the last `revisions` readable for [`Graph::snapshot_at`], and who committed them
    /// for [`Why`](crate::Why). Costs the superseded values, and a lock a commit.
    pub fn history(mut self, revisions: u64) -> Self {
        self.config.history = revisions;
        self
    }

    /// How many rounds effects may keep waking each other before they are stopped; 100 unless
    /// given.
    pub fn max_rounds(mut self, rounds: u32) -> Self {
        self.config.max_rounds = rounds;
        self
    }

    /// Receives failures nobody else hears of, instead of stderr; see [`Graph::on_error`].
    pub fn on_error(mut self, handler: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Box::new(handler));
        self
    }

    /// The graph.
    pub fn build(self) -> Graph {
        let world = World::new(self.config);
        #[cfg(not(loom))]
        world.set_on_error(self.on_error);
        Graph { keeper: Arc::new(Keeper { world, is_default: false }) }
    }
}

/// Numbers of a graph since it was made; see [`Graph::stats`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stats {
    /// Requests to commit, refused ones included.
    pub requests: u64,
    /// Revisions.
    pub commits: u64,
    /// Waves that ran on one thread.
    pub waves_sequential: u64,
    /// Waves that used the pool for at least one level.
    pub waves_parallel: u64,
    /// Runs of computeds' functions for everybody.
    pub recomputes: u64,
    /// Runs of computeds' functions for one batch, draft, snapshot or contended evaluation.
    pub private_runs: u64,
    /// Dirty computeds found unchanged.
    pub cutoffs: u64,
    /// Runs of effects.
    pub effect_runs: u64,
    /// Signals and computeds with a handle or an observer.
    pub live_nodes: u64,
    /// Source to observer links.
    pub live_edges: u64,
    /// Effects not disposed.
    pub live_effects: u64,
    /// Values replaced and not yet dropped.
    pub awaiting_reclamation: u64,
}
