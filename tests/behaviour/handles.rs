//! Handles: identity, hashing, `Debug`, `Loaded`, the object-safe core.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::thread;

use isobar::{
    Computed, Graph, Linked, ReadSignal, Readable, ReadableExt as _, Signal, computed, effect,
    linked, signal,
};

use crate::stage::{Count, Trace, in_graph, on_stage};

#[test]
fn a_handle_is_equal_to_its_clones_only() {
    in_graph(|_| {
        let (a, b) = (signal(1), signal(1));
        let (c, d) = (computed!([a] a.get()), computed!([a] a.get()));
        assert!(a == a.clone() && a != b);
        assert!(c == c.clone() && c != d);
        let map = HashMap::from([(a.clone(), "a"), (b.clone(), "b")]);
        a.set(5);
        assert_eq!((map[&a], map[&b]), ("a", "b"), "the hash does not follow the value");
        let set = HashSet::from([c.clone(), c.clone(), d]);
        assert_eq!(set.len(), 2);
    });
}

#[test]
fn handles_inside_values_compare_by_identity() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(1));
        let list: Signal<Vec<Signal<i32>>> = signal(vec![a.clone()]);
        let _watch = effect!([list, runs] { list.with(Vec::len); runs.tick(); });
        list.set(vec![a.clone()]);
        assert_eq!(runs.take(), 1);
        list.set(vec![b]);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_handle_is_clone_although_its_value_is_not() {
    #[derive(PartialEq)]
    struct NotClone(i32);
    in_graph(|_| {
        let s = signal(NotClone(1));
        let other = s.clone();
        let c = computed!([s] NotClone(s.with(|v| v.0 * 10)));
        let twin = c.clone();
        other.set(NotClone(2));
        assert_eq!((s.with(|v| v.0), twin.with(|v| v.0), c.load().0), (2, 20, 20));
    });
}

#[test]
fn debug_neither_evaluates_nor_tracks() {
    in_graph(|_| {
        let (runs, effects) = (Count::new(), Count::new());
        let s = signal(1);
        let c = computed!([s, runs] { runs.tick(); s.get() });
        let l = linked(&s, |s: &i32, _| *s);
        let view = s.read_only();
        let _watch = effect!([s, c, l, view, effects] {
            let shown = format!("{s:?} {c:?} {l:?} {view:?}");
            assert!(!shown.is_empty());
            effects.tick();
        });
        assert_eq!((runs.take(), effects.take()), (0, 1));
        c.get();
        s.set(2);
        assert_eq!((runs.take(), effects.take()), (1, 0));
    });
}

#[test]
fn debug_shows_the_name() {
    in_graph(|_| {
        let s = Signal::builder(1).name("price").build();
        crate::stage::says(format!("{s:?}"), &["price"]);
    });
}

#[test]
fn signals_come_from_new_from_and_default_too() {
    in_graph(|_| {
        let (a, b, c) = (Signal::new(1), Signal::from(2), Signal::<i32>::default());
        let sum = computed!([a, b, c] a.get() + b.get() + c.get());
        assert_eq!(sum.get(), 3);
        c.set(10);
        assert_eq!(sum.get(), 13);
    });
}

#[test]
fn what_was_loaded_may_be_kept_and_stays_as_it_was() {
    in_graph(|_| {
        let s = signal(vec![1, 2, 3]);
        let c = computed!([s] s.with(|v| v.iter().sum::<i32>()));
        let (list, sum) = (s.load(), c.load());
        let copy = list.clone();
        s.set(vec![]);
        assert_eq!((list.len(), copy.len(), *sum), (3, 3, 6));
        let elsewhere = thread::spawn(move || copy.iter().sum::<i32>()).join().unwrap();
        assert_eq!(elsewhere, 6);
        drop(s);
        assert_eq!(*list, [1, 2, 3]);
    });
}

#[test]
fn a_load_is_tracked() {
    in_graph(|_| {
        let seen = Trace::new();
        let s = signal(1);
        let _watch = effect!([s, seen] seen.note(*s.load()));
        s.set(2);
        assert_eq!(seen.take(), [1, 2]);
    });
}

#[test]
fn a_read_only_view_is_the_same_signal() {
    in_graph(|_| {
        let seen = Trace::new();
        let near = |old: &f64, new: &f64| (old - new).abs() < 0.1;
        let s = Signal::builder(1.0).equality(near).build();
        let view: ReadSignal<f64> = s.read_only();
        let _watch = effect!([view, seen] seen.note(view.get()));
        s.set(1.05);
        s.set(1.2);
        assert_eq!(seen.take(), [1.0, 1.2]);
        assert!(view == s.read_only());
        assert_eq!((view.peek(), view.revision(), view.with(|v| *v)), (1.2, s.revision(), 1.2));
    });
}

#[test]
fn handles_of_different_kinds_fit_in_one_list_of_readables() {
    in_graph(|_| {
        let s = signal(1);
        let c: Computed<i32> = computed!([s] s.get() * 10);
        let l: Linked<i32> = linked(&s, |s: &i32, _| s * 100);
        let all: Vec<Box<dyn Readable<Value = i32> + Send + Sync>> =
            vec![Box::new(s.clone()), Box::new(c), Box::new(l), Box::new(s.read_only())];
        let all = std::sync::Arc::new(all);
        let sum = computed!([all] all.iter().map(|node| *node.load()).sum::<i32>());
        assert_eq!(sum.get(), 112);
        s.set(2);
        assert_eq!(sum.get(), 224);
        assert_eq!(all.iter().map(|node| node.peek()).collect::<Vec<_>>(), [2, 20, 200, 2]);
    });
}

