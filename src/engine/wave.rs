//! From a commit to its last effect: levels in ascending order, then effects in creation order.
//!
//! One thread at a time runs the waves of a graph. Whoever commits while it does leaves its
//! effects to it, and it looks again before it goes; so no effect is forgotten and nobody waits.
//! Levels are only a way to use more than one core: the effects pull what they need in any case.
//! Protocol: docs/protocols/wave.md.

use super::evaluate::{self, Claim};
use super::frame::{self, Frame, View};
use super::overlay::ByAddress;
use super::react::{self, EffectRef, Queue, RunOn, Runs};
use super::trim;
use crate::error::{Failure, Looping};
use crate::participants;
use crate::pool;
use crate::seeded::{Bug, seeded};
use crate::solo::{self, fence};
use crate::structure::node::{NodeKind, NodeRef};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed, Release, Spin};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Work worth entering the pool for, in ns; docs/protocols/wave.md says how it was measured.
const GRAIN: u64 = 20_000;
/// Cheaper nodes, in ns, are not worth putting into levels: twice what that costs, for two cores
/// save half of a node at most; docs/protocols/wave.md says how it was measured.
const GATHERING: u64 = 400;

/// After so many gathered nodes it is looked whether gathering pays.
const LOOK: usize = 1024;
/// What gathering has cost is forgotten by this part at each wave that does not gather.
const FORGOTTEN: u64 = 256;

/// Which effects a thread runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that its own commits woke, so that it waits for no computed but for its own effects'.
    Own,
    /// All that are queued, for a thread that commits nothing.
    All,
}

/// Runs what this thread's commit woke, unless somebody is at it already.
pub(crate) fn after_commit(world: &Arc<World>) {
    // Relaxed: this thread's own pushes are seen; others' are theirs to look after.
    if world.pending.load(Relaxed).is_null() {
        return;
    }
    run_pending(world, Whose::Own);
}

/// Becomes the runner, if nobody is, until nothing is left that is this thread's to do.
pub(crate) fn run_pending(world: &Arc<World>, mut whose: Whose) {
    let spin = Spin::default();
    loop {
        // Pairs with the fence below: either this thread becomes the runner, or the runner's
        // second look finds what this thread queued (claim W1).
        fence();
        // Acquire: pairs with the Release of the runner before.
        if !solo::take(participants::current(), &world.running, Acquire) {
            return;
        }
        let left_over = {
            let _turn = Turn(world);
            waves(world, whose)
        };
        if !seeded(Bug::NoWaveFence) {
            // Pairs with the fence above, in whoever queued meanwhile.
            fence();
        }
        // Relaxed: ordered by the fences.
        if world.pending.load(Relaxed).is_null() || seeded(Bug::NoSecondLook) {
            calm_down(world);
            return world.progress.notify();
        }
        if left_over == LeftOver::Foreign {
            world.progress.notify();
            let world = world.clone();
            if pool::spawn(move || run_pending(&world, Whose::All)) {
                return;
            }
            whose = Whose::All;
        }
        spin.turn();
    }
}

/// Evidence that this thread runs the graph's waves.
struct Turn<'w>(&'w Arc<World>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of the next runner.
        self.0.running.store(false, Release);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOver {
    Nothing,
    /// Other threads' commits woke effects, and this thread's own are done.
    Foreign,
}

crate::sync::per_thread! {
    /// An empty list, kept for its memory.
    static SPARE: Cell<Vec<EffectRef>> = Cell::new(Vec::new());
}

/// Waves until nothing is queued, or only what other threads' commits queued.
fn waves(world: &Arc<World>, whose: Whose) -> LeftOver {
    let mut effects = SPARE.try_with(Cell::take).unwrap_or_default();
    let left_over = waves_with(world, whose, &mut effects);
    effects.clear();
    let _ = SPARE.try_with(|spare| spare.set(effects));
    left_over
}

fn waves_with(world: &Arc<World>, mut whose: Whose, effects: &mut Vec<EffectRef>) -> LeftOver {
    let spin = Spin::default();
    let mut before = 0;
    loop {
        react::take_pending(world, effects);
        if whose == Whose::Own && world.config.threads != 1 {
            let had_any = !effects.is_empty();
            if !effects.iter().all(EffectRef::is_asked_here) {
                leave_foreign(world, effects);
            }
            if effects.is_empty() && had_any {
                return LeftOver::Foreign;
            }
        }
        if effects.is_empty() {
            return LeftOver::Nothing;
        }
        let revision = wave(world, effects);
        effects.clear();
        if revision == before {
            // They wait for a commit that has marked them and is not visible yet.
            spin.turn();
        }
        before = revision;
        trim::if_due(world);
        world.bury_left();
        // Relaxed: what this thread queued is seen; what others did is seen by the second look.
        if world.pending.load(Relaxed).is_null() {
            return LeftOver::Nothing;
        }
        // What these effects caused is this thread's; the rest is another committer's.
        whose = Whose::Own;
    }
}

