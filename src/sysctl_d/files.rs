//! Decides which drop-ins a program that obeys sysctl.d(5) visits, and in which order.
//!
//! A name that stands in several directories counts in the first of them only, whatever stands there: an empty file, a
//! directory or a link that leads nowhere masks the others as well. Then all files go by their names, the later one
//! having the last word. Sources: systemd's `src/basic/conf-files.c`; procps' `src/sysctl.c` (`PreloadSystem`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::paths::SYSCTL_D;
use crate::tree::Tree;

/// The drop-ins whose names `counts` picks, in order.
pub(super) fn drop_ins(tree: &Tree, counts: impl Fn(&OsStr) -> bool) -> Vec<&Path> {
    let mut by_name: BTreeMap<&OsStr, &Path> = BTreeMap::new();
    for directory in SYSCTL_D {
        for (path, _) in tree.in_directory(Path::new(directory)) {
            let name = path.file_name().filter(|name| name.as_bytes().ends_with(b".conf") && counts(name));
            if let Some(name) = name {
                by_name.entry(name).or_insert(path);
            }
        }
    }
    by_name.into_values().collect()
}
