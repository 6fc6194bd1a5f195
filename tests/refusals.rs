//! Bad requests: each is refused with a clear failure and a JSON pointer, and nothing is touched. (`requests` compares the
//! reports that the cases of `tests/cases/refusals` get.)

use std::fs;

use crate::judges::case::cases;
use crate::support::Run;

#[test]
fn bad_requests_are_refused() {
    for case in cases("refusals") {
        let root = tempfile::tempdir().expect("a directory can be made");
        let request = case.request().expect("a case has a request");
        for command in ["check", "apply"] {
            let (report, code) = Run::new(&[command, "-"]).root(root.path()).input(request.clone()).report();
            assert!(report.failure.is_some() && code == 1, "{}: not refused", case.name);
            assert!(!report.changed && !report.in_sync && report.settings.is_empty(), "{}", case.name);
        }
        let left = fs::read_dir(root.path()).expect("a directory can be read").count();
        assert_eq!(left, 0, "{}: something was touched", case.name);
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
