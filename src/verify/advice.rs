//! Decides the advice on a setting that is not as desired, as a value, and puts each advice into words.

use std::fmt;

use serde::{Serialize, Serializer};

use super::remedy::{Remedy, bar_text};
use super::{Doubt, Judgement, Reason, Rivals, Verdict, doubt_remedy, rivals};
use crate::boot::{Arrival, Early, Lost, Outlook};
use crate::failure::Failure;
use crate::kernel::catalog::{Access, Name};
use crate::request::{Conflicts, Desired, ModulePolicy, Want};
use crate::snapshot::{Module, Snapshot};
use crate::tree::Place;

/// The one thing to do, or to know, about a setting. Its text is a part of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Apply the request.
    Apply,
    /// Apply the request, which loads the module now.
    ApplyLoadsModule,
    /// Apply the request, which also makes the boot load the module early.
    ApplyLoadsModuleEarly,
    /// Apply the request, which overrules this line of another file.
    ApplyOverrules(Place),
    /// An assignment is lost at boot until the request is applied.
    LostUntilApplied(Lost),
    /// An assignment is lost at boot.
    Lost(Lost),
    /// This line of another file wins at boot, whatever our file says.
    Conflict(Place, Rivals),
    /// The next boot changes the live value to this number.
    BootMakes(i64),
    /// Apply a request that names the setting, because no file holds its value.
    Persist,
    /// Leave the setting out of the request.
    LeaveOut,
    /// Run where the machine-wide numbers can be written.
    RunInInitialNamespace,
    /// Do away with what keeps the boot from being known.
    Clear(Doubt),
}

/// The advice on a setting that a run leaves as `left`. An apply of the request leads to `applied`, or fails.
#[must_use]
pub fn advice(
    want: &Want,
    desired: &Desired,
    snapshot: &Snapshot,
    left: &Judgement,
    applied: Result<&Judgement, &Failure>,
) -> Option<Advice> {
    let advice = match left.verdict {
        Verdict::InSync | Verdict::NotInFiles => return None,
        // "Apply the request" would be the advice, and that is what failed.
        Verdict::LiveDrift | Verdict::BootDrift if applied.is_err() => return None,
        Verdict::LiveDrift | Verdict::BootDrift if lacks_module(snapshot, left) => Advice::ApplyLoadsModule,
        Verdict::BootDrift if apply_loads_early(desired, left) => Advice::ApplyLoadsModuleEarly,
        Verdict::LiveDrift | Verdict::BootDrift => Advice::Apply,
        // The failure is about this setting, so its hint says more than advice could.
        Verdict::LostAtBoot if applied.is_err_and(|failure| failure.key.as_deref() == Some(want.name.as_str())) => {
            return None;
        }
        Verdict::LostAtBoot => Advice::LostUntilApplied(left.outlook.lost.clone()?),
        Verdict::Shadowed => {
            let winner = left.outlook.winner.clone()?;
            if applied.is_ok_and(|applied| applied.verdict == Verdict::InSync) {
                return Some(Advice::ApplyOverrules(winner));
            }
            let rivals = rivals(want, desired, snapshot, &winner);
            if desired.conflicts == Conflicts::CommentOut && rivals.can_be_changed() {
                Advice::ApplyOverrules(winner)
            } else {
                Advice::Conflict(winner, rivals)
            }
        }
        Verdict::Unknown if applied.is_ok_and(|applied| applied.verdict == Verdict::InSync) => Advice::Apply,
        Verdict::Unknown => Advice::Clear(left.doubts.first()?.clone()),
        Verdict::NotOnThisKernel => Advice::LeaveOut,
        Verdict::NotHere => Advice::RunInInitialNamespace,
    };
    Some(advice)
}

/// Whether the live value drifts because connection tracking is not loaded.
fn lacks_module(snapshot: &Snapshot, left: &Judgement) -> bool {
    snapshot.module == Module::Absent && left.live.is_none() && left.drifts.contains(&Verdict::LiveDrift)
}

fn apply_loads_early(desired: &Desired, left: &Judgement) -> bool {
    desired.persist
        && desired.module == ModulePolicy::Load
        && matches!(left.arrival, Some(Arrival::Late { barred: None, early: Early::ByFile(_), .. }))
}

