//! Gives up the rights that a run does not need, and defers the signals that would stop it half done.
//!
//! With Landlock (kernel 5.13 and later), a process bars itself from files. On a kernel without Landlock the run goes on:
//! Landlock is a second wall, not the first.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use landlock::{ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::root::Root;
use crate::kernel::modules::HASHSIZE;
use crate::plan::{Plan, Step, Target};

/// The kernel interface that the rules are written for; an older one enforces what it knows of them.
const RULES: ABI = ABI::V5;

/// Bars the process from changing any file, and from gaining rights by running a program. For runs that only read.
pub fn confine_to_reading() {
    only_write_below(&[]);
}

/// Bars the process from changing any file that is not below `directory`.
pub fn confine_to(directory: &Path) {
    only_write_below(&[directory.to_owned()]);
}

/// Bars the process from changing anything but what `plan` changes in `root`, and the files below `further`.
///
/// A plan that runs a program is left alone: modprobe runs what an administrator wrote into modprobe.d, and a program that
/// makes initrds runs its own hooks, which may be anything.
pub fn confine_to_plan(plan: &Plan, root: &Root, further: Option<&Path>) {
    let runs_a_program = |step: &Step| matches!(step, Step::LoadModule | Step::MakeInitrd { .. });
    if plan.steps.iter().any(runs_a_program) {
        return;
    }
    let mut writable: Vec<PathBuf> = further.map(Path::to_owned).into_iter().collect();
    for step in &plan.steps {
        match step {
            Step::LoadModule | Step::MakeInitrd { .. } => {}
            Step::SetLive { target: Target::Sysctl(_), .. } => writable.push("/proc/sys/net".into()),
            Step::SetLive { target: Target::Hashsize, .. } => writable.push(HASHSIZE.into()),
            Step::KeepCopy { path, .. } | Step::DropCopy { copy: path } | Step::ReplaceFile { path, .. } => {
                // The right is for the directory, because a new file replaces the old one. If the directory is missing,
                // the nearest one above it counts.
                writable.extend(path.ancestors().skip(1).find_map(|directory| root.directory_outside(directory)));
            }
        }
    }
    only_write_below(&writable);
}

fn only_write_below(writable: &[PathBuf]) {
    let restrict = || -> Result<(), landlock::RulesetError> {
        // Fewer rights apply to a file than to a directory; the crate leaves out those that do not apply.
        let changes = AccessFs::from_write(RULES);
        let mut rules =
            Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(changes)?.create()?;
        for path in writable {
            if let Ok(handle) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(handle, changes))?;
            }
        }
        // This also sets no_new_privs.
        rules.restrict_self().map(drop)
    };
    // A kernel without Landlock, or one that refuses it, is no reason to fail.
    let _ = restrict();
}

/// From here on SIGTERM, SIGINT and SIGHUP are ignored until the run has finished, which takes milliseconds unless it makes
/// an initrd. (SIGKILL leaves each file old or new.)
pub fn defer_termination_signals() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
