//! Defines the report: the state that a run found, its changes, and the state that it left. Every client renders a
//! report.

pub mod ansible;
mod cases;
mod diff;
mod doubt;
pub mod dsc;
pub mod finding;
pub mod github;
pub mod junit;
mod outputs;
pub mod prometheus;
pub mod rules;
pub mod salt;
pub mod sarif;
pub mod tap;
pub mod text;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::answer::Exit;
use crate::failure::Failure;
use crate::kernel::catalog::Name;
use crate::origin::Origin;
use crate::plan::{Plan, Planned, Step, Target};
use crate::request::{Aim, Desired, Want};
use crate::snapshot::Snapshot;
use crate::tree::{Place, lossy, lossy_each};
use crate::value;
use crate::verify::{self, Advice, Forecast, Judgement, Verdict, judge};
use crate::warning::Warning;

pub use doubt::DoubtReport;

/// Whether a run may change the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The run changes what differs.
    Apply,
    /// The run reports what apply would change.
    Check,
}

/// The state that a run found and its changes; in a check, the changes that apply would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The machine, the moment and the program behind the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Whether the run may change the machine.
    pub mode: Mode,
    /// Whether the run changed anything; in a check, whether apply would.
    pub changed: bool,
    /// Whether desired = live = boot for everything that the request manages, at the end of the run.
    pub in_sync: bool,
    /// Each setting of the request, in the order of the canonical names.
    pub settings: Vec<SettingReport>,
    /// The changes, in order; in a check, those that apply would make.
    pub changes: Vec<Change>,
    /// The changes as text before and after: one for the live values, one for each file.
    pub diff: Vec<Diff>,
    /// Copies of the old content of changed files, if the request asks for them.
    #[serde(serialize_with = "lossy_each")]
    pub backup_files: Vec<PathBuf>,
    /// Facts that the user should know, although the run did not fail.
    pub warnings: Vec<Warning>,
    /// The failure of the run; in a check, the failure that apply would have.
    pub failure: Option<Failure>,
}

/// Whether desired, live and boot agree, as far as a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Desired = live = boot.
    InSync,
    /// Desired, live and boot differ.
    Drift,
    /// Nobody can tell: the next boot cannot be known, no setting was compared, or there is no report.
    Unknown,
}

impl Agreement {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Agreement::InSync => "in_sync",
            Agreement::Drift => "drift",
            Agreement::Unknown => "unknown",
        }
    }
}

/// One setting in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SettingReport {
    /// The canonical name.
    pub name: String,
    /// The value that the request asks for.
    pub desired: DesiredReport,
    /// The kernel's value before and after the run.
    pub live: LiveReport,
    /// The value that the next boot sets, before and after the run.
    pub boot: BootReport,
    /// The difference between desired, live and boot, at the end of the run; a check leaves the machine as it was.
    pub verdict: Verdict,
    /// Every drift of the setting, the live one first: it may differ live and after the next boot.
    pub drifts: Vec<Verdict>,
    /// The reasons why the next boot of the setting cannot be known, if the request manages that.
    pub doubts: Vec<DoubtReport>,
    /// The one thing to do, if the verdict is not `in_sync`. Null also after a failed run, if the advice would be to apply.
    pub advice: Option<String>,
}

/// The value that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DesiredReport {
    /// The rule by which the live and the boot value must compare with this one.
    pub rule: Rule,
    /// The number; null if the file must not assign the setting.
    pub value: Option<i64>,
    /// The number as a person reads it: `8h`, `on`.
    pub human: Option<String>,
}

/// The rule by which a value must compare with the desired one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The value must be equal.
    Exactly,
    /// The value must be equal or greater.
    AtLeast,
    /// The file must not assign the setting.
    Absent,
}

/// A kernel value before and after a run. Null: the kernel has no such setting, or there is no live side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LiveReport {
    /// The value before.
    pub before: Option<i64>,
    /// The value after, read again; in a check, the value that apply would leave.
    pub after: Option<i64>,
    /// The value after, as a person reads it.
    pub human: Option<String>,
}

/// The value that the next boot sets, before and after a run. Null: no file sets it, and the kernel's default applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BootReport {
    /// The value before.
    pub before: Option<i64>,
    /// The value after.
    pub after: Option<i64>,
    /// The value after, as a person reads it.
    pub human: Option<String>,
    /// The assignment that decided, before the run.
    pub winner_before: Option<Place>,
    /// The assignment that decides, after the run.
    pub winner: Option<Place>,
    /// The other assignments that are read, in the order of reading.
    pub shadowed: Vec<Place>,
}

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A module was loaded.
    Module {
        /// Its name.
        name: String,
    },
    /// A live value was set.
    Live {
        /// The canonical name of the setting.
        name: String,
        /// The value before; null if the module had not been loaded.
        before: Option<i64>,
        /// The value after.
        after: i64,
    },
    /// A file was written or removed.
    File {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The action on the file.
        action: FileAction,
    },
    /// An initrd was made anew.
    Initrd {
        /// The initrd.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The command that made it.
        command: String,
    },
}

