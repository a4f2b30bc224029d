//! What every backend promises, asked of each of them.

use super::{all, get, path, put, remove, set};
use isobar::store::{ApplyError, Backend, Change, Expected, Path, Value, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Opens the same values again; what was opened before is closed first.
pub(super) type Place = Box<dyn FnMut() -> Box<dyn Backend>>;

/// Asks everything of the places of one kind of backend; each call gives one without values.
pub(super) fn conforms(mut fresh: impl FnMut() -> Place, cases: u32) {
    values_are_what_they_were(&mut fresh());
    a_value_stands_beside_its_children(&mut fresh());
    what_is_removed_is_gone(&mut fresh());
    paths_do_not_meet(&mut fresh());
    versions_are_compared(&mut fresh());
    any_sequence_of_changes_is_kept(&mut fresh, cases);
}

fn values_are_what_they_were(place: &mut Place) {
    let values = [
        json!(null),
        json!(false),
        json!(0.1 + 0.2),
        json!(5e-324),
        json!(-0.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("line\nend \u{0} \" ü 日本 \u{1F600}"),
        json!([[], {}, [null, {"": ""}]]),
        json!({"a/b": {"": 1, "ß": [1.5, 2]}}),
        json!("x".repeat(300_000)),
    ];
    let mut backend = place();
    assert!(all(&mut *backend).is_empty());
    for (number, value) in values.iter().enumerate() {
        set(&mut *backend, &format!("v/{number}"), value.clone());
    }
    for turn in 0..2 {
        for (number, value) in values.iter().enumerate() {
            let found = get(&mut *backend, &format!("v/{number}"));
            assert_eq!(found.as_ref(), Some(value), "turn {turn}");
        }
        assert_eq!(all(&mut *backend).len(), values.len());
        drop(backend);
        backend = place();
    }
    assert_eq!(backend.apply(&[]).expect("nothing can be stored"), []);
}

fn a_value_stands_beside_its_children(place: &mut Place) {
    let deep = "d/".repeat(Path::MAX_DEPTH);
    let mut backend = place();
    for (at, value) in [("/", 1), ("/a", 2), ("/a/b", 3), ("/a/b/c", 4), (&*deep, 5)] {
        set(&mut *backend, at, value);
    }
    drop(backend);
    let mut backend = place();
    for (at, value) in [("/", 1), ("/a", 2), ("/a/b", 3), ("/a/b/c", 4), (&*deep, 5)] {
        assert_eq!(get(&mut *backend, at), Some(value.into()), "{at}");
    }
    backend.apply(&[remove("/a/b")]).expect("it can be removed");
    assert_eq!(get(&mut *backend, "/a/b"), None);
    assert_eq!(get(&mut *backend, "/a/b/c"), Some(4.into()));
    assert_eq!(get(&mut *backend, "/a"), Some(2.into()));
}

fn what_is_removed_is_gone(place: &mut Place) {
    let mut backend = place();
    set(&mut *backend, "a/b", 1);
    backend.apply(&[remove("a/b"), remove("a/b/c"), remove("x/y")]).expect("removed, or not there");
    assert_eq!(get(&mut *backend, "a/b"), None);
    drop(backend);
    let mut backend = place();
    assert!(all(&mut *backend).is_empty());
    // What is removed by one change may be a parent in the next.
    set(&mut *backend, "a/b/c", 2);
    backend.apply(&[remove("a/b/c"), put("a/b", 3)]).expect("both can be stored");
    assert_eq!(all(&mut *backend), BTreeMap::from([("/a/b".into(), 3.into())]));
}

fn paths_do_not_meet(place: &mut Place) {
    let names = [
        "1.5",
        "1.7",
        "1",
        "a",
        "A",
        "a.json",
        "a.JSON",
        "a.json.json",
        "ä",
        "a\u{308}",
        "%61",
        "a%2Ejson",
        ".a",
        "a.",
        "a ",
        " a",
        "...",
        "nul",
        "con.txt",
        "a:b",
        "a\\b",
        "a*b",
        "-",
        "~",
        "%root",
        ".isobar-lock",
        ".isobar-unfinished",
        "line\nend",
        "quote\"d",
        "tab\t",
    ];
    let mut backend = place();
    let mut expected = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        for at in [format!("/{name}"), format!("/{name}/{name}")] {
            set(&mut *backend, &at, number);
            expected.insert(at, Value::from(number));
        }
    }
    assert_eq!(all(&mut *backend), expected);
    drop(backend);
    assert_eq!(all(&mut *place()), expected);
}

fn versions_are_compared(place: &mut Place) {
    let mut backend = place();
    let capabilities = backend.capabilities();
    if !capabilities.compare_and_set {
        return;
    }
    let expecting = |expected, value: i32| Change { expected, ..put("a", value) };
    let first = backend.apply(&[expecting(Expected::Missing, 1)]).expect("nothing is there")[0];
    let first = first.expect("what is stored has a version");
    let second = backend.apply(&[expecting(Expected::At(first), 2)]).expect("it is the first")[0];
    assert_ne!(second, Some(first));
    for wrong in [Expected::Missing, Expected::At(first), Expected::At(Version(u64::MAX))] {
        let refused = backend.apply(&[put("other", 1), expecting(wrong, 3)]);
        match refused.expect_err("the second version is there") {
            ApplyError::Conflict { applied, path: at } => {
                assert_eq!((applied, at), (usize::from(!capabilities.atomic), path("a")));
            }
            other => panic!("{other}"),
        }
        assert_eq!(get(&mut *backend, "a"), Some(2.into()));
    }
    assert_eq!(get(&mut *backend, "other").is_none(), capabilities.atomic);
    backend.apply(&[remove("a")]).expect("anything may be there");
    drop(backend);
    let mut backend = place();
    let third = set(&mut *backend, "a", 1);
    assert!(third != Some(first) && third != second, "a version comes once");
}

/// Segments that look alike to a storage, in paths up to three deep.
fn some_path() -> impl Strategy<Value = Path> {
    let segment = "(a|A|b|a\\.json|1\\.5|1\\.7|ü|%41|\\.h|con|[^/\0*]{1,3})";
    let text = vec(segment, 0..4).prop_map(|segments| segments.join("/"));
    text.prop_filter_map("a path", |text| text.parse().ok())
}

fn some_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,3}", inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

