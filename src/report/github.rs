//! Renders a report as workflow commands of GitHub Actions, which shows them as annotations.

use super::finding::{Severity, findings};
use super::{Report, text};
use crate::text::{printable, short};

/// One command on each line; if there are no findings, a notice with the summary.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut lines: Vec<String> = findings(report)
        .iter()
        .map(|finding| {
            let command = match finding.level {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            // No `file`: GitHub would treat it as a file of the repository.
            let title = finding.setting.as_deref().map_or_else(|| finding.rule.clone(), |name| short(name).into());
            format!("::{command} title={}::{}", property(&format!("conntrack-sysctl {title}")), data(&finding.message))
        })
        .collect();
    if lines.is_empty() {
        lines.push(format!("::notice title=conntrack-sysctl::{}", data(&text::summary(report))));
    }
    lines.join("\n")
}

/// `text`, escaped as the data of a command.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// `text`, escaped as a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
