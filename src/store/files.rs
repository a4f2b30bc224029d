//! The backend that keeps each value in a file of its own, which people can read and edit.

#[cfg(feature = "watch")]
mod edits;
mod format;
mod names;
mod walk;

pub use format::{Format, Json};

use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Notices, Stored, Version,
};
use super::path::Path;
use names::Names;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::thread;
#[cfg(feature = "watch")]
use std::time::Duration;
use walk::{Found, is_absence, is_inside, named, walk};

/// A directory with a file for each value, to be read and edited by people.
///
/// The value at `/users/1/name` is in `users/1/name.json`, that at `/theme` in `theme.json`,
/// beside the directory `theme` of what is below it; the root's is in `%root.json`. Characters that
/// a file system may not take are written as `%` and hexadecimal digits; so is a dot in front, and
/// the dot of a segment that ends like a file (`a.json`). A segment whose file would have a name
/// of more than 255 bytes is refused. Capitals are escaped where the file system takes them for
/// small letters. Hidden files, and files with other extensions, are let be.
///
/// A file is replaced as a whole, under a temporary name first, and is on the disk when
/// [`apply`](Backend::apply) returns. Several changes in one call are written together, which
/// spares most of the waiting for the disk, and take their places one after another: after a crash
/// the first of them may be there without the others, each whole. There are no versions.
///
/// One process at a time has the directory, by a lock on `.isobar-lock` in it. With the feature
/// `watch` the edits of others are noticed; a file that cannot be read changes nothing
/// and is reported. One's own changes are noticed, too.
///
/// Directories that hold nothing are removed: with the last value in them, and on opening, where a
/// killed process may have left some.
///
/// ```
/// use isobar::store::{Backend, Change, Expected, Files};
/// # let directory = tempfile::tempdir().unwrap();
/// let mut files = Files::open(&directory)?;
/// let value = Some(std::sync::Arc::new("Ada".into()));
/// let path = "users/1/name".parse().unwrap();
/// files.apply(&[Change { path, value, expected: Expected::Any }]).unwrap();
/// let text = std::fs::read_to_string(directory.path().join("users/1/name.json")).unwrap();
/// assert_eq!(text, "\"Ada\"\n");
/// # Ok::<(), isobar::store::BackendError>(())
/// ```
pub struct Files {
    /// Without links, as the watcher tells it.
    base: PathBuf,
    names: Names,
    format: Box<dyn Format>,
    #[cfg(feature = "watch")]
    debounce: Duration,
    #[cfg(feature = "watch")]
    edits: Option<edits::Edits>,
    /// Held as long as it is open.
    lock: File,
}

/// How to open [`Files`].
pub struct FilesBuilder {
    base: PathBuf,
    format: Box<dyn Format>,
    #[cfg(feature = "watch")]
    debounce: Duration,
}

impl FilesBuilder {
    /// How values are written; [`Json`] otherwise. Files with another extension are let be.
    pub fn format(mut self, format: impl Format) -> Self {
        self.format = Box::new(format);
        self
    }

    /// How long nothing must have been edited before edits are told, so that what belongs together
    /// is read together; 100 ms otherwise. While edits never cease they are told after ten times
    /// as long.
    #[cfg(feature = "watch")]
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = quiet;
        self
    }

    /// Opens the directory, or makes it, with those above it. Looks through all of it for what a
    /// killed process has left.
    ///
    /// # Errors
    /// [`BackendError::InUse`] if another process, or other [`Files`] of this one, have it;
    /// [`BackendError::Failed`] if it cannot be made or written.
    ///
    /// # Panics
    /// If the format's extension is something else than letters and digits.
    pub fn open(self) -> Result<Files, BackendError> {
        let extension = self.format.extension();
        let is_plain =
            !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(
            is_plain,
            "a format's extension is of letters and digits, and {extension:?} is not"
        );
        let failed = |error| {
            BackendError::failed(format!("opening the directory {}", self.base.display()), error)
        };
        fs::create_dir_all(&self.base).map_err(failed)?;
        let base = fs::canonicalize(&self.base).map_err(failed)?;
        let lock = lock(&base)?;
        let folds = base.join(names::LOCK.to_uppercase()).exists();
        let files = Files {
            names: Names::new(extension, folds),
            base,
            format: self.format,
            #[cfg(feature = "watch")]
            debounce: self.debounce,
            #[cfg(feature = "watch")]
            edits: None,
            lock,
        };
        files.clean_up().map_err(failed)?;
        files.sync(&[&files.base, files.directory_of(&files.base)]).map_err(failed)?;
        Ok(files)
    }
}

