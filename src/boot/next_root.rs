//! Decides whether the next boot may use another root than the present one: a deployment of ostree that waits, a snapshot,
//! an image.
//!
//! ostree carries a file of /etc over to a new deployment if the file differs from the default of the present one. It does
//! so when a staged deployment is finalized, at the shutdown; for a deployment that is not staged, it has already been done.

use std::path::{Path, PathBuf};

use super::mounts::{Mounts, OSTREE_BOOTED, Standing};
use super::parameters::CMDLINE;
use crate::formats::{kernel_arguments, ostree};
use crate::snapshot::OtherRoot;
use crate::tree::{Entry, Read, Tree};

/// The note of the deployment that is staged, and the sign that it is not to be finalized.
const STAGED: [&str; 2] = ["/run/ostree/staged-deployment", "/run/ostree/staged-deployment-locked"];

/// The entries of the boot loader.
const ENTRIES: &str = "/boot/loader/entries";

/// The root of a soft reboot, if somebody has prepared one.
const NEXT_ROOT: &str = "/run/nextroot/usr";

/// transactional-update, and the sign that its new snapshot waits for a reboot.
const TRANSACTIONAL: [&str; 2] = ["/usr/sbin/transactional-update", "/run/reboot-needed"];

/// The directories that all roots share, or that no root keeps.
const SHARED: [&str; 9] = ["/boot", "/dev", "/home", "/proc", "/root", "/run", "/sys", "/usr/local", "/var"];

/// A root that the next boot may use, before its files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its directory.
    pub path: PathBuf,
    /// What it has for /etc.
    pub etc: Etc,
}

/// What a root that waits has for /etc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Etc {
    /// Its own one.
    Own,
    /// Its defaults, into which the present one is merged at the reboot.
    Merged,
}

/// The reads that show which root boots next, given the files that have been read.
pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = Read::presences(&[NEXT_ROOT, TRANSACTIONAL[1]]).collect();
    if tree.get(TRANSACTIONAL[1]).is_some() {
        reads.push(Read::Presence(TRANSACTIONAL[0].into()));
    }
    if tree.get(OSTREE_BOOTED).is_some() {
        reads.extend([Read::File(STAGED[0].into()), Read::Presence(STAGED[1].into())]);
        reads.push(Read::IfListed { path: ENTRIES.into(), suffix: ".conf" });
        if let Some(first) = first_entry(tree) {
            reads.extend([Read::Target(first.clone()), Read::IsEtc(first.join("etc"))]);
        }
    }
    reads
}

/// The other roots of which the next boot may use one.
#[must_use]
pub fn waiting(tree: &Tree) -> Vec<Waiting> {
    if tree.get(OSTREE_BOOTED).is_none() || is_etc_in_memory(tree) {
        return Vec::new();
    }
    let is_locked = tree.get(STAGED[1]).is_some();
    let staged = tree.bytes(STAGED[0]).and_then(ostree::staged).filter(|_| !is_locked);
    let staged = staged.map(|path| Waiting { path, etc: Etc::Merged });
    let is_other = |first: &PathBuf| tree.get(first.join("etc")) == Some(&Entry::Directory);
    let first = first_entry(tree).filter(is_other);
    let first = first.map(|first| Waiting { path: tree.real(&first).to_owned(), etc: Etc::Own });
    staged.into_iter().chain(first).collect()
}

/// The sign that the next boot may use another root, of which nothing can be read here.
pub(super) fn unknown(tree: &Tree, fleeting: &Tree) -> Option<PathBuf> {
    let is_there = |path: &&str| tree.get(path).is_some();
    let is_ostree = is_there(&OSTREE_BOOTED);
    let command_line = tree.text(CMDLINE);
    let unread_staged = || {
        let is_read = |bytes| ostree::staged(bytes).is_some();
        fleeting.get(STAGED[0]).is_some_and(|entry| !entry.bytes().is_some_and(is_read)) && !is_there(&STAGED[1])
    };
    if is_there(&NEXT_ROOT) {
        Some("/run/nextroot".into())
    } else if TRANSACTIONAL.iter().all(is_there) {
        Some(TRANSACTIONAL[1].into())
    } else if !is_ostree && kernel_arguments::parse(&command_line).any(|argument| argument.name == "composefs") {
        Some(CMDLINE.into())
    } else if !is_ostree || is_etc_in_memory(tree) {
        None
    } else if unread_staged() {
        Some(STAGED[0].into())
    } else if first_entry(tree).is_none_or(|first| tree.get(first.join("etc")).is_none()) {
        Some(ENTRIES.into())
    } else {
        None
    }
}

/// Whether the present /etc is not the one of its deployment.
fn is_etc_in_memory(tree: &Tree) -> bool {
    matches!(Mounts::of(tree).standing(Path::new("/etc")), Standing::InMemory(_))
}

/// The deployment of the first entry of the boot loader.
fn first_entry(tree: &Tree) -> Option<PathBuf> {
    let entries = tree.in_directory(Path::new(ENTRIES)).filter_map(|(_, entry)| ostree::loader_entry(entry.bytes()?));
    entries.max_by_key(|entry| entry.version).map(|entry| entry.deployment)
}

/// The files that the next boot has, as far as they can be read, if it uses the root `other` and the present one has those of `now`.
pub(super) fn files(now: &Tree, other: &OtherRoot) -> Option<Tree> {
    let is_in = |path: &Path, directories: &[&str]| directories.iter().any(|directory| path.starts_with(directory));
    let is_carried = |path: &Path| {
        let differs = |defaults: &Tree| defaults.get(path) != now.get(path);
        path.starts_with("/etc") && other.defaults.as_ref().is_some_and(differs)
    };
    let is_of_now = |path: &Path| is_in(path, &SHARED) || is_carried(path);
    let of_now = now.iter().filter(|(path, _)| is_of_now(path));
    let of_other = other.files.as_ref()?.iter().filter(|(path, _)| !is_of_now(path));
    Some(of_now.chain(of_other).map(|(path, entry)| (path.to_owned(), entry.clone())).collect())
}
