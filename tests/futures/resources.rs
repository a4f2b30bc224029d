//! Resources.

use crate::stage::{
    Door, Dropped, Hand, Spawner, Trace, block_on, in_graph, in_this, once_more, reporting,
    under_each_executor,
};
use isobar::{LoadError, Resource, Signal, Status, WhenChanged, batch, effect, resource, signal};
use std::sync::{Arc, Mutex};
use std::thread;

type Doors = Arc<Mutex<Vec<(i32, Door)>>>;

/// What a loader does that waits for its door: fails for 0, panics for 13.
fn loader(
    doors: &Doors,
    trace: &Trace<&'static str>,
) -> impl FnMut(i32) -> futures::future::BoxFuture<'static, Result<String, &'static str>> + use<> {
    let (doors, trace) = (doors.clone(), trace.clone());
    move |id| {
        let (door, trace) = (Door::new(), trace.clone());
        doors.lock().unwrap().push((id, door.clone()));
        Box::pin(async move {
            let _dropped = Dropped(trace, "dropped");
            door.wait().await;
            match id {
                0 => Err("no such user"),
                13 => panic!("deliberate"),
                id => Ok(format!("user {id}")),
            }
        })
    }
}

struct Scene {
    hand: Hand,
    id: Signal<Option<i32>>,
    user: Resource<String>,
    doors: Doors,
    trace: Trace<&'static str>,
}

fn scene(when_changed: WhenChanged) -> Scene {
    let (hand, id) = (Hand::default(), signal(Some(1)));
    let (doors, trace) = (Doors::default(), Trace::new());
    let params = {
        let id = id.clone();
        move || id.get()
    };
    let builder = Resource::builder(hand.clone(), params, loader(&doors, &trace));
    let user = builder.name("user").when_changed(when_changed).build();
    Scene { hand, id, user, doors, trace }
}

impl Scene {
    fn open(&self, id: i32) {
        let doors = self.doors.lock().unwrap();
        doors.iter().filter(|(of, _)| *of == id).for_each(|(_, door)| door.open());
        drop(doors);
        self.hand.run();
    }

    fn loads(&self) -> Vec<i32> {
        self.doors.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }

    fn is(&self) -> (Status, Option<String>) {
        (self.user.status(), self.user.get())
    }

    fn load_first(&self) {
        self.hand.run();
        self.open(1);
    }
}

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn only_the_last_of_quick_parameters_is_used_and_the_loads_before_are_cancelled() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        assert_eq!(s.is(), (Status::Loading, None));
        s.hand.run();
        s.id.set(Some(2));
        s.hand.run();
        s.id.set(Some(3));
        s.hand.run();
        assert_eq!(s.trace.take(), ["dropped", "dropped"]);
        for id in [3, 2, 1] {
            s.open(id);
        }
        assert_eq!(s.is(), (Status::Ready, named("user 3")));
    });
}

#[test]
fn equal_parameters_do_not_load_again() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.load_first();
        s.id.set(Some(1));
        s.id.touch();
        batch(|| {
            s.id.set(Some(2));
            s.id.set(Some(1));
        });
        s.hand.run();
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 1")), vec![1]));
    });
}

#[test]
fn the_statuses_follow_each_other_as_the_table_says() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.load_first();
        s.id.set(Some(0));
        assert_eq!(s.is(), (Status::Reloading, named("user 1")));
        s.hand.run();
        s.open(0);
        assert_eq!(s.is(), (Status::Error, None));
        let error = s.user.error().unwrap().to_string();
        assert!(error.contains("user failed to load: no such user"), "{error}");
        s.user.reload();
        assert_eq!(s.is(), (Status::Reloading, named("user 1")));
        assert!(s.user.error().is_none());
        s.user.set("Ada".into());
        assert_eq!(s.is(), (Status::Local, named("Ada")));
        s.user.update(|name| format!("{} L.", name.unwrap()));
        assert_eq!(s.is(), (Status::Local, named("Ada L.")));
        s.hand.run();
        s.id.set(Some(2));
        assert_eq!(s.is(), (Status::Reloading, named("Ada L.")));
        s.hand.run();
        s.id.set(None);
        assert_eq!(s.is(), (Status::Idle, None));
        s.hand.run();
        s.id.set(Some(4));
        assert_eq!(s.is(), (Status::Loading, None));
        s.hand.run();
        s.open(4);
        assert_eq!(s.is(), (Status::Ready, named("user 4")));
    });
}

