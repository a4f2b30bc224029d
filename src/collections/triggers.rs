//! Who is woken by a write to one part (key, index) of a collection.
//!
//! The value of a part is a computed that looks its part up in the whole collection, as exactly as
//! a tracked read, and tracks a *trigger* in its place: a signal without a value, touched in each
//! commit that writes the part. So a write wakes the readers of its own part, however many others
//! are read.
//!
//! A writer looks the triggers up before its commit; a reader that registers a part in between
//! would miss it. Therefore writers announce what they are about to write, until it has landed,
//! and a reader tracks the trigger alone only once it has *proven*, at some revision R, that every
//! commit after R comes from a writer that found the trigger:
//!
//! ```text
//!   writer   announce + look triggers up   ..   commit at W, touching them   ..   retract
//!   reader   register the trigger   ..   nobody has announced?   ..   nothing newer than R?
//! ```
//!
//! The first and the last step of the writer and the first two of the reader are under one lock. A
//! writer that looked before the trigger was registered has announced before, so when the reader
//! finds no announcement it has retracted, and its commit is installed: it is not after R if the
//! reader then finds nothing newer than R. Until there is a proof, the reader tracks the whole
//! collection: woken more often, and never too seldom.

use crate::engine::frame::Frame;
use crate::engine::read::{self, Track};
use crate::handle::readable::{Readable, load_found, raise};
use crate::structure::world::World;
use crate::sync::count::AtomicU64;
use crate::sync::{Mutex, Relaxed};
use crate::{Loaded, Signal};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The parts of a collection that somebody reads, by their hash; `N` is what reads one part.
pub(crate) struct Triggers<N> {
    world: Arc<World>,
    /// Touched by writes that may concern any part.
    whole: Signal<()>,
    parts: Mutex<Parts<N>>,
}

struct Parts<N> {
    slots: HashMap<u64, Slot<N>>,
    /// Announced writes of unknown parts.
    writing_whole: usize,
    /// With so many slots it is time to drop those that nobody reads.
    sweep_at: usize,
}

struct Slot<N> {
    /// Several only where hashes collide.
    readers: SmallVec<[(N, Signal<()>); 1]>,
    /// Announced writes.
    writing: usize,
}

/// What reads one part, cached for as long as anybody observes it.
pub(crate) trait PartReader: Clone + Send + Sync + 'static {
    /// Does the cache alone know of it?
    fn is_unobserved(&self) -> bool;
}

/// Which parts a write concerns, by their hashes.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Parts(Vec<u64>),
    /// All indices from this one on.
    From(u64),
    Whole,
}

const FIRST_SWEEP: usize = 64;

impl<N: PartReader> Triggers<N> {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        let parts = Parts { slots: HashMap::new(), writing_whole: 0, sweep_at: FIRST_SWEEP };
        let whole = trigger(world, "whole");
        Arc::new(Self { world: world.clone(), whole, parts: Mutex::new(parts) })
    }

    /// What reads the part with this hash: one of those there, or a new one.
    pub(crate) fn reader(
        self: &Arc<Self>,
        hash: u64,
        is_it: impl Fn(&N) -> bool,
        make: impl FnOnce(Part) -> N,
    ) -> N {
        let there = self.parts.lock().slots.get(&hash).map(|slot| slot.readers.clone());
        let there = there.into_iter().flatten().map(|(reader, _)| reader);
        if let Some(found) = there.into_iter().find(is_it) {
            return found;
        }
        // Made outside of the lock; if another thread does the same there are two, which is one
        // too many and not wrong.
        let trigger = trigger(&self.world, "part");
        let writers: Weak<dyn Announced> = Arc::downgrade(&(self.clone() as Arc<dyn Announced>));
        let (whole, proven) = (self.whole.clone(), AtomicU64::new(u64::MAX));
        let reader = make(Part { hash, trigger: trigger.clone(), whole, writers, proven });
        let mut parts = self.parts.lock();
        parts.slots.entry(hash).or_default().readers.push((reader.clone(), trigger));
        let unread = parts.sweep();
        drop(parts);
        // Outside of the lock: dropping keys and values is user code.
        drop(unread);
        reader
    }

    /// Announces a write and finds who is to be woken by it.
    pub(crate) fn announce(self: &Arc<Self>, scope: Scope) -> Announcement<N> {
        let mut touched = Vec::new();
        let mut parts = self.parts.lock();
        match &scope {
            Scope::Parts(hashes) => {
                for hash in hashes {
                    let slot = parts.slots.entry(*hash).or_default();
                    slot.writing += 1;
                    touched.extend(slot.triggers());
                }
            }
            Scope::From(start) => {
                parts.writing_whole += 1;
                let behind = parts.slots.iter().filter(|(index, _)| *index >= start);
                touched.extend(behind.flat_map(|(_, slot)| slot.triggers()));
            }
            Scope::Whole => {
                parts.writing_whole += 1;
                touched.push(self.whole.clone());
            }
        }
        drop(parts);
        Announcement { triggers: self.clone(), scope, touched }
    }

    /// How many parts are registered: asked by writers that may save themselves the trouble of
    /// finding out what exactly they change.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.lock().slots.is_empty()
    }
}

fn trigger(world: &Arc<World>, name: &str) -> Signal<()> {
    Signal::make(world, (), crate::handle::equality::Never, Some(name.into()))
}

