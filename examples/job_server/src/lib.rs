//! Jobs behind a web server: start, pause, resume and cancel them on a page that shows their
//! progress live. `cargo run --release -p job-server`, and open the address it prints, twice.
//!
//! What to notice:
//!
//! - **A command and a step are transactions** (`examples/job_system/job.rs`, which the story in
//!   `examples/job_system/main.rs` tells without a web). Commands come from the connections'
//!   tasks, steps from the jobs' own, on any thread; a paused job does not move once pause has
//!   answered.
//! - **A frame is one revision.** The overview is a computed over the jobs, the frame one over
//!   jobs and overview. No frame mixes two states, however fast the jobs go, and however many
//!   clients watch, each revision is turned into text once at most.
//! - **A client is an effect with a schedule of its own** (`connection.rs`). It runs on the
//!   connection's task, when the client has taken the frame before: who reads slowly skips
//!   frames, who does not read at all costs one, and a worker never pays for who watches.
//! - **Ends are ends.** A connection that goes takes its effect along. `Graph::shutdown` ends
//!   effects and streams, and with them connections and workers: no other flag is needed.
//! - **Time is a source.** A job takes a step whenever `Clock::now` changes; with a manual clock
//!   the tests drive the whole server, page included, without a wait for the time to pass.

mod board;
mod connection;
#[path = "../../job_system/job.rs"]
mod job;
mod message;
mod server;

pub use board::{CAPACITY, STEP};

pub use server::Server;
