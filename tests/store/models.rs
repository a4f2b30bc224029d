//! Random writes, against a map that does the same.

use crate::path;
use crate::stage::{Trace, in_graph};
use isobar::store::{Event, Path, Store, Value};
use isobar::{batch, effect};
use std::collections::BTreeMap;

/// The same sequence for the same seed (SplitMix64, Steele and others 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

type Model = BTreeMap<Path, Value>;

const PLACES: [&str; 7] = ["/", "/a", "/a/b", "/a/b/c", "/a/d", "/ab", "/e"];

fn write(store: &Store, model: &mut Model, random: &mut Random) {
    let place = path(PLACES[random.below(PLACES.len())]);
    let (at, value) = (store.at(&place), Value::from(random.below(3)));
    match random.below(5) {
        0 | 1 => drop(at.set(&value).map(|_| model.insert(place, value))),
        2 => {
            at.delete().unwrap();
            model.retain(|there, _| !there.starts_with(&place));
        }
        3 => {
            at.set_tree(serde_json::json!({ "/": value, "b": 1 })).unwrap();
            model.retain(|there, _| !there.starts_with(&place));
            model.insert(place.child("b").unwrap(), 1.into());
            model.insert(place, value);
        }
        _ => {
            let add = move |old: Option<u64>| old.unwrap_or(0) + 1;
            at.update(add).unwrap();
            let old = model.get(&place).and_then(Value::as_u64);
            model.insert(place, add(old).into());
        }
    }
}

fn below(model: &Model, place: &Path) -> Model {
    let here = model.iter().filter(|(there, _)| there.starts_with(place));
    here.map(|(there, value)| (there.clone(), value.clone())).collect()
}

/// Batches of random writes: state, trees, effects and events are the model's after each.
fn compare(seed: u64) {
    let (store, mut model, mut random) = (Store::new(), Model::new(), Random(seed));
    let (told, seen) = (Trace::new(), Trace::new());
    let note = told.clone();
    let listens = store.subscribe("/", move |event: &Event<'_>| {
        note.note((event.path().clone(), event.previous().cloned(), event.value().cloned()));
    });
    let watch = PLACES.map(|place| {
        let (at, seen) = (store.at(place), seen.clone());
        effect(move || {
            let tree = at.tree().unwrap();
            let tree = tree.iter().map(|(path, value)| (path.clone(), Value::clone(value)));
            seen.note((path(place), tree.collect::<Model>()));
        })
    });
    seen.take();
    for step in 0..60 {
        let before = model.clone();
        batch(|| (0..=random.below(4)).for_each(|_| write(&store, &mut model, &mut random)));
        let at = format!("seed {seed}, step {step}");
        let woken = PLACES.map(path).into_iter().map(|place| (below(&model, &place), place));
        let woken = woken.filter(|(now, place)| *now != below(&before, place));
        let mut expected: Vec<_> = woken.map(|(now, place)| (place, now)).collect();
        expected.sort_by(|a: &(Path, Model), b| a.0.cmp(&b.0));
        let mut ran = seen.take();
        ran.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(ran, expected, "effects, {at}");
        let mut replayed = before;
        let told = told.take();
        let changed: std::collections::BTreeSet<_> = told.iter().map(|told| &told.0).collect();
        assert_eq!(changed.len(), told.len(), "one event a path, {at}: {told:?}");
        for (path, previous, value) in &told {
            let there = match value.clone() {
                Some(value) => replayed.insert(path.clone(), value),
                None => replayed.remove(path),
            };
            assert_eq!(there, *previous, "previous of {path}, {at}");
            assert_ne!(previous, value, "{path}, {at}");
        }
        assert_eq!(replayed, model, "events, {at}");
    }
    drop((listens, watch));
}

#[test]
fn random_writes_show_wake_and_tell_what_a_plain_map_would() {
    in_graph(|_| (0..25).for_each(compare));
}
