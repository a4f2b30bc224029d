//! Reading and writing places.

use crate::Done;
use crate::stage::{Count, Trace, in_graph, in_this};
use isobar::store::{Path, Store, StoreError, Value};
use isobar::{Graph, batch, computed, effect, signal, snapshot, transaction};
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

#[test]
fn a_parent_reads_as_the_tree_of_its_children_in_the_order_of_their_names() -> Done {
    let store = Store::new();
    store.at("/config/theme").set("dark")?;
    store.at("/config/colors/secondary").set("#00f")?;
    store.at("/config/colors/primary").set("#f00")?;
    let colors = json!({ "primary": "#f00", "secondary": "#00f" });
    let config = json!({ "colors": colors, "theme": "dark" });
    assert_eq!(store.at("config").to_value()?, Some(config.clone()));
    assert_eq!(store.at("/").to_value()?, Some(json!({ "config": config })));
    assert_eq!(store.at("/config").list()?, ["colors", "theme"]);
    assert_eq!(store.at("/config").at("colors/primary").get()?, Some("#f00".to_string()));
    assert_eq!(store.at("/nowhere").to_value()?, None);
    Ok(())
}

#[test]
fn children_are_listed_however_much_is_below_them_and_their_names_resemble() -> Done {
    let store = Store::new();
    for name in ["a", "a-b", "a.b", "aa", "b"] {
        store.at("/x").at(name).at("deep/down").set(1)?;
    }
    store.at("/xy/z").set(1)?;
    assert_eq!(store.at("/x").list()?, ["a", "a-b", "a.b", "aa", "b"]);
    assert_eq!(store.at("/x/a").tree()?.iter().count(), 1);
    Ok(())
}

#[test]
fn a_value_stands_beside_children() -> Done {
    let store = Store::new();
    store.at("/config/theme").set("dark")?;
    store.at("/config").set(json!({ "x": 1 }))?;
    let tree = store.at("/config").tree()?;
    assert_eq!(tree.own().map(|own| Value::clone(own)), Some(json!({ "x": 1 })));
    assert_eq!(tree.children().collect::<Vec<_>>(), ["theme"]);
    assert_eq!(tree.to_value(), Some(json!({ "/": { "x": 1 }, "theme": "dark" })));
    // An object is one value: it has no places inside.
    assert!(!store.at("/config/x").contains()?);
    Ok(())
}

#[test]
fn set_tells_whether_the_value_is_another_one() -> Done {
    let store = Store::new();
    let place = store.at("/n");
    assert!(place.set(None::<u32>)?, "nothing is a value");
    assert!(place.contains()? && !place.set(None::<u32>)?);
    assert!(place.set(5)? && !place.set(5)? && place.set("5")?);
    assert!(place.delete()? && !place.delete()?);
    assert_eq!(place.to_value()?, None);
    Ok(())
}

#[test]
fn defaults_are_written_only_where_that_is_asked_for() -> Done {
    let store = Store::new();
    let volume = store.at("/volume");
    assert_eq!(volume.get_or(50)?, 50);
    assert!(!volume.contains()?);
    assert_eq!(volume.get_or_insert(40)?, 40);
    assert_eq!((volume.get_or(50)?, volume.get_or_insert(30)?), (40, 40));
    store.at("/only/child").set(1)?;
    store.at("/only/child").delete()?;
    assert_eq!(store.at("/only").get_or(7)?, 7, "a parent without children is nothing");
    Ok(())
}

#[test]
fn what_is_of_another_type_is_an_error_with_path_and_type() -> Done {
    let store = Store::new();
    store.at("/name").set("Ann")?;
    let error = store.at("/name").get::<u32>().unwrap_err();
    assert!(matches!(&error, StoreError::Decode { path, .. } if path.as_str() == "/name"));
    assert!(error.to_string().contains("u32"), "{error}");
    let refused = store.at("/name").update(|n: Option<u32>| n.unwrap_or(0) + 1);
    assert!(matches!(refused, Err(StoreError::Decode { .. })));
    assert_eq!(store.at("/name").get()?, Some("Ann".to_string()));
    let keys = BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(store.at("/map").set(keys), Err(StoreError::Encode { .. })));
    assert!(matches!(store.at("/a/../b").get::<u32>(), Err(StoreError::Path(_))));
    assert!(matches!(store.at("/a/../b").set(1), Err(StoreError::Path(_))));
    Ok(())
}

#[test]
fn set_tree_spreads_fields_and_changes_what_is_different_only() {
    in_graph(|_| {
        let store = Store::new();
        let config = store.at("/config");
        config.set_tree(json!({ "a": 1, "b": { "c": 2, "d": 3 }, "e": {} })).unwrap();
        assert_eq!(store.at("/config/b/c").get().unwrap(), Some(2));
        assert_eq!(store.at("/config/e").to_value().unwrap(), Some(json!({})));
        let runs = Count::new();
        let c = store.at("/config/b/c");
        let _watch = effect!([c, runs] {
            runs.tick();
            c.get::<u32>().unwrap();
        });
        runs.take();
        let changed = config.set_tree(json!({ "a": 1, "b": { "c": 2 }, "f": 9 })).unwrap();
        assert_eq!((changed, runs.take()), (true, 0));
        let now = json!({ "a": 1, "b": { "c": 2 }, "f": 9 });
        assert_eq!(config.to_value().unwrap(), Some(now.clone()));
        assert!(!config.set_tree(now).unwrap());
        assert!(config.set_tree(json!({ "b/c": 1 })).is_err());
        assert!(config.set_tree(json!({ "": 1 })).is_err());
    });
}

