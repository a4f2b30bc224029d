//! The isolated world of nodes behind a `Graph`: its clock, its nodes, and what waits to be freed.
//!
//! Fields are the words of the protocols in docs/protocols/; the verbs stand in `engine`, a room
//! each. Lock order: none of the locks here is taken while another is held, and no user code runs
//! under any of them.

use super::holds::Holds;
use super::node::{self, Node, NodeKind, NodeRef, Share};
use crate::block::Header;
use crate::error::{Failure, Looping, panic_message};
use crate::participants;
use crate::reclaim;
use crate::solo::{self, Guarded};
use crate::sync::count;
use crate::sync::{Acquire, AtomicBool, AtomicPtr, AtomicU64, Mutex, Relaxed, UnsafeCell};
use crate::waiting::Event;
use crossbeam_utils::CachePadded;
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// What a graph is built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: Option<String>,
    /// 1: waves never use another thread; 0: as many as there are.
    pub(crate) threads: usize,
    /// How many past revisions stay readable.
    pub(crate) history: u64,
    /// How many rounds effects may keep waking each other.
    pub(crate) max_rounds: u32,
}

#[cfg(not(loom))]
pub(crate) type OnError = Box<dyn Fn(&Failure) + Send + Sync>;

/// Numbers for `stats()`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: count::AtomicU64,
    pub(crate) commits: count::AtomicU64,
    pub(crate) waves_sequential: count::AtomicU64,
    pub(crate) waves_parallel: count::AtomicU64,
    pub(crate) recomputes: count::AtomicU64,
    pub(crate) private_runs: count::AtomicU64,
    pub(crate) cutoffs: count::AtomicU64,
    pub(crate) effect_runs: count::AtomicU64,
    pub(crate) awaiting: count::AtomicU64,
}

/// A last-in, first-out list of retired blocks, linked through them; taken as a whole.
#[derive(Debug)]
pub(crate) struct Chain(AtomicPtr<Header>);

impl Chain {
    fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Adds the list that starts at `first` and ends at `last`; the caller owns all of it.
    pub(crate) fn push(&self, first: NonNull<Header>, last: NonNull<Header>) {
        solo::push(participants::current(), &self.0, first.as_ptr(), |head| last_next(last, head));
    }

    pub(crate) fn take(&self) -> *mut Header {
        solo::pull(participants::current(), &self.0)
    }
}

fn last_next(last: NonNull<Header>, next: *mut Header) {
    // SAFETY: the caller owns the list and with it its links.
    let link = unsafe { &last.as_ref().next };
    // SAFETY: as above.
    link.with_mut(|cell| unsafe { *cell = next });
}

/// Every live node, for `dump` and `settle`, and the memory of those that are gone.
#[derive(Debug, Default)]
struct Register {
    /// A node knows its place; null: free.
    slots: Vec<*mut Node>,
    free: Vec<u32>,
    /// How many nodes were ever made; the last one's id.
    made: u64,
    /// How many have contents, and how many of these are no effects.
    live: u64,
    valued: u64,
    /// What keeps the world for the nodes, which do not count it: there while one has contents.
    world: Option<Arc<World>>,
    graves: VecDeque<Grave>,
    /// How many graves make a look at all threads' pins worth it.
    look_at: usize,
}

// SAFETY: the pointers are used through `revive` under the lock that `lay` also takes.
unsafe impl Send for Register {}

/// Unlinked nodes whose contents are to be dropped.
pub(crate) type Doomed = SmallVec<[(NonNull<Node>, Share); 4]>;