#[test]
fn reload_loads_again_and_keeps_the_value_readable() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.load_first();
        s.user.reload();
        s.user.reload();
        assert_eq!(s.is(), (Status::Reloading, named("user 1")));
        s.hand.run();
        s.open(1);
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 1")), vec![1, 1]));
        s.user.set("Ada".into());
        s.user.reload();
        assert_eq!(s.is(), (Status::Reloading, named("Ada")));
        s.hand.run();
        s.open(1);
        assert_eq!(s.is(), (Status::Ready, named("user 1")));
        s.id.set(Some(2));
        assert_eq!(s.is(), (Status::Reloading, named("user 1")));
    });
}

#[test]
fn a_value_set_by_hand_cancels_the_load_under_way() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.hand.run();
        s.user.set("Ada".into());
        assert_eq!(s.is(), (Status::Local, named("Ada")));
        s.hand.run();
        assert_eq!(s.trace.take(), ["dropped"]);
        s.open(1);
        assert_eq!(s.is(), (Status::Local, named("Ada")));
    });
}

#[test]
fn a_value_set_by_hand_does_not_come_back_with_its_parameters() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.load_first();
        s.user.set("Ada".into());
        s.hand.run();
        s.id.set(Some(2));
        s.hand.run();
        s.open(2);
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 2")), vec![1, 2]));
        s.id.set(Some(1));
        assert_eq!(s.is(), (Status::Reloading, named("user 2")));
        s.hand.run();
        s.open(1);
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 1")), vec![1, 2, 1]));
    });
}

#[test]
fn a_watcher_never_sees_status_and_value_disagree() {
    in_graph(|_| {
        let (s, seen) = (scene(WhenChanged::Latest), Trace::new());
        let _watch = effect({
            let (user, id, seen) = (s.user.clone(), s.id.clone(), seen.clone());
            move || seen.note((id.get(), user.status(), user.get(), user.is_loading()))
        });
        s.load_first();
        s.id.set(Some(2));
        s.hand.run();
        s.open(2);
        let one = named("user 1");
        let expected = [
            (Some(1), Status::Loading, None, true),
            (Some(1), Status::Ready, one.clone(), false),
            (Some(2), Status::Reloading, one, true),
            (Some(2), Status::Ready, named("user 2"), false),
        ];
        assert_eq!(seen.take(), expected);
    });
}

#[test]
fn disposing_stops_for_good() {
    in_graph(|_| {
        let s = scene(WhenChanged::Latest);
        s.hand.run();
        let ready = s.user.ready();
        s.user.dispose();
        assert_eq!((s.trace.take(), s.is()), (vec!["dropped"], (Status::Idle, None)));
        assert!(matches!(block_on(ready), Err(LoadError::Disposed { .. })));
        s.id.set(Some(2));
        s.user.reload();
        s.hand.run();
        assert_eq!((s.loads(), s.is(), s.hand.tasks()), (vec![1], (Status::Idle, None), 0));
    });
}

#[test]
fn a_loader_that_panics_is_an_error_and_the_next_parameters_load() {
    let (graph, failures) = reporting();
    in_this(graph, move |_| {
        let s = scene(WhenChanged::Latest);
        s.id.set(Some(13));
        s.hand.run();
        s.open(13);
        let error = s.user.error().unwrap();
        assert!(matches!(error, LoadError::Panicked { message, .. } if &*message == "deliberate"));
        s.id.set(Some(2));
        s.hand.run();
        s.open(2);
        assert_eq!(s.is(), (Status::Ready, named("user 2")));
        assert_eq!(failures.take(), [""; 0]);
    });
}

