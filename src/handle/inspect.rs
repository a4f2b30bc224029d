//! Seeing inside: nodes without their type, dumps, and why.

use super::loaded::Loaded;
use crate::engine::evaluate::{self, Claim};
use crate::engine::frame::{Frame, OwnedBy, View};
use crate::engine::react::EffectRef;
use crate::engine::read::{self, Track};
use crate::revision::Revision;
use crate::structure::node::{NodeKind, NodeRef};
use crate::structure::world::World;
use crate::sync::{Acquire, Relaxed};
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// A handle of any node without its value type, for mixed collections.
///
/// ```
/// let (a, b) = (isobar::signal(1), isobar::signal("x"));
/// let nodes = vec![a.node().clone(), b.node().clone()];
/// assert_ne!(nodes[0], nodes[1]);
/// ```
#[derive(Clone)]
pub struct Node {
    inner: NodeRef,
}

impl Node {
    pub(crate) fn new(inner: NodeRef) -> Self {
        Self { inner }
    }

    #[inline(always)]
    pub(crate) fn inner(&self) -> &NodeRef {
        &self.inner
    }

    /// Runs `f` in this node's graph, where what it makes belongs to no effect and no scope: an
    /// operator ends with its handle, wherever it was made.
    pub(crate) fn beside<R>(&self, f: impl FnOnce() -> R) -> R {
        let (graph, owner) = (std::ptr::from_ref(self.inner.world()), OwnedBy::Graph);
        Frame { graph, owner, ..Frame::current() }.enter(f)
    }

    /// Are these two values of this node the same to its observers?
    pub(crate) fn is_same<T>(&self, old: &Loaded<T>, new: &Loaded<T>) -> bool {
        let (old, new) = (old.shared().header(), new.shared().header());
        std::ptr::eq(old, new) || evaluate::is_equal(&self.inner, old, new)
    }

    /// Has nobody else a handle of this node, and does no node read it?
    pub(crate) fn is_only_handle(&self) -> bool {
        self.inner.is_only_count()
    }

    /// The name given at creation, or kind, number and place of creation.
    pub fn name(&self) -> String {
        self.inner.name().to_string()
    }

    /// What it is.
    pub fn kind(&self) -> NodeKind {
        self.inner.role()
    }

    /// A number no other node of the graph ever has; grows with creation.
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// When its value last changed, as far as known without evaluating: for a computed the last
    /// time it was read; `None` if it never was. For an effect, the revision it has seen.
    pub fn revision(&self) -> Option<Revision> {
        changed_at(&self.inner).map(Revision)
    }

    /// Why it has the value it has.
    pub fn why(&self) -> Why {
        Why::of(&self.inner)
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.inner.as_ptr() == other.inner.as_ptr()
    }
}

impl Eq for Node {}

impl std::hash::Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.inner.as_ptr().hash(state);
    }
}

/// Shows the name; neither reads nor evaluates.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.name()).finish()
    }
}

fn changed_at(node: &NodeRef) -> Option<u64> {
    match node.role() {
        NodeKind::Signal => {
            let kept = read::newest_version(node);
            // Acquire: as when the version was found.
            Some(kept.header().stamp.load(Acquire) >> 1)
        }
        NodeKind::Computed => read::memo_changed_at(node),
        // Acquire: pairs with the end of the run.
        NodeKind::Effect => Some(node.verified_at.load(Acquire)).filter(|at| *at > 0),
    }
}

/// The sources of a node, unless it is being evaluated at this moment.
fn sources(node: &NodeRef) -> Vec<NodeRef> {
    let mut found = Vec::new();
    match node.role() {
        NodeKind::Signal => {}
        NodeKind::Computed => {
            let view = View::new(node.world(), 0);
            if let Some(claim) = Claim::try_take(node, &view) {
                found.extend(claim.sources().iter().map(|source| source.node.clone()));
            }
        }
        NodeKind::Effect => {
            EffectRef::of(node.clone()).each_source(|source| found.push(source.clone()));
        }
    }
    found
}

/// Who committed a revision.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Origin {
    /// The name, or else the number, of the writing thread.
    pub thread: String,
    /// Where in the source the write, batch or transaction stands; for what an effect wrote, where
    /// the effect was made.
    pub location: String,
}

/// Why a node has the value it has: the commit that last really changed it, and the nodes whose
/// values changed on the way.
///
/// ```
/// let g = isobar::Graph::builder().history(10).build();
/// let a = isobar::Signal::builder(1).name("a").graph(&g).build();
/// let c = isobar::Computed::builder({ let a = a.clone(); move || a.get() % 2 })
///     .name("c").graph(&g).build();
/// c.get();
/// a.set(2);
/// c.get();
/// let why = c.why();
/// assert_eq!(why.path, ["a", "c"]);
/// assert!(why.origin.is_some());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Why {
    /// The node asked about.
    pub node: String,
    /// The commit that last changed its value; R0 is its creation.
    pub revision: Revision,
    /// Who committed it; known while the graph's `history` reaches back to it.
    pub origin: Option<Origin>,
    /// From the signal that was written to the node: whose values really changed.
    pub path: Vec<String>,
}

