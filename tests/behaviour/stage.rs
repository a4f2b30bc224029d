//! What every test stands on: a fresh graph under a watchdog, a trace of what ran, and halts that
//! steer two threads into one order. Nothing here sleeps and nothing measures time.

use std::any::{Any, type_name_of_val};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use isobar::{Failure, Graph, ReadError, WriteError};

/// Far beyond what any scene takes, also in a debug build on a busy machine.
const PATIENCE: u64 = if cfg!(miri) { 600 } else { 60 };

/// Runs the scene on a thread of its own and panics with its name when it does not end.
pub(crate) fn within<R: Send + 'static>(
    name: &str,
    seconds: u64,
    scene: impl FnOnce() -> R + Send + 'static,
) -> R {
    within_stack(name, seconds, 0, scene)
}

/// `within`, on a stack of so many bytes (0: the usual size).
pub(crate) fn within_stack<R: Send + 'static>(
    name: &str,
    seconds: u64,
    stack: usize,
    scene: impl FnOnce() -> R + Send + 'static,
) -> R {
    count_panics();
    let (done, outcome) = mpsc::channel();
    let mut builder = thread::Builder::new().name(name.to_owned());
    if stack > 0 {
        builder = builder.stack_size(stack);
    }
    let spawned = builder.spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(scene));
        done.send(ended).ok();
    });
    let actor = spawned.expect("the system gives a thread");
    match outcome.recv_timeout(Duration::from_secs(seconds)) {
        Ok(Ok(value)) => {
            actor.join().expect("everything the scene left behind drops quietly");
            value
        }
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{name} did not end within {seconds} s"),
    }
}

/// The scene plays in a fresh graph, entered, under the watchdog; its name is the test's.
pub(crate) fn in_graph(scene: impl FnOnce(&Graph) + Send + 'static) {
    in_this(Graph::new, scene);
}

/// `in_graph`, in a graph that notes each contained failure.
pub(crate) fn in_reporting_graph(scene: impl FnOnce(&Graph, Trace<String>) + Send + 'static) {
    let name = type_name_of_val(&scene);
    within(name, PATIENCE, move || {
        let failures = Trace::new();
        let graph = reporting_to(&failures);
        graph.enter(|| scene(&graph, failures));
    });
}

/// `in_graph`, in the graph that `build` makes.
pub(crate) fn in_this(
    build: impl FnOnce() -> Graph + Send + 'static,
    scene: impl FnOnce(&Graph) + Send + 'static,
) {
    let name = type_name_of_val(&scene);
    within(name, PATIENCE, move || {
        let graph = build();
        graph.enter(|| scene(&graph));
    });
}

/// For scenes that build their own graphs.
pub(crate) fn on_stage(scene: impl FnOnce() + Send + 'static) {
    let name = type_name_of_val(&scene);
    within(name, PATIENCE, scene);
}

/// A graph whose `on_error` notes what failed, in words.
pub(crate) fn reporting_to(failures: &Trace<String>) -> Graph {
    let failures = failures.clone();
    Graph::builder().on_error(move |failure| failures.note(in_words(failure))).build()
}

fn in_words(failure: &Failure) -> String {
    match failure {
        Failure::Effect { node, message, .. } => format!("effect {node}: {message}"),
        Failure::Cleanup { message, .. } => format!("cleanup: {message}"),
        Failure::Drop { message, .. } => format!("drop: {message}"),
        Failure::Looping(looping) => format!("looping {}", looping.names.join(" ")),
        other => format!("{other:?}"),
    }
}

/// What ran, in order, with which values. `take` hands the record over and begins a new one.
pub(crate) struct Trace<T>(Arc<Mutex<Vec<T>>>);

impl<T> Trace<T> {
    pub(crate) fn new() -> Self {
        Trace(Arc::new(Mutex::new(Vec::new())))
    }