/// Leaves what other threads' commits woke in the queue.
#[cold]
fn leave_foreign(world: &World, effects: &mut Vec<EffectRef>) {
    let mut foreign = Queue::default();
    effects.retain(|effect| {
        let own = effect.is_asked_here();
        if !own {
            foreign.push(effect.node().clone());
        }
        own
    });
    foreign.leave_to(world);
}

/// One wave; returns its revision.
fn wave(world: &Arc<World>, effects: &[EffectRef]) -> u64 {
    let held = world.holds.newest(&world.clock);
    #[cfg(feature = "tracing")]
    let _span = {
        let (revision, effects) = (held.revision, effects.len());
        tracing::trace_span!("wave", graph = %world.name(), revision, effects).entered()
    };
    let levels = if may_pay(world) { Levels::gather(world, held.revision, effects) } else { None };
    let counters = &world.counters;
    let parallel = levels.is_some_and(|levels| levels.refresh(world, held.revision));
    let waves = if parallel { &counters.waves_parallel } else { &counters.waves_sequential };
    solo::add(held.me(), waves, 1);
    let mut view = View::held(world, &held);
    for effect in effects {
        view.renew();
        match effect.runs() {
            Runs::On(RunOn::Writer) => effect.react(&view),
            Runs::On(RunOn::Thread) => effect.wake_thread(),
            Runs::On(RunOn::Pool) => {
                if !spawn(effect) {
                    effect.react(&view);
                }
            }
            Runs::With(schedule) => effect.schedule(schedule),
        }
    }
    held.revision
}

/// Gives an effect's run to the pool; false if there is none for its graph.
fn spawn(effect: &EffectRef) -> bool {
    let spawned = effect.clone();
    effect.world().config.threads != 1 && pool::spawn(move || run_alone(&spawned))
}

/// Runs an effect whose schedule lets go of it.
pub(crate) fn run_elsewhere(effect: &EffectRef) {
    if !spawn(effect) {
        run_alone(effect);
    }
}

/// Runs one effect that has its own thread or job, at the newest revision.
pub(crate) fn run_alone(effect: &EffectRef) {
    let world = effect.world();
    let held = world.holds.newest(&world.clock);
    effect.react(&View::new(world, held.revision));
    drop(held);
    world.progress.notify();
    after_commit(world);
}

/// Waits until the claim that made an effect's reads private is released: running the effect
/// again before that would only repeat the private run.
pub(crate) fn wait_for_blocker(view: &View) {
    let Some(node) = view.blocked_on.take() else { return };
    if frame::claims_held() == 0 {
        evaluate::wait_for_release(&node);
    }
}

/// Remembers an effect that is part of a long run of effects waking each other.
#[inline]
pub(crate) fn suspect(effect: &EffectRef, rounds: u32) {
    if rounds > effect.world().config.max_rounds / 2 {
        suspect_it(effect);
    }
}

#[cold]
fn suspect_it(effect: &EffectRef) {
    let world = effect.world();
    // Relaxed: spares the lock in `calm_down`.
    world.suspecting.store(true, Relaxed);
    world.suspects.lock().insert(effect.id, effect.name().to_string());
}

/// Everything came to rest, so nobody is suspected any more.
fn calm_down(world: &World) {
    // Relaxed: a suspect that is forgotten too early is named a round later.
    if world.suspecting.load(Relaxed) {
        // Relaxed: as above.
        world.suspecting.store(false, Relaxed);
        world.suspects.lock().clear();
    }
}

/// Leaves the effect alone until something else wakes it, and tells.
pub(crate) fn stop_loop(effect: &EffectRef) {
    let world = effect.world();
    let mut members = std::mem::take(&mut *world.suspects.lock());
    members.insert(effect.id, effect.name().to_string());
    let looping = Looping { names: members.into_values().collect() };
    *world.looping.lock() = Some(looping.clone());
    world.report(&Failure::Looping(looping));
}

/// Could there be enough work for a second core? One comparison for most waves.
fn may_pay(world: &World) -> bool {
    // Relaxed: hints.
    let widest = world.widest.load(Relaxed);
    if widest < 2 || world.config.threads == 1 {
        return false;
    }
    // Relaxed: as above.
    world.widest.store(0, Relaxed);
    // Relaxed: as above.
    let mean = world.mean_cost.load(Relaxed);
    cfg!(loom) || (mean > GATHERING && widest * mean > GRAIN && gathering_pays(world, mean))
}

