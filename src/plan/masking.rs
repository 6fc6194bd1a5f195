//! Refuses a new file that would hide lines of another one.
//!
//! A file in a directory of /etc hides the file of the same name in the directories of packages. Whatever the hidden file
//! says about other things would be lost at the next boot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::boot::System;
use crate::failure::{Failure, Kind};
use crate::request::Desired;
use crate::sysctl_d::{self, paths};
use crate::tree::Tree;

/// The directories of packages beside one in /etc, the strongest first.
const OF_PACKAGES: [&str; 3] = ["/usr/local/lib", "/usr/lib", "/lib"];

/// The most lost lines that a failure names.
const MOST: usize = 5;

/// Refuses to create the file at `path` if lines of the file that it hides would be lost.
pub(super) fn refuse(path: &Path, desired: &Desired, tree: &Tree, systems: &[&System]) -> Result<(), Failure> {
    let Some(hidden) = hidden_by(path, tree) else { return Ok(()) };
    let lost = lost_lines(path, &hidden, desired, tree, systems);
    if lost.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = lost.iter().take(MOST).map(|(line, text)| format!("`{text}` (line {line})")).collect();
    let more = if lost.len() > MOST { format!(" and {} more", lost.len() - MOST) } else { String::new() };
    let message = format!(
        "`{}` would hide `{}` at boot, and these lines of it would be lost: {}{more}",
        path.display(),
        hidden.display(),
        named.join(", ")
    );
    let failure = Failure::new(Kind::Conflict, message);
    Err(if path == desired.file {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let other = path.with_file_name(format!("{stem}-conntrack.conf"));
        failure.at("/file").hint(format!("name another `file`, such as `{}`", other.display()))
    } else {
        failure.hint(format!("copy these lines to `{}` yourself, and run again", path.display()))
    })
}

/// The file of a package that a new file at `path` would hide.
fn hidden_by(path: &Path, tree: &Tree) -> Option<PathBuf> {
    let below_etc = path.strip_prefix("/etc").ok()?;
    // A file directly in /etc hides nothing.
    below_etc.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let candidates = OF_PACKAGES.iter().map(|directory| Path::new(directory).join(below_etc));
    candidates.into_iter().find(|path| tree.get(path).is_some())
}

/// The lines of the hidden file that no line of ours replaces, with their numbers.
fn lost_lines(
    path: &Path,
    hidden: &Path,
    desired: &Desired,
    tree: &Tree,
    systems: &[&System],
) -> BTreeMap<usize, String> {
    let bytes = tree.bytes(hidden).unwrap_or_default();
    let text = tree.text(hidden);
    let line = |number: usize| text.lines().nth(number - 1).unwrap_or_default().trim().to_owned();
    if paths::is_of_loader(path) {
        let read = systems.iter().flat_map(|system| sysctl_d::parse(bytes, system.dialect(tree)));
        let is_ours = |name| desired.wants.contains_key(&name);
        let lost = read.filter(|assignment| !assignment.name().is_some_and(is_ours));
        lost.map(|assignment| (assignment.line, line(assignment.line))).collect()
    } else {
        let counts = |text: &str| !text.is_empty() && !text.starts_with(['#', ';']) && text != "nf_conntrack";
        let lines = text.lines().enumerate().map(|(index, text)| (index + 1, text.trim().to_owned()));
        lines.filter(|(_, text)| counts(text)).collect()
    }
}
