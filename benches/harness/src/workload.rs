//! Everything that is measured, by name.

use serde::{Deserialize, Serialize};

use crate::crowd::Crowd;
use crate::operation::{Kind, Operation};
use crate::shape::{self, Shape};

/// Where a workload stands in the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Reads, writes and making nodes.
    Operations,
    /// One step of each shape.
    Shapes,
    /// Cost against size.
    Growth,
    /// Bytes a node.
    Memory,
    /// Several threads.
    Threads,
}

impl Section {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 5] =
        [Self::Operations, Self::Shapes, Self::Growth, Self::Memory, Self::Threads];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Shapes => "shapes",
            Self::Growth => "growth",
            Self::Memory => "memory",
            Self::Threads => "threads",
        }
    }
}

/// Builds a shape, which may be large.
type Build = Box<dyn Fn(&str) -> Shape + Send + Sync>;

/// What is done.
#[allow(missing_debug_implementations, reason = "it holds a closure")]
pub enum Task {
    /// A shape is stepped.
    Steps(Build),
    /// An operation is repeated.
    Operation(Operation),
    /// Nodes are made and kept.
    Keep(Kind),
    /// Threads do something at the same time.
    Crowd(Crowd),
}

/// One line of the report.
#[allow(missing_debug_implementations, reason = "it holds a closure")]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub section: Section,
    /// What grows, and how far it has grown.
    pub growth: Option<(&'static str, usize)>,
    /// Left out by `--quick`.
    pub is_long: bool,
    /// A million nodes: it has four times as long as others.
    pub is_huge: bool,
    /// What is done.
    pub task: Task,
}

impl Workload {
    fn new(name: impl Into<String>, section: Section, task: Task) -> Self {
        Self { name: name.into(), section, growth: None, is_long: false, is_huge: false, task }
    }

    fn shape(name: &str, build: impl Fn(&str) -> Shape + Send + Sync + 'static) -> Self {
        Self::new(name, Section::Shapes, Task::Steps(Box::new(build)))
    }

    fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    fn huge(self) -> Self {
        Self { is_huge: true, ..self.long() }
    }
}

/// All workloads, in the order of the report.
pub fn all() -> Vec<Workload> {
    let mut all = operations();
    all.extend(usual());
    all.extend(growth());
    let computed = |sources| Kind::Computed { sources, sharing: 1 };
    let kept = [
        ("bytes_signal", Kind::Signal),
        ("bytes_comp_1", computed(1)),
        ("bytes_comp_4", computed(4)),
        ("bytes_effect", Kind::Effect),
    ];
    for (name, kind) in kept {
        all.push(Workload::new(name, Section::Memory, Task::Keep(kind)));
    }
    for (name, crowd) in Crowd::all() {
        all.push(Workload::new(name, Section::Threads, Task::Crowd(crowd)));
    }
    all
}

fn operations() -> Vec<Workload> {
    let computed = |sources, sharing| Kind::Computed { sources, sharing };
    let named = [
        ("read_signal", Operation::ReadSignal),
        ("read_computed", Operation::ReadComputed),
        ("write_unobserved", Operation::Write),
        ("write_equal", Operation::WriteEqual),
        ("batch_10", Operation::Batch(10)),
        ("create_signals", Operation::Create(Kind::Signal)),
        ("create_comp_0to1", Operation::Create(computed(0, 1))),
        ("create_comp_1to1", Operation::Create(computed(1, 1))),
        ("create_comp_2to1", Operation::Create(computed(2, 1))),
        ("create_comp_4to1", Operation::Create(computed(4, 1))),
        ("create_comp_1000to1", Operation::Create(computed(1000, 1))),
        ("create_comp_1to2", Operation::Create(computed(1, 2))),
        ("create_comp_1to4", Operation::Create(computed(1, 4))),
        ("create_comp_1to8", Operation::Create(computed(1, 8))),
        ("create_comp_1to1000", Operation::Create(computed(1, 1000))),
        ("create_effect_1to1", Operation::Create(Kind::Effect)),
        ("drop_signals", Operation::Drop(Kind::Signal)),
        ("drop_comp_1to1", Operation::Drop(computed(1, 1))),
        ("drop_comp_4to1", Operation::Drop(computed(4, 1))),
        ("drop_effect_1to1", Operation::Drop(Kind::Effect)),
    ];
    let workload =
        |(name, one): (&str, _)| Workload::new(name, Section::Operations, Task::Operation(one));
    named.into_iter().map(workload).collect()
}

