//! The runs of an async node: one task, which starts, polls, supersedes and drops them.
//!
//! Each poll of a run is the first run of an ordinary effect, the *watch* of that stretch: the
//! engine tracks what it reads at one revision, commits what it writes, reports what it panics
//! with, and runs the watch again when something of it has changed, which wakes the task. So no
//! change is lost between a read and its subscription, and this file needs no protocol of its own.
//!
//! ```text
//!   write -> wave -> watch runs again -> board -> waker -> task -> next run's first stretch
//! ```

use crate::block::Shared;
use crate::engine::frame::{Frame, OwnedBy, Reads, Tracker, View};
use crate::engine::owner::Owner;
use crate::engine::react::{self, caused_by};
use crate::engine::read::{self, Track};
use crate::engine::wave;
use crate::error::Failure;
use crate::structure::node::NodeRef;
use crate::structure::world::World;
use crate::sync::{AcqRel, AtomicBool, Mutex, Release};
use crate::waiting::Event;
use crate::{Effect, Scope};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// What happens when something that a run has read changes before the run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum WhenChanged {
    /// The newest wins: the run's future is dropped and the next run starts. All that a run has
    /// read, before and after its awaits, is then the state of one revision.
    #[default]
    Latest,
    /// The run finishes; then one run follows for all that has changed meanwhile.
    Finish,
    /// The run finishes; then one run follows for each change, in order. What a run reads before
    /// its first await is the state that its change left. Memory: the versions of the changes that
    /// wait. Waves conflate commits that other threads make at the same time.
    Queue,
    /// The next run starts beside those that are not finished. Only the newest run's reads count
    /// as sources.
    Overlap,
}

/// How a run's future ended.
pub(crate) enum End {
    Done,
    Failed(Arc<str>),
    /// Called at the end of the last stretch, inside it, with the run's number and what it has
    /// read.
    Publish(Publish),
}

type Publish = Box<dyn FnOnce(u64, &[Seen]) + Send>;

pub(crate) type RunFuture = Pin<Box<dyn Future<Output = End> + Send>>;
/// Called in a run's first stretch.
pub(crate) type Start = Box<dyn FnMut() -> RunFuture + Send>;

/// What a run has read: a node and its value then.
pub(crate) type Seen = (NodeRef, Shared);

/// Is the value of this node, where this is asked, still what was seen?
pub(crate) fn is_unchanged((node, seen): &Seen, track: Track) -> bool {
    read::find(node, track).is_ok_and(|now| {
        std::ptr::eq(seen.header(), now.kept.header())
            || react::is_same(node, seen.header(), now.kept.header())
    })
}

/// What an async node is made of.
pub(crate) struct Plan {
    pub(crate) world: Arc<World>,
    pub(crate) name: Arc<str>,
    pub(crate) when_changed: WhenChanged,
    pub(crate) start: Start,
    /// Called when the executor lets go of the task.
    pub(crate) abandoned: Box<dyn FnOnce() + Send>,
}

/// What the task, the watches and the handle share.
pub(crate) struct Board {
    world: Arc<World>,
    name: Arc<str>,
    when_changed: WhenChanged,
    state: Mutex<State>,
    /// Told when a poll is over.
    polled: Event,
}

/// The lock is held for looking and storing only.
struct State {
    life: Life,
    /// The runs, while nobody polls them.
    runs: Option<Box<Runs>>,
    polling: bool,
    /// What has woken the node and has not been looked at.
    changes: VecDeque<Change>,
    /// The newest run: only its watches count.
    newest: u64,
    /// Of a queue: the newest change that was queued, and the revision it is to be read at.
    queued: (u64, u64),
    /// Shared, because cloning a waker is foreign code, which no lock may be held for.
    task: Option<Arc<Waker>>,
    /// Who awaits `idle`.
    idle: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Not given to an executor yet.
    Waiting,
    Running,
    Disposed,
}

/// A reason to run.
struct Change {
    /// How many runs of effects led to it.
    rounds: u32,
    at: Option<HeldRevision>,
}