#[test]
fn a_tree_that_was_read_stays_what_it_was() -> Done {
    let store = Store::new();
    store.at("/a/b").set(1)?;
    let tree = store.at("/a").tree()?;
    store.at("/a/b").set(2)?;
    store.at("/a/c").set(3)?;
    assert_eq!(tree.to_value(), Some(json!({ "b": 1 })));
    assert_ne!(tree, store.at("/a").tree()?);
    assert_eq!(tree.at(&"b".parse::<Path>()?).and_then(|b| b.to_value()), Some(json!(1)));
    Ok(())
}

/// Reads below, and the writes that wake each.
#[test]
fn who_reads_a_path_is_woken_by_writes_there_and_below_and_no_others() {
    in_graph(|_| {
        let store = Store::new();
        store.at("/a/b/c").set(1).unwrap();
        store.at("/a/x").set(1).unwrap();
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/a/x", "/q", "/a/bb"];
        let heard = Trace::new();
        let _watches = paths.map(|path| {
            let (store, heard) = (store.clone(), heard.clone());
            effect(move || {
                store.at(path).tree().unwrap();
                heard.note(path);
            })
        });
        let woken = |by: &dyn Fn()| {
            heard.take();
            by();
            heard.take_sorted()
        };
        let set = |path: &str, n: i32| store.at(path).set(n).map(|_| ()).unwrap();
        assert_eq!(woken(&|| set("/a/b/c", 2)), ["/", "/a", "/a/b", "/a/b/c"]);
        assert_eq!(woken(&|| set("/a/b/c", 2)), [""; 0]);
        assert_eq!(woken(&|| set("/a/b", 2)), ["/", "/a", "/a/b"]);
        assert_eq!(woken(&|| set("/a/bc", 2)), ["/", "/a"]);
        assert_eq!(woken(&|| set("/q/r/s", 2)), ["/", "/q"]);
        let delete = |path: &str| store.at(path).delete().map(|_| ()).unwrap();
        assert_eq!(woken(&|| delete("/a/b")), ["/", "/a", "/a/b", "/a/b/c"]);
        assert_eq!(woken(&|| delete("/a/b")), [""; 0]);
        assert_eq!(woken(&|| set("/a/b/c", 3)), ["/", "/a", "/a/b", "/a/b/c"]);
        let both = || {
            batch(|| {
                set("/a/b/c", 4);
                delete("/a/x");
            });
        };
        assert_eq!(woken(&both), ["/", "/a", "/a/b", "/a/b/c", "/a/x"]);
        let back = || batch(|| [9, 4].into_iter().for_each(|n| set("/a/b/c", n)));
        assert_eq!(woken(&back), [""; 0]);
        let unseen = || batch(|| delete("/"));
        assert_eq!(woken(&unseen), ["/", "/a", "/a/b", "/a/b/c", "/q"]);
    });
}

#[test]
fn a_batch_over_paths_and_signals_is_one_commit_and_its_author_sees_it() {
    in_graph(|_| {
        let (store, n) = (Store::new(), signal(0));
        let seen = Trace::new();
        let at = store.at("/n");
        let _watch = effect!([at, n, seen] seen.note((at.get_or(0).unwrap(), n.get())));
        batch(|| {
            store.at("/n").set(1).unwrap();
            assert_eq!(store.at("/n").get().unwrap(), Some(1));
            store.at("/n").update(|n: Option<i32>| n.unwrap_or(0) + 1).unwrap();
            n.set(2);
        });
        assert_eq!(seen.take(), [(0, 0), (2, 2)]);
    });
}

#[test]
fn a_transaction_that_fails_has_written_nothing() {
    in_graph(|_| {
        let store = Store::new();
        store.at("/from").set(10).unwrap();
        let moved = |amount: i64| {
            transaction(|| {
                let left = store.at("/from").get_or(0)? - amount;
                store.at("/from").set(left)?;
                store.at("/to").update(move |n: Option<i64>| n.unwrap_or(0) + amount)?;
                if left < 0 { Err(Refused::TooMuch) } else { Ok(left) }
            })
        };
        assert!(matches!(moved(3), Ok(7)));
        assert!(matches!(moved(8), Err(Refused::TooMuch)));
        assert_eq!(store.at("/").to_value().unwrap(), Some(json!({ "from": 7, "to": 3 })));
    });
}

