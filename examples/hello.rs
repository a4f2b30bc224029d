//! The smallest graph: two signals, a computed, an effect. Notice that the batch prints once.

use isobar::{Graph, batch, computed, effect, signal};

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let (a, b) = (signal(1), signal(2));
        let sum = computed!([a, b] a.get() + b.get());
        let report = effect!([sum] say(format!("the sum is {}", sum.get())));
        a.set(10);
        batch(|| {
            a.set(100);
            b.set(200);
        });
        drop(report);
        a.set(0);
    });
}
