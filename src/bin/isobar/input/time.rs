//! Timestamps as recordings write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::malformed::{Malformed, quote};

/// Numbers above this are milliseconds: as seconds they would lie beyond the year 5000.
const LARGEST_SECONDS: f64 = 1e11;

/// A civil time (taken as UTC), RFC 3339, or seconds or milliseconds since 1970.
pub(crate) fn parse(field: &[u8]) -> Result<Timestamp, Malformed> {
    let malformed = || Malformed::Timestamp(quote(field));
    let text = str::from_utf8(field).map_err(|_| malformed())?.trim();
    if let Ok(number) = text.parse::<f64>() {
        return since_1970(number).ok_or_else(malformed);
    }
    // With an offset it is an instant; a civil parse would drop the offset without a word.
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil: DateTime = text.parse().map_err(|_| malformed())?;
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| malformed())
}

/// An access log's `17/May/2015:10:05:03 +0000`.
pub(crate) fn parse_log(field: &[u8]) -> Result<Timestamp, Malformed> {
    let parsed = strtime::parse("%d/%b/%Y:%H:%M:%S %z", field).and_then(|time| time.to_timestamp());
    parsed.map_err(|_| Malformed::Timestamp(quote(field)))
}

fn since_1970(number: f64) -> Option<Timestamp> {
    let seconds = if number.abs() > LARGEST_SECONDS { number / 1e3 } else { number };
    if !seconds.is_finite() {
        return None;
    }
    let nanoseconds = (seconds.fract() * 1e9).round() as i32;
    Timestamp::new(seconds.trunc() as i64, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_in_every_notation() {
        let notations = [
            "2014-04-02 14:29:00",
            "2014-04-02T14:29:00",
            " 2014-04-02 14:29:00.000000 ",
            "2014-04-02T14:29:00Z",
            "2014-04-02T16:29:00+02:00",
            "1396448940",
            "1396448940.0",
            "1396448940000",
        ];
        let instant: Timestamp = "2014-04-02T14:29:00Z".parse().expect("RFC 3339");
        for notation in notations {
            assert_eq!(parse(notation.as_bytes()), Ok(instant), "{notation}");
        }
        assert_eq!(parse_log(b"02/Apr/2014:16:29:00 +0200"), Ok(instant));
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in ["", "yesterday", "2014-13-01 00:00:00", "NaN", "1e300", "12:00"] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed::Timestamp(text.to_owned())));
        }
        assert!(parse(&[0xff, 0xfe]).is_err());
        assert!(parse_log(b"17/Maj/2015:10:05:03 +0000").is_err());
    }
}
