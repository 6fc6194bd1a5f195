//! Renders a report as JUnit XML, which CI systems show as tests: each setting is one.
//!
//! There is no one schema of JUnit. The document is valid under the two that are in wide use, that of Jenkins' xUnit plugin
//! and Windy Road's. The second one asks for elements and attributes of which this report has nothing to say, such as the
//! duration of a test.

use super::cases::{Case, Outcome, cases};
use super::{Report, text};
use crate::text::{escaped, printable, printable_lines};

/// The XML document.
#[must_use]
pub fn report(report: &Report) -> String {
    // CI systems sort tests by their class, so that each host stands alone.
    let origin = report.origin.as_ref();
    let host = origin.map_or("localhost", |origin| origin.host.as_str());
    let class = origin.map_or_else(|| "conntrack-sysctl".to_owned(), |_| format!("conntrack-sysctl.{host}"));
    // Windy Road's schema has no place for the name of the time zone.
    let time = origin.map_or("1970-01-01T00:00:00", |origin| origin.time.trim_end_matches('Z'));

    let cases = cases(report);
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