pub(crate) struct World {
    /// Graphs count from the first: the order in which several commit rights are taken.
    pub(crate) number: u64,
    /// The newest visible revision. Written by the committer: the flip.
    pub(crate) clock: CachePadded<AtomicU64>,
    /// The commit right.
    pub(crate) right: CachePadded<AtomicBool>,
    /// Requests of writers who did not get the right.
    pub(crate) inbox: AtomicPtr<crate::structure::request::Request>,
    pub(crate) holds: Holds,
    /// Signals with superseded versions, linked through `next`; owned by the commit right.
    pub(crate) to_trim: UnsafeCell<*const Node>,
    /// How many versions were superseded since the list was last taken; owned by the right.
    pub(crate) superseded: UnsafeCell<u32>,
    /// Memos replaced by newer ones.
    pub(crate) retired: Chain,
    pub(crate) trim: Mutex<Trim>,
    /// How many superseded versions, and how many retired blocks, make a look worth it.
    pub(crate) trim_at: count::AtomicU32,
    pub(crate) look_at: count::AtomicU64,
    /// What threads inside reads left for others to drop.
    doomed: Mutex<Doomed>,
    /// May there be anything in `doomed`? A hint, for the next that buries.
    any_doomed: std::sync::atomic::AtomicBool,
    /// Is there memory that waits for its grace period? A hint.
    any_graves: std::sync::atomic::AtomicBool,
    /// Effects that a commit concerns, linked through `next`.
    pub(crate) pending: AtomicPtr<Node>,
    /// Is some thread running waves?
    pub(crate) running: AtomicBool,
    /// The most computeds marked at one distance from a commit since the last wave: a hint.
    pub(crate) widest: count::AtomicU64,
    /// Mean cost of a recompute, in ns, as far as measured.
    pub(crate) mean_cost: count::AtomicU64,
    /// What it has cost lately to gather a node into levels, in ns.
    pub(crate) gathering: count::AtomicU64,
    /// Rings when a claim is released, an effect's run ends, a wave ends.
    pub(crate) progress: Event,
    /// The last loop that was stopped.
    pub(crate) looping: Mutex<Option<Looping>>,
    /// The members seen of a loop that is running towards its limit, by id.
    pub(crate) suspects: Mutex<std::collections::BTreeMap<u64, String>>,
    /// Is there anything in `suspects`? A hint.
    pub(crate) suspecting: std::sync::atomic::AtomicBool,
    /// The newest revision that an effect committed.
    pub(crate) caused: count::AtomicU64,
    /// How many runs of effects led to that one.
    pub(crate) caused_rounds: count::AtomicU32,
    /// Effects nobody holds a handle of.
    pub(crate) detached: Mutex<Vec<NodeRef>>,
    pub(crate) closed: AtomicBool,
    pub(crate) counters: Counters,
    pub(crate) effects: count::AtomicU64,
    pub(crate) edges: count::AtomicU64,
    /// How often nodes have subscribed to sources; written after the slots, see `engine::mark`.
    pub(crate) subscriptions: AtomicU64,
    register: Guarded<Register>,
    /// The last commits' origins, when history is kept.
    pub(crate) log: Mutex<VecDeque<LogEntry>>,
    #[cfg(not(loom))]
    on_error: arc_swap::ArcSwapOption<OnError>,
    pub(crate) config: Config,
}

/// Who committed a revision, and where.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) revision: u64,
    pub(crate) thread: Arc<str>,
    pub(crate) place: &'static std::panic::Location<'static>,
}

/// The trimmer's own: see `engine::trim`.
#[derive(Debug)]
pub(crate) struct Trim {
    pub(crate) held: Vec<u64>,
    pub(crate) followed: Vec<(usize, u64)>,
    pub(crate) kept: Vec<*mut Header>,
    /// Retired memos that held revisions still need.
    pub(crate) waiting: *mut Header,
    /// Blocks nobody needs, with the epoch of their unlinking, oldest first.
    pub(crate) limbo: VecDeque<(u64, *mut Header)>,
    /// A list of lists, kept for its memory.
    pub(crate) ripe: Vec<*mut Header>,
    /// Signals that keep superseded versions for held revisions.
    pub(crate) signals: Vec<NonNull<Node>>,
}

// SAFETY: the pointers are the trimmer's, and the trimmer is whoever holds the lock.
unsafe impl Send for Trim {}

// SAFETY: shared fields are atomics or locked; each cell names its one owner.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("name", &self.name()).finish_non_exhaustive()
    }
}

crate::sync::per_thread! {
    /// How many reads of ours, with user code inside, this thread is in.
    static READING: Cell<u32> = Cell::new(0);
    static BURYING: Cell<bool> = Cell::new(false);
}

/// While it lives, this thread runs no drops of other people's values.
#[derive(Debug)]
pub(crate) struct Reading(());