fn usual() -> Vec<Workload> {
    let updates = |name: &str, signals, effects| {
        Workload::shape(name, move |name| shape::updates(name, signals, effects))
    };
    let cellx = |name: &str, layers| Workload::shape(name, move |name| shape::cellx(name, layers));
    let mut all = vec![
        updates("update_1to1", 1, 1),
        updates("update_2to1", 2, 1),
        updates("update_4to1", 4, 1),
        updates("update_1000to1", 1000, 1),
        updates("update_1to2", 1, 2),
        updates("update_1to4", 1, 4),
        updates("update_1to1000", 1, 1000),
        Workload::shape("fanout_1000", |name| shape::fanout(name, 1000)),
        Workload::shape("fanout_1000_pull", |name| shape::fanout_pull(name, 1000)),
        Workload::shape("chain_50", |name| shape::chain(name, 50)),
        Workload::shape("chain_1000", |name| shape::chain(name, 1000)),
        Workload::shape("diamond_5", |name| shape::diamond(name, 5)),
        Workload::shape("triangle_10", |name| shape::triangle(name, 10)),
        Workload::shape("broad_50", |name| shape::broad(name, 50)),
        Workload::shape("mux_100", |name| shape::mux(name, 100)),
        Workload::shape("repeated_30", |name| shape::repeated(name, 30)),
        Workload::shape("unstable", shape::unstable),
        Workload::shape("avoidable", shape::avoidable),
        Workload::shape("glitch_unbatched", shape::two_paths),
        cellx("cellx_10", 10),
        cellx("cellx_1000", 1000).long(),
        cellx("cellx_2500", 2500).long(),
    ];
    for dynamic in &shape::DYNAMIC {
        all.push(Workload::shape(dynamic.name, move |_| shape::dynamic(dynamic)));
    }
    // 2.7 and 780 ns a node, by hand.
    all.push(Workload::shape("wide10k_10ns", |name| shape::wide(name, 10_000, 6)));
    all.push(Workload::shape("wide10k_1us", |name| shape::wide(name, 10_000, 560)).long());
    all.push(Workload::shape("grid_1m", |name| shape::grid(name, 1000)).huge());
    all.push(Workload::shape("grid_1m_one", |name| shape::grid_one(name, 1000)).huge());
    if let Some(path) = shape::index() {
        let build = move |name: &str| {
            let empty = || shape::chain(name, 1);
            shape::packages(name, &path).unwrap_or_else(empty)
        };
        all.push(Workload::shape("debian_packages", build).long());
    }
    all
}

/// What grows: each family has its sizes, in nodes.
fn growth() -> Vec<Workload> {
    type Family = (&'static str, fn(&str, usize) -> Shape, &'static [usize]);
    const POWERS: &[usize] = &[100, 1000, 10_000, 100_000, 1_000_000];
    const OBSERVERS: &[usize] = &[1, 10, 100, 1000, 10_000, 100_000];
    let families: [Family; 5] = [
        ("update_all", |name, nodes| shape::grid(name, side(nodes)), POWERS),
        ("update_one", |name, nodes| shape::grid_one(name, side(nodes)), POWERS),
        ("read", |name, nodes| shape::grid_read(name, side(nodes)), POWERS),
        ("observers", |name, count| shape::updates(name, 1, count), OBSERVERS),
        ("depth", shape::chain, POWERS),
    ];
    let mut all = Vec::new();
    for (family, build, sizes) in families {
        for size in sizes {
            let name = format!("growth_{family}@{size}");
            let task = Task::Steps(Box::new(move |name: &str| build(name, *size)));
            let workload = Workload::new(name, Section::Growth, task);
            let growth = Some((family, *size));
            let (is_long, is_huge) = (*size > 10_000, *size >= 1_000_000);
            all.push(Workload { growth, is_long, is_huge, ..workload });
        }
    }
    all
}

fn side(nodes: usize) -> usize {
    (nodes as f64).sqrt().round() as usize
}
