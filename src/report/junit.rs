//! Renders a report as JUnit XML, which CI systems show as tests: each setting is one.

use super::finding::{self, Finding};
use super::{Agreement, Report, SettingReport};
use crate::text::{escaped, printable};
use crate::verify::Verdict;

/// The XML document.
#[must_use]
pub fn report(report: &Report) -> String {
    let findings: Vec<_> =
        report.settings.iter().map(|setting| (setting, finding::setting(setting, report.mode))).collect();
    let count = |element| findings.iter().filter(|(setting, _)| self::element(setting.verdict) == element).count();
    let (mut failures, mut errors) = (count(Some(FAILURE)), count(Some(ERROR)));
    let mut cases: Vec<String> = findings.iter().map(|(setting, finding)| case(setting, finding.as_ref())).collect();
    if let Some(failure) = &report.failure {
        // A failure that apply would meet is a failed test. If nobody can tell, the test itself is broken.
        let is_unknown = report.agreement() == Agreement::Unknown;
        let (element, count) = if is_unknown { (ERROR, &mut errors) } else { (FAILURE, &mut failures) };
        *count += 1;
        cases.push(format!(
            "    <testcase classname=\"conntrack-sysctl\" name=\"the request\">\n      <{element} type=\"{}\" message=\"{}\"/>\n    \
             </testcase>\n",
            attribute(&finding::name(&failure.kind)),
            attribute(&failure.to_string())
        ));
    }
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", cases.len());
    let warnings: String = report.warnings.iter().map(|warning| attribute(&warning.message) + "\n").collect();
    let output = if warnings.is_empty() { String::new() } else { format!("    <system-err>{warnings}</system-err>\n") };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"conntrack-sysctl\" {counts}>\n  <testsuite \
         name=\"conntrack-sysctl\" {counts}>\n{}{output}  </testsuite>\n</testsuites>",
        cases.concat()
    )
}

/// The element of a test that failed, and of one whose outcome is not known.
const FAILURE: &str = "failure";
const ERROR: &str = "error";

/// The element that a setting with this verdict gets.
fn element(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::InSync => None,
        Verdict::Unknown => Some(ERROR),
        _ => Some(FAILURE),
    }
}

fn case(setting: &SettingReport, finding: Option<&Finding>) -> String {
    let head = format!("    <testcase classname=\"conntrack-sysctl\" name=\"{}\"", attribute(&setting.name));
    match (element(setting.verdict), finding) {
        (Some(element), Some(finding)) => format!(
            "{head}>\n      <{element} type=\"{}\" message=\"{}\"/>\n    </testcase>\n",
            attribute(&finding.rule),
            attribute(&finding.message)
        ),
        _ => head + "/>\n",
    }
}

/// `text` as an attribute or as content. XML cannot express most control characters, so they are escaped before.
fn attribute(text: &str) -> String {
    escaped(&printable(text))
}
