//! Holds the documents against the program: their requests, their reports, their lists of names, and their links.

use std::collections::BTreeSet;

use crate::support::documents::{blocks, documents, project, text};
use crate::support::{Run, copy_tree, golden};
use conntrack_sysctl::boot::WRITERS;
use conntrack_sysctl::request;
use serde_json::Value;

/// The requests in a document: the blocks of JSON that have settings, and the standard input in shell examples.
fn requests(text: &str) -> Vec<String> {
    let mut requests = Vec::new();
    for (info, block) in blocks(text) {
        if info == "json" {
            requests.push(block);
        } else {
            let handed = block.split("<<'END'\n").skip(1).filter_map(|rest| rest.split_once("END\n"));
            requests.extend(handed.map(|(text, _)| text.to_owned()).filter(|text| text.starts_with('{')));
        }
    }
    requests
}

#[test]
fn every_request_in_the_documents_is_accepted() {
    let mut count = 0;
    for document in documents() {
        for request in requests(&text(&document)) {
            let value: Value = serde_json::from_str(&request).unwrap_or_else(|error| panic!("{error}: {request}"));
            if value.get("settings").is_some_and(Value::is_object) || value.get("at_least").is_some() {
                request::from_slice(request.as_bytes())
                    .unwrap_or_else(|failure| panic!("{}: {failure}\n{request}", document.display()));
                count += 1;
            }
        }
    }
    assert!(count >= 2, "only {count} requests were found");
}

#[test]
fn the_readme_shows_the_report_that_its_request_gets() {
    let readme = text(&project().join("README.md"));
    let request = requests(&readme).into_iter().next().expect("the README has a request");
    let shown = blocks(&readme).into_iter().find(|(info, _)| info == "text").expect("the README shows a report").1;
    let directory = tempfile::tempdir().expect("a directory can be made");
    copy_tree(&project().join("tests/cases/requests/story-of-2012-in-a-drop-in/root"), directory.path());
    let found = Run::new(&["apply", "--output", "text"]).root(directory.path()).input(request).finish();
    assert_eq!(found.stdout, shown);
}

#[test]
fn the_page_for_rust_programs_names_this_version_and_the_default_features() {
    let manifest = text(&project().join("Cargo.toml"));
    assert!(manifest.contains("default = [\"commands\"]"), "the page tells of another default");
    let page = text(&project().join("docs/rust.md"));
    let asked = blocks(&page).into_iter().find(|(info, _)| info == "toml").expect("the page has a dependency").1;
    let version = asked.split("version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has a version");
    assert!(env!("CARGO_PKG_VERSION").starts_with(&format!("{version}.")), "{asked}");
    assert!(asked.contains("conntrack-sysctl = {") && asked.contains("default-features = false"), "{asked}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let text = text(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                let target = document.parent().expect("it is in a directory").join(path);
                assert!(target.exists(), "{}: {link}", document.display());
            }
        }
    }
}

#[test]
fn the_book_has_every_page() {
    let summary = text(&project().join("docs/SUMMARY.md"));
    for document in documents() {
        let name = document.file_name().and_then(|name| name.to_str()).expect("it has a name");
        let is_in = summary.contains(&format!("({name})"));
        assert!(is_in || ["README.md", "SUMMARY.md"].contains(&name), "docs/SUMMARY.md does not have {name}");
    }
}

/// The names of an enum in the schema of `of`.
fn names(of: &str, definition: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&Run::new(&["schema", of]).finish().stdout).expect("a schema is JSON");
    let definition = &schema["$defs"][definition];
    let ways = definition["oneOf"].as_array().into_iter().flatten();
    let consts = ways.filter_map(|way| way["const"].as_str());
    let enums = definition["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names: BTreeSet<String> = consts.chain(enums).map(str::to_owned).collect();
    assert!(!names.is_empty(), "the schema of the {of} has no {definition}");
    names
}

#[test]
fn every_stable_name_is_documented() {
    let report = text(&project().join("docs/report.md"));
    for definition in ["Kind", "Code", "Verdict", "Reason", "Mode"] {
        for name in names("report", definition) {
            assert!(report.contains(&format!("`{name}`")), "docs/report.md does not tell of {definition} `{name}`");
        }
    }
    let documented = text(&project().join("docs/request.md"));
    for definition in ["Conflicts", "ModulePolicy", "LoaderChoice", "State", "Uncertain"] {
        for name in names("request", definition) {
            assert!(
                documented.contains(&format!("`{name}`")),
                "docs/request.md does not tell of {definition} `{name}`"
            );
        }
    }
    for field in request::FIELDS {
        assert!(documented.contains(&format!("`{field}`")), "docs/request.md does not tell of `{field}`");
    }
}

/// `BLESS=1` writes the names into the page.
#[test]
fn the_report_page_names_the_programs_that_write_later() {
    let path = project().join("docs/report.md");
    let page = text(&path);
    let names: Vec<String> = WRITERS.iter().map(|writer| format!("`{}`", writer.name)).collect();
    let meaning = "a program writes the setting after the boot's loader; `by` names it:";
    let row = format!("| `later_writer` | {meaning} {} |\n", names.join(", "));
    let named = |line: &str| if line.starts_with("| `later_writer` |") { row.clone() } else { line.to_owned() };
    golden(&path, &page.split_inclusive('\n').map(named).collect::<String>());
    assert!(text(&path).contains(&row), "docs/report.md has no row for `later_writer`");
}

#[test]
fn the_fields_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(&Run::new(&["schema", "request"]).finish().stdout).expect("it is JSON");
    let properties = schema["properties"].as_object().expect("a request has fields");
    // The schema of a request is none of its fields.
    let fields: BTreeSet<&str> = properties.keys().map(String::as_str).filter(|name| *name != "$schema").collect();
    assert_eq!(fields, BTreeSet::from(request::FIELDS));
}

#[test]
fn the_program_prints_the_committed_schemas() {
    for of in ["request", "report"] {
        let committed = text(&project().join(format!("schemas/{of}.schema.json")));
        assert_eq!(Run::new(&["schema", of]).finish().stdout, committed);
    }
}

#[test]
fn every_dependency_is_argued_for() {
    let manifest = text(&project().join("Cargo.toml"));
    let argued = text(&project().join("docs/dependencies.md"));
    let dependencies = manifest.split_once("[dependencies]\n").expect("there are dependencies").1;
    for line in dependencies.lines().take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = ")) {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(argued.contains(&format!("| `{name}` |")), "docs/dependencies.md does not argue for `{name}`");
    }
}
