//! docs/troubleshooting.md tells of every verdict, failure, warning, reason why a boot cannot be known, and program that
//! writes later. The meaning of each is
//! taken from the report's schema. The example is the output of the program for the function of that name in
//! tests/troubleshooting/examples; for a program that writes later, it is the output for its case in tests/cases/requests.
//!
//! `BLESS=1` writes both into the page; the advice below each example is written by hand, and stays. The output of the
//! examples that need root is kept beside them, and compared by the test that has root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::documents::{project, text};
use crate::support::world::{Network, World, privileged};
use crate::support::{Run, golden};
use serde_json::Value;

/// A type of which each name has an entry.
struct Type {
    /// Its name in the schema.
    name: &'static str,
    /// Its heading in the page.
    heading: &'static str,
    /// The lines of a run's text that are the example.
    lines: &'static str,
    /// The case in tests/cases/requests that is the example of a name is the name and this. None: a function is the example.
    case: Option<&'static str>,
}

const TYPES: [Type; 5] = [
    Type { name: "Verdict", heading: "Verdicts", lines: "grep -E '^(WHAT|SETTING|nf_|net[.]|/)'", case: None },
    Type { name: "Kind", heading: "Failures", lines: "sed -n '/^failed/,$p' | sed '$d'", case: None },
    // The advice on a setting stands for the warning `shadowed`.
    Type { name: "Code", heading: "Warnings", lines: "grep -E '^(warning|nf_conntrack_max): '", case: None },
    Type { name: "Reason", heading: "Boots that cannot be known", lines: "grep '^warning'", case: None },
    Type {
        name: "Writer",
        heading: "Programs that write later",
        lines: "grep '^warning'",
        case: Some("-writes-later"),
    },
];

/// A call of a function in tests/troubleshooting/examples.
struct Example {
    function: String,
    needs_root: bool,
}

/// The place of the examples, and the output of those that need root.
fn directory() -> PathBuf {
    project().join("tests/troubleshooting")
}

impl Example {
    fn of(of: &Type, name: &str) -> Example {
        if let Some(suffix) = of.case {
            let case = format!("{name}{suffix}");
            let has_it = project().join("tests/cases/requests").join(&case).is_dir();
            assert!(has_it, "{} `{name}` has no case tests/cases/requests/{case}", of.name);
            return Example { function: format!("of_case {case}"), needs_root: false };
        }
        let function = format!("{}_{name}", of.name.to_lowercase());
        let examples = text(&directory().join("examples"));
        let line = examples.lines().find(|line| line.starts_with(&format!("{function}() {{")));
        let line = line.unwrap_or_else(|| panic!("tests/troubleshooting/examples has no {function}"));
        Example { function, needs_root: line.ends_with("# as root") }
    }

    /// The file that holds its output.
    fn kept(&self) -> PathBuf {
        directory().join(format!("{}.txt", self.function))
    }

    /// A script that prints it.
    fn script(&self, of: &Type, binary: &Path, examples: &Path) -> String {
        let cases = project().join("tests/cases/requests");
        let [binary, cases, examples] = [binary, &cases, examples].map(Path::display);
        format!("BIN='{binary}' CASES='{cases}'\n. '{examples}'\n{} | {}\n", self.function, of.lines)
    }

    fn printed(&self, of: &Type) -> String {
        if self.needs_root {
            return text(&self.kept());
        }
        let home = tempfile::tempdir().expect("a directory can be made");
        let script = self.script(of, Path::new(env!("CARGO_BIN_EXE_conntrack-sysctl")), &directory().join("examples"));
        let ended = Command::new("sh").args(["-c", &script]).current_dir(home.path()).output().expect("sh starts");
        String::from_utf8(ended.stdout).expect("it prints UTF-8")
    }
}

/// The names of the type `of`, and what its documentation says of each, in the order of the type.
fn meanings(of: &Type) -> Vec<(String, String)> {
    let schema: Value = serde_json::from_str(&Run::new(&["schema", "report"]).finish().stdout).expect("it is JSON");
    let ways = schema["$defs"][of.name]["oneOf"].as_array().expect("each name has its meaning").clone();
    let word = |way: &Value, field: &str| way[field].as_str().expect("it is a text").replace('\n', " ");
    ways.iter().map(|way| (word(way, "const"), word(way, "description"))).collect()
}

/// The handwritten part of the page: by heading, the text below the table or the example.
fn by_hand(page: &str) -> BTreeMap<(String, String), String> {
    let mut written = BTreeMap::new();
    let (mut heading, mut name, mut rest) = (String::new(), String::new(), String::new());
    let mut in_block = false;
    for line in page.lines().chain(["## "]) {
        in_block ^= line.starts_with("```");
        if !in_block && (line.starts_with("## ") || line.starts_with("### ")) {
            written.insert((heading.clone(), name.clone()), rest.trim().to_owned());
            rest.clear();
            (heading, name) = match line.strip_prefix("## ") {
                Some(text) => (text.to_owned(), String::new()),
                None => (heading, line.trim_matches(['#', ' ', '`']).to_owned()),
            };
        } else if !in_block && !line.starts_with("```") && !line.starts_with("| ") {
            rest += &format!("{line}\n");
        }
    }
    written
}

#[test]
fn the_page_is_that_of_the_types() {
    let path = project().join("docs/troubleshooting.md");
    let shown = text(&path);
    let mut written = by_hand(&shown);
    let mut take = |heading: &str, name: &str| {
        let text = written.remove(&(heading.to_owned(), name.to_owned())).unwrap_or_default();
        assert!(!text.is_empty(), "docs/troubleshooting.md does not say what to do: {heading} `{name}`");
        text
    };
    let mut page = format!("{}\n", take("", ""));
    for of in &TYPES {
        page += &format!("\n## {}\n\n{}\n\n| name | meaning |\n| --- | --- |\n", of.heading, take(of.heading, ""));
        for (name, meaning) in meanings(of) {
            page += &format!("| [`{name}`](#{}) | {meaning} |\n", anchor(of, &name));
        }
        for (name, _) in meanings(of) {
            let printed = Example::of(of, &name).printed(of);
            assert!(!printed.is_empty(), "the example of {} `{name}` prints nothing", of.name);
            page += &format!("\n### `{name}`\n\n```text\n{printed}```\n\n{}\n", take(of.heading, &name));
        }
    }
    golden(&path, &page);
    assert!(written.is_empty(), "the page tells of what there is not: {:?}", written.keys());
}

/// The anchor of a heading. Two names head a warning, and before it a verdict or a failure.
fn anchor(of: &Type, name: &str) -> String {
    let is_second = of.name == "Code" && ["shadowed", "boot_unknown"].contains(&name);
    if is_second { format!("{name}-1") } else { name.to_owned() }
}

privileged!(the_examples_that_need_root, || {
    for of in &TYPES {
        for (name, _) in meanings(of) {
            let example = Example::of(of, &name);
            if example.needs_root {
                let world = World::new(Network::Private);
                // Connection tracking comes early at boot, so that the answer is the same on every machine.
                world.sh("mkdir -p /etc/modules-load.d && echo nf_conntrack > /etc/modules-load.d/firewall.conf");
                let script = example.script(of, Path::new("/mnt/conntrack-sysctl"), &directory().join("examples"));
                let ended = world.try_sh(&format!("cd /mnt/home\n{script}"), "");
                assert!(!ended.stdout.is_empty(), "{}: {}", example.function, ended.stderr);
                golden(&example.kept(), &ended.stdout);
            }
        }
    }
});
