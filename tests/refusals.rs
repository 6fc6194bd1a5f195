//! Bad requests: each is refused with a clear failure and a JSON pointer, and nothing is touched.
//!
//! A case is a directory in `tests/cases/refusals` with the `request.json` as a user would write it and the `failure.txt` that
//! it gets.

use std::fs;

use crate::support::{Run, cases, golden};

#[test]
fn bad_requests_are_refused_with_a_pointer() {
    for case in cases("refusals") {
        let root = tempfile::tempdir().expect("a directory can be made");
        let request = fs::read(case.join("request.json")).expect("a case has a request");
        for command in ["check", "apply"] {
            let (report, code) = Run::new(&[command, "-"]).root(root.path()).input(request.clone()).report();
            let failure = report.failure.clone().unwrap_or_else(|| panic!("{}: not refused", case.display()));
            assert_eq!(code, 1, "{}", case.display());
            assert!(!report.changed && !report.in_sync && report.settings.is_empty(), "{}", case.display());
            let kind = serde_json::to_value(failure.kind).expect("a kind has a name");
            let text = format!(
                "kind: {}\nmessage: {}\nat: {}\ndo: {}\n",
                kind.as_str().unwrap_or_default(),
                failure.message,
                failure.pointer.as_deref().unwrap_or("-"),
                failure.hint.as_deref().unwrap_or("-"),
            );
            golden(&case.join("failure.txt"), &text);
        }
        let left = fs::read_dir(root.path()).expect("a directory can be read").count();
        assert_eq!(left, 0, "{}: something was touched", case.display());
    }
}

#[test]
fn a_hundred_megabytes_are_refused_at_once() {
    let (report, code) = Run::new(&["check"]).input(vec![b' '; 100_000_000]).report();
    let failure = report.failure.expect("it is refused");
    assert_eq!(code, 1);
    assert!(failure.message.contains("larger than 1048576 bytes"), "{}", failure.message);
}

#[test]
fn a_request_may_have_as_many_bytes_as_the_refusal_says() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let failure = |length: usize| {
        let mut request = br#"{"settings": {"nf_conntrack_max": 98000}}"#.to_vec();
        request.resize(length, b' ');
        Run::new(&["check"]).root(root.path()).input(request).report().0.failure.map(|failure| failure.message)
    };
    assert_eq!(failure(1_048_576), None);
    assert_eq!(failure(1_048_577).as_deref(), Some("the request is larger than 1048576 bytes"));
}

#[test]
fn a_request_file_that_is_not_there_is_named() {
    let (report, code) = Run::new(&["apply", "/nowhere/request.json"]).report();
    let failure = report.failure.expect("it is refused");
    assert_eq!(code, 1);
    assert!(failure.message.contains("/nowhere/request.json"), "{}", failure.message);
}

#[test]
fn a_request_without_a_command_is_not_applied() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let request = directory.path().join("request.json");
    // A reading, which nobody can set, so that this cannot change the machine whatever comes of it.
    fs::write(&request, r#"{"settings": {"nf_conntrack_count": 1}}"#).expect("a file can be written");
    let ended = Run::new(&[request.to_str().expect("its path is text")]).finish();
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("not the arguments of an Ansible task"), "{}", ended.stdout);
}
