//! Renders a report, an inventory and a story as text for people. No control character of a file or a request reaches
//! the terminal.

mod table;

use std::collections::BTreeSet;
use std::path::Path;

use anstyle::Style;

use super::diff::unified;
use super::{Agreement, Change, FileAction, Mode, Report, Rule, SettingReport};
use crate::failure::{Failure, Kind};
use crate::show::{Inventory, Overview, Role, Story};
use crate::text::style::{BAD, Cell, DOUBT, GOOD, HEAD, PLACE, PLAIN, painted};
use crate::text::{columns, number, printable, short};
use crate::verify::{Advice, Reason, Verdict, arrival_text};
use crate::warning::{Code, Warning};

/// The text of a report, without the last line end: each change once, and the verdict last.
#[must_use]
pub fn report(report: &Report) -> String {
    table::changes(report) + &remarks(report) + &verdict_line(report)
}

/// The same, with the changed lines of each file.
#[must_use]
pub fn report_with_diff(report: &Report) -> String {
    let mut text = table::changes(report);
    for diff in &report.diff {
        text += &painted_diff(&unified(diff));
    }
    text + &remarks(report) + &verdict_line(report)
}

/// The advice on the settings, the warnings, and the failure. Nothing is told twice.
fn remarks(report: &Report) -> String {
    let mut text = String::new();
    let mut advised: Vec<(&str, Vec<&str>)> = Vec::new();
    let failed_for =
        report.failure.as_ref().filter(|failure| matches!(failure.kind, Kind::Conflict | Kind::BootUnknown));
    let failed_for = failed_for.and_then(|failure| failure.key.as_deref());
    for setting in &report.settings {
        // The verdict says what apply does.
        let is_of_apply = |advice: &str| advice == Advice::Apply.to_string();
        // The warning of a program that writes later tells of all its settings.
        let is_of_program = setting.doubts.first().is_some_and(|doubt| doubt.reason == Reason::WrittenLater);
        let is_said = |advice: &&str| {
            !is_of_program
                && failed_for != Some(setting.name.as_str())
                && !is_of_apply(advice)
                && !report.warnings.iter().any(|warning| warning.message == **advice)
        };
        if let Some(advice) = setting.advice.as_deref().filter(is_said) {
            match advised.iter_mut().find(|(said, _)| *said == advice) {
                Some((_, names)) => names.push(short(&setting.name)),
                None => advised.push((advice, vec![short(&setting.name)])),
            }
        }
    }
    for (advice, names) in &advised {
        let subject = match names.as_slice() {
            [name] => printable(name).into_owned(),
            names => format!("{} settings", names.len()),
        };
        text += &format!("{subject}: {}\n", printable(advice));
    }
    for warning in report.warnings.iter().filter(|warning| !is_advised(report, warning)) {
        text += &format!("{} {}\n", painted(DOUBT, "warning:"), printable(&warning.message));
    }
    for file in &report.backup_files {
        text += &format!("{}\n", backup_line(file));
    }
    if let Some(failure) = &report.failure {
        let plain = self::failure(failure);
        text += &plain.replacen("failed:", &painted(BAD, "failed:"), 1);
    }
    text
}

/// Whether the advice on the setting of a warning names the same line.
fn is_advised(report: &Report, warning: &Warning) -> bool {
    let advised = |setting: &SettingReport| {
        setting.verdict != Verdict::InSync && setting.advice.is_some() && warning.key.as_ref() == Some(&setting.name)
    };
    warning.code == Code::Shadowed && report.settings.iter().any(advised)
}

fn painted_diff(diff: &str) -> String {
    let line = |line: &str| {
        let style = match line.as_bytes() {
            [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => HEAD,
            [b'+', ..] => GOOD,
            [b'-', ..] => BAD,
            [b'@', ..] => PLACE,
            _ => PLAIN,
        };
        painted(style, printable(line)) + "\n"
    };
    diff.lines().map(line).collect()
}

/// The verdict of a run in one line that fits on a terminal of 80 columns: each change stands in the table above it.
fn verdict_line(report: &Report) -> String {
    let is_unknown = report.agreement() == Agreement::Unknown;
    let changes = match report.changes.len() {
        1 => "1 change".to_owned(),
        number => format!("{number} changes"),
    };
    let agreement = agreement_phrase(&report.settings);
    let (style, line) = match (report.mode, report.changed, report.in_sync) {
        _ if report.failure.is_some() => (BAD, summary(report)),
        (Mode::Apply, true, true) => (GOOD, format!("ok: {changes} made; {agreement}")),
        (Mode::Apply, true, false) if is_unknown => {
            (DOUBT, format!("could not tell: {changes} made, but the next boot cannot be known"))
        }
        (Mode::Apply, true, false) => (BAD, format!("drift: {changes} made, but not everything is in sync")),
        (Mode::Check, true, _) if is_unknown => {
            (DOUBT, format!("could not tell: the next boot cannot be known; apply would make {changes}"))
        }
        (Mode::Check, true, _) => (BAD, format!("drift; apply would make {changes}")),
        (_, false, true) => (GOOD, summary(report)),
        (_, false, false) if is_unknown => (DOUBT, summary(report)),
        (_, false, false) => (BAD, summary(report)),
    };
    painted(style.bold(), line)
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
        Change::Initrd { path, .. } => format!("{} rebuilt", printable(&path.to_string_lossy())),
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

/// All that is to be said of a setting: its drifts, and that its boot cannot be known.
#[must_use]
pub fn verdicts(setting: &SettingReport) -> String {
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

/// The style of a verdict.
fn style_of(verdict: Verdict) -> Style {
    match verdict {
        Verdict::InSync => GOOD,
        Verdict::NotInFiles => PLAIN,
        Verdict::Unknown | Verdict::NotHere => DOUBT,
        Verdict::LiveDrift
        | Verdict::BootDrift
        | Verdict::LostAtBoot
        | Verdict::Shadowed
        | Verdict::NotOnThisKernel => BAD,
    }
}

/// The text of an inventory.
#[must_use]
pub fn inventory(inventory: &Inventory) -> String {
    let rows = inventory.settings.iter().map(|setting| {
        let winner = setting.winner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let live = number(setting.live, setting.live_human.as_deref());
        let verdict = Cell::new(style_of(setting.verdict), verdict(setting.verdict));
        let name = short(setting.name.as_str()).to_owned();
        vec![name.into(), live.into(), number(setting.boot, None).into(), winner.into(), verdict]
    });
    let mut text = match inventory.settings.as_slice() {
        [] => "no setting to show\n".to_owned(),
        _ => columns(&["SETTING", "LIVE", "BOOT", "FROM", "VERDICT"], rows),
    };
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
        let (style, role) = match telling.role {
            Role::Wins => (GOOD, "wins"),
            Role::Shadowed => (PLAIN, "shadowed"),
            Role::Lost => (BAD, "lost"),
        };
        let role = painted(style, format!("{role:<8}"));
        text += &format!("  {role}  {}  {}\n", printable(&telling.place.to_string()), printable(&telling.text));
    }
    for line in &story.not_read {
        let place = line.place.to_string();
        text += &format!("not read: {}, because {}\n", printable(&place), printable(&line.because));
    }
    for writer in &story.later_writers {
        text += &format!("{} {}\n", painted(DOUBT, "warning:"), printable(&writer.message));
    }
    text += &format!("verdict: {}", painted(style_of(*found).bold(), verdict(*found)));
    if let Some(advice) = advice {
        text += &format!(" ({})", printable(&advice.to_string()));
    }
    text
}