/// Notes what it has cost to gather so many nodes; does it pay?
fn note_gathering(world: &World, started: std::time::Instant, nodes: usize) -> bool {
    let nanos = started.elapsed().as_nanos() as u64 / nodes.max(1) as u64;
    // Relaxed: a hint.
    world.gathering.store(nanos, Relaxed);
    // Relaxed: as above.
    cfg!(loom) || world.mean_cost.load(Relaxed) > 2 * nanos
}

/// Is gathering cheap enough here, by what it has cost in this graph? Forgotten little by little,
/// so that it is tried again.
fn gathering_pays(world: &World, mean: u64) -> bool {
    // Relaxed: a hint.
    let gathering = world.gathering.load(Relaxed);
    let pays = mean > 2 * gathering;
    if !pays {
        // Relaxed: as above.
        world.gathering.store(gathering - gathering.div_ceil(FORGOTTEN), Relaxed);
    }
    pays
}

/// The dirty computeds that the effects may need, by level.
struct Levels(BTreeMap<u32, Vec<NodeRef>>);

impl Levels {
    /// Walks from the effects down through the sources of dirty nodes.
    fn gather(world: &Arc<World>, revision: u64, effects: &[EffectRef]) -> Option<Self> {
        let started = std::time::Instant::now();
        let view = View::new(world, revision);
        let mut seen = ByAddress::default();
        let mut levels = BTreeMap::<u32, Vec<NodeRef>>::new();
        let mut open: Vec<NodeRef> = Vec::new();
        // Nodes of one level mostly come one after the other.
        let mut run = (0, Vec::new());
        let is_computed = |source: &&NodeRef| source.role() == NodeKind::Computed;
        for effect in effects.iter().filter(|effect| effect.runs_in_waves()) {
            effect.each_source(|source| open.extend(Some(source).filter(is_computed).cloned()));
        }
        let mut look = LOOK;
        while let Some(node) = open.pop() {
            if seen.len() == look && !note_gathering(world, started, look) {
                return None;
            }
            look += if seen.len() == look { LOOK } else { 0 };
            let is_new = seen.insert(node.as_ptr().addr().get(), ()).is_none();
            if !is_new || evaluate::usable(&node, revision).is_some() {
                continue;
            }
            // Somebody else's claim: they bring it up to date.
            let Some(claim) = Claim::try_take(&node, &view) else { continue };
            let sources = claim.sources().iter().map(|source| &source.node);
            open.extend(sources.filter(is_computed).cloned());
            drop(claim);
            // Relaxed: a hint.
            let level = node.level.load(Relaxed);
            if level != run.0 {
                let before = std::mem::replace(&mut run, (level, Vec::new()));
                levels.entry(before.0).or_default().extend(before.1);
            }
            run.1.push(node);
        }
        levels.entry(run.0).or_default().extend(run.1);
        note_gathering(world, started, seen.len());
        levels.values().any(|level| level.len() > 1).then_some(Self(levels))
    }

    /// Brings level after level up to date; true if any of them used the pool.
    fn refresh(self, world: &Arc<World>, revision: u64) -> bool {
        // Relaxed: a hint.
        let mean = world.mean_cost.load(Relaxed).max(1);
        let cost = |node: &NodeRef| node.cost().unwrap_or(mean);
        let works: Vec<u64> = self.0.values().map(|level| level.iter().map(cost).sum()).collect();
        let worth =
            |work: u64, level: &Vec<NodeRef>| level.len() > 1 && (work > GRAIN || cfg!(loom));
        if !self.0.values().zip(&works).any(|(level, work)| worth(*work, level)) {
            return false;
        }
        pool::enter(|| {
            for (level, work) in self.0.values().zip(&works) {
                let chunk = if worth(*work, level) {
                    (level.len() as u64 * (GRAIN / 4) / work).clamp(1, level.len() as u64 / 2)
                } else {
                    level.len() as u64
                };
                pool::each_chunk(level, chunk as usize, |nodes| refresh(world, revision, nodes));
            }
        });
        true
    }
}

fn refresh(world: &Arc<World>, revision: u64, nodes: &[NodeRef]) {
    let view = View::new(world, revision);
    // A pool's job has no surroundings, also when it was stolen in the middle of somebody's.
    Frame::detached().enter(|| {
        for node in nodes {
            evaluate::refresh(&view, node);
        }
    });
}
