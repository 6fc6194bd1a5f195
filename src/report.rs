//! Defines the report: what a run found, what it changed, and how it left each setting. Every front end renders this.

pub mod ansible;
mod diff;
pub mod dsc;
pub mod finding;
pub mod github;
pub mod junit;
mod outputs;
pub mod salt;
pub mod sarif;
pub mod text;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Exit;
use crate::failure::Failure;
use crate::kernel::catalog;
use crate::plan::{Plan, Step, Target};
use crate::request::{Aim, Desired, Want};
use crate::snapshot::Snapshot;
use crate::tree::{Place, lossy, lossy_each};
use crate::value;
use crate::verify::{Judgement, Verdict, boots, judge, overruled};
use crate::warning::Warning;

/// Whether a run may change the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It changes what differs.
    Apply,
    /// It says what apply would change.
    Check,
}

/// What a run found and did. In a check, what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether the run was to change anything.
    pub mode: Mode,
    /// Whether the run changed anything; in a check, whether apply would.
    pub changed: bool,
    /// Whether desired = live = boot holds for all that the request manages, as the run left the machine.
    pub in_sync: bool,
    /// Each setting of the request, in the order of the canonical names.
    pub settings: Vec<SettingReport>,
    /// What was changed, in order; in a check, what apply would change.
    pub changes: Vec<Change>,
    /// The same as text before and after: one for the live values, one for each file.
    pub diff: Vec<Diff>,
    /// Copies of the old content of changed files, where the request asks for them.
    #[serde(serialize_with = "lossy_each")]
    pub backup_files: Vec<PathBuf>,
    /// What the user should know although nothing failed.
    pub warnings: Vec<Warning>,
    /// Why the run failed; in a check, why apply would.
    pub failure: Option<Failure>,
}

/// Whether desired, live and boot agree, as far as a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Desired = live = boot.
    InSync,
    /// They differ.
    Drift,
    /// Nobody can tell: no setting was compared, or there is no report.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingReport {
    /// The canonical name.
    pub name: String,
    /// What the request wants of it.
    pub desired: DesiredReport,
    /// The kernel's value before and after the run.
    pub live: LiveReport,
    /// The value that the next boot makes, before and after the run.
    pub boot: BootReport,
    /// Which of the three differs, as the run left the machine. (A check leaves it as it was.)
    pub verdict: Verdict,
    /// The one thing to do, where the verdict is not `in_sync`. Null too where that were to apply, and the run failed.
    pub advice: Option<String>,
}

/// What a request wants of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredReport {
    /// How the value is meant.
    pub rule: Rule,
    /// The number; null where the setting is to be absent from the file.
    pub value: Option<i64>,
    /// The number as a person reads it: `8h`, `on`.
    pub human: Option<String>,
}

/// How a desired value is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// This value.
    Exactly,
    /// This value or more.
    AtLeast,
    /// No assignment in the file.
    Absent,
}

/// A kernel value before and after a run. Null: the kernel has no such setting, or there is no live side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveReport {
    /// The value before.
    pub before: Option<i64>,
    /// The value after: read again, or for a check, the value that apply would leave.
    pub after: Option<i64>,
    /// The value after, as a person reads it.
    pub human: Option<String>,
}

/// What the next boot makes of a setting, before and after a run. Null: no file decides, and the kernel's default holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        /// The value before; null where the module had not been loaded.
        before: Option<i64>,
        /// The value after.
        after: i64,
    },
    /// A file was written or removed.
    File {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// What was done to it.
        action: FileAction,
    },
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// It was made.
    Created,
    /// Its content was replaced.
    Edited,
    /// It was removed.
    Removed,
}

/// Text before and after, in the form of Ansible's `diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// What `before` shows.
    pub before_header: String,
    /// What `after` shows.
    pub after_header: String,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

