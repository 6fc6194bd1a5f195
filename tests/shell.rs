//! What a shell script relies on: with `--quiet` nothing on standard output, and the exit code as without it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The tool with `arguments`, and `request` on its standard input.
fn run(arguments: &[&str], request: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conntrack-sysctl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that refuses its arguments reads no request, and may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_quiet_failure_is_one_line_on_standard_error() {
    for command in ["apply", "check"] {
        let loud = run(&[command], "not JSON");
        let quiet = run(&[command, "--quiet"], "not JSON");
        assert_eq!((loud.status.code(), quiet.status.code()), (Some(1), Some(1)));
        assert!(!loud.stdout.is_empty() && quiet.stdout.is_empty());
        let said = String::from_utf8(quiet.stderr).unwrap();
        assert!(said.starts_with("conntrack-sysctl: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn quiet_goes_with_apply_and_check_and_with_no_output() {
    for arguments in [&["show", "--quiet"][..], &["check", "--quiet", "--output", "json"]] {
        let refused = run(arguments, "{}");
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty());
    }
}

#[test]
fn quiet_keeps_the_code_of_a_drift_and_says_nothing() {
    let case = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/roots/absent");
    let root = format!("{case}/before");
    let request = std::fs::read_to_string(format!("{case}/request.json")).unwrap();
    let loud = run(&["check", "--root", &root], &request);
    let quiet = run(&["check", "--root", &root, "--quiet"], &request);
    assert_eq!((loud.status.code(), quiet.status.code()), (Some(2), Some(2)));
    assert!(!loud.stdout.is_empty() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
}
