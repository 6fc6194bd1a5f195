//! Renders a report as JUnit XML, which CI systems show as tests: each setting is one.

use super::Report;
use super::finding::{self, Severity};
use crate::text::{escaped, printable};

/// The XML document.
#[must_use]
pub fn report(report: &Report) -> String {
    let findings: Vec<_> =
        report.settings.iter().map(|setting| (setting, finding::setting(setting, report.mode))).collect();
    let mut failures = findings.iter().filter(|(_, finding)| finding.is_some()).count();
    let mut cases: Vec<String> =
        findings.iter().map(|(setting, finding)| case(&setting.name, finding.as_ref())).collect();
    let mut errors = 0;
    if let Some(failure) = &report.failure {
        let rule = finding::findings(report)
            .into_iter()
            .rfind(|finding| finding.level == Severity::Error)
            .map(|finding| finding.rule);
        // A failure that apply would meet is a failed test. If nothing could be compared, the test itself is broken.
        let element = if report.settings.is_empty() { "error" } else { "failure" };
        if report.settings.is_empty() {
            errors += 1;
        } else {
            failures += 1;
        }
        cases.push(format!(
            "    <testcase classname=\"conntrack-sysctl\" name=\"the request\">\n      <{element} type=\"{}\" message=\"{}\"/>\n    \
             </testcase>\n",
            attribute(&rule.unwrap_or_default()),
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

fn case(name: &str, finding: Option<&finding::Finding>) -> String {
    let head = format!("    <testcase classname=\"conntrack-sysctl\" name=\"{}\"", attribute(name));
    match finding {
        None => head + "/>\n",
        Some(finding) => format!(
            "{head}>\n      <failure type=\"{}\" message=\"{}\"/>\n    </testcase>\n",
            attribute(&finding.rule),
            attribute(&finding.message)
        ),
    }
}

/// `text` as an attribute or as content. XML cannot express most control characters, so they are escaped before.
fn attribute(text: &str) -> String {
    escaped(&printable(text))
}