struct HeldRevision {
    world: Arc<World>,
    revision: u64,
}

impl Drop for HeldRevision {
    fn drop(&mut self) {
        self.world.holds.unshare(self.revision);
    }
}

struct Runs {
    start: Start,
    newest: Option<Run>,
    /// Runs that a newer one was started beside, oldest first.
    older: Vec<Run>,
    due: VecDeque<Change>,
}

/// The fields are dropped in this order.
struct Run {
    number: u64,
    stage: Stage,
    /// Owns what the run makes.
    scope: Scope,
    watches: Vec<Effect>,
    sources: Vec<Seen>,
    wake: Arc<RunWaker>,
}

enum Stage {
    Due(Change),
    Awaiting(RunFuture),
    Ended,
}

impl Run {
    fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }
}

/// Says which run is to be polled.
struct RunWaker {
    ready: AtomicBool,
    board: Weak<Board>,
}

impl Wake for RunWaker {
    fn wake(self: Arc<Self>) {
        // Release: whoever polls because of it sees what was done before; pairs with the swap in
        // `poll_if_ready`.
        self.ready.store(true, Release);
        if let Some(board) = self.board.upgrade() {
            board.wake_task();
        }
    }
}

/// The task of a node; ends when the node is disposed.
pub(crate) struct Driver {
    board: Arc<Board>,
    abandoned: Option<Box<dyn FnOnce() + Send>>,
}

impl Driver {
    pub(crate) fn new(plan: Plan) -> Self {
        let Plan { world, name, when_changed, start, abandoned } = plan;
        let runs = Runs { start, newest: None, older: Vec::new(), due: VecDeque::new() };
        let state = State {
            life: Life::Waiting,
            runs: Some(Box::new(runs)),
            polling: false,
            changes: VecDeque::new(),
            newest: 0,
            queued: (0, 0),
            task: None,
            idle: Vec::new(),
        };
        let state = Mutex::new(state);
        let board = Arc::new(Board { world, name, when_changed, state, polled: Event::new() });
        Self { board, abandoned: Some(abandoned) }
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let board = &self.board;
        let Some(mut runs) = board.begin(cx.waker().clone()) else { return Poll::Ready(()) };
        // Whatever the executor polls inside of is no part of this.
        board.apart(|| runs.turn(board));
        if board.end(runs) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let board = &self.board;
        if !board.cancel_if(Life::Running) {
            return;
        }
        board.world.report(&Failure::Abandoned { node: board.name.clone() });
        let abandoned = self.abandoned.take();
        board.apart(|| board.world.contain_drop(|| abandoned.into_iter().for_each(|f| f())));
    }
}

impl Board {
    /// The first run is due; the task is about to be given to an executor.
    pub(crate) fn open(&self) {
        let rounds = react::rounds_here();
        let mut state = self.state.lock();
        if state.life == Life::Waiting {
            state.life = Life::Running;
            state.changes.push_back(Change { rounds, at: None });
        }
    }

    fn apart<R>(&self, f: impl FnOnce() -> R) -> R {
        Frame { graph: &self.world, ..Frame::detached() }.enter(f)
    }

    fn wake_task(&self) {
        let task = self.state.lock().task.clone();
        if let Some(task) = task {
            task.wake_by_ref();
        }
    }

    /// Takes the runs, to poll them; `None`: there will be no more.
    fn begin(&self, task: Waker) -> Option<Box<Runs>> {
        let task = Arc::new(task);
        let mut state = self.state.lock();
        let before = state.task.replace(task);
        let runs = state.runs.take();
        state.polling = runs.is_some();
        drop(state);
        drop(before);
        runs
    }

    /// Gives the runs back; false if the node was disposed meanwhile.
    fn end(&self, runs: Box<Runs>) -> bool {
        let mut runs = Some(runs);
        let mut state = self.state.lock();
        let lives = state.life == Life::Running;
        let mut idle = Vec::new();
        if lives {
            if state.changes.is_empty() && runs.as_ref().is_some_and(|runs| runs.is_idle()) {
                idle = std::mem::take(&mut state.idle);
            }
            state.runs = runs.take();
        }
        drop(state);
        self.let_go(runs);
        idle.into_iter().for_each(Waker::wake);
        self.state.lock().polling = false;
        self.polled.notify();
        lives
    }

