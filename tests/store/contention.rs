//! Storage while others write, mount, fail and wait: what was answered is what is stored.

use crate::mounts::{Scripted, in_memory, wait_for};
use crate::put;
use crate::stage::{Gate, Halt, Trace, in_graph, in_reporting_graph};
use isobar::store::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Path, Store, StoreError,
    Stored, Version,
};
use isobar::{Clock, batch, effect, transaction};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

#[test]
fn the_last_handle_waits_also_while_the_mounts_thread_is_at_work_in_the_store() {
    in_graph(|g| {
        let (store, backend, clock) = (Store::new(), Scripted::new(), Clock::manual());
        let behind = store.mount("/kept", backend.clone()).write_behind(&clock, EVERY);
        behind.build().unwrap();
        let halt = Halt::first();
        let stop = halt.clone();
        store.subscribe("/kept/theirs", move |_| stop.here()).unwrap().detach();
        backend.store_from_elsewhere(&[put("theirs", 1)]);
        halt.reached();
        batch(|| store.at("/kept/a").set(1)).unwrap();
        let (graph, begun, kept) = (g.clone(), Gate::new(), backend.clone());
        let begins = begun.clone();
        let last = thread::spawn(move || {
            graph.enter(|| {
                begins.open();
                drop(store);
                kept.stored()
            })
        });
        begun.pass();
        for _ in 0..1000 {
            thread::yield_now();
        }
        halt.release();
        assert_eq!(last.join().unwrap().get("/a"), Some(&json!(1)));
    });
}

#[test]
fn a_default_that_is_inserted_waits_until_it_is_stored_like_any_write() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        backend.refuse(&["a"]);
        let refused = store.at("/kept/a").get_or_insert(1);
        assert!(matches!(refused, Err(StoreError::NotStored { .. })), "{refused:?}");
        backend.refuse(&[]);
        assert_eq!(store.at("/kept/a").get_or_insert(2).unwrap(), 2);
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn a_flush_inside_a_transaction_stores_nothing_that_is_not_committed() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        let mount = store.mount("/kept", backend.clone()).build().unwrap();
        let given_up = transaction(|| {
            store.at("/kept/a").set(1).unwrap();
            store.flush().unwrap();
            mount.flush().unwrap();
            Err::<(), _>("given up")
        });
        assert_eq!(given_up, Err("given up"));
        store.flush().unwrap();
        assert!(backend.stored().is_empty(), "{:?}", backend.stored());
        batch(|| {
            store.at("/kept/b").set(1).unwrap();
            store.flush().unwrap();
        });
        store.flush().unwrap();
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn a_flush_inside_an_effect_makes_no_source_of_the_store() {
    in_graph(|g| {
        let (store, backend, runs) = (Store::new(), Scripted::new(), Trace::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        let (inner, note) = (store.clone(), runs.clone());
        let effect = effect(move || {
            note.note(inner.at("/kept/ask").get_or(0).unwrap());
            inner.flush().unwrap();
        });
        store.at("/kept/else").set(1).unwrap();
        store.at("/kept/ask").set(1).unwrap();
        g.settle().unwrap();
        assert_eq!(runs.take(), [0, 1]);
        drop(effect);
    });
}

#[test]
fn a_callback_that_the_mounts_own_thread_runs_may_flush_and_write() {
    in_graph(|_| {
        let (store, backend, told) = (Store::new(), Scripted::new(), Trace::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        let (inner, note) = (store.clone(), told.clone());
        let follows = store.subscribe("/kept/theirs", move |_| {
            inner.at("/kept/ours").set(1).unwrap();
            note.note(inner.flush().is_err());
        });
        backend.store_from_elsewhere(&[put("theirs", 1)]);
        wait_for(&store, "/kept/ours");
        store.flush().unwrap();
        assert_eq!(told.take(), [true], "it would wait for itself");
        assert_eq!(backend.stored(), in_memory(&store));
        drop(follows);
    });
}

#[test]
fn who_is_told_of_failures_may_write_to_what_is_mounted() {
    in_graph(|_| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        let inner = store.at("/kept/last_failure");
        store.on_storage_error(move |error| assert!(inner.set(error.to_string()).unwrap()));
        backend.refuse(&["bad"]);
        batch(|| store.at("/kept/bad").set(1)).unwrap();
        wait_for(&store, "/kept/last_failure");
        store.flush().unwrap();
        assert_eq!(backend.stored(), in_memory(&store));
        assert_eq!(backend.stored().len(), 1);
        // The closure holds the store.
        store.on_storage_error(|_| {});
    });
}

#[test]
fn a_write_is_answered_with_what_became_of_its_own_path() {
    in_graph(|g| {
        let (store, mut backend) = (Store::new(), Scripted::new());
        backend.gate = Gate::new();
        store.mount("/kept", backend.clone()).build().unwrap();
        let write = |path: &'static str| {
            let (graph, at) = (g.clone(), store.at(path));
            let writer = thread::spawn(move || graph.enter(|| at.set(1)));
            wait_for(&store, path);
            writer
        };
        let first = write("/kept/first");
        let (above, below) = (write("/kept/a"), write("/kept/a/bad"));
        backend.refuse(&["bad"]);
        backend.gate.open();
        assert!(first.join().unwrap().unwrap());
        assert!(above.join().unwrap().unwrap(), "its value was stored");
        assert!(below.join().unwrap().is_err());
        assert_eq!(backend.stored(), in_memory(&store));
    });
}

