//! Whole runs of the program on the roots of the cases: each request is checked, applied, and applied again.
//!
//! `report.txt` is the report of the first `apply` as a person reads it, `after/` its root then (missing where nothing
//! changes). `BLESS=1` writes both.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anstream::adapter::strip_str;

use crate::judges::case::{Case, cases, groups};
use crate::judges::images::Image;
use crate::judges::machine;
use crate::judges::modelled;
use crate::support::{Run, copy_tree, describe, golden};
use conntrack_sysctl::report::Report;

#[test]
fn a_root_becomes_as_the_request_says() {
    for case in ["requests", "refusals"].into_iter().flat_map(cases) {
        let (applied, root) = applied(&case, None);
        let text = format!("{}\n", strip_str(&conntrack_sysctl::report::text::report_with_diff(&applied)));
        golden(&case.directory.join("report.txt"), &text);
        assert!(text.lines().last().is_some_and(|verdict| verdict.chars().count() <= 80), "{text}");
        if applied.changed {
            bless(root.path(), &case.directory.join("after"));
            assert_eq!(describe(root.path()), describe(&case.directory.join("after")), "{}", case.name);
        }
    }
}

#[test]
fn a_request_of_a_boot_is_carried_out_too() {
    for case in groups("boots").iter().flat_map(|group| cases(group)).filter(|case| case.request().is_some()) {
        let image = modelled::all().find(|image| image.boots(&case)).expect("an image boots it");
        let (report, _) = applied(&case, Some(image));
        // The guest of a case with a `setup` may be prepared so that nothing is left to change.
        if !case.directory.join("setup").exists() {
            assert_eq!(report.changed, report.failure.is_none(), "{}", case.name);
        }
    }
}

/// The report of the first `apply` of `case`, and its root as it left it. A check says the same before, and a second
/// apply changes nothing.
fn applied(case: &Case, image: Option<&Image>) -> (Report, tempfile::TempDir) {
    let name = &case.name;
    let directory = tempfile::tempdir().expect("a directory can be made");
    let root = directory.path();
    machine(case, image, root);
    let before = describe(root);
    let request = case.request().expect("the case has a request");
    let run = |command: &str| Run::new(&[command, "-"]).root(root).input(request.clone()).report();

    let (checked, check_code) = run("check");
    assert_eq!(describe(root), before, "{name}: a check changed a file");
    let (applied, apply_code) = run("apply");
    assert_prediction(&checked, &applied);
    assert_eq!(apply_code, i32::from(applied.failure.is_some()), "{name}");
    assert_eq!(check_code == 0, checked.in_sync, "{name}");

    let after = describe(root);
    assert_eq!(after != before, applied.changed, "{name}: the report says otherwise");
    assert!(applied.failure.is_none() || !applied.changed, "{name}: a failed run changed a file");

    let (again, _) = run("apply");
    assert!(!again.changed && again.changes.is_empty() && again.diff.is_empty(), "{name}: not idempotent");
    assert_eq!(describe(root), after, "{name}: the second run changed a file");
    let (checked_again, code) = run("check");
    assert_eq!(checked_again.in_sync, again.in_sync, "{name}");
    assert_eq!(code == 0, again.in_sync, "{name}");
    (applied, directory)
}

#[test]
fn a_name_that_is_no_text_is_shown_as_far_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let root = directory.path();
    let drop_ins = root.join("etc/sysctl.d");
    fs::create_dir_all(&drop_ins).expect("a directory can be made");
    let name = OsStr::from_bytes(b"99-\xff.conf");
    fs::write(drop_ins.join(name), "net.netfilter.nf_conntrack_max = 5\n").expect("a file can be written");
    fs::create_dir_all(root.join("etc/modules-load.d")).expect("a directory can be made");
    fs::write(root.join("etc/modules-load.d/a.conf"), "nf_conntrack\n").expect("a file can be written");
    fs::create_dir_all(root.join("usr/lib/systemd")).expect("a directory can be made");
    fs::write(root.join("usr/lib/systemd/systemd-sysctl"), "").expect("a file can be written");
    let request = r#"{"settings": {"nf_conntrack_max": 7}, "conflicts": "comment_out", "backup": true}"#;
    for arguments in [
        &["check"][..],
        &["check", "--output", "text"],
        &["check", "--output", "junit"],
        &["check", "--output", "sarif"],
        &["check", "--output", "github"],
        &["check", "--output", "salt"],
        &["show"],
        &["explain", "nf_conntrack_max"],
        &["dsc", "test"],
    ] {
        let shown = Run::new(arguments).root(root).input(request).finish();
        assert!(shown.stdout.contains('\u{fffd}') || shown.stdout.contains("%FF"), "{arguments:?}: {}", shown.stdout);
    }
    let (report, code) = Run::new(&["apply"]).root(root).input(request).report();
    assert!(report.in_sync && code == 0, "{report:?}");
    let text = fs::read_to_string(drop_ins.join(name)).expect("the file is there");
    assert_eq!(text, "# conntrack-sysctl: net.netfilter.nf_conntrack_max = 5\n");
}

/// A check predicts exactly what apply then does.
fn assert_prediction(checked: &Report, applied: &Report) {
    assert_eq!(checked.changed, applied.changed);
    assert_eq!(checked.changes, applied.changes);
    assert_eq!(checked.diff, applied.diff);
    assert_eq!(checked.failure, applied.failure);
    let values = |report: &Report| {
        let settings = report.settings.iter().cloned();
        settings.map(|setting| (setting.name, setting.live, setting.boot)).collect::<Vec<_>>()
    };
    assert_eq!(values(checked), values(applied));
}

fn bless(root: &Path, after: &Path) {
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(after);
        copy_tree(root, after);
    }
}
