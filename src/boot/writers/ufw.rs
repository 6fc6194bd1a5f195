//! ufw: once enabled, it runs `sysctl -e -q -p FILE` on a file of its own as it starts (ufw-framework(8)).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Writer, Written};
use crate::kernel::catalog::Key;
use crate::sysctl_d::{self, PROCPS, Placed};
use crate::tree::{Place, Read, Tree, line_where};

/// Says whether ufw is enabled.
const CONF: &str = "/etc/ufw/ufw.conf";
/// Names the sysctl file.
const DEFAULTS: &str = "/etc/default/ufw";

pub(super) const UFW: Writer = Writer {
    name: "ufw",
    summary: "ufw, once enabled, has sysctl read a file of its own as it starts.",
    reads,
    writes,
    remedy: "give that line the same value, or remove it",
};

fn reads(tree: &Tree) -> Vec<Read> {
    Read::files(&[CONF, DEFAULTS]).chain(sysctl_file(tree).map(Read::File)).collect()
}

fn writes(tree: &Tree, keys: &BTreeSet<Key>) -> Vec<Written> {
    let Some(file) = sysctl_file(tree).filter(|_| is_enabled(tree)) else { return Vec::new() };
    let read = sysctl_d::parse(tree.bytes(&file).unwrap_or_default(), &PROCPS);
    let placed: Vec<Placed> = read
        .into_iter()
        .map(|assignment| Placed { place: Place { file: file.clone(), line: assignment.line }, assignment })
        .collect();
    // A name that this kernel does not have is written too, in vain.
    let named = placed.iter().map(|placed| &placed.assignment).filter(|assignment| assignment.name().is_some());
    let keys = keys.iter().cloned().chain(named.filter_map(sysctl_d::Assignment::dotted_key)).collect();
    sysctl_d::writes(&placed, &PROCPS, &keys).into_iter().map(Written::Surely).collect()
}

/// The file that [`DEFAULTS`] names.
fn sysctl_file(tree: &Tree) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(tree.bytes(DEFAULTS)?);
    let file = text.lines().rev().find_map(|line| line.trim().strip_prefix("IPT_SYSCTL="))?;
    let file = Path::new(file.trim_matches(['"', '\'']));
    file.is_absolute().then(|| file.to_owned())
}

fn is_enabled(tree: &Tree) -> bool {
    let says_so = |line: &str| {
        line.split_once('=')
            .is_some_and(|(key, value)| key == "ENABLED" && value.trim_matches(['"', '\'']).eq_ignore_ascii_case("yes"))
    };
    line_where(tree, Path::new(CONF), says_so).is_some()
}