/// Compares the live value of a setting with that of the next boot, without any request.
#[must_use]
pub fn comparison(name: &Name, live: Option<i64>, outlook: &Outlook) -> (Verdict, Option<Advice>) {
    // That no file holds the value is true whatever another program does later. A copy in the initrd may hold it.
    let matters = |doubt: &&Doubt| doubt.reason != Reason::WrittenLater || outlook.value.is_some();
    if let Some(doubt) = outlook.doubts.iter().find(matters) {
        return (Verdict::Unknown, Some(Advice::Clear(doubt.clone())));
    }
    match (&outlook.lost, outlook.value) {
        (Some(lost @ (Lost::ModuleLate { .. } | Lost::Refused(_) | Lost::OfMachine(_))), _)
        | (Some(lost @ (Lost::NoSuchKey(_) | Lost::Excluded { .. } | Lost::FileEnded { .. })), None) => {
            (Verdict::LostAtBoot, Some(Advice::Lost(lost.clone())))
        }
        (_, Some(boot)) if live.is_some_and(|live| live != boot) => (Verdict::BootDrift, Some(Advice::BootMakes(boot))),
        (_, Some(_)) => (Verdict::InSync, None),
        // No file can hold a reading.
        (None, None) if name.setting().access == Access::ReadOnly => (Verdict::NotInFiles, None),
        (None, None) => (Verdict::NotInFiles, Some(Advice::Persist)),
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::Apply => f.write_str("apply the request"),
            Advice::ApplyLoadsModule => f.write_str("connection tracking is not loaded; apply loads it"),
            Advice::ApplyLoadsModuleEarly => {
                f.write_str("apply the request: it also makes the boot load the module early")
            }
            Advice::ApplyOverrules(winner) => write!(f, "`{winner}` wins at boot; apply overrules it"),
            Advice::LostUntilApplied(lost) => {
                let applying = match lost {
                    Lost::ModuleLate { barred: None, early: Early::ByFile(_), .. } => {
                        " (apply does, unless `module` is ignore)"
                    }
                    Lost::ModuleLate { .. } | Lost::Excluded { .. } | Lost::FileEnded { .. } | Lost::OfMachine(_) => "",
                    Lost::NoSuchKey(_) => "; apply writes today's name",
                    Lost::Refused(_) => "; apply corrects it",
                };
                write!(f, "{}{applying}", Advice::Lost(lost.clone()))
            }
            Advice::Lost(Lost::ModuleLate { place, barred: Some(bar), .. }) => {
                let (bar, remedy) = (bar_text(bar), Remedy::AllowModule(bar.clone()));
                write!(f, "`{place}` is read before the module is loaded, and {bar} prevents early loading; {remedy}")
            }
            Advice::Lost(Lost::ModuleLate { place, barred: None, early: Early::ByFile(file) }) => {
                write!(f, "`{place}` is read before the module is loaded; name nf_conntrack in {file}")
            }
            Advice::Lost(Lost::ModuleLate { place, barred: None, early: Early::Never { why, remedy } }) => {
                write!(f, "`{place}` is read before the module is loaded, because {why}; {remedy}")
            }
            Advice::Lost(Lost::FileEnded { place, by }) => {
                write!(f, "the kernel refuses `{by}`, and the boot does not read `{place}` after it; correct that line")
            }
            Advice::Lost(Lost::Excluded { place, by }) => {
                write!(
                    f,
                    "`{by}` names the key without a value, so the boot does not write `{place}`; remove that line"
                )
            }
            Advice::Lost(Lost::NoSuchKey(place)) => write!(f, "`{place}` uses a name that this kernel does not have"),
            Advice::Lost(Lost::OfMachine(place)) => {
                write!(f, "`{place}` sets a number of the whole machine, which a file of a container cannot set")
            }
            Advice::Lost(Lost::Refused(place)) => write!(f, "`{place}` has a value that the kernel refuses"),
            Advice::Conflict(winner, rivals) => match rivals.others() {
                Some(others) => write!(f, "`{winner}` wins at boot, and without it {others}; {rivals}"),
                None => write!(f, "`{winner}` wins at boot; {rivals}"),
            },
            Advice::BootMakes(number) => write!(f, "the next boot sets it to {number}"),
            Advice::Persist => f.write_str(
                "no file assigns it, so the next boot sets the kernel's default; apply a request to make it last",
            ),
            Advice::LeaveOut => f.write_str("leave it out of the request for this kernel"),
            Advice::RunInInitialNamespace => f.write_str("run in the initial network namespace of the machine"),
            Advice::Clear(doubt) => write!(f, "{doubt}; {}", doubt_remedy(doubt)),
        }
    }
}

impl Serialize for Advice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The words for the kernel with which the module is late, if it is not late with every kernel.
fn kernel_text(release: Option<&str>) -> String {
    release.map(|release| format!(" of kernel {release}")).unwrap_or_default()
}

/// The words for the moment at which connection tracking is available at boot.
#[must_use]
pub fn arrival_text(arrival: &Arrival) -> String {
    match arrival {
        Arrival::BuiltIn => "built into the kernel".to_owned(),
        Arrival::Early(place) => format!("loaded early at boot by {place}"),
        Arrival::Outside => "loaded by the machine outside this container".to_owned(),
        Arrival::Reapplied { reruns, .. } => {
            let rules = reruns.iter().map(|rerun| rerun.rule.to_string()).collect::<Vec<_>>().join(", ");
            format!("loaded late at boot; {rules} then runs the loader again")
        }
        Arrival::Late { barred: None, kernel, .. } => {
            format!(
                "loaded late at boot{}, after the files are read: their values are lost",
                kernel_text(kernel.as_deref())
            )
        }
        Arrival::Late { barred: Some(bar), kernel, .. } => {
            let (bar, kernel) = (bar_text(bar), kernel_text(kernel.as_deref()));
            format!("{bar} prevents early loading at boot{kernel}: the values in the files are lost")
        }
    }
}
