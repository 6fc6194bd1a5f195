//! Compares every output of a report and of a summary with its golden files. The reports in `tests/outputs/reports` were
//! made by real checks: in sync (web1), live drift and a shadowed line (web2), drift in our own file (web3), a request
//! that is refused (web4), file names that attack the reader (web5), a file that is no report (web6), and a boot that cannot
//! be known (web7).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Run, golden};
use anstream::adapter::strip_str;
use clap::{Arg, Command};
use conntrack_sysctl::answer::{self, Printed};
use conntrack_sysctl::cli;
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::report::finding::{Severity, findings};
use conntrack_sysctl::report::{Change, FileAction, Mode, Report, ansible, dsc, github, rules, salt};
use conntrack_sysctl::request;
use conntrack_sysctl::schema::Of;
use conntrack_sysctl::show::{Inventory, Story};
use conntrack_sysctl::summarize::Summary;
use conntrack_sysctl::table::analysis::diagnosis::Diagnosis;
use conntrack_sysctl::table::analysis::look::Look;
use conntrack_sysctl::table::analysis::status::Status;
use conntrack_sysctl::text::{seconds_of, utc};
use conntrack_sysctl::warning::{Code, Warning};
use serde_json::{Value, json};

fn outputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs")
}

fn report(name: &str) -> Report {
    let text = fs::read_to_string(outputs().join("reports").join(name)).expect("the report can be read");
    serde_json::from_str(&text).expect("it is a report")
}

/// Compares an output of each report with the golden files in the directory `name`, one for each host.
fn compare_with_goldens(name: &str, render: impl Fn(&Report) -> String) {
    let directory = outputs().join(name);
    fs::create_dir_all(&directory).expect("a directory can be made");
    for host in ["web1", "web2", "web3", "web4", "web5", "web7"] {
        golden(&directory.join(host), &(render(&report(&format!("{host}.json"))) + "\n"));
    }
}

fn summarize(output: &str, hosts: &[&str]) -> (String, i32) {
    let reports: Vec<String> =
        hosts.iter().map(|host| format!("{}/reports/{host}.json", outputs().display())).collect();
    let arguments: Vec<&str> =
        ["summarize", "--output", output].into_iter().chain(reports.iter().map(String::as_str)).collect();
    let finished = Run::new(&arguments).finish();
    assert_eq!(finished.stderr, "");
    // The message on a file that is no report names its path.
    (finished.stdout.replace(&format!("{}/", outputs().display()), ""), finished.code)
}

const ALL: [&str; 7] = ["web1", "web2", "web3", "web4", "web5", "web6", "web7"];

#[test]
fn a_warning_is_left_out_where_the_finding_of_its_setting_says_it() {
    let mut report = report("web2.json");
    let shadowed = "net.netfilter.nf_conntrack_tcp_timeout_established";
    report.warnings = vec![
        Warning::new(Code::Shadowed, "said").key(shadowed),
        Warning::new(Code::Shadowed, "of a setting without a finding").key("net.netfilter.nf_conntrack_acct"),
        Warning::new(Code::Uncatalogued, "of another kind").key(shadowed),
    ];
    let warnings = findings(&report).into_iter().filter(|finding| finding.level == Severity::Warning);
    let messages: Vec<String> = warnings.map(|finding| finding.message).collect();
    assert_eq!(messages, ["of a setting without a finding", "of another kind"]);
}

#[test]
fn every_output_of_a_report() {
    for output in Report::OUTPUTS {
        compare_with_goldens(output.name, |report| strip_str(&(output.render)(report)).to_string());
    }
}

#[test]
fn every_output_of_a_summary() {
    for output in Summary::OUTPUTS {
        golden(&outputs().join("summary").join(output.name), &summarize(output.name, &ALL).0);
    }
}

