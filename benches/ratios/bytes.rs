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
    row("isobar", Isobar::usual());
    row("alien-signals", Alien);
    row("reactive_graph", Leptos::new());
    println!("\nAllocations a recomputed node, in steady state:\n");
    println!("| | isobar | alien-signals | reactive_graph |");
    println!("|---|---:|---:|---:|");
    for shape in shapes::all() {
        let ours = steps(Isobar::usual(), &shape);
        let theirs = steps(Alien, &shape);
        let small = shape.computeds.len() < 10_000;
        let leptos = if small { steps(Leptos::new(), &shape) } else { String::new() };
        println!("| {} | {ours} | {theirs} | {leptos} |", shape.name);
    }
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

fn steps<E: Engine>(engine: E, shape: &Shape) -> String {
    let mut assembly = Assembly::new(engine, shape);
    let steps = (NODES / shape.recomputed).clamp(10, 1000) as u64;
    assembly.steps(2 * steps);
    let (_, counted) = counted(|| assembly.steps(steps));
    format!("{:.3}", counted.allocations as f64 / (steps * shape.recomputed as u64) as f64)
}
