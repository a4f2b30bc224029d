//! Names of files for segments of paths, and back: no two paths share a file, none leaves the
//! directory.
//!
//! A character that some file system does not take, or that would make two names one, stands as
//! `%` and the two digits of each of its bytes. What is read has to be what would be written, so
//! that each path has one file.

use super::super::path::Path;
use std::path::{Component, Path as FilePath, PathBuf};

/// Longest name of a file that all usual file systems take, in bytes.
const LONGEST: usize = 255;
/// The root's value; no segment gives this name.
const ROOT: &str = "%root";
/// What stands beside values: the lock, files that are not finished. No segment gives such names.
pub(super) const LOCK: &str = ".isobar-lock";
pub(super) const UNFINISHED: &str = ".isobar-unfinished";
const REFUSED: &str = "%\\:*?\"<>|";

#[derive(Clone, Debug)]
pub(super) struct Names {
    /// With its dot.
    extension: String,
    /// Does the file system take `A` and `a` for the same? Then capitals are escaped, and all that
    /// has forms it might take for the same.
    folds: bool,
}

/// A segment that is too long for the name of a file.
#[derive(Debug, thiserror::Error)]
#[error(
    "the segment {segment:?} is {length} bytes long as the name of a file, of {LONGEST}; \
     keep it shorter, or mount another backend there"
)]
pub(super) struct TooLong {
    segment: String,
    length: usize,
}

impl Names {
    pub(super) fn new(extension: &str, folds: bool) -> Self {
        Self { extension: format!(".{extension}"), folds }
    }

    /// The directory of what is below a path, from the base on.
    pub(super) fn directory(&self, path: &Path) -> Result<PathBuf, TooLong> {
        path.segments().map(|segment| self.fitting(segment, "")).collect()
    }

    /// The file of a path's value, from the base on.
    pub(super) fn file(&self, path: &Path) -> Result<PathBuf, TooLong> {
        match (path.parent(), path.name()) {
            (Some(parent), Some(name)) => {
                Ok(self.directory(&parent)?.join(self.fitting(name, &self.extension)?))
            }
            _ => Ok(PathBuf::from(format!("{ROOT}{}", self.extension))),
        }
    }

    /// Would a file of this name hold a value?
    pub(super) fn is_of_a_value(&self, name: &str) -> bool {
        name.ends_with(&self.extension)
    }

    /// The path whose value a file holds.
    pub(super) fn path_of_file(&self, file: &FilePath) -> Option<Path> {
        let stem = file.file_name()?.to_str()?.strip_suffix(&self.extension)?;
        let parent = self.path_of_directory(file.parent()?)?;
        match stem {
            ROOT if parent.is_root() => Some(parent),
            stem => self.below(&parent, stem),
        }
    }

    /// The path below which the values of a directory are.
    pub(super) fn path_of_directory(&self, directory: &FilePath) -> Option<Path> {
        let mut path = Path::root();
        for component in directory.components() {
            let Component::Normal(name) = component else { return None };
            path = self.below(&path, name.to_str()?)?;
        }
        Some(path)
    }

    fn below(&self, path: &Path, name: &str) -> Option<Path> {
        let segment = unescape(name)?;
        path.child(&segment).ok().filter(|_| self.escape(&segment) == name)
    }

    fn fitting(&self, segment: &str, extension: &str) -> Result<String, TooLong> {
        let name = self.escape(segment) + extension;
        if name.len() > LONGEST {
            return Err(TooLong { segment: segment.to_string(), length: name.len() });
        }
        Ok(name)
    }

    fn escape(&self, segment: &str) -> String {
        let last = segment.char_indices().next_back().map_or(0, |(at, _)| at);
        let suffix = self.suffix_at(segment);
        let device = is_device(segment);
        let mut name = String::with_capacity(segment.len());
        for (at, character) in segment.char_indices() {
            let refused = character.is_control()
                || REFUSED.contains(character)
                || at == 0 && (character == '.' || device)
                || at == last && matches!(character, '.' | ' ')
                || Some(at) == suffix
                || self.folds && (character.is_ascii_uppercase() || !character.is_ascii());
            if refused {
                let bytes = character.to_string().into_bytes();
                name.extend(bytes.iter().map(|byte| format!("%{byte:02X}")));
            } else {
                name.push(character);
            }
        }
        name
    }

