//! Who hears of which changes, in which order.

use crate::stage::{Count, Trace, in_graph, in_reporting_graph};
use crate::{Done, listen};
use isobar::store::{Event, EventKind, IfMissing, Store, StoreError, Subscription, Value};
use isobar::{batch, signal};
use serde_json::json;
use std::sync::{Arc, Mutex};

#[test]
fn exact_ones_hear_first_then_patterns_by_specificity_then_the_parents() {
    in_graph(|_| {
        for _ in 0..30 {
            let (store, heard) = (Store::new(), Trace::new());
            let patterns = [
                "/**", "/a/*", "/", "/a/**", "/a/b", "/*/b", "/a", "/*", "/**/b", "/a/*/c", "/**/*",
            ];
            let all = patterns.map(|pattern| listen(&store, pattern, &heard));
            store.at("/a/b/c").set(1).unwrap();
            let order: Vec<String> =
                heard.take().iter().map(|line| line.split(':').next().unwrap().into()).collect();
            let expected = [
                "/a/*/c", "/a/**", "/**", "/**/*", // of /a/b/c
                "/a/b", "/a/*", "/*/b", "/**/b", // of /a/b
                "/a", "/*", // of /a
                "/",
            ];
            assert_eq!(order, expected);
            drop(all);
        }
    });
}

#[test]
fn equals_hear_in_the_order_of_subscription() {
    in_graph(|_| {
        for _ in 0..30 {
            let (store, heard) = (Store::new(), Trace::new());
            let all = ['A', 'B', 'C', 'D', 'E'].map(|name| {
                let heard = heard.clone();
                store.subscribe("/x", move |_| heard.note(name)).unwrap()
            });
            store.at("/x").set(1).unwrap();
            assert_eq!(heard.take(), ['A', 'B', 'C', 'D', 'E']);
            drop(all);
        }
    });
}

#[test]
fn a_name_pattern_hears_of_names_and_says_whose() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let note = heard.clone();
        let names = store.subscribe("/users/*/name", move |event: &Event<'_>| {
            let user = &event.matches()[0];
            note.note(format!("{user} {:?} {}", event.previous(), event.current_path()));
        });
        store.at("/users/1/name").set("A").unwrap();
        store.at("/users/1/name").set("B").unwrap();
        store.at("/users/1/first/name").set("C").unwrap();
        store.at("/users/2").set(json!({ "name": "D" })).unwrap();
        assert_eq!(heard.take(), ["1 None /users/1/name", "1 Some(String(\"A\")) /users/1/name"]);
        store.at("/users/1/name/x").set("E").unwrap();
        assert_eq!(heard.take(), ["1 None /users/1/name"]);
        drop(names);
    });
}

#[test]
fn who_stops_bubbling_is_not_heard_above_but_beside() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let above = [listen(&store, "/a", &heard), listen(&store, "/", &heard)];
        let note = heard.clone();
        let stops = store.subscribe("/a/b", move |event: &Event<'_>| {
            note.note("stops".into());
            event.stop_bubbling();
        });
        let beside = listen(&store, "/a/b", &heard);
        let derived = store.derive("/copy", "/a", |a: Option<Value>| a).unwrap();
        store.at("/a/b").set(1).unwrap();
        let derived_too = r#"/: /copy - -> {"b":1}"#;
        assert_eq!(heard.take(), ["stops", "/a/b: /a/b - -> 1", derived_too]);
        assert_eq!(store.at("/copy").to_value().unwrap(), Some(json!({ "b": 1 })));
        drop((above, stops, beside, derived));
    });
}

#[test]
fn a_commit_is_told_once_for_each_path_in_the_order_of_its_writes() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let all = listen(&store, "/**", &heard);
        batch(|| {
            store.at("/b").set(1).unwrap();
            store.at("/a").set(2).unwrap();
            store.at("/b").set(3).unwrap();
            store.at("/c").set(4).unwrap();
            store.at("/c").delete().unwrap();
        });
        assert_eq!(heard.take(), ["/**: /b - -> 3", "/**: /a - -> 2"]);
        store.at("/").delete().unwrap();
        assert_eq!(heard.take(), ["/**: /a 2 -> -", "/**: /b 3 -> -"]);
        drop(all);
    });
}

