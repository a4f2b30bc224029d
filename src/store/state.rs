//! What a store holds at one revision, and views of parts of it.

use super::path::Path;
use crate::collections::PersistentMap;
use imbl::ordmap::DiffItem;
use serde_json::{Map, Value};
use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

pub(super) type Entries = PersistentMap<Path, Arc<Value>>;

/// What travels with a write to its events.
pub(super) type Payload = Arc<dyn Any + Send + Sync>;

/// All written values at one revision. Derived ones are not among them. A clone is a few counts;
/// those of one store are equal if no write is between them, those of two cannot be compared.
///
/// ```
/// use isobar::store::Store;
/// let store = Store::new();
/// let before = store.state();
/// store.at("/volume").set(5)?;
/// let volume = "/volume".parse()?;
/// assert_eq!(before.value(&volume), None);
/// assert_eq!(store.state().value(&volume), Some(&5.into()));
/// # Ok::<(), isobar::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct State {
    pub(super) entries: Entries,
    /// How many writes led here: two states of one store are the same if this is.
    pub(super) number: u64,
    /// The newest writes, as far as somebody listens; the last one has the number `number`.
    pub(super) log: imbl::Vector<Arc<Logged>>,
}

/// What a write was, beside what it changed.
pub(super) struct Logged {
    pub(super) path: Path,
    pub(super) payload: Option<Payload>,
    pub(super) voice: Voice,
}

impl Logged {
    /// A write that says nothing more.
    pub(super) fn plain(path: &Path) -> Self {
        Self { path: path.clone(), payload: None, voice: Voice::Changed }
    }
}

/// Which events a write makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Voice {
    /// One if the value is another one afterwards.
    #[default]
    Changed,
    /// One in any case.
    Always,
    /// None.
    Quiet,
}

impl State {
    pub(super) fn new() -> Self {
        Self { entries: Entries::new(), number: 0, log: imbl::Vector::new() }
    }

    /// The value written at a path itself.
    pub fn value(&self, path: &Path) -> Option<&Value> {
        self.entries.get(path).map(|value| &**value)
    }

    /// What is at a path and below.
    pub fn tree(&self, path: &Path) -> Tree {
        Tree { entries: self.entries.clone(), path: path.clone() }
    }

    /// Notes a write that the entries already show.
    pub(super) fn log(&mut self, listening: bool, told: u64, logged: impl FnOnce() -> Logged) {
        self.number += 1;
        if !listening {
            self.log.clear();
            return;
        }
        while self.number - self.log.len() as u64 <= told && !self.log.is_empty() {
            self.log.pop_front();
        }
        self.log.push_back(Arc::new(logged()));
    }

    /// The writes after `number`, in order.
    pub(super) fn logged_since(&self, number: u64) -> impl Iterator<Item = &Arc<Logged>> {
        let new = usize::try_from(self.number - number).unwrap_or(usize::MAX);
        self.log.iter().skip(self.log.len().saturating_sub(new))
    }
}

/// By the number of writes: one that changed nothing is none.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter()).finish()
    }
}

/// What is at a path and below it, at one revision: a view, which keeps that revision's values and
/// copies none. Equal if all values are.
#[derive(Clone)]
pub struct Tree {
    pub(super) entries: Entries,
    path: Path,
}

impl Tree {
    pub(super) fn new(entries: Entries, path: Path) -> Self {
        Self { entries, path }
    }

    /// Where it grows.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value at the path itself, which stands beside what is below.
    pub fn own(&self) -> Option<&Arc<Value>> {
        self.entries.get(&self.path)
    }

    /// Is there no value, here or below?
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Is there a value below, not only here?
    pub fn has_children(&self) -> bool {
        self.next_child(Bound::Excluded(self.path.clone())).is_some()
    }

