//! Finds the lines that look as if they assigned a setting at boot, although no boot reads them: in files that the loader
//! does not open, or under a misspelt key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::outlook::Boot;
use super::terms::keys;
use crate::kernel::catalog::{self, Key, Name};
use crate::order::InOrder;
use crate::snapshot::Snapshot;
use crate::sysctl_d;
use crate::sysctl_d::paths::{SYSCTL_CONF, SYSCTL_D};
use crate::tree::{Place, Read, Tree};

/// A line about a setting that a boot does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its place.
    pub place: Place,
    /// The reason why it is not read.
    pub cause: UnreadCause,
}

/// The reason why a boot does not read a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnreadCause {
    /// The file is in /run, which is empty at the next boot.
    InRun,
    /// The loader does not open the file: /etc/sysctl.conf, or a hidden one.
    OtherFile,
    /// The name of the file does not end in `.conf`.
    Suffix,
    /// A file of the same name in a stronger directory hides the file.
    Masked(PathBuf),
    /// The kernel does not have this key, which is near to one of the setting's.
    Misspelt(String),
}

/// The reads that only this search needs: every file beside the drop-ins.
#[must_use]
pub fn reads_beside() -> Vec<Read> {
    Read::directories(&SYSCTL_D, "").collect()
}

/// The lines about the setting `name` that `boot`, of the machine `snapshot`, does not read, in the order of the files.
#[must_use]
pub fn unread(snapshot: &Snapshot, boot: &Boot, name: &Name) -> Vec<Unread> {
    let tree = &snapshot.tree;
    let dialect = boot.dialect;
    let read: Vec<PathBuf> = boot.system.runs(tree).concat();
    let ends: BTreeSet<&Path> = read.iter().map(|path| tree.real(path)).into_set();
    let is_read = |path: &Path| ends.contains(tree.real(path));
    let lines_of = |tree: &Tree, path: &Path, cause: UnreadCause| -> Vec<Unread> {
        let assignments = sysctl_d::parse(tree.bytes(path).unwrap_or_default(), dialect).into_iter();
        let place = Place::within(path);
        let of_it = assignments.filter(|it| it.value.is_some() && it.name() == Some(name));
        of_it.map(|it| Unread { place: place(it.line), cause: cause.clone() }).collect()
    };
    let in_run = candidates(&snapshot.fleeting);
    let mut found: Vec<Unread> =
        in_run.flat_map(|path| lines_of(&snapshot.fleeting, path, UnreadCause::InRun)).collect();
    let beside = candidates(tree).filter(|path| !is_read(path));
    found.extend(beside.flat_map(|path| lines_of(tree, path, cause(tree, path))));
    let keys = keys(snapshot);
    let is_misspelt = |key: &Key| !keys.contains(key) && catalog::nearest(key.as_str()) == Some(name.as_str());
    // Of very many lines few have keys of their own.
    let mut misspelt: BTreeMap<&Key, bool> = BTreeMap::new();
    for (place, key) in &boot.strangers {
        if *misspelt.entry(key).or_insert_with(|| is_misspelt(key)) {
            found.push(Unread { place: place.clone(), cause: UnreadCause::Misspelt(key.to_string()) });
        }
    }
    found
}

/// The files that people take for sysctl files.
fn candidates(tree: &Tree) -> impl Iterator<Item = &Path> {
    let beside = SYSCTL_D.iter().flat_map(|directory| tree.in_directory(Path::new(directory)));
    let conf = Some(Path::new(SYSCTL_CONF)).filter(|path| tree.get(path).is_some());
    beside.map(|(path, _)| path).chain(conf)
}

/// Why the loader does not open the file at `path`.
fn cause(tree: &Tree, path: &Path) -> UnreadCause {
    let name = path.file_name().unwrap_or_default();
    let mut stronger = SYSCTL_D.iter().map(Path::new).take_while(|directory| path.parent() != Some(directory));
    let hides = |directory: &Path| Some(directory.join(name)).filter(|path| tree.get(path).is_some());
    if path == Path::new(SYSCTL_CONF) {
        UnreadCause::OtherFile
    } else if !name.as_encoded_bytes().ends_with(b".conf") {
        UnreadCause::Suffix
    } else {
        stronger.find_map(hides).map_or(UnreadCause::OtherFile, UnreadCause::Masked)
    }
}
