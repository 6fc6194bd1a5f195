//! Decides, for each setting, whether desired, live and boot are equal, and if not, which differs and what to do.

mod advice;
mod doubts;
mod forecast;
mod remedy;
mod rivals;
mod unread;

use serde::{Deserialize, Serialize};

use crate::boot::{Arrival, Boot, Outlook};
use crate::kernel::catalog::{MAX, Name};
use crate::kernel::number::kernel_value;
use crate::kernel::pages::Pages;
use crate::request::{Aim, Desired, Want};
use crate::snapshot::{Module, Snapshot};
use crate::sysctl_d::{self, Assignment};
use crate::tree::{Place, Tree};

pub use crate::boot::{Doubt, Reason};
pub use advice::{Advice, advice, arrival_text, comparison};
pub use doubts::doubt_remedy;
pub use forecast::Forecast;
pub use remedy::{Remedy, bar_text};
pub use rivals::{Rivals, rivals};
pub use unread::unread_reason;

/// The state of one setting; if several apply, the most serious one. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that the request manages for this setting is as desired: live, and after the next boot.
    InSync,
    /// No file holds the value: the next boot sets the kernel's default. `show` and `explain` say so.
    NotInFiles,
    /// The value after the next boot cannot be known.
    Unknown,
    /// The live value is not as desired.
    LiveDrift,
    /// The next boot would set another value, and our file does not have the line yet.
    BootDrift,
    /// A file assigns the setting, but the boot loses the value: the module is loaded later, or the kernel has no such name
    /// or value.
    LostAtBoot,
    /// Another file's assignment wins at boot.
    Shadowed,
    /// This kernel does not have the setting.
    NotOnThisKernel,
    /// The setting is one number for the whole machine, and this is a network namespace or container within it.
    NotHere,
}

/// The verdict on one setting, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Every drift, the live one first. Where the boot is in doubt, it has none.
    pub drifts: Vec<Verdict>,
    /// The reasons why the next boot of the setting cannot be known, if the request manages that.
    pub doubts: Vec<Doubt>,
    /// The live number.
    pub live: Option<i64>,
    /// The outcome of the next boot; of several boots, the first one whose outcome is not as desired.
    pub outlook: Outlook,
    /// When connection tracking is available at that boot; None: there is no boot to judge.
    pub arrival: Option<Arrival>,
}

/// Whether `value` satisfies `want`. (An absent line is a matter of files: any value satisfies that aim.)
#[must_use]
pub fn satisfies(want: &Want, value: Option<i64>, pages: Pages) -> bool {
    match (want.aim, value) {
        (Aim::Absent, _) => true,
        (_, None) => false,
        (Aim::Exactly(number), Some(value)) => value == kernel_value(&want.name, number, pages),
        // 0 means no limit, which satisfies every floor.
        (Aim::AtLeast(_), Some(0)) if want.name == MAX => true,
        (Aim::AtLeast(floor), Some(value)) => value >= floor,
    }
}

/// The judgement on `want`; `boots` are the boots of `snapshot`.
#[must_use]
pub fn judge(want: &Want, desired: &Desired, snapshot: &Snapshot, boots: &[Boot]) -> Judgement {
    let (boot, outlook) = telling_boot(want, boots);
    let pages = boot.map_or(snapshot.pages, |boot| boot.bounds.pages);
    let satisfied_at_boot = || satisfies(want, outlook.value, pages);
    let live = snapshot.live_value(&want.name);
    let mut doubts = if desired.persist { doubts_about(want, desired, boot) } else { Vec::new() };
    if want.aim != Aim::Absent && !satisfied_at_boot() {
        // The files do not make it as desired, whatever the initrd does before.
        doubts.retain(|doubt| doubt.reason != Reason::StaleInitrd);
    }
    let drifts = if want.aim == Aim::Absent {
        assigns(desired, snapshot, want).then_some(Verdict::BootDrift).into_iter().collect()
    } else if is_missing(snapshot, &want.name) {
        vec![Verdict::NotOnThisKernel]
    } else {
        let live_drifts = desired.live && snapshot.live.is_some() && !satisfies(want, live, snapshot.pages);
        let boot_drifts = desired.persist && doubts.is_empty() && !satisfied_at_boot();
        let of_live = live_drifts.then(|| live_verdict(snapshot, &want.name));
        let of_boot = boot_drifts.then(|| boot_verdict(desired, snapshot, &want.name, &outlook));
        of_live.into_iter().chain(of_boot.filter(|of_boot| Some(*of_boot) != of_live)).collect()
    };
    let without_drift = if doubts.is_empty() { Verdict::InSync } else { Verdict::Unknown };
    Judgement {
        verdict: drifts.iter().copied().max().unwrap_or(without_drift),
        drifts,
        doubts,
        live,
        outlook,
        arrival: boot.map(|boot| boot.arrival.clone()),
    }
}

