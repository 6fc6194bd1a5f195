//! Decides which copies of old files a run keeps beside them, and which copies of earlier runs go.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Step;
use crate::order::InOrder;
use crate::request::Desired;
use crate::snapshot::Snapshot;

/// The digits of a moment in milliseconds since 1970, from 2001 to 2286.
const DIGITS: usize = 13;

/// The file of which a file of this name is a copy: `90-conntrack.conf` of `90-conntrack.conf.1795572000123~`.
#[must_use]
pub fn copied(name: &OsStr) -> Option<&OsStr> {
    let name = name.as_bytes().strip_suffix(b"~")?;
    let (file, digits) = name.split_at_checked(name.len().checked_sub(DIGITS)?)?;
    let file = file.strip_suffix(b".").filter(|file| !file.is_empty())?;
    digits.iter().all(u8::is_ascii_digit).then(|| OsStr::from_bytes(file))
}

/// The steps that keep a copy of the file before `step` changes it, if the request asks for copies, and that remove the oldest
/// copies if there would be more than it asks for.
pub(super) fn steps(step: &Step, desired: &Desired, snapshot: &Snapshot) -> Vec<Step> {
    let Step::ReplaceFile { path, before: Some(_), .. } = step else { return Vec::new() };
    let Some(most) = desired.backup.most() else { return Vec::new() };
    let mut copy = path.clone().into_os_string();
    copy.push(format!(".{:0DIGITS$}~", snapshot.time));
    let keep = Step::KeepCopy { path: path.clone(), copy: copy.into() };
    let old = snapshot.copies.iter().filter(|copy| is_of(copy, path)).into_set();
    let surplus = (old.len() + 1).saturating_sub(most);
    let drop = |copy: &PathBuf| Step::DropCopy { copy: copy.clone() };
    std::iter::once(keep).chain(old.into_iter().take(surplus).map(drop)).collect()
}

/// Whether `copy` is one of the file at `path`.
fn is_of(copy: &Path, path: &Path) -> bool {
    copy.parent() == path.parent() && copy.file_name().and_then(copied) == path.file_name()
}
