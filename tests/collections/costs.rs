//! How many readers a write looks at, however many there are.

use crate::ignore;
use crate::stage::in_graph;
use isobar::{Effect, Graph, ReactiveMap, ReactiveVec, batch, effect};

const READERS: usize = if cfg!(miri) { 20 } else { 2000 };

fn looked_at(g: &Graph, write: impl FnOnce()) -> u64 {
    let before = g.stats();
    write();
    let after = g.stats();
    (after.recomputes + after.private_runs) - (before.recomputes + before.private_runs)
}

#[test]
fn a_write_of_a_key_looks_at_the_readers_of_that_key_only() {
    in_graph(|g| {
        let map: ReactiveMap<usize, usize> = (0..READERS).map(|key| (key, key)).collect();
        let readers: Vec<Effect> =
            (0..READERS).map(|key| effect!([map] ignore(map.get(&key)))).collect();
        assert_eq!(looked_at(g, || ignore(map.insert(7, 8))), 1);
        assert_eq!(looked_at(g, || batch(|| ignore(map.insert(9, 10)))), 1);
        assert_eq!(looked_at(g, || map.insert_many([(1, 2), (3, 4), (READERS, 0)])), 2);
        assert_eq!(looked_at(g, || map.retain(|key, _| key % 10 != 0)), READERS as u64 / 10);
        drop(readers);
    });
}

#[test]
fn a_write_of_an_index_looks_at_its_readers_and_an_append_at_none() {
    in_graph(|g| {
        let list: ReactiveVec<usize> = (0..READERS).collect();
        let readers: Vec<Effect> =
            (0..READERS).map(|index| effect!([list] ignore(list.get(index)))).collect();
        assert_eq!(looked_at(g, || list.set(7, 8).unwrap()), 1);
        assert_eq!(looked_at(g, || batch(|| list.set(8, 9).unwrap())), 1);
        assert_eq!(looked_at(g, || list.push(0)), 0);
        assert_eq!(looked_at(g, || batch(|| list.extend([1, 2]))), 0);
        assert_eq!(looked_at(g, || list.truncate(READERS)), 0);
        assert_eq!(looked_at(g, || ignore(list.pop())), 1);
        // Five that have another value now, and the one whose value is gone since the pop.
        assert_eq!(looked_at(g, || ignore(list.remove(READERS - 6))), 6);
        drop(readers);
    });
}

#[test]
fn a_change_of_a_derived_map_looks_at_the_readers_of_that_key_only() {
    in_graph(|g| {
        let map: ReactiveMap<usize, usize> = (0..READERS).map(|key| (key, key)).collect();
        let doubled = map.map_values(|_, n| n * 2);
        let readers: Vec<Effect> =
            (0..READERS).map(|key| effect!([doubled] ignore(doubled.get(&key)))).collect();
        // The key's node in the map, and the one derived from it.
        assert_eq!(looked_at(g, || ignore(map.insert(7, 8))), 2);
        drop(readers);
    });
}
