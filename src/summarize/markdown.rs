//! Renders a summary as Markdown, for a job's summary or a merge request.

use super::{Summary, text};
use crate::report::Agreement;
use crate::report::finding::Severity;
use crate::text::{printable, short};

/// The document, without the last line end.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let mut document = format!("### Connection tracking\n\n{}\n", summary.headline());
    let apart: Vec<_> = summary.hosts.iter().filter(|host| !text::lines(host).is_empty()).collect();
    if !apart.is_empty() {
        document += "\n| host | outcome | setting | finding | where |\n| --- | --- | --- | --- | --- |\n";
    }
    for host in apart {
        let name = code(&host.name);
        for finding in &host.findings {
            let outcome = match finding.level {
                Severity::Error => format!("**{}**", host.outcome.name()),
                Severity::Warning => "warning".to_owned(),
            };
            let setting = finding.setting.as_deref().map_or_else(|| "-".to_owned(), |name| code(short(name)));
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => code(&format!("{}:{line}", file.display())),
                (Some(file), None) => code(&file.display().to_string()),
                _ => "-".to_owned(),
            };
            document += &format!("| {name} | {outcome} | {setting} | {} | {place} |\n", code(&finding.message));
        }
        if let Some(error) = &host.error {
            document += &format!("| {name} | **{}** | - | {} | - |\n", Agreement::Unknown.name(), code(error));
        }
    }
    document.truncate(document.trim_end().len());
    document
}

/// `text` as a code span in a table, so that nothing in it is markup, a link or a mention.
fn code(text: &str) -> String {
    format!("`{}`", printable(text).replace('`', "'").replace('|', "\\|"))
}
