//! `isobar bench`: this engine among the harness's contenders.

#[allow(unreachable_pub, reason = "the benchmarks of `isobar-benches` use the file as well")]
mod engine;

use isobar_harness::allocator::Counting;
use isobar_harness::{Contenders, Options, Role};

use crate::bench::engine::Isobar;
use crate::fault::Fault;

/// Counts only while it is asked to.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub(crate) fn bench(options: &Options) -> Result<(), Fault> {
    let contenders = Contenders::bounds()
        .with_threads("isobar", Role::Own, Isobar::usual)
        .with("isobar_alone", Role::Variant, Isobar::alone)
        .peers();
    Ok(isobar_harness::run(&contenders, options, &["bench"])?)
}
