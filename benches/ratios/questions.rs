//! What is asked: reads, writes, every shape, creation.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use isobar_benches::assembly::{self, Assembly, Steps};
use isobar_benches::engines::{Alien, Engine, Isobar, Leptos, Read};
use isobar_benches::floors;
use isobar_benches::shapes::{self, Shape};

use super::meter::Question;

/// Makes the question of that name.
type Ask = fn(&str) -> Question;

/// The questions whose name is wanted.
pub fn all(is_wanted: &dyn Fn(&str) -> bool) -> Vec<Question> {
    let single: [(&str, Ask); 6] = [
        ("read a signal", read_signal),
        ("read a clean computed", read_computed),
        ("set, unobserved", set),
        ("set to the equal value", set_equal),
        ("update, unobserved", update),
        ("batch of 10 sets", batch),
    ];
    let single = single.iter().filter(|(name, _)| is_wanted(name)).map(|(name, ask)| ask(name));
    let shapes = shapes::all().into_iter().filter(|shape| is_wanted(shape.name));
    let mut questions: Vec<_> = single.collect();
    questions.extend(shapes.map(|shape| propagate(&shape)));
    for (name, sources) in [("create computed 1to1", 1), ("create computed 4to1", 4)] {
        if is_wanted(name) {
            questions.push(create_computeds(name, sources));
        }
    }
    if is_wanted("create signal") {
        questions.push(create_signals("create signal"));
    }
    if is_wanted("create effect") {
        questions.push(create_effects("create effect"));
    }
    questions
}

const CHECKED_STEPS: u64 = 5;

/// Where reactive_graph was given up after five minutes: each write marks along every path.
const ENDLESS: [&str; 1] = ["grid_100x100"];

/// One step of a shape, divided by the nodes it recomputes.
fn propagate(shape: &Shape) -> Question {
    let mut question = Question::new(shape.name, shape.recomputed as u64);
    let mut subjects: Vec<(&'static str, Box<dyn Steps>)> = vec![("floor", floors::of(shape))];
    subjects.extend(floors::parallel(shape).map(|floor| ("floor, 2 threads", floor)));
    subjects.push(("isobar", Box::new(Assembly::new(Isobar::usual(), shape))));
    if shape.computeds.len() >= 10_000 {
        subjects.push(("isobar, 1 thread", Box::new(Assembly::new(Isobar::alone(), shape))));
    }
    subjects.push(("alien-signals", Box::new(Assembly::new(Alien, shape))));
    if ENDLESS.contains(&shape.name) {
        question.name.push_str(", reactive_graph did not end");
    } else {
        subjects.push(("reactive_graph", Box::new(Assembly::new(Leptos::new(), shape))));
    }
    for (name, mut subject) in subjects {
        match assembly::check(shape, subject.as_mut(), CHECKED_STEPS) {
            Err(why) => question.wrong(name, why),
            Ok(()) => {
                question = question.contender(name, move |count| {
                    black_box(subject.steps(count));
                });
            }
        }
    }
    question
}

/// The engine is kept, so that its graph lives as long as it is asked.
fn reads<E: Engine>((engine, handle): (E, impl Read)) -> impl FnMut(u64) + 'static {
    move |count| {
        let _alive = &engine;
        for _ in 0..count {
            black_box(black_box(&handle).read());
        }
    }
}

fn loads() -> impl FnMut(u64) + 'static {
    let value = AtomicU64::new(1);
    move |count| {
        for _ in 0..count {
            black_box(black_box(&value).load(Ordering::Acquire));
        }
    }
}

fn read_signal(name: &str) -> Question {
    Question::new(name, 1)
        .contender("floor", loads())
        .contender("isobar", reads(one_signal(Isobar::usual())))
        .contender("alien-signals", reads(one_signal(Alien)))
        .contender("reactive_graph", reads(one_signal(Leptos::new())))
}

fn one_signal<E: Engine>(engine: E) -> (E, E::Signal) {
    let signal = engine.signal(1);
    (engine, signal)
}

fn one_computed<E: Engine>(engine: E) -> (E, E::Computed) {
    let signal = engine.signal(1);
    let computed = engine.computed(move || signal.read() + 1);
    assert_eq!(computed.read(), 2);
    (engine, computed)
}

fn read_computed(name: &str) -> Question {
    Question::new(name, 1)
        .contender("floor", loads())
        .contender("isobar", reads(one_computed(Isobar::usual())))
        .contender("alien-signals", reads(one_computed(Alien)))
        .contender("reactive_graph", reads(one_computed(Leptos::new())))
}

fn sets<E: Engine>(engine: E, stride: u64) -> impl FnMut(u64) + 'static {
    let signal = engine.signal(0);
    let mut turn = 0;
    move |count| {
        for _ in 0..count {
            turn += stride;
            engine.set(&signal, black_box(turn));
        }
        assert_eq!(signal.read(), turn);
    }
}

