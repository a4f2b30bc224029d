//! Random writes, batches and reads against plain collections of std.

use crate::stage::{Trace, in_graph};
use isobar::{Computed, MapDiff, ReactiveMap, ReactiveVec, VecDiff, batch, computed, effect};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum OnMap {
    Insert(u8, i8),
    Remove(u8),
    Add(u8, i8),
    Many(Vec<(u8, i8)>),
    RetainBelow(u8),
    Clear,
    Batch(Vec<OnMap>),
    Abandoned(Vec<OnMap>),
}

const KEYS: u8 = 6;

fn on_map() -> impl Strategy<Value = OnMap> {
    let key = 0..KEYS;
    let value = -2i8..3;
    let leaf = prop_oneof![
        4 => (key.clone(), value.clone()).prop_map(|(key, value)| OnMap::Insert(key, value)),
        2 => key.clone().prop_map(OnMap::Remove),
        2 => (key.clone(), value.clone()).prop_map(|(key, value)| OnMap::Add(key, value)),
        1 => vec((key.clone(), value), 0..4).prop_map(OnMap::Many),
        1 => key.prop_map(OnMap::RetainBelow),
        1 => Just(OnMap::Clear),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(OnMap::Batch),
            vec(inner, 0..4).prop_map(OnMap::Abandoned),
        ]
    })
}

impl OnMap {
    fn perform(&self, map: &ReactiveMap<u8, i8>) {
        match self.clone() {
            Self::Insert(key, value) => crate::ignore(map.insert(key, value)),
            Self::Remove(key) => crate::ignore(map.remove(&key)),
            Self::Add(key, n) => crate::ignore(map.update(&key, move |old| old.wrapping_add(n))),
            Self::Many(entries) => map.insert_many(entries),
            Self::RetainBelow(limit) => map.retain(move |key, _| *key < limit),
            Self::Clear => map.clear(),
            Self::Batch(ops) => batch(|| ops.iter().for_each(|op| op.perform(map))),
            Self::Abandoned(ops) => {
                let abandoned: Result<(), ()> = isobar::transaction(|| {
                    ops.iter().for_each(|op| op.perform(map));
                    Err(())
                });
                abandoned.unwrap_err();
            }
        }
    }

    fn expect(&self, model: &mut BTreeMap<u8, i8>) {
        match self.clone() {
            Self::Insert(key, value) => crate::ignore(model.insert(key, value)),
            Self::Remove(key) => crate::ignore(model.remove(&key)),
            Self::Add(key, n) => {
                model.entry(key).and_modify(|old| *old = old.wrapping_add(n));
            }
            Self::Many(entries) => model.extend(entries),
            Self::RetainBelow(limit) => model.retain(|key, _| *key < limit),
            Self::Clear => model.clear(),
            Self::Batch(ops) => ops.iter().for_each(|op| op.expect(model)),
            Self::Abandoned(_) => {}
        }
    }
}

fn plays_as_its_model(ops: Vec<OnMap>) {
    let map: ReactiveMap<u8, i8> = ReactiveMap::new();
    let mut model = BTreeMap::new();
    let mut copy = BTreeMap::new();
    let mut changes = map.changes();
    let of_keys: Vec<Computed<_>> =
        (0..KEYS).map(|key| computed!([map](map.get(&key), map.contains_key(&key)))).collect();
    let even = map.filter(|_, value| value % 2 == 0);
    let sums = map.group_by(|_, value| *value).map_values(|_, members| members.len());
    let sorted = map.sorted_by(|(_, a), (_, b)| a.cmp(b));
    let runs = Arc::new(Mutex::new(0));
    let watch = effect!([map, runs] {
        *runs.lock().unwrap() += 1;
        let _ = map.get(&0);
    });
    let mut expected_runs = 1;
    for op in ops {
        let before = model.get(&0).copied();
        op.perform(&map);
        op.expect(&mut model);
        expected_runs += usize::from(before != model.get(&0).copied());
        assert!(map.load().iter().eq(model.iter()));
        for (key, of_key) in (0..).zip(&of_keys) {
            assert_eq!(of_key.get(), (model.get(&key).copied(), model.contains_key(&key)));
        }
        changes.by_ref().for_each(|diff| apply_to_map(&mut copy, diff));
        assert_eq!(copy, model);
        assert!(even.load().iter().eq(model.iter().filter(|(_, value)| *value % 2 == 0)));
        let mut expected = BTreeMap::new();
        model.values().for_each(|value| *expected.entry(*value).or_insert(0) += 1);
        assert!(sums.load().iter().eq(expected.iter()));
        let mut entries: Vec<_> = model.clone().into_iter().collect();
        entries.sort_by_key(|(key, value)| (*value, *key));
        assert_eq!(sorted.values(), entries);
    }
    assert_eq!(*runs.lock().unwrap(), expected_runs);
    drop(watch);
}

