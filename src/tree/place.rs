//! Places in files, and paths as reports have them.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::as_text;

/// A line of a file: the place of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The path as the loader names it, inside the root.
    // All lines of a file share it: there may be very many.
    #[serde(serialize_with = "lossy", deserialize_with = "shared")]
    #[cfg_attr(test, schemars(with = "PathBuf"))]
    pub file: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

impl Place {
    /// The line with this number in `file`.
    #[must_use]
    pub fn new(file: impl AsRef<Path>, line: usize) -> Place {
        Place::within(file)(line)
    }

    /// The lines of `file` by their numbers.
    pub fn within(file: impl AsRef<Path>) -> impl Fn(usize) -> Place {
        let file: Arc<Path> = file.as_ref().into();
        move |line| Place { file: file.clone(), line }
    }
}

/// Serializes a path. Bytes that are not UTF-8 are replaced: JSON has no form for them, and a report must not fail
/// because of them.
pub fn lossy<S: Serializer>(path: &impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&as_text(path.as_ref().as_os_str().as_bytes()))
}

/// Reads a path that several places share.
fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Path>, D::Error> {
    PathBuf::deserialize(deserializer).map(Arc::from)
}

/// Serializes a path, or null, as [`lossy`] does.
pub fn lossy_optional<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

/// Serializes several paths, each as [`lossy`] does.
pub fn lossy_each<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
