//! Finds what a container leaves in doubt: whether anything in it reads the files at its next start, whether that may
//! write the sysctls, and who loads the module.

use std::path::Path;

use super::Played;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::systems::INIT;
use crate::kernel::catalog::{CATALOG, Name};
use crate::order::InOrder;
use crate::snapshot::{Container, Module, Network};
use crate::tree::{Entry, Tree};

/// The names of first programs that are always an init system. Engines give a small one of their own another name
/// (`catatonit`, `docker-init`, `tini`).
const INITS: [&str; 2] = ["init", "systemd"];

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let snapshot = played.snapshot;
    let Some(container) = snapshot.container() else { return Vec::new() };
    let is_read_only = snapshot.live.as_ref().is_some_and(|live| live.read_only);
    let doubt = if container.network == Network::Machine {
        Doubt::new(Reason::MachineNetwork)
    } else if !has_init(container, &snapshot.tree) {
        Doubt::new(Reason::ContainerWithoutInit)
    } else if is_read_only {
        Doubt::new(Reason::SysctlsReadOnly)
    } else if snapshot.module == Module::BuiltIn {
        return Vec::new();
    } else {
        Doubt::new(Reason::ModuleOfMachine)
    };
    // The settings of the whole machine are not in doubt: no file of the container sets them.
    let outside = CATALOG.iter().map(Name::from).filter(|name| snapshot.is_outside_container(name)).into_set();
    vec![doubt.about(About::AllBut(outside)).detail(described(container))]
}

/// Whether the first program of the container is an init system.
fn has_init(container: &Container, tree: &Tree) -> bool {
    let Some(program) = container.first_program.as_deref() else { return false };
    let is_program = |path: &Path| path.file_name().is_some_and(|name| name == program);
    INITS.contains(&program) || matches!(tree.get(INIT), Some(Entry::Link { target, .. }) if is_program(target))
}

/// The words for a container: its engine, and its first program.
fn described(container: &Container) -> String {
    let engine = container.engine.as_deref().map(|engine| format!(" of {engine}")).unwrap_or_default();
    let program = container.first_program.as_deref();
    let program = program.map(|program| format!(" (first program `{program}`)")).unwrap_or_default();
    format!("a container{engine}{program}")
}