#[test]
fn who_writes_what_another_is_about_to_store_hears_whether_it_was() {
    in_graph(|g| {
        for refused in [&[][..], &["a"][..]] {
            let (store, mut backend) = (Store::new(), Scripted::new());
            backend.gate = Gate::new();
            store.mount("/kept", backend.clone()).build().unwrap();
            backend.refuse(refused);
            let write = || {
                let (graph, at) = (g.clone(), store.at("/kept/a"));
                thread::spawn(move || graph.enter(|| at.set(1)))
            };
            let first = write();
            wait_for(&store, "/kept/a");
            let same = store.asynchronous();
            let place = same.at("/kept/a");
            let mut same = std::pin::pin!(place.set(1));
            let noop = std::task::Waker::noop();
            let poll = same.as_mut().poll(&mut std::task::Context::from_waker(noop));
            assert!(poll.is_pending(), "it is not stored yet");
            backend.gate.open();
            let same = futures::executor::block_on(same);
            assert_eq!(first.join().unwrap().is_ok(), refused.is_empty());
            assert_eq!(same.is_ok(), refused.is_empty());
            // Nothing is on its way any more: nothing to wait for.
            if refused.is_empty() {
                assert!(!store.at("/kept/a").set(1).unwrap());
            }
        }
    });
}

#[test]
fn a_callback_that_takes_long_keeps_no_other_threads_write_from_being_stored() {
    in_graph(|g| {
        let (store, backend, halt) = (Store::new(), Scripted::new(), Halt::first());
        store.mount("/kept", backend.clone()).build().unwrap();
        let stop = halt.clone();
        let slow = store.subscribe("/slow", move |_| stop.here());
        let (graph, at) = (g.clone(), store.at("/slow"));
        let writer = thread::spawn(move || graph.enter(|| at.set(1)));
        halt.reached();
        assert!(store.at("/kept/a").set(1).unwrap());
        assert_eq!(backend.stored(), in_memory(&store));
        halt.release();
        assert!(writer.join().unwrap().unwrap());
        drop(slow);
    });
}

#[test]
fn a_place_mounted_below_keeps_its_values_from_what_is_written_behind_above() {
    in_graph(|_| {
        let (store, above, below, clock) =
            (Store::new(), Scripted::new(), Scripted::new(), Clock::manual());
        let behind = store.mount("/", above.clone()).write_behind(&clock, EVERY);
        let mount = behind.build().unwrap();
        store.at("/kept/x").set(1).unwrap();
        store.at("/kept/y").set(1).unwrap();
        mount.flush().unwrap();
        store.at("/kept").delete().unwrap();
        below.store_from_elsewhere(&[put("x", 5)]);
        store.mount("/kept", below.clone()).build().unwrap();
        mount.flush().unwrap();
        assert!(above.stored().is_empty(), "{:?}", above.stored());
        assert_eq!(below.stored(), in_memory(&store));
    });
}

/// Stands in `load`, and fails there.
struct LoadsInVain(Halt);

impl Backend for LoadsInVain {
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        self.0.here();
        Err(BackendError::failed("read the disk", "no such disk"))
    }

    fn read(&mut self, _: &Path) -> Result<Option<Stored>, BackendError> {
        Ok(None)
    }

    fn apply(&mut self, _: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        Ok(Vec::new())
    }
}

