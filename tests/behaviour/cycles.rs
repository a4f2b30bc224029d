//! Cycles are found at the read, named, and leave the graph usable.

use std::sync::{Arc, OnceLock};
use std::thread;

use isobar::{Computed, ReadError, batch, computed, effect, signal};

use crate::stage::{Count, Gate, Halt, Trace, caught, in_graph, says};

/// A computed that others can name before it exists.
type Later = Arc<OnceLock<Computed<i32>>>;

fn named(name: &str, f: impl Fn() -> i32 + Send + Sync + 'static) -> Computed<i32> {
    Computed::builder(f).name(name).build()
}

/// A ring: each reads the next, the last reads the first.
fn ring(names: &[&str]) -> Vec<Computed<i32>> {
    let first = Later::default();
    let mut nodes: Vec<Computed<i32>> = Vec::new();
    for name in names.iter().rev() {
        let node = match nodes.last().cloned() {
            Some(next) => named(name, move || next.get() + 1),
            None => {
                let first = first.clone();
                named(name, move || first.get().unwrap().get() + 1)
            }
        };
        nodes.push(node);
    }
    nodes.reverse();
    first.set(nodes[0].clone()).unwrap();
    nodes
}

/// The names on a reported cycle, each once, in the order of their letters.
#[track_caller]
fn members(read: Result<i32, ReadError>) -> Vec<String> {
    match read {
        Err(ReadError::Cycle { path, .. }) => {
            let mut names = path.to_vec();
            names.sort();
            names.dedup();
            names
        }
        other => panic!("a cycle was expected, not {other:?}"),
    }
}

#[test]
fn a_computed_that_reads_itself_is_told_so() {
    in_graph(|_| {
        let ring = ring(&["ego"]);
        assert_eq!(members(ring[0].try_get()), ["ego"]);
        says(caught(|| ring[0].get()), &["cycle", "ego"]);
    });
}

#[test]
fn a_cycle_is_reported_with_all_its_names_whichever_member_is_read() {
    in_graph(|_| {
        let pair = ring(&["a", "b"]);
        let three = ring(&["x", "y", "z"]);
        for node in &pair {
            assert_eq!(members(node.try_get()), ["a", "b"]);
        }
        for node in &three {
            assert_eq!(members(node.try_get()), ["x", "y", "z"]);
        }
    });
}

#[test]
fn a_node_that_only_leads_into_a_cycle_fails_with_it() {
    in_graph(|_| {
        let pair = ring(&["a", "b"]);
        let into = pair[0].clone();
        let reader = named("reader", move || into.get());
        let found = members(reader.try_get());
        says(found.join(" "), &["a", "b"]);
    });
}

#[test]
fn valid_nodes_beside_a_cycle_are_untouched_by_it() {
    in_graph(|_| {
        let (x, y) = (signal(10), signal(20));
        let ring = ring(&["a", "b"]);
        let sum = computed!([x, y] x.get() + y.get());
        let product = computed!([x, y] x.get() * y.get());
        assert!(ring[0].try_get().is_err());
        assert_eq!((sum.get(), product.get()), (30, 200));
        x.set(5);
        assert!(ring[1].try_get().is_err());
        y.set(15);
        assert_eq!((sum.get(), product.get()), (20, 75));
    });
}

#[test]
fn a_long_chain_and_a_diamond_are_no_cycles() {
    in_graph(|_| {
        let a = signal(1);
        let chain = (0..100).fold(computed!([a] a.get()), |below, _| below.map(|v| v + 1));
        let top = computed!([a, chain] chain.get() + a.get());
        assert_eq!(top.try_get(), Ok(102));
        a.set(2);
        assert_eq!(top.try_get(), Ok(104));
    });
}

/// `left` reads `right` while `closed`; `right` always reads `left`.
fn pair_closed_by(closed: &isobar::Signal<bool>) -> (Computed<i32>, Computed<i32>) {
    let later = Later::default();
    let (closed, right) = (closed.clone(), later.clone());
    let left = named("left", move || if closed.get() { right.get().unwrap().get() } else { 1 });
    let source = left.clone();
    let right = named("right", move || source.get() + 1);
    later.set(right.clone()).unwrap();
    (left, right)
}

#[test]
fn when_the_cycle_opens_its_members_recover_and_when_it_closes_again_they_fail_again() {
    in_graph(|_| {
        let closed = signal(false);
        let (left, right) = pair_closed_by(&closed);
        for _ in 0..3 {
            assert_eq!((left.try_get(), right.try_get()), (Ok(1), Ok(2)));
            closed.set(true);
            assert_eq!(members(right.try_get()), ["left", "right"]);
            assert_eq!(members(left.try_get()), ["left", "right"]);
            closed.set(false);
        }
    });
}

#[test]
fn a_cycle_closed_from_the_start_opens_too() {
    in_graph(|_| {
        let closed = signal(true);
        let (left, right) = pair_closed_by(&closed);
        assert_eq!(members(left.try_get()), ["left", "right"]);
        closed.set(false);
        assert_eq!((right.try_get(), left.try_get()), (Ok(2), Ok(1)));
    });
}

#[test]
fn an_effect_follows_its_source_into_a_cycle_and_out_again() {
    in_graph(|_| {
        let seen = Trace::new();
        let closed = signal(false);
        let (_left, right) = pair_closed_by(&closed);
        let _watch = effect!([right, seen] seen.note(right.try_get().ok()));
        closed.set(true);
        closed.set(false);
        assert_eq!(seen.take(), [Some(2), None, Some(2)]);
    });
}

