//! Decides the remedy for a line of a file that is in the way, and puts it into words.

use std::fmt;

use super::commentable;
use crate::boot::CMDLINE;
use crate::kernel::catalog::Name;
use crate::tree::{Place, Tree};

/// The remedy for a line of a file that is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Change that line, or choose a file of ours that is read later.
    ChangeLine,
    /// Choose a file of ours that is read later: the line must not be edited, and to hide its file would lose other lines.
    ReadLater,
    /// Change or remove the line: it stands in a file of another program, which no drop-in can mask.
    AgreeWithProgram,
    /// Change the configuration of a program in the cluster: the line stands in a copy of it.
    ChangeCluster,
    /// Allow the module that this line bars.
    AllowModule(Place),
}

/// Where kubelet has its copies of the configuration in a cluster.
const VOLUMES: &str = "/var/lib/kubelet/pods";

/// The remedy for a line of another file that wins, if apply does not overrule it.
pub(super) fn remedy(tree: &Tree, winner: &Place, name: &Name) -> Remedy {
    let is_drop_in = winner.file.parent().is_some_and(|directory| directory.ends_with("sysctl.d"));
    match commentable(tree, winner, name) {
        Some(_) => Remedy::ChangeLine,
        None if is_drop_in => Remedy::ReadLater,
        None if winner.file.starts_with(VOLUMES) => Remedy::ChangeCluster,
        None => Remedy::AgreeWithProgram,
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::ChangeLine => {
                "remove that line, or set `conflicts` to comment_out, or choose a `file` that is read later"
            }
            Remedy::AgreeWithProgram => "give that line the same value, or remove it",
            Remedy::ChangeCluster => "set the same value in that ConfigMap of the cluster",
            Remedy::ReadLater => "choose a `file` that is read later",
            Remedy::AllowModule(bar) if is_command_line(bar) => {
                "remove nf_conntrack from `module_blacklist` and `modprobe.blacklist` in the boot loader's configuration"
            }
            Remedy::AllowModule(_) => "remove that line",
        })
    }
}

/// The words for the line that bars the module.
#[must_use]
pub fn bar_text(place: &Place) -> String {
    if is_command_line(place) { "the kernel command line".to_owned() } else { format!("`{place}`") }
}

fn is_command_line(place: &Place) -> bool {
    place.file.as_os_str() == CMDLINE
}
