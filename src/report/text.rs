//! Renders a report, an inventory and a story as text for people. No control character of a file or a request reaches
//! the terminal.

use std::collections::BTreeSet;
use std::path::Path;

use super::diff::unified;
use super::{Agreement, Change, FileAction, Mode, Report, Rule, SettingReport};
use crate::failure::Failure;
use crate::show::{Inventory, Overview, Role, Story};
use crate::text::{columns, number, printable, printable_lines, short};
use crate::verify::{Reason, Verdict, arrival_text};

/// The text of a report, without the last line end.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut text = String::new();
    if !report.settings.is_empty() {
        text += &columns(&["SETTING", "DESIRED", "LIVE", "BOOT", "VERDICT"], report.settings.iter().map(setting_row));
    }
    for setting in &report.settings {
        // A warning that says the same says it once for all settings.
        // The warning of a program that writes later tells of all its settings.
        let is_of_program = setting.doubts.first().is_some_and(|doubt| doubt.reason == Reason::WrittenLater);
        let is_said =
            |advice: &&String| !is_of_program && !report.warnings.iter().any(|warning| warning.message == **advice);
        if let Some(advice) = setting.advice.as_ref().filter(is_said) {
            text += &format!("{}: {}\n", printable(&setting.name), printable(advice));
        }
    }
    for diff in &report.diff {
        text += &printable_lines(&unified(diff));
    }
    for warning in &report.warnings {
        text += &format!("warning: {}\n", printable(&warning.message));
    }
    for file in &report.backup_files {
        text += &format!("{}\n", backup_line(file));
    }
    if let Some(failure) = &report.failure {
        text += &self::failure(failure);
    }
    text += &summary(report);
    text
}

/// The outcome of a run, in one line.
#[must_use]
pub fn summary(report: &Report) -> String {
    let is_unknown = report.agreement() == Agreement::Unknown;
    if let Some(failure) = &report.failure {
        let summary = match (report.mode, failure.rolled_back) {
            (Mode::Check, _) if report.settings.is_empty() => "could not tell",
            (Mode::Check, _) if is_unknown => "could not tell, and apply would fail",
            (Mode::Check, _) => "drift, and apply would fail",
            (Mode::Apply, None) => "nothing was changed",
            (Mode::Apply, Some(true)) if failure.remains.is_empty() => "everything is as it was before",
            (Mode::Apply, Some(true)) => "every value and content is as it was before",
            (Mode::Apply, Some(false)) => "not everything is as it was before",
        };
        return summary.to_owned();
    }
    let changes = report.changes.iter().map(change).collect::<Vec<_>>().join(", ");
    match (report.mode, report.changed, report.in_sync) {
        (Mode::Apply, true, true) => format!("ok, changed: {changes}"),
        (Mode::Apply, true, false) if is_unknown => format!("changed, but the next boot cannot be known: {changes}"),
        (Mode::Apply, true, false) => format!("changed, but not in sync: {changes}"),
        (_, false, true) => format!("ok: {}", agreement_phrase(&report.settings)),
        (Mode::Apply, false, false) if is_unknown => "nothing to change, but the next boot cannot be known".to_owned(),
        (Mode::Check, false, false) if is_unknown => "could not tell: the next boot cannot be known".to_owned(),
        (_, false, false) => "not in sync, and apply has nothing to change".to_owned(),
        (Mode::Check, true, _) if is_unknown => {
            format!("could not tell: the next boot cannot be known; apply would change: {changes}")
        }
        (Mode::Check, true, _) => format!("drift; apply would change: {changes}"),
    }
}

/// The phrase for a report that is in sync. An image has no live side, and a request need not manage both sides.
fn agreement_phrase(settings: &[SettingReport]) -> &'static str {
    let all = |holds: fn(&SettingReport) -> bool| {
        settings
            .iter()
            .all(|setting| setting.desired.rule != Rule::Absent && setting.boot.after.is_some() && holds(setting))
    };
    if all(|setting| setting.live.after == setting.boot.after) {
        "desired = live = boot"
    } else if all(|setting| setting.live.after.is_none()) {
        "desired = boot"
    } else {
        "everything that the request manages is as desired"
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Module { name } => format!("module {name} loaded"),
        Change::Live { name, before, after } => {
            let before = before.map_or_else(|| "unset".to_owned(), |before| before.to_string());
            format!("{} {before} -> {after}", printable(short(name)))
        }
        Change::File { path, action } => {
            let action = match action {
                FileAction::Created => "created",
                FileAction::Edited => "edited",
                FileAction::Removed => "removed",
            };
            format!("{} {action}", printable(&path.to_string_lossy()))
        }
        Change::Initrd { path, .. } => format!("{} made anew", printable(&path.to_string_lossy())),
    }
}

/// The line about a copy of a file's old content.
pub(super) fn backup_line(copy: &Path) -> String {
    format!("kept: {}", printable(&copy.to_string_lossy()))
}

/// The reason of a failure and the remedy, in lines.
pub(super) fn failure(failure: &Failure) -> String {
    let mut text = format!("failed: {}\n", printable(&failure.message));
    if let Some(pointer) = failure.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
        text += &format!("  at: {}\n", printable(pointer));
    }
    if let Some(hint) = &failure.hint {
        text += &format!("  do: {}\n", printable(hint));
    }
    for remains in &failure.remains {
        text += &format!("  remains: {}\n", printable(remains));
    }
    text
}

