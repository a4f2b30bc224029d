//! Names of places in a store, and patterns of such names.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The name of a place in a [`Store`](super::Store): segments, from the root down.
///
/// Written with a slash before each segment; the first may be left out, and one at the end is
/// dropped, as are segments `.`. The root is `/` or nothing. A segment is any text without a slash
/// and a NUL that is not empty, `..`, `*` or `**`. There are at most 128 of them.
///
/// Paths are ordered as trees are walked: a parent comes before what is below it, and that before
/// the next sibling; siblings are in the order of their names' bytes, so `10` comes before `9`. A
/// clone is a count. As a value, in a store too, a path is its text.
///
/// ```
/// use isobar::store::Path;
/// let name: Path = "users/./1/name/".parse().unwrap();
/// assert_eq!(name.to_string(), "/users/1/name");
/// assert_eq!(name.parent(), Some("/users/1".parse().unwrap()));
/// assert!("/users/../secrets".parse::<Path>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Path {
    /// Each segment with a slash before it; of the root, nothing.
    text: Arc<str>,
}

/// Why a text is no path or pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Two slashes with nothing between.
    #[error("{path:?} has an empty segment; write one slash between two names")]
    EmptySegment {
        /// What was given.
        path: String,
    },
    /// A step upwards: a path names a place, it does not walk.
    #[error("{path:?} has the segment `..`; write the path from the root")]
    Parent {
        /// What was given.
        path: String,
    },
    /// A NUL, which nothing can be named by.
    #[error("{path:?} holds a NUL; leave it out")]
    Nul {
        /// What was given.
        path: String,
    },
    /// A child's name that is nothing, or a path.
    #[error("{name:?} is not the name of one child; a name is not empty and has no slash")]
    NotOneSegment {
        /// What was given.
        name: String,
    },
    /// More segments than a path can have.
    #[error(
        "a path of {depth} segments is deeper than {}; keep what is so deep in one value",
        Path::MAX_DEPTH
    )]
    TooDeep {
        /// How many were given.
        depth: usize,
    },
    /// A wildcard where one place is named.
    #[error("{path:?} is a pattern; name one place here, or use `subscribe` or `derive_many`")]
    Wildcard {
        /// What was given.
        path: String,
    },
}

/// What [`Store`](super::Store)'s methods take for a path: text, a [`Path`], or an
/// [`Atom`](super::Atom).
pub trait ToPath {
    /// The path.
    ///
    /// # Errors
    /// [`PathError`] if the text is none.
    fn to_path(&self) -> Result<Path, PathError>;
}

impl ToPath for Path {
    fn to_path(&self) -> Result<Path, PathError> {
        Ok(self.clone())
    }
}

impl ToPath for str {
    fn to_path(&self) -> Result<Path, PathError> {
        self.parse()
    }
}

impl ToPath for String {
    fn to_path(&self) -> Result<Path, PathError> {
        self.parse()
    }
}

impl<P: ToPath + ?Sized> ToPath for &P {
    fn to_path(&self) -> Result<Path, PathError> {
        (**self).to_path()
    }
}

/// The segments of a text, checked; wildcards are some.
pub(super) fn segments_of(text: &str) -> Result<Vec<&str>, PathError> {
    let path = || text.to_string();
    if text.contains('\0') {
        return Err(PathError::Nul { path: path() });
    }
    if matches!(text, "" | "/") {
        return Ok(Vec::new());
    }
    let inner = text.strip_prefix('/').unwrap_or(text);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let mut segments = Vec::new();
    for segment in inner.split('/') {
        match segment {
            "" => return Err(PathError::EmptySegment { path: path() }),
            ".." => return Err(PathError::Parent { path: path() }),
            "." => {}
            segment => segments.push(segment),
        }
    }
    if segments.len() > Path::MAX_DEPTH {
        return Err(PathError::TooDeep { depth: segments.len() });
    }
    Ok(segments)
}

pub(super) fn is_wildcard(segment: &str) -> bool {
    matches!(segment, "*" | "**")
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let segments = segments_of(text)?;
        if segments.iter().any(|segment| is_wildcard(segment)) {
            return Err(PathError::Wildcard { path: text.to_string() });
        }
        Ok(Self::of(&segments))
    }
}

impl Path {
    /// How many segments a path has at most.
    pub const MAX_DEPTH: usize = 128;

