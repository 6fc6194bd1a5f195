//! Decides which files a loader visits, and in which order.
//!
//! A name that stands in several directories counts in the first of them only, whatever stands there: an empty file, a
//! directory or a link that leads nowhere masks the others as well. Then all files go by their names, the later one
//! having the last word. Sources: systemd's `src/basic/conf-files.c`; procps' `src/sysctl.c` (`PreloadSystem`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::paths::{CREDENTIALS, SYSCTL_CONF, SYSCTL_D};
use super::{Loader, glob};
use crate::tree::{Entry, Tree};

/// The paths that `loader` opens, in order. What stands there may still be unreadable.
pub(super) fn visited(tree: &Tree, loader: Loader) -> Vec<PathBuf> {
    let mut by_name: BTreeMap<&OsStr, &Path> = BTreeMap::new();
    for directory in SYSCTL_D {
        for (path, _) in tree.in_directory(Path::new(directory)) {
            if let Some(name) = path.file_name().filter(|name| counts(name, loader)) {
                by_name.entry(name).or_insert(path);
            }
        }
    }
    let drop_ins = by_name.into_values();
    match loader {
        Loader::Systemd => {
            let credential = CREDENTIALS.iter().map(Path::new).find(|path| tree.bytes(path).is_some());
            drop_ins.chain(credential).map(Path::to_path_buf).collect()
        }
        Loader::Procps => {
            // It asks for a regular file, so that a link to /dev/null is passed over.
            let last = Some(Path::new(SYSCTL_CONF));
            let last = last.filter(|path| matches!(tree.get(path), Some(Entry::File(_) | Entry::Link { .. })));
            drop_ins.chain(last).flat_map(|path| opened(tree, path)).collect()
        }
    }
}

/// Whether a drop-in may have this name.
fn counts(name: &OsStr, loader: Loader) -> bool {
    let hidden = name.as_bytes().starts_with(b".");
    name.as_bytes().ends_with(b".conf") && !(hidden && loader == Loader::Systemd)
}

/// The files that procps opens for `path`: it takes the name for a glob, and stops at the first that does not open.
fn opened(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    let mut opened = Vec::new();
    for path in expanded(tree, path) {
        let opens = !matches!(tree.get(&path), None | Some(Entry::Dangling | Entry::Unreadable(_)));
        opened.push(path);
        if !opens {
            break;
        }
    }
    opened
}

/// What the name at the end of `path` stands for as a glob with braces; itself where no file matches.
fn expanded(tree: &Tree, path: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return vec![path.to_owned()] };
    // A plain name stands for itself; to compare each with all would take the square of their number.
    if !name.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{' | b'\\')) {
        return vec![path.to_owned()];
    }
    let matching = |pattern: &[u8]| -> Vec<PathBuf> {
        let names = tree.in_directory(directory).filter_map(|(path, _)| path.file_name().map(|name| (path, name)));
        names.filter(|(_, name)| glob::matches(pattern, name.as_bytes())).map(|(path, _)| path.to_owned()).collect()
    };
    let with_braces: Vec<PathBuf> = glob::braces(name.as_bytes()).iter().flat_map(|one| matching(one)).collect();
    let candidates = [with_braces, matching(name.as_bytes()), vec![path.to_owned()]];
    candidates.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

/// Whether `loader` opens `file`, under this name or through a link, or would once it exists.
pub(super) fn visits(tree: &Tree, loader: Loader, file: &Path) -> bool {
    if tree.get(file).is_none() {
        let mut with_file = tree.clone();
        with_file.insert(file, Entry::File(Vec::new()));
        return visits(&with_file, loader, file);
    }
    let real = tree.real(file);
    visited(tree, loader).iter().any(|path| tree.real(path) == real)
}