impl<N> Default for Slot<N> {
    fn default() -> Self {
        Self { readers: SmallVec::new(), writing: 0 }
    }
}

impl<N> Slot<N> {
    fn triggers(&self) -> impl Iterator<Item = Signal<()>> {
        self.readers.iter().map(|(_, trigger)| trigger.clone())
    }
}

impl<N: PartReader> Parts<N> {
    /// Takes out what nobody reads, now and then; to be dropped outside of the lock.
    fn sweep(&mut self) -> Vec<Slot<N>> {
        if self.slots.len() < self.sweep_at {
            return Vec::new();
        }
        let unread = |slot: &mut Slot<N>| {
            slot.writing == 0 && slot.readers.iter().all(|(reader, _)| reader.is_unobserved())
        };
        let unread = self.slots.extract_if(|_, slot| unread(slot)).map(|(_, slot)| slot).collect();
        self.sweep_at = FIRST_SWEEP.max(self.slots.len() * 2);
        unread
    }
}

/// A write that is on its way, until it has landed or was given up.
pub(crate) struct Announcement<N: PartReader> {
    triggers: Arc<Triggers<N>>,
    scope: Scope,
    touched: Vec<Signal<()>>,
}

impl<N: PartReader> Announcement<N> {
    /// Updates the collection, and wakes the readers with the same commit. Where it is collected
    /// the update is replayed until that lands, and stays announced for as long.
    #[track_caller]
    pub(crate) fn update<C: Send + Sync + 'static>(
        self,
        collection: &Signal<C>,
        mut update: impl FnMut(&C) -> C + Send + 'static,
    ) {
        self.touched.iter().for_each(Signal::touch);
        collection.update(move |old| {
            let _announced = &self;
            update(old)
        });
    }
}

/// An update by an operation, and what that returned last: once the commit has landed, when it
/// did.
pub(crate) fn telling<C: Clone, R: Send + 'static>(
    mut op: impl FnMut(&mut C) -> R + Send + 'static,
) -> (impl FnMut(&C) -> C + Send + 'static, impl FnOnce() -> R) {
    let told = Arc::new(Mutex::new(None));
    let tell = told.clone();
    let update = move |old: &C| {
        let mut new = old.clone();
        let result = op(&mut new);
        let before = tell.lock().replace(result);
        drop(before);
        new
    };
    let told = move || {
        let result = told.lock().take();
        result.expect("an update runs at once, and again if need be")
    };
    (update, told)
}

impl<N: PartReader> Drop for Announcement<N> {
    fn drop(&mut self) {
        let mut parts = self.triggers.parts.lock();
        let Scope::Parts(hashes) = &self.scope else {
            parts.writing_whole -= 1;
            return;
        };
        for hash in hashes {
            let Some(slot) = parts.slots.get_mut(hash) else { continue };
            slot.writing -= 1;
            if slot.writing == 0 && slot.readers.is_empty() {
                parts.slots.remove(hash);
            }
        }
    }
}

/// Asked by readers that are about to rely on their trigger.
trait Announced: Send + Sync {
    fn is_announced(&self, hash: u64) -> bool;
}

impl<N: PartReader> Announced for Triggers<N> {
    fn is_announced(&self, hash: u64) -> bool {
        let parts = self.parts.lock();
        parts.writing_whole > 0 || parts.slots.get(&hash).is_some_and(|slot| slot.writing > 0)
    }
}

/// One part, as its reader sees it; see the module.
pub(crate) struct Part {
    hash: u64,
    trigger: Signal<()>,
    whole: Signal<()>,
    writers: Weak<dyn Announced>,
    /// Every commit after this revision that writes the part touches the trigger.
    proven: AtomicU64,
}

impl Part {
    /// The collection, for a reader of this part: the part's trigger becomes the source.
    pub(crate) fn follow<R: Readable + ?Sized>(&self, collection: &R) -> Loaded<R::Value> {
        self.trigger.with(|()| ());
        self.whole.with(|()| ());
        let node = collection.node().inner();
        let found = if self.is_proven(collection) {
            read::find_followed(node)
        } else {
            read::find(node, Track::Yes)
        };
        let found = found.and_then(|found| load_found(collection, found.kept));
        found.unwrap_or_else(|error| raise(error))
    }

    fn is_proven<R: Readable + ?Sized>(&self, collection: &R) -> bool {
        let frame = Frame::current();
        let Some(revision) = frame.fixed_view().map(|view| view.revision) else { return false };
        // Relaxed: a fact about all later commits, whoever found it.
        if self.proven.load(Relaxed) <= revision {
            return true;
        }
        // Without handles there are no writers.
        let announced = self.writers.upgrade().is_some_and(|w| w.is_announced(self.hash));
        if announced || collection.node().inner().stamp() > revision {
            return false;
        }
        // Relaxed: as above.
        self.proven.fetch_min(revision, Relaxed);
        true
    }
}

/// Is what is read here recorded: as a source, or as a condition of a transaction?
pub(crate) fn is_recorded(world: &Arc<World>) -> bool {
    let frame = Frame::current();
    let remembers = || {
        let view = frame.view(world).ok().flatten()?;
        Some(view.overlay_if_any()?.remembers_reads())
    };
    frame.tracker().is_some() || remembers() == Some(true)
}
