//! Patterns of paths, and finding those that match a path in time of the path's length.

use super::path::{Path, PathError, segments_of};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Names paths: segments of which `*` stands for any one, and `**` for any number, also none.
///
/// ```
/// use isobar::store::Pattern;
/// let names: Pattern = "/users/*/name".parse().unwrap();
/// assert!(names.matches(&"/users/1/name".parse().unwrap()));
/// assert!(!names.matches(&"/users/name".parse().unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    segments: Arc<[Segment]>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Segment {
    Name(Box<str>),
    One,
    Any,
}

/// What [`Store::subscribe`](super::Store::subscribe) takes for a pattern: text, a [`Pattern`], or
/// what is a path.
pub trait ToPattern {
    /// The pattern.
    ///
    /// # Errors
    /// [`PathError`] if the text is none.
    fn to_pattern(&self) -> Result<Pattern, PathError>;
}

impl ToPattern for str {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        self.parse()
    }
}

impl ToPattern for String {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        self.parse()
    }
}

impl ToPattern for Pattern {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        Ok(self.clone())
    }
}

impl ToPattern for Path {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        let segments = self.segments().map(|name| Segment::Name(name.into()));
        Ok(Pattern { segments: segments.collect() })
    }
}

impl<P: ToPattern + ?Sized> ToPattern for &P {
    fn to_pattern(&self) -> Result<Pattern, PathError> {
        (**self).to_pattern()
    }
}

impl FromStr for Pattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let segment = |segment: &str| match segment {
            "*" => Segment::One,
            "**" => Segment::Any,
            name => Segment::Name(name.into()),
        };
        Ok(Self { segments: segments_of(text)?.into_iter().map(segment).collect() })
    }
}

impl Pattern {
    /// Does it name this path?
    pub fn matches(&self, path: &Path) -> bool {
        let mut one = Matcher::new();
        one.insert(self, ());
        !one.matching(path).is_empty()
    }

    /// The path that is meant, if there is no wildcard.
    pub fn exact(&self) -> Option<Path> {
        let names = self.segments.iter().map(|segment| match segment {
            Segment::Name(name) => Some(&**name),
            Segment::One | Segment::Any => None,
        });
        names.collect::<Option<Vec<&str>>>().map(|names| Path::of(&names))
    }

    /// The longest path that all it names are at or below.
    pub(super) fn prefix(&self) -> Path {
        let names = self.segments.iter().map_while(|segment| match segment {
            Segment::Name(name) => Some(&**name),
            Segment::One | Segment::Any => None,
        });
        Path::of(&names.collect::<Vec<_>>())
    }

    /// The segments of a path it names that its `*` stand for, from the left. What a `**` stands
    /// for is left out.
    pub(super) fn stands_for(&self, path: &Path) -> Vec<String> {
        let names: Vec<&str> = path.segments().collect();
        let mut stands = Vec::new();
        // Past a `**`, from the right.
        let split = self.segments.iter().position(|segment| *segment == Segment::Any);
        let (left, right) = self.segments.split_at(split.unwrap_or(self.segments.len()));
        let from_left = left.iter().zip(&names);
        let right = &right[right.len().min(1)..];
        let single = !right.contains(&Segment::Any);
        let behind = names.len().saturating_sub(right.len()).max(left.len().min(names.len()));
        let from_right = right.iter().zip(&names[behind..]).filter(|_| single);
        for (segment, name) in from_left.chain(from_right) {
            if *segment == Segment::One {
                stands.push((*name).to_string());
            }
        }
        stands
    }