fn apply_to_map(copy: &mut BTreeMap<u8, i8>, diff: MapDiff<u8, i8>) {
    match diff {
        MapDiff::Reset { entries } => *copy = entries.into_iter().collect(),
        MapDiff::Insert { key, value } => assert_eq!(copy.insert(key, value), None),
        MapDiff::Update { key, old, value } => assert_eq!(copy.insert(key, value), Some(old)),
        MapDiff::Remove { key, old } => assert_eq!(copy.remove(&key), Some(old)),
        other => panic!("not known here: {other:?}"),
    }
}

#[derive(Clone, Debug)]
enum OnVec {
    Push(u8),
    Pop,
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Move(usize, usize),
    Splice(usize, usize, Vec<u8>),
    Truncate(usize),
    Retain(u8),
    Sort,
    Reverse,
    Batch(Vec<OnVec>),
}

fn on_vec() -> impl Strategy<Value = OnVec> {
    let (index, value) = (0usize..6, 0u8..3);
    let leaf = prop_oneof![
        4 => value.clone().prop_map(OnVec::Push),
        1 => Just(OnVec::Pop),
        3 => (index.clone(), value.clone()).prop_map(|(at, value)| OnVec::Set(at, value)),
        2 => (index.clone(), value.clone()).prop_map(|(at, value)| OnVec::Insert(at, value)),
        2 => index.clone().prop_map(OnVec::Remove),
        1 => (index.clone(), index.clone()).prop_map(|(from, to)| OnVec::Move(from, to)),
        1 => (index.clone(), index.clone(), vec(value.clone(), 0..4))
            .prop_map(|(start, end, values)| OnVec::Splice(start, end, values)),
        1 => index.prop_map(OnVec::Truncate),
        1 => value.prop_map(OnVec::Retain),
        1 => Just(OnVec::Sort),
        1 => Just(OnVec::Reverse),
    ];
    leaf.prop_recursive(1, 4, 4, |inner| vec(inner, 0..4).prop_map(OnVec::Batch))
}

impl OnVec {
    fn perform(&self, list: &ReactiveVec<u8>) {
        match self.clone() {
            Self::Push(value) => list.push(value),
            Self::Pop => crate::ignore(list.pop()),
            Self::Set(index, value) => crate::ignore(list.set(index, value)),
            Self::Insert(index, value) => crate::ignore(list.insert(index, value)),
            Self::Remove(index) => crate::ignore(list.remove(index)),
            Self::Move(from, to) => crate::ignore(list.move_item(from, to)),
            Self::Splice(start, end, values) => crate::ignore(list.splice(start..end, values)),
            Self::Truncate(len) => list.truncate(len),
            Self::Retain(value) => list.retain(move |other| *other != value),
            Self::Sort => list.sort(),
            Self::Reverse => list.reverse(),
            Self::Batch(ops) => batch(|| ops.iter().for_each(|op| op.perform(list))),
        }
    }

    fn expect(&self, model: &mut Vec<u8>) {
        let len = model.len();
        match self.clone() {
            Self::Push(value) => model.push(value),
            Self::Pop => crate::ignore(model.pop()),
            Self::Set(index, value) if index < len => model[index] = value,
            Self::Insert(index, value) if index <= len => model.insert(index, value),
            Self::Remove(index) if index < len => crate::ignore(model.remove(index)),
            Self::Move(from, to) if from < len && to < len => {
                let value = model.remove(from);
                model.insert(to, value);
            }
            Self::Splice(start, end, values) if start <= end && end <= len => {
                model.splice(start..end, values);
            }
            Self::Truncate(len) => model.truncate(len),
            Self::Retain(value) => model.retain(|other| *other != value),
            Self::Sort => model.sort(),
            Self::Reverse => model.reverse(),
            Self::Batch(ops) => ops.iter().for_each(|op| op.expect(model)),
            _ => {}
        }
    }
}

