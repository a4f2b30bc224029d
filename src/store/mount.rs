//! Storage below paths of a store.

use super::backend::{Backend, BackendError, Notice, Told};
use super::failure::StoreError;
use super::keeper::{Failed, Keeper, Target};
use super::path::{Path, ToPath};
use super::state::{Entries, Logged, State};
use super::ticket::{Reach, Slot, Ticket};
use super::{Core, Store};
use crate::engine::frame::Frame;
use crate::error::Failure;
use crate::structure::world::World;
use crate::sync::count::AtomicU64;
use crate::sync::{Acquire, AtomicBool, Mutex, Relaxed, Release};
use crate::time::above_zero;
use crate::waiting::Event;
use crate::{Clock, Effect, Loaded};
use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The mounts of a store.
pub(super) struct Mounts {
    table: Mutex<Vec<Mounted>>,
    /// Is there any?
    any: AtomicBool,
    pub(super) reports: Arc<Reports>,
}

/// Who hears of failures that no caller waits for.
pub(super) struct Reports {
    world: Arc<World>,
    store: Arc<str>,
    on_error: Mutex<Option<Arc<OnError>>>,
}

type OnError = dyn Fn(&StoreError) + Send + Sync;

struct Mounted {
    shared: Arc<Shared>,
    /// `None` while it is being loaded.
    running: Option<Running>,
}

struct Running {
    /// Posts each new state to the mount's thread.
    effect: Effect,
    thread: JoinHandle<Box<dyn Backend>>,
}

/// What a mount's thread, its handles and the writers share.
pub(super) struct Shared {
    pub(super) path: Path,
    pub(super) rule: Rule,
    /// How long writers wait.
    pub(super) patience: Option<Duration>,
    /// Where other mounts begin below this one.
    below: Mutex<Vec<Path>>,
    post: Mutex<Post>,
    /// Rung when there is something in the post.
    bell: Event,
    pub(super) counts: Counts,
}

/// When changes are stored.
#[derive(Clone)]
pub(super) enum Rule {
    /// At once; the writer waits.
    Through,
    /// Together, so long after the first of them.
    Behind { clock: Clock, every: Duration },
}

/// What the mount's thread is to do.
#[derive(Default)]
pub(super) struct Post {
    pub(super) target: Option<Target>,
    pub(super) notices: Vec<Notice>,
    /// Somebody waits for everything.
    pub(super) flush: bool,
    /// The time has come to store.
    pub(super) due: bool,
    /// A time is set already.
    pub(super) armed: bool,
    pub(super) over: bool,
    /// The thread has ended; what those hear who come too late.
    ended: Option<Result<(), StoreError>>,
    waiting: Vec<Arc<Slot>>,
    /// The newest state that was posted.
    posted: u64,
    /// The newest of which all was tried.
    tried: u64,
    /// Where mounts below have ended.
    pub(super) left: Vec<Path>,
    /// Failures of which it has turned out that no caller has waited for them.
    pub(super) unheard: Vec<StoreError>,
}

thread_local! {
    /// Is this the thread of a mount?
    static KEEPS: Cell<bool> = const { Cell::new(false) };
}

/// From here on this is the thread of a mount, which waits for none: not for itself, and not for
/// one that may wait for it.
pub(super) fn keeps() {
    KEEPS.set(true);
}

/// Does nothing wait here?
pub(super) fn is_keeping() -> bool {
    KEEPS.get()
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) pending: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) taken_in: AtomicU64,
}

/// What a mount has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MountStats {
    /// Values that are to be stored, or removed, as far as its thread has looked.
    pub pending: u64,
    /// Values that were stored or removed.
    pub stored: u64,
    /// How often the backend was given changes.
    pub groups: u64,
    /// How often it failed.
    pub failures: u64,
    /// Values that were taken over from what others have stored.
    pub taken_in: u64,
}

impl Shared {
    /// Is a path kept by this mount, and by none below it?
    pub(super) fn owns(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
            && !self.below.lock().iter().any(|below| path.starts_with(below))
    }

