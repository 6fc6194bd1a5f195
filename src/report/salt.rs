//! Renders a report as the result of a Salt state, without its name.

use serde_json::{Map, Value, json};

use super::diff::unified;
use super::finding;
use super::{Agreement, Change, Mode, Report, text};
use crate::text::{printable, printable_lines};

/// One JSON object. `result` is true if all of the request holds now, false if the run failed or a check could not tell,
/// and null if a check found that apply would change something.
#[must_use]
pub fn report(report: &Report) -> String {
    let result = match (&report.failure, report.mode) {
        (Some(_), _) => Some(false),
        (None, Mode::Check) if report.changed => None,
        (None, Mode::Check) if report.agreement() == Agreement::Unknown => Some(false),
        (None, _) => Some(true),
    };
    let mut outcome = json!({"result": result, "changes": changes(report), "comment": comment(report)});
    // Salt counts a state with this list as one that warns, even if the list is empty.
    if !report.warnings.is_empty() {
        let line = |code, message| format!("{}: {}", finding::name(code), printable(message));
        outcome["warnings"] = report.warnings.iter().map(|warning| line(&warning.code, &warning.message)).collect();
    }
    crate::answer::json(&outcome)
}

/// The differences by setting, file and module; after a failed rollback, those that remain.
fn changes(report: &Report) -> Map<String, Value> {
    let mut changes = Map::new();
    // Salt counts a state as changed if this is not empty, even if another program made the change.
    if !report.changed {
        return changes;
    }
    for setting in &report.settings {
        let (live, boot) = (&setting.live, &setting.boot);
        let mut sides = Map::new();
        for (side, old, new) in [("live", live.before, live.after), ("boot", boot.before, boot.after)] {
            if old != new {
                sides.insert(side.to_owned(), json!({"old": old, "new": new}));
            }
        }
        if !sides.is_empty() {
            changes.insert(printable(&setting.name).into_owned(), sides.into());
        }
    }
    for change in &report.changes {
        match change {
            Change::Module { name } => {
                changes.insert(format!("module {name}"), json!({"old": "not loaded", "new": "loaded"}));
            }
            // The settings above have the live values.
            Change::Live { .. } => {}
            Change::File { path, .. } => {
                let path = path.to_string_lossy();
                // The diff of a created or a removed file names the file on one side only.
                let diffs = report.diff.iter().filter(|diff| diff.before_header == path || diff.after_header == path);
                let diff: String = diffs.map(|diff| printable_lines(&unified(diff))).collect();
                changes.insert(printable(&path).into_owned(), json!({"diff": diff}));
            }
            Change::Initrd { path, command } => {
                let path = path.to_string_lossy();
                changes
                    .insert(printable(&path).into_owned(), json!({"new": format!("made by {}", printable(command))}));
            }
        }
    }
    changes
}

/// The outcome or the failure with its remedy, then each setting that is not as desired.
fn comment(report: &Report) -> String {
    let mut comment = report.failure.as_ref().map(text::failure).unwrap_or_default();
    comment += &text::summary(report);
    for finding in report.settings.iter().filter_map(|setting| finding::setting(setting, report.mode)) {
        comment += &format!("\n{}", finding.message);
    }
    for file in &report.backup_files {
        comment += &format!("\n{}", text::backup_line(file));
    }
    comment
}
