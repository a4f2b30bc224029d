//! Computeds by key.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Barrier, OnceLock};
use std::thread;

use isobar::{ComputedByKey, Signal, computed, computed_by_key, effect, signal};

use crate::stage::{Count, Trace, in_graph, says};

fn room_for(keys: usize) -> NonZeroUsize {
    NonZeroUsize::new(keys).expect("tests ask for room")
}

/// The keys whose function ran, in order.
fn noting(room: usize, ran: &Trace<i32>) -> ComputedByKey<i32, i32> {
    let ran = ran.clone();
    computed_by_key(room_for(room), move |key: &i32| {
        ran.note(*key);
        key * 10
    })
}

#[test]
fn each_key_is_computed_once_and_again_only_when_its_own_sources_change() {
    in_graph(|_| {
        let ran = Trace::new();
        let users = [signal("ann"), signal("bob")];
        let greeting = computed_by_key(room_for(10), {
            let (users, ran) = (users.clone(), ran.clone());
            move |id: &usize| {
                ran.note(*id);
                format!("hello {}", users[*id].get())
            }
        });
        assert_eq!((greeting.get(&0), greeting.get(&1)), ("hello ann".into(), "hello bob".into()));
        assert_eq!((greeting.get(&0), ran.take()), ("hello ann".into(), vec![0, 1]));
        users[1].set("eve");
        assert_eq!((greeting.get(&0), greeting.get(&1)), ("hello ann".into(), "hello eve".into()));
        assert_eq!(ran.take(), [1]);
    });
}

#[test]
fn keys_are_asked_for_in_their_borrowed_form() {
    in_graph(|_| {
        let length = computed_by_key(room_for(10), |word: &String| word.len());
        assert_eq!((length.get("four"), length.len()), (4, 1));
    });
}

#[test]
fn beyond_its_capacity_the_least_recently_used_key_goes() {
    in_graph(|g| {
        let ran = Trace::new();
        let tens = noting(3, &ran);
        [1, 2, 3, 1, 4].iter().for_each(|key| assert_eq!(tens.get(key), key * 10));
        assert_eq!((tens.len(), ran.take()), (3, vec![1, 2, 3, 4]));
        [1, 3, 4].iter().for_each(|key| assert_eq!(tens.get(key), key * 10));
        ran.expect_silence();
        tens.get(&2);
        assert_eq!((ran.take(), g.stats().live_nodes), (vec![2], 3));
    });
}

#[test]
fn what_is_observed_or_held_is_never_let_go() {
    in_graph(|_| {
        let (ran, go) = (Trace::new(), signal(0));
        let tens = noting(2, &ran);
        let _watch = effect!([go, tens](go.get(), tens.get(&1)));
        let held = tens.of(&2);
        held.get();
        (3..=50).for_each(|key| assert_eq!(tens.get(&key), key * 10));
        assert_eq!(tens.len(), 3, "and everything else is, but the newest");
        ran.take();
        go.set(1);
        assert_eq!((tens.get(&1), tens.get(&2), held == tens.of(&2)), (10, 20, true));
        ran.expect_silence();
    });
}

#[test]
fn what_is_no_longer_used_goes_as_others_come() {
    in_graph(|g| {
        let ran = Trace::new();
        let tens = noting(2, &ran);
        let held: Vec<_> = (0..100).map(|key| tens.of(&key)).collect();
        assert_eq!(tens.len(), 100);
        drop(held);
        (100..130).for_each(|key| assert_eq!(tens.get(&key), key * 10));
        assert_eq!((tens.len(), g.stats().live_nodes), (2, 2));
    });
}

#[test]
fn many_threads_compute_a_key_once() {
    in_graph(|_| {
        let ran = Trace::new();
        let tens = noting(100, &ran);
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    (0..50).for_each(|key| assert_eq!(tens.get(&key), key * 10));
                });
            }
        });
        assert_eq!(ran.take_sorted(), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn threads_that_push_each_others_keys_out_still_get_what_they_asked_for() {
    in_graph(|_| {
        let tens = noting(2, &Trace::new());
        thread::scope(|scope| {
            for thread in 0..4 {
                let tens = tens.clone();
                scope.spawn(move || {
                    (0..500).for_each(|n| {
                        let key = (n * 7 + thread) % 11;
                        assert_eq!(tens.get(&key), key * 10);
                    });
                });
            }
        });
        tens.get(&100);
        assert!(tens.len() <= 2 + 4, "{}", tens.len());
    });
}

#[test]
fn a_key_may_ask_its_collection_while_it_is_compared() {
    static SELF: OnceLock<ComputedByKey<Curious, i32>> = OnceLock::new();

    #[derive(Clone)]
    struct Curious(i32);

    impl PartialEq for Curious {
        fn eq(&self, other: &Self) -> bool {
            SELF.get().map(ComputedByKey::len);
            self.0 == other.0
        }
    }

    impl Eq for Curious {}

    impl Hash for Curious {
        fn hash<H: Hasher>(&self, _all_alike: &mut H) {
            SELF.get().map(ComputedByKey::len);
        }
    }

    in_graph(|_| {
        let all = SELF.get_or_init(|| computed_by_key(room_for(2), |key: &Curious| key.0));
        (0..9).for_each(|n| assert_eq!(all.get(&Curious(n % 3)), n % 3));
        assert_eq!(all.len(), 2);
    });
}

#[test]
fn a_key_whose_function_panics_recovers_with_its_sources() {
    in_graph(|_| {
        let divisors = [signal(0), signal(2)];
        let ratio = computed_by_key(room_for(10), {
            let divisors = divisors.clone();
            move |at: &usize| 10 / divisors[*at].get()
        });
        let failure = ratio.of(&0).try_get().expect_err("a division by zero");
        says(failure.to_string(), &["a key of", "keys.rs", "zero"]);
        assert_eq!(ratio.get(&1), 5);
        divisors[0].set(5);
        assert_eq!(ratio.get(&0), 2);
    });
}

#[test]
fn a_computed_is_run_again_by_hand_through_a_signal_that_is_touched() {
    in_graph(|_| {
        let (f_ran, g_ran) = (Count::new(), Count::new());
        let again: Signal<()> = signal(());
        let f = computed!([again, f_ran] { again.get(); f_ran.tick(); 1 });
        let g = computed!([f, g_ran] { g_ran.tick(); f.get() + 1 });
        assert_eq!((g.get(), f_ran.take(), g_ran.take()), (2, 1, 1));
        again.touch();
        assert_eq!((g.get(), f_ran.take(), g_ran.take()), (2, 1, 0));
    });
}

#[test]
fn by_hand_in_the_middle_of_a_chain_what_lies_before_it_is_kept() {
    in_graph(|_| {
        let ran = Trace::new();
        let (again, turn) = (signal(()), std::sync::Arc::new(std::sync::Mutex::new(0)));
        let f = computed!([ran] { ran.note("f"); 1 });
        let g = computed!([f, again, ran] {
            again.get();
            ran.note("g");
            *turn.lock().unwrap() += 1;
            f.get() + *turn.lock().unwrap()
        });
        let h = computed!([g, ran] { ran.note("h"); g.get() });
        h.get();
        ran.take();
        again.touch();
        h.get();
        assert_eq!(ran.take_sorted(), ["g", "h"]);
    });
}