    /// Where what looks like the extension begins: a directory must not be named as a file is.
    fn suffix_at(&self, segment: &str) -> Option<usize> {
        let at = segment.len().checked_sub(self.extension.len())?;
        let end = segment.get(at..)?;
        end.eq_ignore_ascii_case(&self.extension).then_some(at)
    }
}

/// Names of devices of Windows, which no file can have there, whatever follows after a dot.
fn is_device(segment: &str) -> bool {
    let name = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match name.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" => true,
        name => ["COM", "LPT"].iter().any(|port| {
            let number = name.strip_prefix(port).unwrap_or_default();
            number.chars().count() == 1 && number.contains(|c| "0123456789¹²³".contains(c))
        }),
    }
}

fn unescape(name: &str) -> Option<String> {
    let mut pieces = name.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Segments that come close to each other and to what is special.
    fn segment() -> impl Strategy<Value = String> {
        let near = "([aAkK\u{212A}éE\u{301}ßﬁ.%:* 0-9]|json|JSON|con|com1|%2E|\\.\\.|\u{7}){1,6}";
        let segment = prop_oneof![near, "[^/\0]{1,12}"];
        segment.prop_filter("a segment", |text| text.parse::<Path>().is_ok_and(|p| p.depth() == 1))
    }

    fn child(segment: &str) -> Path {
        Path::root().child(segment).expect("it is one segment")
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

        #[test]
        fn names_lead_back_to_their_paths(a in segment(), b in segment(), folds: bool) {
            let names = Names::new("json", folds);
            let path = child(&a).join(&child(&b)).expect("two segments are not too deep");
            let file = names.file(&path).expect("it is short");
            prop_assert_eq!(names.path_of_file(&file), Some(path.clone()));
            prop_assert_eq!(names.path_of_directory(&file), None);
            let directory = names.directory(&path).expect("it is short");
            prop_assert_eq!(names.path_of_directory(&directory), Some(path));
            prop_assert_eq!(names.path_of_file(&directory), None);
            prop_assert_eq!(file.components().count(), 2);
            let is_normal = |it: Component<'_>| matches!(it, Component::Normal(_));
            prop_assert!(file.components().all(is_normal));
        }

        #[test]
        fn where_case_is_folded_no_two_names_are_one(a in segment(), b in segment()) {
            prop_assume!(a != b);
            let names = Names::new("json", true);
            let all = |segment: &str| {
                let path = child(segment);
                [names.file(&path), names.directory(&path)].map(|it| {
                    it.expect("it is short").to_str().expect("text").to_ascii_lowercase()
                })
            };
            let (of_a, of_b) = (all(&a), all(&b));
            prop_assert!(of_a.iter().all(|name| name.is_ascii() && !of_b.contains(name)));
        }

        #[test]
        fn a_name_is_read_only_if_it_is_how_it_is_written(name in "[aA%2Ee5.:]{1,8}") {
            let names = Names::new("json", false);
            if let Some(path) = names.path_of_directory(FilePath::new(&name)) {
                let written = names.directory(&path).expect("it is short");
                prop_assert_eq!(written.to_str(), Some(name.trim_end_matches('/')));
            }
        }
    }

    #[test]
    fn usual_segments_are_written_as_they_are() {
        let names = Names::new("json", false);
        for usual in ["1.5", "user name", "größe", "日本", "maxSize", "a@b-c_d+e=f,g;h!~#$&'()"]
        {
            let file = names.file(&child(usual)).expect("it is short");
            assert_eq!(file, PathBuf::from(format!("{usual}.json")));
        }
        for (special, written) in [
            ("a.json", "a%2Ejson.json"),
            (".git", "%2Egit.json"),
            ("...", "%2E.%2E.json"),
            ("nul.txt", "%6Eul.txt.json"),
            ("50%", "50%25.json"),
            ("C:\\x", "C%3A%5Cx.json"),
        ] {
            let file = names.file(&child(special)).expect("it is short");
            assert_eq!(file, PathBuf::from(written));
        }
    }
}