    fn concerns(&self, reach: &Reach) -> bool {
        match reach {
            Reach::Place(path) => self.owns(path),
            Reach::Tree(path) => self.owns(path) || self.path.starts_with(path),
        }
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Post)) {
        change(&mut self.post.lock());
        self.bell.notify();
    }

    /// Waits for something to do, and takes it.
    pub(super) fn take_work(&self) -> Post {
        let through = matches!(self.rule, Rule::Through);
        self.bell.wait(None, || {
            let post = self.post.lock();
            let look = post.target.is_some() && (through || !post.armed);
            let news =
                !post.notices.is_empty() || !post.left.is_empty() || !post.unheard.is_empty();
            look || post.flush || post.due || post.over || news
        });
        let mut post = self.post.lock();
        let notices = std::mem::take(&mut post.notices);
        let (left, unheard) = (std::mem::take(&mut post.left), std::mem::take(&mut post.unheard));
        let (target, flush, due) = (post.target.take(), post.flush, post.due);
        (post.flush, post.due) = (false, false);
        post.armed &= !due;
        Post { target, notices, left, unheard, flush, due, over: post.over, ..Post::default() }
    }

    fn begin(&self, reach: Reach, is_flush: bool) -> Arc<Slot> {
        let slot = Slot::new(reach, is_flush);
        self.post.lock().waiting.push(slot.clone());
        slot
    }

    /// The write that `slot` waits for made, or found, the state of this number. `newest` gives
    /// that state or a newer one: it is posted here if the effect that does so is late, as it is
    /// where another thread is running effects.
    pub(super) fn committed(&self, slot: &Arc<Slot>, number: u64, newest: impl FnOnce() -> Target) {
        // Answered outside of the lock: wakers are the executor's.
        let answered = slot.committed(number);
        let (over, tried, posted) = {
            let post = self.post.lock();
            (post.ended.clone(), post.tried, post.posted)
        };
        match over {
            Some(answer) => slot.end(answer),
            // What has failed of it was taken back before, or answered this one.
            None if tried >= number => slot.end(Ok(())),
            None if answered => {}
            None if posted < number => {
                let newest = newest();
                return self.tell(|post| post.aim(newest));
            }
            None => return,
        }
        self.forget(slot);
    }

    /// `slot` waits until everything of a state was tried anew.
    fn flush(&self, slot: &Arc<Slot>, state: &State) {
        slot.committed(state.number);
        let ended = self.post.lock().ended.clone();
        if let Some(answer) = ended {
            slot.end(answer);
            return self.forget(slot);
        }
        self.tell(|post| {
            post.flush = true;
            post.aim(Target::of(state));
        });
    }

    pub(super) fn forget(&self, slot: &Arc<Slot>) {
        slot.end(Ok(()));
        self.post.lock().waiting.retain(|other| !Arc::ptr_eq(other, slot));
        let unheard = slot.unheard();
        if !unheard.is_empty() {
            self.tell(|post| post.unheard.extend(unheard));
        }
    }

    /// Answers those who wait for writes up to `number`, or what has failed. Those failures that
    /// nobody was answered with are given back.
    pub(super) fn tried(&self, number: u64, failed: Failed) -> Vec<StoreError> {
        let Failed { errors, up_to } = failed;
        let mut unheard = errors.clone();
        let mut open = Vec::new();
        let mut turns = 0;
        loop {
            let mut post = self.post.lock();
            // Who flushes after the first answers waits for the next time.
            let is_now = |slot: &mut Arc<Slot>| turns == 0 || !slot.is_flush;
            let waiting: Vec<_> = post.waiting.extract_if(.., is_now).collect();
            if waiting.is_empty() {
                // Under the lock that found nobody else: who did not find this was answered.
                post.tried = post.tried.max(number);
                post.waiting.append(&mut open);
                return unheard.into_iter().map(|(_, error)| error).collect();
            }
            drop(post);
            turns += 1;
            open.extend(waiting.into_iter().filter(|slot| {
                let answered = match errors.iter().find(|(path, _)| slot.reach.contains(path)) {
                    Some((_, error)) => slot.tried(up_to, Some(error)),
                    None => slot.tried(number, None),
                };
                // One whose write is being committed will know, and tell if it was not its own.
                let takes = answered || slot.is_being_committed();
                unheard.retain(|(path, _)| !takes || !slot.reach.contains(path));
                !answered
            }));
        }
    }

    /// The thread has ended: nobody waits any more.
    fn ended(&self, answer: &Result<(), StoreError>) {
        let mut post = self.post.lock();
        post.over = true;
        post.ended = Some(answer.clone());
        let waiting = std::mem::take(&mut post.waiting);
        drop(post);
        waiting.iter().for_each(|slot| slot.end(answer.clone()));
    }
}