    /// From most to least specific: fewer `**`, then fewer `*`, then the first wildcard later.
    pub(super) fn by_specificity(&self, other: &Self) -> Ordering {
        let count =
            |this: &Self, kind: &Segment| this.segments.iter().filter(|s| *s == kind).count();
        let first = |this: &Self| {
            this.segments.iter().position(|segment| !matches!(segment, Segment::Name(_)))
        };
        let later = |a: Option<usize>, b: Option<usize>| {
            b.unwrap_or(usize::MAX).cmp(&a.unwrap_or(usize::MAX))
        };
        count(self, &Segment::Any)
            .cmp(&count(other, &Segment::Any))
            .then_with(|| count(self, &Segment::One).cmp(&count(other, &Segment::One)))
            .then_with(|| later(first(self), first(other)))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Name(name) => write!(f, "/{name}"),
            Segment::One => f.write_str("/*"),
            Segment::Any => f.write_str("/**"),
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

/// Patterns with something each, found by the paths they match: a tree of their segments, walked
/// by all branches that still match at once. A walk costs the path's length times the number of
/// branches that match so far, not the number of patterns.
pub(super) struct Matcher<T> {
    /// The first one is the root.
    nodes: Vec<MatchNode<T>>,
    /// Nodes to be used again.
    free: Vec<usize>,
}

struct MatchNode<T> {
    names: HashMap<Box<str>, usize>,
    one: Option<usize>,
    any: Option<usize>,
    /// Reached by a `**`: stays where it is whatever comes.
    is_any: bool,
    here: Vec<T>,
}

impl<T> MatchNode<T> {
    fn new(is_any: bool) -> Self {
        Self { names: HashMap::new(), one: None, any: None, is_any, here: Vec::new() }
    }

    fn next(&self, segment: &Segment) -> Option<usize> {
        match segment {
            Segment::Name(name) => self.names.get(name).copied(),
            Segment::One => self.one,
            Segment::Any => self.any,
        }
    }

    fn is_unused(&self) -> bool {
        self.here.is_empty() && self.names.is_empty() && self.one.is_none() && self.any.is_none()
    }
}

impl<T> Matcher<T> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![MatchNode::new(false)], free: Vec::new() }
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, value: T) {
        let mut at = 0;
        for segment in pattern.segments.iter() {
            at = match self.nodes[at].next(segment) {
                Some(next) => next,
                None => self.grow(at, segment),
            };
        }
        self.nodes[at].here.push(value);
    }

    fn grow(&mut self, at: usize, segment: &Segment) -> usize {
        let node = MatchNode::new(*segment == Segment::Any);
        let next = match self.free.pop() {
            Some(free) => {
                self.nodes[free] = node;
                free
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let parent = &mut self.nodes[at];
        match segment {
            Segment::Name(name) => drop(parent.names.insert(name.clone(), next)),
            Segment::One => parent.one = Some(next),
            Segment::Any => parent.any = Some(next),
        }
        next
    }

    /// Takes out what satisfies `is_it` at a pattern.
    pub(super) fn remove(&mut self, pattern: &Pattern, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut way = vec![0];
        for segment in pattern.segments.iter() {
            way.push(self.nodes[*way.last()?].next(segment)?);
        }
        let here = &mut self.nodes[*way.last()?].here;
        let index = here.iter().position(is_it)?;
        let taken = here.remove(index);
        for (segment, pair) in pattern.segments.iter().zip(way.windows(2)).rev() {
            let &[above, node] = pair else { continue };
            if !self.nodes[node].is_unused() {
                break;
            }
            let parent = &mut self.nodes[above];
            match segment {
                Segment::Name(name) => drop(parent.names.remove(name)),
                Segment::One => parent.one = None,
                Segment::Any => parent.any = None,
            }
            self.free.push(node);
        }
        Some(taken)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes[0].is_unused()
    }

    /// For each start of the path, from the root to the whole of it, what its patterns have.
    pub(super) fn along(&self, path: &Path) -> Vec<Vec<&T>> {
        let mut at = vec![0];
        self.through_any(&mut at);
        let mut found = vec![self.here(&at)];
        for name in path.segments() {
            let mut next = Vec::new();
            for &node in &at {
                let MatchNode { names, one, is_any, .. } = &self.nodes[node];
                let stays = is_any.then_some(node);
                for to in [names.get(name).copied(), *one, stays].into_iter().flatten() {
                    if !next.contains(&to) {
                        next.push(to);
                    }
                }
            }
            self.through_any(&mut next);
            at = next;
            found.push(self.here(&at));
        }
        found
    }

    /// What the patterns have that match the whole path.
    pub(super) fn matching(&self, path: &Path) -> Vec<&T> {
        self.along(path).pop().unwrap_or_default()
    }

    /// A `**` may stand for nothing.
    fn through_any(&self, at: &mut Vec<usize>) {
        let mut index = 0;
        while let Some(&node) = at.get(index) {
            if let Some(any) = self.nodes[node].any.filter(|any| !at.contains(any)) {
                at.push(any);
            }
            index += 1;
        }
    }

    fn here(&self, at: &[usize]) -> Vec<&T> {
        at.iter().flat_map(|node| &self.nodes[*node].here).collect()
    }
}
