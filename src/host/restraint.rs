//! Gives up what a run does not need: rights that it could otherwise lose control of, and signals that would stop it
//! half done.
//!
//! Landlock is the kernel's (5.13 and later) way for a process to bar itself from files. Where the kernel lacks it, the
//! run goes on without: it is a second wall, not the first.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use landlock::{ABI, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::root::Root;
use crate::plan::{Plan, Step, Target};

/// The kernel interface that the rules are written for; an older one enforces what it knows of them.
const RULES: ABI = ABI::V5;

/// Bars the process from changing any file, and from gaining rights by running a program. For runs that only look.
pub fn only_look() {
    only_write_below(&[]);
}

/// Bars the process from changing anything but what `plan` changes in `root`.
///
/// A plan that loads the module is left alone: modprobe runs what an administrator wrote into modprobe.d, which may be
/// anything.
pub fn only_carry_out(plan: &Plan, root: &Root) {
    if plan.steps.contains(&Step::LoadModule) {
        return;
    }
    let mut writable: Vec<PathBuf> = Vec::new();
    for step in &plan.steps {
        match step {
            Step::LoadModule => {}
            Step::SetLive { target: Target::Sysctl(_), .. } => writable.push("/proc/sys/net".into()),
            Step::SetLive { target: Target::Hashsize, .. } => writable.push(super::kernel::HASHSIZE.into()),
            Step::KeepCopy { path, .. } | Step::ReplaceFile { path, .. } => {
                // The directory, because a file is replaced by a new one; or the nearest one that is there yet.
                writable.extend(path.ancestors().skip(1).find_map(|directory| root.directory_outside(directory)));
            }
        }
    }
    only_write_below(&writable);
}

fn only_write_below(writable: &[PathBuf]) {
    let restrict = || -> Result<(), landlock::RulesetError> {
        // What a rule gives a file can be less than what it gives a directory; the crate sorts that out.
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

/// From here on, the signals that ask a process to end do not: a run takes milliseconds, and ends by itself, whole and
/// reported. (SIGKILL leaves each file old or new.)
pub fn finish_what_is_begun() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
