//! What the graph costs in memory, counted by the allocator: nothing per recompute in steady state,
//! and at most 256 bytes for a computed with one source.
//!
//! Counted per thread, in graphs that use no other thread, so that nothing else is counted along;
//! and one case at a time, for a thread that the system suspends within a read holds up the
//! epochs of the whole process, and with them the reuse of memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isobar::{Computed, Effect, Graph, Signal};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

fn count(allocations: u64, bytes: i64) {
    // At the end of a thread there is nothing left to count with, or for.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: everything is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller's duty is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller's duty is the same.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller's duty is the same.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WARM_UP: u64 = 4_096;
const WAVES: u64 = 6_400;
/// Amortized housekeeping of the committer, such as the growth of a queue that is then kept.
const ALLOWED: u64 = WAVES / 64;

#[test]
fn a_chain_recomputes_without_allocating() {
    let _turn = turn();
    let g = alone();
    let s = g.signal(0u64);
    let end = (0..100).fold(plus(&g, &s), |end, _| {
        let end = end.clone();
        g.computed(move || end.get() + 1)
    });
    steady("chain, pulled", || {
        s.update(|n| n + 1);
        end.get();
    });
    let (_effect, runs) = watch(&g, std::slice::from_ref(&end));
    steady("chain, observed", || s.update(|n| n + 1));
    assert!(runs.load(Ordering::Relaxed) > WAVES, "waves did run");
}

#[test]
fn a_fan_recomputes_without_allocating() {
    let _turn = turn();
    let g = alone();
    let s = g.signal(0u64);
    let level: Vec<_> = (0..100).map(|_| plus(&g, &s)).collect();
    let sum = g.computed({
        let level = level.clone();
        move || level.iter().map(|node| node.get()).sum::<u64>()
    });
    steady("fan, pulled", || {
        s.update(|n| n + 1);
        sum.get();
    });
    let (_effect, runs) = watch(&g, std::slice::from_ref(&sum));
    steady("fan, observed", || s.update(|n| n + 1));
    let (_effects, more) = watch(&g, &level);
    steady("fan, observed at every node", || s.update(|n| n + 1));
    assert!(runs.load(Ordering::Relaxed).min(more.load(Ordering::Relaxed)) > WAVES);
}

#[test]
fn a_diamond_recomputes_without_allocating() {
    let _turn = turn();
    let g = alone();
    let (s, t) = (g.signal(0u64), g.signal(0u64));
    let (left, right) = (plus(&g, &s), plus(&g, &s));
    let bottom = g.computed({
        let (left, right, t) = (left.clone(), right.clone(), t.clone());
        move || left.get() + right.get() * t.get()
    });
    // The edges to `right` and `t` come and go.
    let fickle = g.computed({
        let (left, right, t) = (left.clone(), right.clone(), t.clone());
        move || {
            if left.get() % 2 == 0 { right.get() } else { t.get() }
        }
    });
    steady("diamond, pulled", || {
        s.set(s.get() + 1);
        bottom.get();
    });
    let (_effect, runs) = watch(&g, std::slice::from_ref(&bottom));
    steady("diamond, observed", || s.set(s.get() + 1));
    let (_other, _) = watch(&g, std::slice::from_ref(&fickle));
    steady("diamond with a moving edge", || s.set(s.get() + 1));
    assert!(runs.load(Ordering::Relaxed) > WAVES, "waves did run");
}

#[test]
fn a_clean_read_does_not_allocate() {
    let _turn = turn();
    let g = alone();
    let s = g.signal(1u64);
    let plus = plus(&g, &s);
    steady("clean reads", || {
        assert_eq!((s.get(), plus.get()), (1, 2));
        assert_eq!(plus.with(|n| *n) + *plus.load(), 4);
    });
}

#[test]
fn a_computed_of_one_source_is_small() {
    const NODES: usize = 10_000;
    let _turn = turn();
    let g = alone();
    let s = g.signal(1u64);
    let mut nodes: Vec<Computed<u64>> = Vec::with_capacity(NODES);
    let mut left = Vec::new();
    let mut each = 0.0;
    for round in 0..4 {
        let before = BYTES.get();
        for _ in 0..NODES {
            let node = plus(&g, &s);
            node.get();
            nodes.push(node);
        }
        let grown = BYTES.get() - before + (NODES * size_of::<Computed<u64>>()) as i64;
        assert_eq!(nodes.iter().map(|node| node.get()).sum::<u64>(), 2 * NODES as u64);
        if round == 0 {
            each = grown as f64 / NODES as f64;
        }
        nodes.clear();
        g.settle().expect("nothing loops");
        g.collect();
        left.push(BYTES.get());
    }
    println!("a computed with one source, its handle and its closure: {each:.1} bytes");
    println!("live bytes after each of four rounds of making and dropping: {left:?}");
    // What is kept for reuse is kept once.
    assert!(left[3] <= left[1] + 1_024, "memory grows with each round: {left:?}");
    assert!(each <= 256.0, "{each} bytes");
}

#[test]
fn detached_effects_leave_nothing_behind() {
    const EFFECTS: u64 = 2_000;
    let _turn = turn();
    let mut left = Vec::new();
    for _ in 0..4 {
        for _ in 0..EFFECTS / 10 {
            // One kept by its graph, one by a scope, eight by the runs of another effect.
            let g = alone();
            let s = g.signal(1u64);
            let reading = |s: &Signal<u64>| {
                let s = s.clone();
                move || _ = s.get()
            };
            g.effect(reading(&s)).detach();
            drop(g.scope(|| isobar::effect(reading(&s)).detach()));
            let outer = g.effect({
                let s = s.clone();
                move || isobar::effect(reading(&s)).detach()
            });
            (2..=8).for_each(|n| {
                s.set(n);
                s.get();
            });
            drop(outer);
            g.settle().expect("nothing loops");
        }
        let g = alone();
        g.collect();
        drop(g);
        left.push(BYTES.get());
    }
    println!("live bytes after each of four rounds of detached effects: {left:?}");
    assert!(left[3] <= left[1] + 4_096, "memory grows with each round: {left:?}");
}

#[cfg(feature = "collections")]
#[test]
fn keys_that_are_written_and_never_read_leave_nothing_behind() {
    const KEYS: u64 = 2_000;
    let _turn = turn();
    let g = alone();
    let map = isobar::ReactiveMap::builder().graph(&g).build();
    let one = g.enter(|| isobar::computed!([map] map.get(&u64::MAX)));
    assert_eq!(one.get(), None);
    let mut left = Vec::new();
    for round in 0..4 {
        for key in round * KEYS..(round + 1) * KEYS {
            map.insert(key, key);
            map.remove(&key);
        }
        g.collect();
        left.push(BYTES.get());
    }
    println!("live bytes after each of four rounds of keys that come and go: {left:?}");
    assert!(left[3] <= left[1] + 4_096, "memory grows with each round: {left:?}");
}

/// One case at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> Graph {
    Graph::builder().threads(1).build()
}

fn plus(g: &Graph, s: &Signal<u64>) -> Computed<u64> {
    let s = s.clone();
    g.computed(move || s.get() + 1)
}

fn watch(g: &Graph, nodes: &[Computed<u64>]) -> (Vec<Effect>, Arc<AtomicU64>) {
    let runs = Arc::<AtomicU64>::default();
    let effect = |node: &Computed<u64>| {
        let (node, runs) = (node.clone(), Arc::clone(&runs));
        g.effect(move || {
            node.get();
            runs.fetch_add(1, Ordering::Relaxed);
        })
    };
    (nodes.iter().map(effect).collect(), runs)
}

/// Warms up, then counts.
fn steady(name: &str, mut wave: impl FnMut()) {
    for _ in 0..WARM_UP {
        wave();
    }
    let before = ALLOCATIONS.get();
    for _ in 0..WAVES {
        wave();
    }
    let made = ALLOCATIONS.get() - before;
    println!("{name}: {made} allocations in {WAVES} waves");
    assert!(made <= ALLOWED, "{name}: {made} allocations in {WAVES} waves");
}
