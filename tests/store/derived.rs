//! Values derived from others.

use crate::stage::{Count, Trace, in_graph, in_reporting_graph};
use crate::{Done, listen};
use isobar::store::{Store, StoreError, Value};
use isobar::{ReadError, batch, effect, snapshot};
use serde_json::json;
use std::thread;

#[test]
fn a_derived_value_is_read_listed_and_heard_like_any_other() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        store.at("/in/n").set(21).unwrap();
        let twice = store.derive("/out/twice", "/in/n", |n: Option<i64>| n.map(|n| n * 2)).unwrap();
        assert_eq!(
            store.at("/").to_value().unwrap(),
            Some(json!({ "in": { "n": 21 }, "out": { "twice": 42 } }))
        );
        assert_eq!(store.at("/out").list().unwrap(), ["twice"]);
        let all = listen(&store, "/out", &heard);
        store.at("/in/n").set(3).unwrap();
        assert_eq!(heard.take(), ["/out: /out/twice 42 -> 6"]);
        store.at("/in/n").delete().unwrap();
        assert_eq!(heard.take(), ["/out: /out/twice 6 -> -"]);
        drop(twice);
        store.at("/in/n").set(4).unwrap();
        heard.expect_silence();
        assert!(!store.at("/out").contains().unwrap());
        drop(all);
    });
}

#[test]
fn listeners_of_a_parity_hear_when_it_changes_only() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        store.at("/a").set(1).unwrap();
        let parity = store.derive("/odd", "/a", |a: Option<i64>| Some(a? % 2 == 1)).unwrap();
        let odd = listen(&store, "/odd", &heard);
        store.at("/a").set(3).unwrap();
        heard.expect_silence();
        store.at("/a").set(4).unwrap();
        assert_eq!(heard.take(), ["/odd: /odd true -> false"]);
        drop((parity, odd));
    });
}

#[test]
fn a_diamond_of_derived_values_never_shows_a_mixed_pair() {
    in_graph(|_| {
        let (store, pairs) = (Store::new(), Trace::new());
        store.at("/a").set(1).unwrap();
        let plus = store.derive("/b", "/a", |a: Option<i64>| Some(a? + 1)).unwrap();
        let twice = store.derive("/c", "/a", |a: Option<i64>| Some(a? * 2)).unwrap();
        let note = pairs.clone();
        let both = store.derive_many("/d", ["/b", "/c"], move |sources| {
            let (b, c): (i64, i64) = (sources.get("/b")?.unwrap(), sources.get("/c")?.unwrap());
            note.note((b, c));
            Ok(Some(b + c))
        });
        assert_eq!(store.at("/d").get().unwrap(), Some(4));
        store.at("/a").set(2).unwrap();
        assert_eq!(store.at("/d").get().unwrap(), Some(7));
        assert_eq!(pairs.take(), [(2, 2), (3, 4)]);
        drop((plus, twice, both));
    });
}

#[test]
fn one_of_many_sources_runs_it_once_and_the_same_value_never() {
    in_graph(|_| {
        let (store, runs) = (Store::new(), Count::new());
        let count = runs.clone();
        let sizes = store.derive_many("/sizes", ["/users/*", "/posts/**"], move |sources| {
            count.tick();
            Ok(Some(sources.all()?.len()))
        });
        let kept = store.at("/sizes");
        let _watch = effect!([kept] kept.get::<usize>().unwrap());
        assert_eq!(runs.take(), 1);
        store.at("/users/1").set("Ann").unwrap();
        assert_eq!((kept.get().unwrap(), runs.take()), (Some(1), 1));
        store.at("/users/1").set("Ann").unwrap();
        assert_eq!(runs.take(), 0);
        store.at("/elsewhere").set(1).unwrap();
        assert_eq!(runs.take(), 0);
        batch(|| {
            store.at("/posts/9/title").set("x").unwrap();
            store.at("/users/2").set("Bob").unwrap();
        });
        assert_eq!((kept.get().unwrap(), runs.take()), (Some(3), 1));
        drop(sizes);
    });
}

