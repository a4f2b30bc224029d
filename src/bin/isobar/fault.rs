//! What can end a run badly: each fault says what to do about it and carries its exit code.

use std::io;
use std::path::{Path, PathBuf};

use isobar::Revision;

/// Exit code of a run that broke its own promise: a lost sample, a torn view, a dead thread.
const BROKEN_PROMISE: u8 = 1;
/// Exit code of bad input, bad usage and failed reading or writing.
const BAD_INPUT: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0} (see `isobar --help`)")]
    Usage(String),
    #[error("cannot open {}: {cause}; {}", .file.display(), remedy(.cause))]
    Open { file: PathBuf, cause: io::Error },
    #[error("{} is a directory; name the files in it, one --input each", .0.display())]
    Directory(PathBuf),
    #[error("{} is empty; give a file with at least one line", .0.display())]
    Empty(PathBuf),
    #[error(
        "{} is compressed; unpack it on the way: `{tool} -dc {} | isobar watch --input -`",
        .file.display(), .file.display()
    )]
    Compressed { file: PathBuf, tool: &'static str },
    #[error(
        "{}: unknown format, first line `{first_line}`; expected CSV `timestamp,value`, \
         a recording `timestamp,series,value` or an Apache combined access log",
        .file.display()
    )]
    UnknownFormat { file: PathBuf, first_line: String },
    #[error(
        "{}: none of its {malformed} lines could be read, the first is line {line}: {reason}; \
         check that it is the right file",
        .file.display()
    )]
    NothingReadable { file: PathBuf, malformed: u64, line: u64, reason: String },
    #[error("cannot read on in {}: {cause}; what came before is counted", .file.display())]
    Read { file: PathBuf, cause: io::Error },
    #[error(
        "{} has content already; give another name, or --force to replace it",
        .0.display()
    )]
    Occupied(PathBuf),
    #[error("cannot write {}: {cause}; {}", .file.display(), remedy(.cause))]
    Record { file: PathBuf, cause: io::Error },
    #[error(
        "cannot sample this machine from {}: {cause}; \
         isobar needs a Linux /proc (--proc DIR if it is elsewhere), or replay with --input FILE",
        .proc.display()
    )]
    NoProc { proc: PathBuf, cause: String },
    #[cfg(feature = "bench")]
    #[error(transparent)]
    Bench(#[from] isobar_harness::BenchError),
    #[error("cannot write to standard output: {0}; send it somewhere writable")]
    Output(io::Error),
    #[error("cannot catch Ctrl-C: {0}; run with --for to bound the run")]
    Signals(ctrlc::Error),
    #[error("cannot start a thread: {0}; raise the limit on threads, or give fewer --input")]
    Thread(io::Error),
    #[error("the thread `{0}` died, so this run's figures are incomplete; please report the bug")]
    Died(String),
    #[error(
        "{handed_in} samples were handed in but {counted} were counted; \
         the engine lost or invented some, please report the bug"
    )]
    Miscounted { handed_in: u64, counted: u64 },
    #[error("{0}; the pipeline's effects write nothing, please report the bug")]
    Unsettled(String),
    #[error(
        "a view of {revision} shows {total} samples in total but {feeds} by feed; \
         the engine mixed revisions, please report the bug"
    )]
    Torn { revision: Revision, total: u64, feeds: u64 },
}

impl Fault {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Fault::Died(_)
            | Fault::Miscounted { .. }
            | Fault::Unsettled(_)
            | Fault::Torn { .. } => BROKEN_PROMISE,
            #[cfg(feature = "bench")]
            Fault::Bench(isobar_harness::BenchError::OwnIsWrong { .. }) => BROKEN_PROMISE,
            _ => BAD_INPUT,
        }
    }

    /// The reader of our output went away (`| head`): the end of the run, not an error.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Fault::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn open(file: &Path, cause: io::Error) -> Fault {
        match cause.kind() {
            io::ErrorKind::IsADirectory => Fault::Directory(file.to_owned()),
            _ => Fault::Open { file: file.to_owned(), cause },
        }
    }
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check its permissions",
        io::ErrorKind::IsADirectory => "name a file, not a directory",
        io::ErrorKind::StorageFull => "free some space",
        _ => "check the file and its disk",
    }
}
