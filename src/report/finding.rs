//! Lists the findings of a report: each setting that is not as desired, the failure, and each warning. The outputs for
//! continuous integration and the summary of many hosts render them.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::{Mode, Report, SettingReport, text};
use crate::failure::{Failure, Kind};
use crate::text::{number, printable, short};
use crate::tree::Place;
use crate::verify::Verdict;
use crate::warning::Code;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A setting is not as desired, or this cannot be known, or the run failed.
    Error,
    /// The user should know this, although it is no failure.
    Warning,
}

/// One line about a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The severity.
    pub level: Severity,
    /// The stable name: a verdict, a kind of failure, or a code of a warning.
    pub rule: String,
    /// The program that a warning `later_writer` is about.
    pub by: Option<String>,
    /// The setting concerned.
    pub setting: Option<String>,
    /// The problem and the remedy, on one line without control characters.
    pub message: String,
    /// The problem alone, without the values that only this host has and without the remedy.
    pub about: String,
    /// The remedy: the one thing to do.
    pub advice: Option<String>,
    /// The file with the line that sets the wrong value at boot, or that is the reason for a doubt, if there is one.
    pub file: Option<PathBuf>,
    /// The number of that line, if it is one line.
    pub line: Option<usize>,
}

/// The findings of a report, settings first.
#[must_use]
pub fn findings(report: &Report) -> Vec<Finding> {
    let mut findings: Vec<Finding> = report.settings.iter().filter_map(|one| setting(one, report.mode)).collect();
    // The finding of a setting names the same line with the same remedy.
    let is_said = |failure: &&Failure| {
        matches!(failure.kind, Kind::Conflict | Kind::BootUnknown)
            && findings.iter().any(|finding| finding.setting == failure.key)
    };
    findings.extend(report.failure.iter().filter(|failure| !is_said(failure)).map(failure).collect::<Vec<_>>());
    for warning in &report.warnings {
        // A setting's own finding says the same, with file and line.
        let is_covered = match warning.code {
            Code::Shadowed => findings.iter().any(|finding| finding.setting == warning.key),
            Code::BootUnknown => report.settings.iter().any(|one| one.advice.as_ref() == Some(&warning.message)),
            _ => false,
        };
        if !is_covered {
            findings.push(Finding {
                level: Severity::Warning,
                rule: name(&warning.code),
                by: warning.by.clone(),
                setting: warning.key.clone(),
                message: printable(&warning.message).into_owned(),
                about: printable(&warning.message).into_owned(),
                advice: None,
                file: None,
                line: None,
            });
        }
    }
    findings
}

/// The finding about a setting, if it is not as desired.
#[must_use]
pub fn setting(setting: &SettingReport, mode: Mode) -> Option<Finding> {
    if setting.verdict == Verdict::InSync {
        return None;
    }
    let found = Found::new(setting, mode);
    let doubt = setting.doubts.first().filter(|_| setting.verdict == Verdict::Unknown);
    let wrong_line = found.wrong_line.map_or_else(String::new, |place| format!(" ({place})"));
    let verdicts = format!("{}: {}", short(&setting.name), text::verdicts(setting));
    let mut message = format!(
        "{verdicts}: desired {}, live {}, boot {}{wrong_line}",
        text::desired(setting),
        number(found.live, None),
        number(found.boot, None),
    );
    if let Some(advice) = &setting.advice {
        message += &format!("; {advice}");
    }
    Some(Finding {
        level: Severity::Error,
        rule: name(&setting.verdict),
        by: None,
        setting: Some(setting.name.clone()),
        message: printable(&message).into_owned(),
        about: printable(&format!("{verdicts}{wrong_line}")).into_owned(),
        advice: setting.advice.as_deref().map(|advice| printable(advice).into_owned()),
        file: found.wrong_line.map(|place| place.file.to_path_buf()).or(doubt.and_then(|doubt| doubt.file.clone())),
        line: found.wrong_line.map(|place| place.line).or(doubt.and_then(|doubt| doubt.line)),
    })
}

/// The state that the verdict on a setting judges: the machine as the run left it. A check leaves it as it was.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The live value.
    pub live: Option<i64>,
    /// The value that the next boot sets.
    pub boot: Option<i64>,
    /// The line that sets the wrong value at boot, if there is one.
    pub wrong_line: Option<&'a Place>,
}

impl<'a> Found<'a> {
    /// The state of a setting in the report of a run in this mode.
    #[must_use]
    pub fn new(setting: &'a SettingReport, mode: Mode) -> Found<'a> {
        let (live, boot) = (&setting.live, &setting.boot);
        let (live, boot, winner) = match mode {
            Mode::Check => (live.before, boot.before, &boot.winner_before),
            Mode::Apply => (live.after, boot.after, &boot.winner),
        };
        let of_files = [Verdict::BootDrift, Verdict::LostAtBoot, Verdict::Shadowed];
        let is_of_files = setting.drifts.iter().any(|drift| of_files.contains(drift));
        Found { live, boot, wrong_line: winner.as_ref().filter(|_| is_of_files) }
    }
}

fn failure(failure: &Failure) -> Finding {
    Finding {
        level: Severity::Error,
        rule: name(&failure.kind),
        by: None,
        setting: failure.key.clone(),
        message: printable(&failure.to_string()).into_owned(),
        about: printable(&failure.message).into_owned(),
        advice: failure.hint.as_deref().map(|hint| printable(hint).into_owned()),
        file: None,
        line: None,
    }
}

/// The stable name of a verdict, a kind or a code: as in JSON.
pub(super) fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => unreachable!("the enum has no content"),
    }
}
