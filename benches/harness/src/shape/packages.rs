//! A graph nobody made up: Debian's packages and what they depend on, from the local index.
//!
//! A package is a signal (its own number) and a computed: the sum of its own and of those it
//! depends on. Of each dependency the first alternative counts that the index has, by its name or
//! as provided by another package; versions do not count. **Cycles** are broken so: packages are
//! visited by name, depth first, dependencies in the order in which they are written, and what
//! leads back to a package that is being visited is left out. An effect watches each package on
//! which none depends. A step writes one signal, in turn.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Formula, Id, Plan, Shape, Writes};

const LISTS: &str = "/var/lib/apt/lists";
const INSTALLED: &str = "/var/lib/dpkg/status";

/// The largest list of packages on this machine: of a repository, else of what is installed.
pub fn index() -> Option<PathBuf> {
    let is_list = |path: &PathBuf| path.to_string_lossy().ends_with("_Packages");
    let lists = fs::read_dir(LISTS).into_iter().flatten().flatten().map(|entry| entry.path());
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
    let largest = lists.filter(is_list).max_by_key(size);
    let installed = Some(PathBuf::from(INSTALLED)).filter(|path| path.exists());
    largest.filter(|path| size(path) > 0).or(installed)
}

/// The shape of the index at `path`, or None where it cannot be read or has no package.
pub fn packages(name: &str, path: &Path) -> Option<Shape> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let edges = without_cycles(&edges(&text));
    Some(edges).filter(|edges| !edges.is_empty()).map(|edges| shape(name, &edges))
}

/// For each package, by its place in the order of names, those it depends on.
fn edges(text: &str) -> Vec<Vec<usize>> {
    let mut packages = BTreeMap::<&str, &str>::new();
    let mut provided = HashMap::<&str, &str>::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let value = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(": ").map(str::len);
            let line = stanza.lines().find(|line| value(line).is_some())?;
            Some(&line[name.len() + 2..])
        };
        let Some(package) = field("Package") else { continue };
        packages.entry(package).or_insert(stanza);
        for name in field("Provides").unwrap_or("").split(',').map(bare) {
            provided.entry(name).or_insert(package);
        }
    }
    let places: HashMap<&str, usize> = packages.keys().copied().zip(0..).collect();
    let place = |name: &str| {
        let by = |name: &str| places.get(name).copied();
        by(name).or_else(|| by(provided.get(name)?))
    };
    let of = |stanza: &&str| {
        let lines = stanza.lines();
        let lists = lines.filter_map(|line| {
            line.strip_prefix("Pre-Depends: ").or_else(|| line.strip_prefix("Depends: "))
        });
        let all = lists.flat_map(|list| list.split(','));
        let mut found: Vec<usize> = Vec::new();
        for target in all.filter_map(|one| one.split('|').map(bare).find_map(place)) {
            if !found.contains(&target) {
                found.push(target);
            }
        }
        found
    };
    packages.values().map(of).collect()
}

/// The name alone: no version, no architecture.
fn bare(text: &str) -> &str {
    text.trim().split([' ', '(', ':']).next().unwrap_or_default()
}

/// Numbers packages so that each comes after those it depends on, and leaves out what closes a
/// cycle.
fn without_cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Not,
        Under,
        Done(usize),
    }
    let mut visits = vec![Visit::Not; edges.len()];
    let mut ordered: Vec<Vec<usize>> = Vec::new();
    for start in 0..edges.len() {
        let mut stack: Vec<(usize, usize, Vec<usize>)> = Vec::new();
        if visits[start] == Visit::Not {
            visits[start] = Visit::Under;
            stack.push((start, 0, Vec::new()));
        }
        while let Some((package, next, kept)) = stack.last_mut() {
            let Some(&target) = edges[*package].get(*next) else {
                visits[*package] = Visit::Done(ordered.len());
                ordered.push(std::mem::take(kept));
                stack.pop();
                continue;
            };
            match visits[target] {
                Visit::Done(place) => {
                    kept.push(place);
                    *next += 1;
                }
                Visit::Under => *next += 1,
                Visit::Not => {
                    visits[target] = Visit::Under;
                    stack.push((target, 0, Vec::new()));
                }
            }
        }
    }
    ordered
}

fn shape(name: &str, edges: &[Vec<usize>]) -> Shape {
    let mut is_needed = vec![false; edges.len()];
    edges.iter().flatten().for_each(|target| is_needed[*target] = true);
    let node = |(own, targets): (usize, &Vec<usize>)| {
        let sources = targets.iter().map(|target| Id::Computed(*target));
        Formula::Sum(std::iter::once(Id::Signal(own)).chain(sources).collect())
    };
    let roots = (0..edges.len()).filter(|place| !is_needed[*place]);
    Shape {
        name: name.to_owned(),
        signals: edges.len(),
        gathered: false,
        computeds: edges.iter().enumerate().map(node).collect(),
        effects: roots.map(|place| vec![Id::Computed(place)]).collect(),
        pulled: Vec::new(),
        writes: Writes::InTurn,
        plan: Plan::Lists,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
Package: b
Depends: c (>= 2), x | a:any

Package: a
Pre-Depends: v
Depends: b

Package: c
Provides: v (= 1)
";

    #[test]
    fn dependencies_are_read_and_cycles_are_broken() {
        // By name: a 0, b 1, c 2; v is provided by c.
        assert_eq!(edges(INDEX), [vec![2, 1], vec![2, 0], vec![]]);
        // Visited from a: c, then b whose way back to a is left out, then a.
        assert_eq!(without_cycles(&edges(INDEX)), [vec![], vec![0], vec![0, 1]]);
    }
}
