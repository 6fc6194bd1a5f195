//! Renders a summary as text for people.

use anstyle::Style;

use super::{Host, Summary};
use crate::report::Agreement;
use crate::text::style::{BAD, Cell, DOUBT, GOOD, PLAIN, painted};
use crate::text::{columns, printable};

/// The text, without the last line end: a line for each host, then the findings of each host.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let outcome = |host: &Host| Cell::new(style_of(host.outcome), host.outcome.name());
    let rows = summary.hosts.iter().map(|host| vec![host.name.clone().into(), outcome(host), report(host).into()]);
    let mut text = columns(&["HOST", "OUTCOME", "REPORT"], rows);
    for host in &summary.hosts {
        for line in lines(host) {
            text += &format!("{}: {line}\n", printable(&host.name));
        }
    }
    let worst = summary.hosts.first().map_or(PLAIN, |host| style_of(host.outcome));
    text + &painted(worst.bold(), summary.headline())
}

fn style_of(outcome: Agreement) -> Style {
    match outcome {
        Agreement::InSync => GOOD,
        Agreement::Drift => BAD,
        Agreement::Unknown => DOUBT,
    }
}

/// The time of a host's report, and whether it is stale.
fn report(host: &Host) -> String {
    let stale = if host.is_stale { ", stale" } else { "" };
    host.origin.as_ref().map_or_else(|| "-".to_owned(), |origin| format!("{}{stale}", origin.time))
}

/// The findings of a host, or the reason why there is no report; one line each.
pub(super) fn lines(host: &Host) -> Vec<String> {
    let findings = host.findings.iter().map(|finding| finding.message.clone());
    let error = host.error.iter().map(|error| printable(error).into_owned());
    findings.chain(error).collect()
}
