//! Four small things: what is lazy, what is remembered, what a batch is, and what a graph of one's
//! own is for.

use isobar::{Graph, batch, computed, effect, signal};

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let s = signal(1);
        let square = computed!([s] s.get() * s.get());
        say(format!("square {}", square.get()));
        let logger = effect!([square] say(format!("logged {}", square.get())));
        s.set(3);
        drop(logger);

        let sum = computed(move || {
            say("adding up".to_owned());
            (0..1_000_000_u64).sum::<u64>()
        });
        say(format!("sum {}", sum.get()));
        say(format!("sum {}", sum.get()));

        let (a, b) = (signal(0), signal(0));
        let both = effect!([a, b] say(format!("({}, {})", a.get(), b.get())));
        batch(|| {
            a.update(|n| n + 1);
            b.update(|n| n + 2);
        });
        drop(both);
    });
    graphs(say);
}

/// An effect follows the signals of its graph. One that reads another graph's says so at once,
/// where the original quietly never ran again.
fn graphs(say: fn(String)) {
    let inside = Graph::builder().name("inside").build();
    let outside = Graph::builder().name("outside").on_error(move |_| say("refused".into())).build();
    let s = inside.signal(1);
    let follows = inside.effect({
        let s = s.clone();
        move || say(format!("inside {}", s.get()))
    });
    let strays = outside.effect({
        let s = s.clone();
        move || say(format!("outside {}", s.get()))
    });
    s.set(2);
    drop((follows, strays));
}