/// In a mount's thread: tells those who wait when it ends, in whatever way.
pub(super) struct Ending(pub(super) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let source = || BackendError::failed("keep what is stored", "the mount's thread panicked");
        let lost = || StoreError::Storage { mount: self.0.path.clone(), source: source() };
        self.0.ended(&if thread::panicking() { Err(lost()) } else { Ok(()) });
    }
}

impl Post {
    /// The newest state is what is to be stored.
    fn aim(&mut self, target: Target) {
        self.posted = self.posted.max(target.number);
        if self.target.as_ref().is_none_or(|there| there.number <= target.number) {
            self.target = Some(target);
        }
    }
}

impl Told for Shared {
    fn hear(&self, notice: Notice) {
        self.tell(|post| post.notices.push(notice));
    }

    fn is_over(&self) -> bool {
        self.post.lock().over
    }
}

impl Mounts {
    pub(super) fn new(world: &Arc<World>, store: Arc<str>) -> Self {
        let reports = Reports { world: world.clone(), store, on_error: Mutex::new(None) };
        let (table, any) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Self { table, any, reports: Arc::new(reports) }
    }

    /// For a write at a path and below, before it: who is to store it at once.
    pub(super) fn begin(&self, reach: &Reach) -> Ticket {
        // Acquire: pairs with the Release of `add`. Who mounts while others write has to expect
        // that their writes do not wait.
        if !self.any.load(Acquire) || is_keeping() {
            return Ticket::default();
        }
        let table = self.table.lock();
        let concerned = table
            .iter()
            .map(|mounted| &mounted.shared)
            .filter(|shared| matches!(shared.rule, Rule::Through) && shared.concerns(reach));
        let concerned: Vec<_> = concerned.cloned().collect();
        drop(table);
        let slots = concerned.into_iter().map(|shared| {
            let slot = shared.begin(reach.clone(), false);
            (shared, slot)
        });
        Ticket::of(slots.collect())
    }

    fn add(&self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        let mut table = self.table.lock();
        if table.iter().any(|mounted| mounted.shared.path == shared.path) {
            return Err(StoreError::Mounted { path: shared.path.clone() });
        }
        for other in table.iter().map(|mounted| &mounted.shared) {
            if shared.path.starts_with(&other.path) {
                other.below.lock().push(shared.path.clone());
            } else if other.path.starts_with(&shared.path) {
                shared.below.lock().push(other.path.clone());
            }
        }
        table.push(Mounted { shared: shared.clone(), running: None });
        // Release: pairs with the Acquire of `begin`.
        self.any.store(true, Release);
        Ok(())
    }

    fn take_out(&self, shared: &Arc<Shared>) -> Option<Mounted> {
        let mut table = self.table.lock();
        let index = table.iter().position(|mounted| Arc::ptr_eq(&mounted.shared, shared))?;
        let mounted = table.remove(index);
        for other in table.iter() {
            other.shared.below.lock().retain(|below| *below != shared.path);
        }
        Some(mounted)
    }

