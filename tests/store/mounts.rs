//! Storage below paths: what is stored is what is in memory.

use crate::stage::{Gate, Trace, in_graph, in_reporting_graph};
use crate::{Done, listen, path, put};
use isobar::store::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Memory, Notices, Path,
    Store, StoreError, Stored, Value, Version,
};
use isobar::{Clock, batch, effect};
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// A backend in memory that notes what it is asked, and fails or waits where it is told to.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) memory: Memory,
    /// The paths of each group of changes.
    pub(crate) groups: Trace<Vec<String>>,
    /// Changes of paths with one of these in their names fail.
    refused: Arc<Mutex<Vec<&'static str>>>,
    /// Passed before each group.
    pub(crate) gate: Gate,
    pub(crate) can: Capabilities,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        let gate = Gate::new();
        gate.open();
        let mut can = Capabilities::NONE;
        can.watch = true;
        let refused = Arc::default();
        Self { memory: Memory::new(), groups: Trace::new(), refused, gate, can }
    }

    pub(crate) fn stored(&self) -> BTreeMap<String, Value> {
        crate::all(&mut self.memory.clone())
    }

    pub(crate) fn refuse(&self, names: &[&'static str]) {
        *self.refused.lock().unwrap() = names.to_vec();
    }

    /// As another process would.
    pub(crate) fn store_from_elsewhere(&self, changes: &[Change]) {
        self.memory.clone().apply(changes).unwrap();
    }
}

impl Backend for Scripted {
    fn capabilities(&self) -> Capabilities {
        self.can
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        self.memory.load()
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        let stored = self.memory.read(path)?;
        match &stored {
            Some(there) if *there.value == "broken" => {
                Err(BackendError::invalid(path.clone(), "not what it should be"))
            }
            _ => Ok(stored),
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        self.gate.pass();
        self.groups.note(changes.iter().map(|change| change.path.to_string()).collect());
        let refused = self.refused.lock().unwrap().clone();
        let is_refused =
            |change: &Change| refused.iter().any(|part| change.path.as_str().contains(part));
        let applied = changes.iter().position(is_refused).unwrap_or(changes.len());
        assert!(!refused.contains(&"panic"), "told to panic");
        let versions = self.memory.apply(&changes[..applied])?;
        if applied < changes.len() {
            return Err(ApplyError::Backend {
                applied,
                source: BackendError::failed("write", "disk full"),
            });
        }
        Ok(versions)
    }

    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        self.memory.watch(notices)
    }
}

/// Until there is a value at a path.
pub(crate) fn wait_for(store: &Store, path: &str) {
    let node = store.at(path).node().unwrap();
    node.wait_until(|tree| !tree.is_empty(), Duration::from_secs(60)).unwrap();
}

/// The state at `/kept` in paths relative to it.
pub(crate) fn in_memory(store: &Store) -> BTreeMap<String, Value> {
    let tree = store.at("/kept").tree().unwrap();
    let below = |at: &Path| at.strip(&path("/kept")).unwrap().to_string();
    tree.iter().map(|(at, value)| (below(at), Value::clone(value))).collect()
}

#[test]
fn what_is_stored_is_loaded_and_what_is_set_is_stored_when_set_returns() -> Done {
    let (store, backend) = (Store::new(), Scripted::new());
    backend.store_from_elsewhere(&[put("a", 1), put("deep/b", 2)]);
    store.at("/elsewhere").set(0)?;
    let mount = store.mount("/kept", backend.clone()).build()?;
    assert_eq!(store.at("/kept").to_value()?, Some(json!({ "a": 1, "deep": { "b": 2 } })));
    store.at("/kept/a").set(5)?;
    store.at("/kept/c").set(6)?;
    store.at("/elsewhere").set(1)?;
    assert_eq!(backend.stored(), in_memory(&store));
    store.at("/kept").delete()?;
    assert!(backend.stored().is_empty());
    assert_eq!(backend.groups.take(), [vec!["/a"], vec!["/c"], vec!["/a", "/c", "/deep/b"]]);
    assert_eq!((mount.stats().stored, mount.stats().groups, mount.stats().failures), (5, 3, 0));
    Ok(())
}