#[derive(Clone, Copy, Debug)]
enum Guess {
    Any,
    Right,
    Wrong,
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(Path, Option<Value>, Guess)>),
    Reopen,
}

fn some_step() -> impl Strategy<Value = Step> {
    let guess =
        prop_oneof![6 => Just(Guess::Any), 3 => Just(Guess::Right), 1 => Just(Guess::Wrong)];
    let value = prop::option::weighted(0.7, some_value());
    let changes = vec((some_path(), value, guess), 1..6);
    prop_oneof![4 => changes.prop_map(Step::Apply), 1 => Just(Step::Reopen)]
}

/// What ought to be stored.
#[derive(Default)]
struct Model {
    values: BTreeMap<Path, (Value, Option<Version>)>,
    /// All that ever were given.
    versions: BTreeSet<Version>,
}

impl Model {
    fn changes(&self, wanted: Vec<(Path, Option<Value>, Guess)>) -> (Vec<Change>, Option<usize>) {
        let (mut changes, mut wrong) = (Vec::<Change>::new(), None);
        for (path, value, guess) in wanted {
            if changes.iter().any(|change| change.path == path) {
                continue;
            }
            let there = self.values.get(&path).and_then(|(_, version)| *version);
            let expected = match (guess, there) {
                (Guess::Any, _) => Expected::Any,
                (Guess::Right, Some(version)) => Expected::At(version),
                (Guess::Right, None) => Expected::Missing,
                (Guess::Wrong, Some(_)) => Expected::Missing,
                (Guess::Wrong, None) => Expected::At(Version(1)),
            };
            if matches!(guess, Guess::Wrong) {
                wrong.get_or_insert(changes.len());
            }
            changes.push(Change { path, value: value.map(Arc::new), expected });
        }
        (changes, wrong)
    }

    fn apply(&mut self, changes: &[Change], versions: &[Option<Version>]) {
        for (change, version) in changes.iter().zip(versions) {
            let value = change.value.as_ref().map(|value| Value::clone(value));
            assert!(version.is_none_or(|version| self.versions.insert(version)), "given twice");
            match value {
                Some(value) => self.values.insert(change.path.clone(), (value, *version)),
                None => self.values.remove(&change.path),
            };
        }
    }

    fn matches(&self, backend: &mut dyn Backend) {
        let contents = backend.load().expect("it can be loaded");
        assert!(contents.broken.is_empty(), "{:?}", contents.broken);
        assert_eq!(contents.stored.len(), self.values.len());
        for stored in contents.stored {
            let (value, version) = &self.values[&stored.path];
            assert_eq!((&*stored.value, stored.version), (value, *version), "{}", stored.path);
            assert_eq!(backend.read(&stored.path).expect("it can be read"), Some(stored));
        }
    }
}

fn take(steps: Vec<Step>, place: &mut Place) {
    let mut model = Model::default();
    let mut backend = place();
    for step in steps {
        match step {
            Step::Reopen => {
                drop(backend);
                backend = place();
                model.matches(&mut *backend);
            }
            Step::Apply(wanted) => {
                let (changes, wrong) = model.changes(wanted);
                let compares = backend.capabilities().compare_and_set;
                match (backend.apply(&changes), wrong.filter(|_| compares)) {
                    (Ok(versions), None) => model.apply(&changes, &versions),
                    (Err(ApplyError::Conflict { path, .. }), Some(wrong)) => {
                        assert_eq!(path, changes[wrong].path);
                    }
                    (answer, wrong) => panic!("{answer:?}, where {wrong:?} is wrong"),
                }
            }
        }
    }
    model.matches(&mut *backend);
    drop(backend);
    model.matches(&mut *place());
}

fn any_sequence_of_changes_is_kept(fresh: &mut impl FnMut() -> Place, cases: u32) {
    let fresh = std::cell::RefCell::new(fresh);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let taken = TestRunner::new(config).run(&vec(some_step(), 1..12), |steps| {
        take(steps, &mut (fresh.borrow_mut())());
        Ok(())
    });
    taken.expect("no sequence of changes is lost");
}