impl Report {
    /// The report of a run that failed before the machine was looked at.
    #[must_use]
    pub fn refused(mode: Mode, failure: Failure) -> Report {
        Report {
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

    /// The report of a run that found `before`, and left `after`; a check would leave it.
    #[must_use]
    pub fn new(mode: Mode, desired: &Desired, before: &Snapshot, after: &Snapshot, plan: &Plan) -> Report {
        let left = match mode {
            Mode::Apply => after,
            Mode::Check => before,
        };
        let sides = [before, after, left].map(|snapshot| (snapshot, boots(desired, snapshot)));
        let settings: Vec<SettingReport> = desired
            .wants
            .values()
            .map(|want| {
                let [before, after, left] = &sides;
                let judgement = |(snapshot, boots): &(&Snapshot, Vec<_>)| judge(want, desired, snapshot, boots);
                setting_report(want, &judgement(before), judgement(after), judgement(left))
            })
            .collect();
        Report {
            mode,
            changed: !plan.steps.is_empty(),
            in_sync: settings.iter().all(|setting| setting.verdict == Verdict::InSync)
                && (mode == Mode::Apply || plan.steps.is_empty()),
            settings,
            changes: plan.steps.iter().filter_map(|step| change(step, after)).collect(),
            diff: diffs(plan, after),
            backup_files: plan.steps.iter().filter_map(kept_copy).collect(),
            warnings: plan.warnings.clone(),
            failure: None,
        }
    }

    /// Whether desired, live and boot agree. A failure that apply would meet is a drift all the same, if settings were
    /// compared.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        match &self.failure {
            _ if self.in_sync => Agreement::InSync,
            Some(_) if self.settings.is_empty() => Agreement::Unknown,
            _ => Agreement::Drift,
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

    /// Turns this report into that of a failed run, and drops the advice to apply the request.
    #[must_use]
    pub fn failed(mut self, failure: Failure) -> Report {
        for setting in &mut self.settings {
            let is_to_apply = match setting.verdict {
                Verdict::LiveDrift | Verdict::BootDrift => true,
                // The failure's own setting: its hint knows more.
                Verdict::LostAtBoot => failure.key.as_ref() == Some(&setting.name),
                _ => false,
            };
            setting.advice = setting.advice.take().filter(|_| !is_to_apply);
        }
        self.in_sync = false;
        self.failure = Some(failure);
        self
    }
}

fn setting_report(want: &Want, before: &Judgement, after: Judgement, left: Judgement) -> SettingReport {
    let human = |number: Option<i64>| number.and_then(|number| value::human(number, want.setting.kind));
    let (rule, number) = match want.aim {
        Aim::Exactly(number) => (Rule::Exactly, Some(number)),
        Aim::AtLeast(number) => (Rule::AtLeast, Some(number)),
        Aim::Absent => (Rule::Absent, None),
    };
    let advice = match &left.outlook.winner {
        Some(winner) if left.verdict == Verdict::Shadowed && after.verdict == Verdict::InSync => {
            Some(overruled(winner))
        }
        _ => left.advice,
    };
    SettingReport {
        name: want.setting.name.to_string(),
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
        verdict: left.verdict,
        advice,
    }
}

fn kept_copy(step: &Step) -> Option<PathBuf> {
    match step {
        Step::KeepCopy { copy, .. } => Some(copy.clone()),
        _ => None,
    }
}

/// The number that `setting` has in `after`. It is `planned`, but for a floor that a module just loaded meets by itself.
fn number_left(setting: &str, planned: i64, after: &Snapshot) -> i64 {
    catalog::by_key(setting).and_then(|setting| after.live_value(&setting)).unwrap_or(planned)
}

fn change(step: &Step, found: &Snapshot) -> Option<Change> {
    Some(match step {
        Step::KeepCopy { .. } => return None,
        Step::LoadModule => Change::Module { name: "nf_conntrack".into() },
        Step::SetLive { setting, before, after, .. } => {
            Change::Live { name: setting.clone(), before: *before, after: number_left(setting, *after, found) }
        }
        Step::ReplaceFile { path, before, after } => {
            let action = match (before, after) {
                (None, _) => FileAction::Created,
                (_, None) => FileAction::Removed,
                _ => FileAction::Edited,
            };
            Change::File { path: path.clone(), action }
        }
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
            Step::KeepCopy { .. } => {}
            Step::LoadModule => live.after += "module nf_conntrack\n",
            Step::SetLive { target, setting, before, after, .. } => {
                let name = match target {
                    Target::Sysctl(_) => setting.as_str(),
                    Target::Hashsize => "nf_conntrack.hashsize",
                };
                if let Some(before) = before {
                    live.before += &format!("{name} = {before}\n");
                }
                live.after += &format!("{name} = {}\n", number_left(setting, *after, found));
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
