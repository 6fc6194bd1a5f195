//! Decides what a run changes, as a list of steps. Each step holds the state before it and the state after it.
//!
//! The undo, the diff and the report derive from the steps. [`Plan::predict`] gives the machine after them. Nothing here
//! reads or writes a machine.

mod advice;
mod beside;
mod copies;
mod files;
mod initrd;
mod live;
mod masking;
mod uncertain;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::kernel::catalog::{Key, Name};
use crate::order::sorted_by;
use crate::request::{Aim, Desired};
use crate::snapshot::{Leftover, LiveValue, Module, Snapshot};
use crate::tree::Tree;
use crate::verify::Forecast;
use crate::warning::Warning;

pub use copies::copied;

/// The file that a live step writes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A sysctl.
    Sysctl(Key),
    /// The module parameter `hashsize`, which sets the number of buckets if the sysctl is read-only (before 4.8).
    Hashsize,
}

/// One change, with the state before it and the state after it, which differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Loads `nf_conntrack`.
    LoadModule,
    /// Sets a live value.
    SetLive {
        /// The file to write to.
        target: Target,
        /// The setting.
        name: Name,
        /// The aim of the request. A module that was just loaded may already meet a floor: the step then does nothing.
        aim: Aim,
        /// The number before; None: an earlier step loads the module.
        before: Option<i64>,
        /// The number to write.
        write: i64,
        /// The number that the kernel then has.
        after: i64,
    },
    /// Keeps a copy of a file that the next step changes.
    KeepCopy {
        /// The file itself, not a link to it.
        path: PathBuf,
        /// The copy, beside it, under a name that no loader reads.
        copy: PathBuf,
    },
    /// Removes a copy that an earlier run kept.
    DropCopy {
        /// The copy.
        copy: PathBuf,
    },
    /// Replaces, makes or removes a file.
    ReplaceFile {
        /// The file itself, not a link to it.
        path: PathBuf,
        /// Its bytes before; None: there is no file.
        before: Option<Vec<u8>>,
        /// Its bytes after; None: there is no file.
        after: Option<Vec<u8>>,
    },
    /// Makes an initrd anew.
    MakeInitrd {
        /// The initrd.
        path: PathBuf,
        /// The program, by its path, and its arguments.
        command: Vec<String>,
    },
}

/// The work of a run, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes: the module first, then the live values, which the kernel can refuse, then the files, then the initrds,
    /// which have copies of these.
    pub steps: Vec<Step>,
    /// Facts that the user should know although nothing fails.
    pub warnings: Vec<Warning>,
}

/// A plan, and the machine that it leads to.
#[derive(Debug)]
pub struct Planned<'a> {
    /// The changes.
    pub plan: Plan,
    /// The machine after them. None: there are none, and the machine stays as it is.
    after: Option<Forecast<'a>>,
}

impl<'a> Planned<'a> {
    /// The machine after the changes, if it was `before` in front of them.
    #[must_use]
    pub fn after<'b>(&'b self, before: &'b Forecast<'a>) -> &'b Forecast<'a> {
        self.after.as_ref().unwrap_or(before)
    }
}

/// The changes that make the machine of `snapshot` as `desired`.
pub fn plan(desired: &Desired, snapshot: &Snapshot) -> Result<Plan, Failure> {
    planned(desired, &Forecast::of(desired, snapshot)).map(|planned| planned.plan)
}

/// The changes that make the machine of `before` as `desired`, and the machine that they lead to.
pub fn planned<'a>(desired: &Desired, before: &Forecast<'a>) -> Result<Planned<'a>, Failure> {
    let snapshot = before.snapshot();
    if snapshot.live.is_none() && !desired.persist {
        let message = "an image has no live kernel, and `persist` is false, so nothing would be managed";
        return Err(Failure::new(Kind::BadRequest, message).at("/persist").hint("leave `persist` out, or --root"));
    }
    let mut steps = live::steps(desired, snapshot)?;
    let persistent = files::persistent(desired, before)?;
    for step in replacements(&snapshot.tree, persistent.tree()) {
        let kept = copies::steps(&step, desired, snapshot);
        steps.extend(kept);
        steps.push(step);
    }
    let mut plan = Plan { steps, warnings: persistent.warnings().to_vec() };
    plan.warnings.extend(snapshot.leftovers.iter().filter_map(leftover));
    let changed = (!plan.steps.is_empty()).then(|| plan.predict(snapshot));
    let after = changed.as_ref().unwrap_or(snapshot);
    plan.warnings.extend(advice::warnings(desired, snapshot, after, &persistent));
    if !desired.persist {
        let after = changed.map(|after| Forecast::of(desired, after));
        return Ok(Planned { plan, after });
    }
    if plan.steps.iter().any(|step| path_of(step).is_some()) {
        plan.warnings.extend(beside::warnings(desired, before.boots(), persistent.boots()));
    }
    let initrds = initrd::steps(desired, after, persistent.boots());
    if initrds.is_empty() {
        plan.warnings.extend(uncertain::warnings(desired, after, persistent.boots())?);
        let after = changed.map(|after| persistent.forecast(desired, after));
        return Ok(Planned { plan, after });
    }
    plan.steps.extend(initrds);
    let after = Forecast::of(desired, plan.predict(snapshot));
    plan.warnings.extend(uncertain::warnings(desired, after.snapshot(), after.boots())?);
    Ok(Planned { plan, after: Some(after) })
}

impl Plan {
    /// The machine of `snapshot` after these steps.
    #[must_use]
    pub fn predict(&self, snapshot: &Snapshot) -> Snapshot {
        let mut after = snapshot.clone();
        for step in &self.steps {
            match step {
                Step::LoadModule => after.module = Module::Loaded,
                Step::SetLive { target, name, after: number, .. } => set_live(&mut after, target, name, *number),
                // Nothing reads a copy.
                Step::KeepCopy { .. } | Step::DropCopy { .. } => {}
                Step::ReplaceFile { path, after: bytes, .. } => after.tree.write(path, bytes.as_deref()),
                Step::MakeInitrd { path, .. } => after.tree.plan_change(path),
            }
        }
        after
    }
}

fn set_live(snapshot: &mut Snapshot, target: &Target, name: &Name, number: i64) {
    let Some(live) = &mut snapshot.live else { return };
    if let Target::Sysctl(key) = target {
        live.sysctls.entry(key.clone()).or_insert(LiveValue { text: String::new(), writable: true });
    }
    // All keys of a setting are names of one variable.
    for key in name.keys() {
        if let Some(sysctl) = live.sysctls.get_mut(&key) {
            sysctl.text = number.to_string();
        }
    }
}

/// The warning about a leftover that no run can remove.
fn leftover(leftover: &Leftover) -> Option<Warning> {
    Some(Warning::leftover(&leftover.path, leftover.obstacle.as_deref()?))
}

/// The steps that turn the files of `before` into those of `after`, in the order of the paths.
fn replacements(before: &Tree, after: &Tree) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut seen = BTreeSet::new();
    for path in before.differences(after) {
        let real = before.real(path);
        let bytes = |tree: &Tree| tree.bytes(path).map(<[u8]>::to_vec);
        let (before, after) = (bytes(before), bytes(after));
        if before != after && seen.insert(real) {
            steps.push(Step::ReplaceFile { path: real.to_owned(), before, after });
        }
    }
    sorted_by(steps, |one, other| path_of(one).cmp(&path_of(other)))
}

fn path_of(step: &Step) -> Option<&Path> {
    match step {
        Step::ReplaceFile { path, .. } => Some(path),
        _ => None,
    }
}
