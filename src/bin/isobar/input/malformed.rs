//! Why a line of input was left out, and the lines left out of one file.

use std::path::Path;

use serde::Serialize;

/// How many malformed lines of a file are named; all are counted.
const NAMED: usize = 5;
/// Quoted input is cut here: a message stays one line.
const QUOTED: usize = 40;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("expected {expected} fields, found {found}")]
    Fields { expected: usize, found: usize },
    #[error("`{0}` is not a timestamp")]
    Timestamp(String),
    #[error("`{0}` is not a number")]
    Value(String),
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    #[error("the series has no name")]
    Nameless,
    #[error("the line is longer than {0} bytes")]
    TooLong(usize),
    #[error("no {0}")]
    Missing(&'static str),
    #[error("`{0}` is not a response status")]
    ResponseStatus(String),
    #[error("`{0}` is not a size")]
    Size(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MalformedLines {
    pub(crate) count: u64,
    pub(crate) first: Vec<NamedLine>,
}

/// As it is reported.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NamedLine {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) reason: String,
}

impl MalformedLines {
    pub(crate) fn add(&mut self, file: &Path, line: u64, malformed: &Malformed) {
        self.count += 1;
        if self.first.len() < NAMED {
            let (file, reason) = (file.display().to_string(), malformed.to_string());
            self.first.push(NamedLine { file, line, reason });
        }
    }
}

/// Input as it can be shown in a message: short, on one line, with no control characters.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut quoted: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}