    /// A mount at a path has ended: those above have what is there.
    fn left(&self, path: &Path) {
        for mount in self.everybody().into_iter().filter(|mount| mount.owns(path)) {
            mount.tell(|post| post.left.push(path.clone()));
        }
    }

    fn everybody(&self) -> Vec<Arc<Shared>> {
        self.table.lock().iter().map(|mounted| mounted.shared.clone()).collect()
    }
}

impl Reports {
    /// A failure that no caller waits for.
    pub(super) fn report(&self, error: &StoreError) {
        let on_error = self.on_error.lock().clone();
        match on_error {
            Some(on_error) => self.world.contain_drop(|| on_error(error)),
            None => {
                let (store, message) = (self.store.clone(), error.to_string().into());
                self.world.report(&Failure::Storage { store, message });
            }
        }
    }
}

impl Core {
    /// Stores all that is written so far.
    fn flushed(&self, mounts: Vec<Arc<Shared>>) -> Ticket {
        let Ok(state) = self.committed() else { return Ticket::default() };
        let slots = mounts.into_iter().map(|shared| {
            let slot = shared.begin(Reach::Tree(shared.path.clone()), true);
            shared.flush(&slot, &state);
            (shared, slot)
        });
        Ticket::of(slots.collect())
    }

    /// All that is written so far is stored, as far as it can be; then the threads end.
    pub(super) fn unmount_all(&self) {
        if self.mounts.everybody().is_empty() {
            return;
        }
        // Committed: what is pending in a batch around the last handle is not to be stored.
        let state = self.committed().ok();
        for shared in self.mounts.everybody() {
            let Some(mounted) = self.mounts.take_out(&shared) else { continue };
            end(mounted, state.as_ref());
        }
    }
}

/// Has a mount's thread store what there is, and end.
fn end(mounted: Mounted, state: Option<&Loaded<State>>) -> Option<Box<dyn Backend>> {
    let Mounted { shared, running } = mounted;
    let Running { effect, thread } = running?;
    drop(effect);
    shared.tell(|post| {
        state.into_iter().for_each(|state| post.aim(Target::of(state)));
        post.over = true;
    });
    if thread.thread().id() == thread::current().id() {
        // It holds the last handle itself, and ends when it has let go of that.
        return None;
    }
    thread.join().ok()
}

/// Mounts a backend at a path; see [`Store::mount`].
#[must_use = "nothing is mounted until `build`"]
pub struct MountBuilder<'a> {
    store: &'a Store,
    path: Result<Path, super::PathError>,
    backend: Box<dyn Backend>,
    behind: Option<(Clock, Duration)>,
    patience: Option<Duration>,
}

impl Store {
    /// Keeps what is at a path and below in a backend: what it has is loaded, and from then on each
    /// change of the store is stored, and each change that others store is taken in.
    ///
    /// All values stay in memory, so reads never wait for a backend. A write waits until it is
    /// stored; if that fails it is taken back, and is the error of the caller. In a batch, effect
    /// or callback nothing waits: [`flush`](Self::flush) does, and failures are told to
    /// [`on_storage_error`](Self::on_storage_error). What belongs to several mounts is stored by
    /// each for itself. Of several mounts the one with the longest path has a path.
    ///
    /// ```no_run
    /// use isobar::store::{Files, Store};
    /// let store = Store::new();
    /// let kept = store.mount("/settings", Files::open("settings")?).build()?;
    /// store.at("/settings/volume").set(5)?; // returns when it is on the disk
    /// # drop(kept);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn mount(&self, path: impl ToPath, backend: impl Backend) -> MountBuilder<'_> {
        MountBuilder {
            store: self,
            path: path.to_path(),
            backend: Box::new(backend),
            behind: None,
            patience: None,
        }
    }

    /// Waits until all that is written so far is stored.
    ///
    /// # Errors
    /// [`StoreError::NotStored`], [`StoreError::Conflict`] or [`StoreError::Storage`] if something
    /// of it could not be; [`StoreError::Timeout`], at once in what a mount's own thread calls.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.flushed().wait()
    }

    pub(super) fn flushed(&self) -> Ticket {
        self.core.flushed(self.core.mounts.everybody())
    }

    /// Who hears of failures of mounts that no caller waits for: of writes in batches and effects,
    /// of what is written behind, of what others have stored and is no value. Called by the
    /// mount's thread. Without it they go to the graph's `on_error`.
    pub fn on_storage_error(&self, f: impl Fn(&StoreError) + Send + Sync + 'static) {
        let before = self.core.mounts.reports.on_error.lock().replace(Arc::new(f));
        // Outside of the lock: dropping a closure is user code.
        drop(before);
    }
}

