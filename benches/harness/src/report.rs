//! What a record looks like to people: tables, plots, and what differs from an earlier one.

pub mod compare;
pub mod markdown;
pub mod plot;

/// Three digits.
pub fn short(number: f64) -> String {
    match number {
        _ if !number.is_finite() => String::new(),
        _ if number >= 100.0 => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ if number >= 1.0 || number == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// Three digits and a unit, of nanoseconds.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{} ns", short(ns)),
        ns if ns < 1e6 => format!("{} us", short(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", short(ns / 1e6)),
        ns => format!("{} s", short(ns / 1e9)),
    }
}
