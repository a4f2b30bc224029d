//! What nodes and steps cost in memory, counted by the allocator.

use isobar_benches::allocator::{Counted, counted};
use isobar_benches::assembly::{Assembly, Steps};
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};
use isobar_benches::shapes;

const NODES: usize = 10_000;
const STEPS: u64 = 1000;

pub fn print() {
    println!("Bytes a node, handle and closure included, sources not (allocations a node):\n");
    println!("| | signal | computed of 1 | computed of 4 | effect |");
    println!("|---|---:|---:|---:|---:|");
    row("isobar", Isobar::usual());
    row("alien-signals", Alien);
    row("reactive_graph", Leptos::new());
    println!("\nAllocations a step, in steady state:\n");
    println!("| | chain_50 | fanout_1000 | update_1to1 |");
    println!("|---|---:|---:|---:|");
    steps("isobar", Isobar::usual);
    steps("alien-signals", || Alien);
    steps("reactive_graph", Leptos::new);
    println!();
}

fn row<E: Engine>(name: &str, engine: E) {
    let signals = each(|_| engine.signal(1));
    let sources: Vec<_> = (0..NODES + 4).map(|_| engine.signal(1)).collect();
    let of = |count: usize| {
        let (engine, sources) = (&engine, &sources);
        each(move |index| {
            let of: [_; 4] = std::array::from_fn(|i| sources[index + i].clone());
            let [a, b, c, d] = of;
            let computed = match count {
                1 => engine.computed(move || a.read()),
                _ => engine.computed(move || a.read() + b.read() + c.read() + d.read()),
            };
            computed.read();
            computed
        })
    };
    let (one, four) = (of(1), of(4));
    let effects = each(|index| {
        let signal = sources[index].clone();
        let effect = engine.effect(move || {
            signal.read();
        });
        engine.settle();
        effect
    });
    println!("| {name} | {signals} | {one} | {four} | {effects} |");
}

fn each<N>(make: impl Fn(usize) -> N) -> String {
    let (nodes, Counted { allocations, bytes }) = counted(|| {
        let mut nodes = Vec::with_capacity(NODES);
        nodes.extend((0..NODES).map(&make));
        nodes
    });
    drop(nodes);
    let (bytes, allocations) = (bytes as f64 / NODES as f64, allocations as f64 / NODES as f64);
    format!("{bytes:.0} ({allocations:.1})")
}

fn steps<E: Engine>(name: &str, engine: impl Fn() -> E) {
    let cells = ["chain_50", "fanout_1000", "update_1to1"].map(|shape| {
        let mut assembly = Assembly::new(engine(), &shapes::named(shape));
        assembly.steps(STEPS);
        let (_, counted) = counted(|| assembly.steps(STEPS));
        format!("{:.2}", counted.allocations as f64 / STEPS as f64)
    });
    println!("| {name} | {} |", cells.join(" | "));
}
