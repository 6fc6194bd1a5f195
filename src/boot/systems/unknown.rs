//! Describes the assumptions about an unknown boot: the LSB scripts run, because most programs that read sysctl.d at
//! boot run `sysctl --system`. A row of this file always comes with a doubt.

use super::{INIT, SYSVINIT, System};
use crate::boot::doubt::{Doubt, Reason};
use crate::tree::{Entry, Tree};

/// An init system that no row knows.
pub static UNKNOWN: System = System {
    name: "unknown",
    summary: "An init system that is not known.",
    command: "an init system that is not known",
    doubt: |tree| Some(with_program(Doubt::of_file(Reason::UnknownInit, INIT.as_ref()), tree)),
    ..SYSVINIT
};

/// No init system at all, as in most images of containers. No init, no boot: files alone do nothing.
pub static NONE: System = System {
    name: "none",
    summary: "No init system.",
    command: "no init system",
    doubt: |_| Some(Doubt::new(Reason::NoInit)),
    ..SYSVINIT
};

/// Names the program that [`INIT`] leads to.
fn with_program(doubt: Doubt, tree: &Tree) -> Doubt {
    match tree.get(INIT) {
        Some(Entry::Link { target, .. }) => doubt.detail(target.display().to_string()),
        _ => doubt,
    }
}
