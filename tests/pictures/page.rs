//! Draws the page that `summarize` makes of a fleet, as a browser shows it.

use std::fs;

use crate::support::Run;
use crate::support::documents::project;

/// The fleet: the hosts, and the report that each of them has sent.
const HOSTS: [(&str, &str); 11] = [
    ("db1", "web1"),
    ("db2", "web3"),
    ("gw1", "web2"),
    ("gw2", "web2"),
    ("mail1", "web7"),
    ("lb1", "web1"),
    ("lb2", "web1"),
    ("web1", "web3"),
    ("web2", "web3"),
    ("web3", "web1"),
    ("web4", "web1"),
];

pub(super) fn svg() -> String {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (host, report) in HOSTS {
        let report = project().join(format!("tests/outputs/reports/{report}.json"));
        fs::copy(report, directory.path().join(format!("{host}.json"))).expect("a report can be copied");
    }
    let reports = directory.path().to_str().expect("its name is text");
    let page = Run::new(&["summarize", "--output", "html", reports]).finish().stdout;
    let between = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).expect("the page has it");
        rest.split_once(to).expect("the page has its end").0.to_owned()
    };
    let (style, body) = (between("<style>", "</style>"), between("<body>", "</body>"));
    // A picture is XML: an element without content ends itself, and each attribute has a value.
    let inputs = body.split_inclusive('>').map(|tag| match tag.rsplit_once("<input") {
        Some((before, input)) => {
            let input = input.trim_end_matches('>').replace(" checked", " checked=\"checked\"");
            format!("{before}<input{input}/>")
        }
        None => tag.to_owned(),
    });
    // The first finding is unfolded, as behind a click.
    let body = inputs.collect::<String>().replacen("<details>", "<details open=\"open\">", 1);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1180 900\" role=\"img\">\n\
         <title>The page for a fleet: findings with their remedy, then a table of hosts and settings</title>\n\
         <style><![CDATA[{style}.scroll {{ max-height: none }}]]></style>\n\
         <foreignObject width=\"1180\" height=\"900\">\n\
         <body xmlns=\"http://www.w3.org/1999/xhtml\" style=\"margin: 0; padding: 1.5rem; height: 900px; overflow: hidden\">\
         {body}</body>\n</foreignObject>\n</svg>\n"
    )
}