#[test]
fn handles_outlive_the_handle_of_their_graph() {
    on_stage(|| {
        let (s, c) = {
            let graph = Graph::new();
            let s = graph.signal(1);
            let c = graph.computed({
                let s = s.clone();
                move || s.get() * 10
            });
            (s, c)
        };
        assert_eq!(c.get(), 10);
        s.set(2);
        assert_eq!((c.get(), c.try_get()), (20, Ok(20)));
    });
}

#[test]
fn a_snapshot_and_a_draft_outlive_the_handle_of_their_graph() {
    on_stage(|| {
        let graph = Graph::new();
        let s = graph.signal(1);
        let c = s.map(|v| v * 10);
        let (snapshot, draft) = (graph.snapshot(), graph.draft());
        drop(graph);
        s.set(2);
        draft.enter(|| ());
        assert_eq!((snapshot.get(&c), draft.get(&c), c.get()), (10, 10, 20));
        drop(snapshot);
        draft.commit().unwrap();
        assert_eq!(c.get(), 20);
    });
}

#[test]
fn values_may_be_of_any_size_and_alignment() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    in_graph(|g| {
        let (empty, aligned, large) = (signal(()), signal(Aligned(1)), signal([1_u64; 10_000]));
        let runs = Count::new();
        let _watch = effect!([empty, runs] { empty.get(); runs.tick(); });
        empty.set(());
        assert_eq!(runs.take(), 1);
        empty.touch();
        assert_eq!(runs.take(), 1);
        let derived = computed!([aligned] Aligned(aligned.get().0 + 1));
        let sum = large.map(|all| all.iter().sum::<u64>());
        for round in 2..20 {
            aligned.set(Aligned(round));
            large.mutate(move |all| all[0] = u64::from(round));
            let loaded = (aligned.load(), derived.load());
            assert_eq!(std::ptr::from_ref(&*loaded.0).addr() % 256, 0);
            assert_eq!(std::ptr::from_ref(&*loaded.1).addr() % 256, 0);
            assert_eq!((derived.get(), sum.get()), (Aligned(round + 1), 9_999 + u64::from(round)));
        }
        let held = g.snapshot();
        aligned.set(Aligned(100));
        assert_eq!(held.get(&derived), Aligned(20));
    });
}

#[test]
fn many_values_may_be_looked_at_inside_each_other_while_they_are_replaced() {
    fn look(g: &Graph, s: &Signal<String>, depth: usize) {
        s.with(|shown| {
            assert_eq!(*shown, depth.to_string());
            s.set((depth + 1).to_string());
            g.collect();
            if depth < 100 {
                look(g, s, depth + 1);
            }
            assert_eq!(*shown, depth.to_string(), "what is looked at stays as it was");
        });
    }
    in_graph(|g| look(g, &signal(String::from("0")), 0));
}

#[test]
fn handles_may_be_dropped_by_a_thread_that_is_ending() {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<Box<dyn std::any::Any>>> =
            const { std::cell::RefCell::new(Vec::new()) };
    }
    in_graph(|g| {
        let before = g.stats().live_effects;
        let s = signal(0);
        let (world, source) = (g.clone(), s.clone());
        let ending = move || {
            // Registered before the crate's own, so dropped after them.
            KEPT.with_borrow_mut(Vec::clear);
            world.enter(|| {
                let own = signal(String::from("of this thread"));
                let derived = computed!([source, own] { let s = source.get(); (s, own.get()) });
                derived.get();
                let watch = effect!([derived] _ = derived.get());
                let loaded = own.load();
                let keep: [Box<dyn std::any::Any>; 5] = [
                    Box::new(own),
                    Box::new(derived),
                    Box::new(watch),
                    Box::new(loaded),
                    Box::new(world.snapshot()),
                ];
                KEPT.with_borrow_mut(|kept| kept.extend(keep));
            });
        };
        // Not a scoped thread: a scope does not wait for what a thread drops at its end.
        thread::spawn(ending).join().unwrap();
        s.set(1);
        assert_eq!((s.get(), g.stats().live_effects), (1, before));
    });
}

/// A thread's own values may use handles while they are dropped, whether they were made before
/// or after the thread's first use of a graph.
#[test]
fn a_thread_local_may_use_handles_as_it_is_dropped() {
    thread_local! {
        static EARLY: RefCell<Option<Last>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    struct Last(Signal<u32>, Computed<u32>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.update(|n| n + 1);
            assert_eq!(self.1.get(), self.0.get() + 1);
        }
    }
    let g = Graph::new();
    let n = g.signal(0);
    let more = g.computed({
        let n = n.clone();
        move || n.get() + 1
    });
    let last = || Last(n.clone(), more.clone());
    let (early, late) = (last(), last());
    let thread = std::thread::spawn(move || {
        EARLY.with_borrow_mut(|slot| *slot = Some(early));
        EARLY.with_borrow(|slot| slot.as_ref().map(|last| last.1.get()));
        LATE.with_borrow_mut(|slot| *slot = Some(late));
    });
    thread.join().expect("nothing panics in it");
    assert_eq!((n.get(), more.get()), (2, 3));
}
