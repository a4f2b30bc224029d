//! A price with a discount that may be off. Notice that the rate is a source only while it is
//! read: changing it while the discount is off computes nothing.

use isobar::{Graph, computed, signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let (price, is_on, rate) = (signal(100.0), signal(false), signal(0.2));
        let computations = Arc::new(AtomicU32::new(0));
        let to_pay = computed!([price, is_on, rate, computations] {
            computations.fetch_add(1, Relaxed);
            let discount = if is_on.get() { rate.get() } else { 0.0 };
            price.get() * (1.0 - discount)
        });
        let show = |what: &str| {
            let to_pay = to_pay.get();
            say(format!("{what}: {to_pay}, computations: {}", computations.load(Relaxed)));
        };

        show("at first");
        rate.set(0.5);
        show("rate 50 %, off");
        is_on.set(true);
        show("on");
        rate.set(0.25);
        show("rate 25 %");
        price.set(200.0);
        show("price 200");
        is_on.set(false);
        show("off");
        rate.set(0.1);
        show("rate 10 %, off");
    });
}