/// A failure without a report, for standard error: one line, and one for each change that could not be undone.
#[must_use]
pub fn failure_alone(failure: &Failure) -> String {
    let remains = failure.remains.iter().map(|remains| format!("remains: {remains}"));
    let mut text = String::new();
    for line in std::iter::once(failure.to_string()).chain(remains) {
        text += &format!("conntrack-sysctl: {}\n", printable(&line));
    }
    text
}

fn setting_row(setting: &SettingReport) -> Vec<String> {
    vec![
        short(&setting.name).to_owned(),
        desired(setting),
        change_of(setting.live.before, setting.live.after, setting.live.human.as_deref()),
        change_of(setting.boot.before, setting.boot.after, setting.boot.human.as_deref()),
        verdicts(setting),
    ]
}

/// All that is to be said of a setting: its drifts, and that its boot cannot be known.
pub(crate) fn verdicts(setting: &SettingReport) -> String {
    let unknown = (!setting.doubts.is_empty()).then_some(Verdict::Unknown);
    let all: Vec<&str> = setting.drifts.iter().copied().chain(unknown).map(verdict).collect();
    if all.is_empty() { verdict(setting.verdict).to_owned() } else { all.join(", ") }
}

/// The desired value of a setting, with the rule.
pub(crate) fn desired(setting: &SettingReport) -> String {
    let desired = &setting.desired;
    match desired.rule {
        Rule::Exactly => number(desired.value, desired.human.as_deref()),
        Rule::AtLeast => format!(">= {}", number(desired.value, desired.human.as_deref())),
        Rule::Absent => "absent".to_owned(),
    }
}

fn change_of(before: Option<i64>, after: Option<i64>, human: Option<&str>) -> String {
    let after_text = number(after, human);
    if before == after { after_text } else { format!("{} -> {after_text}", number(before, None)) }
}

/// The verdict's name, as in JSON.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "in_sync",
        Verdict::NotInFiles => "not_in_files",
        Verdict::Unknown => "unknown",
        Verdict::LiveDrift => "live_drift",
        Verdict::BootDrift => "boot_drift",
        Verdict::LostAtBoot => "lost_at_boot",
        Verdict::Shadowed => "shadowed",
        Verdict::NotOnThisKernel => "not_on_this_kernel",
        Verdict::NotHere => "not_here",
    }
}

/// The text of an inventory.
#[must_use]
pub fn inventory(inventory: &Inventory) -> String {
    let rows = inventory.settings.iter().map(|setting| {
        let winner = setting.winner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let live = number(setting.live, setting.live_human.as_deref());
        let verdict = verdict(setting.verdict).to_owned();
        vec![short(setting.name.as_str()).to_owned(), live, number(setting.boot, None), winner, verdict]
    });
    let mut text = columns(&["SETTING", "LIVE", "BOOT", "FROM", "VERDICT"], rows);
    let mut said = BTreeSet::new();
    for setting in &inventory.settings {
        let Some(advice) = setting.advice.as_ref().map(ToString::to_string) else { continue };
        if !matches!(setting.verdict, Verdict::Unknown | Verdict::NotInFiles) {
            text += &format!("{}: {}\n", printable(short(setting.name.as_str())), printable(&advice));
        } else if said.insert(advice.clone()) {
            // Many settings have the same advice.
            text += &format!("{}: {}\n", verdict(setting.verdict), printable(&advice));
        }
    }
    text += &format!("loader: {}; module: {}", inventory.loader.command, printable(&arrival_text(&inventory.module)));
    text
}

/// The text of a story.
#[must_use]
pub fn story(story: &Story) -> String {
    let Overview { name, live, live_human, boot, verdict: found, advice, .. } = &story.overview;
    let mut text = format!("{}: {}\n", printable(name.as_str()), story.summary);
    text += &format!("also:    {}\n", if story.aliases.is_empty() { "-".to_owned() } else { story.aliases.join(", ") });
    text += &format!("range:   {}\n", story.range);
    text += &format!("source:  {}\n", if story.source.is_empty() { "-" } else { story.source });
    text += &format!("live:    {}\n", number(*live, live_human.as_deref()));
    text += &format!("boot:    {}\n", boot.map_or_else(|| "the kernel's default".to_owned(), |boot| boot.to_string()));
    text += &format!("loader:  {}\n", story.loader.command);
    text += &format!("module:  {}\n", printable(&arrival_text(&story.module)));
    text += "files, in boot order:\n";
    if story.assignments.is_empty() {
        text += "  no file assigns it\n";
    }
    for telling in &story.assignments {
        let role = match telling.role {
            Role::Wins => "wins",
            Role::Shadowed => "shadowed",
            Role::Lost => "lost",
        };
        text += &format!("  {role:<8}  {}  {}\n", printable(&telling.place.to_string()), printable(&telling.text));
    }
    for line in &story.not_read {
        let place = line.place.to_string();
        text += &format!("not read: {}, because {}\n", printable(&place), printable(&line.because));
    }
    for writer in &story.later_writers {
        text += &format!("warning: {}\n", printable(&writer.message));
    }
    text += &format!("verdict: {}", verdict(*found));
    if let Some(advice) = advice {
        text += &format!(" ({})", printable(&advice.to_string()));
    }
    text
}