impl Reading {
    pub(crate) fn begin() -> Self {
        let _ = READING.try_with(|count| count.set(count.get() + 1));
        Self(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = READING.try_with(|count| count.set(count.get() - 1));
    }
}

pub(crate) fn is_reading() -> bool {
    READING.try_with(|count| count.get() > 0).unwrap_or(true)
}

/// The world of code that never entered a graph.
#[cfg(not(loom))]
pub(crate) fn default_world() -> Arc<World> {
    static DEFAULT: std::sync::LazyLock<Arc<World>> = std::sync::LazyLock::new(|| {
        World::new(Config { name: Some("default".to_owned()), ..Config::default() })
    });
    DEFAULT.clone()
}

#[cfg(loom)]
pub(crate) fn default_world() -> Arc<World> {
    panic!("under loom every graph is made, and entered, by the scenario")
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, threads: 0, history: 0, max_rounds: 100 }
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        static MADE: count::AtomicU64 = count::AtomicU64::new(0);
        Arc::new(Self {
            // Relaxed: only uniqueness matters.
            number: MADE.fetch_add(1, Relaxed),
            clock: CachePadded::new(AtomicU64::new(1)),
            right: CachePadded::new(AtomicBool::new(false)),
            inbox: AtomicPtr::new(null_mut()),
            holds: Holds::new(),
            to_trim: UnsafeCell::new(std::ptr::null()),
            superseded: UnsafeCell::new(0),
            retired: Chain::new(),
            trim: Mutex::new(Trim {
                held: Vec::new(),
                followed: Vec::new(),
                kept: Vec::new(),
                waiting: null_mut(),
                limbo: VecDeque::new(),
                ripe: Vec::new(),
                signals: Vec::new(),
            }),
            trim_at: count::AtomicU32::new(0),
            look_at: count::AtomicU64::new(0),
            doomed: Mutex::new(Doomed::new()),
            any_doomed: Default::default(),
            any_graves: Default::default(),
            pending: AtomicPtr::new(null_mut()),
            running: AtomicBool::new(false),
            widest: Default::default(),
            mean_cost: Default::default(),
            gathering: Default::default(),
            progress: Event::new(),
            looping: Mutex::new(None),
            suspects: Mutex::new(Default::default()),
            suspecting: Default::default(),
            caused: Default::default(),
            caused_rounds: Default::default(),
            detached: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            counters: Counters::default(),
            effects: Default::default(),
            edges: Default::default(),
            subscriptions: AtomicU64::new(0),
            register: Guarded::new(Register::default()),
            log: Mutex::new(VecDeque::new()),
            #[cfg(not(loom))]
            on_error: arc_swap::ArcSwapOption::const_empty(),
            config,
        })
    }

    pub(crate) fn name(&self) -> Arc<str> {
        match &self.config.name {
            Some(name) => Arc::from(name.as_str()),
            None => Arc::from(format!("graph@{:x}", std::ptr::from_ref(self) as usize)),
        }
    }

    /// The newest visible revision.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        // Acquire: pairs with the flip; that commit's versions and marks are visible.
        self.clock.load(Acquire)
    }

    /// Enters a node that nobody else knows of; returns its place and its id.
    ///
    /// # Safety
    /// The record must be complete but for these two, and stay until it is laid into its grave.
    pub(crate) unsafe fn register(world: &Arc<Self>, node: NonNull<Node>, role: NodeKind) {
        world.register.with(|register| {
            let index = register.free.pop().unwrap_or_else(|| {
                register.slots.push(null_mut());
                u32::try_from(register.slots.len() - 1).expect("fewer than 2^32 nodes live at once")
            });
            register.slots[index as usize] = node.as_ptr();
            register.made += 1;
            if register.live == 0 {
                register.world = Some(Arc::clone(world));
            }
            register.live += 1;
            if role == NodeKind::Effect {
                // Relaxed: statistics. An effect is counted until it is disposed.
                world.effects.fetch_add(1, Relaxed);
            } else {
                register.valued += 1;
            }
            // SAFETY: the caller's duty; who finds the node in its slot has this lock after us.
            unsafe { Node::set_place(node, register.made, index) };
        });
    }

    /// Signals and computeds that have contents.
    pub(crate) fn nodes(&self) -> u64 {
        self.register.lock().valued
    }

    /// Every live node, in creation order.
    pub(crate) fn live_nodes(&self) -> Vec<NodeRef> {
        let register = self.register.lock();
        let live = register.slots.iter().filter_map(|node| NonNull::new(*node));
        // SAFETY: a node leaves the register, under this lock, before its memory is freed.
        let mut nodes: Vec<_> = live.filter_map(|node| unsafe { NodeRef::revive(node) }).collect();
        drop(register);
        nodes.sort_unstable_by_key(|node| node.id);
        nodes
    }

    /// Takes over the memory of nodes whose contents are freed.
    pub(crate) fn inter(&self, nodes: &[NonNull<Node>]) {
        let last = self.lay(nodes, 0, 0);
        debug_assert!(last.is_none(), "only contents keep a world");
    }

    /// Lays the memory of nodes into graves, gives up their contents' part in keeping the world,
    /// and frees what had its grace period. What is returned may be the world's last count.
    #[must_use]
    fn lay(&self, nodes: &[NonNull<Node>], dropped: u64, valued: u64) -> Option<Arc<Self>> {
        nodes.iter().for_each(|node| reclaim::retired(node.as_ptr()));
        let stamp = reclaim::stamp();
        self.register.with(|register| {
            for node in nodes {
                register.leave(*node);
                register.graves.push_back(Grave { stamp, node: *node });
            }
            register.live -= dropped;
            register.valued -= valued;
            self.dig_up(register);
            if register.live == 0 { register.world.take() } else { None }
        })
    }

    /// For whoever buries next.
    pub(crate) fn doom(&self, doomed: impl IntoIterator<Item = (NonNull<Node>, Share)>) {
        let mut waiting = self.doomed.lock();
        waiting.extend(doomed);
        // Relaxed: a hint; whoever looks next takes the lock.
        self.any_doomed.store(true, Relaxed);
    }

    /// Drops the contents of what was doomed, unless this thread is inside a read: drops are user
    /// code. What is returned may be the world's last count.
    #[must_use]
    pub(crate) fn bury(self: &Arc<Self>, mut doomed: Doomed) -> Option<Arc<Self>> {
        if is_reading() || BURYING.try_with(|flag| flag.replace(true)).unwrap_or(true) {
            if doomed.is_empty() {
                return None;
            }
            // Others may bury them before this thread is done here, and end the world.
            let kept = Arc::clone(self);
            self.doom(doomed);
            return Some(kept);
        }
        // What `self` points to may stand in one of the nodes, whose memory a drop below may see
        // freed; the world itself stays for as long as they count as live.
        let world: &Self = self;
        let mut graves = SmallVec::<[NonNull<Node>; 4]>::new();
        let (mut dropped, mut valued) = (0, 0);
        loop {
            for (node, share) in doomed.drain(..) {
                dropped += 1;
                // SAFETY: the memory is there until it is laid into its grave.
                valued += u64::from(unsafe { node.as_ref() }.role() != NodeKind::Effect);
                if share == Share::Contents {
                    // The trimmer may free the memory as soon as the contents are gone.
                    world.register.with(|register| register.leave(node));
                }
                // SAFETY: handed over once, with the right to do this.
                world.contain_drop(|| unsafe { node::drop_contents(node) });
                // SAFETY: the memory is freed by the second of this thread and the trimmer.
                if share == Share::All || unsafe { node.as_ref() }.leave_empty() {
                    graves.push(node);
                }
            }
            // Relaxed: as above.
            if !world.any_doomed.load(Relaxed) {
                break;
            }
            // Relaxed: as above; what comes after this is for the next look.
            world.any_doomed.store(false, Relaxed);
            doomed = std::mem::take(&mut *world.doomed.lock());
        }
        let last = if dropped > 0 { world.lay(&graves, dropped, valued) } else { None };
        let _ = BURYING.try_with(|flag| flag.set(false));
        last
    }

    /// Drops what other threads doomed inside of their reads, and frees what had its grace period.
    /// The caller counts the world.
    pub(crate) fn bury_left(self: &Arc<Self>) {
        drop(self.bury(Doomed::new()));
        // Relaxed: a hint.
        if self.any_graves.load(Relaxed) {
            self.register.with(|register| self.dig_up(register));
        }
    }

    /// Frees the memory whose grace period is over.
    fn dig_up(&self, register: &mut Register) {
        register.dig_up();
        // Relaxed: a hint, written under the register's lock.
        self.any_graves.store(!register.graves.is_empty(), Relaxed);
    }

    /// Runs a drop of user values; a panic is reported, not passed on.
    pub(crate) fn contain_drop(&self, drop: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) {
            self.report(&Failure::Drop { message: panic_message(&*payload) });
        }
    }

    #[cfg(not(loom))]
    pub(crate) fn set_on_error(&self, handler: Option<OnError>) {
        self.on_error.store(handler.map(Arc::new));
    }

    /// Tells whoever listens what nobody else would hear of.
    pub(crate) fn report(&self, failure: &Failure) {
        #[cfg(feature = "tracing")]
        tracing::error!(graph = %self.name(), "{failure}");
        #[cfg(not(loom))]
        if let Some(handler) = self.on_error.load_full() {
            // A handler that panics itself must not take the wave with it.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(failure)));
            return;
        }
        eprintln!("isobar: {}: {failure}", self.name());
    }
}