impl MountBuilder<'_> {
    /// Writes return at once; changes are stored together, `every` so often while there are any.
    /// A failure is reported, and what was not stored is tried again at the next time.
    ///
    /// ```
    /// use isobar::Clock;
    /// use isobar::store::{Memory, Store};
    /// use std::time::Duration;
    /// let store = Store::new();
    /// let mount = store.mount("/metrics", Memory::new());
    /// let mount = mount.write_behind(&Clock::manual(), Duration::from_secs(5)).build()?;
    /// (1..=3).try_for_each(|n| store.at("/metrics/hits").set(n).map(drop))?;
    /// assert_eq!(mount.stats().stored, 0);
    /// mount.flush()?;
    /// assert_eq!(mount.stats().stored, 1);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    pub fn write_behind(mut self, clock: &Clock, every: Duration) -> Self {
        self.behind = Some((clock.clone(), every));
        self
    }

    /// How long a write waits before it gives up with [`StoreError::Timeout`]; else as long as it
    /// takes.
    pub fn timeout(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Loads what is stored, and keeps it from now on. Waits for that.
    ///
    /// # Errors
    /// [`StoreError::Path`]; [`StoreError::Storage`] if it cannot be loaded;
    /// [`StoreError::NotEmpty`] if the store has values there; [`StoreError::Mounted`];
    /// [`StoreError::ZeroDuration`]; [`StoreError::Write`] inside a computed.
    pub fn build(self) -> Result<Mount, StoreError> {
        let Self { store, path, backend, behind, patience } = self;
        let rule = match behind {
            None => Rule::Through,
            Some((clock, every)) => {
                Rule::Behind { clock, every: above_zero("write_behind", every)? }
            }
        };
        let shared = Arc::new(Shared {
            path: path?,
            rule,
            patience,
            below: Mutex::default(),
            post: Mutex::default(),
            bell: Event::new(),
            counts: Counts::default(),
        });
        let core = &store.core;
        if let Some(refusal) = Frame::current().writes.refusal() {
            return Err(refusal.into());
        }
        // Before it is added: it asks the backend, which may panic.
        let keeper = Keeper::new(core, &shared, backend);
        core.mounts.add(&shared)?;
        let running = start(core, &shared, keeper);
        let mut table = core.mounts.table.lock();
        match (running, table.iter_mut().find(|mounted| Arc::ptr_eq(&mounted.shared, &shared))) {
            (Ok(running), Some(mounted)) => {
                mounted.running = Some(running);
                drop(table);
                Ok(Mount { core: Arc::downgrade(core), shared })
            }
            (running, _) => {
                drop(table);
                core.mounts.take_out(&shared);
                core.mounts.left(&shared.path);
                let running = running?;
                drop(end(Mounted { shared: shared.clone(), running: Some(running) }, None));
                Err(StoreError::Gone { path: shared.path.clone() })
            }
        }
    }
}

