//! What a node depends on is what its last run read.

use std::thread;

use isobar::{Signal, batch, computed, effect, signal};

use crate::stage::{Count, Halt, Trace, in_graph};

#[test]
fn a_computed_is_lazy_and_cached() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b) = (signal(1), signal(2));
        let sum = computed!([a, b, runs] { runs.tick(); a.get() + b.get() });
        assert_eq!(runs.take(), 0);
        assert_eq!((sum.get(), sum.get(), runs.take()), (3, 3, 1));
        a.set(10);
        b.set(20);
        assert_eq!(runs.take(), 0);
        assert_eq!((sum.get(), sum.get(), runs.take()), (30, 30, 1));
    });
}

#[test]
fn a_chain_that_nobody_observes_follows_its_foot() {
    in_graph(|_| {
        let base = signal(1);
        let doubled = computed!([base] base.get() * 2);
        let plus_five = computed!([doubled] doubled.get() + 5);
        let tripled = computed!([plus_five] plus_five.get() * 3);
        assert_eq!(tripled.get(), 21);
        base.set(3);
        assert_eq!(tripled.get(), 33);
        let one = computed!([base] base.get() + 1);
        let two = computed!([one] one.get() + 1);
        let three = computed!([two] two.get() + 1);
        base.set(1);
        assert_eq!(three.get(), 4);
        base.set(10);
        assert_eq!((three.get(), tripled.get()), (13, 75));
    });
}

#[test]
fn the_branch_not_taken_is_no_source() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, b, sw) = (signal(1), signal(20), signal(true));
        let chosen = computed!([a, b, sw, runs] {
            runs.tick();
            if sw.get() { a.get() } else { b.get() }
        });
        assert_eq!((chosen.get(), runs.take()), (1, 1));
        sw.set(false);
        assert_eq!((chosen.get(), runs.take()), (20, 1));
        a.set(15);
        assert_eq!((chosen.get(), runs.take()), (20, 0));
        sw.set(true);
        assert_eq!((chosen.get(), runs.take()), (15, 1));
        b.set(21);
        assert_eq!((chosen.get(), runs.take()), (15, 0));
        a.set(16);
        assert_eq!((chosen.get(), runs.take()), (16, 1));
    });
}

#[test]
fn an_effect_finds_and_loses_sources_with_each_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let (gate, value) = (signal(0), signal(1));
        let _watch = effect!([gate, value, seen] {
            seen.note(if gate.get() > 0 { Some(value.get()) } else { None });
        });
        value.set(2);
        gate.set(1);
        value.set(3);
        gate.set(0);
        value.set(4);
        gate.set(2);
        assert_eq!(seen.take(), [None, Some(2), Some(3), None, Some(4)]);
    });
}

#[test]
fn a_source_left_behind_does_not_take_other_observers_along() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, sw) = (signal(1), signal(true));
        let c = computed!([a] a.get() * 10);
        let _leaves = effect!([c, sw, seen] {
            seen.note(("leaves", if sw.get() { c.get() } else { 0 }));
        });
        let _stays = effect!([c, seen] seen.note(("stays", c.get())));
        seen.take();
        sw.set(false);
        assert_eq!(seen.take(), [("leaves", 0)]);
        a.set(2);
        assert_eq!(seen.take(), [("stays", 20)]);
        sw.set(true);
        assert_eq!(seen.take(), [("leaves", 20)]);
    });
}

#[test]
fn a_computed_that_lost_its_last_observer_is_not_run_by_waves() {
    in_graph(|_| {
        let runs = Count::new();
        let (a, sw) = (signal(1), signal(true));
        let costly = computed!([a, runs] { runs.tick(); a.get() });
        let _watch = effect!([costly, sw] if sw.get() { costly.get(); });
        assert_eq!(runs.take(), 1);
        sw.set(false);
        a.set(2);
        a.set(3);
        assert_eq!(runs.take(), 0);
        sw.set(true);
        assert_eq!(runs.take(), 1);
    });
}

#[test]
fn what_read_nothing_in_its_last_run_is_woken_by_nothing() {
    in_graph(|_| {
        let (seen, runs) = (Trace::new(), Count::new());
        let (a, reads) = (signal(1), signal(true));
        let value = computed!([a, reads, runs] {
            runs.tick();
            if reads.peek() { a.get() } else { 0 }
        });
        let _watch = effect!([value, seen] seen.note(value.get()));
        reads.set(false);
        a.set(2);
        reads.set(true);
        (3..6).for_each(|n| a.set(n));
        assert_eq!((value.get(), runs.take(), seen.take()), (0, 2, vec![1, 0]));
    });
}

#[test]
fn a_branch_left_in_the_very_wave_cannot_fail_its_reader() {
    in_graph(|_| {
        let seen = Trace::new();
        let list = signal(vec![5]);
        let filled = computed!([list] list.with(|l| !l.is_empty()));
        let first = computed!([list] list.with(|l| l[0]));
        let shown = computed!([filled, first] if filled.get() { first.get() } else { -1 });
        let _watch = effect!([shown, seen] seen.note(shown.get()));
        list.set(vec![]);
        list.set(vec![6]);
        assert_eq!(seen.take(), [5, -1, 6]);
    });
}

#[test]
fn a_source_read_twice_is_one_source() {
    in_graph(|_| {
        let runs = Count::new();
        let a = signal(1);
        let _watch = effect!([a, runs] { a.get(); a.get(); a.with(|_| ()); runs.tick(); });
        a.set(2);
        assert_eq!(runs.take(), 2);
    });
}

