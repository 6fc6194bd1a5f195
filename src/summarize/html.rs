//! Renders a summary as one HTML page that loads nothing: hosts by settings, each drift with its file and line.

use super::{Host, Summary, text};
use crate::report::finding::Found;
use crate::report::text::{desired, verdicts};
use crate::report::{Agreement, DoubtReport, Mode, SettingReport};
use crate::text::{escaped, number, printable, short};
use crate::verify::Verdict;

/// The page has no scripts and loads nothing. The policy enforces that, whatever text a report brings in.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Connection tracking</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #c62828; --odd: #a15c00; --good: #2e7d32; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --odd: #ffcc80; --good: #a5d6a7; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; }
h1 { font-size: 1.4rem; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
th code { white-space: nowrap; }
td.drift { box-shadow: inset 4px 0 var(--bad); }
td.unknown { box-shadow: inset 4px 0 var(--odd); }
.drift strong { color: var(--bad); }
.unknown strong { color: var(--odd); }
.in_sync strong { color: var(--good); font-weight: normal; }
td small { display: block; }
li { margin: .25rem 0; overflow-wrap: anywhere; }
</style>
</head>
<body>
"#;

/// The page, without the last line end.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let settings = summary.settings();
    let mut page = HEAD.to_owned();
    page += &format!("<h1>Connection tracking</h1>\n<p>{}</p>\n", content(&summary.headline()));
    page += "<div class=\"scroll\">\n<table>\n<thead>\n<tr><th scope=\"col\">host</th><th scope=\"col\">outcome</th>";
    for name in &settings {
        page += &format!("<th scope=\"col\"><code>{}</code></th>", content(short(name)));
    }
    page += "</tr>\n</thead>\n<tbody>\n";
    for host in &summary.hosts {
        let outcome = host.outcome.name();
        page += &format!(
            "<tr><th scope=\"row\">{}</th><td class=\"{outcome}\"><strong>{outcome}</strong></td>",
            content(&host.name)
        );
        for name in &settings {
            let mut all = host.report.iter().flat_map(|report| report.settings.iter().map(|one| (one, report.mode)));
            page += &all.find(|(setting, _)| setting.name == *name).map_or_else(|| "<td>-</td>".to_owned(), cell);
        }
        page += "</tr>\n";
    }
    page += "</tbody>\n</table>\n</div>\n";
    page += &details(&summary.hosts);
    page + "</body>\n</html>"
}

fn cell((setting, mode): (&SettingReport, Mode)) -> String {
    let found = Found::new(setting, mode);
    let live = number(found.live, None);
    if setting.verdict == Verdict::InSync {
        let human =
            setting.live.human.as_ref().map_or_else(String::new, |human| format!(" <small>{}</small>", content(human)));
        return format!("<td class=\"in_sync\">{}{human}</td>", content(&live));
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
    for host in hosts {
        let lines = text::lines(host);
        if lines.is_empty() {
            continue;
        }
        let class = if host.outcome == Agreement::Unknown { "unknown" } else { "drift" };
        details += &format!("<h2 class=\"{class}\">{}</h2>\n<ul>\n", content(&host.name));
        for line in lines {
            details += &format!("<li>{}</li>\n", content(&line));
        }
        details += "</ul>\n";
    }
    details
}

/// `text` as content: no markup and no control character of a report reaches the browser.
fn content(text: &str) -> String {
    escaped(&printable(text))
}