/// The most telling of several boots for `want`, with its outlook: one whose outcome is certainly not as desired, else
/// one that is in doubt, else the first.
fn telling_boot<'a>(want: &Want, boots: &'a [Boot]) -> (Option<&'a Boot>, Outlook) {
    let outlooks = boots.iter().map(|boot| (boot, boot.told(&want.name)));
    let telling = outlooks.min_by_key(|(boot, outlook)| match outlook.doubts.is_empty() {
        true if !satisfies(want, outlook.value, boot.bounds.pages) => 0,
        false => 1,
        true => 2,
    });
    telling.map_or_else(|| (None, Outlook::default()), |(boot, outlook)| (Some(boot), outlook))
}

/// The doubts of `boot` that matter for `want`. That a line is absent is a matter of our file alone. A setting that is as
/// desired either way is not in doubt.
fn doubts_about(want: &Want, desired: &Desired, boot: Option<&Boot>) -> Vec<Doubt> {
    // Where no configuration is on disk, the value is that of the program's defaults, and the cluster may have any other.
    let is_guess = |doubt: &Doubt| doubt.reason == Reason::WrittenLater && doubt.line.is_none();
    let is_fine = |doubt: &Doubt, boot: &Boot| {
        let value = doubt.value.filter(|_| !is_guess(doubt));
        value.is_some_and(|value| satisfies(want, Some(value), boot.bounds.pages))
    };
    let matters = |doubt: &&Doubt, boot: &Boot| match want.aim {
        // The initrd may still have the line.
        Aim::Absent if doubt.reason == Reason::StaleInitrd => doubt.concerns(&want.name),
        Aim::Absent => doubt.file.as_ref() == Some(&desired.file),
        _ => doubt.concerns(&want.name) && !is_fine(doubt, boot),
    };
    boot.into_iter().flat_map(|boot| boot.doubts.iter().filter(move |doubt| matters(doubt, boot))).cloned().collect()
}

/// Whether the running kernel has connection tracking, but not this setting.
#[must_use]
pub fn is_missing(snapshot: &Snapshot, name: &Name) -> bool {
    snapshot.module != Module::Absent && snapshot.live.is_some() && snapshot.live_key(name).is_none()
}

/// Whether the setting's live key is read-only because this is not the namespace that owns it.
#[must_use]
pub fn is_out_of_reach(snapshot: &Snapshot, name: &Name) -> bool {
    snapshot.in_child_namespace() && snapshot.live_key(name).is_some_and(|(_, live)| !live.writable)
}

/// Whether `file` assigns the setting, under any of its names.
#[must_use]
pub fn assigns(desired: &Desired, snapshot: &Snapshot, want: &Want) -> bool {
    let tree = &snapshot.tree;
    desired.loader.systems(tree).into_iter().any(|system| {
        let read = sysctl_d::parse(tree.bytes(&desired.file).unwrap_or_default(), system.dialect(tree));
        read.iter().any(|assignment| assignment.value.is_some() && assignment.name() == Some(&want.name))
    })
}

fn live_verdict(snapshot: &Snapshot, name: &Name) -> Verdict {
    if is_out_of_reach(snapshot, name) { Verdict::NotHere } else { Verdict::LiveDrift }
}

fn boot_verdict(desired: &Desired, snapshot: &Snapshot, name: &Name, outlook: &Outlook) -> Verdict {
    let is_ours = |file| snapshot.tree.real(file) == snapshot.tree.real(&desired.file);
    match &outlook.winner {
        _ if snapshot.is_outside_container(name) => Verdict::NotHere,
        _ if outlook.lost.is_some() => Verdict::LostAtBoot,
        Some(winner) if !is_ours(&winner.file) => Verdict::Shadowed,
        _ => Verdict::BootDrift,
    }
}

/// The assignment at `winner`, if `comment_out` may turn it into a comment: it assigns this one setting, in a file under
/// /etc.
#[must_use]
pub fn commentable(tree: &Tree, winner: &Place, name: &Name) -> Option<Assignment> {
    let bytes = tree.bytes(&winner.file).filter(|_| tree.real(&winner.file).starts_with("/etc"))?;
    sysctl_d::assignment_at(bytes, winner.line, name)
}
