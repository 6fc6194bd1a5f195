//! Renders a report as JUnit XML, which CI systems show as tests: each setting is one.
//!
//! There is no one schema of JUnit. The document is valid under the two that are in wide use, that of Jenkins' xUnit plugin
//! and Windy Road's. The second one asks for elements and attributes of which this report has nothing to say, such as the
//! duration of a test.

use super::finding::{self, Finding};
use super::{Agreement, Report, SettingReport, text};
use crate::text::{escaped, printable, printable_lines};
use crate::verify::Verdict;

/// The XML document.
#[must_use]
pub fn report(report: &Report) -> String {
    // CI systems sort tests by their class, so that each host stands alone.
    let origin = report.origin.as_ref();
    let host = origin.map_or("localhost", |origin| origin.host.as_str());
    let class = origin.map_or_else(|| "conntrack-sysctl".to_owned(), |_| format!("conntrack-sysctl.{host}"));
    // Windy Road's schema has no place for the name of the time zone.
    let time = origin.map_or("1970-01-01T00:00:00", |origin| origin.time.trim_end_matches('Z'));

    let mut cases: Vec<Case> = report.settings.iter().map(|setting| case(setting, report)).collect();
    if let Some(failure) = &report.failure {
        // A failure that apply would meet is a failed test. If nobody can tell, the test itself is broken.
        let is_unknown = report.agreement() == Agreement::Unknown;
        let outcome = if is_unknown { Outcome::Error } else { Outcome::Failure };
        cases.push(Case {
            name: "the request".to_owned(),
            outcome,
            rule: finding::name(&failure.kind),
            message: failure.to_string(),
            text: text::failure(failure),
        });
    }
    let count = |outcome| cases.iter().filter(|case| case.outcome == outcome).count();
    let head = format!(
        "<testsuite name=\"conntrack-sysctl\" package=\"conntrack-sysctl\" id=\"0\" hostname=\"{}\" timestamp=\"{}\" \
         tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"0\">",
        attribute(host),
        attribute(time),
        cases.len(),
        count(Outcome::Failure),
        count(Outcome::Error),
    );
    let class = attribute(&class);
    let elements: String = cases.iter().map(|case| element(case, &class)).collect();
    let warnings: String = report.warnings.iter().map(|warning| attribute(&warning.message) + "\n").collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  {head}\n    <properties/>\n{elements}    \
         <system-out>{}</system-out>\n    <system-err>{warnings}</system-err>\n  </testsuite>\n</testsuites>",
        attribute(&text::summary(report)),
    )
}

/// One test.
struct Case {
    name: String,
    outcome: Outcome,
    /// The stable name of the finding.
    rule: String,
    /// The finding in one line.
    message: String,
    /// The finding in lines, which CI systems show below the test.
    text: String,
}

/// The outcome of a test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    /// The test failed.
    Failure,
    /// The outcome is not known.
    Error,
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

fn element(case: &Case, class: &str) -> String {
    let head = format!("    <testcase name=\"{}\" classname=\"{class}\" time=\"0\"", attribute(&case.name));
    let element = match case.outcome {
        Outcome::Success => return head + "/>\n",
        Outcome::Failure => "failure",
        Outcome::Error => "error",
    };
    format!(
        "{head}>\n      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n    </testcase>\n",
        attribute(&case.rule),
        attribute(&case.message),
        escaped(&printable_lines(&case.text)),
    )
}

/// `text` as an attribute or as content. XML cannot express most control characters, so they are escaped before.
fn attribute(text: &str) -> String {
    escaped(&printable(text))
}