    /// The names of the children, in order; they have values, or others below them do. Costs
    /// O(log n) each, however much is below them.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        let mut from = Bound::Excluded(self.path.clone());
        std::iter::from_fn(move || {
            let name = self.next_child(from.clone())?;
            from = Bound::Excluded(self.path.with(name).end());
            Some(name)
        })
    }

    fn next_child(&self, from: Bound<Path>) -> Option<&str> {
        self.entries.range((from, Bound::Unbounded)).next()?.0.child_of(&self.path)
    }

    /// What is at a path below this one; `None` if there is nothing.
    pub fn at(&self, path: &Path) -> Option<Self> {
        let path = self.path.join(path).ok()?;
        let tree = Self { entries: self.entries.clone(), path };
        (!tree.is_empty()).then_some(tree)
    }

    /// All values here and below with their whole paths, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Arc<Value>)> {
        let from = (Bound::Included(self.path.clone()), Bound::Unbounded);
        let entries = self.entries.range(from);
        entries.take_while(|(path, _)| path.starts_with(&self.path))
    }

    /// The paths at which the two have different values, in order. The whole of two stores is
    /// compared in time of the difference, a part by looking at all of it.
    pub(super) fn differing(&self, other: &Self) -> Vec<Path> {
        if self.path.is_root() {
            return different(&self.entries, &other.entries).cloned().collect();
        }
        let (mut old, mut new) = (self.iter().peekable(), other.iter().peekable());
        let mut differing = Vec::new();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return differing,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            if before != after {
                differing.extend(before.or(after).map(|(path, _)| path.clone()));
            }
        }
    }

    /// The tree as one value: the own value where nothing is below, else an object of the
    /// children, in which the own value, if there is one, has the key `/`. `None` if it is empty.
    /// Costs time in proportion to its size.
    pub fn to_value(&self) -> Option<Value> {
        let mut open = vec![Branch::new("", None)];
        let mut any = false;
        for (path, value) in self.iter() {
            any = true;
            let below = path.strip(&self.path)?;
            let segments: Vec<&str> = below.segments().collect();
            let shared = open[1..].iter().zip(&segments).take_while(|(b, s)| b.name == **s);
            let shared = shared.count();
            close(&mut open, shared + 1);
            for segment in &segments[shared..] {
                open.push(Branch::new(segment, None));
            }
            open.last_mut()?.own = Some(value.clone());
        }
        close(&mut open, 1);
        open.pop().filter(|_| any).map(Branch::into_value)
    }
}

/// The paths at which two stores have different values, in order; in time of the difference if one
/// was made from the other.
pub(super) fn different<'a>(
    old: &'a Entries,
    new: &'a Entries,
) -> impl Iterator<Item = &'a Path> + use<'a> {
    old.diff(new).map(|item| match item {
        DiffItem::Add(path, _) | DiffItem::Remove(path, _) => path,
        DiffItem::Update { new: (path, _), .. } => path,
    })
}

/// A value whose children are being collected.
struct Branch {
    name: String,
    own: Option<Arc<Value>>,
    children: Map<String, Value>,
}

impl Branch {
    fn new(name: &str, own: Option<Arc<Value>>) -> Self {
        Self { name: name.to_string(), own, children: Map::new() }
    }

    fn into_value(self) -> Value {
        let Self { own, mut children, .. } = self;
        let own = own.map(|own| Value::clone(&own));
        if children.is_empty() {
            return own.unwrap_or(Value::Object(children));
        }
        if let Some(own) = own {
            children.insert("/".to_string(), own);
        }
        Value::Object(children)
    }
}

/// Puts each branch but the first `open` into its parent.
fn close(branches: &mut Vec<Branch>, open: usize) {
    while branches.len() > open {
        let Some(mut child) = branches.pop() else { return };
        let name = std::mem::take(&mut child.name);
        if let Some(parent) = branches.last_mut() {
            parent.children.insert(name, child.into_value());
        }
    }
}

/// The values that an object spreads to: those of its fields, and theirs, down to what is no
/// object, or an empty one.
pub(super) fn spread(path: &Path, value: Value) -> Result<Vec<(Path, Value)>, super::PathError> {
    let mut spread = Vec::new();
    let mut rest = vec![(path.clone(), value)];
    while let Some((path, value)) = rest.pop() {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let path = if name == "/" { path.clone() } else { path.child(&name)? };
                    if name == "/" {
                        spread.push((path, value));
                    } else {
                        rest.push((path, value));
                    }
                }
            }
            value => spread.push((path, value)),
        }
    }
    spread.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(spread)
}

/// Compares what differs between the two stores.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        let mut different = different(&self.entries, &other.entries);
        self.path == other.path && different.all(|path| !path.starts_with(&self.path))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