#[test]
fn sources_may_come_in_another_order_each_run() {
    in_graph(|_| {
        let seen = Trace::new();
        let flip = signal(false);
        let (a, b) = (signal(1), signal(2));
        let c = computed!([flip, a, b] {
            if flip.get() {
                let late = b.get();
                (a.get(), late)
            } else {
                (a.get(), b.get())
            }
        });
        let _watch = effect!([c, seen] seen.note(c.get()));
        flip.set(true);
        a.set(10);
        b.set(20);
        flip.set(false);
        b.set(30);
        assert_eq!(seen.take(), [(1, 2), (10, 2), (10, 20), (10, 30)]);
    });
}

#[test]
fn a_computed_may_go_from_one_source_to_hundreds_and_back() {
    in_graph(|_| {
        let runs = Count::new();
        let width = signal(1_usize);
        let cells: Vec<_> = (0..300).map(signal).collect();
        let sources = cells.clone();
        let sum = computed!([width, sources, runs] {
            runs.tick();
            sources[..width.get()].iter().map(|s| s.get()).sum::<i32>()
        });
        assert_eq!((sum.get(), runs.take()), (0, 1));
        cells[299].set(0);
        assert_eq!((sum.get(), runs.take()), (0, 0));
        width.set(300);
        assert_eq!((sum.get(), runs.take()), (44_551, 1));
        cells[299].set(299);
        assert_eq!((sum.get(), runs.take()), (44_850, 1));
        width.set(1);
        assert_eq!((sum.get(), runs.take()), (0, 1));
        cells[150].set(0);
        assert_eq!((sum.get(), runs.take()), (0, 0));
    });
}

#[test]
fn a_list_of_signals_is_followed_through_its_growth() {
    in_graph(|_| {
        let seen = Trace::new();
        let rows: Signal<Vec<Signal<i32>>> = signal(vec![signal(1), signal(2)]);
        let sum = computed!([rows] rows.with(|r| r.iter().map(|s| s.get()).sum::<i32>()));
        let _watch = effect!([sum, seen] seen.note(sum.get()));
        let third = signal(10);
        rows.mutate({
            let third = third.clone();
            move |r| r.push(third.clone())
        });
        third.set(20);
        let first = rows.with(|r| r[0].clone());
        rows.mutate(|r| drop(r.remove(0)));
        first.set(1000);
        assert_eq!(seen.take(), [3, 13, 23, 22]);
    });
}

#[test]
fn signals_and_computeds_may_be_made_inside_a_computed() {
    in_graph(|_| {
        let seen = Trace::new();
        let size = signal(1);
        let made = computed!([size] {
            let local = signal(size.get());
            let doubled = computed!([local] local.get() * 2);
            (local, doubled)
        });
        let total = computed!([made] made.with(|(_, doubled)| doubled.get()));
        let _watch = effect!([total, seen] seen.note(total.get()));
        made.peek_with(|(local, _)| local.clone()).set(50);
        size.set(2);
        assert_eq!(seen.take(), [2, 100, 4]);
    });
}

#[test]
fn what_only_a_closure_of_with_reads_is_a_source_too() {
    in_graph(|_| {
        let seen = Trace::new();
        let (a, b) = (signal(1), signal(10));
        let _watch = effect!([a, b, seen] a.with(|a| seen.note(a + b.get())));
        b.set(20);
        a.set(2);
        assert_eq!(seen.take(), [11, 21, 22]);
    });
}

#[test]
fn a_subscription_made_while_its_source_is_being_set_is_not_lost() {
    in_graph(|_| {
        let (sw, b) = (signal(false), signal(0));
        let halt = Halt::idle();
        let c = computed!([sw, b, halt] {
            if sw.get() {
                halt.here();
                b.get()
            } else {
                -1
            }
        });
        assert_eq!(c.get(), -1);
        sw.set(true);
        halt.arm();
        thread::scope(|scope| {
            scope.spawn(|| c.get());
            halt.reached();
            b.set(7);
            halt.release();
        });
        assert_eq!(c.get(), 7);
        b.set(8);
        assert_eq!(c.get(), 8);
    });
}

#[test]
fn an_unused_discount_costs_no_computation() {
    in_graph(|_| {
        let runs = Count::new();
        let (price, discounted, rate) = (signal(100), signal(false), signal(20));
        let total = computed!([price, discounted, rate, runs] {
            runs.tick();
            let price = price.get();
            if discounted.get() { price - price * rate.get() / 100 } else { price }
        });
        let mut totals = vec![total.get()];
        rate.set(50);
        totals.push(total.get());
        discounted.set(true);
        totals.push(total.get());
        rate.set(25);
        totals.push(total.get());
        price.set(200);
        totals.push(total.get());
        discounted.set(false);
        totals.push(total.get());
        rate.set(10);
        totals.push(total.get());
        assert_eq!(totals, [100, 100, 50, 75, 150, 200, 200]);
        assert_eq!(runs.take(), 5);
    });
}

#[test]
fn switching_and_setting_in_one_batch_reads_the_new_branch_only() {
    in_graph(|_| {
        let seen = Trace::new();
        let (sw, a, b) = (signal(true), signal(1), signal(2));
        let chosen = computed!([sw, a, b] if sw.get() { a.get() } else { b.get() });
        let _watch = effect!([chosen, seen] seen.note(chosen.get()));
        batch(|| {
            a.set(100);
            b.set(200);
            sw.set(false);
        });
        a.set(300);
        assert_eq!(seen.take(), [1, 200]);
    });
}