/// Without `--output`, the program chooses one of these two outputs.
#[test]
fn every_value_has_json_and_text_and_names_each_output_once() {
    fn names<T: Printed>() -> Vec<&'static str> {
        T::OUTPUTS.iter().map(|output| output.name).collect()
    }
    let values = [
        names::<Report>(),
        names::<Inventory>(),
        names::<Story>(),
        names::<Summary>(),
        names::<Of>(),
        names::<Status>(),
        names::<Diagnosis>(),
        names::<Look>(),
    ];
    for names in values {
        assert!(names.contains(&answer::JSON) && names.contains(&answer::TEXT), "{names:?}");
        let once: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "{names:?}");
    }
}

#[test]
fn a_salt_state_tells_of_modules_files_and_copies() {
    let mut report = report("web3.json");
    let file = report.diff[0].before_header.clone();
    report.mode = Mode::Apply;
    report.changes = vec![
        Change::Module { name: "nf_conntrack".to_owned() },
        Change::File { path: PathBuf::from(&file), action: FileAction::Removed },
    ];
    report.diff[0].after_header = "/dev/null".to_owned();
    report.backup_files = vec![PathBuf::from("/etc/sysctl.d/old~")];
    let state: Value = serde_json::from_str(&salt::report(&report)).expect("it is JSON");
    assert_eq!(state["result"], true);
    assert_eq!(state["changes"]["module nf_conntrack"], json!({"old": "not loaded", "new": "loaded"}));
    let diff = state["changes"][&file]["diff"].as_str().expect("a file has a diff");
    assert!(diff.starts_with(&format!("--- {file}\n+++ /dev/null\n@@ ")), "{diff}");
    assert!(
        state["comment"].as_str().is_some_and(|comment| comment.ends_with("\nkept: /etc/sysctl.d/old~")),
        "{state}"
    );
}

#[test]
fn a_salt_state_that_could_not_be_undone_has_what_is_still_changed() {
    let mut report = report("web3.json");
    (report.mode, report.changes, report.diff) = (Mode::Apply, Vec::new(), Vec::new());
    let mut failure = Failure::new(Kind::RollbackFailed, "it failed");
    (failure.rolled_back, failure.remains) = (Some(false), vec!["a file".to_owned()]);
    (report.in_sync, report.failure) = (false, Some(failure));
    let state: Value = serde_json::from_str(&salt::report(&report)).expect("it is JSON");
    assert_eq!(state["result"], false);
    let boot = json!({"boot": {"old": 241, "new": 240}});
    assert_eq!(state["changes"], json!({"net.netfilter.nf_conntrack_tcp_timeout_close_wait": boot}));
    let comment = state["comment"].as_str().expect("a state has a comment");
    assert!(
        comment.starts_with("failed: it failed\n  remains: a file\nnot everything is as it was before\n"),
        "{comment}"
    );
}

#[test]
fn dsc_lines() {
    compare_with_goldens("dsc", |report| match &report.failure {
        Some(failure) if report.settings.is_empty() => dsc::refusal(failure).trim_end().to_owned(),
        _ => {
            let values = report.settings.iter().map(|setting| (setting.name.clone(), json!(setting.desired.value)));
            let instance = json!({"settings": values.collect::<serde_json::Map<_, _>>()});
            let (tested, set) = (dsc::tested(instance.clone(), report), dsc::set(instance, report));
            format!("{tested}\n{set}\n{}", dsc::messages(report).trim_end())
        }
    });
    // DSC takes the message out of the JSON and prints it on a terminal.
    for line in dsc::messages(&report("web5.json")).lines() {
        let message: BTreeMap<String, String> = serde_json::from_str(line).expect("it is a level and a text");
        assert!(message.values().flat_map(|text| text.chars()).all(|c| !c.is_control()), "{line}");
    }
    let mut failure = Failure::new(Kind::RollbackFailed, "one");
    failure.remains.push("two".into());
    assert_eq!(dsc::refusal(&failure), "{\"error\":\"one\"}\n{\"error\":\"still changed: two\"}\n");
}

#[test]
fn every_kind_of_finding_has_a_description() {
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/report.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("the schema can be read")).expect("it is JSON");
    let mut expected = BTreeSet::from(["in_sync"]);
    for kinds in ["Verdict", "Kind", "Code"] {
        let kinds = schema["$defs"][kinds]["oneOf"].as_array().expect("the enum has values");
        expected.extend(kinds.iter().filter_map(|kind| kind["const"].as_str()));
    }
    let described: BTreeSet<&str> = rules::RULES.iter().map(|rule| rule.id).chain(["in_sync"]).collect();
    assert_eq!(described, expected);
    assert_eq!(described.len(), rules::RULES.len() + 1);
}