/// The action on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// The file was created.
    Created,
    /// The content was replaced.
    Edited,
    /// The file was removed.
    Removed,
}

/// Text before and after, in the form of Ansible's `diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// The name of the text before: a path, or `live sysctls`.
    pub before_header: String,
    /// The name of the text after.
    pub after_header: String,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

impl Report {
    /// The report of a run that failed before the machine was observed.
    #[must_use]
    pub fn refused(mode: Mode, failure: Failure) -> Report {
        Report {
            origin: None,
            mode,
            changed: false,
            in_sync: false,
            settings: Vec::new(),
            changes: Vec::new(),
            diff: Vec::new(),
            backup_files: Vec::new(),
            warnings: Vec::new(),
            failure: Some(failure),
        }
    }

    /// The report of a run that found `before` and left `after`; in a check, apply would leave `after`.
    #[must_use]
    pub fn new(mode: Mode, desired: &Desired, before: &Snapshot, after: &Snapshot, plan: &Plan) -> Report {
        Report::between(mode, desired, before, after, Ok(plan))
    }

    /// The report of a run that found `before` and would do what is planned.
    #[must_use]
    pub fn predicted(mode: Mode, desired: &Desired, before: &Forecast, planned: &Planned) -> Report {
        Report::of(mode, desired, before, planned.after(before), Ok(&planned.plan))
    }

    /// The report of a run that found `before`, and has changed nothing because of `failure`.
    #[must_use]
    pub fn unchanged(mode: Mode, desired: &Desired, before: &Forecast, failure: Failure) -> Report {
        Report::of(mode, desired, before, before, Err(failure))
    }

    /// The report of a run that found `before`, failed, and left `after`.
    #[must_use]
    pub fn failed(mode: Mode, desired: &Desired, before: &Snapshot, after: &Snapshot, failure: Failure) -> Report {
        Report::between(mode, desired, before, after, Err(failure))
    }

    fn between(
        mode: Mode,
        desired: &Desired,
        before: &Snapshot,
        after: &Snapshot,
        outcome: Result<&Plan, Failure>,
    ) -> Report {
        let found = Forecast::of(desired, before);
        if after == before {
            Report::of(mode, desired, &found, &found, outcome)
        } else {
            Report::of(mode, desired, &found, &Forecast::of(desired, after), outcome)
        }
    }

    fn of(
        mode: Mode,
        desired: &Desired,
        before: &Forecast,
        after: &Forecast,
        outcome: Result<&Plan, Failure>,
    ) -> Report {
        let nothing = Plan::default();
        let plan = outcome.as_ref().map_or(&nothing, |plan| *plan);
        let left = match mode {
            Mode::Apply => after,
            Mode::Check => before,
        };
        let settings: Vec<SettingReport> = desired
            .wants
            .values()
            .map(|want| {
                let judgement = |machine: &Forecast| judge(want, desired, machine.snapshot(), machine.boots());
                let (found, applied, judged) = (judgement(before), judgement(after), judgement(left));
                let applied_or_not = outcome.as_ref().map(|_| &applied);
                let advice = verify::advice(want, desired, left.snapshot(), &judged, applied_or_not);
                setting_report(want, &found, applied, &judged, advice)
            })
            .collect();
        Report {
            origin: None,
            mode,
            changed: !plan.steps.is_empty(),
            in_sync: outcome.is_ok()
                && settings.iter().all(|setting| setting.verdict == Verdict::InSync)
                && (mode == Mode::Apply || plan.steps.is_empty()),
            settings,
            changes: plan.steps.iter().filter_map(|step| change(step, after.snapshot())).collect(),
            diff: diffs(plan, after.snapshot()),
            backup_files: plan.steps.iter().filter_map(backup_file).collect(),
            warnings: plan.warnings.clone(),
            failure: outcome.err(),
        }
    }

