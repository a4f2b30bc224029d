//! The store, through the public API.

mod derived;
mod events;
mod paths;
mod places;
#[allow(dead_code, reason = "shared with the tests of behaviour, which use all of it")]
#[path = "../behaviour/stage.rs"]
mod stage;
mod threads;

use isobar::store::{Event, Store, StoreError, Subscription};
use stage::Trace;

/// Notes each event that a pattern hears, in words.
fn listen(store: &Store, pattern: &str, heard: &Trace<String>) -> Subscription {
    let (name, heard) = (pattern.to_string(), heard.clone());
    let note = move |event: &Event<'_>| heard.note(format!("{name}: {}", in_words(event)));
    store.subscribe(pattern, note).unwrap()
}

fn in_words(event: &Event<'_>) -> String {
    let word = |value: Option<&isobar::store::Value>| match value {
        Some(value) => value.to_string(),
        None => "-".to_string(),
    };
    format!("{} {} -> {}", event.path(), word(event.previous()), word(event.value()))
}

type Done = Result<(), StoreError>;
