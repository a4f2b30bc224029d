//! Maps, vectors and sets, and who is woken by what. Each line is a write and the readers that ran
//! again, each once. Notice the writes that wake nobody, and those that wake only who asked.
//!
//! Mended: a membership was woken by a new value, clearing woke once for each key, and so did
//! adding several.

use isobar::{Effect, Graph, ReactiveMap, ReactiveSet, ReactiveVec, effect};
use std::sync::mpsc;

type Access<C> = (&'static str, fn(&C));

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        map(say);
        vector(say);
        set(say);
    });
}

fn map(say: fn(String)) {
    type Map = ReactiveMap<&'static str, i32>;
    let make = || Map::from_iter([("a", 1), ("b", 2)]);
    let reads: [Access<Map>; 6] = [
        ("value of a", |map| _ = map.get(&"a")),
        ("value of z", |map| _ = map.get(&"z")),
        ("has a", |map| _ = map.contains_key(&"a")),
        ("len", |map| _ = map.len()),
        ("keys", |map| _ = map.keys()),
        ("values", |map| _ = map.values()),
    ];
    let writes: [Access<Map>; 7] = [
        ("a = 1 again", |map| _ = map.insert("a", 1)),
        ("a = 9", |map| _ = map.insert("a", 9)),
        ("b = 9", |map| _ = map.insert("b", 9)),
        ("new z", |map| _ = map.insert("z", 26)),
        ("remove a", |map| _ = map.remove(&"a")),
        ("remove b", |map| _ = map.remove(&"b")),
        ("clear", ReactiveMap::clear),
    ];
    table(say, make, &reads, &writes);
}

fn vector(say: fn(String)) {
    type Vector = ReactiveVec<i32>;
    let make = || Vector::from_iter([10, 20, 30]);
    let reads: [Access<Vector>; 10] = [
        ("[0]", |vec| _ = vec.get(0)),
        ("[1]", |vec| _ = vec.get(1)),
        ("[3]", |vec| _ = vec.get(3)),
        ("last", |vec| _ = vec.last()),
        ("len", |vec| _ = vec.len()),
        ("values", |vec| _ = vec.values()),
        ("[0..2]", |vec| _ = vec.slice(0..2)),
        ("[1..]", |vec| _ = vec.slice(1..)),
        ("has 20", |vec| _ = vec.contains(&20)),
        ("position of 30", |vec| _ = vec.position(&30)),
    ];
    let writes: [Access<Vector>; 9] = [
        ("[0] = 10 again", |vec| vec.set(0, 10).expect("it has three")),
        ("[0] = 9", |vec| vec.set(0, 9).expect("it has three")),
        ("push 40", |vec| vec.push(40)),
        ("push 30", |vec| vec.push(30)),
        ("insert 5 at 0", |vec| vec.insert(0, 5).expect("it has three")),
        ("pop", |vec| _ = vec.pop()),
        ("remove [0]", |vec| _ = vec.remove(0)),
        ("reverse", ReactiveVec::reverse),
        ("sort", ReactiveVec::sort),
    ];
    table(say, make, &reads, &writes);
}

fn set(say: fn(String)) {
    type Set = ReactiveSet<i32>;
    let make = || Set::from_iter([1, 2]);
    let reads: [Access<Set>; 4] = [
        ("has 1", |set| _ = set.contains(&1)),
        ("len", |set| _ = set.len()),
        ("elements", |set| _ = set.elements()),
        ("disjoint from 9", |set| _ = set.is_disjoint([9])),
    ];
    let writes: [Access<Set>; 6] = [
        ("insert 1 again", |set| _ = set.insert(1)),
        ("remove 5, which it has not", |set| _ = set.remove(&5)),
        ("insert 9", |set| _ = set.insert(9)),
        ("remove 1", |set| _ = set.remove(&1)),
        ("insert 3 and 4", |set| set.insert_many([3, 4])),
        ("clear", ReactiveSet::clear),
    ];
    table(say, make, &reads, &writes);
}

/// For each write a fresh collection, with an effect for each way of reading it.
fn table<C: Clone + Send + 'static>(
    say: fn(String),
    make: fn() -> C,
    reads: &[Access<C>],
    writes: &[Access<C>],
) {
    for (what, write) in writes {
        let collection = make();
        let (woken, all_woken) = mpsc::channel();
        let watch = |(name, read): &Access<C>| {
            let (collection, woken, name, read) = (collection.clone(), woken.clone(), *name, *read);
            effect(move || {
                read(&collection);
                woken.send(name).expect("the end that receives is still there");
            })
        };
        let watches: Vec<Effect> = reads.iter().map(watch).collect();
        // The first runs are none of the write's.
        all_woken.try_iter().for_each(drop);
        write(&collection);
        say(format!("{what}: {}", all_woken.try_iter().collect::<Vec<_>>().join(", ")));
        drop(watches);
    }
}
