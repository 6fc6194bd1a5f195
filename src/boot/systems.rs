//! Decides which program reads the persistent files at boot.

use super::wanted::{INIT, SYSTEMD_RUNS, SYSTEMD_SYSCTL};
use crate::request::LoaderChoice;
use crate::sysctl_d::Loader;
use crate::tree::{Entry, Tree};

/// The loaders under which a request must hold.
#[must_use]
pub fn loaders(choice: LoaderChoice, tree: &Tree) -> Vec<Loader> {
    match choice {
        LoaderChoice::Auto => vec![default_loader(tree)],
        LoaderChoice::Systemd => vec![Loader::Systemd],
        LoaderChoice::Procps => vec![Loader::Procps],
        LoaderChoice::Both => vec![Loader::Systemd, Loader::Procps],
    }
}

/// The loader that this machine boots with.
///
/// A running systemd tells. Else the init program does: a link into systemd, or anything else. Where there is neither
/// (a container's file system), the program that is installed decides.
#[must_use]
pub fn default_loader(tree: &Tree) -> Loader {
    let has_systemd_sysctl = SYSTEMD_SYSCTL.iter().any(|program| tree.get(program).is_some());
    let systemd = match tree.get(INIT) {
        _ if tree.get(SYSTEMD_RUNS).is_some() => true,
        Some(Entry::Link { target, .. }) => target.ends_with("systemd/systemd"),
        Some(_) => false,
        None => has_systemd_sysctl,
    };
    if systemd { Loader::Systemd } else { Loader::Procps }
}
