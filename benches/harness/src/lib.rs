//! Measures reactive engines side by side, and checks their answers before it says how fast they
//! are. It knows no engine of its own: whoever maintains one implements [`Engine`], and has a
//! program.
//!
//! # An engine of your own
//!
//! A toy, whole: it recomputes everything whenever it settles. What it needs of [`Engine`] is all
//! there is; an engine that several threads may use implements [`Threaded`] too, and is added by
//! [`Contenders::with_threads`].
//!
//! ```no_run
//! use std::cell::RefCell;
//! use std::process::ExitCode;
//! use std::sync::{Arc, Mutex};
//!
//! use isobar_harness::allocator::Counting;
//! use isobar_harness::{Contenders, Engine, Frees, Read, ReadList, Role, Source};
//!
//! /// What runs when it settles: computeds before effects that read them, as they were made.
//! #[derive(Default)]
//! struct Toy(RefCell<Vec<Box<dyn Fn()>>>);
//!
//! #[derive(Clone)]
//! struct Node<T>(Arc<Mutex<T>>);
//!
//! impl<T: Clone> Node<T> {
//!     fn new(value: T) -> Self {
//!         Node(Arc::new(Mutex::new(value)))
//!     }
//!
//!     fn value(&self) -> T {
//!         self.0.lock().unwrap().clone()
//!     }
//! }
//!
//! impl Read for Node<u64> {
//!     fn read(&self) -> u64 {
//!         self.value()
//!     }
//! }
//!
//! impl ReadList for Node<Arc<[u64]>> {
//!     fn at(&self, index: usize) -> u64 {
//!         self.value()[index]
//!     }
//! }
//!
//! impl Toy {
//!     fn node<T: Clone + Send + 'static>(&self, f: impl Fn() -> T + 'static) -> Node<T> {
//!         let node = Node::new(f());
//!         let place = node.clone();
//!         self.0.borrow_mut().push(Box::new(move || *place.0.lock().unwrap() = f()));
//!         node
//!     }
//! }
//!
//! impl Engine for Toy {
//!     type Signal = Node<u64>;
//!     type Computed = Node<u64>;
//!     type Effect = ();
//!     type List = Node<Arc<[u64]>>;
//!
//!     const FREES: Frees = Frees::Graph;
//!
//!     fn signal(&self, value: u64) -> Node<u64> {
//!         Node::new(value)
//!     }
//!
//!     fn computed(
//!         &self,
//!         _: &[Source<'_, Self>],
//!         f: impl Fn() -> u64 + Send + Sync + 'static,
//!     ) -> Node<u64> {
//!         self.node(f)
//!     }
//!
//!     // Runs whether or not something changed: the harness will say so.
//!     fn effect(&self, _: &[Source<'_, Self>], f: impl Fn() + Send + Sync + 'static) {
//!         self.node(f);
//!     }
//!
//!     fn list(
//!         &self,
//!         _: &[Source<'_, Self>],
//!         f: impl Fn() -> Arc<[u64]> + Send + Sync + 'static,
//!     ) -> Node<Arc<[u64]>> {
//!         self.node(f)
//!     }
//!
//!     fn set(&self, signal: &Node<u64>, value: u64) {
//!         *signal.0.lock().unwrap() = value;
//!     }
//!
//!     fn batch(&self, f: impl FnOnce()) {
//!         f();
//!     }
//!
//!     fn settle(&self) {
//!         self.0.borrow().iter().for_each(|run| run());
//!     }
//! }
//!
//! /// Without it, bytes and allocations are not told.
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! fn main() -> ExitCode {
//!     // With the feature `peers`, `.peers()` adds the engines that this crate has adapters for.
//!     let contenders = Contenders::bounds().with("toy", Role::Own, Toy::default);
//!     isobar_harness::main(&contenders)
//! }
//! ```
//!
//! The program has the options of `isobar bench`: `--help` lists them. In a program with
//! subcommands, flatten [`Options`] into yours and call [`run`].
//!
//! # How it measures
//!
//! - **Every measurement is a process of its own**: the program starts itself again for one
//!   contender and one workload, with a limit on its time. The contenders take turns, so that a
//!   disturbed minute disturbs all of them, and the whole is repeated.
//! - **Answers come first.** A first process steps the shape with each closure watched, and
//!   compares every run with [`Reference`], an evaluation that recomputes everything. A value that
//!   is not shown, or is shown again although nothing changed, is *wrong*; a run that saw a state
//!   that never was is a *glitch*. Whoever has one of them is told as wrong, with the count, and
//!   gets no number. The processes that measure compare sums, before and after.
//! - **Then speed**: the process warms up until a sample takes at least two milliseconds, takes
//!   seven, and says their median. A cell of a table is the best repetition's median, since
//!   repetitions are disturbed and never helped; the spread is told.
//! - **What ends badly is told**: [`Verdict`].
//! - **Ratios within a run are what lasts.** Each process also measures one `fetch_add` that nobody
//!   contends for; `--compare` uses it to tell a slower machine from a slower engine.
//!
//! # What it measures
//!
//! Shapes are data ([`shape`]), so that another is a function; [`workloads`] lists them all. On
//! several threads, [`Crowd`] says what each does; torn states, lost updates and panics are counted
//! over everything that was timed.

pub mod allocator;
mod answers;
mod assembly;
pub mod cells;
mod contender;
pub mod crew;
mod crowd;
mod engine;
mod floor;
mod one;
pub mod operation;
mod options;
#[cfg(feature = "peers")]
pub mod peers;
mod program;
mod record;
mod reference;
pub mod report;
mod runner;
mod schedule;
pub mod shape;
mod workload;

pub use answers::{Answers, check, check_sums};
pub use assembly::{Assembly, Sink, Steps};
pub use contender::{Contender, Contenders, Role};
pub use crowd::{Crowd, Go};
pub use engine::{Engine, Frees, OneThread, Read, ReadList, Source, Threaded};
pub use floor::{of as floor, parallel as parallel_floor};
pub use options::Options;
pub use program::{main, run};
pub use record::{Entry, FileError, Line, Machine, Quantity, Record, Verdict, Writer};
pub use reference::{Expected, Reference};
pub use runner::BenchError;
pub use schedule::Schedule;
pub use shape::Shape;
pub use workload::{Section, Task, Workload, all as workloads};
