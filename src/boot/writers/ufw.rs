//! ufw, if enabled, runs `sysctl -e -q -p FILE` on its own file when it starts (ufw-framework(8)).
//!
//! Its script (`ufw-init-functions`) has a shell read two files, the one after the other, and does nothing where one of
//! them is missing or empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{Scene, Writer, Written};
use crate::boot::doubt::{About, Doubt, Reason};
use crate::formats::shell;
use crate::kernel::catalog::Name;
use crate::order::InOrder;
use crate::sysctl_d::{self, Assignment, Dialect, PROCPS, Placed, Write, procps};
use crate::tree::{Place, Read, Tree};

/// The files that the shell reads, in order.
const SOURCED: [&str; 2] = ["/etc/default/ufw", "/etc/ufw/ufw.conf"];

const SERVICE: Service = Service {
    name: "ufw",
    programs: &["/lib/ufw/ufw-init", "/usr/lib/ufw/ufw-init", "/usr/libexec/ufw/ufw-init", "/usr/share/ufw/ufw-init"],
    runlevels: &["/etc/rcS.d"],
};

pub(super) const UFW: Writer = Writer {
    name: "ufw",
    summary: "If ufw is enabled, it runs `sysctl -p` on its own file when it starts.",
    reads,
    starts: |tree| SERVICE.starts(tree),
    writes,
    remedy: ["give that line the same value, or remove it", "give these lines the same values, or remove them"],
};

fn reads(tree: &Tree) -> Vec<Read> {
    let named = sysctl_file(&plain_variables(tree));
    Read::files(&SOURCED).chain(SERVICE.reads()).chain(named.map(Read::File)).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let tree = scene.tree;
    if !SERVICE.starts(tree) {
        return Vec::new();
    }
    let variables = match variables(tree) {
        Ok(variables) => variables,
        Err(place) => return unknown(tree, &place).into_iter().map(Written::Unknown).collect(),
    };
    let is_enabled = variables.get("ENABLED").is_some_and(|value| value == "yes" || value == "YES");
    let Some(file) = sysctl_file(&variables).filter(|_| is_enabled) else { return Vec::new() };
    let dialect = procps::installed(tree);
    let placed = assignments(tree, &file);
    // A name that this kernel does not have is written too, in vain.
    let named = placed.iter().map(|placed| &placed.assignment).filter(|assignment| assignment.name().is_some());
    let keys = scene.keys.iter().chain(named.filter_map(Assignment::dotted_key)).cloned().into_set();
    let written = |dialect: &Dialect| sysctl_d::writes(&placed, dialect, &keys);
    let own = written(dialect);
    let other = procps::others(tree).iter().map(|other| written(other)).find(|other| *other != own);
    let unsure = other.map(|other| Written::Unknown(of_version(&file, &own, &other)));
    own.into_iter().map(Written::Surely).chain(unsure).collect()
}

/// The doubt about what one version of sysctl writes and another does not.
fn of_version(file: &Path, own: &[Write], other: &[Write]) -> Doubt {
    let only = |some: &[Write], others: &[Write]| -> Vec<Write> {
        some.iter().filter(|write| !others.contains(write)).cloned().collect()
    };
    let names = only(own, other).into_iter().chain(only(other, own)).filter_map(|write| write.key.name());
    let doubt = Doubt::of_file(Reason::UnknownVersion, file).detail(PROCPS.command);
    doubt.about(About::Only(names.into_set()))
}

/// The assignments of the file that ufw has sysctl read.
fn assignments(tree: &Tree, file: &Path) -> Vec<Placed> {
    let read = sysctl_d::parse(tree.bytes(file).unwrap_or_default(), procps::installed(tree));
    let place = Place::within(file);
    let placed = |assignment: Assignment| Placed { place: place(assignment.line), assignment };
    read.into_iter().map(placed).collect()
}

/// What nobody can tell because only a shell can read the line at `place`: whether ufw is enabled, and from which file it
/// has sysctl read. Where no such line has to do with sysctls, it is the file that the plain lines name.
fn unknown(tree: &Tree, place: &Place) -> Option<Doubt> {
    let doubt = Doubt::of_line(Reason::ShellScript, place).detail("ufw");
    let names_sysctls = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        !line.trim_start().starts_with('#') && (line.contains("sysctl") || line.contains("conntrack"))
    };
    if sourced_lines(tree).any(|line| shell::variables(line).is_err() && names_sysctls(line)) {
        return Some(doubt);
    }
    let assigned = assignments(tree, &sysctl_file(&plain_variables(tree))?);
    if assigned.iter().any(|placed| placed.assignment.subject.key.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')))
    {
        return Some(doubt);
    }
    let names: BTreeSet<Name> = assigned.iter().filter_map(|placed| placed.assignment.name().cloned()).into_set();
    (!names.is_empty()).then(|| doubt.about(About::Only(names)))
}

/// The lines that the shell reads.
fn sourced_lines(tree: &Tree) -> impl Iterator<Item = &[u8]> {
    let files = SOURCED.iter().map(|file| tree.bytes(file).unwrap_or_default());
    files.flat_map(|bytes| bytes.split(|byte| *byte == b'\n'))
}

/// The variables that plain lines assign, whatever stands between them.
fn plain_variables(tree: &Tree) -> BTreeMap<String, String> {
    let plain = sourced_lines(tree).filter_map(|line| shell::variables(line).ok()).flatten();
    plain.map(|(name, value)| (name, value.text)).into_map()
}

/// The variables that a shell has after it has read both files; none where one of them is missing or empty.
///
/// # Errors
///
/// The line that only a shell can read.
fn variables(tree: &Tree) -> Result<BTreeMap<String, String>, Place> {
    let mut variables = BTreeMap::new();
    for file in SOURCED {
        let bytes = tree.bytes(file).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = shell::variables(bytes).map_err(|line| Place::new(file, line.line))?;
        variables.extend(read.into_iter().map(|(name, value)| (name, value.text)));
    }
    Ok(variables)
}

/// The file that `sysctl` is to read. A service begins in `/`.
fn sysctl_file(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    let file = variables.get("IPT_SYSCTL").filter(|file| !file.is_empty())?;
    Some(Path::new("/").join(file))
}