#[test]
fn parameters_that_fail_are_an_error_that_recovers() {
    in_graph(|_| {
        let (hand, divisor) = (Hand::default(), signal(0));
        let params = {
            let divisor = divisor.clone();
            move || Some(100 / divisor.get())
        };
        let loaded = resource(hand.clone(), params, async |n| Ok::<_, String>(n));
        hand.run();
        assert!(matches!(loaded.error(), Some(LoadError::Read(_))));
        divisor.set(50);
        hand.run();
        assert_eq!((loaded.status(), loaded.get()), (Status::Ready, Some(2)));
    });
}

#[test]
fn what_the_loader_reads_is_not_tracked() {
    in_graph(|_| {
        let (hand, rate) = (Hand::default(), signal(2));
        let loader = {
            let rate = rate.clone();
            move |n| {
                let (rate, before) = (rate.clone(), rate.get());
                async move {
                    once_more().await;
                    Ok::<_, String>(n * before * rate.get())
                }
            }
        };
        let loaded = resource(hand.clone(), || Some(10), loader);
        hand.run();
        rate.set(3);
        hand.run();
        assert_eq!((loaded.status(), loaded.get()), (Status::Ready, Some(40)));
    });
}

#[test]
fn a_load_that_may_finish_leaves_the_value_before_the_next() {
    in_graph(|_| {
        let s = scene(WhenChanged::Finish);
        s.hand.run();
        s.id.set(Some(2));
        s.id.set(Some(3));
        s.hand.run();
        s.open(1);
        assert_eq!((s.is(), s.loads()), ((Status::Reloading, named("user 1")), vec![1, 3]));
        s.open(3);
        assert_eq!(s.is(), (Status::Ready, named("user 3")));
    });
}

#[test]
fn a_queue_loads_all_parameters_in_order() {
    in_graph(|_| {
        let s = scene(WhenChanged::Queue);
        s.hand.run();
        s.id.set(Some(2));
        s.id.set(Some(3));
        for id in 1..=3 {
            s.open(id);
        }
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 3")), vec![1, 2, 3]));
    });
}

#[test]
fn of_overlapping_loads_an_older_one_that_ends_late_replaces_nothing() {
    in_graph(|_| {
        let s = scene(WhenChanged::Overlap);
        s.hand.run();
        s.id.set(Some(2));
        s.hand.run();
        s.open(2);
        s.open(1);
        assert_eq!((s.is(), s.loads()), ((Status::Ready, named("user 2")), vec![1, 2]));
        assert_eq!(s.trace.take(), ["dropped", "dropped"]);
    });
}

#[test]
fn no_update_by_hand_is_lost() {
    in_graph(|_| {
        let hand = Hand::default();
        let count = resource(hand.clone(), || Some(()), async |()| Ok::<_, String>(0));
        thread::scope(|threads| {
            for _ in 0..4 {
                threads
                    .spawn(|| (0..100).for_each(|_| count.update(|n| n.copied().unwrap_or(0) + 1)));
            }
        });
        assert_eq!((count.get(), hand.tasks()), (Some(400), 1));
    });
}

#[test]
fn under_threads_a_ready_value_is_that_of_the_parameters_beside_it() {
    under_each_executor(|g, spawner: Spawner| {
        let id = signal(0);
        let params = {
            let id = id.clone();
            move || Some(id.get())
        };
        let double = resource(spawner, params, async |id| {
            once_more().await;
            Ok::<_, String>(id * 2)
        });
        thread::scope(|threads| {
            threads.spawn(|| (1..=500).for_each(|n| id.set(n)));
            for _ in 0..500 {
                let now = g.snapshot();
                let (state, id) = (now.get(double.state()), now.get(&id));
                if state.status() == Status::Ready {
                    assert_eq!(state.value().map(|v| **v), Some(id * 2));
                }
            }
        });
        assert_eq!(*block_on(double.ready()).unwrap(), 1000);
        double.dispose();
        assert_eq!(double.status(), Status::Idle);
    });
}
