//! Reads the lines of scripts that have certain words in them.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memchr_iter;
use memchr::memmem::Finder;
use rustix::fs::FileType;

use super::index::lines_about;
use super::root::{Root, opened, whole};
use crate::tree::{Entry, LARGEST, Obstacle, Picked};

/// The most files that are read in one directory: those of scripts seldom have ten.
const MOST_FILES: usize = 512;

/// The most bytes that are kept of a file.
const MOST: usize = 1 << 16;

/// The first bytes of a program that is no script.
const PROGRAM: &[u8; 4] = b"\x7fELF";

/// The most bytes of a file that is read without asking first whether it is a program that is no script.
const SMALL: i64 = 1 << 12;

/// Where packages have their files.
const OF_PACKAGES: [&[u8]; 2] = [b"/usr/lib/", b"/lib/"];

impl Root {
    /// The file at `path`, or the files directly in it, each as the lines that have one of `words` in them; directories in
    /// it too.
    pub(super) fn mentions(&self, path: &Path, suffix: &str, files: Picked, words: &[&str]) -> Vec<(PathBuf, Entry)> {
        // Most paths lead nowhere, and a search is made ready in vain.
        let words = LazyCell::new(|| words.iter().map(Finder::new).collect::<Vec<_>>());
        let of_file = |path: &Path| {
            let spot = self.find(path).ok()?;
            let kind = spot.kind()?;
            if files == Picked::All && is_odd(kind) {
                return Some((path.to_owned(), Entry::Unreadable(Obstacle::NotRegular)));
            }
            let entry = entry(spot.directory.as_fd(), &spot.name, files, &words)?;
            let is_link = spot.path != path;
            Some((path.to_owned(), if is_link { linked(entry, spot.path) } else { entry }))
        };
        let Ok(directory) = self.resolved_directory(path) else { return of_file(path).into_iter().collect() };
        let mut found = Vec::new();
        let mut count = 0;
        // What has been listed before an error counts.
        let _ = directory.each_name(|name, kind| {
            count += 1;
            if count > MOST_FILES {
                return;
            }
            let path = path.join(name);
            let is_picked = name.as_bytes().ends_with(suffix.as_bytes());
            match kind {
                FileType::Directory => found.push((path, Entry::Directory)),
                FileType::RegularFile if is_picked => {
                    found.extend(entry(directory.as_fd(), name, files, &words).map(|entry| (path, entry)));
                }
                kind if is_odd(kind) && is_picked && files == Picked::All => {
                    found.push((path, Entry::Unreadable(Obstacle::NotRegular)));
                }
                FileType::Symlink | FileType::Unknown if is_picked && !self.is_of_package(&path) => {
                    found.extend(of_file(&path));
                }
                _ => {}
            }
        });
        found
    }

    /// The names in the directory at `path`, with the entry of something of which only the existence matters.
    pub(super) fn present(&self, path: &Path) -> Vec<(PathBuf, Entry)> {
        let mut found = Vec::new();
        if let Ok(directory) = self.resolved_directory(path) {
            // What has been listed before an error counts.
            let _ = directory.each_name(|name, _| {
                if found.len() < MOST_FILES {
                    found.push((path.join(name), Entry::Program));
                }
            });
        }
        found
    }

    /// Whether the file at `path` is a link to one of a package.
    fn is_of_package(&self, path: &Path) -> bool {
        let target = self.link(path).unwrap_or_default();
        OF_PACKAGES.iter().any(|directory| target.starts_with(directory))
    }
}

/// Whether a program that opens a file of this kind may wait for ever.
fn is_odd(kind: FileType) -> bool {
    matches!(kind, FileType::Fifo | FileType::Socket | FileType::BlockDevice)
}

fn linked(entry: Entry, target: PathBuf) -> Entry {
    match entry {
        Entry::File(bytes) => Entry::Link { target, bytes },
        entry => entry,
    }
}

/// The lines of the regular file `name` that have one of `words` in them. None: it has no such line.
fn entry(directory: BorrowedFd<'_>, name: &OsStr, files: Picked, words: &[Finder]) -> Option<Entry> {
    let (file, stat) = opened(directory, name).ok()?;
    if files == Picked::Executable && stat.st_mode & 0o111 == 0 {
        return None;
    }
    // A program that is no script is larger than most scripts, and its bytes say nothing.
    let mut start = [0; PROGRAM.len()];
    if stat.st_size > SMALL && rustix::io::pread(&file, &mut start, 0).is_ok() && start == *PROGRAM {
        return None;
    }
    let too_large = || Entry::Unreadable(Obstacle::TooLarge);
    match whole(&file, &stat, LARGEST) {
        Ok(bytes) => {
            let lines = lines_with(&bytes, words).filter(|_| !bytes.starts_with(PROGRAM))?;
            Some(if lines.len() > MOST { too_large() } else { Entry::File(lines) })
        }
        Err(error) => (error.kind() == io::ErrorKind::FileTooLarge).then(too_large),
    }
}

/// `text` up to the last line that has one of `words` in it, with all other lines empty, and up to a little more than [`MOST`].
/// None: there is no such line.
fn lines_with(text: &[u8], words: &[Finder]) -> Option<Vec<u8>> {
    let mut lines = BTreeMap::new();
    for word in words {
        lines.extend(lines_about(text, word).map(|line| (line.start, line.end)));
    }
    if lines.is_empty() {
        return None;
    }
    let mut kept = Vec::new();
    let mut before = 0;
    for (start, end) in lines {
        let empty = memchr_iter(b'\n', &text[before..start]).count();
        kept.resize(kept.len() + empty, b'\n');
        kept.extend_from_slice(&text[start..end]);
        before = end;
        if kept.len() > MOST {
            break;
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers() {
        let lines = |text: &str| {
            lines_with(text.as_bytes(), &["ab", "cd"].map(Finder::new)).map(|lines| String::from_utf8(lines).unwrap())
        };
        assert_eq!(lines("a\nxab\nb\ncd"), Some("\nxab\n\ncd".to_owned()));
        assert_eq!(lines("cd ab\nabab\nb\n\nab\nb\n"), Some("cd ab\nabab\n\n\nab\n".to_owned()));
        assert_eq!(lines("a\nb"), None);
        assert!(lines(&"ab\n".repeat(MOST)).is_some_and(|lines| lines.len() > MOST && lines.len() < 2 * MOST));
    }
}
