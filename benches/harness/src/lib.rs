//! x
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
pub use engine::{Engine, OneThread, Read, ReadList, Source, Threaded};
pub use floor::{of as floor, parallel as parallel_floor};
pub use options::Options;
pub use program::{main, run};
pub use record::{Entry, FileError, Line, Machine, Quantity, Record, Verdict, Writer};
pub use reference::{Expected, Reference};
pub use runner::BenchError;
pub use schedule::Schedule;
pub use shape::Shape;
pub use workload::{Section, Task, Workload, all as workloads};
