//! Checks what a shell script relies on: with `--quiet`, standard output is empty and the exit code is the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Finished, Run};
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::report::text;

fn run(arguments: &[&str], request: &str) -> Finished {
    Run::new(arguments).input(request).finish()
}

/// Checks the case `name` of tests/cases/requests twice: without `--quiet`, and with it.
fn checks(name: &str) -> [Finished; 2] {
    let case: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/requests").join(name);
    let request = fs::read_to_string(case.join("request.json")).expect("the case has a request");
    let check = |arguments: &[&str]| Run::new(arguments).root(&case.join("root")).input(request.as_str()).finish();
    [check(&["check"]), check(&["check", "--quiet"])]
}

#[test]
fn a_quiet_failure_is_one_line_on_standard_error() {
    for command in ["apply", "check"] {
        let loud = run(&[command], "not JSON");
        let quiet = run(&[command, "--quiet"], "not JSON");
        assert_eq!((loud.code, quiet.code), (1, 1));
        assert!(!loud.stdout.is_empty() && quiet.stdout.is_empty());
        let said = quiet.stderr;
        assert!(said.starts_with("conntrack-sysctl: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn quiet_goes_with_apply_and_check_and_with_no_output() {
    for arguments in [&["show", "--quiet"][..], &["check", "--quiet", "--output", "json"]] {
        let refused = run(arguments, "{}");
        assert_eq!(refused.code, 1);
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty());
    }
}

#[test]
fn quiet_keeps_the_code_of_a_drift_and_says_nothing() {
    let [loud, quiet] = checks("absent");
    assert_eq!((loud.code, quiet.code), (2, 2));
    assert!(!loud.stdout.is_empty() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn quiet_tells_of_a_drift_that_apply_could_not_mend() {
    let [loud, quiet] = checks("another-file-wins");
    assert_eq!((loud.code, quiet.code), (2, 2));
    assert!(loud.report().failure.is_some() && quiet.stdout.is_empty());
    assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
}

#[test]
fn a_quiet_failure_tells_what_remains_changed_and_writes_control_characters_out() {
    let mut failure = Failure::new(Kind::RollbackFailed, "`net.netfilter.nf_conntrack_acct` could not be undone");
    failure.remains = vec!["nf_conntrack_acct is 1".to_owned(), "/etc/sysctl.d/90-\u{1b}[2J.conf".to_owned()];
    let said = "conntrack-sysctl: `net.netfilter.nf_conntrack_acct` could not be undone\n\
                conntrack-sysctl: remains: nf_conntrack_acct is 1\n\
                conntrack-sysctl: remains: /etc/sysctl.d/90-\\u{1b}[2J.conf\n";
    assert_eq!(text::failure_alone(&failure), said);
}

#[test]
fn a_standard_error_that_cannot_be_written_does_not_change_the_code() {
    for arguments in ["apply --quiet /none", "--root /none dsc get", "--root /none show", "--root /none status", "none"]
    {
        let script = format!("exec {} {arguments} 2>/dev/full >/dev/null", env!("CARGO_BIN_EXE_conntrack-sysctl"));
        let code = Command::new("sh").args(["-c", &script]).status().expect("sh runs").code();
        assert_eq!(code, Some(1), "{arguments}");
    }
}