    /// Drops futures first, then what they made.
    fn let_go(&self, runs: Option<Box<Runs>>) {
        self.apart(|| self.world.contain_drop(|| drop(runs)));
    }

    /// No run starts or goes on any more; what is not being polled at this moment is dropped.
    pub(crate) fn cancel(&self) {
        self.cancel_if(Life::Running);
    }

    fn cancel_if(&self, life: Life) -> bool {
        let mut state = self.state.lock();
        let ends = state.life == life;
        state.life = Life::Disposed;
        let runs = state.runs.take();
        let task = state.task.take();
        let idle = std::mem::take(&mut state.idle);
        let changes = std::mem::take(&mut state.changes);
        drop(state);
        self.let_go(runs);
        drop(changes);
        task.into_iter().for_each(|task| task.wake_by_ref());
        idle.into_iter().for_each(Waker::wake);
        ends
    }

    /// Waits until no poll is in progress on another thread, unless somebody may wait for this
    /// one.
    pub(crate) fn wait_for_poll(&self) {
        if !react::is_inside() {
            self.polled.wait(None, || !self.state.lock().polling);
        }
    }

    /// Is nothing running, and nothing to be run? If not, `waker` hears of it.
    pub(crate) fn poll_idle(&self, waker: &Waker) -> Poll<()> {
        let waker = waker.clone();
        let mut state = self.state.lock();
        let idle = state.runs.as_ref().is_some_and(|runs| runs.is_idle());
        if state.life == Life::Disposed || (idle && state.changes.is_empty()) {
            return Poll::Ready(());
        }
        state.idle.push(waker);
        Poll::Pending
    }

    /// A watch tells that something the run has read is different now.
    fn changed(&self, number: u64, watching: &[NodeRef]) {
        let rounds = react::rounds_here();
        let queues = self.when_changed == WhenChanged::Queue;
        let (key, at) = if queues { self.queued(watching) } else { ((0, 0), None) };
        let change = Change { rounds, at };
        let mut state = self.state.lock();
        let known = queues && (key.0 <= state.queued.0 || key.1 <= state.queued.1);
        if state.life != Life::Running || number != state.newest || known {
            // Before the hold ends.
            drop(state);
            return drop(change);
        }
        state.queued = key;
        state.changes.push_back(change);
        drop(state);
        self.wake_task();
    }

    /// What tells a change from another, and the revision to read it at. Reads what is watched
    /// again, so that the watch goes on.
    fn queued(&self, watching: &[NodeRef]) -> ((u64, u64), Option<HeldRevision>) {
        let found = watching.iter().filter_map(|node| read::find(node, Track::Yes).ok());
        let changed_at = found.map(|found| found.changed_at).max().unwrap_or(0);
        let revision = Frame::current().fixed_view().map_or(0, |view| view.revision);
        self.world.holds.share_held(revision);
        let held = HeldRevision { world: self.world.clone(), revision };
        ((changed_at, revision), Some(held))
    }
}

impl Runs {
    fn is_idle(&self) -> bool {
        self.newest.as_ref().is_none_or(Run::is_ended)
            && self.older.is_empty()
            && self.due.is_empty()
    }

    /// Looks at what has changed, and polls what is ready.
    fn turn(&mut self, board: &Arc<Board>) {
        self.due.extend(std::mem::take(&mut board.state.lock().changes));
        if let Some(change) = self.next(board.when_changed) {
            self.begin(board, change);
        }
        for run in std::mem::take(&mut self.older) {
            let run = self.poll_if_ready(board, run, Newest::No);
            self.older.extend(run.filter(|run| !run.is_ended()));
        }
        if let Some(run) = self.newest.take() {
            self.newest = self.poll_if_ready(board, run, Newest::Yes);
        }
        if !self.due.is_empty() && self.newest.as_ref().is_none_or(Run::is_ended) {
            board.wake_task();
        }
    }

