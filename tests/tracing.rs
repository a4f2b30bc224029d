//! The feature `tracing`: what a subscriber is told.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps a line for each span and event, in order.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() != "place" {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Lines {
    fn push(&self, line: Line) {
        self.0.lock().expect("no panics here").push(line.0);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panics here"))
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        self.push(line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {
        self.push(Line("end".to_owned()));
    }
}

#[test]
fn commits_waves_and_failures_are_told() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let g = isobar::Graph::builder().name("g").on_error(|_| {}).build();
        let a = g.signal(0);
        let _effect = g.effect({
            let a = a.clone();
            move || assert!(a.get() < 2, "too many")
        });
        lines.take();
        a.set(1);
        assert_eq!(
            lines.take(),
            ["TRACE message=commit graph=g revision=2", "wave graph=g revision=2 effects=1", "end"]
        );
        a.set(2);
        let told = lines.take();
        assert!(told.iter().any(|line| line.starts_with("ERROR") && line.contains("too many")));
        a.set(2);
        assert_eq!(lines.take(), [""; 0], "an equal value is no commit");
    });
}
