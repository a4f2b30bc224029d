//! What awaits: an async effect, an async computed, and a task that is run by hand. Notice that all
//! of them run when the executor does, and see what is so then.

use async_executor::Executor;
use futures::executor::block_on;
use isobar::{Graph, Spawn, Task, async_computed, async_effect, effect, scope, signal};
use std::sync::Arc;

type Tasks = Arc<Executor<'static>>;

fn spawner(tasks: &Tasks) -> impl Spawn + Send + 'static {
    let tasks = tasks.clone();
    move |task: Task| tasks.spawn(task).detach()
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    let tasks = Tasks::default();
    Graph::new().enter(|| {
        greeting(&tasks, say);
        doubled(&tasks, say);
        by_hand(say);
    });
}

/// Greets once: Alice had left before anybody came to greet.
fn greeting(tasks: &Tasks, say: fn(String)) {
    let name = signal("Alice");
    let greeting = async_effect(spawner(tasks), {
        let name = name.clone();
        move || {
            let name = name.clone();
            async move { say(format!("Hello, {}!", name.get())) }
        }
    });
    name.set("Bob");
    block_on(tasks.run(greeting.idle()));
}

/// The value before stays until the next one is there.
fn doubled(tasks: &Tasks, say: fn(String)) {
    let s = signal(1);
    let doubled = async_computed(spawner(tasks), {
        let s = s.clone();
        move || {
            let s = s.clone();
            async move { s.get() * 2 }
        }
    });
    let printer = effect!([doubled] if let Some(doubled) = doubled.get() {
        say(format!("doubled {doubled}"));
    });
    for value in [1, 2] {
        s.set(value);
        say(format!("s = {value}"));
        block_on(tasks.run(doubled.ready())).expect("doubling does not fail");
    }
    drop(printer);
}

/// The executor takes one step when it is told to; the scope ends the task.
fn by_hand(say: fn(String)) {
    let tasks = Tasks::default();
    let group = scope(|| {
        let ticking = async_effect(spawner(&tasks), move || async move { say("tick".to_owned()) });
        ticking.detach();
    });
    say("made".to_owned());
    tasks.try_tick();
    drop(group);
    while tasks.try_tick() {}
    say(format!("is a task left? {}", !tasks.is_empty()));
}
