//! Judges the judge of real reboots: it passes an answer that is right, and fails each that is wrong. Guests are booted by
//! `tests/reboot/run`, whose `main` is in `tests/reboot`.

use std::collections::BTreeMap;
use std::fs;

use crate::judges::{case, expected, images};
use crate::support::Run;

mod answer;
mod judge;

use answer::{Answer, directory_of};
use case::{Case, cases};
use expected::Expected;
use images::{IMAGES, STOCK};
use judge::{Booted, Row, Values, without_answer};

const SYN_SENT: &str = "net.netfilter.nf_conntrack_tcp_timeout_syn_sent";
const MAX: &str = "net.netfilter.nf_conntrack_max";

/// The results of a guest that has gone through one case: a directory of files, as its scripts write them.
struct Results {
    directory: tempfile::TempDir,
    case: Case,
}

impl Results {
    /// Those of a guest with a request of `boots/any/comment-out`, about which the program was right.
    fn right() -> Results {
        let case =
            cases("boots/any").into_iter().find(|case| case.name.ends_with("/comment-out")).expect("it is there");
        let root = tempfile::tempdir().expect("a directory can be made");
        crate::judges::machine(&case, IMAGES.iter().find(|image| image.name == "12"), root.path());
        let run = |arguments: &[&str], input: Vec<u8>| Run::new(arguments).root(root.path()).input(input).finish();
        let request = case.request().expect("the case has a request");
        let applied = run(&["apply", "-"], request.clone());
        let results = Results { directory: tempfile::tempdir().expect("a directory can be made"), case };
        results.write("module", "early\n");
        results.write("seen", &format!("{SYN_SENT} 44\n{MAX} 8192\n"));
        results.write_run("show", &run(&["show"], Vec::new()).stdout, 0);
        results.write_run(&results.of_case("report"), &applied.stdout, applied.code);
        let checked = run(&["check", "-"], request);
        results.write_run(&results.of_case("check"), &checked.stdout, checked.code);
        results
    }

    fn of_case(&self, name: &str) -> String {
        format!("cases/{}/{name}", directory_of(&self.case))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }

    fn write_run(&self, name: &str, printed: &str, code: i32) {
        self.write(name, printed);
        self.write(&format!("{name}.exit"), &format!("{code}\n"));
    }

    /// Writes a file with `to` in the place of `from`.
    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.directory.path().join(name)).expect("the file is there");
        assert!(text.contains(from), "{name} has no {from}: {text}");
        self.write(name, &text.replace(from, to));
    }

    fn rows(&self) -> Vec<Row> {
        let image = IMAGES.iter().find(|image| image.name == "12").expect("there is this image");
        let defaults: Values = BTreeMap::from([(SYN_SENT.to_owned(), 120), (MAX.to_owned(), 8192)]);
        let answer = match Answer::read(self.directory.path(), std::slice::from_ref(&self.case)) {
            Ok(answer) => answer,
            Err(why) => return vec![without_answer(&self.case, &why)],
        };
        let booted = Booted { image, defaults: &defaults, answer: &answer };
        booted.judge(&self.case).into_iter().chain(booted.judge_show()).collect()
    }

    /// The subjects that failed.
    fn wrong(&self) -> Vec<String> {
        self.rows().into_iter().filter(|row| row.wrong.is_some()).map(|row| row.subject).collect()
    }
}

#[test]
fn a_right_answer_passes() {
    let rows = Results::right().rows();
    let shown: Vec<_> =
        rows.iter().map(|row| format!("{} {}: {} {}", row.case, row.subject, row.predicted, row.seen)).collect();
    let expected = [
        "boots/any/comment-out (check after the reboot): in sync in sync".to_owned(),
        format!("boots/any/comment-out {SYN_SENT}: 44 44"),
        "(show) (all 1 settings): as shown as shown".to_owned(),
    ];
    assert_eq!(shown, expected);
    assert!(rows.iter().all(|row| row.wrong.is_none()));
}

/// Makes a right answer wrong.
type Spoil = fn(&Results);

#[test]
fn each_wrong_answer_fails() {
    let check = "(check after the reboot)";

    let cases: [(Spoil, &[&str]); 11] = [
        (|it| it.replace("seen", "44", "120"), &[SYN_SENT, SYN_SENT]),
        (|it| it.replace("seen", " 44", " many"), &["-"]),
        (|it| it.write("seen", ""), &["-"]),
        (|it| it.replace(&it.of_case("report"), "\"after\": 44", "\"after\": 45"), &[SYN_SENT]),
        (|it| it.replace(&it.of_case("report"), "\"in_sync\": true", "\"in_sync\": false"), &[check]),
        (|it| it.replace(&it.of_case("check"), "\"in_sync\": true", "\"in_sync\": false"), &[check]),
        (|it| it.write_run(&it.of_case("check"), "", 124), &[check]),
        (|it| it.write_run(&it.of_case("report"), "{}", 0), &["-"]),
        (|it| it.replace(&it.of_case("report"), "\"mode\"", "\"new_field\": 1, \"mode\""), &["-"]),
        (|it| it.write_run("show", "", 1), &["-"]),
        (|it| it.replace("show", "\"boot\": 44", "\"boot\": 45"), &[SYN_SENT]),
    ];
    for (number, (spoil, wrong)) in cases.iter().enumerate() {
        let results = Results::right();
        spoil(&results);
        assert_eq!(results.wrong(), *wrong, "case {number}");
    }
}

