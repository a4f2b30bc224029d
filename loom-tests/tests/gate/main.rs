//! `cargo test --release` from loom-tests/: see README.md there.

mod gate;
mod hunt;
mod marks;
mod scenario;
mod world;

use scenario::Scenario;

fn scenarios() -> Vec<Scenario> {
    [marks::SCENARIOS, hunt::SCENARIOS].concat()
}

fn main() {
    gate::main(scenarios());
}
