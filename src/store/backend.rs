//! What a storage backend is: values by path, beyond the life of the process.

use super::path::Path;
use serde_json::Value;
use std::error::Error;
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;

/// Where values are kept beyond the life of the process.
///
/// A mount has a thread of its own which alone calls these, one after another, so a backend may
/// block for as long as it needs and needs no locks. Readers of the store never wait for it. All
/// paths are relative to the mount.
///
/// See `docs/STORE.md` for how to write one.
pub trait Backend: Send + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// All that is stored; asked when it is mounted, and when notices may have been missed. What
    /// cannot be read is among the broken and hides nothing else.
    ///
    /// # Errors
    /// [`BackendError`]; the mount fails, or keeps what it has.
    fn load(&mut self) -> Result<Contents, BackendError>;

    /// What is stored at one path; asked after a notice.
    ///
    /// # Errors
    /// [`BackendError`]; the mount keeps the value it has, and reports the error.
    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError>;

    /// Stores changes, each path at most once. What it answers is durable.
    ///
    /// With [`Capabilities::atomic`] all are stored or none. Without, they are stored in this
    /// order, up to the first that fails.
    ///
    /// # Errors
    /// [`ApplyError`] tells how many were stored.
    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError>;

    /// From now on `notices` is told of what others store, until it [is over](Notices::is_over).
    /// Called before [`load`](Self::load) by each mount of it, if [`Capabilities::watch`]; notices
    /// of a mount before are over then.
    ///
    /// # Errors
    /// [`BackendError`]; the mount fails.
    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        drop(notices);
        Ok(())
    }
}

/// What [`Mount::unmount`](super::Mount::unmount) gives back can be mounted again.
impl Backend for Box<dyn Backend> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        (**self).load()
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        (**self).read(path)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        (**self).apply(changes)
    }

    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        (**self).watch(notices)
    }
}

/// What a backend can do, beyond storing, reading and listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// Each stored value has a version.
    pub versions: bool,
    /// A change is stored only if the version there is the expected one.
    pub compare_and_set: bool,
    /// It tells of what others store.
    pub watch: bool,
    /// Changes given together are stored all or none, also if the process is killed meanwhile.
    pub atomic: bool,
    /// What it answers outlives the process.
    pub durable: bool,
}

impl Capabilities {
    /// None of them, to begin with.
    ///
    /// ```
    /// use isobar::store::Capabilities;
    /// let mut can = Capabilities::NONE;
    /// (can.atomic, can.durable) = (true, true);
    /// assert!(!can.watch);
    /// ```
    pub const NONE: Self = Self {
        versions: false,
        compare_and_set: false,
        watch: false,
        atomic: false,
        durable: false,
    };
}

/// A stored value's version: another one after each change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(pub u64);

/// All that a backend holds, in no particular order.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// What could be read, each path once.
    pub stored: Vec<Stored>,
    /// What is there but no value; reported to the store's listeners of errors. Where it is an
    /// [`BackendError::Invalid`], a mount that has a value for the path keeps it.
    pub broken: Vec<BackendError>,
}

impl Contents {
    /// One more, whatever became of reading it.
    pub fn add(&mut self, read: Result<Stored, BackendError>) {
        match read {
            Ok(stored) => self.stored.push(stored),
            Err(error) => self.broken.push(error),
        }
    }
}

/// A value as it is stored.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    /// Where, from the mount on.
    pub path: Path,
    /// What.
    pub value: Arc<Value>,
    /// If there are versions.
    pub version: Option<Version>,
}

/// A value to be stored, or removed.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Where, from the mount on.
    pub path: Path,
    /// What; `None`: remove it.
    pub value: Option<Arc<Value>>,
    /// What has to be there, if the backend can tell.
    pub expected: Expected,
}

/// What has to be stored at a path, lest another's change be overwritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Expected {
    /// Anything.
    #[default]
    Any,
    /// Nothing.
    Missing,
    /// A value of this version.
    At(Version),
}

impl Expected {
    /// Is this what is there? To be asked in the same transaction that stores the change.
    pub fn is_met_by(self, found: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Missing => found.is_none(),
            Self::At(version) => found == Some(version),
        }
    }
}