    /// The path above all others.
    pub fn root() -> Self {
        Self { text: Arc::from("") }
    }

    /// Is it the root?
    pub fn is_root(&self) -> bool {
        self.text.is_empty()
    }

    /// The segments, from the top.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }

    /// How many segments there are.
    pub fn depth(&self) -> usize {
        self.text.bytes().filter(|byte| *byte == b'/').count()
    }

    /// The last segment; the root has none.
    pub fn name(&self) -> Option<&str> {
        self.text.rsplit_once('/').map(|(_, name)| name)
    }

    /// The path above; the root has none.
    pub fn parent(&self) -> Option<Self> {
        self.text.rsplit_once('/').map(|(above, _)| Self { text: above.into() })
    }

    /// The path of a child.
    ///
    /// # Errors
    /// [`PathError`] if the name is no single segment, or this is as deep as paths get.
    pub fn child(&self, name: &str) -> Result<Self, PathError> {
        if name.contains('/') || matches!(name, "" | ".") {
            return Err(PathError::NotOneSegment { name: name.to_string() });
        }
        self.join(&name.parse()?)
    }

    /// Another path, below this one.
    ///
    /// # Errors
    /// [`PathError::TooDeep`].
    pub fn join(&self, below: &Self) -> Result<Self, PathError> {
        let depth = self.depth() + below.depth();
        if depth > Self::MAX_DEPTH {
            return Err(PathError::TooDeep { depth });
        }
        Ok(Self { text: [&*self.text, &below.text].concat().into() })
    }

    /// Is it `above`, or below it?
    ///
    /// ```
    /// use isobar::store::Path;
    /// let [name, user, users]: [Path; 3] =
    ///     ["/users/1/name", "/users/1", "/users"].map(|path| path.parse().unwrap());
    /// assert!(name.starts_with(&user) && !users.starts_with(&user));
    /// assert_eq!(name.strip(&users).unwrap().as_str(), "/1/name");
    /// assert_eq!(user.child("name"), Ok(name));
    /// ```
    pub fn starts_with(&self, above: &Self) -> bool {
        self.below(above).is_some()
    }

    /// What is left of this path below `above`; `None` if it is elsewhere.
    pub fn strip(&self, above: &Self) -> Option<Self> {
        self.below(above).map(|text| Self { text: text.into() })
    }

    /// The same as text, in the form in which paths are written.
    pub fn as_str(&self) -> &str {
        if self.is_root() { "/" } else { &self.text }
    }

    /// This path and all above it, the longest first, as they are written inside.
    pub(super) fn upwards(&self) -> impl Iterator<Item = &str> {
        let mut next = Some(&*self.text);
        std::iter::from_fn(move || {
            let this = next?;
            next = this.rsplit_once('/').map(|(above, _)| above);
            Some(this)
        })
    }

    /// This path and all above it, the longest first.
    pub(super) fn and_above(&self) -> impl Iterator<Item = Self> {
        self.upwards().map(|text| Self { text: text.into() })
    }

    /// As it is written inside: of the root, nothing.
    pub(super) fn inner(&self) -> &str {
        &self.text
    }

    /// The text of what is below, from its slash on.
    pub(super) fn below(&self, above: &Self) -> Option<&str> {
        let rest = self.text.strip_prefix(&*above.text)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// The child of `above` that this is or lies below.
    pub(super) fn child_of(&self, above: &Self) -> Option<&str> {
        self.below(above)?.split('/').nth(1)
    }

    /// A place after all that is below this path, and before what comes next.
    pub(super) fn end(&self) -> Self {
        Self { text: [&*self.text, "\0"].concat().into() }
    }

    /// A child whose name was checked.
    pub(super) fn with(&self, name: &str) -> Self {
        Self { text: [&*self.text, "/", name].concat().into() }
    }

    /// Of segments that were checked.
    pub(super) fn of(segments: &[&str]) -> Self {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            text.push_str(segment);
        }
        Self { text: text.into() }
    }
}

/// Slashes come before everything, so that what is below a path follows it.
impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.text.as_bytes(), other.text.as_bytes());
        let differ = a.iter().zip(b).find(|(a, b)| a != b);
        match differ {
            None => a.len().cmp(&b.len()),
            Some((b'/', _)) => Ordering::Less,
            Some((_, b'/')) => Ordering::Greater,
            Some((a, b)) => a.cmp(b),
        }
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As its text, so that a value can name a place.
impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
