//! The answers of `show`, `explain` and their clients without a request: a value that no file holds, a name that no kernel has,
//! and lines that no boot reads.

use std::fs;
use std::path::Path;

use crate::support::Run;
use crate::support::machine::Machine;
use conntrack_sysctl::boot::UnreadCause;
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::report::{ansible, dsc};
use conntrack_sysctl::show::{self, Story};
use conntrack_sysctl::snapshot::Snapshot;
use conntrack_sysctl::tree::{Entry, Obstacle};
use conntrack_sysctl::verify::Verdict;

fn story(name: &str, machine: &Snapshot) -> Story {
    show::story(name, machine).unwrap_or_else(|failure| panic!("{failure}"))
}

fn refusal(name: &str, machine: &Snapshot) -> Failure {
    show::story(name, machine).expect_err("there is no such setting")
}

#[test]
fn a_value_that_no_file_holds_is_not_in_sync() {
    let machine = Machine::modern().built_in().max(98000).live("count", 5).live("acct", 1);
    let machine = machine.file("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_acct = 1\n");
    let inventory = show::inventory(&machine);
    let verdicts: Vec<(&str, Verdict, bool)> = inventory
        .settings
        .iter()
        .map(|setting| {
            (setting.name.as_str().rsplit('_').next().unwrap_or_default(), setting.verdict, setting.advice.is_some())
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            ("acct", Verdict::InSync, false),
            // Nobody can put a reading into a file.
            ("count", Verdict::NotInFiles, false),
            ("max", Verdict::NotInFiles, true),
        ]
    );
    let answer = ansible::inventory(&inventory);
    assert_eq!(answer["in_sync"], false);
    let message = answer["msg"].as_str().expect("it is text");
    assert!(
        message.starts_with("2 settings: no file holds them") && message.contains("; 1 settings: each keeps"),
        "{message}"
    );
    let acct = show::named(&["nf_conntrack_acct".to_owned()], &machine).expect("it is a setting");
    assert_eq!(ansible::inventory(&acct)["in_sync"], true);
    assert_eq!(story("nf_conntrack_max", &machine).overview.verdict, Verdict::NotInFiles);
    assert_eq!(story("nf_conntrack_max", &Machine::image()).overview.verdict, Verdict::NotInFiles);
}

