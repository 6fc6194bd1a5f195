//! Runs the operations of the DSC resource on every case of tests/cases/requests, and compares its manifest with the
//! binary.

use std::fs;
use std::path::Path;

use crate::judges::case::cases;
use crate::support::{Finished, Run, copy_tree, describe};
use serde_json::Value;

fn dsc(operation: &str, root: &Path, request: &[u8]) -> Finished {
    Run::new(&["dsc", operation]).root(root).input(request).finish()
}

/// The two lines of an answer: the state, and the names of the properties that differ.
fn lines(answer: &Finished) -> (Value, Vec<String>) {
    let (state, names) = answer.stdout.trim_end().split_once('\n').expect("there are two lines");
    let parsed = |text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (parsed(state), serde_json::from_value(parsed(names)).expect("the second has names"))
}

#[test]
fn set_does_what_what_if_says_and_no_more() {
    let (mut done, mut refused) = (0, 0);
    for case in cases("requests") {
        let request = case.request().expect("the case has a request");
        let directory = tempfile::tempdir().expect("a directory can be made");
        let root = directory.path();
        copy_tree(&case.root(), root);
        let untouched = describe(root);
        let told = dsc("what-if", root, &request);
        assert_eq!(describe(root), untouched, "{}", case.name);
        let found = dsc("set", root, &request);
        assert_eq!((found.code, &found.stdout), (told.code, &told.stdout), "{}", case.name);
        if found.code == 1 {
            assert_eq!((describe(root), found.stdout), (untouched, String::new()), "{}", case.name);
            assert!(found.stderr.starts_with(r#"{"error":"#), "{}: {}", case.name, found.stderr);
            refused += 1;
            continue;
        }
        let (left, names) = lines(&found);
        assert_eq!(names.is_empty(), describe(root) == untouched, "{}: {names:?}", case.name);
        let (tested, _) = lines(&dsc("test", root, &request));
        assert_eq!(tested["actual"], left["actual"], "{}", case.name);
        // Where it holds, each property is as it was given: DSC's group Assertion compares them.
        let given: Value = serde_json::from_slice(&request).expect("it is JSON");
        let is_given = |(name, value): (&String, &Value)| value.is_null() || tested[name] == *value;
        if tested["_inDesiredState"] == true {
            assert!(given.as_object().expect("an object").iter().all(is_given), "{}: {tested}", case.name);
        }
        let (again, names) = lines(&dsc("set", root, &request));
        assert_eq!((again, names), (left, Vec::new()), "{}", case.name);
        done += 1;
    }
    assert!(done > 20 && refused > 4, "{done} were done, {refused} refused");
}

#[test]
fn what_export_tells_holds() {
    let mut count = 0;
    for case in cases("requests") {
        let root = case.root();
        let exported = dsc("export", &root, b"");
        assert_eq!(exported.code, 0, "{}: {}", case.name, exported.stderr);
        for instance in exported.stdout.lines() {
            let (state, names) = lines(&dsc("test", &root, instance.as_bytes()));
            // There a setting holds only because the module is late: with an early one, our own line would win.
            let is_by_chance = case.name.ends_with("/firewalld-loads-the-sysctls-with-the-module");
            let expected = (&Value::from(!is_by_chance), if is_by_chance { vec!["file".to_owned()] } else { vec![] });
            assert_eq!((&state["_inDesiredState"], names), expected, "{}: {instance}", case.name);
            count += 1;
        }
    }
    assert!(count > 10, "only {count} instances were exported");
}

#[test]
fn the_manifest_has_the_version_of_the_binary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dsc/conntrack-sysctl.dsc.resource.json");
    let manifest = fs::read_to_string(path).expect("the manifest can be read");
    let manifest: Value = serde_json::from_str(&manifest).expect("the manifest is JSON");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}
