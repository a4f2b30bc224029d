//! The backend that keeps values in one file of the embedded database redb.

use super::backend::{
    ApplyError, Backend, BackendError, Capabilities, Change, Contents, Expected, Stored, Version,
};
use super::path::{Path, PathError};
use ::redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};
use serde_json::Value;
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

/// By path: version, and value as JSON.
const VALUES: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("values");
/// Under "version" that of the newest change.
const COUNTERS: TableDefinition<'static, &str, u64> = TableDefinition::new("counters");

/// Values in one file of the embedded database [redb](https://docs.rs/redb): transactional, and
/// whole after a crash. The one to take where nothing speaks for another.
///
/// Changes given together are stored all or none. What [`apply`](Backend::apply) has answered is
/// on the disk, so each call waits for the disk once: many changes in one call cost little more
/// than one. Each value has a version, counted over the whole file, so a path that was removed
/// and stored again has not had its version before. One process at a time.
///
/// ```no_run
/// # use isobar::store::Embedded;
/// let backend = Embedded::open("state.redb")?;
/// # Ok::<(), isobar::store::BackendError>(())
/// ```
#[derive(Debug)]
pub struct Embedded {
    file: PathBuf,
    /// None after a failure, which redb gets over only by opening the file again.
    database: Option<Database>,
}

impl Embedded {
    /// Opens the file, or makes it; not the directory it is to lie in. After a crash it is
    /// repaired, which takes time in proportion to its size.
    ///
    /// # Errors
    /// [`BackendError::InUse`] if another process, or another `Embedded` of this one, has it;
    /// [`BackendError::Failed`] if the file cannot be made, or is none of redb's.
    pub fn open(file: impl AsRef<FilePath>) -> Result<Self, BackendError> {
        let file = file.as_ref().to_path_buf();
        let mut this = Self { file, database: None };
        if !this.file.exists() {
            this.make_file()?;
        }
        this.database()?;
        Ok(this)
    }

    /// Makes it under a name of its own first: a file that redb was killed while making cannot be
    /// opened. What a kill leaves then is a hidden file that nobody looks at.
    fn make_file(&self) -> Result<(), BackendError> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let unique = RandomState::new().build_hasher().finish();
        let new = self.file.with_file_name(format!(".{name}-{unique:016x}"));
        let made = Database::create(&new).map_err(::redb::Error::from);
        let made = made.and_then(|database| make_tables(&database)).and_then(|()| {
            // Unlike renaming this replaces nothing that another process has made meanwhile.
            match fs::hard_link(&new, &self.file) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                Err(_) => Ok(fs::rename(&new, &self.file)?),
                Ok(()) => Ok(()),
            }
        });
        // It fails if the file was renamed, or never made.
        let _ = fs::remove_file(&new);
        // A new file's name is to be as durable as what is in it.
        let made = made.and_then(|()| Ok(self.sync_directory()?));
        made.map_err(|error| self.failed("making", error))
    }

    fn database(&mut self) -> Result<&Database, BackendError> {
        if self.database.is_none() {
            let database = Database::create(&self.file).map_err(|error| self.refused(error))?;
            let made = make_tables(&database);
            made.map_err(|error| self.failed("making the tables of", error))?;
            self.database = Some(database);
        }
        Ok(self.database.as_ref().expect("it was opened, here or before"))
    }

    fn refused(&self, error: DatabaseError) -> BackendError {
        match error {
            DatabaseError::DatabaseAlreadyOpen => {
                BackendError::InUse { what: self.file.display().to_string() }
            }
            other => self.failed("opening", other),
        }
    }

    /// Asks, and opens the file again next time if that failed.
    fn ask<R>(
        &mut self,
        doing: &str,
        question: impl FnOnce(&Database) -> Result<R, ::redb::Error>,
    ) -> Result<R, BackendError> {
        let answer = question(self.database()?);
        answer.map_err(|error| {
            self.database = None;
            self.failed(doing, error)
        })
    }

    #[cfg(unix)]
    fn sync_directory(&self) -> io::Result<()> {
        File::open(fs::canonicalize(&self.file)?.with_file_name(""))?.sync_all()
    }

    /// Elsewhere directories cannot be opened, nor need to be.
    #[cfg(not(unix))]
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self, doing: &str, error: impl Into<::redb::Error>) -> BackendError {
        BackendError::failed(format!("{doing} {}", self.file.display()), error.into())
    }

    fn no_path(&self, path: &str, error: PathError) -> BackendError {
        BackendError::failed(format!("reading {path:?} in {}", self.file.display()), error)
    }
}

