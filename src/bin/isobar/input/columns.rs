//! The two CSV formats: `timestamp,value` and `timestamp,series,value`.
//!
//! Each line is one record: a quoted field that runs over the end of its line is malformed, so that
//! one stray quote cannot swallow the rest of the file.

use csv_core::{ReadRecordResult, Reader};
use jiff::Timestamp;

use super::malformed::{Malformed, quote};
use super::time;
use crate::series::Row;

/// More fields than any format has; a line with more is malformed whatever their number.
const FIELDS: usize = 8;

pub(crate) struct Columns {
    reader: Reader,
    line: Vec<u8>,
    text: Vec<u8>,
    ends: [usize; FIELDS],
}

impl Columns {
    pub(crate) fn new() -> Columns {
        let (line, text) = (Vec::new(), Vec::new());
        Columns { reader: Reader::new(), line, text, ends: [0; FIELDS] }
    }

    pub(crate) fn is_header<const N: usize>(&mut self, line: &[u8], header: [&str; N]) -> bool {
        self.split::<N>(line).is_ok_and(|fields| {
            let named = |(field, name): (&&[u8], &&str)| {
                field.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
            };
            fields.iter().zip(&header).all(named)
        })
    }

    pub(crate) fn point(&mut self, line: &[u8]) -> Result<(Timestamp, f64), Malformed> {
        let [at, value] = self.split(line)?;
        Ok((time::parse(at)?, number(value)?))
    }

    pub(crate) fn row(&mut self, line: &[u8]) -> Result<(Timestamp, Row), Malformed> {
        let [at, series, value] = self.split(line)?;
        let series = String::from_utf8_lossy(series).trim().to_owned();
        if series.is_empty() {
            return Err(Malformed::Nameless);
        }
        Ok((time::parse(at)?, Row { series, value: number(value)? }))
    }

    fn split<const N: usize>(&mut self, line: &[u8]) -> Result<[&[u8]; N], Malformed> {
        self.line.clear();
        self.line.extend_from_slice(line);
        self.line.push(b'\n');
        // Unquoting only shortens, so the record never outgrows its line.
        self.text.resize(self.line.len() + 1, 0);
        self.reader.reset();
        let (end, _, _, found) =
            self.reader.read_record(&self.line, &mut self.text, &mut self.ends);
        match end {
            ReadRecordResult::InputEmpty => return Err(Malformed::Missing("closing quote")),
            ReadRecordResult::Record if found == N => {}
            _ => return Err(Malformed::Fields { expected: N, found }),
        }
        let start = |field: usize| if field == 0 { 0 } else { self.ends[field - 1] };
        Ok(std::array::from_fn(|field| &self.text[start(field)..self.ends[field]]))
    }
}

fn number(field: &[u8]) -> Result<f64, Malformed> {
    let text = str::from_utf8(field).map_err(|_| Malformed::Value(quote(field)))?;
    let number: f64 = text.trim().parse().map_err(|_| Malformed::Value(quote(field)))?;
    if number.is_finite() { Ok(number) } else { Err(Malformed::NotFinite(quote(field))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_time_and_a_finite_number() {
        let at: Timestamp = "2014-04-02T14:29:00Z".parse().expect("RFC 3339");
        let mut columns = Columns::new();
        for line in ["2014-04-02 14:29:00,0.5", "\"2014-04-02 14:29:00\", 0.5", "1396448940,5e-1\r"]
        {
            assert_eq!(columns.point(line.as_bytes()), Ok((at, 0.5)), "{line}");
        }
        let mut error = |line: &str| columns.point(line.as_bytes()).expect_err(line).to_string();
        assert_eq!(error("2014-04-02 14:29:00"), "expected 2 fields, found 1");
        assert_eq!(error("1,2,3"), "expected 2 fields, found 3");
        assert_eq!(error("1,2,3,4,5,6,7,8,9,10"), "expected 2 fields, found 8");
        assert_eq!(error("1,x"), "`x` is not a number");
        assert_eq!(error("1,"), "`` is not a number");
        assert_eq!(error("1,NaN"), "`NaN` is not a finite number");
        assert_eq!(error("1,-inf"), "`-inf` is not a finite number");
        assert_eq!(error("x,1"), "`x` is not a timestamp");
        assert_eq!(error("1,\"2"), "no closing quote");
    }

    #[test]
    fn a_row_names_its_series() {
        let row =
            Columns::new().row(b"1,\"process/1/a \"\"b\"\", c/busy_seconds\",2").expect("a row");
        assert_eq!(row.1, Row { series: r#"process/1/a "b", c/busy_seconds"#.into(), value: 2.0 });
        assert_eq!(Columns::new().row(b"1,,2"), Err(Malformed::Nameless));
    }

    #[test]
    fn headers_are_told_by_name() {
        let mut columns = Columns::new();
        assert!(columns.is_header(b"Timestamp,value\r", ["timestamp", "value"]));
        assert!(!columns.is_header(b"timestamp,series,value", ["timestamp", "value"]));
    }
}
