//! What nodes and steps cost in memory, counted by the allocator.

use isobar_benches::allocator::{Counted, counted};
use isobar_benches::assembly::{Assembly, Steps};
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};
use isobar_benches::shapes::{self, Shape};

const NODES: usize = 10_000;

pub fn print() {
    println!("Bytes a node, handle and closure included, sources not (allocations a node):\n");
    println!("| | signal | computed of 1 | computed of 4 | effect |");
    println!("|---|---:|---:|---:|---:|");
    row("isobar", Isobar::usual);
    row("alien-signals", || Alien);
    row("reactive_graph", Leptos::new);
    println!("\nAllocations a recomputed node, in steady state:\n");
    println!("| | isobar | isobar, 1 thread | alien-signals | reactive_graph |");
    println!("|---|---:|---:|---:|---:|");
    for shape in shapes::all() {
        let ours = steps(Isobar::usual(), &shape);
        let alone = steps(Isobar::alone(), &shape);
        let theirs = steps(Alien, &shape);
        let small = shape.computeds.len() < 10_000;
        let leptos = if small { steps(Leptos::new(), &shape) } else { String::new() };
        println!("| {} | {ours} | {alone} | {theirs} | {leptos} |", shape.name);
    }
    println!();
}

/// Each kind in an engine of its own; all are kept to the end, because an engine may serve new
/// nodes from the memory of dropped ones.
fn row<E: Engine>(name: &str, engine: impl Fn() -> E) {
    let engines: [E; 4] = std::array::from_fn(|_| engine());
    let [engine, ..] = &engines;
    let signals = each(|_| engine.signal(1));
    let [_, engine, ..] = &engines;
    let sources = own(engine, 1);
    let of_one = each(|index| {
        let a = sources[index].clone();
        let computed = engine.computed(move || a.read());
        computed.read();
        computed
    });
    let [_, _, engine, _] = &engines;
    let sources = own(engine, 4);
    let of_four = each(|index| {
        let [a, b, c, d] = std::array::from_fn(|i| sources[4 * index + i].clone());
        let computed = engine.computed(move || a.read() + b.read() + c.read() + d.read());
        computed.read();
        computed
    });
    let [.., engine] = &engines;
    let sources = own(engine, 1);
    let effects = each(|index| {
        let a = sources[index].clone();
        let effect = engine.effect(move || {
            a.read();
        });
        engine.settle();
        effect
    });
    println!("| {name} | {} | {} | {} | {} |", signals.1, of_one.1, of_four.1, effects.1);
}

/// Each node has sources of its own, made before, so that their growth is its own cost.
fn own<E: Engine>(engine: &E, sources: usize) -> Vec<E::Signal> {
    (0..NODES * sources).map(|_| engine.signal(1)).collect()
}

/// The nodes, and what one of them costs.
fn each<N>(make: impl Fn(usize) -> N) -> (Vec<N>, String) {
    let (nodes, Counted { allocations, bytes }) = counted(|| {
        let mut nodes = Vec::with_capacity(NODES);
        nodes.extend((0..NODES).map(&make));
        nodes
    });
    let (bytes, allocations) = (bytes as f64 / NODES as f64, allocations as f64 / NODES as f64);
    (nodes, format!("{bytes:.0} ({allocations:.1})"))
}

fn steps<E: Engine>(engine: E, shape: &Shape) -> String {
    let mut assembly = Assembly::new(engine, shape);
    let steps = (NODES / shape.recomputed).clamp(10, 1000) as u64;
    assembly.steps(2 * steps);
    let (_, counted) = counted(|| assembly.steps(steps));
    format!("{:.3}", counted.allocations as f64 / (steps * shape.recomputed as u64) as f64)
}