#[test]
fn the_payload_travels_up_to_the_root() {
    in_graph(|_| {
        let store = Store::new();
        let heard = Trace::new();
        let note = heard.clone();
        let root = store.subscribe("/", move |event: &Event<'_>| {
            note.note((event.kind(), event.payload::<&str>().copied(), event.revision()));
        });
        store.at("/a/b/c").write().payload("why").set(1).unwrap();
        store.at("/a/b/c").write().payload("ping").ping().unwrap();
        store.at("/a/b/c").set(2).unwrap();
        store.at("/a").write().payload("away").delete().unwrap();
        let told = heard.take();
        let kinds = [EventKind::Set, EventKind::Ping, EventKind::Set, EventKind::Deleted];
        assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), kinds);
        let payloads = [Some("why"), Some("ping"), None, Some("away")];
        assert_eq!(told.iter().map(|told| told.1).collect::<Vec<_>>(), payloads);
        assert!(told.windows(2).all(|pair| pair[0].2 < pair[1].2));
        drop(root);
    });
}

#[test]
fn a_ping_tells_the_path_and_those_above_and_none_below() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        store.at("/u/1").set(1).unwrap();
        let all = ["/", "/u", "/u/1"].map(|pattern| listen(&store, pattern, &heard));
        store.at("/u").ping().unwrap();
        assert_eq!(heard.take(), ["/u: /u - -> -", "/: /u - -> -"]);
        store.at("/u/1").ping().unwrap();
        assert_eq!(heard.take(), ["/u/1: /u/1 1 -> 1", "/u: /u/1 1 -> 1", "/: /u/1 1 -> 1"]);
        drop(all);
    });
}

#[test]
fn a_quiet_write_is_heard_by_nobody_and_seen_by_everybody() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let all = listen(&store, "/**", &heard);
        let doubled = store.derive("/doubled", "/n", |n: Option<i64>| n.map(|n| n * 2)).unwrap();
        heard.take();
        store.at("/n").write().quiet().set(4).unwrap();
        assert_eq!(heard.take(), ["/**: /doubled - -> 8"]);
        assert_eq!(store.at("/n").get().unwrap(), Some(4));
        batch(|| {
            store.at("/n").write().quiet().set(5).unwrap();
            store.at("/n").set(6).unwrap();
        });
        assert_eq!(heard.take(), ["/**: /n 4 -> 6", "/**: /doubled 8 -> 12"]);
        drop((all, doubled));
    });
}

#[test]
fn a_writes_own_equality_gets_the_old_and_the_new_value() {
    in_graph(|_| {
        let (store, asked) = (Store::new(), Trace::new());
        let at = store.at("/n");
        at.set(1).unwrap();
        let note = asked.clone();
        let near = move |old: &Value, new: &Value| {
            note.note((old.as_i64().unwrap(), new.as_i64().unwrap()));
            old.as_i64().unwrap().abs_diff(new.as_i64().unwrap()) < 3
        };
        assert!(!at.write().equality(near.clone()).set(2).unwrap());
        assert!(at.write().equality(near).set(4).unwrap());
        assert_eq!(
            (asked.take()[..2].to_vec(), at.get().unwrap()),
            (vec![(1, 2), (1, 4)], Some(4))
        );
    });
}