/// Closing the file would do, had not perhaps another thread begun a process at this moment, which
/// holds the same lock until it runs its program.
impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Files {
    /// JSON files in a directory; see [`FilesBuilder::open`].
    ///
    /// # Errors
    /// As [`FilesBuilder::open`].
    pub fn open(base: impl AsRef<FilePath>) -> Result<Self, BackendError> {
        Self::builder(base).open()
    }

    /// Files in a directory, to be opened.
    pub fn builder(base: impl AsRef<FilePath>) -> FilesBuilder {
        FilesBuilder {
            base: base.as_ref().to_path_buf(),
            format: Box::new(Json),
            #[cfg(feature = "watch")]
            debounce: Duration::from_millis(100),
        }
    }

    /// Removes what a killed process has left: files it had not finished, and directories it had
    /// made for them.
    fn clean_up(&self) -> io::Result<()> {
        let mut directories = Vec::new();
        walk(&self.base, &self.names, self.base.clone(), &mut |found| {
            if let Found::Directory(directory) = found {
                directories.push(directory);
            }
        })?;
        for directory in directories.iter().rev() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(names::UNFINISHED) {
                    remove_file(&entry.path())?;
                }
            }
            if *directory != self.base {
                // It fails if anything is in it.
                let _ = fs::remove_dir(directory);
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> Result<PathBuf, BackendError> {
        let file = self.names.file(path);
        let file = file.map_err(|error| BackendError::failed(format!("naming {path}"), error))?;
        Ok(self.base.join(file))
    }

    fn directory_of<'a>(&'a self, file: &'a FilePath) -> &'a FilePath {
        file.parent().unwrap_or(&self.base)
    }

    /// Stores changes up to the first that fails, and says how many; the directories that have to
    /// be synchronized join `changed`.
    fn store(
        &self,
        changes: &[Change],
        changed: &mut Changed,
    ) -> (usize, Result<(), BackendError>) {
        let mut ready = Vec::with_capacity(changes.len());
        let mut failed = Ok(());
        for (change, number) in changes.iter().zip(0..) {
            match self.prepare(change, number, changed) {
                Ok(it) => ready.push(it),
                Err(error) => {
                    failed = Err(error);
                    break;
                }
            }
        }
        if let Err((at, error)) = sync_contents(&ready) {
            failed = Err(BackendError::failed(format!("writing {}", changes[at].path), error));
            ready.truncate(at);
        }
        for (at, it) in ready.iter().enumerate() {
            if let Err(error) = self.put_in_place(it, changed) {
                let what = format!("storing {}", changes[at].path);
                return (at, Err(BackendError::failed(what, error)));
            }
        }
        (ready.len(), failed)
    }

    /// What can fail for want of space or rights, without touching what is there.
    fn prepare(
        &self,
        change: &Change,
        number: usize,
        changed: &mut Changed,
    ) -> Result<Ready, BackendError> {
        let file = self.file(&change.path)?;
        let Some(value) = &change.value else { return Ok(Ready { file, unfinished: None }) };
        let text = self.format.write(value).map_err(|error| {
            BackendError::failed(format!("writing a value for {}", file.display()), error)
        })?;
        let directory = self.directory_of(&file);
        let unfinished = self.make_directories(directory, changed).and_then(|()| {
            Unfinished::write(directory, number, &file, &text).map_err(|error| named(&file, error))
        });
        match unfinished {
            Ok(unfinished) => Ok(Ready { file, unfinished: Some(unfinished) }),
            Err(error) => Err(BackendError::failed(format!("writing {}", change.path), error)),
        }
    }

    fn put_in_place(&self, ready: &Ready, changed: &mut Changed) -> io::Result<()> {
        let Ready { file, unfinished: Some(unfinished) } = ready else {
            return self.remove(&ready.file, changed);
        };
        changed.insert(self.directory_of(file).to_path_buf());
        fs::rename(&unfinished.name, file).map_err(|error| named(file, error))
    }

    /// Those that are missing on the way to one inside.
    fn make_directories(&self, directory: &FilePath, changed: &mut Changed) -> io::Result<()> {
        let mut way: Vec<&FilePath> =
            directory.ancestors().take_while(|it| *it != self.base).collect();
        way.reverse();
        for step in way {
            match fs::create_dir(step) {
                Ok(()) => drop(changed.insert(self.directory_of(step).to_path_buf())),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(named(step, error)),
            }
            if !fs::symlink_metadata(step)?.is_dir() {
                let error =
                    io::Error::new(ErrorKind::NotADirectory, "is in the way of a directory");
                return Err(named(step, error));
            }
        }
        Ok(())
    }

    fn remove(&self, file: &FilePath, changed: &mut Changed) -> io::Result<()> {
        let mut directory = self.directory_of(file);
        if !is_inside(&self.base, directory) {
            return Ok(());
        }
        remove_file(file).map_err(|error| named(file, error))?;
        changed.insert(directory.to_path_buf());
        // It fails at the first that has something else in it.
        while directory != self.base && fs::remove_dir(directory).is_ok() {
            directory = self.directory_of(directory);
            changed.insert(directory.to_path_buf());
        }
        Ok(())
    }

    /// Makes names durable that were given or taken in directories. Those that are gone again are
    /// missing in one that is among them.
    fn sync(&self, directories: &[&FilePath]) -> io::Result<()> {
        let synced = sync_all(directories.len(), |at| match sync_directory(directories[at]) {
            Err(error) if is_absence(&error) => Ok(()),
            synced => synced,
        });
        synced.map_err(|(at, error)| named(directories[at], error))
    }

    fn value_in(&self, path: &Path, file: &FilePath) -> Result<Option<Stored>, BackendError> {
        let text = match read_file(file) {
            Ok(text) => text,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(BackendError::invalid(path.clone(), named(file, error))),
        };
        let value: Result<Value, _> = self.format.read(&text);
        let value = value.map_err(|error| {
            BackendError::invalid(path.clone(), InFile { file: file.to_path_buf(), error })
        })?;
        Ok(Some(Stored { path: path.clone(), value: Arc::new(value), version: None }))
    }
}

/// So many threads wait for the disk, which serves them together.
const SYNCING: usize = 4;
/// So many files are open at once.
const AT_ONCE: usize = 64;

/// Directories in which names were given or taken.
type Changed = BTreeSet<PathBuf>;

/// A change that only has to take its place: a file written anew, or one to be removed.
struct Ready {
    file: PathBuf,
    unfinished: Option<Unfinished>,
}

/// A file under a temporary name.
struct Unfinished {
    name: PathBuf,
    file: File,
}

/// A format's error does not say of which file it speaks.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", file.display())]
struct InFile {
    file: PathBuf,
    error: Box<dyn std::error::Error + Send + Sync>,
}

impl Backend for Files {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, watch: cfg!(feature = "watch"), ..Capabilities::NONE }
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        let mut contents = Contents::default();
        let walked = walk(&self.base, &self.names, self.base.clone(), &mut |found| match found {
            Found::Value(path, file) => match self.value_in(&path, &file) {
                Ok(stored) => contents.stored.extend(stored),
                Err(error) => contents.broken.push(error),
            },
            Found::Unnamed(file) => contents.broken.push(unnamed(&file)),
            Found::Directory(_) => {}
        });
        walked.map_err(|error| BackendError::failed("loading", error))?;
        Ok(contents)
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        let file = self.file(path)?;
        if !is_inside(&self.base, self.directory_of(&file)) {
            return Ok(None);
        }
        self.value_in(path, &file)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        let mut changed = Changed::new();
        let (mut applied, mut stored) = (0, Ok(()));
        for some in changes.chunks(AT_ONCE) {
            let (count, outcome) = self.store(some, &mut changed);
            applied += count;
            stored = outcome;
            if stored.is_err() {
                break;
            }
        }
        // Nothing is known to be stored unless the names are.
        let changed: Vec<&FilePath> = changed.iter().map(|it| &**it).collect();
        self.sync(&changed).map_err(|error| ApplyError::Backend {
            applied: 0,
            source: BackendError::failed("writing directories", error),
        })?;
        stored.map_err(|source| ApplyError::Backend { applied, source })?;
        Ok(vec![None; applied])
    }

    #[cfg(feature = "watch")]
    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        // One that watched for a mount before ends with this.
        self.edits = None;
        let edits = edits::Edits::watch(&self.base, &self.names, self.debounce, notices);
        self.edits = Some(edits.map_err(|error| {
            BackendError::failed(format!("watching {}", self.base.display()), error)
        })?);
        Ok(())
    }

    #[cfg(not(feature = "watch"))]
    fn watch(&mut self, notices: Notices) -> Result<(), BackendError> {
        drop(notices);
        Ok(())
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("base", &self.base).finish_non_exhaustive()
    }
}

