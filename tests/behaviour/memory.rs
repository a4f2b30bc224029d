//! C10: what nobody needs is dropped, and what somebody needs is not.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use isobar::{Graph, Signal, batch, computed, effect, signal, snapshot};

use crate::stage::{Halt, Trace, collects_to, in_graph, on_stage};

/// A value that counts how many of its kind are alive.
struct Counted(Arc<AtomicUsize>, u64);

#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one(&self, id: u64) -> Counted {
        self.0.fetch_add(1, SeqCst);
        Counted(self.0.clone(), id)
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

#[test]
fn an_overwritten_value_is_dropped() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(alive.one(0));
        for id in 1..=100 {
            s.set(alive.one(id));
        }
        collects_to(g, (1, 0), || (alive.count(), g.stats().awaiting_reclamation));
        s.set(alive.one(100));
        collects_to(g, 1, || alive.count());
        drop(s);
        collects_to(g, 0, || alive.count());
    });
}

#[test]
fn a_recomputed_value_is_dropped() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(0);
        let c = computed!([s, alive] alive.one(s.get()));
        let watch = effect!([c] c.with(|_| ()));
        for value in 1..=100 {
            s.set(value);
        }
        collects_to(g, 1, || alive.count());
        drop(watch);
        drop(c);
        collects_to(g, 0, || alive.count());
    });
}

#[test]
fn values_do_not_pile_up_when_nobody_collects() {
    in_graph(|_| {
        let alive = Alive::default();
        let s = signal(alive.one(0));
        // A thread that the system suspends in the middle of a read may hold them up for a while.
        let bounded = (1..=1_000_000).any(|id| {
            s.set(alive.one(id));
            id > 20_000 && alive.count() < 1_000
        });
        assert!(bounded, "{} values are alive", alive.count());
    });
}

#[test]
fn a_loaded_value_lives_as_long_as_it_is_kept() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(alive.one(7));
        let kept = s.load();
        s.set(alive.one(8));
        collects_to(g, 2, || alive.count());
        assert_eq!(kept.1, 7);
        drop(kept);
        collects_to(g, 1, || alive.count());
    });
}

#[test]
fn a_snapshot_keeps_what_its_revision_needs_and_no_more() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(alive.one(0));
        s.set(alive.one(1));
        let held = snapshot();
        for id in 2..=5_000 {
            s.set(alive.one(id));
        }
        collects_to(g, 2, || alive.count());
        assert_eq!(held.with(&s, |v| v.1), 1);
        drop(held);
        collects_to(g, 1, || alive.count());
    });
}

#[test]
fn an_evaluation_that_outlasts_many_commits_keeps_what_its_revision_needs_and_no_more() {
    in_graph(|g| {
        let alive = Alive::default();
        let halt = Halt::first();
        let (s, t) = (signal(alive.one(0)), signal(0_u64));
        let slow = computed!([s, t, halt] {
            let before = t.get();
            halt.here();
            (before, s.with(|v| v.1))
        });
        thread::scope(|scope| {
            let stuck = scope.spawn(|| slow.get());
            halt.reached();
            for id in 1..=50_000 {
                batch(|| {
                    s.set(alive.one(id));
                    t.set(id);
                });
            }
            // The one that is current and the one that the evaluation will read.
            collects_to(g, 2, || alive.count());
            halt.release();
            let (first, second) = stuck.join().unwrap();
            assert_eq!(first, second);
        });
    });
}

#[test]
fn a_batch_and_a_draft_keep_their_base_and_no_more() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(alive.one(0));
        let draft = g.draft();
        batch(|| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for id in 1..=5_000 {
                        s.set(alive.one(id));
                    }
                    collects_to(g, 2, || alive.count());
                });
            });
            assert_eq!(s.with(|v| v.1), 0);
        });
        assert_eq!((draft.with(&s, |v| v.1), s.with(|v| v.1)), (0, 5_000));
        drop(draft);
        collects_to(g, 1, || alive.count());
    });
}

#[test]
fn abandoned_writes_are_dropped() {
    in_graph(|g| {
        let alive = Alive::default();
        let s = signal(alive.one(0));
        let derived = computed!([s, alive] alive.one(s.with(|v| v.1)));
        let draft = g.draft();
        draft.set(&s, alive.one(1));
        draft.with(&derived, |v| assert_eq!(v.1, 1));
        drop(draft);
        crate::stage::caught(|| {
            batch(|| {
                s.set(alive.one(2));
                derived.with(|v| assert_eq!(v.1, 2));
                panic!("abandon");
            })
        });
        collects_to(g, 1, || alive.count());
    });
}

#[test]
fn dropping_the_last_handle_unlinks_the_node_at_once() {
    in_graph(|g| {
        let s = signal(0);
        let before = (g.stats().live_nodes, g.stats().live_edges);
        let c = computed!([s] s.get());
        let twin = c.clone();
        c.get();
        drop(c);
        assert_eq!(twin.get(), 0, "a handle is left");
        drop(twin);
        assert_eq!((g.stats().live_nodes, g.stats().live_edges), before);
        s.set(1);
        let watch = effect!([s] _ = s.get());
        drop(watch);
        assert_eq!((g.stats().live_nodes, g.stats().live_edges), before);
    });
}