#[test]
fn an_unsubscribed_callback_is_called_no_more_also_from_inside_and_in_mid_event() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let kept = listen(&store, "/a", &heard);
        let (own, other): (Place, Place) = Default::default();
        let (mine, others, note) = (own.clone(), other.clone(), heard.clone());
        let first = store.subscribe("/a", move |_: &Event<'_>| {
            note.note("once".into());
            drop((mine.lock().unwrap().take(), others.lock().unwrap().take()));
        });
        *own.lock().unwrap() = Some(first.unwrap());
        *other.lock().unwrap() = Some(listen(&store, "/", &heard));
        store.at("/a").set(1).unwrap();
        assert_eq!(heard.take(), ["/a: /a - -> 1", "once"]);
        store.at("/a").set(2).unwrap();
        assert_eq!(heard.take(), ["/a: /a 1 -> 2"]);
        kept.unsubscribe();
        store.at("/a").set(3).unwrap();
        heard.expect_silence();
        let again = listen(&store, "/a", &heard);
        store.at("/a").set(4).unwrap();
        assert_eq!(heard.take(), ["/a: /a 3 -> 4"]);
        drop(again);
    });
}

#[test]
fn what_goes_with_an_unsubscribed_callback_may_panic_and_the_others_hear() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("not like this");
        }
    }
    in_reporting_graph(|_, failures| {
        let (store, heard) = (Store::new(), Trace::new());
        let own = Place::default();
        let (mine, bad) = (own.clone(), Bad);
        let first = store.subscribe("/a", move |_: &Event<'_>| {
            let _goes_with_it = &bad;
            drop(mine.lock().unwrap().take());
        });
        *own.lock().unwrap() = Some(first.unwrap());
        let others = [listen(&store, "/a", &heard), listen(&store, "/", &heard)];
        batch(|| (store.at("/a").set(1).unwrap(), store.at("/b").set(2).unwrap()));
        assert_eq!(heard.take(), ["/a: /a - -> 1", "/: /a - -> 1", "/: /b - -> 2"]);
        assert_eq!(failures.take(), ["drop: not like this"]);
        drop(others);
    });
}

type Place = Arc<Mutex<Option<Subscription>>>;

#[test]
fn who_subscribes_during_an_event_hears_from_the_next_one_on() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let late: Place = Place::default();
        let (to, of, note) = (late.clone(), store.clone(), heard.clone());
        let first = store.subscribe("/a", move |_: &Event<'_>| {
            to.lock().unwrap().get_or_insert_with(|| listen(&of, "/a", &note));
        });
        store.at("/a").set(1).unwrap();
        heard.expect_silence();
        store.at("/a").set(2).unwrap();
        assert_eq!(heard.take(), ["/a: /a 1 -> 2"]);
        drop(first);
    });
}

#[test]
fn callbacks_by_name_can_be_replaced_and_missing_ones_awaited() -> Done {
    let (store, heard) = (Store::new(), Trace::new());
    let noting = |name: &'static str| {
        let heard = heard.clone();
        move |_: &Event<'_>| heard.note(name)
    };
    store.register("stats", noting("stats"))?;
    let taken = store.register("stats", noting("other"));
    assert!(matches!(taken, Err(StoreError::CallbackExists { name }) if name == "stats"));
    let unknown = store.subscribe_by_name("/a", "later", IfMissing::Refuse);
    assert!(matches!(unknown, Err(StoreError::NoSuchCallback { .. })));
    let stats = store.subscribe_by_name("/a", "stats", IfMissing::Refuse)?;
    let later = store.subscribe_by_name("/a", "later", IfMissing::Wait)?;
    store.at("/a").set(1)?;
    assert_eq!(heard.take(), ["stats"]);
    store.replace_callback("stats", noting("new stats"));
    store.register("later", noting("later"))?;
    store.at("/a").set(2)?;
    assert_eq!(heard.take(), ["new stats", "later"]);
    assert!(store.unregister("stats") && !store.unregister("stats"));
    store.at("/a").set(3)?;
    assert_eq!(heard.take(), ["later"]);
    drop((stats, later));
    Ok(())
}