impl fmt::Debug for FilesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesBuilder").field("base", &self.base).finish_non_exhaustive()
    }
}

fn lock(base: &FilePath) -> Result<File, BackendError> {
    let name = base.join(names::LOCK);
    let failed = |error| BackendError::failed(format!("locking {}", name.display()), error);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(BackendError::InUse { what: base.display().to_string() })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Unfinished {
    /// A file that is to stand in for another, with that one's permissions.
    fn write(
        directory: &FilePath,
        number: usize,
        replaced: &FilePath,
        text: &[u8],
    ) -> io::Result<Self> {
        let name = directory.join(format!("{}-{number}", names::UNFINISHED));
        let file = File::create(&name)?;
        let mut this = Self { name, file };
        match fs::metadata(replaced) {
            Ok(found) => this.file.set_permissions(found.permissions())?,
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
        this.file.write_all(text)?;
        Ok(this)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It fails if the file has taken its place; what is left is cleaned up on opening.
        let _ = fs::remove_file(&self.name);
    }
}

fn sync_contents(ready: &[Ready]) -> Result<(), (usize, io::Error)> {
    sync_all(ready.len(), |at| match &ready[at].unfinished {
        Some(unfinished) => unfinished.file.sync_all(),
        None => Ok(()),
    })
}

/// Synchronizes so many, and says the first of those that failed.
fn sync_all(
    count: usize,
    sync: impl Fn(usize) -> io::Result<()> + Sync,
) -> Result<(), (usize, io::Error)> {
    // Whoever waits alone pays for the disk's journal alone: a hundred files one after another take
    // 300 ms, by four threads 20 ms.
    let sync_part = |part: usize| {
        let mut each = (part..count).step_by(SYNCING);
        each.find_map(|at| sync(at).err().map(|error| (at, error)))
    };
    let sync_part = &sync_part;
    let failed = thread::scope(|scope| {
        let start = |part| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || sync_part(part));
            (part, thread)
        };
        let threads: Vec<_> = (1..SYNCING.min(count)).map(start).collect();
        let mut failed = Vec::from_iter(sync_part(0));
        for (part, thread) in threads {
            // Where the system gives no more threads, this one does it all.
            failed.extend(match thread {
                Ok(thread) => thread.join().expect("nothing in it panics"),
                Err(_) => sync_part(part),
            });
        }
        failed
    });
    failed.into_iter().min_by_key(|(at, _)| *at).map_or(Ok(()), Err)
}

/// Only of plain files: another could keep its reader waiting for ever.
fn read_file(file: &FilePath) -> io::Result<Vec<u8>> {
    if fs::metadata(file)?.is_file() {
        fs::read(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "is no file"))
    }
}

fn remove_file(file: &FilePath) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if !is_absence(&error) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn sync_directory(directory: &FilePath) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere directories cannot be opened, nor need to be.
#[cfg(not(unix))]
fn sync_directory(_: &FilePath) -> io::Result<()> {
    Ok(())
}

fn unnamed(file: &FilePath) -> BackendError {
    let advice = "no path has this name; see how names are escaped, and rename it";
    BackendError::failed(format!("reading {}", file.display()), advice)
}
