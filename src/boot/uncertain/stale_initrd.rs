//! Finds the settings whose outcome an old initrd may change: those that no line of the loader decides.

use std::collections::BTreeSet;
use std::path::Path;

use super::Played;
use crate::boot::Outlook;
use crate::boot::arrival::Arrival;
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::initrd::{self, Effect, Lists, Stale};
use crate::boot::parameters::{CMDLINE, MODPROBE, of_options};
use crate::boot::systems::Early;
use crate::kernel::catalog::Name;
use crate::order::InOrder;

pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    of_late_module(played).into_iter().chain(of_copies(played)).collect()
}

/// The doubt about a module that no list of the boot loads in time, where an initrd is made to load it.
fn of_late_module(played: &Played) -> Option<Doubt> {
    if !matches!(played.arrival, Arrival::Late { barred: None, .. }) {
        return None;
    }
    let initrd = initrd::is_loaded_by_initrd(&played.snapshot.tree, played.system)?;
    let remedy = match played.system.early(&played.snapshot.tree) {
        Early::ByFile(file) => format!("name nf_conntrack in {file} as well"),
        Early::Never { .. } => "boot a kernel that has nf_conntrack built in".to_owned(),
    };
    Some(Doubt { remedy: Some(remedy), ..Doubt::of_file(Reason::InitrdLoadsModule, &initrd) })
}

fn of_copies(played: &Played) -> Vec<Doubt> {
    let mut stale = initrd::stale(&played.snapshot.tree, played.system);
    if matches!(played.arrival, Arrival::Late { barred: None, kernel: None, .. }) {
        // No list names the module, and none did when the initrd was made: the module comes when the root is there.
        stale.retain(|stale| stale.lists == Lists::Other);
    }
    let Some(first) = stale.first() else { return Vec::new() };
    // One doubt for all initrds, because one copy is enough to decide.
    let commands: Vec<String> = stale.iter().map(|stale| stale.command.join(" ")).collect();
    let doubt = Doubt::of_file(Reason::StaleInitrd, &first.initrd).detail(first.changed.display().to_string());
    let remedy = format!("rebuild it by `{}`, or set `initrd` to rebuild", commands.join(" && "));
    vec![Doubt { remedy: Some(remedy), ..doubt }.about(about(first, played))]
}

/// The settings that a copy may decide. A line that the loader or a later writer obeys is written after the copies.
fn about(stale: &Stale, played: &Played) -> About {
    let decided = played.outlooks.iter().filter(|(_, outlook)| is_written_later(outlook)).map(|(name, _)| name.clone());
    let decided: BTreeSet<Name> = decided.into_set();
    match stale.effect {
        Effect::Sysctls => About::AllBut(decided),
        Effect::Options => About::Only(of_options().into_iter().filter(|name| !decided.contains(name)).into_set()),
    }
}

/// Whether a line decides that is written once the root is there: neither an option of the module nor a default.
fn is_written_later(outlook: &Outlook) -> bool {
    let is_option =
        |file: &Path| file == Path::new(CMDLINE) || MODPROBE.iter().any(|directory| file.starts_with(directory));
    outlook.winner.as_ref().is_some_and(|winner| !is_option(&winner.file))
}