#[test]
fn a_callback_that_panics_harms_nobody_else_and_is_reported() {
    in_reporting_graph(|_, failures| {
        let (store, heard) = (Store::new(), Trace::new());
        let panics = store.subscribe("/a/b", |_: &Event<'_>| panic!("oh no"));
        let others = [listen(&store, "/a/b", &heard), listen(&store, "/a", &heard)];
        assert!(store.at("/a/b").set(1).unwrap());
        assert_eq!(heard.take(), ["/a/b: /a/b - -> 1", "/a: /a/b - -> 1"]);
        let failures = failures.take();
        assert!(failures.len() == 1 && failures[0].contains("/a/b"), "{failures:?}");
        assert!(failures[0].contains("oh no"), "{failures:?}");
        store.at("/a/b").set(2).unwrap();
        assert_eq!(heard.take().len(), 2);
        drop((panics, others));
    });
}

#[test]
fn callbacks_that_wake_each_other_for_ever_are_stopped_and_named() {
    in_reporting_graph(|_, failures| {
        let store = Store::new();
        let own = store.clone();
        let calls = Count::new();
        let count = calls.clone();
        let writes = store.subscribe("/a", move |_: &Event<'_>| {
            count.tick();
            own.at("/a").update(|n: Option<u64>| n.unwrap_or(0) + 1).unwrap();
        });
        store.at("/a").set(0).unwrap();
        let failures = failures.take();
        assert_eq!(failures, ["looping /a"]);
        let called = calls.take();
        assert!(called > 10, "called {called} times");
        // What it had written stands, and is heard as ever.
        assert_eq!(store.at("/a").get().unwrap(), Some(called));
        drop(writes);
        store.at("/a").set(0).unwrap();
        assert_eq!((calls.take(), store.at("/a").get().unwrap()), (0, Some(0)));
    });
}

#[test]
fn a_callback_that_settles_is_heard_step_by_step_by_the_others() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let own = store.clone();
        let up = store.subscribe("/n", move |event: &Event<'_>| {
            if event.value().and_then(Value::as_u64).is_some_and(|n| n < 5) {
                own.at("/n").update(|n: Option<u64>| n.unwrap_or(0) + 1).unwrap();
            }
        });
        let others = listen(&store, "/n", &heard);
        store.at("/n").set(1).unwrap();
        let steps = ["- -> 1", "1 -> 2", "2 -> 3", "3 -> 4", "4 -> 5"];
        assert_eq!(heard.take(), steps.map(|step| format!("/n: /n {step}")));
        drop((up, others));
    });
}

#[test]
fn an_event_reads_its_own_revision() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let note = heard.clone();
        let sums = store.subscribe("/a", move |event: &Event<'_>| {
            let (a, b): (i32, Option<i32>) =
                (event.get("/a").unwrap().unwrap_or(0), event.get("/b").unwrap());
            note.note((a, b));
        });
        batch(|| (store.at("/a").set(1).unwrap(), store.at("/b").set(2).unwrap()));
        batch(|| (store.at("/a").set(3).unwrap(), store.at("/b").set(4).unwrap()));
        assert_eq!(heard.take(), [(1, Some(2)), (3, Some(4))]);
        drop(sums);
    });
}

#[test]
fn a_subscription_does_not_keep_the_store_and_detached_ones_go_with_it() {
    in_graph(|_| {
        let (store, heard) = (Store::new(), Trace::new());
        let dropped = DropNote(heard.clone());
        let note = heard.clone();
        store
            .subscribe("/a", move |_: &Event<'_>| note.note(format!("{}", dropped.0.count())))
            .unwrap()
            .detach();
        store.at("/a").set(1).unwrap();
        assert_eq!(heard.take(), ["0"]);
        drop(store);
        assert_eq!(heard.take(), ["dropped"]);
    });
}

struct DropNote(Trace<String>);

impl Drop for DropNote {
    fn drop(&mut self) {
        self.0.note("dropped".into());
    }
}

#[test]
fn what_a_batch_writes_around_a_subscription_is_heard_at_its_end() {
    in_graph(|_| {
        let (store, heard, n) = (Store::new(), Trace::new(), signal(0));
        let all = batch(|| {
            store.at("/a").set(1).unwrap();
            let all = listen(&store, "/**", &heard);
            n.set(1);
            store.at("/b").set(2).unwrap();
            all
        });
        assert_eq!(heard.take(), ["/**: /a - -> 1", "/**: /b - -> 2"]);
        drop(all);
    });
}