#[test]
fn an_export_has_no_boot_that_cannot_be_known() {
    let machine = Machine::modern()
        .built_in()
        .max(5)
        .file("/etc/sysctl.d/a.conf", "net.netfilter.nf_conntrack_max = 5\n")
        .entry("/etc/sysctl.d/b.conf", Entry::Unreadable(Obstacle::TooLarge));
    let exported = dsc::exported(&show::inventory(&machine));
    assert_eq!(exported, r#"{"persist":false,"settings":{"net.netfilter.nf_conntrack_max":5}}"#);
}

#[test]
fn a_misspelt_name_is_no_setting() {
    let machine = Machine::modern().max(5).live("new_thing", 1);
    for machine in [&machine, &Machine::image()] {
        let failure = refusal("nf_conntrack_tcp_timeout_establishd", machine);
        assert_eq!(failure.kind, Kind::UnknownSetting);
        let hint = "did you mean `net.netfilter.nf_conntrack_tcp_timeout_established`?";
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
    // A newer kernel may have a setting that the catalog lacks.
    assert_eq!(story("nf_conntrack_new_thing", &machine).overview.live, Some(1));
    let failure = refusal("nf_conntrack_new_thing", &Machine::image());
    assert_eq!(failure.hint.as_deref(), Some("`conntrack-sysctl show` lists the settings of the machine"));
    let named = show::named(&["nf_conntrack_max".to_owned(), "nf_conntrack_mox".to_owned()], &machine);
    assert_eq!(named.expect_err("one is misspelt").pointer.as_deref(), Some("/settings/1"));
}

#[test]
fn a_line_that_no_boot_reads_is_named_with_the_reason() {
    use UnreadCause::{Masked, Misspelt, OtherFile, Suffix};
    let line = "# a comment\nnet.netfilter.nf_conntrack_max = 5\n";
    let unread = |machine: &Machine| -> Vec<(String, UnreadCause)> {
        let lines = story("nf_conntrack_max", machine).not_read.into_iter();
        lines.map(|line| (line.place.to_string(), line.cause)).collect()
    };
    let of = |path: &str| Machine::image().file(path, line);
    let at = |path: &str, cause| vec![(format!("{path}:2"), cause)];
    assert_eq!(unread(&of("/etc/sysctl.d/a.conf")), []);
    for (path, cause) in [
        ("/etc/sysctl.conf", OtherFile),
        ("/etc/sysctl.d/.a.conf", OtherFile),
        ("/etc/sysctl.d/a.conf.bak", Suffix),
        ("/usr/lib/sysctl.d/99-a", Suffix),
    ] {
        assert_eq!(unread(&of(path)), at(path, cause), "{path}");
    }
    let masked = of("/usr/lib/sysctl.d/a.conf").entry("/etc/sysctl.d/a.conf", Entry::Null);
    assert_eq!(unread(&masked), at("/usr/lib/sysctl.d/a.conf", Masked("/etc/sysctl.d/a.conf".into())));
    // A link leads to the file, which is read by that name.
    let link = Entry::Link { target: "/etc/sysctl.conf".into(), bytes: line.into() };
    assert_eq!(unread(&of("/etc/sysctl.conf").entry("/etc/sysctl.d/99-sysctl.conf", link)), []);
    for key in ["net.netfilter.nf_conntrack_mox", "nf_conntrack_max", "net.ipv4.nf_conntrack_max"] {
        let machine = Machine::image().file("/etc/sysctl.d/a.conf", &format!("\n{key} = 5\n"));
        assert_eq!(unread(&machine), at("/etc/sysctl.d/a.conf", Misspelt(key.to_owned())), "{key}");
    }
    // The setting of a newer kernel, and a name of older ones, are not misspelt.
    for key in ["net.netfilter.nf_conntrack_mox", "net.ipv4.ip_conntrack_max"] {
        let machine = Machine::modern().live("mox", 1).file("/etc/sysctl.d/a.conf", &format!("{key} = 5\n"));
        assert_eq!(unread(&machine), [], "{key}");
    }
}

/// A root that boots with systemd, with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for (path, text) in [("usr/lib/systemd/systemd-sysctl", "")].iter().chain(files) {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }
    directory
}

#[test]
fn explain_tells_of_files_that_nothing_reads() {
    let line = "net.netfilter.nf_conntrack_max = 1048576\n";
    let root = root(&[
        ("run/sysctl.d/60-b.conf", line),
        ("etc/sysctl.conf", line),
        ("etc/sysctl.d/90-conntrack.conf~", line),
        ("etc/sysctl.d/50-a.conf", "net.netfilter.nf_conntrack_mx = 5\n"),
    ]);
    let explained = Run::new(&["explain", "nf_conntrack_max", "--output", "text"]).root(root.path()).finish();
    let unread: Vec<&str> = explained.stdout.lines().filter(|line| line.starts_with("not read")).collect();
    assert_eq!(
        unread,
        [
            "not read: /run/sysctl.d/60-b.conf:1, because /run is empty at the next boot; move the line to a file in /etc/sysctl.d",
            "not read: /etc/sysctl.d/90-conntrack.conf~:1, because the name of the file does not end in .conf; rename the file",
            "not read: /etc/sysctl.conf:1, because systemd-sysctl does not read /etc/sysctl.conf; move the line to a file in /etc/sysctl.d",
            "not read: /etc/sysctl.d/50-a.conf:1, because the kernel has no key net.netfilter.nf_conntrack_mx; did you mean net.netfilter.nf_conntrack_max?",
        ]
    );
    assert!(explained.stdout.contains("verdict: not_in_files") && explained.code == 0, "{}", explained.stdout);
    let misspelt = Run::new(&["explain", "nf_conntrack_mx"]).root(root.path()).finish();
    assert_eq!((misspelt.code, misspelt.stdout.as_str()), (1, ""));
    assert!(misspelt.stderr.contains("did you mean `net.netfilter.nf_conntrack_max`?"), "{}", misspelt.stderr);
}
