//! Recorded input: a file opened, its format told by its first lines, everything checked before
//! anything starts.

mod columns;
mod combined;
mod format;
mod lines;
mod malformed;
mod piped;
mod replay;
mod time;

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::format::{Format, RECORDING_HEADER};
pub(crate) use self::malformed::{MalformedLines, NamedLine};
pub(crate) use self::replay::{Intake, Replay};

use self::lines::Lines;
use self::malformed::quote;
use self::piped::Piped;
use crate::fault::Fault;
use crate::stop::Stop;

/// How much of a file is looked at to tell its format.
const HEAD: usize = 64 * 1024;

/// How standard input is given, and how it is named.
const STDIN: &str = "-";
const STDIN_NAME: &str = "standard input";

/// First bytes of compressed files, and what unpacks them to standard output.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2")];

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) file: PathBuf,
    pub(crate) format: Format,
    lines: Lines,
}

impl Input {
    /// None: the run ended while waiting for the first lines.
    pub(crate) fn open(file: &Path, stop: &Stop) -> Result<Option<Input>, Fault> {
        let is_stdin = file == Path::new(STDIN);
        let named = if is_stdin { Path::new(STDIN_NAME) } else { file };
        let source = if is_stdin { stdin(stop) } else { open(file, stop) };
        let mut source = source.map_err(|cause| Fault::open(named, cause))?;
        let (head, format) = read_head(&mut source, named)?;
        if stop.is_set() {
            return Ok(None);
        }
        let format = format.ok_or_else(|| no_format(named, &head))?;
        let source = Cursor::new(head).chain(BufReader::with_capacity(HEAD, source));
        let lines = Lines::new(source, stop.clone());
        Ok(Some(Input { file: named.to_owned(), format, lines }))
    }
}

fn stdin(stop: &Stop) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(Piped::stdin(stop.clone())?))
}

fn open(file: &Path, stop: &Stop) -> io::Result<Box<dyn Read + Send>> {
    let kind = fs::metadata(file)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_file() {
        return Ok(Box::new(File::open(file)?));
    }
    Ok(Box::new(Piped::open(file, stop.clone())?))
}

/// Reads until a line tells the format, the input ends, or enough was seen.
fn read_head(source: &mut impl Read, file: &Path) -> Result<(Vec<u8>, Option<Format>), Fault> {
    let mut head = Vec::new();
    loop {
        let read = source.take((HEAD - head.len()) as u64);
        let length = read_some(read, &mut head)
            .map_err(|cause| Fault::Read { file: file.to_owned(), cause })?;
        let format = detect(&head, length == 0);
        if length == 0 || head.len() == HEAD || format.is_some() {
            return Ok((head, format));
        }
    }
}

/// One successful read, so that a slow pipe is told by its first line, not its first 64 KiB.
fn read_some(mut source: impl Read, head: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 8 * 1024];
    loop {
        match source.read(&mut chunk) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
            Ok(length) => {
                head.extend_from_slice(&chunk[..length]);
                return Ok(length);
            }
        }
    }
}

fn detect(head: &[u8], is_all: bool) -> Option<Format> {
    let complete = match head.iter().rposition(|byte| *byte == b'\n') {
        _ if is_all => head,
        Some(end) => &head[..end],
        None => return None,
    };
    Format::detect(complete.split(|byte| *byte == b'\n'))
}

fn no_format(file: &Path, head: &[u8]) -> Fault {
    let file = file.to_owned();
    if head.trim_ascii().is_empty() {
        return Fault::Empty(file);
    }
    for (magic, tool) in COMPRESSED {
        if head.starts_with(magic) {
            return Fault::Compressed { file, tool };
        }
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first_line = lines.find(|line| !line.is_empty()).map(quote).unwrap_or_default();
    Fault::UnknownFormat { file, first_line }
}

/// A name for each file: its stem where that tells the files apart, else its path, numbered where
/// even that is given twice.
pub(crate) fn names(files: &[PathBuf]) -> Vec<Arc<str>> {
    let stem = |file: &PathBuf| match file.file_stem() {
        Some(stem) if stem != STDIN => stem.to_string_lossy().into_owned(),
        _ => STDIN_NAME.to_owned(),
    };
    let stems: Vec<String> = files.iter().map(stem).collect();
    let times = |stem: &String| stems.iter().filter(|other| *other == stem).count();
    let mut names: Vec<Arc<str>> = Vec::new();
    for (file, stem) in files.iter().zip(&stems) {
        let path = file.display().to_string();
        let repeats = files[..names.len()].iter().filter(|earlier| *earlier == file).count();
        names.push(match (times(stem), repeats) {
            (1, _) => stem.as_str().into(),
            (_, 0) => path.into(),
            (_, repeats) => format!("{path} #{}", repeats + 1).into(),
        });
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_files_apart() {
        let named = |files: &[&str]| -> Vec<String> {
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            names(&files).iter().map(|name| name.to_string()).collect()
        };
        assert_eq!(named(&["x/a.csv", "b.csv", "-"]), ["a", "b", "standard input"]);
        assert_eq!(named(&["x/a.csv", "y/a.csv"]), ["x/a.csv", "y/a.csv"]);
        assert_eq!(named(&["a.csv", "a.csv"]), ["a.csv", "a.csv #2"]);
    }

    #[test]
    fn a_torn_line_tells_nothing_until_it_is_whole() {
        assert_eq!(detect(b"timestamp,val", false), None);
        assert_eq!(detect(b"timestamp,value\n20", false), Some(Format::Series));
        assert_eq!(detect(b"\xef\xbb\xbftimestamp,value", true), Some(Format::Series));
    }
}