#[test]
fn a_cycle_is_worked_out_once_and_not_at_every_read() {
    in_graph(|_| {
        let runs = Count::new();
        let later = Later::default();
        let s = signal(0);
        let c = computed!([later, runs, s] {
            runs.tick();
            s.get() + later.get().unwrap().get()
        });
        later.set(c.clone()).unwrap();
        for _ in 0..3 {
            assert!(c.try_get().is_err());
        }
        assert_eq!(runs.take(), 1);
        s.set(1);
        assert!(c.try_get().is_err());
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn a_peek_or_an_untracked_read_closes_a_cycle_as_well() {
    in_graph(|_| {
        let (peeked, untracked) = (Later::default(), Later::default());
        let slot = peeked.clone();
        let p = named("p", move || slot.get().unwrap().peek() + 1);
        let slot = untracked.clone();
        let u = named("u", move || isobar::untracked(|| slot.get().unwrap().get()) + 1);
        peeked.set(p.clone()).unwrap();
        untracked.set(u.clone()).unwrap();
        assert_eq!(members(p.try_get()), ["p"]);
        assert_eq!(members(u.try_get()), ["u"]);
    });
}

#[test]
fn two_threads_that_enter_a_cycle_at_its_two_ends_both_learn_of_it() {
    in_graph(|_| {
        let (at_a, at_b) = (Halt::first(), Halt::first());
        let later = Later::default();
        let (slot, halt) = (later.clone(), at_a.clone());
        let a = named("a", move || {
            halt.here();
            slot.get().unwrap().get()
        });
        let (source, halt) = (a.clone(), at_b.clone());
        let b = named("b", move || {
            halt.here();
            source.get()
        });
        later.set(b.clone()).unwrap();
        thread::scope(|scope| {
            let from_a = scope.spawn(|| a.try_get());
            let from_b = scope.spawn(|| b.try_get());
            at_a.reached();
            at_b.reached();
            at_a.release();
            at_b.release();
            assert_eq!(members(from_a.join().unwrap()), ["a", "b"]);
            assert_eq!(members(from_b.join().unwrap()), ["a", "b"]);
        });
    });
}

#[test]
fn two_threads_that_want_each_others_nodes_crosswise_without_a_cycle_get_values() {
    in_graph(|_| {
        let (at_x, at_y) = (Halt::first(), Halt::first());
        let s = signal(1);
        let x = computed!([s, at_x] { at_x.here(); s.get() + 1 });
        let y = computed!([s, at_y] { at_y.here(); s.get() + 2 });
        let x_then_y = computed!([x, y] { let early = x.get(); (early, y.get()) });
        let y_then_x = computed!([x, y] { let late = y.get(); (x.get(), late) });
        thread::scope(|scope| {
            let one = scope.spawn(|| x_then_y.get());
            let two = scope.spawn(|| y_then_x.get());
            at_x.reached();
            at_y.reached();
            at_x.release();
            at_y.release();
            assert_eq!((one.join().unwrap(), two.join().unwrap()), ((2, 3), (2, 3)));
        });
    });
}

#[test]
fn an_edge_that_turned_round_between_two_revisions_is_no_cycle_across_threads() {
    // At the first revision x reads y, at the second y reads x. One thread is still at the
    // first while the other works at the second: a circle of threads, but not of any revision.
    in_graph(|g| {
        let turned = signal(false);
        let halt = Halt::first();
        let later = Later::default();
        let slot = later.clone();
        let x = computed!([turned, halt] {
            let turned = turned.get();
            halt.here();
            if turned { 10 } else { slot.get().unwrap().get() + 1 }
        });
        let y = computed!([turned, x] if turned.get() { x.get() + 1 } else { 100 });
        later.set(y.clone()).unwrap();
        let settled = Gate::new();
        thread::scope(|scope| {
            let at_first = scope.spawn(|| x.get());
            halt.reached();
            turned.set(true);
            let at_second = scope.spawn(|| {
                let read = g.computed({
                    let y = y.clone();
                    move || y.get()
                });
                let read = read.get();
                settled.open();
                read
            });
            settled.pass();
            halt.release();
            assert!([101, 10].contains(&at_first.join().unwrap()));
            assert_eq!(at_second.join().unwrap(), 11);
        });
        assert_eq!((x.get(), y.get()), (10, 11));
    });
}

#[test]
fn a_computed_may_catch_its_own_cycle_and_go_on() {
    in_graph(|_| {
        let later = Later::default();
        let slot = later.clone();
        let c = named("c", move || slot.get().unwrap().try_get().unwrap_or(7));
        later.set(c.clone()).unwrap();
        assert_eq!(c.try_get(), Ok(7));
    });
}

#[test]
fn a_cycle_that_exists_only_in_a_batch_or_draft_stays_there() {
    in_graph(|g| {
        let closed = signal(false);
        let (left, right) = pair_closed_by(&closed);
        assert_eq!(right.try_get(), Ok(2));
        batch(|| {
            closed.set(true);
            assert_eq!(members(right.try_get()), ["left", "right"]);
            assert_eq!(members(left.try_get()), ["left", "right"]);
            closed.set(false);
            assert_eq!((left.try_get(), right.try_get()), (Ok(1), Ok(2)));
        });
        let draft = g.draft();
        draft.set(&closed, true);
        says(caught(|| draft.get(&left)), &["cycle", "left", "right"]);
        assert_eq!((left.try_get(), right.try_get()), (Ok(1), Ok(2)));
    });
}

#[test]
fn a_snapshot_of_the_time_when_the_cycle_was_closed_still_reports_it() {
    in_graph(|g| {
        let closed = signal(true);
        let (left, right) = pair_closed_by(&closed);
        let then = g.snapshot();
        closed.set(false);
        assert_eq!(right.try_get(), Ok(2));
        assert_eq!(members(then.try_get(&left)), ["left", "right"]);
        assert_eq!(members(then.try_get(&right)), ["left", "right"]);
    });
}
