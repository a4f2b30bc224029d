//! `cargo test --release` from loom-tests/: see README.md there.

mod gate;
mod scenario;
mod world;

mod commit;
mod effects;
mod evaluate;
mod holds;
mod marks;
mod overlay;
mod read;
mod solo;

use scenario::Scenario;

fn scenarios() -> Vec<Scenario> {
    let mut scenarios = [
        commit::SCENARIOS,
        effects::SCENARIOS,
        evaluate::SCENARIOS,
        holds::SCENARIOS,
        marks::SCENARIOS,
        overlay::SCENARIOS,
        read::SCENARIOS,
        solo::SCENARIOS,
    ]
    .concat();
    scenarios.sort_unstable_by_key(|scenario| scenario.name);
    scenarios
}

fn main() {
    gate::main(scenarios());
}
