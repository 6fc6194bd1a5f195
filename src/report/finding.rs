//! Decides what of a report is worth a line of its own: each setting that is not as desired, why the run failed, and each
//! warning. The outputs for continuous integration and the summary of many hosts render these.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::{Report, SettingReport, text};
use crate::failure::Failure;
use crate::tree::Place;
use crate::verify::Verdict;
use crate::warning::Code;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something is not as desired, or the run failed.
    Error,
    /// Something to know.
    Warning,
}

/// One thing that a report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The stable name: a verdict, a kind of failure, or a code of a warning.
    pub rule: String,
    /// The setting that it is about.
    pub setting: Option<String>,
    /// What it is and what to do, on one line without control characters.
    pub message: String,
    /// The file whose line decides the setting at boot, where that is what is wrong.
    pub file: Option<PathBuf>,
    /// The line.
    pub line: Option<usize>,
}

/// The findings of a report, settings first.
#[must_use]
pub fn findings(report: &Report) -> Vec<Finding> {
    let mut findings: Vec<Finding> = report.settings.iter().filter_map(setting).collect();
    findings.extend(report.failure.iter().map(failure));
    for warning in &report.warnings {
        // The setting's own finding has said that, with file and line.
        let is_said = warning.code == Code::Shadowed && findings.iter().any(|finding| finding.setting == warning.key);
        if !is_said {
            findings.push(Finding {
                level: Level::Warning,
                rule: name(&warning.code),
                setting: warning.key.clone(),
                message: text::printable(&warning.message).into_owned(),
                file: None,
                line: None,
            });
        }
    }
    findings
}

/// The finding about a setting, if it is not as desired.
#[must_use]
pub fn setting(setting: &SettingReport) -> Option<Finding> {
    if setting.verdict == Verdict::InSync {
        return None;
    }
    let place = wrong_line(setting);
    let mut message = format!(
        "{}: {}: desired {}, live {}, boot {}",
        text::short(&setting.name),
        text::verdict(setting.verdict),
        text::desired(setting),
        text::number(setting.live.before, None),
        text::number(setting.boot.before, None),
    );
    if let Some(place) = place {
        message += &format!(" ({place})");
    }
    if let Some(advice) = &setting.advice {
        message += &format!("; {advice}");
    }
    Some(Finding {
        level: Level::Error,
        rule: name(&setting.verdict),
        setting: Some(setting.name.clone()),
        message: text::printable(&message).into_owned(),
        file: place.map(|place| place.file.clone()),
        line: place.map(|place| place.line),
    })
}

/// The line that makes the setting at boot what it should not be.
#[must_use]
pub fn wrong_line(setting: &SettingReport) -> Option<&Place> {
    match setting.verdict {
        Verdict::BootDrift | Verdict::LostAtBoot | Verdict::Shadowed => setting.boot.winner.as_ref(),
        _ => None,
    }
}

fn failure(failure: &Failure) -> Finding {
    Finding {
        level: Level::Error,
        rule: name(&failure.kind),
        setting: failure.key.clone(),
        message: text::printable(&failure.to_string()).into_owned(),
        file: None,
        line: None,
    }
}

/// The stable name of a verdict, a kind or a code: as in JSON.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => unreachable!("it is an enum without content"),
    }
}
