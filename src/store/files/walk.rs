//! What lies in a directory of values.

use super::names::Names;
use crate::store::path::Path;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};

pub(super) enum Found {
    /// A file that ought to hold the value of a path.
    Value(Path, PathBuf),
    /// A directory of values, before what is in it.
    Directory(PathBuf),
    /// It looks like one of these, but no path has this name.
    Unnamed(PathBuf),
}

/// Tells of everything below a directory that is there, the directory included. Hidden files and
/// those with other extensions are nobody's business; links to directories are not followed, as
/// they lead outside.
pub(super) fn walk(
    base: &FilePath,
    names: &Names,
    from: PathBuf,
    found: &mut dyn FnMut(Found),
) -> io::Result<()> {
    let mut directories = vec![from];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            // Others may take away what was there a moment ago, but not the base.
            Err(error) if is_absence(&error) && directory != base => continue,
            Err(error) => return Err(named(&directory, error)),
        };
        found(Found::Directory(directory.clone()));
        for entry in entries {
            let entry = entry.map_err(|error| named(&directory, error))?;
            let file = entry.path();
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let relative = file.strip_prefix(base).unwrap_or(&file);
            if name.starts_with('.') || !is_directory && !names.is_of_a_value(&name) {
                continue;
            } else if is_directory && names.path_of_directory(relative).is_some() {
                directories.push(file);
            } else if !is_directory && let Some(path) = names.path_of_file(relative) {
                found(Found::Value(path, file));
            } else {
                found(Found::Unnamed(file));
            }
        }
    }
    Ok(())
}

/// Is it an error because nothing is there?
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Errors of the system do not say of which file they speak.
pub(super) fn named(file: &FilePath, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// Is it a directory that is reached from the base without a link?
pub(super) fn is_inside(base: &FilePath, directory: &FilePath) -> bool {
    let is_directory = |it: &FilePath| fs::symlink_metadata(it).is_ok_and(|found| found.is_dir());
    directory.ancestors().take_while(|it| *it != base).all(is_directory)
}