/// Loads, and begins to keep.
fn start(core: &Arc<Core>, shared: &Arc<Shared>, keeper: Keeper) -> Result<Running, StoreError> {
    let (tell, loaded) = mpsc::channel();
    let thread = thread::Builder::new().name(format!("mount {}", shared.path));
    let failed = |source: BackendError| StoreError::Storage { mount: shared.path.clone(), source };
    let thread = thread.spawn(move || keeper.run(tell));
    let thread = thread.map_err(|error| failed(BackendError::failed("start a thread", error)))?;
    let loaded = loaded.recv();
    loaded
        .map_err(|gone| failed(BackendError::failed("load in a thread that panicked", gone)))??;
    let (state, to) = (core.state.clone(), shared.clone());
    let post = move || {
        let target = state.with(Target::of);
        to.tell(|post| post.aim(target));
    };
    let name = Some(format!("mount {}", shared.path).into());
    let effect = Frame::detached().enter(|| Effect::on(core.world(), name, post));
    Ok(Running { effect, thread })
}

/// Storage below a path. Dropping the handle leaves it to the store: it ends with the store's last
/// handle, which waits until all is stored, or with [`unmount`](Self::unmount).
#[derive(Clone)]
pub struct Mount {
    core: Weak<Core>,
    shared: Arc<Shared>,
}

impl Mount {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What it has done so far.
    pub fn stats(&self) -> MountStats {
        let counts = &self.shared.counts;
        // Relaxed: figures, each for itself.
        let count = |count: &AtomicU64| count.load(Relaxed);
        MountStats {
            pending: count(&counts.pending),
            stored: count(&counts.stored),
            groups: count(&counts.groups),
            failures: count(&counts.failures),
            taken_in: count(&counts.taken_in),
        }
    }

    /// Waits until all that is written so far below this path is stored.
    ///
    /// # Errors
    /// As [`Store::flush`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.core()?.flushed(vec![self.shared.clone()]).wait()
    }

    /// Loads everything again, soon: for backends that do not tell what others store.
    pub fn reload(&self) {
        self.shared.tell(|post| post.notices.push(Notice::Missed));
    }

    /// Stores what there is, and ends it: its values go from the store, stay in the backend, and
    /// the backend is given back.
    ///
    /// ```
    /// use isobar::store::Store;
    /// let store = Store::new();
    /// let kept = store.mount("/kept", isobar::store::Memory::new()).build()?;
    /// store.at("/kept/n").set(1)?;
    /// let mut backend = kept.unmount()?;
    /// assert!(!store.at("/kept/n").contains()?);
    /// assert_eq!(*backend.read(&"/n".parse()?)?.unwrap().value, 1);
    /// # Ok::<(), isobar::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Store::flush`]; it stays mounted then. [`StoreError::Gone`] if it has ended.
    pub fn unmount(self) -> Result<Box<dyn Backend>, StoreError> {
        let core = self.core()?;
        core.flushed(vec![self.shared.clone()]).wait()?;
        let path = self.shared.path.clone();
        let gone = || StoreError::Gone { path: path.clone() };
        let mounted = core.mounts.take_out(&self.shared).ok_or_else(gone)?;
        // What is written from here on is no concern of this mount.
        let last = core.committed()?;
        let backend = end(mounted, Some(&last)).ok_or_else(gone)?;
        core.forget_all(&self.shared, &last)?;
        core.mounts.left(&path);
        Ok(backend)
    }

    fn core(&self) -> Result<Arc<Core>, StoreError> {
        self.core.upgrade().ok_or_else(|| StoreError::Gone { path: self.shared.path.clone() })
    }
}

impl Core {
    /// Removes the values of a mount that is gone from memory, but for what was written since.
    fn forget_all(&self, mount: &Arc<Shared>, last: &State) -> Result<(), StoreError> {
        let tree = last.tree(&mount.path);
        let own = tree.iter().filter(|(path, _)| mount.owns(path));
        let own: Entries = own.map(|(path, value)| (path.clone(), value.clone())).collect();
        let listeners = self.listeners.clone();
        self.write(self.scope(own.keys()), move |state| {
            for (path, value) in &own {
                if state.entries.get(path) == Some(value) {
                    state.entries.remove(path);
                    listeners.log(state, || Logged::plain(path));
                }
            }
        })
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mount").field(&self.shared.path).finish()
    }
}

impl fmt::Debug for MountBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountBuilder").field("path", &self.path).finish_non_exhaustive()
    }
}
