//! docs/troubleshooting.md tells of every verdict, failure and warning: what each means is what its type says of it, and
//! the example is what the program prints.
//!
//! `BLESS=1` writes both into the page; what to do is written by hand below each example, and stays. The examples that
//! need root, or a kernel that misbehaves, are kept in tests/troubleshooting, where the test that needs root compares them.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::documents::{project, text};
use support::world::{Network, World, is_root};
use support::{Run, golden};

/// The types, by their names in the schema, and their headings in the page.
const TYPES: [(&str, &str); 3] = [("Verdict", "Verdicts"), ("Kind", "Failures"), ("Code", "Warnings")];

/// Which lines of a run's text are the example.
const LINES: [(&str, &str); 3] = [
    ("Verdict", "grep -E '^(SETTING|nf_|net[.])'"),
    ("Kind", "sed -n '/^failed/,$p' | sed '$d'"),
    ("Code", "grep '^warning'"),
];

/// How an example is made: scripts for the shell, with the program as `$BIN`.
enum How {
    /// A check of a case in tests/roots.
    Case(&'static str),
    /// In an empty directory, without root.
    Script(&'static str),
    /// As root, in a network and mount namespace of its own.
    Root(&'static str),
}
use How::{Case, Root, Script};

/// `want NAME VALUE` prints a request.
const WANT: &str = r#"want() { echo "{\"settings\": {\"nf_conntrack_$1\": $2}}"; }"#;

const EXAMPLES: &[(&str, &str, How)] = &[
    ("Verdict", "in_sync", Case("right-in-another-file")),
    ("Verdict", "live_drift", Root("want tcp_timeout_close_wait 240 | $BIN check")),
    ("Verdict", "boot_drift", Case("value-in-place")),
    ("Verdict", "lost_at_boot", Case("right-lines-but-module-late")),
    ("Verdict", "shadowed", Case("another-file-wins")),
    (
        "Verdict",
        "not_on_this_kernel",
        Root("imitate max; want helper 0 | $BIN check"),
    ),
    ("Verdict", "not_here", Root("imitate max; chmod 444 /proc/sys/net/netfilter/*; want max 98000 | $BIN check")),
    ("Kind", "bad_request", Script("want max '\"010\"' | $BIN check --root .")),
    ("Kind", "unknown_setting", Script("echo '{\"settings\": {\"nf_contrack_max\": 98000}}' | $BIN check --root .")),
    ("Kind", "out_of_range", Script("want max 2147483648 | $BIN check --root .")),
    ("Kind", "module_absent", Case("module-late-and-required")),
    (
        "Kind",
        "removed_in_kernel",
        Root("imitate max; want helper 0 | $BIN check"),
    ),
    ("Kind", "read_only", Root("imitate max; chmod 444 /proc/sys/net/netfilter/*; want max 98000 | $BIN check")),
    ("Kind", "permission", Root("chmod 755 /mnt; want tcp_timeout_close_wait 240 | setpriv --reuid 65534 --clear-groups $BIN apply")),
    ("Kind", "conflict", Case("another-file-wins")),
    (
        "Kind",
        "clamped",
        Root(
            "live=/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait
             want tcp_timeout_close_wait 240 | strace -o /dev/null -P $live -e inject=write:retval=4 $BIN apply",
        ),
    ),
    (
        "Kind",
        "write_failed",
        Root(
            "mount -t tmpfs -o size=4k none /etc/sysctl.d; head -c 4096 /dev/zero > /etc/sysctl.d/full
             want tcp_timeout_close_wait 240 | $BIN apply",
        ),
    ),
    (
        "Kind",
        "busy",
        Root("exec 9> /run/lock/conntrack-sysctl.lock; flock 9; want tcp_timeout_close_wait 240 | $BIN apply 9>&-"),
    ),
    (
        "Kind",
        "rollback_failed",
        Root(
            "mount -t tmpfs -o size=4k none /etc/sysctl.d; head -c 4096 /dev/zero > /etc/sysctl.d/full
             live=/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait
             want tcp_timeout_close_wait 240 | strace -o /dev/null -P $live -e inject=write:error=EIO:when=2 $BIN apply",
        ),
    ),
    (
        "Code",
        "uncatalogued",
        Root("imitate max new_thing; want new_thing 5 | $BIN check"),
    ),
    ("Code", "long_chains", Case("long-chains")),
    (
        "Code",
        "limit_below_count",
        Root("imitate max count; want max 60000 | $BIN check"),
    ),
    ("Code", "no_limit", Case("no-limit")),
    ("Code", "shadowed", Case("another-file-wins-warn")),
    ("Code", "boot_not_guaranteed", Case("module-late-and-ignored")),
    (
        "Code",
        "unreadable",
        Script(
            "mkdir -p etc/sysctl.d etc/modules-load.d; mkfifo etc/sysctl.d/50-site.conf
             echo nf_conntrack > etc/modules-load.d/early.conf
             want max 98000 | $BIN check --root .",
        ),
    ),
    (
        "Code",
        "ufw",
        Script(
            "cp -r $CASES/ufw-writes-later/before/* .; echo net/netfilter/nf_conntrack_max=98000 > etc/ufw/sysctl.conf
             $BIN check --root . $CASES/ufw-writes-later/request.json",
        ),
    ),
    ("Code", "tuned", Case("tuned-writes-later")),
    ("Code", "kube_proxy", Case("kubernetes-node")),
];

/// Files in the place of the kernel's, for what no kernel at hand does: the limit is 65536, the entries are as many.
const IMITATE: &str = "
imitate() {
    mount -t tmpfs none /proc/sys/net
    mkdir /proc/sys/net/netfilter
    for name in \"$@\"; do echo 65536 > /proc/sys/net/netfilter/nf_conntrack_$name; done
}
mkdir -p /etc/modules-load.d
echo nf_conntrack > /etc/modules-load.d/firewall.conf
";

/// The script of an example, and what it takes of the text that the program prints.
fn script(of: &str, before: &str, script: &str) -> String {
    let lines = LINES.iter().find(|(name, _)| *name == of).expect("it is one of the types").1;
    let script =
        script.replace("$BIN check", "$BIN check --output text").replace("$BIN apply", "$BIN apply --output text");
    format!("{WANT}\n{before}\n{{ {script}\n}} | {lines}\n")
}

fn without_root(of: &str, example: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut sh = Command::new("sh");
    sh.args(["-c", &script(of, "", example)]).current_dir(directory.path());
    sh.env("BIN", env!("CARGO_BIN_EXE_conntrack-sysctl")).env("CASES", project().join("tests/roots"));
    String::from_utf8(sh.output().expect("sh starts").stdout).expect("it prints UTF-8")
}

/// Where the example that needs root is kept.
fn kept(of: &str, name: &str) -> PathBuf {
    project().join("tests/troubleshooting").join(format!("{}-{name}.txt", of.to_lowercase()))
}

fn example(of: &str, name: &str) -> String {
    let found = EXAMPLES.iter().find(|example| (example.0, example.1) == (of, name));
    match &found.unwrap_or_else(|| panic!("{of} `{name}` has no example")).2 {
        Case(case) => {
            let check = format!("$BIN check --root $CASES/{case}/before $CASES/{case}/request.json");
            without_root(of, &check)
        }
        Script(script) => without_root(of, script),
        Root(_) => text(&kept(of, name)),
    }
}

/// The names of the type `of`, and what its documentation says of each, in the order of the type.
fn meanings(of: &str) -> Vec<(String, String)> {
    let schema: Value = serde_json::from_str(&Run::new(&["schema", "report"]).finish().stdout).expect("it is JSON");
    let ways = schema["$defs"][of]["oneOf"].as_array().expect("each name has its meaning").clone();
    let word = |way: &Value, field: &str| way[field].as_str().expect("it is a text").replace('\n', " ");
    ways.iter().map(|way| (word(way, "const"), word(way, "description"))).collect()
}

/// What is written by hand in the page: by heading, the text below the table or the example.
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
    for (of, heading) in TYPES {
        page += &format!("\n## {heading}\n\n{}\n\n| name | meaning |\n| --- | --- |\n", take(heading, ""));
        for (name, meaning) in meanings(of) {
            page += &format!("| [`{name}`](#{}) | {meaning} |\n", anchor(of, &name));
        }
        for (name, _) in meanings(of) {
            let example = example(of, &name);
            assert!(!example.is_empty(), "the example of {of} `{name}` prints nothing");
            page += &format!("\n### `{name}`\n\n```text\n{example}```\n\n{}\n", take(heading, &name));
        }
    }
    golden(&path, &page);
    assert!(written.is_empty(), "the page tells of what there is not: {:?}", written.keys());
}

/// The anchor of a heading. `shadowed` is a verdict, and then a warning.
fn anchor(of: &str, name: &str) -> String {
    if (of, name) == ("Code", "shadowed") { "shadowed-1".to_owned() } else { name.to_owned() }
}

#[test]
#[ignore = "needs root; run by tests/all"]
fn the_examples_that_need_root() {
    if !is_root("the_examples_that_need_root") {
        return;
    }
    for (of, name, how) in EXAMPLES {
        if let Root(example) = how {
            let world = World::new(Network::Private);
            let ended = world.try_sh(&script(of, IMITATE, example), "");
            golden(&kept(of, name), &ended.stdout);
            assert!(!ended.stdout.is_empty(), "{of} `{name}`: {}", ended.stderr);
        }
    }
}
