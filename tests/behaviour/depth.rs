//! Depth is the user's to choose; the stack is not. All on two mebibytes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use isobar::{Computed, Graph, ReadError, batch, computed, effect, signal};

use crate::stage::{Trace, collects_to, within_stack};

const STACK: usize = 2 << 20;
const DEEP: usize = 1_000_000;

/// Each reads the one below through a tracked `get`.
fn chain(foot: Computed<u64>, length: usize) -> Computed<u64> {
    (0..length).fold(foot, |below, _| computed(move || below.get() + 1))
}

/// One scene at a time: without optimization a deep evaluation takes gigabytes.
fn on_two_mebibytes(name: &str, scene: impl FnOnce(&Graph) + Send + 'static) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    within_stack(name, 300, STACK, move || {
        let graph = Graph::new();
        graph.enter(|| scene(&graph));
    });
}

#[test]
fn a_chain_of_a_million_is_built_read_updated_and_dropped() {
    on_two_mebibytes("a_chain_of_a_million_is_built_read_updated_and_dropped", |g| {
        let before = g.stats().live_nodes;
        let s = signal(0_u64);
        let top = chain(computed!([s] s.get()), DEEP);
        assert_eq!(top.get(), DEEP as u64);
        s.set(5);
        assert_eq!(top.get(), DEEP as u64 + 5);
        drop(top);
        drop(s);
        collects_to(g, before, || g.stats().live_nodes);
    });
}

#[test]
fn a_chain_of_a_million_with_an_effect_at_its_end_is_run_by_the_wave() {
    on_two_mebibytes("a_chain_of_a_million_with_an_effect_at_its_end_is_run_by_the_wave", |_| {
        let seen = Trace::new();
        let s = signal(0_u64);
        let top = chain(computed!([s] s.get()), DEEP);
        let watch = effect!([top, seen] seen.note(top.get() - DEEP as u64));
        s.set(5);
        s.set(6);
        assert_eq!(seen.take(), [0, 5, 6]);
        drop(top);
        drop(watch);
    });
}

#[test]
fn a_deep_chain_is_read_in_a_batch_a_draft_and_an_old_snapshot() {
    on_two_mebibytes("a_deep_chain_is_read_in_a_batch_a_draft_and_an_old_snapshot", |g| {
        const LENGTH: u64 = 100_000;
        let s = signal(0_u64);
        let top = chain(computed!([s] s.get()), LENGTH as usize);
        let old = g.snapshot();
        batch(|| {
            s.set(1);
            assert_eq!(top.get(), LENGTH + 1);
        });
        assert_eq!((old.get(&top), top.get()), (LENGTH, LENGTH + 1));
        let draft = g.draft();
        draft.set(&s, 7);
        assert_eq!((draft.get(&top), top.get()), (LENGTH + 7, LENGTH + 1));
    });
}

#[test]
fn a_deep_chain_of_maps_is_as_good_as_one_of_computeds() {
    on_two_mebibytes("a_deep_chain_of_maps_is_as_good_as_one_of_computeds", |_| {
        let s = signal(0_u64);
        let top = (0..100_000).fold(computed!([s] s.get()), |below, _| below.map(|v| v + 1));
        assert_eq!(top.get(), 100_000);
        s.set(1);
        assert_eq!(top.get(), 100_001);
    });
}

#[test]
fn an_error_at_the_foot_of_a_deep_chain_reaches_its_top() {
    on_two_mebibytes("an_error_at_the_foot_of_a_deep_chain_reaches_its_top", |_| {
        let s = signal(0_u64);
        let foot = computed!([s] {
            assert!(s.get() != 0, "zero");
            s.get()
        });
        let top = chain(foot, 20_000);
        crate::stage::says(top.try_get().unwrap_err().to_string(), &["zero"]);
        s.set(1);
        assert_eq!(top.get(), 20_001);
    });
}

#[test]
fn a_cycle_of_twenty_thousand_is_found_and_not_fallen_into() {
    on_two_mebibytes("a_cycle_of_twenty_thousand_is_found_and_not_fallen_into", |_| {
        let later: Arc<OnceLock<Computed<u64>>> = Arc::default();
        let slot = later.clone();
        let top = chain(computed(move || slot.get().unwrap().get()), 20_000);
        later.set(top.clone()).unwrap();
        assert!(matches!(top.try_get(), Err(ReadError::Cycle { .. })));
    });
}

#[test]
fn a_source_with_a_hundred_thousand_observers_tells_them_all() {
    on_two_mebibytes("a_source_with_a_hundred_thousand_observers_tells_them_all", |_| {
        let s = signal(1_u64);
        let wide: Vec<_> = (0..100_000).map(|_| computed!([s] s.get())).collect();
        let sum = isobar::all(&wide).map(|values| values.iter().map(|v| **v).sum::<u64>());
        let seen = Trace::new();
        let _watch = effect!([sum, seen] seen.note(sum.get()));
        s.set(2);
        assert_eq!(seen.take(), [100_000, 200_000]);
    });
}