    pub(crate) fn note(&self, what: T) {
        lock(&self.0).push(what);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *lock(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

impl<T: std::fmt::Debug> Trace<T> {
    /// Fails when anything ran since last asked.
    #[track_caller]
    pub(crate) fn expect_silence(&self) {
        let noted = self.take();
        assert!(noted.is_empty(), "nothing was to run, but there was {noted:?}");
    }
}

impl<T: Ord> Trace<T> {
    /// For runs whose order is nobody's business.
    pub(crate) fn take_sorted(&self) -> Vec<T> {
        let mut all = self.take();
        all.sort();
        all
    }
}

impl<T> Clone for Trace<T> {
    fn clone(&self) -> Self {
        Trace(Arc::clone(&self.0))
    }
}

/// How often something ran since last asked.
#[derive(Clone)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Self {
        Count(Arc::new(AtomicUsize::new(0)))
    }

    pub(crate) fn tick(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, SeqCst)
    }
}

/// Closed until opened; opened for good.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Self {
        Gate(Arc::new((Mutex::new(false), Condvar::new())))
    }

    pub(crate) fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    pub(crate) fn pass(&self) {
        let mut open = lock(&self.0.0);
        while !*open {
            open = self.0.1.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A place in user code where one visitor stands until it is released; the others walk through.
#[derive(Clone)]
pub(crate) struct Halt(Arc<Place>);

struct Place {
    armed: AtomicUsize,
    reached: Gate,
    release: Gate,
}

impl Halt {
    /// Stops the first visitor.
    pub(crate) fn first() -> Self {
        let halt = Self::idle();
        halt.arm();
        halt
    }

    /// Stops nobody until armed.
    pub(crate) fn idle() -> Self {
        Halt(Arc::new(Place {
            armed: AtomicUsize::new(0),
            reached: Gate::new(),
            release: Gate::new(),
        }))
    }

    pub(crate) fn arm(&self) {
        self.0.armed.store(1, SeqCst);
    }

    /// Called by the code under test.
    pub(crate) fn here(&self) {
        if self.0.armed.swap(0, SeqCst) == 1 {
            self.0.reached.open();
            self.0.release.pass();
        }
    }

    /// Waits until somebody stands there.
    pub(crate) fn reached(&self) {
        self.0.reached.pass();
    }

    pub(crate) fn was_reached(&self) -> bool {
        *lock(&self.0.reached.0.0)
    }

    pub(crate) fn release(&self) {
        self.0.release.open();
    }
}

/// The words of the panic that this raises; no panic is a failure of the test.
pub(crate) fn caught<R>(doing: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(doing)) {
        Ok(_) => panic!("a panic was expected and none came"),
        Err(payload) => message(payload.as_ref()),
    }
}

/// What a panic says, be it text or an error of ours.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(error) = payload.downcast_ref::<ReadError>() {
        error.to_string()
    } else if let Some(error) = payload.downcast_ref::<WriteError>() {
        error.to_string()
    } else {
        "a panic without words".to_owned()
    }
}

/// Collects until what is measured is as expected. A thread that the system suspends in the middle
/// of a read, in whatever graph, may hold up one collection; what no collection drops is a leak.
#[track_caller]
pub(crate) fn collects_to<T: PartialEq + std::fmt::Debug>(
    g: &Graph,
    expected: T,
    measured: impl Fn() -> T,
) {
    for _ in 0..10_000 {
        g.collect();
        if measured() == expected {
            return;
        }
        thread::yield_now();
    }
    assert_eq!(measured(), expected);
}

/// Fails unless `text` holds every one of `words`.
#[track_caller]
pub(crate) fn says(text: impl AsRef<str>, words: &[&str]) {
    let text = text.as_ref();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
}

thread_local!(static HOOKED: Cell<usize> = const { Cell::new(0) });
thread_local!(static PANICKED_IN: Cell<Option<String>> = const { Cell::new(None) });

/// How often the panic hook ran on this thread since last asked.
pub(crate) fn hook_runs() -> usize {
    HOOKED.replace(0)
}

/// The file that the last panic of this thread names, since last asked.
pub(crate) fn panicked_in() -> Option<String> {
    PANICKED_IN.take()
}

fn count_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            HOOKED.with(|runs| runs.set(runs.get() + 1));
            PANICKED_IN.set(info.location().map(|place| place.file().to_owned()));
            usual(info);
        }));
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