fn stores() -> impl FnMut(u64) + 'static {
    let (value, mut turn) = (AtomicU64::new(0), 0);
    move |count| {
        for _ in 0..count {
            turn += 1;
            black_box(&value).store(turn, Ordering::Release);
        }
    }
}

fn set(name: &str) -> Question {
    Question::new(name, 1)
        .contender("floor", stores())
        .contender("isobar", sets(Isobar::usual(), 1))
        .contender("alien-signals", sets(Alien, 1))
        .contender("reactive_graph", sets(Leptos::new(), 1))
}

fn set_equal(name: &str) -> Question {
    Question::new(name, 1)
        .contender("floor", stores())
        .contender("isobar", sets(Isobar::usual(), 0))
        .contender("alien-signals", sets(Alien, 0))
        .contender("reactive_graph", sets(Leptos::new(), 0))
}

fn update(name: &str) -> Question {
    use reactive_graph::traits::Update;
    let value = AtomicU64::new(0);
    let ours = Isobar::usual().signal(0);
    let theirs = alien_signals::Signal::new(0u64);
    let leptos = Leptos::new().signal(0);
    Question::new(name, 1)
        .contender("floor", move |count| {
            for _ in 0..count {
                black_box(value.fetch_add(1, Ordering::AcqRel));
            }
        })
        .contender("isobar", move |count| (0..count).for_each(|_| ours.update(|n| n + 1)))
        .contender("alien-signals", move |count| {
            (0..count).for_each(|_| theirs.set_with(|n| n + 1));
        })
        .contender("reactive_graph", move |count| {
            (0..count).for_each(|_| leptos.update(|n| *n += 1));
        })
}

fn batches<E: Engine>(engine: E) -> impl FnMut(u64) + 'static {
    let signals: Vec<_> = (0..10).map(|_| engine.signal(0)).collect();
    let mut turn = 0;
    move |count| {
        for _ in 0..count {
            turn += 1;
            engine.batch(|| signals.iter().for_each(|signal| engine.set(signal, turn)));
        }
    }
}

fn batch(name: &str) -> Question {
    Question::new(name, 1)
        .contender("isobar", batches(Isobar::usual()))
        .contender("alien-signals", batches(Alien))
        .contender("reactive_graph", batches(Leptos::new()))
}

/// So many are made at once, and then dropped; both are timed.
const MADE: u64 = 1000;

fn create_signals(name: &str) -> Question {
    fn signals<E: Engine>(engine: E) -> impl FnMut(u64) + 'static {
        move |count| {
            for _ in 0..count {
                black_box((0..MADE).map(|n| engine.signal(n)).collect::<Vec<_>>());
            }
        }
    }
    Question::new(format!("{name} and drop"), MADE)
        .contender("floor", |count| {
            for _ in 0..count {
                black_box((0..MADE).map(Box::new).collect::<Vec<_>>());
            }
        })
        .contender("isobar", signals(Isobar::usual()))
        .contender("alien-signals", signals(Alien))
        .contender("reactive_graph", signals(Leptos::new()))
}

fn create_computeds(name: &str, sources: usize) -> Question {
    fn computeds<E: Engine>(engine: E, sources: usize) -> impl FnMut(u64) + 'static {
        let signals: Vec<_> = (0..MADE as usize + sources).map(|_| engine.signal(1)).collect();
        let make = move |index: usize| {
            let of = signals[index..index + sources].to_vec();
            let computed = engine.computed(move || of.iter().map(Read::read).sum());
            assert_eq!(computed.read(), sources as u64);
            computed
        };
        move |count| {
            for _ in 0..count {
                black_box((0..MADE as usize).map(&make).collect::<Vec<_>>());
            }
        }
    }
    Question::new(format!("{name}, read and drop"), MADE)
        .contender("isobar", computeds(Isobar::usual(), sources))
        .contender("alien-signals", computeds(Alien, sources))
        .contender("reactive_graph", computeds(Leptos::new(), sources))
}

fn create_effects(name: &str) -> Question {
    fn effects<E: Engine>(engine: E) -> impl FnMut(u64) + 'static {
        let signals: Vec<_> = (0..MADE).map(|_| engine.signal(1)).collect();
        move |count| {
            for _ in 0..count {
                let effect = |signal: &E::Signal| {
                    let signal = signal.clone();
                    engine.effect(move || {
                        black_box(signal.read());
                    })
                };
                black_box(signals.iter().map(effect).collect::<Vec<_>>());
                engine.settle();
            }
        }
    }
    Question::new(format!("{name} and drop"), MADE)
        .contender("isobar", effects(Isobar::usual()))
        .contender("alien-signals", effects(Alien))
        .contender("reactive_graph", effects(Leptos::new()))
}