#[test]
fn a_node_lives_on_while_a_closure_holds_it_and_goes_with_it() {
    in_graph(|g| {
        let before = g.stats().live_nodes;
        let s = signal(1);
        let c = {
            let inner = computed!([s] s.get() * 10);
            inner.map(|v| v + 1)
        };
        s.set(2);
        assert_eq!(c.get(), 21);
        drop(s);
        assert_eq!(c.get(), 21);
        drop(c);
        collects_to(g, before, || g.stats().live_nodes);
    });
}

#[test]
fn the_closures_of_nodes_are_dropped_with_them() {
    in_graph(|g| {
        let captured = Arc::new(());
        let s = signal(0);
        let c = computed!([s, captured] { _ = &captured; s.get() });
        let e = effect!([c, captured] { _ = &captured; c.get(); });
        assert_eq!(Arc::strong_count(&captured), 3);
        e.dispose();
        drop(e);
        collects_to(g, 2, || Arc::strong_count(&captured));
        drop(c);
        collects_to(g, 1, || Arc::strong_count(&captured));
    });
}

#[test]
fn making_and_dropping_nodes_over_and_over_leaves_nothing_behind() {
    in_graph(|g| {
        let alive = Alive::default();
        let root = signal(0_u64);
        let cycle = |id| {
            let s = signal(alive.one(id));
            let c = computed!([root, s] root.get() + s.with(|v| v.1));
            let e = effect!([c] _ = c.get());
            root.set(id);
            drop((s, c, e));
        };
        let live = || {
            let now = g.stats();
            (now.live_nodes, now.live_edges, now.live_effects)
        };
        cycle(1);
        let before = live();
        (2..=20_000).for_each(cycle);
        collects_to(g, (before, 0, 0), || (live(), alive.count(), g.stats().awaiting_reclamation));
    });
}

#[test]
fn observers_that_come_and_go_do_not_pile_up_at_a_lasting_source() {
    in_graph(|g| {
        let (sw, lasting) = (signal(0), signal(0));
        let before = g.stats().live_edges;
        let _watch = effect!([sw, lasting] if sw.get() % 2 == 0 { lasting.get(); });
        for turn in 1..=1_000 {
            sw.set(turn);
        }
        assert_eq!(g.stats().live_edges, before + 2);
    });
}

#[test]
fn a_value_is_never_dropped_inside_a_read() {
    struct Noting(Trace<thread::ThreadId>);
    impl Drop for Noting {
        fn drop(&mut self) {
            self.0.note(thread::current().id());
        }
    }
    on_stage(|| {
        let g = Graph::builder().threads(1).build();
        let dropped_on = Trace::new();
        let s = Signal::builder(Noting(dropped_on.clone())).always().graph(&g).build();
        let derived = s.map(|_| 1);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                for _ in 0..2_000 {
                    s.with(|_| ());
                    derived.get();
                    g.snapshot().with(&s, |_| ());
                }
                thread::current().id()
            });
            for _ in 0..2_000 {
                s.set(Noting(dropped_on.clone()));
            }
            let reader = reader.join().unwrap();
            collects_to(&g, 2_000, || dropped_on.count());
            let dropped_on = dropped_on.take();
            assert!(!dropped_on.contains(&reader), "a reader dropped a value");
        });
    });
}

#[test]
fn the_last_handle_of_a_graph_lets_its_detached_effects_and_their_nodes_go() {
    on_stage(|| {
        let alive = Alive::default();
        let g = Graph::new();
        g.enter(|| {
            let s = signal(alive.one(0));
            effect!([s] s.with(|_| ())).detach();
        });
        assert_eq!(alive.count(), 1);
        drop(g);
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn a_drop_that_collects_the_memory_of_the_node_dropped_before_it_counts_in_its_own_graph() {
    /// Collects its graph, and makes nodes of another one, which take the memory.
    struct Collecting(Graph, Graph);
    impl Drop for Collecting {
        fn drop(&mut self) {
            (0..4).for_each(|_| self.0.collect());
            for _ in 0..64 {
                std::mem::forget(self.1.signal(Arc::new(0)));
            }
        }
    }
    in_graph(|g| {
        let (s, other) = (signal(0), Graph::new());
        let left = Arc::new(Collecting(g.clone(), other.clone()));
        let left = Mutex::new(Some(Signal::builder(left).always().build()));
        // Superseded, by a value with a destructor: it waits for the trimmer.
        let waiting = signal(Arc::new(0));
        waiting.set(Arc::new(1));
        // A drop inside of a read is left to the next drop.
        let leaves = computed!([s] drop((s.get(), left.lock().unwrap().take())));
        leaves.get();
        drop(waiting);
        assert_eq!((g.stats().live_nodes, other.stats().live_nodes), (2, 64));
    });
}
