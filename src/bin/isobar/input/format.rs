//! Which format a file has, told by its first lines.

use super::columns::Columns;
use super::combined;

/// How far to look for a line that tells: a log may begin with a few torn ones.
const LINES: usize = 20;

pub(crate) const SERIES_HEADER: [&str; 2] = ["timestamp", "value"];
pub(crate) const RECORDING_HEADER: [&str; 3] = ["timestamp", "series", "value"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Series,
    Recording,
    AccessLog,
}

impl Format {
    /// The format of the first line that has one. Nothing but complete lines are looked at.
    pub(crate) fn detect<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Format> {
        let mut columns = Columns::new();
        let telling = lines.filter(|line| !line.trim_ascii().is_empty()).take(LINES);
        telling.map(|line| Format::of(line, &mut columns)).find_map(|format| format)
    }

    fn of(line: &[u8], columns: &mut Columns) -> Option<Format> {
        if columns.is_header(line, SERIES_HEADER) || columns.point(line).is_ok() {
            Some(Format::Series)
        } else if columns.is_header(line, RECORDING_HEADER) || columns.row(line).is_ok() {
            Some(Format::Recording)
        } else if combined::parse(line).is_ok() {
            Some(Format::AccessLog)
        } else {
            None
        }
    }

    pub(crate) fn is_header(self, line: &[u8], columns: &mut Columns) -> bool {
        match self {
            Format::Series => columns.is_header(line, SERIES_HEADER),
            Format::Recording => columns.is_header(line, RECORDING_HEADER),
            Format::AccessLog => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(text: &str) -> Option<Format> {
        Format::detect(text.split('\n').map(str::as_bytes))
    }

    #[test]
    fn content_tells_the_format() {
        assert_eq!(detected("timestamp,value"), Some(Format::Series));
        assert_eq!(detected("\n\n2014-04-02 14:29:00,0.066"), Some(Format::Series));
        assert_eq!(detected("timestamp,series,value\nx"), Some(Format::Recording));
        assert_eq!(detected("1396448940,cpu,3"), Some(Format::Recording));
        let log = r#"192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-""#;
        assert_eq!(detected(&format!("torn line\n{log}")), Some(Format::AccessLog));
    }

    #[test]
    fn other_content_has_no_format() {
        for text in ["", "hello", "a,b\nc,d", "{\"a\": 1}", "name,age\nbob,3"] {
            assert_eq!(detected(text), None, "{text}");
        }
    }
}