#[test]
fn a_report_that_is_a_day_older_than_the_newest_is_stale() {
    let at = |time: &str| {
        let mut report = report("web1.json");
        report.origin.as_mut().expect("it has an origin").time = time.to_owned();
        (time.to_owned(), Ok(report))
    };
    let times = ["2026-03-01T05:00:00Z", "2026-02-28T05:00:00Z", "2026-02-28T04:59:59Z", "no time"];
    let summary = Summary::new(times.map(at));
    let stale: Vec<&str> = summary.hosts.iter().filter(|host| host.is_stale).map(|host| host.name.as_str()).collect();
    assert_eq!(stale, ["2026-02-28T04:59:59Z"]);
    assert_eq!(summary.newest(), Some("2026-03-01T05:00:00Z"));
}

/// The hash compares requests, so it must not depend on the way in which one is written, and must tell all others apart.
#[test]
fn requests_that_ask_for_the_same_have_the_same_hash() {
    let of = |text: &str| request::from_slice(text.as_bytes()).expect("the request is right").fingerprint();
    let hours = of(r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}}"#);
    let name = "net/netfilter/nf_conntrack_tcp_timeout_established";
    assert_eq!(hours, of(&format!(r#"{{"persist": true, "settings": {{"{name}": 28800}}}}"#)));
    let others = [
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "9h"}}"#,
        r#"{"at_least": {"nf_conntrack_tcp_timeout_established": "8h"}}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "persist": false}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "live": false}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "live": true}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "file": "/etc/sysctl.conf"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "conflicts": "warn"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "exclusive": true}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "module": "ignore"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "loader": "procps"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "uncertain": "fail"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "initrd": "rebuild"}"#,
        r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}, "backup": true}"#,
    ];
    let hashes: BTreeSet<String> = others.iter().map(|text| of(text)).chain([hours]).collect();
    assert_eq!(hashes.len(), others.len() + 1);
}