/// The memory of a node, on its way through a grace period.
#[derive(Debug)]
struct Grave {
    stamp: u64,
    node: NonNull<Node>,
}

// SAFETY: the node is nobody else's any more.
unsafe impl Send for Grave {}

impl Register {
    /// Takes a node out; nobody finds it here from now on.
    fn leave(&mut self, node: NonNull<Node>) {
        // SAFETY: freed after this only.
        let place = unsafe { node.as_ref() }.place_in_register();
        let slot = &mut self.slots[place as usize];
        if *slot == node.as_ptr() {
            *slot = null_mut();
            self.free.push(place);
        }
    }

    /// Frees the memory whose grace period is over.
    fn dig_up(&mut self) {
        // How many further graves make a look at all threads' pins worth it.
        const MANY: usize = 32;
        if self.graves.len() >= self.look_at.max(MANY) {
            reclaim::try_advance();
            self.look_at = self.graves.len() + MANY;
        }
        while let Some(grave) = self.graves.pop_front_if(|grave| reclaim::is_over(grave.stamp)) {
            reclaim::freed(grave.node.as_ptr());
            if cfg!(loom) {
                continue;
            }
            // SAFETY: contents dropped in `bury`, and the grace period is over.
            unsafe { node::free(grave.node) };
        }
        self.look_at = self.look_at.min(self.graves.len() + MANY);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Nodes with contents keep the world, so all are gone; what is left are retired blocks.
        for grave in self.register.lock().graves.drain(..) {
            // SAFETY: contents dropped in `bury`, and without a world nobody marks.
            unsafe { node::free(grave.node) };
        }
        let mut trim = self.trim.lock();
        // Without a world's count all signals are dropped; what is listed is only their memory.
        let mut dead = std::mem::take(&mut trim.signals);
        // SAFETY: nobody else has the world.
        let mut at = self.to_trim.with(|list| unsafe { *list });
        while let Some(signal) = NonNull::new(at.cast_mut()) {
            // SAFETY: listed signals are freed by whoever takes them from the list.
            let next = unsafe { &signal.as_ref().next };
            // SAFETY: the list is ours.
            at = next.with(|next| unsafe { *next });
            dead.push(signal);
        }
        for signal in dead {
            // SAFETY: contents dropped when the signal was, and nobody marks.
            unsafe { node::free(signal) };
        }
        let mut lists = vec![trim.waiting, self.retired.take()];
        lists.extend(trim.limbo.drain(..).map(|(_, first)| first));
        drop(trim);
        for first in lists {
            let mut at = NonNull::new(first);
            while let Some(block) = at {
                // SAFETY: nobody can reach a retired block of a graph without nodes.
                let shared = unsafe { crate::block::Shared::from_raw(block) };
                // SAFETY: the list is ours.
                at = NonNull::new(shared.header().next.with(|next| unsafe { *next }));
                self.contain_drop(|| drop(shared));
            }
        }
    }
}
