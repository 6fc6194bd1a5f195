//! Renders a report and an inventory as the JSON object that Ansible reads from a module.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Diff, Report, text};
use crate::failure::Failure;
use crate::show::Inventory;
use crate::text::{printable, printable_lines};
use crate::verify::{Verdict, arrival_text};

/// The object for a report of a task that asks for a diff.
#[must_use]
pub fn report_with_diff(report: &Report) -> Value {
    let mut result = self::report(report);
    // Ansible shows these texts to people as they are.
    let diff = |diff: &Diff| Diff {
        before_header: printable(&diff.before_header).into_owned(),
        after_header: printable(&diff.after_header).into_owned(),
        before: printable_lines(&diff.before),
        after: printable_lines(&diff.after),
    };
    result["diff"] = value(&report.diff.iter().map(diff).collect::<Vec<_>>());
    result
}

/// The object for a report.
#[must_use]
pub fn report(report: &Report) -> Value {
    let message = match &report.failure {
        Some(failure) => printable(&failure.to_string()).into_owned(),
        None => text::summary(report),
    };
    let warnings: Vec<_> = report.warnings.iter().map(|warning| printable(&warning.message)).collect();
    let mut result = json!({
        "changed": report.changed,
        "failed": report.failure.is_some(),
        "msg": message,
        "in_sync": report.in_sync,
        "settings": value(&report.settings),
        "changes": value(&report.changes),
        "warnings": warnings,
        "warning_codes": report.warnings.iter().map(|warning| value(&warning.code)).collect::<Vec<_>>(),
        "failure": report.failure.as_ref().map(self::failure),
    });
    let backups: Vec<_> = report.backup_files.iter().map(|file| file.to_string_lossy()).collect();
    if let Some(file) = backups.first() {
        // Ansible's own modules return one `backup_file`; a run may keep several.
        result["backup_file"] = json!(file);
        result["backup_files"] = json!(backups);
    }
    result
}

/// The object for an inventory.
#[must_use]
pub fn inventory(inventory: &Inventory) -> Value {
    let with = |picks: fn(Verdict) -> bool| {
        let picked = inventory.settings.iter().filter(move |setting| picks(setting.verdict));
        picked.map(|setting| setting.name.as_str()).collect::<Vec<_>>()
    };
    let held = with(|verdict| verdict == Verdict::InSync).len();
    let not_in_files = with(|verdict| verdict == Verdict::NotInFiles).len();
    let unknown = with(|verdict| verdict == Verdict::Unknown);
    let differ = with(|verdict| !matches!(verdict, Verdict::InSync | Verdict::NotInFiles | Verdict::Unknown));
    let mut parts = Vec::new();
    if !differ.is_empty() {
        parts.push(format!("the next boot changes: {}", differ.join(", ")));
    }
    if !unknown.is_empty() {
        parts.push(format!("the next boot cannot be known for: {}", unknown.join(", ")));
    }
    if not_in_files > 0 {
        parts.push(format!("{not_in_files} settings: no file holds them, so the next boot sets the kernel's defaults"));
    }
    if parts.is_empty() || held > 0 {
        parts.push(format!("{held} settings: each keeps its value after the next boot"));
    }
    json!({
        "changed": false,
        "failed": false,
        "msg": parts.join("; "),
        "in_sync": held == inventory.settings.len(),
        "loader": value(&inventory.loader),
        "module": arrival_text(&inventory.module),
        "settings": value(&inventory.settings),
    })
}

/// The object for a failure without a report.
#[must_use]
pub fn refusal(failure: &Failure) -> Value {
    json!({"changed": false, "failed": true, "msg": printable(&failure.to_string()), "failure": self::failure(failure)})
}

/// A failure, whose texts Ansible shows to people as they are.
fn failure(failure: &Failure) -> Value {
    let shown = |text: &String| printable(text).into_owned();
    value(&Failure {
        message: shown(&failure.message),
        hint: failure.hint.as_ref().map(shown),
        remains: failure.remains.iter().map(shown).collect(),
        ..failure.clone()
    })
}

fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a report has string keys only")
}
