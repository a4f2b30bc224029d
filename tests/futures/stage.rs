//! What the tests stand on: executors, one of them driven by hand, and a watchdog.

use isobar::{Failure, Graph, Spawn, Task};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the scene in a fresh graph on a thread of its own; a hang becomes a failure.
pub(crate) fn in_graph(scene: impl FnOnce(&Graph) + Send + 'static) {
    in_this(Graph::new(), scene);
}

pub(crate) fn in_this(graph: Graph, scene: impl FnOnce(&Graph) + Send + 'static) {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| graph.enter(|| scene(&graph))));
        done.send(ended).ok();
    });
    match outcome.recv_timeout(PATIENCE) {
        Ok(ended) => ended.unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => panic!("the scene did not end"),
    }
}

/// The scene, once on tokio's threads and once on two threads of another executor.
pub(crate) fn under_each_executor(scene: fn(&Graph, Spawner)) {
    in_graph(move |g| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("the system gives threads");
        scene(g, Spawner::of(runtime.handle().clone()));
    });
    in_graph(move |g| {
        let executor = Arc::new(async_executor::Executor::new());
        let stop = Door::new();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (executor, stopped) = (executor.clone(), stop.clone());
                thread::spawn(move || block_on(executor.run(stopped.wait())))
            })
            .collect();
        let spawn = executor.clone();
        scene(g, Spawner::of(move |task: Task| spawn.spawn(task).detach()));
        stop.open();
        for thread in threads {
            thread.join().expect("the executor's threads end quietly");
        }
    });
}

/// A spawner that may be given to several nodes.
#[derive(Clone)]
pub(crate) struct Spawner(Arc<Mutex<dyn Spawn + Send>>);

impl Spawner {
    fn of(spawn: impl Spawn + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(spawn)))
    }
}

impl Spawn for Spawner {
    fn spawn(&self, task: Task) {
        lock(&self.0).spawn(task);
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// A door that opens once; whoever awaits it goes through.
#[derive(Clone)]
pub(crate) struct Door(Arc<Mutex<(bool, Vec<Waker>)>>);

/// The doors of runs, in the order in which they started.
pub(crate) type Doors = Arc<Mutex<Vec<Door>>>;

impl Door {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((false, Vec::new()))))
    }

    pub(crate) fn open(&self) {
        let mut state = lock(&self.0);
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn wait(&self) {
        std::future::poll_fn(|cx| {
            let mut state = lock(&self.0);
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// An executor without threads: nothing runs but inside `run`.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<Mutex<Vec<HandTask>>>);

struct HandTask(Option<Task>, Arc<Ready>);

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

impl Spawn for Hand {
    fn spawn(&self, task: Task) {
        lock(&self.0).push(HandTask(Some(task), Arc::new(Ready(AtomicBool::new(true)))));
    }
}

impl Hand {
    /// Polls what was woken until nothing is.
    pub(crate) fn run(&self) {
        while self.step() {}
    }

    /// Polls one task that was woken; false if there was none.
    pub(crate) fn step(&self) -> bool {
        let mut tasks = lock(&self.0);
        let woken = |task: &HandTask| task.0.is_some() && task.1.0.swap(false, SeqCst);
        let Some(index) = tasks.iter().position(woken) else { return false };
        let (mut task, ready) = (tasks[index].0.take().unwrap(), tasks[index].1.clone());
        drop(tasks);
        if task.as_mut().poll(&mut Context::from_waker(&Waker::from(ready))).is_pending() {
            lock(&self.0)[index].0 = Some(task);
        }
        true
    }

    /// Drops all tasks, as an executor that is shut down does.
    pub(crate) fn shut_down(&self) {
        let tasks = std::mem::take(&mut *lock(&self.0));
        drop(tasks);
    }

    pub(crate) fn tasks(&self) -> usize {
        lock(&self.0).iter().filter(|task| task.0.is_some()).count()
    }
}

/// Polls once, with a waker that tells nobody.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What happened, in order.
pub(crate) struct Trace<T>(Arc<Mutex<Vec<T>>>);

impl<T> Trace<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    pub(crate) fn note(&self, what: T) {
        lock(&self.0).push(what);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl<T> Clone for Trace<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A graph that notes its failures, in words.
pub(crate) fn reporting() -> (Graph, Trace<String>) {
    let failures = Trace::new();
    let noted = failures.clone();
    let graph = Graph::builder().on_error(move |failure: &Failure| noted.note(failure.to_string()));
    (graph.build(), failures)
}

/// Notes when it is dropped.
pub(crate) struct Dropped(pub(crate) Trace<&'static str>, pub(crate) &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pending once, and woken at once.
pub(crate) async fn once_more() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