#[test]
fn another_derivation_takes_the_path_and_the_first_ones_end_leaves_it() {
    in_graph(|_| {
        let store = Store::new();
        batch(|| (store.at("/s").set(1).unwrap(), store.at("/t").set(10).unwrap()));
        let runs = Count::new();
        let count = runs.clone();
        let of_s = store.derive("/d", "/s", |s: Option<i64>| s).unwrap();
        let of_t = store.derive("/d", "/t", move |t: Option<i64>| {
            count.tick();
            t
        });
        assert_eq!((store.at("/d").get().unwrap(), runs.take()), (Some(10), 1));
        store.at("/s").set(2).unwrap();
        assert_eq!((store.at("/d").get().unwrap(), runs.take()), (Some(10), 0));
        of_s.remove();
        assert_eq!(store.at("/d").get().unwrap(), Some(10));
        drop(of_t);
        assert_eq!(store.at("/d").get::<i64>().unwrap(), None);
    });
}

#[test]
fn cycles_are_named_and_nothing_is_derived() {
    in_graph(|_| {
        let store = Store::new();
        let there = store.derive("/b", "/a", |a: Option<i64>| a).unwrap();
        let back = store.derive("/a", "/b", |b: Option<i64>| b);
        let Err(StoreError::Read(ReadError::Cycle { path })) = back else { panic!("{back:?}") };
        let path = path.join(" ");
        assert!(path.contains("/a") && path.contains("/b"), "{path}");
        store.at("/a").set(3).unwrap();
        assert_eq!(store.at("/b").get().unwrap(), Some(3));
        // Below its own source.
        let sum = store.derive("/a/sum", "/a", |a: Option<Value>| a);
        assert!(matches!(sum, Err(StoreError::Read(ReadError::Cycle { .. }))));
        assert_eq!(store.at("/a").get().unwrap(), Some(3));
        drop(there);
    });
}

#[test]
fn what_fails_at_once_is_not_derived_and_what_fails_later_recovers() {
    in_reporting_graph(|_, failures| {
        let store = Store::new();
        let inverse = |store: &Store| {
            store.derive("/inverse", "/n", |n: Option<i64>| Some(100 / n.unwrap_or(0)))
        };
        assert!(matches!(inverse(&store), Err(StoreError::Read(ReadError::Panicked { .. }))));
        store.at("/n").set(4).unwrap();
        assert!(!store.at("/inverse").contains().unwrap());
        let kept = inverse(&store).unwrap();
        store.at("/n").set(0).unwrap();
        let failure = store.at("/inverse").get::<i64>().unwrap_err().to_string();
        assert!(failure.contains("/inverse") && failure.contains("zero"), "{failure}");
        assert_eq!(store.at("/n").get().unwrap(), Some(0), "others do not suffer");
        store.at("/n").set(50).unwrap();
        assert_eq!(store.at("/inverse").get().unwrap(), Some(2));
        failures.expect_silence();
        drop(kept);
    });
}

#[test]
fn a_derived_value_may_be_set_until_its_source_changes() -> Done {
    let store = Store::new();
    store.at("/n").set(1)?;
    let twice = store.derive("/twice", "/n", |n: Option<i64>| Some(n? * 2))?;
    assert!(store.at("/twice").set(99)? && !store.at("/twice").set(99)?);
    assert_eq!(store.at("/twice").get()?, Some(99));
    store.at("/n").set(2)?;
    assert_eq!(store.at("/twice").get()?, Some(4));
    assert!(store.at("/twice").update(|n: Option<i64>| n.unwrap_or(0) + 1)?);
    assert_eq!(store.at("/twice").get()?, Some(5));
    store.at("/twice").delete()?;
    assert_eq!(store.at("/twice").get::<i64>()?, None);
    store.at("/n").set(3)?;
    assert_eq!(store.at("/twice").get()?, Some(6));
    drop(twice);
    Ok(())
}