#[test]
fn a_batch_is_given_to_the_backend_in_one_piece() -> Done {
    let (store, backend) = (Store::new(), Scripted::new());
    store.mount("/kept", backend.clone()).build()?;
    batch(|| {
        store.at("/kept/a").set(1)?;
        store.at("/kept/b").set(2)?;
        store.at("/kept/b").set(3)?;
        store.at("/kept/c").set(4)?;
        store.at("/kept/c").delete()
    })?;
    store.flush()?;
    assert_eq!(backend.groups.take(), [["/a", "/b"]]);
    Ok(())
}

#[test]
fn what_cannot_be_stored_is_the_writers_error_and_is_taken_back() {
    in_reporting_graph(|g, failures| {
        let (store, backend, heard) = (Store::new(), Scripted::new(), Trace::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        store.at("/kept/bad").set(1).unwrap();
        let all = listen(&store, "/kept/**", &heard);
        backend.refuse(&["bad"]);
        let refused = store.at("/kept/bad").set(2);
        let Err(StoreError::NotStored { path, source }) = refused else { panic!("{refused:?}") };
        assert_eq!(path.as_str(), "/kept/bad");
        assert!(source.to_string().contains("disk full"), "{source}");
        assert_eq!(store.at("/kept/bad").get().unwrap(), Some(1));
        // Taking back is the mount's thread's commit, which another may be telling.
        g.settle().unwrap();
        assert_eq!(heard.take(), ["/kept/**: /kept/bad 1 -> 2", "/kept/**: /kept/bad 2 -> 1"]);
        assert!(matches!(store.at("/kept/bad").delete(), Err(StoreError::NotStored { .. })));
        assert!(matches!(store.at("/kept/bad/er").set(2), Err(StoreError::NotStored { .. })));
        assert_eq!(backend.stored(), in_memory(&store));
        assert!(store.at("/kept/good").set(1).unwrap());
        backend.refuse(&[]);
        assert!(store.at("/kept/bad").set(2).unwrap());
        assert_eq!(backend.stored(), in_memory(&store));
        failures.expect_silence();
        drop(all);
    });
}

#[test]
fn of_a_tree_that_fails_half_way_what_is_stored_stays() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.refuse(&["m"]);
        let refused = store.at("/kept").set_tree(json!({ "a": 1, "m": 2, "z": 3 }));
        assert!(matches!(refused, Err(StoreError::NotStored { .. })), "{refused:?}");
        assert_eq!(store.at("/kept").to_value().unwrap(), Some(json!({ "a": 1, "z": 3 })));
        assert_eq!(backend.stored(), in_memory(&store));
        assert_eq!(backend.groups.take(), [vec!["/a", "/m", "/z"], vec!["/z"]]);
    });
}

#[test]
fn a_storage_that_is_gone_is_not_asked_for_each_value() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.refuse(&["/"]);
        let many: BTreeMap<String, u32> = (0..100).map(|n| (n.to_string(), n)).collect();
        let refused = store.at("/kept").set_tree(many);
        assert!(matches!(refused, Err(StoreError::NotStored { .. })), "{refused:?}");
        assert_eq!((backend.groups.count(), in_memory(&store).len()), (3, 0));
    });
}

