//! Lists a report as tests: each setting is one, and a request that failed is one more. JUnit and TAP render them.

use super::finding::{self, Finding};
use super::{Agreement, Report, SettingReport, text};
use crate::text::printable;
use crate::verify::Verdict;

/// One test.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The name of the setting, or `the request`.
    pub(super) name: String,
    /// The outcome.
    pub(super) outcome: Outcome,
    /// The stable name of the finding.
    pub(super) rule: String,
    /// The finding in one line.
    pub(super) message: String,
    /// The finding in lines, which CI systems show below the test.
    pub(super) text: String,
}

/// The outcome of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The setting is as desired.
    Success,
    /// The test failed.
    Failure,
    /// The outcome is not known.
    Error,
}

/// The tests, in the order of the report.
#[must_use]
pub(super) fn cases(report: &Report) -> Vec<Case> {
    let mut cases: Vec<Case> = report.settings.iter().map(|setting| case(setting, report)).collect();
    if let Some(failure) = &report.failure {
        // A failure that apply would meet is a failed test. If nobody can tell, the test itself is broken.
        let is_unknown = report.agreement() == Agreement::Unknown;
        let outcome = if is_unknown { Outcome::Error } else { Outcome::Failure };
        cases.push(Case {
            name: "the request".to_owned(),
            outcome,
            rule: finding::name(&failure.kind),
            message: printable(&failure.to_string()).into_owned(),
            text: text::failure(failure),
        });
    }
    cases
}

fn case(setting: &SettingReport, report: &Report) -> Case {
    let outcome = match setting.verdict {
        Verdict::InSync => Outcome::Success,
        Verdict::Unknown => Outcome::Error,
        _ => Outcome::Failure,
    };
    let finding = finding::setting(setting, report.mode);
    let (rule, message, text) = finding
        .map_or_else(Default::default, |finding| (finding.rule.clone(), finding.message.clone(), lines(&finding)));
    Case { name: setting.name.clone(), outcome, rule, message, text }
}

fn lines(finding: &Finding) -> String {
    let advice = finding.advice.iter().map(|advice| format!("do: {advice}"));
    let place = finding.file.iter().map(|file| {
        let line = finding.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("in: {}{line}", file.display())
    });
    let lines = std::iter::once(finding.message.clone()).chain(place).chain(advice);
    lines.map(|line| printable(&line).into_owned() + "\n").collect()
}