    /// Whether desired, live and boot agree. A drift that is certain outweighs a boot that cannot be known. A failure
    /// that apply would have counts as drift, if settings were compared.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let is_unknown = |setting: &SettingReport| setting.verdict == Verdict::Unknown;
        if self.in_sync {
            Agreement::InSync
        } else if self.settings.iter().any(|setting| !setting.drifts.is_empty()) {
            Agreement::Drift
        } else if self.settings.iter().any(is_unknown) || (self.failure.is_some() && self.settings.is_empty()) {
            Agreement::Unknown
        } else {
            Agreement::Drift
        }
    }

    /// The exit code of the run.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match (self.mode, self.agreement()) {
            (Mode::Apply, _) if self.failure.is_some() => Exit::Failed,
            (Mode::Apply, _) => Exit::Done,
            (Mode::Check, Agreement::InSync) => Exit::InSync,
            (Mode::Check, Agreement::Drift) => Exit::Drift,
            (Mode::Check, Agreement::Unknown) => Exit::CouldNotTell,
        }
    }
}

fn setting_report(
    want: &Want,
    before: &Judgement,
    after: Judgement,
    judged: &Judgement,
    advice: Option<Advice>,
) -> SettingReport {
    let human = |number: Option<i64>| number.and_then(|number| value::human(number, want.name.setting().kind));
    let (rule, number) = match want.aim {
        Aim::Exactly(number) => (Rule::Exactly, Some(number)),
        Aim::AtLeast(number) => (Rule::AtLeast, Some(number)),
        Aim::Absent => (Rule::Absent, None),
    };
    SettingReport {
        name: (&want.name).into(),
        desired: DesiredReport { rule, value: number, human: human(number) },
        live: LiveReport { before: before.live, after: after.live, human: human(after.live) },
        boot: BootReport {
            before: before.outlook.value,
            after: after.outlook.value,
            human: human(after.outlook.value),
            winner_before: before.outlook.winner.clone(),
            shadowed: after.outlook.shadowed(),
            winner: after.outlook.winner,
        },
        verdict: judged.verdict,
        drifts: judged.drifts.clone(),
        doubts: judged.doubts.iter().map(DoubtReport::from).collect(),
        advice: advice.map(|advice| advice.to_string()),
    }
}

fn backup_file(step: &Step) -> Option<PathBuf> {
    match step {
        Step::KeepCopy { copy, .. } => Some(copy.clone()),
        _ => None,
    }
}

/// The number that the setting `name` has in `after`. That is `planned`, unless loading the module already met the floor.
fn number_left(name: &Name, planned: i64, after: &Snapshot) -> i64 {
    after.live_value(name).unwrap_or(planned)
}

fn change(step: &Step, found: &Snapshot) -> Option<Change> {
    Some(match step {
        Step::KeepCopy { .. } | Step::DropCopy { .. } => return None,
        Step::LoadModule => Change::Module { name: "nf_conntrack".into() },
        Step::SetLive { name, before, after, .. } => {
            Change::Live { name: name.into(), before: *before, after: number_left(name, *after, found) }
        }
        Step::ReplaceFile { path, before, after } => {
            let action = match (before, after) {
                (None, _) => FileAction::Created,
                (_, None) => FileAction::Removed,
                _ => FileAction::Edited,
            };
            Change::File { path: path.clone(), action }
        }
        Step::MakeInitrd { path, command } => Change::Initrd { path: path.clone(), command: command.join(" ") },
    })
}

fn diffs(plan: &Plan, found: &Snapshot) -> Vec<Diff> {
    let mut live = Diff {
        before_header: "live sysctls".into(),
        after_header: "live sysctls".into(),
        before: String::new(),
        after: String::new(),
    };
    let mut diffs = Vec::new();
    for step in &plan.steps {
        match step {
            Step::KeepCopy { .. } | Step::DropCopy { .. } | Step::MakeInitrd { .. } => {}
            Step::LoadModule => live.after += "module nf_conntrack\n",
            Step::SetLive { target, name, before, after, .. } => {
                let shown = match target {
                    Target::Sysctl(_) => name.as_str(),
                    Target::Hashsize => "nf_conntrack.hashsize",
                };
                if let Some(before) = before {
                    live.before += &format!("{shown} = {before}\n");
                }
                live.after += &format!("{shown} = {}\n", number_left(name, *after, found));
            }
            Step::ReplaceFile { path, before, after } => {
                let text = |bytes: &Option<Vec<u8>>| {
                    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
                };
                let header = |bytes: &Option<Vec<u8>>| match bytes {
                    Some(_) => path.display().to_string(),
                    None => "/dev/null".into(),
                };
                diffs.push(Diff {
                    before_header: header(before),
                    after_header: header(after),
                    before: text(before),
                    after: text(after),
                });
            }
        }
    }
    if live.before != live.after {
        diffs.insert(0, live);
    }
    diffs
}
