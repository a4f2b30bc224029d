//! How many uncontended `AtomicU64::fetch_add` does each operation cost, here and now? One run of
//! less than a minute; every repetition measures all contenders one after the other, so that a
//! disturbed second disturbs them all. Prints Markdown.
//!
//! `cargo bench -p isobar-benches --bench ratios [-- part of a name ..]`; the last recorded
//! answer is in docs/BENCHMARKS.md.

use isobar_benches::allocator::Counting;

mod ratios {
    pub mod bytes;
    pub mod meter;
    pub mod questions;
    pub mod threads;
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    ratios::meter::print_machine();
    // First, while no dropped nodes lie about.
    if is_wanted("bytes") {
        ratios::bytes::print();
    }
    let mut questions = ratios::questions::all(&is_wanted);
    ratios::meter::measure(&mut questions);
    ratios::meter::print(&questions);
    ratios::meter::print_reach(&questions);
    if is_wanted("threads") {
        ratios::threads::print();
    }
    ratios::meter::print_load("at the end");
}