/// A run tells of the machine on which it was; a request that is refused has no hash.
#[test]
fn a_run_says_where_and_when_it_was() {
    let root = outputs().display().to_string();
    let asked = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
    for (text, is_refused) in [(asked, false), ("{}", true)] {
        let finished = Run::new(&["check", "--output", "json", "--root", &root]).input(text).finish();
        let report: Report = serde_json::from_str(&finished.stdout).expect("it is a report");
        let origin = report.origin.expect("it has an origin");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release can be read");
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the name can be read");
        assert_eq!((origin.kernel.as_str(), origin.host.as_str()), (release.trim(), host.trim()));
        assert_eq!(origin.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(origin.request.is_none(), is_refused);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("1970 is over").as_secs();
        let then = seconds_of(&origin.time).expect("it is a time");
        assert!(since.abs_diff(then.unsigned_abs()) < 600, "{}", origin.time);
    }
}

#[test]
fn each_line_for_github_is_a_command() {
    for host in ["web2", "web5"] {
        let text = github::report(&report(&format!("{host}.json")));
        assert!(text.lines().all(|line| line.starts_with("::error title=") || line.starts_with("::warning title=")));
    }
}

#[test]
fn a_page_has_no_markup_of_a_report() {
    let (page, _) = summarize("html", &ALL);
    assert!(!page.contains("<img") && page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(
        !page.contains("<script") && !page.contains("http://") && !page.contains("https://") && !page.contains("url(")
    );
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
}

/// Characters that end a line, change the direction of writing, or are invisible: one of each kind.
const UNSEEN: &str = "\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\
                      \u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2063}\u{2066}\u{2067}\u{2068}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{a0}\u{2003}\u{2800}\u{3000}\u{13437}\u{e0001}\u{e0041}\u{e007f}";

/// Puts [`UNSEEN`] behind every text of a report that may come from a file or a request.
fn blur(value: &mut Value) {
    const FREE: [&str; 11] = [
        "name",
        "file",
        "path",
        "message",
        "hint",
        "key",
        "before",
        "after",
        "before_header",
        "after_header",
        "advice",
    ];
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if FREE.contains(&name.as_str()) => text.push_str(UNSEEN),
                    member => blur(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(blur),
        _ => {}
    }
}

#[test]
fn nobody_meets_a_character_that_cannot_be_seen() {
    let assert_seen = |what: &str, text: &str| {
        let unseen = text.chars().find(|c| *c != '\n' && UNSEEN.contains(*c));
        assert_eq!(unseen, None, "{what}: {text}");
        assert!(text.contains("u{2028}") && text.contains("u{e0041}") && text.contains("u{202e}"), "{what}: {text}");
    };
    let directory = tempfile::tempdir().expect("a directory");
    for host in ["web2", "web3", "web4", "web7"] {
        let mut value = serde_json::to_value(report(&format!("{host}.json"))).expect("a report is JSON");
        blur(&mut value);
        let blurred: Report = serde_json::from_value(value.clone()).expect("it is still a report");
        // These are for programs, which find each text as it is. Of SARIF people see the messages, and metrics have no texts.
        let for_programs = [answer::JSON, "sarif", "prometheus"];
        for output in Report::OUTPUTS.iter().filter(|output| for_programs.contains(&output.name)) {
            let text = (output.render)(&blurred);
            assert!(!text.contains(|c| c != '\n' && UNSEEN.contains(c)), "{host} {}: {text}", output.name);
        }
        let read_back: Value = serde_json::from_str(&answer::json(&value)).expect("it is JSON");
        assert_eq!(read_back, value);
        for output in Report::OUTPUTS.iter().filter(|output| !for_programs.contains(&output.name)) {
            assert_seen(&format!("{host} {}", output.name), &strip_str(&(output.render)(&blurred)).to_string());
        }
        for finding in findings(&blurred) {
            assert_seen(host, &finding.message);
        }
        let task = ansible::report_with_diff(&blurred);
        assert_seen(host, &format!("{} {} {}", task["msg"], task["warnings"], task["diff"]));
        assert_seen(host, &dsc::messages(&blurred));
        let file = directory.path().join(format!("{host}{UNSEEN}.json"));
        fs::write(&file, value.to_string()).expect("a report can be written");
        let no_report = directory.path().join(format!("none{UNSEEN}"));
        for output in Summary::OUTPUTS.iter().filter(|output| output.name != answer::JSON) {
            let paths = [&file, &no_report].map(|path| path.to_str().expect("it is text"));
            let shown = Run::new(&["summarize", "--output", output.name, paths[0], paths[1]]).finish();
            assert_seen(output.name, &shown.stdout);
        }
    }
    let misspelt = Run::new(&["explain", "nf_conntrack_\u{2028}\u{e0041}\u{202e}max"]).finish();
    assert_seen("explain", &misspelt.stderr);
}

#[test]
fn the_exit_code_of_a_summary_is_that_of_a_check() {
    assert_eq!(summarize("text", &["web1"]).1, 0);
    assert_eq!(summarize("text", &["web1", "web2"]).1, 2);
    assert_eq!(summarize("text", &["web2", "web4"]).1, 1);
    assert_eq!(summarize("text", &["web1", "web6"]).1, 1);
    assert_eq!(summarize("text", &["web1", "no-such-file"]).1, 1);
}

#[test]
fn equal_findings_of_several_hosts_are_one_group_and_the_worst_hosts_come_first() {
    let hosts = ["c", "b", "a"].map(|name| (name.to_owned(), Ok(report("web3.json"))));
    let silent = ("z".to_owned(), Err("it is empty".to_owned()));
    let fine = ("0".to_owned(), Ok(report("web1.json")));
    let summary = Summary::new(hosts.into_iter().chain([fine, silent]));
    let names: Vec<&str> = summary.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "b", "c", "0"]);
    let groups: Vec<_> = summary.groups.iter().map(|group| (group.rule.as_str(), group.hosts.join(" "))).collect();
    assert_eq!(groups, [("boot_drift", "a b c".to_owned()), ("no_report", "z".to_owned())]);
}

