//! Finds the files that a shell script picks by a pattern, and reads their lines as its `read` does.

use std::path::{Path, PathBuf};

use crate::tree::{Entry, Obstacle, Tree};

/// Whether `[ -f FILE ]` holds.
pub(super) fn is_file(entry: &Entry) -> bool {
    match entry {
        Entry::File(_) | Entry::Link { .. } => true,
        Entry::Unreadable(obstacle) => *obstacle != Obstacle::NotRegular,
        Entry::Null | Entry::Dangling | Entry::Endless | Entry::Directory | Entry::Program => false,
    }
}

/// Whether `[ -e FILE ]` holds.
pub(super) fn is_there(entry: &Entry) -> bool {
    !matches!(entry, Entry::Dangling | Entry::Endless)
}

/// The files `DIRECTORY/*SUFFIX` for which `counts` holds, directory by directory, each in the order of the names.
pub(super) fn matching(
    tree: &Tree,
    directories: &[&str],
    suffix: &str,
    counts: impl Fn(&Entry) -> bool,
) -> Vec<PathBuf> {
    let is_named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.ends_with(suffix.as_bytes()) && !name.starts_with(b".")
    };
    let in_directory =
        |directory| tree.in_directory(Path::new(directory)).filter(|(path, entry)| is_named(path) && counts(entry));
    directories.iter().flat_map(in_directory).map(|(path, _)| path.to_owned()).collect()
}

/// `path`, if it is a regular file.
pub(super) fn file<'a>(tree: &Tree, path: &'a str) -> Option<&'a Path> {
    let path = Path::new(path);
    tree.get(path).filter(|entry| is_file(entry)).map(|_| path)
}

/// The first word of a line, and the rest.
pub(super) fn words(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_matches([' ', '\t']);
    let end = line.find([' ', '\t']).unwrap_or(line.len());
    Some(line.split_at(end)).filter(|(name, _)| !name.is_empty())
}