#[test]
fn what_is_written_while_a_mount_fails_is_kept_by_the_one_above() {
    in_graph(|g| {
        let (store, above, halt) = (Store::new(), Scripted::new(), Halt::first());
        let mount = store.mount("/kept", above.clone()).build().unwrap();
        let (inner, graph, stands) = (store.clone(), g.clone(), halt.clone());
        let vain = thread::spawn(move || {
            graph.enter(|| inner.mount("/kept/below", LoadsInVain(stands)).build().is_err())
        });
        halt.reached();
        batch(|| store.at("/kept/below/x").set(1)).unwrap();
        mount.flush().unwrap();
        halt.release();
        assert!(vain.join().unwrap());
        store.flush().unwrap();
        assert_eq!(above.stored(), in_memory(&store));
        assert_eq!(above.stored().len(), 1);
    });
}

#[test]
fn a_backend_that_panics_before_it_is_mounted_leaves_no_mount() {
    struct Moody;

    impl Backend for Moody {
        fn capabilities(&self) -> Capabilities {
            panic!("not today")
        }

        fn load(&mut self) -> Result<Contents, BackendError> {
            Ok(Contents::default())
        }

        fn read(&mut self, _: &Path) -> Result<Option<Stored>, BackendError> {
            Ok(None)
        }

        fn apply(&mut self, _: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
            Ok(Vec::new())
        }
    }

    in_graph(|_| {
        let store = Store::new();
        let mounting = || drop(store.mount("/kept", Moody).build());
        assert!(catch_unwind(AssertUnwindSafe(mounting)).is_err());
        assert!(store.at("/kept/a").set(1).unwrap());
        store.at("/kept").delete().unwrap();
        store.mount("/kept", Scripted::new()).build().unwrap();
    });
}

#[test]
fn what_is_written_while_another_unmounts_is_in_the_backend_or_in_the_store() {
    in_graph(|g| {
        for _ in 0..100 {
            let (store, backend) = (Store::new(), Scripted::new());
            let mount = store.mount("/kept", backend.clone()).build().unwrap();
            thread::scope(|threads| {
                let writer = threads.spawn(|| {
                    g.enter(|| {
                        for n in 0..30 {
                            store.at("/kept").at(n.to_string()).set(n).unwrap();
                        }
                    });
                });
                wait_for(&store, "/kept/3");
                drop(mount.unmount().unwrap());
                writer.join().unwrap();
            });
            let (stored, there) = (backend.stored(), in_memory(&store));
            for n in 0..30 {
                let path = format!("/{n}");
                let found = stored.get(&path).or_else(|| there.get(&path));
                assert_eq!(found, Some(&json!(n)), "at {path}");
            }
        }
    });
}

#[test]
fn a_derived_value_that_fails_keeps_nobody_from_deleting_and_unmounting() {
    in_reporting_graph(|_, _| {
        let (store, backend) = (Store::new(), Scripted::new());
        let mount = store.mount("/kept", backend.clone()).build().unwrap();
        let failing = store.derive("/kept/sum", "/n", |n: Option<i64>| {
            assert!(n.is_none(), "out of sorts");
            n
        });
        let failing = failing.unwrap();
        let before = store.state();
        store.at("/kept/a").set(1).unwrap();
        store.at("/n").set(1).unwrap();
        assert!(store.at("/kept").tree().is_err());
        store.at("/kept").set_tree(json!({ "b": 2 })).unwrap();
        assert_eq!(backend.stored().keys().collect::<Vec<_>>(), ["/b"]);
        assert!(store.at("/kept").delete().unwrap());
        store.at("/kept/c").set(1).unwrap();
        mount.unmount().unwrap();
        assert_eq!(store.state().value(&crate::path("/kept/c")), None);
        store.restore(&before).unwrap();
        drop(failing);
    });
}

#[test]
fn a_store_whose_last_handle_goes_inside_of_a_derived_value_is_freed_and_nothing_hangs() {
    in_graph(|g| {
        let (store, backend) = (Store::new(), Scripted::new());
        store.mount("/kept", backend.clone()).build().unwrap();
        let halt = Halt::idle();
        let stands = halt.clone();
        let derived = store.derive("/d", "/kept/n", move |n: Option<i64>| {
            stands.here();
            n
        });
        derived.unwrap().detach();
        let node = store.at("/d").node().unwrap();
        let watch = effect(move || drop(node.try_get()));
        let (graph, at) = (g.clone(), store.at("/kept/n"));
        halt.arm();
        let writer = thread::spawn(move || graph.enter(|| at.set(1)));
        halt.reached();
        drop(store);
        halt.release();
        drop(writer.join().unwrap());
        drop(watch);
        assert_eq!(backend.stored().get("/n"), Some(&json!(1)));
    });
}
