//! Figures as people read them.

/// Binary prefixes for bytes: `1.5 MiB`.
pub(crate) fn bytes(count: f64) -> String {
    let (figure, prefix) = scaled(count, 1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"]);
    if prefix.is_empty() { format!("{figure:.0} B") } else { format!("{figure:.1} {prefix}B") }
}

pub(crate) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

pub(crate) fn percent(percent: f64) -> String {
    format!("{percent:.1}%")
}

/// Any quantity, in at most four or five digits: `0.066`, `51.846`, `9.927M`.
pub(crate) fn quantity(value: f64) -> String {
    let (figure, prefix) = scaled(value, 1000.0, &["", "k", "M", "G", "T", "P", "E"]);
    match figure.abs() {
        small if small > 0.0 && small < 0.001 => format!("{value:.2e}"),
        huge if huge >= 1e4 => format!("{value:.3e}"),
        _ => format!("{figure:.3}{prefix}"),
    }
}

/// `12,345`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn scaled<'a>(value: f64, step: f64, prefixes: &[&'a str]) -> (f64, &'a str) {
    let (mut figure, mut place) = (value, 0);
    while figure.abs() >= step && place + 1 < prefixes.len() {
        figure /= step;
        place += 1;
    }
    (figure, prefixes[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_keep_their_size() {
        assert_eq!([bytes(0.0), bytes(1023.0), bytes(1536.0)], ["0 B", "1023 B", "1.5 KiB"]);
        assert_eq!([quantity(0.066), quantity(-51_846.0)], ["0.066", "-51.846k"]);
        assert_eq!(
            [quantity(0.0), quantity(1e-9), quantity(1e300)],
            ["0.000", "1.00e-9", "1.000e300"]
        );
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
    }
}