#[test]
fn a_failure_in_a_batch_or_effect_is_told_to_who_listens_for_it() {
    in_reporting_graph(|_, failures| {
        let (store, backend, told) = (Store::new(), Scripted::new(), Trace::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.refuse(&["bad"]);
        let effects = {
            let store = store.clone();
            effect(move || {
                if store.at("/ask").get_or(false).unwrap() {
                    store.at("/kept/bad").set(1).unwrap();
                }
            })
        };
        store.at("/ask").set(true).unwrap();
        store.at("/kept/good").set(1).unwrap();
        // Told by the mount's thread, which has it behind when it comes to the next thing.
        store.flush().unwrap();
        let failure = failures.take();
        assert!(failure.len() == 1 && failure[0].contains("/kept/bad"), "{failure:?}");
        assert!(!store.at("/kept/bad").contains().unwrap());
        let note = told.clone();
        store.on_storage_error(move |error| note.note(error.to_string()));
        batch(|| store.at("/kept/bad").set(2)).unwrap();
        store.at("/kept/good").set(2).unwrap();
        store.flush().unwrap();
        let told = told.take();
        assert!(told.len() == 1 && told[0].contains("/kept/bad"), "{told:?}");
        failures.expect_silence();
        batch(|| store.at("/kept/bad").set(3)).unwrap();
        drop(store.flush());
        assert_eq!(backend.stored(), in_memory(&store));
        drop(effects);
    });
}

#[test]
fn a_backend_that_panics_is_an_error_and_goes_on() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.refuse(&["panic"]);
        let refused = store.at("/kept/a").set(1).unwrap_err().to_string();
        assert!(refused.contains("told to panic"), "{refused}");
        backend.refuse(&[]);
        assert!(store.at("/kept/a").set(1).unwrap());
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn nobody_who_reads_waits_for_a_slow_backend_and_other_paths_are_written() {
    in_graph(|g| {
        let (store, mut backend) = (Store::new(), Scripted::new());
        backend.gate = Gate::new();
        store.mount("/kept", backend.clone()).build().unwrap();
        let (inner, graph) = (store.clone(), g.clone());
        let writer = thread::spawn(move || graph.enter(|| inner.at("/kept/a").set(1)));
        wait_for(&store, "/kept/a");
        assert_eq!(store.at("/kept").list().unwrap(), ["a"]);
        assert!(store.at("/elsewhere").set(1).unwrap());
        assert!(!writer.is_finished());
        backend.gate.open();
        assert!(writer.join().unwrap().unwrap());
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn a_write_gives_up_after_the_time_given() {
    in_graph(|_| {
        let (store, mut backend) = (Store::new(), Scripted::new());
        backend.gate = Gate::new();
        store.mount("/kept", backend.clone()).timeout(Duration::from_millis(1)).build().unwrap();
        let late = store.at("/kept/a").set(1);
        assert!(matches!(late, Err(StoreError::Timeout { .. })), "{late:?}");
        backend.gate.open();
        drop(store);
        assert_eq!(backend.stored(), BTreeMap::from([("/a".to_string(), json!(1))]));
    });
}

#[test]
fn written_behind_is_what_is_different_when_the_time_comes() {
    in_graph(|_| {
        let (store, backend, clock) = (Store::new(), Scripted::new(), Clock::manual());
        backend.store_from_elsewhere(&[put("k", "old")]);
        let every = Duration::from_millis(50);
        let mount = store.mount("/kept", backend.clone()).write_behind(&clock, every).build();
        let mount = mount.unwrap();
        store.at("/kept/a").set(1).unwrap();
        store.at("/kept/a").set(2).unwrap();
        store.at("/kept/k").delete().unwrap();
        store.at("/kept/gone").set(1).unwrap();
        store.at("/kept/gone").delete().unwrap();
        assert_eq!(store.at("/kept/k").get_or("default".to_string()).unwrap(), "default");
        assert_eq!(backend.stored(), BTreeMap::from([("/k".to_string(), json!("old"))]));
        mount.flush().unwrap();
        assert_eq!(backend.groups.take(), [["/a", "/k"]]);
        assert_eq!(backend.stored(), in_memory(&store));
        assert_eq!(store.at("/kept/k").get_or("default".to_string()).unwrap(), "default");
    });
}

#[test]
fn the_clock_alone_has_it_written_again_and_again() {
    in_graph(|_| {
        let (store, backend, clock) = (Store::new(), Scripted::new(), Clock::manual());
        let every = Duration::from_millis(50);
        store.mount("/kept", backend.clone()).write_behind(&clock, every).build().unwrap();
        for n in 1..4 {
            store.at("/kept/a").set(n).unwrap();
            // The mount's thread sets the time as soon as it has looked.
            let group = loop {
                clock.advance(every);
                if let Some(group) = backend.groups.take().into_iter().next() {
                    break group;
                }
                thread::yield_now();
            };
            assert_eq!(group, ["/a"]);
        }
        store.flush().unwrap();
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn a_flush_that_fails_keeps_exactly_what_was_not_stored() {
    in_reporting_graph(|_, failures| {
        let (store, backend, clock) = (Store::new(), Scripted::new(), Clock::manual());
        let behind = store.mount("/kept", backend.clone());
        let mount = behind.write_behind(&clock, Duration::from_secs(1)).build().unwrap();
        for name in ["a", "b", "m", "x", "y"] {
            store.at("/kept").at(name).set(1).unwrap();
        }
        backend.refuse(&["m"]);
        let failed = mount.flush();
        assert!(matches!(failed, Err(StoreError::Storage { .. })), "{failed:?}");
        failures.expect_silence();
        let groups = [vec!["/a", "/b", "/m", "/x", "/y"], vec!["/x", "/y"]];
        assert_eq!(backend.groups.take(), groups);
        assert_eq!((mount.stats().pending, mount.stats().stored), (1, 4));
        assert_eq!(store.at("/kept/m").get().unwrap(), Some(1), "nothing is taken back");
        backend.refuse(&[]);
        mount.flush().unwrap();
        assert_eq!(backend.groups.take(), [["/m"]]);
        assert_eq!(mount.stats().pending, 0);
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn the_last_handle_waits_until_all_is_stored() {
    in_graph(|_| {
        let (store, backend, clock) = (Store::new(), Scripted::new(), Clock::manual());
        let behind = store.mount("/kept", backend.clone());
        let mount = behind.write_behind(&clock, Duration::from_secs(1)).build().unwrap();
        store.at("/kept/a").set(1).unwrap();
        drop(store);
        assert_eq!(backend.stored(), BTreeMap::from([("/a".to_string(), json!(1))]));
        assert!(matches!(mount.flush(), Err(StoreError::Gone { .. })));
    });
}

#[test]
fn the_last_handle_stores_nothing_that_a_batch_around_it_has_not_committed() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        store.at("/kept/a").set(1).unwrap();
        batch(move || {
            store.at("/kept/a").set(2).unwrap();
            drop(store);
        });
        assert_eq!(backend.stored(), BTreeMap::from([("/a".to_string(), json!(1))]));
    });
}

#[test]
fn parents_show_what_is_mounted_below_and_the_longest_path_keeps_it() -> Done {
    let store = Store::new();
    let [root, p, e] = [Scripted::new(), Scripted::new(), Scripted::new()];
    root.store_from_elsewhere(&[put("a/x", 1), put("own", 2)]);
    p.store_from_elsewhere(&[put("key", 3)]);
    e.store_from_elsewhere(&[put("key", 4)]);
    let mounts = [
        store.mount("/p/d/e", e.clone()).build()?,
        store.mount("/", root.clone()).build()?,
        store.mount("/p", p.clone()).build()?,
    ];
    let all = json!({ "a": { "x": 1 }, "own": 2, "p": { "d": { "e": { "key": 4 } }, "key": 3 } });
    assert_eq!(store.at("/").to_value()?, Some(all.clone()));
    assert_eq!(store.at("/").to_value()?, Some(all), "reading changes nothing");
    // A value at the parent stands beside the mount.
    store.at("/p/d").set(json!({ "k": 1 }))?;
    store.at("/p/d/e/f").set(5)?;
    store.at("/pp").set(6)?;
    assert_eq!(p.stored().keys().collect::<Vec<_>>(), ["/d", "/key"]);
    assert_eq!(e.stored().keys().collect::<Vec<_>>(), ["/f", "/key"]);
    assert_eq!(root.stored().keys().collect::<Vec<_>>(), ["/a/x", "/own", "/pp"]);
    let taken = store.mount("/p", Scripted::new()).build();
    assert!(matches!(taken, Err(StoreError::Mounted { path }) if path.as_str() == "/p"));
    let hides = store.mount("/a", Scripted::new()).build();
    assert!(matches!(hides, Err(StoreError::NotEmpty { path }) if path.as_str() == "/a"));
    // Deleting goes through; the mounts stay, empty.
    store.at("/p").delete()?;
    assert!(p.stored().is_empty() && e.stored().is_empty());
    store.at("/p/d/e/g").set(7)?;
    assert_eq!(e.stored().keys().collect::<Vec<_>>(), ["/g"]);
    drop(mounts);
    Ok(())
}

#[test]
fn an_unmounted_backend_keeps_its_values_and_the_store_loses_them() -> Done {
    let (store, root, below) = (Store::new(), Scripted::new(), Scripted::new());
    store.mount("/", root.clone()).build()?;
    let mount = store.mount("/kept", below.clone()).build()?;
    batch(|| store.at("/kept/a").set(1))?;
    store.at("/other").set(2)?;
    let mut backend = mount.clone().unmount()?;
    assert_eq!(crate::all(&mut *backend).into_keys().collect::<Vec<_>>(), ["/a"]);
    assert_eq!(store.at("/").to_value()?, Some(json!({ "other": 2 })));
    assert!(matches!(mount.unmount(), Err(StoreError::Gone { .. })));
    store.at("/kept/a").set(3)?;
    assert_eq!(root.stored().keys().collect::<Vec<_>>(), ["/kept/a", "/other"]);
    assert_eq!(below.stored()["/a"], json!(1));
    Ok(())
}

#[test]
fn what_was_unmounted_can_be_mounted_again_and_hears_of_others_there() -> Done {
    let (store, backend) = (Store::new(), Scripted::new());
    let mount = store.mount("/kept", backend.clone()).build()?;
    store.at("/kept/a").set(1)?;
    let again = mount.unmount()?;
    assert!(!store.at("/kept").contains()?);
    store.mount("/there", again).build()?;
    assert_eq!(store.at("/there/a").get()?, Some(1));
    backend.store_from_elsewhere(&[put("b", 2)]);
    wait_for(&store, "/there/b");
    assert!(!store.at("/kept").contains()?);
    Ok(())
}

#[test]
fn what_others_store_together_is_taken_in_together_and_not_stored_again() {
    in_graph(|_| {
        let (store, backend, pairs) = (Store::new(), Scripted::new(), Trace::new());
        let mount = store.mount("/kept", backend.clone()).build().unwrap();
        let (at, note) = (store.at("/kept"), pairs.clone());
        let watch = effect(move || {
            note.note((at.at("a").get_or(0).unwrap(), at.at("b").get_or(0).unwrap()));
        });
        backend.store_from_elsewhere(&[put("a", 1), put("b", 1)]);
        wait_for(&store, "/kept/b");
        store.flush().unwrap();
        assert_eq!(pairs.take(), [(0, 0), (1, 1)]);
        assert_eq!((backend.groups.count(), mount.stats().taken_in), (0, 2));
        drop(watch);
    });
}

#[test]
fn a_broken_value_changes_nothing_and_is_reported() {
    in_graph(|_| {
        let (store, backend, told) = (Store::new(), Scripted::new(), Trace::new());
        backend.store_from_elsewhere(&[put("a", "good")]);
        let note = told.clone();
        store.on_storage_error(move |error| note.note(error.to_string()));
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.store_from_elsewhere(&[put("a", "broken")]);
        backend.store_from_elsewhere(&[put("b", 1)]);
        wait_for(&store, "/kept/b");
        assert_eq!(store.at("/kept/a").get().unwrap(), Some("good".to_string()));
        let told = told.take();
        assert!(told.len() == 1 && told[0].contains("not what it should be"), "{told:?}");
    });
}

#[test]
fn two_stores_on_one_storage_lose_no_increment() {
    in_graph(|g| {
        let memory = Memory::new();
        thread::scope(|threads| {
            for _ in 0..2 {
                let memory = memory.clone();
                threads.spawn(move || {
                    g.enter(|| {
                        let store = Store::new();
                        store.mount("/kept", memory).build().unwrap();
                        let mut left = 100;
                        while left > 0 {
                            let done =
                                store.at("/kept/n").update(|n: Option<u64>| n.unwrap_or(0) + 1);
                            match done {
                                Ok(_) => left -= 1,
                                Err(StoreError::Conflict { .. }) => {}
                                Err(other) => panic!("{other}"),
                            }
                        }
                    });
                });
            }
        });
        assert_eq!(crate::all(&mut memory.clone())["/n"], json!(200));
    });
}

#[test]
fn many_writers_and_a_failing_backend_agree_in_the_end() {
    in_graph(|g| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        thread::scope(|threads| {
            for writer in 0..4_u64 {
                let (store, backend) = (&store, &backend);
                threads.spawn(move || {
                    g.enter(|| {
                        for n in 0..100_u64 {
                            let own = store.at("/kept").at(format!("w{writer}/k{}", n % 5));
                            let before: Option<u64> = own.get().unwrap();
                            backend.refuse(if n % 10 == 3 { &["k3"] } else { &[] });
                            match own.set(n) {
                                Ok(_) => assert_eq!(own.get().unwrap(), Some(n)),
                                Err(_) => assert_eq!(own.get::<u64>().unwrap(), before),
                            }
                            store
                                .at("/kept/all")
                                .update(|n: Option<u64>| n.unwrap_or(0) + 1)
                                .unwrap();
                        }
                    });
                });
            }
        });
        assert_eq!(store.at("/kept/all").get().unwrap(), Some(400));
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn awaited_writes_block_no_thread() {
    in_graph(|_| {
        let (store, mut backend) = (Store::new(), Scripted::new());
        backend.gate = Gate::new();
        store.mount("/kept", backend.clone()).build().unwrap();
        let awaited = store.asynchronous();
        let place = awaited.at("/kept/a");
        let mut write = pin!(place.set(1));
        let poll = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        assert_eq!(place.get().unwrap(), Some(1), "it is in memory");
        assert!(matches!(
            pin!(awaited.at("/free").set(2)).poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(Ok(true))
        ));
        backend.gate.open();
        assert!(futures::executor::block_on(write).unwrap());
        backend.refuse(&["a"]);
        let refused = futures::executor::block_on(place.delete());
        assert!(matches!(refused, Err(StoreError::NotStored { .. })));
        futures::executor::block_on(awaited.flush()).unwrap();
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn a_mount_that_cannot_load_is_none() {
    struct Deaf;

    impl Backend for Deaf {
        fn capabilities(&self) -> Capabilities {
            Capabilities::NONE
        }

        fn load(&mut self) -> Result<Contents, BackendError> {
            Err(BackendError::failed("read the disk", "no such disk"))
        }

        fn read(&mut self, _: &Path) -> Result<Option<Stored>, BackendError> {
            Ok(None)
        }

        fn apply(&mut self, _: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
            Ok(Vec::new())
        }
    }

    let store = Store::new();
    let refused = store.mount("/kept", Deaf).build().unwrap_err().to_string();
    assert!(refused.contains("/kept") && refused.contains("no such disk"), "{refused}");
    assert!(store.at("/kept/a").set(1).unwrap());
    store.at("/kept").delete().unwrap();
    store.mount("/kept", Scripted::new()).build().unwrap();
}