impl Backend for Embedded {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            compare_and_set: true,
            watch: false,
            atomic: true,
            durable: true,
        }
    }

    fn load(&mut self) -> Result<Contents, BackendError> {
        let records = self.ask("loading", |database| {
            let table = database.begin_read()?.open_table(VALUES)?;
            let entries = table.iter()?.map(|entry| {
                let (path, record) = entry?;
                let (version, json) = record.value();
                Ok((path.value().to_string(), (version, json.to_vec())))
            });
            entries.collect::<Result<Vec<_>, ::redb::Error>>()
        })?;
        let mut contents = Contents::default();
        for (path, record) in records {
            match path.parse() {
                Ok(path) => contents.add(stored(&path, record)),
                Err(error) => contents.broken.push(self.no_path(&path, error)),
            }
        }
        Ok(contents)
    }

    fn read(&mut self, path: &Path) -> Result<Option<Stored>, BackendError> {
        let record = self.ask("reading", |database| {
            let table = database.begin_read()?.open_table(VALUES)?;
            let record = table.get(path.as_str())?;
            Ok(record.map(|it| (it.value().0, it.value().1.to_vec())))
        })?;
        record.map(|record| stored(path, record)).transpose()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Option<Version>>, ApplyError> {
        match self.ask("writing", |database| commit(database, changes)) {
            Ok(Outcome::Stored(versions)) => Ok(versions),
            Ok(Outcome::Conflict(path)) => {
                Err(ApplyError::Conflict { applied: 0, path: path.clone() })
            }
            Err(source) => Err(ApplyError::Backend { applied: 0, source }),
        }
    }
}

enum Outcome<'a> {
    Stored(Vec<Option<Version>>),
    Conflict(&'a Path),
}

fn commit<'a>(database: &Database, changes: &'a [Change]) -> Result<Outcome<'a>, ::redb::Error> {
    let transaction = database.begin_write()?;
    let outcome = change(&transaction, changes)?;
    match outcome {
        Outcome::Stored(_) => transaction.commit()?,
        Outcome::Conflict(_) => transaction.abort()?,
    }
    Ok(outcome)
}

/// All changes, not committed yet; or the first that expects something else.
fn change<'a>(
    transaction: &WriteTransaction,
    changes: &'a [Change],
) -> Result<Outcome<'a>, ::redb::Error> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let mut values = transaction.open_table(VALUES)?;
    let mut newest = counters.get("version")?.map_or(0, |it| it.value());
    let mut versions = Vec::with_capacity(changes.len());
    for change in changes {
        if !expects_this(&values, change)? {
            return Ok(Outcome::Conflict(&change.path));
        }
        newest += 1;
        versions.push(change.value.as_ref().map(|_| Version(newest)));
        match &change.value {
            Some(value) => {
                let json = value.to_string();
                values.insert(change.path.as_str(), (newest, json.as_bytes()))?;
            }
            None => drop(values.remove(change.path.as_str())?),
        }
    }
    counters.insert("version", newest)?;
    Ok(Outcome::Stored(versions))
}

/// Readers find the table from here on.
fn make_tables(database: &Database) -> Result<(), ::redb::Error> {
    match database.begin_read()?.open_table(VALUES) {
        Ok(_) => return Ok(()),
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    Ok(transaction.commit()?)
}

fn expects_this(
    values: &Table<'_, &str, (u64, &[u8])>,
    change: &Change,
) -> Result<bool, ::redb::Error> {
    if change.expected == Expected::Any {
        return Ok(true);
    }
    let found = values.get(change.path.as_str())?.map(|it| Version(it.value().0));
    Ok(change.expected.is_met_by(found))
}

fn stored(path: &Path, (version, json): (u64, Vec<u8>)) -> Result<Stored, BackendError> {
    let value: Result<Value, _> = serde_json::from_slice(&json);
    let value = value.map_err(|error| BackendError::invalid(path.clone(), error))?;
    Ok(Stored { path: path.clone(), value: Arc::new(value), version: Some(Version(version)) })
}