    /// Why a run is to start now, if one is.
    fn next(&mut self, when_changed: WhenChanged) -> Option<Change> {
        let busy = self.newest.as_ref().is_some_and(|run| !run.is_ended());
        if when_changed == WhenChanged::Queue {
            return if busy { None } else { self.due.pop_front() };
        }
        // One run is for all that has come together.
        let last = self.due.pop_back()?;
        self.due.clear();
        if busy && when_changed == WhenChanged::Finish {
            self.due.push_back(last);
            return None;
        }
        Some(last)
    }

    fn begin(&mut self, board: &Arc<Board>, change: Change) {
        let before = self.newest.take();
        match before {
            Some(mut run) if board.when_changed == WhenChanged::Overlap && !run.is_ended() => {
                run.watches.clear();
                self.older.push(run);
            }
            // Before the next one starts: what it cleans up must not meet what that one makes.
            before => board.world.contain_drop(|| drop(before)),
        }
        let mut state = board.state.lock();
        state.newest += 1;
        let number = state.newest;
        drop(state);
        let wake = RunWaker { ready: AtomicBool::new(true), board: Arc::downgrade(board) };
        self.newest = Some(Run {
            number,
            stage: Stage::Due(change),
            scope: crate::scope(|| ()),
            watches: Vec::new(),
            sources: Vec::new(),
            wake: Arc::new(wake),
        });
    }