/// What went wrong in a backend.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The storage did not do what was asked.
    #[error("{what}: {source}")]
    Failed {
        /// What was tried, and on what.
        what: String,
        /// Why it failed.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// What is stored at a path is no value.
    #[error("what is stored at {path} is no value: {source}")]
    Invalid {
        /// Where, from the mount on.
        path: Path,
        /// What is wrong with it.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Another process has it, or another backend of this one.
    #[error("{what} is in use, by this process or another; mount it once, or use another place")]
    InUse {
        /// The directory or file.
        what: String,
    },
}

impl BackendError {
    /// `what` was tried and failed.
    pub fn failed(
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { what: what.into(), source: Arc::from(source.into()) }
    }

    /// What is stored at `path` is no value.
    pub fn invalid(path: Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Invalid { path, source: Arc::from(source.into()) }
    }
}

/// Why changes were not stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The storage failed.
    #[error("{source}")]
    Backend {
        /// So many of the changes were stored before, from the first one on.
        applied: usize,
        /// What went wrong.
        source: BackendError,
    },
    /// Another version was there than was expected. None of the changes from this one on is
    /// stored.
    #[error("{path} was changed by another process; read it again and decide anew")]
    Conflict {
        /// So many of the changes were stored before, from the first one on.
        applied: usize,
        /// Where.
        path: Path,
    },
}

/// Tells a mount of what others have stored. Clones tell the same mount. Telling costs a lock for a
/// moment and never waits, so any thread may, also one that holds locks of its own.
#[derive(Clone)]
pub struct Notices {
    told: Arc<dyn Told>,
}

/// Who hears notices.
pub(super) trait Told: Send + Sync {
    fn hear(&self, notice: Notice);

    fn is_over(&self) -> bool;
}

/// What a backend tells its mount.
#[derive(Clone, Debug)]
pub enum Notice {
    /// See [`Notices::changed`].
    Changed(Vec<Path>),
    /// See [`Notices::missed`].
    Missed,
    /// See [`Notices::failed`].
    Failed(BackendError),
}

/// Hears the notices of a backend without a store, in tests of backends. Dropping it ends them.
#[derive(Debug)]
pub struct Heard {
    notices: mpsc::Receiver<Notice>,
    /// Who tells looks whether it is still there.
    _listens: Arc<()>,
}

impl Heard {
    /// The next notice; `None` if there is none within `timeout`, or nobody is left to tell.
    pub fn next(&self, timeout: Duration) -> Option<Notice> {
        self.notices.recv_timeout(timeout).ok()
    }
}

/// Tells a [`Heard`].
struct Line {
    notices: mpsc::Sender<Notice>,
    listens: Weak<()>,
}

impl Told for Line {
    fn hear(&self, notice: Notice) {
        // It fails only if nobody listens any more.
        let _ = self.notices.send(notice);
    }

    fn is_over(&self) -> bool {
        self.listens.strong_count() == 0
    }
}

impl Notices {
    /// Notices for whoever tests a backend without a store, and where they are heard.
    pub fn channel() -> (Self, Heard) {
        let (sender, receiver) = mpsc::channel();
        let listens = Arc::new(());
        let line = Line { notices: sender, listens: Arc::downgrade(&listens) };
        (Self::new(Arc::new(line)), Heard { notices: receiver, _listens: listens })
    }

    pub(super) fn new(told: Arc<dyn Told>) -> Self {
        Self { told }
    }

    /// Something was stored at these paths, or removed; also one's own changes may be told. They
    /// are read again, soon.
    pub fn changed(&self, paths: impl IntoIterator<Item = Path>) {
        self.told.hear(Notice::Changed(paths.into_iter().collect()));
    }

    /// Changes may have been missed: everything is loaded again, soon.
    pub fn missed(&self) {
        self.told.hear(Notice::Missed);
    }

    /// Something is wrong; it is reported to the store's listeners of errors.
    pub fn failed(&self, error: BackendError) {
        self.told.hear(Notice::Failed(error));
    }

    /// Has the mount ended? Nobody hears any more then.
    pub fn is_over(&self) -> bool {
        self.told.is_over()
    }
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("is_over", &self.is_over()).finish()
    }
}
