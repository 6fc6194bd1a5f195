//! Renders a summary as one HTML page that loads nothing: the counts, the groups of equal findings, a table of hosts by
//! settings, and the findings of each host. The counts are filters, by style sheet alone.

use super::group::Group;
use super::{Host, Summary, text};
use crate::order::InOrder;
use crate::report::finding::{Found, Severity};
use crate::report::text::{desired, verdicts};
use crate::report::{Agreement, DoubtReport, SettingReport};
use crate::text::{escaped, number, printable, short};
use crate::verify::Verdict;

const STYLE: &str = include_str!("html/page.css");

/// The page has no scripts and loads nothing. The policy enforces that, whatever text a report brings in.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page, without the last line end.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{headline}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Connection tracking</h1>\n<p class=\"meta\">{headline}{newest}</p>\n",
        headline = content(&summary.headline()),
        newest = summary.newest().map_or_else(String::new, |time| format!("; newest report {}", content(time))),
    );
    page += &counts(summary);
    page += &groups(summary);
    page += &table(summary);
    page += &details(&summary.hosts);
    page + "</body>\n</html>"
}

/// The counts, each of which shows its hosts alone.
fn counts(summary: &Summary) -> String {
    let mut counts = "<fieldset class=\"counts\" aria-label=\"Show\">\n".to_owned();
    let rows = [
        ("all", summary.hosts.len(), "all hosts"),
        (Agreement::Unknown.name(), summary.unknown, "unknown"),
        (Agreement::Drift.name(), summary.drift, "drifting"),
        (Agreement::InSync.name(), summary.in_sync, "in sync"),
    ];
    for (name, count, label) in rows {
        let checked = if name == "all" { " checked" } else { "" };
        counts += &format!(
            "<label class=\"{name}\"><input type=\"radio\" name=\"only\" id=\"only-{name}\"{checked}><b>{count}</b>{label}</label>\n"
        );
    }
    counts + "</fieldset>\n"
}

fn groups(summary: &Summary) -> String {
    if summary.groups.is_empty() {
        return String::new();
    }
    let numbers = summary.hosts.iter().enumerate().map(|(number, host)| (host.name.as_str(), number)).into_map();
    let groups: String = summary.groups.iter().map(|one| group(one, &numbers)).collect();
    format!("<h2>Findings, the most frequent first</h2>\n<div class=\"groups\">\n{groups}</div>\n")
}

fn group(group: &Group, numbers: &std::collections::BTreeMap<&str, usize>) -> String {
    let class = match group.level {
        Severity::Error if group.rule == "unknown" || group.rule == "no_report" => "unknown",
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let hosts = match group.hosts.len() {
        1 => "1 host".to_owned(),
        count => format!("{count} hosts"),
    };
    let links: Vec<String> = group
        .hosts
        .iter()
        .map(|name| format!("<a href=\"#host-{}\">{}</a>", numbers[name.as_str()], content(name)))
        .collect();
    let advice = group.advice.as_deref().map_or_else(String::new, |advice| format!("<p>{}</p>\n", content(advice)));
    format!(
        "<details>\n<summary><span class=\"count\">{hosts}</span> <strong class=\"{class}\">{}</strong></summary>\n\
         {advice}<p>{}</p>\n</details>\n",
        content(&group.about),
        links.join(", ")
    )
}

fn table(summary: &Summary) -> String {
    let settings = summary.settings();
    let mut table = "<h2>Hosts</h2>\n<div class=\"scroll\">\n<table>\n<thead>\n\
                     <tr><th scope=\"col\">host</th><th scope=\"col\">outcome</th>\
                     <th scope=\"col\">report</th>"
        .to_owned();
    for name in &settings {
        // All settings begin with these words, which would only make the columns wide.
        let label = short(name).trim_start_matches("nf_conntrack_");
        table += &format!("<th scope=\"col\" title=\"{}\"><code>{}</code></th>", content(name), content(label));
    }
    table += "</tr>\n</thead>\n<tbody>\n";
    for (number, host) in summary.hosts.iter().enumerate() {
        let outcome = host.outcome.name();
        let name = content(&host.name);
        let name = if text::lines(host).is_empty() { name } else { format!("<a href=\"#host-{number}\">{name}</a>") };
        table += &format!(
            "<tr data-outcome=\"{outcome}\"><th scope=\"row\">{name}</th><td class=\"{outcome}\"><strong>{outcome}</strong></td>{}",
            report(host)
        );
        for name in &settings {
            let setting = host.settings.iter().find(|setting| setting.name == *name);
            table += &setting.map_or_else(|| "<td>-</td>".to_owned(), |setting| cell(setting, host));
        }
        table += "</tr>\n";
    }
    table + "</tbody>\n</table>\n</div>\n"
}

/// The cell about the report itself: its time, and the kernel and the program that it tells of.
fn report(host: &Host) -> String {
    let Some(origin) = &host.origin else { return "<td>-</td>".to_owned() };
    let stale = if host.is_stale { "<strong class=\"unknown\">stale</strong> " } else { "" };
    format!(
        "<td>{stale}{}<small>kernel {}, version {}</small></td>",
        content(&origin.time),
        content(&origin.kernel),
        content(&origin.version)
    )
}

fn cell(setting: &SettingReport, host: &Host) -> String {
    let found = Found::new(setting, host.mode);
    let live = number(found.live, None);
    if setting.verdict == Verdict::InSync {
        let human = setting.live.human.as_ref().map_or_else(String::new, |human| format!(" ({})", content(human)));
        // An image has no live side.
        let value = found.live.or(found.boot);
        return format!("<td class=\"in_sync\">{}{human}</td>", number(value, None));
    }
    let doubtful = setting.doubts.first().and_then(DoubtReport::place);
    let place = found.wrong_line.map(ToString::to_string).or(doubtful);
    let place = place.map_or_else(String::new, |place| format!("<small><code>{}</code></small>", content(&place)));
    let class = if setting.verdict == Verdict::Unknown { "unknown" } else { "drift" };
    format!(
        "<td class=\"{class}\"><strong>{}</strong><small>desired {}</small><small>live {}</small><small>boot {}</small>{place}</td>",
        verdicts(setting),
        content(&desired(setting)),
        content(&live),
        content(&number(found.boot, None))
    )
}

fn details(hosts: &[Host]) -> String {
    let mut details = String::new();
    for (number, host) in hosts.iter().enumerate() {
        let lines = text::lines(host);
        if lines.is_empty() {
            continue;
        }
        let outcome = host.outcome.name();
        details += &format!(
            "<section data-outcome=\"{outcome}\" id=\"host-{number}\">\n<h3 class=\"{outcome}\">{}</h3>\n<ul>\n",
            content(&host.name)
        );
        for line in lines {
            details += &format!("<li>{}</li>\n", content(&line));
        }
        details += "</ul>\n</section>\n";
    }
    if details.is_empty() { details } else { format!("<h2>Each host</h2>\n{details}") }
}

/// `text` as content: no markup and no control character of a report reaches the browser.
fn content(text: &str) -> String {
    escaped(&printable(text))
}