impl Why {
    fn of(node: &NodeRef) -> Self {
        if node.role() == NodeKind::Computed && !Frame::current().is_fixed() {
            // Brought up to date first, so that the answer is about the value a read shows.
            let _ = read::read(node, Track::No);
        }
        let revision = changed_at(node).unwrap_or(0);
        let mut path = vec![node.name().to_string()];
        let mut at = node.clone();
        // The cause is the source that changed last; each step goes one level up, so a path
        // longer than the graph is deep cannot be.
        let mut steps = 0;
        while steps < 1_000_000 {
            let newest = sources(&at).into_iter().max_by_key(changed_at);
            let Some(source) = newest else { break };
            path.push(source.name().to_string());
            at = source;
            steps += 1;
        }
        path.reverse();
        let revision = match node.role() {
            NodeKind::Effect => changed_at(&at).unwrap_or(0),
            _ => revision,
        };
        let log = node.world().log.lock();
        let entry = log.iter().rev().find(|entry| entry.revision == revision);
        let origin = entry.map(|entry| Origin {
            thread: entry.thread.to_string(),
            location: entry.place.to_string(),
        });
        Self { node: node.name().to_string(), revision: Revision(revision), origin, path }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} changed at {}", self.node, self.revision)?;
        if let Some(origin) = &self.origin {
            write!(f, ", written by {} at {}", origin.thread, origin.location)?;
        }
        write!(f, ": {}", self.path.join(" -> "))
    }
}

/// The nodes and edges of a graph at one moment; see [`Graph::dump`](crate::Graph::dump).
///
/// Taken while other threads go on: each node is right, the whole is not one revision. A node
/// that is being evaluated at the moment shows no edges.
///
/// ```
/// let g = isobar::Graph::new();
/// let a = isobar::Signal::builder(1).name("a").graph(&g).build();
/// let b = a.map(|a| a + 1);
/// b.get();
/// let dot = g.dump().to_dot();
/// assert!(dot.contains("->"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GraphDump {
    /// The graph's name.
    pub graph: String,
    /// The newest revision when the dump began.
    pub revision: u64,
    /// In creation order.
    pub nodes: Vec<NodeDump>,
    /// From source to observer, by id.
    pub edges: Vec<(u64, u64)>,
}

/// One node of a [`GraphDump`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NodeDump {
    /// Stable while the node lives; never used again.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `signal`, `computed` or `effect`.
    pub kind: String,
    /// 0 for signals, else above all sources.
    pub level: u32,
    /// When its value last changed; effects: the revision seen. `None`: never evaluated.
    pub changed_at: Option<u64>,
    /// How many nodes read it.
    pub observers: u32,
}

impl GraphDump {
    pub(crate) fn of(world: &Arc<World>) -> Self {
        let mut dump = Self {
            graph: world.name().to_string(),
            revision: world.now(),
            nodes: Vec::new(),
            edges: Vec::new(),
        };
        for node in world.live_nodes() {
            dump.edges.extend(sources(&node).iter().map(|source| (source.id, node.id)));
            dump.nodes.push(NodeDump {
                id: node.id,
                name: node.name().to_string(),
                kind: match node.role() {
                    NodeKind::Signal => "signal".to_owned(),
                    NodeKind::Computed => "computed".to_owned(),
                    NodeKind::Effect => "effect".to_owned(),
                },
                // Relaxed: a hint.
                level: node.level.load(Relaxed),
                changed_at: changed_at(&node),
                observers: node.observers.live(),
            });
        }
        dump.edges.sort_unstable();
        dump
    }

    /// For Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = format!("digraph {} {{\n  rankdir=LR;\n", quoted(&self.graph));
        for node in &self.nodes {
            let shape = match node.kind.as_str() {
                "signal" => "box",
                "computed" => "ellipse",
                _ => "cds",
            };
            let label = quoted(&node.name);
            writeln!(out, "  n{} [shape={shape}, label={label}];", node.id).expect("to a string");
        }
        for (source, observer) in &self.edges {
            writeln!(out, "  n{source} -> n{observer};").expect("to a string");
        }
        out + "}\n"
    }

    /// For Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        for node in &self.nodes {
            let (open, close) = match node.kind.as_str() {
                "signal" => ("[", "]"),
                "computed" => ("(", ")"),
                _ => ("{{", "}}"),
            };
            let label = node.name.replace('"', "#quot;");
            writeln!(out, "  n{}{open}\"{label}\"{close}", node.id).expect("to a string");
        }
        for (source, observer) in &self.edges {
            writeln!(out, "  n{source} --> n{observer}").expect("to a string");
        }
        out
    }

    /// As JSON: `{"graph", "revision", "nodes": [..], "edges": [[source, observer], ..]}`.
    pub fn to_json(&self) -> String {
        let nodes = self.nodes.iter().map(|node| {
            let changed_at = node.changed_at.map_or_else(|| "null".to_owned(), |at| at.to_string());
            format!(
                concat!(
                    r#"{{"id":{},"name":{},"kind":"{}","level":{},"#,
                    r#""changed_at":{},"observers":{}}}"#
                ),
                node.id,
                quoted(&node.name),
                node.kind,
                node.level,
                changed_at,
                node.observers
            )
        });
        let nodes = nodes.collect::<Vec<_>>().join(",");
        let edges = self.edges.iter().map(|(source, observer)| format!("[{source},{observer}]"));
        let edges = edges.collect::<Vec<_>>().join(",");
        let graph = quoted(&self.graph);
        let revision = self.revision;
        format!(r#"{{"graph":{graph},"revision":{revision},"nodes":[{nodes}],"edges":[{edges}]}}"#)
    }
}

/// A string as JSON and DOT both quote it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => write!(out, "\\u{:04x}", c as u32).expect("to a string"),
            c => out.push(c),
        }
    }
    out + "\""
}