#[test]
fn deleting_a_derived_value_and_what_is_below_is_one_commit() {
    in_graph(|_| {
        let (store, seen) = (Store::new(), Trace::new());
        store.at("/n").set(1).unwrap();
        let twice = store.derive("/twice", "/n", |n: Option<i64>| Some(n? * 2)).unwrap();
        store.at("/twice/why").set("because").unwrap();
        let place = store.at("/twice");
        let watch = effect!([place, seen] seen.note(place.to_value().unwrap()));
        assert!(store.at("/twice").delete().unwrap());
        assert!(!store.at("/twice").delete().unwrap());
        assert_eq!(seen.take(), [Some(json!({ "/": 2, "why": "because" })), None]);
        store.at("/n").set(2).unwrap();
        assert_eq!(seen.take(), [Some(json!(4))]);
        drop((twice, watch));
    });
}

#[test]
fn readers_on_other_threads_see_source_and_result_of_one_revision() {
    in_graph(|g| {
        let store = Store::new();
        store.at("/n").set(0_i64).unwrap();
        let twice = store.derive("/twice", "/n", |n: Option<i64>| Some(n? * 2)).unwrap();
        thread::scope(|threads| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let (store, g) = (&store, g);
                    threads.spawn(move || {
                        g.enter(|| {
                            loop {
                                let root = store.at("/").to_value().unwrap().unwrap();
                                let n = root["n"].as_i64().unwrap();
                                assert_eq!(root["twice"], json!(n * 2));
                                if n == 500 {
                                    return;
                                }
                            }
                        })
                    })
                })
                .collect();
            for n in 1..=500 {
                store.at("/n").set(n).unwrap();
            }
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        drop(twice);
    });
}

#[test]
fn snapshots_read_the_derived_value_of_their_revision() {
    in_graph(|_| {
        let store = Store::new();
        store.at("/n").set(1).unwrap();
        let twice = store.derive("/twice", "/n", |n: Option<i64>| Some(n? * 2)).unwrap();
        let node = store.at("/twice").node().unwrap();
        let before = snapshot();
        store.at("/n").set(2).unwrap();
        assert_eq!(before.with(&node, |tree| tree.get::<i64>()).unwrap(), Some(2));
        drop(twice);
    });
}

#[test]
fn a_tracked_callback_follows_what_it_reads_now() {
    in_graph(|_| {
        let (store, seen) = (Store::new(), Trace::new());
        store.at("/flag").set(true).unwrap();
        store.at("/legacy").set(1).unwrap();
        store.at("/new").set(10).unwrap();
        let _watch = effect!([store, seen] {
            let path = if store.at("/flag").get_or(false).unwrap() { "/legacy" } else { "/new" };
            seen.note(store.at(path).get::<i64>().unwrap());
        });
        store.at("/flag").set(false).unwrap();
        store.at("/legacy").set(2).unwrap();
        assert_eq!(seen.take(), [Some(1), Some(10)]);
        // A parent and its child are one run.
        let runs = Count::new();
        let _both = effect!([store, runs] {
            runs.tick();
            drop((store.at("/p").tree().unwrap(), store.at("/p/q").tree().unwrap()));
        });
        runs.take();
        store.at("/p/q").set(1).unwrap();
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_store_goes_with_its_handles_although_it_derives() {
    in_graph(|g| {
        let dropped = Trace::new();
        let store = Store::new();
        let guard = Guard(dropped.clone());
        store
            .derive("/d", "/s", move |s: Option<i64>| {
                let _kept = &guard;
                s
            })
            .unwrap()
            .detach();
        assert_eq!(store.at("/d").get::<i64>().unwrap(), None);
        drop(store);
        g.collect();
        assert_eq!(dropped.take(), ["dropped"]);
    });
}

struct Guard(Trace<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}
