//! Bytes into numbered lines, in bounded memory whatever the input is.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::stop::Stop;

/// A longer line is malformed, and skipped without being kept.
pub(crate) const LONGEST: usize = 64 * 1024;

pub(crate) struct Lines {
    source: Box<dyn BufRead + Send>,
    stop: Stop,
    line: Vec<u8>,
    number: u64,
}

#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// Without its end.
    Text(&'a [u8]),
    TooLong,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn new(source: impl BufRead + Send + 'static, stop: Stop) -> Lines {
        Lines { source: Box::new(source), stop, line: Vec::new(), number: 0 }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.line.clear();
        // One byte beyond the longest line tells a line that just fits from one that does not.
        let mut start = (&mut self.source).take(LONGEST as u64 + 1);
        if start.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') || self.line.len() <= LONGEST {
            return Ok(Some((self.number, Line::Text(trim_end(&self.line)))));
        }
        self.skip_rest()?;
        Ok(Some((self.number, Line::TooLong)))
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        while !self.stop.is_set() {
            let chunk = self.source.fill_buf()?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (length, is_last) = (chunk.len(), chunk.is_empty() || end.is_some());
            self.source.consume(end.map_or(length, |end| end + 1));
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::stop::StopSwitch;

    fn lines(text: &str) -> Vec<(u64, Option<String>)> {
        let (_switch, stop) = StopSwitch::new(None);
        let mut lines = Lines::new(Cursor::new(text.to_owned().into_bytes()), stop);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().expect("memory does not fail") {
            all.push((
                number,
                match line {
                    Line::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                    Line::TooLong => None,
                },
            ));
        }
        all
    }

    #[test]
    fn lines_end_in_either_way_or_with_the_file() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(lines("a\r\n\nb"), [(1, text("a")), (2, text("")), (3, text("b"))]);
        assert_eq!(lines(""), []);
    }

    #[test]
    fn a_line_beyond_bounds_is_skipped_and_the_next_one_read() {
        let fits = "x".repeat(LONGEST);
        assert_eq!(lines(&format!("{fits}\nb"))[0], (1, Some(fits.clone())));
        assert_eq!(lines(&fits), [(1, Some(fits.clone()))]);
        assert_eq!(lines(&format!("{fits}y\nb")), [(1, None), (2, Some("b".to_owned()))]);
        assert_eq!(lines(&format!("{fits}{fits}{fits}")), [(1, None)]);
    }
}