fn lists_as_its_model(mut model: Vec<u8>, ops: Vec<OnVec>) {
    let list: ReactiveVec<u8> = model.iter().copied().collect();
    let (mut copy, mut changes) = (Vec::new(), list.changes());
    let runs: Vec<_> = (0..6)
        .map(|index| {
            let runs = Arc::new(Mutex::new(Vec::new()));
            let watch = effect!([list, runs] runs.lock().unwrap().push(list.get(index)));
            (runs, watch)
        })
        .collect();
    let mut expected: Vec<_> = (0..6).map(|index| vec![model.get(index).copied()]).collect();
    let (ends, slices) = (Trace::new(), Trace::new());
    let (mut expected_ends, mut expected_slices) = (vec![end(&model)], vec![middle(&model)]);
    let watches = [
        effect!([list, ends] ends.note((list.first(), list.last(), list.len()))),
        effect!([list, slices] slices.note(list.slice(1..3))),
    ];
    for op in ops {
        op.perform(&list);
        op.expect(&mut model);
        assert_eq!(list.values(), model);
        for (index, expected) in expected.iter_mut().enumerate() {
            note_change(expected, model.get(index).copied());
        }
        note_change(&mut expected_ends, end(&model));
        note_change(&mut expected_slices, middle(&model));
        changes.by_ref().for_each(|diff| apply_to_vec(&mut copy, diff));
        assert_eq!(copy, model);
    }
    for ((runs, _), expected) in runs.iter().zip(expected) {
        assert_eq!(*runs.lock().unwrap(), expected);
    }
    assert_eq!((ends.take(), slices.take()), (expected_ends, expected_slices));
    drop(watches);
}

fn end(model: &[u8]) -> (Option<u8>, Option<u8>, usize) {
    (model.first().copied(), model.last().copied(), model.len())
}

fn middle(model: &[u8]) -> Vec<u8> {
    model.iter().take(3).skip(1).copied().collect()
}

fn note_change<T: PartialEq>(expected: &mut Vec<T>, now: T) {
    if expected.last() != Some(&now) {
        expected.push(now);
    }
}

fn apply_to_vec(copy: &mut Vec<u8>, diff: VecDiff<u8>) {
    match diff {
        VecDiff::Reset { values } => *copy = values.into_iter().collect(),
        VecDiff::Insert { index, value } => copy.insert(index, value),
        VecDiff::Update { index, old, value } => {
            assert_eq!(std::mem::replace(&mut copy[index], value), old);
        }
        VecDiff::Remove { index, old } => assert_eq!(copy.remove(index), old),
        VecDiff::Move { from, to } => {
            let value = copy.remove(from);
            copy.insert(to, value);
        }
        other => panic!("not known here: {other:?}"),
    }
}

/// Every operation with every small argument.
fn every_op() -> Vec<OnVec> {
    let mut ops = vec![OnVec::Pop, OnVec::Sort, OnVec::Reverse];
    for value in 0..2 {
        ops.extend([OnVec::Push(value), OnVec::Retain(value)]);
        for index in 0..4 {
            ops.extend([OnVec::Set(index, value), OnVec::Insert(index, value)]);
        }
    }
    for from in 0..4 {
        ops.extend([OnVec::Remove(from), OnVec::Truncate(from)]);
        for to in 0..4 {
            ops.push(OnVec::Move(from, to));
            let values = [vec![], vec![0], vec![1], vec![0, 1], vec![1, 1, 0]];
            ops.extend(values.map(|values| OnVec::Splice(from, to, values)));
        }
    }
    ops
}

#[test]
fn no_wake_up_is_missed_or_needless_in_any_small_case() {
    in_graph(|_| {
        for len in 0..if cfg!(miri) { 2 } else { 4u32 } {
            for bits in 0..1u8 << len {
                let list: Vec<u8> = (0..len).map(|index| bits >> index & 1).collect();
                for op in every_op() {
                    lists_as_its_model(list.clone(), vec![op.clone()]);
                    lists_as_its_model(list.clone(), vec![OnVec::Batch(vec![op])]);
                }
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 300 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_map_and_all_derived_from_it_play_as_their_model(ops in vec(on_map(), 0..30)) {
        in_graph(move |_| plays_as_its_model(ops));
    }

    #[test]
    fn a_vector_wakes_each_index_for_each_other_value_and_plays_as_its_model(
        ops in vec(on_vec(), 0..30),
    ) {
        in_graph(move |_| lists_as_its_model(vec![0, 1, 0], ops));
    }
}
