//! The first examples of most libraries of signals: a greeting, an update, a price with tax, a
//! count. Notice that nobody says what depends on what. The greeting here is a plain effect and
//! so greets both; `async_tasks` has the one that greets only who is there when its task runs.

use isobar::{Graph, computed, effect, signal};

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let name = signal("Alice");
        let greeting = effect!([name] say(format!("Hello, {}!", name.get())));
        name.set("Bob");
        drop(greeting);

        let counter = signal(0);
        counter.set(counter.get() + 1);
        // The one for several threads: no increment is lost.
        counter.update(|n| n + 1);
        say(format!("counted to {}", counter.get()));

        let (price, tax_rate) = (signal(100.0), signal(0.2));
        let total = computed!([price, tax_rate] price.get() * (1.0 + tax_rate.get()));
        say(format!("total {:.1}", total.get()));
        tax_rate.set(0.25);
        say(format!("total {:.1}", total.get()));

        let count = signal(0);
        let doubled = computed!([count] count.get() * 2);
        let message = effect!([count] say(format!("the count is {}", count.get())));
        count.set(5);
        say(format!("doubled, {}", doubled.get()));
        drop(message);
    });
}
