//! The six graphs of layers that the JavaScript reactivity benchmark calls dynamic: each node sums
//! its neighbours of the layer above; some leave one out, another at each run.

use super::{Formula, Id, Plan, Shape, Writes};

/// A graph of layers, in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Dynamic {
    /// Its name in lists and tables.
    pub name: &'static str,
    /// Nodes a layer, and signals.
    pub width: usize,
    /// Layers, that of the signals included.
    pub layers: usize,
    /// Of a hundred nodes, so many always read all their sources.
    pub fixed_percent: u64,
    /// Sources a node.
    pub sources: usize,
    /// Of a hundred nodes of the last layer, so many are read at each step.
    pub read_percent: u64,
}

const fn layers(
    name: &'static str,
    [width, layers, sources]: [usize; 3],
    [fixed_percent, read_percent]: [u64; 2],
) -> Dynamic {
    Dynamic { name, width, layers, fixed_percent, sources, read_percent }
}

/// The six.
pub const DYNAMIC: [Dynamic; 6] = [
    layers("dyn_simple", [10, 5, 2], [100, 20]),
    layers("dyn_dynamic", [10, 10, 6], [75, 20]),
    layers("dyn_large_web_app", [1000, 12, 4], [95, 100]),
    layers("dyn_wide_dense", [1000, 5, 25], [100, 100]),
    layers("dyn_deep", [5, 500, 3], [100, 100]),
    layers("dyn_very_dynamic", [100, 15, 6], [50, 100]),
];

/// The shape of it: the choice of nodes is the same at each call.
pub fn dynamic(of: &Dynamic) -> Shape {
    let mut chance = Chance(0);
    let mut nodes = Vec::with_capacity(of.width * (of.layers - 1));
    for layer in 0..of.layers - 1 {
        for place in 0..of.width {
            let source = |i: usize| above(layer, (place + i) % of.width, of.width);
            let sources = (0..of.sources).map(source).collect();
            let is_fixed = chance.percent() < of.fixed_percent;
            nodes.push(if is_fixed { Formula::Sum(sources) } else { Formula::Dropping(sources) });
        }
    }
    let mut pulled: Vec<_> = (nodes.len() - of.width..nodes.len()).collect();
    let kept = (of.width as u64 * of.read_percent).div_ceil(100) as usize;
    while pulled.len() > kept {
        let place = chance.next() as usize % pulled.len();
        pulled.remove(place);
    }
    Shape {
        name: of.name.to_owned(),
        signals: of.width,
        gathered: false,
        computeds: nodes,
        effects: Vec::new(),
        pulled,
        writes: Writes::InTurn,
        plan: Plan::Dynamic { sources: of.sources },
    }
}

fn above(layer: usize, place: usize, width: usize) -> Id {
    match layer {
        0 => Id::Signal(place),
        _ => Id::Computed((layer - 1) * width + place),
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn percent(&mut self) -> u64 {
        self.next() % 100
    }
}