#[test]
fn a_directory_and_standard_input_hold_many_reports() {
    let directory = outputs().join("reports").display().to_string();
    let (files, _) = summarize("json", &ALL);
    let finished = Run::new(&["summarize", "--output", "json", &directory]).finish();
    assert_eq!(finished.stdout.replace(&format!("{}/", outputs().display()), ""), files);

    let lines: String =
        ["web1", "web2"].map(|host| serde_json::to_string(&report(&format!("{host}.json"))).unwrap() + "\n").concat();
    let finished = Run::new(&["summarize", "--output", "text", "-"]).input(lines + "\nnot a report\n").finish();
    assert_eq!(finished.code, 1, "{}", finished.stdout);
    for line in [
        "web1              in_sync  2026-11-28T05:17:03Z",
        "line 4            unknown  -",
        "3 hosts: 1 in sync, 1 drifting, 1 unknown",
    ] {
        assert!(finished.stdout.lines().any(|found| found == line), "{line}: {}", finished.stdout);
    }
    let empty = Run::new(&["summarize", "--output", "text", "/dev/null"]).finish();
    assert!(empty.stdout.contains("`/dev/null` is empty: the host did not answer"), "{}", empty.stdout);
}

#[test]
fn a_time_is_read_as_it_was_written() {
    for seconds in (-10_000_000_000..20_000_000_000).step_by(86_399 * 7) {
        assert_eq!(seconds_of(&utc(seconds)), Some(seconds));
    }
    for text in ["", "2026-02-28", "2026-02-28 04:59:59Z", "2026-02-28T04:59:59+01:00", "2026-02-28T04:59:59\u{e9}"] {
        assert_eq!(seconds_of(text), None, "{text}");
    }
}

#[test]
fn a_shadowed_setting_is_told_once() {
    let told = findings(&report("web2.json"));
    let of_it = told.iter().filter(|one| one.setting.as_deref().is_some_and(|name| name.ends_with("established")));
    assert_eq!(of_it.map(|one| one.rule.as_str()).collect::<Vec<_>>(), ["shadowed"]);
}

#[test]
fn an_output_that_a_command_does_not_have_is_refused_before_anything_is_done() {
    for arguments in [["apply", "--output", "html"], ["check", "--output", "markdown"], ["show", "--output", "junit"]] {
        let finished = Run::new(&arguments).input("{}").finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (1, ""));
        assert!(finished.stderr.contains("[possible values: auto, json, text"), "{}", finished.stderr);
        // The option may also stand before the command.
        let [command, output, value] = arguments;
        let finished = Run::new(&[output, value, command]).input("{}").finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (1, ""));
        assert!(finished.stderr.contains("no such --output"), "{}", finished.stderr);
    }
}

#[test]
fn the_outputs_of_each_command_may_stand_before_it() {
    let whole = cli::command();
    let values = |command: &Command| {
        let options = command.get_arguments().filter(|option| option.get_id() == "output");
        options.flat_map(Arg::get_possible_values).map(|value| value.get_name().to_owned()).collect::<BTreeSet<_>>()
    };
    let all: BTreeSet<String> = whole.get_subcommands().flat_map(values).collect();
    assert!(all.len() > 2);
    assert_eq!(all, values(&whole));
}

#[test]
fn an_option_means_the_same_before_and_after_the_command() {
    let before = Run::new(&["--output", "text", "schema", "request"]).finish();
    let root = outputs().display().to_string();
    let [first, last] =
        [["--root", root.as_str(), "show", "--output", "json"], ["show", "--output", "json", "--root", root.as_str()]]
            .map(|arguments| Run::new(&arguments).finish());
    assert_eq!((before.code, first.code, last.code), (0, 0, 0), "{}", first.stderr);
    assert_eq!(first.stdout, last.stdout);
    let refused = Run::new(&["status", "--root", &root]).finish();
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("`status` has no --root"), "{}", refused.stderr);
}
