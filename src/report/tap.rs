//! Renders a report as TAP, the Test Anything Protocol, which `prove` and many CI systems read: each setting is a test.
//!
//! It is version 13, which readers of version 14 take too. The details of a test that is not ok are a block of YAML, whose texts are
//! written as JSON strings: those are YAML as well, and need no other rules of escaping.

use super::cases::{Case, Outcome, cases};
use super::{Report, text};
use crate::text::{printable, printable_lines};

/// The document.
#[must_use]
pub fn report(report: &Report) -> String {
    let cases = cases(report);
    // A plan of no test wants a reason.
    let reason = if cases.is_empty() { " # SKIP no setting to compare" } else { "" };
    let mut lines = vec!["TAP version 13".to_owned(), format!("1..{}{reason}", cases.len())];
    lines.extend(report.origin.iter().map(|origin| comment(&format!("{} at {}", origin.host, origin.time))));
    for (number, case) in (1..).zip(&cases) {
        lines.push(test(number, case));
    }
    lines.extend(report.warnings.iter().map(|warning| comment(&format!("warning: {}", warning.message))));
    lines.push(comment(&text::summary(report)));
    lines.join("\n")
}

fn test(number: usize, case: &Case) -> String {
    let Case { name, outcome, rule, text, .. } = case;
    let severity = match outcome {
        Outcome::Success => return format!("ok {number} - {name}"),
        Outcome::Failure => "fail",
        Outcome::Error => "unknown",
    };
    let details = [("severity", severity), ("rule", rule), ("message", text.trim_end())];
    let details = details.map(|(field, text)| format!("  {field}: {}\n", quoted(text)));
    format!("not ok {number} - {name}\n  ---\n{}  ...", details.concat())
}

fn comment(text: &str) -> String {
    format!("# {}", printable(text))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(printable_lines(text)).to_string()
}
