//! ufw, if enabled, runs `sysctl -e -q -p FILE` on its own file when it starts (ufw-framework(8)).
//!
//! Its script (`ufw-init-functions`) has a shell read two files, the one after the other, and does nothing where one of
//! them is missing or empty.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{Scene, Writer, Written};
use crate::formats::shell;
use crate::sysctl_d::{self, Placed, procps};
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
    remedy: "give that line the same value, or remove it",
};

fn reads(tree: &Tree) -> Vec<Read> {
    let named = variables(tree).ok().and_then(|variables| sysctl_file(&variables));
    Read::files(&SOURCED).chain(SERVICE.reads()).chain(named.map(Read::File)).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let tree = scene.tree;
    if !SERVICE.starts(tree) {
        return Vec::new();
    }
    let Ok(variables) = variables(tree) else { return Vec::new() };
    let is_enabled = variables.get("ENABLED").is_some_and(|value| value == "yes" || value == "YES");
    let Some(file) = sysctl_file(&variables).filter(|_| is_enabled) else { return Vec::new() };
    let dialect = procps::installed(tree);
    let read = sysctl_d::parse(tree.bytes(&file).unwrap_or_default(), dialect);
    let placed: Vec<Placed> = read
        .into_iter()
        .map(|assignment| Placed { place: Place { file: file.clone(), line: assignment.line }, assignment })
        .collect();
    // A name that this kernel does not have is written too, in vain.
    let named = placed.iter().map(|placed| &placed.assignment).filter(|assignment| assignment.name().is_some());
    let keys = scene.keys.iter().cloned().chain(named.filter_map(sysctl_d::Assignment::dotted_key)).collect();
    sysctl_d::writes(&placed, dialect, &keys).into_iter().map(Written::Surely).collect()
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
        let read = shell::variables(bytes).map_err(|line| Place { file: file.into(), line: line.line })?;
        variables.extend(read.into_iter().map(|(name, value)| (name, value.text)));
    }
    Ok(variables)
}

/// The file that `sysctl` is to read. A service begins in `/`.
fn sysctl_file(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    let file = variables.get("IPT_SYSCTL").filter(|file| !file.is_empty())?;
    Some(Path::new("/").join(file))
}