/// The same guest, with a boot that cannot be known, as the report, `show` and the check after the reboot say.
fn doubtful() -> Results {
    let mut results = Results::right();
    results.case.expected = Expected::parse("doubt boot_script from /etc/rc.local:2", "a test");
    let doubt =
        r#""doubts": [{"reason": "boot_script", "file": "/etc/rc.local", "line": 2, "message": "", "advice": ""}]"#;
    for name in ["report", "check"].map(|name| results.of_case(name)) {
        results.replace(&name, "\"doubts\": []", doubt);
        results.replace(&name, "\"verdict\": \"in_sync\"", "\"verdict\": \"unknown\"");
        results.replace(&name, "\"in_sync\": true", "\"in_sync\": false");
    }
    results.replace("show", "\"verdict\": \"in_sync\"", "\"verdict\": \"unknown\"");
    results
}

#[test]
fn a_boot_in_doubt_may_make_any_value() {
    for seen in ["44", "45", "120"] {
        let results = doubtful();
        results.write("seen", &format!("{SYN_SENT} {seen}\n{MAX} 8192\n"));
        assert_eq!(results.wrong(), Vec::<String>::new(), "{seen}");
    }
    let mut results = doubtful();
    // Without the doubt it is 44.
    results.case.expected =
        Expected::parse(&format!("{SYN_SENT} 43\ndoubt boot_script from /etc/rc.local:2"), "a test");
    assert_eq!(results.wrong(), Vec::<String>::new());
}

#[test]
fn a_doubt_is_judged_too() {
    let doubt = "(doubt)";
    // In the check after the reboot, in the report, and of `show` alone.
    let cases: [(Spoil, &[&str]); 6] = [
        (|it| it.replace(&it.of_case("check"), "boot_script", "unit_changed"), &[doubt]),
        (|it| it.replace(&it.of_case("check"), "\"line\": 2", "\"line\": 3"), &[doubt]),
        (|it| it.write("seen", &format!("{MAX} 8192\n")), &[SYN_SENT, SYN_SENT]),
        (|it| it.replace("show", "\"unknown\"", "\"in_sync\""), &[]),
        (
            |it| it.replace(&it.of_case("check"), "\"in_sync\": false", "\"in_sync\": true"),
            &["(check after the reboot)"],
        ),
        (|it| it.replace(&it.of_case("report"), "\"reason\": \"boot_script\"", "\"reason\": \"udev_rule\""), &[doubt]),
    ];
    for (number, (spoil, wrong)) in cases.iter().enumerate() {
        let results = doubtful();
        spoil(&results);
        assert_eq!(results.wrong(), *wrong, "case {number}");
    }
    // A mount ends with the boot, and the check after it sees what lay below.
    let mut results = doubtful();
    results.replace(&results.of_case("report"), "boot_script", "mounted_over");
    results.case.expected = Expected::parse("doubt mounted_over from /etc/rc.local:2", "a test");
    assert_eq!(results.wrong(), Vec::<String>::new());
    // A doubt that nobody expects, the value that the author knows of a real boot, and a doubt that is missing.
    let mut results = doubtful();
    results.case.expected = Expected::parse(&format!("{SYN_SENT} 44"), "a test");
    assert_eq!(results.wrong(), [SYN_SENT]);
    results.case.expected = Expected::parse(&format!("{SYN_SENT} 45 reboot\ndoubt boot_script"), "a test");
    assert_eq!(results.wrong(), [SYN_SENT]);
    let mut results = Results::right();
    results.case.expected = Expected::parse("doubt boot_script", "a test");
    assert_eq!(results.wrong(), [doubt]);
    // `show` alone may not be in doubt.
    let results = Results::right();
    results.replace("show", "\"verdict\": \"in_sync\"", "\"verdict\": \"unknown\"");
    results.write("seen", &format!("{SYN_SENT} 45\n{MAX} 8192\n"));
    assert_eq!(results.wrong(), [SYN_SENT, SYN_SENT]);
}

#[test]
fn what_a_case_expects_of_the_module_the_probe_and_the_run_is_judged() {
    let mut results = Results::right();
    let expected = "module late\nprobe.timer active\nfailure conflict\n";
    results.case.expected = Expected::parse(expected, "a test");
    assert_eq!(results.wrong(), ["(failure)", "(module)", "(timer)"]);
    results.write("module", "late\n");
    results.write(&results.of_case("probe"), "timer active\n");
    assert_eq!(results.wrong(), ["(failure)"]);
}

#[test]
fn a_stock_machine_must_go_without_a_warning() {
    let told = |results: &Results, image| {
        let answer = Answer::read(results.directory.path(), std::slice::from_ref(&results.case)).expect("it is whole");
        let booted = Booted { image, defaults: &Values::new(), answer: &answer };
        booted.judge_silence(&results.case).map(|row| row.wrong.is_some())
    };
    let stock = STOCK.iter().find(|image| image.is_stock()).expect("there is one");
    let other = IMAGES.iter().find(|image| !image.is_stock()).expect("there is one");
    let results = Results::right();
    assert_eq!([told(&results, stock), told(&results, other)], [Some(false), None]);
    let warning = r#""warnings": [{"code": "no_limit", "message": "a text", "key": null, "by": null}]"#;
    for name in ["report", "check"] {
        let results = Results::right();
        results.replace(&results.of_case(name), "\"warnings\": []", warning);
        assert_eq!([told(&results, stock), told(&results, other)], [Some(true), None], "{name}");
    }
}