    /// One stretch of a run, if it was woken; `None`: the graph was shut down.
    fn poll_if_ready(&mut self, board: &Arc<Board>, run: Run, newest: Newest) -> Option<Run> {
        // AcqRel: pairs with the Release in `wake`: a wake-up from now on is for the next poll.
        if run.is_ended() || !run.wake.ready.swap(false, AcqRel) {
            return Some(run);
        }
        let start = std::mem::replace(&mut self.start, Box::new(|| unreachable!("given away")));
        let ending = Ending::Open;
        let stretch = Stretch { run, start, newest, watching: Vec::new(), ending };
        let mut stretch = stretch.perform(board)?;
        self.start = stretch.start;
        match stretch.ending {
            Ending::Open => {}
            Ending::Failed(message) => {
                let (node, world) = (board.name.clone(), &board.world);
                world.report(&Failure::Effect { node, message });
            }
            Ending::Panicked => {
                let stage = std::mem::replace(&mut stretch.run.stage, Stage::Ended);
                board.world.contain_drop(|| drop(stage));
            }
            Ending::Superseded => {
                board.state.lock().changes.push_back(Change { rounds: 0, at: None });
                board.wake_task();
            }
        }
        Some(stretch.run)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Newest {
    Yes,
    No,
}

/// What is left to do once a stretch has been committed.
enum Ending {
    Open,
    Failed(Arc<str>),
    Panicked,
    /// What the run has read is no longer the state.
    Superseded,
}

/// A run between two awaits, with all that it needs inside its watch.
struct Stretch {
    run: Run,
    start: Start,
    newest: Newest,
    /// What this stretch was the first of the run to read.
    watching: Vec<NodeRef>,
    ending: Ending,
}

impl Stretch {
    /// Polls the run as the first run of a new watch.
    fn perform(mut self, board: &Arc<Board>) -> Option<Self> {
        let number = self.run.number;
        let (rounds, at) = match &mut self.run.stage {
            Stage::Due(change) => (change.rounds, change.at.take()),
            // What follows an await is caused by what was awaited, not by the effects before.
            _ => (0, None),
        };
        let cell = Arc::new(Mutex::new(Some(self)));
        let body = {
            let (cell, board) = (cell.clone(), board.clone());
            let mut watching: Option<Vec<NodeRef>> = None;
            move || {
                if let Some(watching) = &watching {
                    return board.changed(number, watching);
                }
                let mut stretch = cell.lock().take().expect("a stretch is polled once");
                let polled = catch_unwind(AssertUnwindSafe(|| stretch.poll(&board)));
                watching = Some(stretch.watching.clone());
                if polled.is_err() {
                    stretch.ending = Ending::Panicked;
                }
                *cell.lock() = Some(stretch);
                // To the engine, which commits nothing and reports it.
                polled.unwrap_or_else(|payload| resume_unwind(payload));
            }
        };
        let watch = caused_by(rounds, || make_watch(board, at, body));
        let mut stretch = cell.lock().take()?;
        if matches!(stretch.run.stage, Stage::Due(_)) && matches!(stretch.ending, Ending::Open) {
            // The watch was not run: the graph is shut down, and soon this node is.
            return None;
        }
        // Of an older run nothing is watched: its watch ends here.
        if !stretch.watching.is_empty() {
            stretch.run.watches.push(watch);
        }
        Some(stretch)
    }

    /// Inside the watch's frame.
    fn poll(&mut self, board: &Board) {
        let mut still = self.run.sources.iter();
        if board.when_changed == WhenChanged::Latest
            && !still.all(|seen| is_unchanged(seen, Track::No))
        {
            self.ending = Ending::Superseded;
            return;
        }
        let polled = catch_unwind(AssertUnwindSafe(|| self.go_on()));
        if self.newest == Newest::Yes {
            self.remember();
        }
        match polled {
            Ok(None | Some(End::Done)) => {}
            Ok(Some(End::Failed(message))) => self.ending = Ending::Failed(message),
            Ok(Some(End::Publish(publish))) => publish(self.run.number, &self.run.sources),
            Err(payload) => resume_unwind(payload),
        }
    }

    fn go_on(&mut self) -> Option<End> {
        let Self { run, start, .. } = self;
        let waker = Waker::from(run.wake.clone());
        let stage = &mut run.stage;
        run.scope.run(|| {
            if let Stage::Due(_) = stage {
                *stage = Stage::Awaiting(start());
            }
            let Stage::Awaiting(future) = stage else { return None };
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                // Inside the stretch: what the drop writes belongs to it.
                *stage = Stage::Ended;
            }
            match polled {
                Poll::Pending => None,
                Poll::Ready(end) => Some(end),
            }
        })
    }

    /// Keeps what the stretch read, with the values it saw. A node that an earlier stretch saw with
    /// another value is kept with both, so what the run comes to is never taken for up to date.
    fn remember(&mut self) {
        let frame = Frame::current();
        let read = frame.tracker().map(Tracker::recorded).unwrap_or_default();
        if read.is_empty() {
            return;
        }
        let sources = &mut self.run.sources;
        let last = sources.iter().enumerate().map(|(at, (node, _))| (node.as_ptr(), at));
        let last: HashMap<_, usize> = last.collect();
        for node in read {
            let last = last.get(&node.as_ptr()).map(|at| &sources[*at]);
            if last.is_some_and(|seen| is_unchanged(seen, Track::No)) {
                continue;
            }
            if last.is_none() {
                self.watching.push(node.clone());
            }
            if let Ok(found) = read::find(&node, Track::No) {
                sources.push((node, found.kept.share()));
            }
        }
    }
}

/// Runs `body` at once, at the newest revision or at a held one, and again when what it read has
/// changed.
fn make_watch(
    board: &Board,
    at: Option<HeldRevision>,
    body: impl FnMut() + Send + 'static,
) -> Effect {
    let name = Some(board.name.clone());
    let Some(held) = at else { return Effect::on(&board.world, name, body) };
    let view = View::new(&board.world, held.revision);
    // An effect made inside of another's run is run at that one's revision.
    let owner = Owner::new(&board.world, Weak::new());
    let surroundings = Frame { graph: &board.world, ..Frame::detached() };
    let owner = OwnedBy::Owner(NonNull::from(&owner));
    let mut frame = Frame { reads: Reads::one(&view), owner, ..surroundings };
    let watch = frame.enter(|| Effect::on(&board.world, name, body));
    wave::after_commit(&board.world);
    watch
}
