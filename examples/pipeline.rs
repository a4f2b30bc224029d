//! Log lines through stages: parse, keep the errors, count by service, alert. Notice that a line
//! that is no error changes the first two stages and goes no further.
//!
//! Mended: the parser was left out; errors of no service were counted as none; the order of the
//! services was random.

use isobar::{Graph, effect, signal};
use std::collections::BTreeMap;

const TOLERATED: usize = 5;

#[derive(Clone, PartialEq)]
struct Event {
    is_error: bool,
    service: Option<String>,
}

/// Such as `ERROR auth: token expired`, or `ERROR: out of memory` where no service is known.
fn parse(line: &str) -> Option<Event> {
    let (head, _) = line.split_once(':')?;
    let (level, service) = head.split_once(' ').map_or((head, None), |(a, b)| (a, Some(b)));
    Some(Event { is_error: level == "ERROR", service: service.map(str::to_owned) })
}

fn counted(errors: &[Event]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for error in errors {
        *counts.entry(error.service.clone().unwrap_or("unknown".to_owned())).or_default() += 1;
    }
    counts
}

fn main() {
    story(|line| println!("{line}"));
}

pub(crate) fn story(say: fn(String)) {
    Graph::new().enter(|| {
        let lines = signal(Vec::<&str>::new());
        let events = lines.map(|lines| lines.iter().copied().filter_map(parse).collect::<Vec<_>>());
        let errors = events.map(|events| {
            events.iter().filter(|event| event.is_error).cloned().collect::<Vec<_>>()
        });
        let counts = errors.map(|errors| counted(errors));
        let watch = effect!([counts] {
            let counts = counts.load();
            say(format!("{counts:?}"));
            for (service, count) in counts.iter().filter(|(_, count)| **count > TOLERATED) {
                say(format!("alert: {service} failed {count} times"));
            }
        });

        let arrive = |new: &'static [&str]| lines.mutate(move |lines| lines.extend(new));
        arrive(&["ERROR auth: token expired"; 2]);
        arrive(&["ERROR auth: token expired"; 3]);
        arrive(&["ERROR auth: no such user", "INFO db: vacuumed"]);
        arrive(&["INFO db: vacuumed"]);
        arrive(&["ERROR: out of memory"]);
        drop(watch);
    });
}