enum Refused {
    TooMuch,
    Store(#[allow(dead_code)] StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[test]
fn snapshots_and_drafts_take_the_store_like_any_node() {
    in_graph(|g| {
        let store = Store::new();
        store.at("/a").set(1).unwrap();
        let before = snapshot();
        let a = store.at("/a").node().unwrap();
        let draft = g.draft();
        draft.enter(|| {
            store.at("/a").set(7).unwrap();
            assert_eq!(store.at("/a").get().unwrap(), Some(7));
        });
        assert_eq!(store.at("/a").get().unwrap(), Some(1));
        assert_eq!(draft.with(&a, |tree| tree.get()).unwrap(), Some(7));
        store.at("/b").set(2).unwrap();
        // Another path has changed meanwhile; the draft's writes are replayed on it.
        draft.commit_over();
        assert_eq!(store.at("/").to_value().unwrap(), Some(json!({ "a": 7, "b": 2 })));
        assert_eq!(
            before.with(&store, |state| state.tree(&Path::root()).to_value()),
            Some(json!({ "a": 1 }))
        );
        store.restore(&before.load(&store)).unwrap();
        assert_eq!(store.at("/").to_value().unwrap(), Some(json!({ "a": 1 })));
    });
}

#[test]
fn a_revision_that_the_graph_keeps_can_be_gone_back_to() {
    in_this(
        || Graph::builder().history(8).build(),
        |g| {
            let store = Store::new();
            store.at("/a").set(1).unwrap();
            let then = g.revision();
            store.at("/a").set(2).unwrap();
            store.at("/b/c").set(3).unwrap();
            let kept = g.snapshot_at(then).unwrap();
            assert!(store.restore(&kept.load(&store)).unwrap());
            assert_eq!(store.at("/").to_value().unwrap(), Some(json!({ "a": 1 })));
            assert!(!store.restore(&kept.load(&store)).unwrap());
        },
    );
}

#[test]
fn inside_a_computed_writing_is_refused_by_name() {
    in_graph(|_| {
        let store = Store::new();
        let writer = computed!([store] {
            let at = store.at("/a");
            let refused = [at.set(1), at.delete(), at.set_tree(1), at.ping().map(|()| true)];
            let subscribed = store.subscribe("/a", |_| ()).map(|_| ());
            let all = refused.into_iter().map(|done| done.map(|_| ())).chain([subscribed]);
            all.map(|done| matches!(done, Err(StoreError::Write(_)))).collect::<Vec<_>>()
        });
        assert_eq!(writer.get(), [true; 5]);
        assert!(!store.at("/a").contains().unwrap());
    });
}

#[test]
fn an_atom_is_a_typed_place_with_a_default() -> Done {
    let store = Store::new();
    let volume = store.atom("audio/volume", 5_u8)?;
    assert_eq!((volume.get()?, store.at(&volume).contains()?), (5, false));
    assert!(volume.set(7)? && volume.update(|v| v + 1)?);
    assert_eq!((volume.get()?, store.at("/audio/volume").get()?), (8, Some(8)));
    assert!(volume.delete()?);
    assert_eq!((volume.get()?, volume.path().as_str()), (5, "/audio/volume"));
    Ok(())
}

#[test]
fn an_equality_that_panics_is_the_writers_and_nothing_is_written() {
    in_graph(|_| {
        let store = Store::new();
        store.at("/a").set(1).unwrap();
        let panics = |_: &Value, _: &Value| -> bool { panic!("which is which?") };
        let wrote = catch_unwind(AssertUnwindSafe(|| {
            store.at("/a").write().equality(panics).set(2).map(drop_it)
        }));
        assert!(wrote.is_err());
        assert_eq!(store.at("/a").get().unwrap(), Some(1));
        assert!(store.at("/a").set(3).unwrap());
    });
}

fn drop_it(_: bool) {}

#[test]
fn awaited_updates_beside_each_other_are_all_kept() {
    in_graph(|_| {
        let store = Store::new();
        let slow = store.subscribe("/n", |_| thread::yield_now()).unwrap();
        let awaited = store.asynchronous();
        let places: Vec<_> = (0..10).map(|_| awaited.at("/n")).collect();
        let updates = places.iter().map(|n| n.update(|n: Option<u32>| n.unwrap_or(0) + 1));
        let done = futures::executor::block_on(futures::future::join_all(updates));
        assert!(done.into_iter().all(|done| done.unwrap()));
        assert_eq!(awaited.at("/n").get().unwrap(), Some(10));
        drop(slow);
    });
}

#[test]
fn of_many_threads_one_inserts_the_default_and_all_get_it() {
    in_graph(|g| {
        for round in 0..50 {
            let store = Store::new();
            let got: Vec<u32> = thread::scope(|threads| {
                let insert = |n: u32| {
                    let place = store.at("/first");
                    threads.spawn(move || g.enter(|| place.get_or_insert(n).unwrap()))
                };
                let all = [1, 2, 3].map(insert);
                all.map(|thread| thread.join().unwrap()).into()
            });
            let first: u32 = store.at("/first").get().unwrap().unwrap();
            assert_eq!(got, [first; 3], "in round {round}");
        }
    });
}
