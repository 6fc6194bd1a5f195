//! Where the next boot cannot be known: which files leave a doubt about which settings, and what a run says and does then.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::machine::Machine;
use crate::support::world::{Network, World, privileged};
use crate::support::{Run, describe};
use conntrack_sysctl::failure::Kind;
use conntrack_sysctl::kernel::catalog::FRAG6_LOW;
use conntrack_sysctl::plan::plan;
use conntrack_sysctl::report::{Agreement, Mode, Report, text};
use conntrack_sysctl::request;
use conntrack_sysctl::snapshot::Snapshot;
use conntrack_sysctl::tree::{Entry, LARGEST, Obstacle};
use conntrack_sysctl::verify::{Reason, Verdict};
use conntrack_sysctl::warning::Code;

/// What a check of `request` finds.
fn checked(request: &str, machine: &Snapshot) -> Report {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    match plan(&desired, machine) {
        Ok(plan) => Report::new(Mode::Check, &desired, machine, &plan.predict(machine), &plan),
        Err(failure) => Report::failed(Mode::Check, &desired, machine, machine, failure),
    }
}

fn verdicts(report: &Report) -> Vec<Verdict> {
    report.settings.iter().map(|setting| setting.verdict).collect()
}

fn too_large(machine: Machine, path: &str) -> Machine {
    machine.entry(path, Entry::Unreadable(Obstacle::TooLarge))
}

const EARLY: &str = "/etc/modules-load.d/early.conf";
const ACCT: &str = "net.netfilter.nf_conntrack_acct = 1\n";

/// A machine with `acct` on, live and in 50-acct.conf, which loads the module early.
fn with_acct() -> Machine {
    Machine::modern().max(65536).live("acct", 1).file("/etc/sysctl.d/50-acct.conf", ACCT).file(EARLY, "nf_conntrack\n")
}

/// The verdict on `acct`, if what stands at `path` is too large to be read.
fn acct_with(machine: Machine, path: &str) -> Verdict {
    let report = checked(r#"{"settings": {"nf_conntrack_acct": 1}}"#, &too_large(machine, path));
    report.settings[0].verdict
}

#[test]
fn a_file_that_cannot_be_read_matters_where_the_boot_reads_it() {
    use Verdict::{InSync, Unknown};
    let cases = [
        // A line that is read later has the last word.
        ("/etc/sysctl.d/49-a.conf", InSync),
        ("/usr/lib/sysctl.d/49-a.conf", InSync),
        ("/etc/sysctl.d/51-a.conf", Unknown),
        ("/usr/lib/sysctl.d/51-a.conf", Unknown),
        ("/run/credentials/@system/sysctl.extra", Unknown),
        ("/etc/sysctl.conf", InSync),
        ("/etc/sysctl.d/README", InSync),
        // A list of modules can only add one.
        ("/etc/modules-load.d/a.conf", InSync),
        ("/etc/modules", InSync),
        ("/etc/modprobe.d/a.conf", Unknown),
        ("/usr/lib/udev/rules.d/a.rules", Unknown),
        // Neither ufw nor tuned is installed.
        ("/etc/default/ufw", InSync),
        ("/etc/tuned/active_profile", InSync),
    ];
    for (path, expected) in cases {
        assert_eq!(acct_with(with_acct(), path), expected, "{path}");
    }
    let wants = "/etc/systemd/system/multi-user.target.wants";
    let ufw = with_acct()
        .entry("/usr/lib/ufw/ufw-init", Entry::Program)
        .entry(format!("{wants}/ufw.service"), Entry::Program);
    assert_eq!(acct_with(ufw, "/etc/default/ufw"), Unknown);
    let tuned =
        with_acct().entry("/usr/sbin/tuned", Entry::Program).entry(format!("{wants}/tuned.service"), Entry::Program);
    assert_eq!(acct_with(tuned, "/etc/tuned/active_profile"), Unknown);
    let masked = with_acct().entry("/etc/sysctl.d/99-vendor.conf", Entry::Null);
    assert_eq!(acct_with(masked, "/usr/lib/sysctl.d/99-vendor.conf"), InSync);
}

#[test]
fn a_file_that_decides_when_the_module_comes() {
    use Verdict::{InSync, LostAtBoot, Unknown};
    let late = || with_acct().entry(EARLY, Entry::Null);
    assert_eq!(acct_with(late(), "/etc/modules-load.d/a.conf"), Unknown);
    assert_eq!(acct_with(late(), "/etc/udev/rules.d/a.rules"), Unknown);
    // Lost is what comes before the module, whatever it says.
    assert_eq!(acct_with(late(), "/etc/sysctl.d/51-a.conf"), LostAtBoot);
    assert_eq!(acct_with(late().built_in(), "/etc/modules-load.d/a.conf"), InSync);
    assert_eq!(acct_with(late().built_in(), "/etc/modprobe.d/a.conf"), InSync);
}

#[test]
fn a_script_or_a_job_that_is_too_large_may_write_anything() {
    for path in ["/etc/rc.local", "/etc/cron.d/a", "/etc/tmpfiles.d/a.conf", "/etc/network/interfaces"] {
        assert_eq!(acct_with(with_acct(), path), Verdict::Unknown, "{path}");
    }
    assert_eq!(acct_with(with_acct(), "/opt/site/run"), Verdict::InSync);
}

#[test]
fn a_file_that_is_read_before_the_deciding_line_may_matter_all_the_same() {
    let threshold = format!("{FRAG6_LOW} = 5\n");
    let machine = || {
        let machine = Machine::modern().max(5).live("acct", 5).live("frag6_low_thresh", 5).live("udp_timeout", 5);
        too_large(machine.file(EARLY, "nf_conntrack\n"), "/etc/sysctl.d/10-a.conf")
    };
    let cases = [
        ("udp_timeout", "net.netfilter.nf_conntrack_udp_timeout = 5\n", Verdict::InSync),
        ("udp_timeout", "net/netfilter/nf_conntrack_udp_timeout = 5\n", Verdict::InSync),
        // The file may say that the glob leaves the key out.
        ("udp_timeout", "net.netfilter.nf_conntrack_udp_timeou? = 5\n", Verdict::Unknown),
        // systemd-sysctl leaves a key in its place that is assigned again with an equal value: the file may assign the
        // limit's other key behind it.
        ("max", "net.netfilter.nf_conntrack_max = 5\n", Verdict::Unknown),
        // The kernel compares the two thresholds.
        ("frag6_low_thresh", &threshold, Verdict::Unknown),
    ];
    for (name, line, expected) in cases {
        let machine = machine().file("/etc/sysctl.d/50-a.conf", line);
        let report = checked(&format!(r#"{{"settings": {{"nf_conntrack_{name}": 5}}}}"#), &machine);
        assert_eq!(report.settings[0].verdict, expected, "{line}");
        assert_eq!(report.settings[0].boot.before, Some(5), "{line}");
    }
}

#[test]
fn what_is_no_regular_file_may_hold_the_loader_up() {
    let machine = with_acct().entry("/etc/sysctl.d/10-a.conf", Entry::Unreadable(Obstacle::NotRegular));
    let report = checked(r#"{"settings": {"nf_conntrack_acct": 1}}"#, &machine);
    let doubt = &report.settings[0].doubts[0];
    assert_eq!(
        (doubt.reason, doubt.file.as_deref()),
        (Reason::NotRegularFile, Some(Path::new("/etc/sysctl.d/10-a.conf")))
    );
}

#[test]
fn a_certain_drift_outweighs_what_is_unknown() {
    let machine = too_large(with_acct(), "/etc/sysctl.d/99-a.conf");
    let request = |value: u8| format!(r#"{{"settings": {{"nf_conntrack_acct": {value}}}}}"#);
    let unknown = checked(&request(1), &machine);
    assert_eq!((verdicts(&unknown), unknown.agreement()), (vec![Verdict::Unknown], Agreement::Unknown));
    assert_eq!(unknown.exit().code(), 1);
    // What is live is certain.
    let live = checked(&request(0), &machine);
    assert_eq!((verdicts(&live), live.agreement()), (vec![Verdict::LiveDrift], Agreement::Drift));
    // So is the line that is read last.
    let vendor =
        too_large(with_acct(), "/etc/sysctl.d/10-a.conf").live("acct", 0).file("/etc/sysctl.d/95-vendor.conf", ACCT);
    let shadowed = checked(&request(0), &vendor);
    assert_eq!((verdicts(&shadowed), shadowed.exit().code()), (vec![Verdict::Shadowed], 2));
    // One setting that drifts, and one of which nobody can tell.
    let both = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_max": 7}, "conflicts": "warn"}"#;
    let both = checked(both, &machine);
    assert_eq!(verdicts(&both), [Verdict::Unknown, Verdict::LiveDrift]);
    assert_eq!(both.exit().code(), 2);
}

#[test]
fn of_several_boots_a_drift_outweighs_a_doubt_and_a_doubt_an_agreement() {
    let of = |path: &str, loader: &str| {
        let machine = too_large(with_acct(), path);
        let request = format!(r#"{{"settings": {{"nf_conntrack_acct": 1}}, "loader": {loader}, "conflicts": "warn"}}"#);
        checked(&request, &machine).settings[0].verdict
    };
    // Only procps reads it.
    assert_eq!(of("/etc/sysctl.conf", r#""both""#), Verdict::Unknown);
    assert_eq!(of("/etc/sysctl.conf", r#"["procps", "systemd"]"#), Verdict::Unknown);
    let machine = too_large(with_acct(), "/run/credentials/@system/sysctl.extra")
        .file("/etc/sysctl.conf", "net.netfilter.nf_conntrack_acct = 0\n");
    let request = r#"{"settings": {"nf_conntrack_acct": 1}, "loader": "both", "conflicts": "warn"}"#;
    assert_eq!(checked(request, &machine).settings[0].verdict, Verdict::Shadowed);
}

#[test]
fn what_is_not_managed_leaves_no_doubt() {
    let machine = too_large(with_acct(), "/etc/sysctl.d/99-a.conf");
    let live = checked(r#"{"settings": {"nf_conntrack_acct": 1}, "persist": false}"#, &machine);
    assert!(live.in_sync && live.warnings.is_empty(), "{live:?}");
    // That a line is not in our file can be seen, unless that is the file.
    let absent = r#"{"settings": {"nf_conntrack_acct": null}, "state": "absent"}"#;
    assert_eq!(verdicts(&checked(absent, &machine)), [Verdict::InSync]);
    let ours = too_large(with_acct(), "/etc/sysctl.d/90-conntrack.conf");
    let report = checked(absent, &ours);
    assert_eq!((verdicts(&report), report.exit().code()), (vec![Verdict::Unknown], 1));
    assert_eq!(report.failure.map(|failure| failure.kind), Some(Kind::Permission));
}

#[test]
fn a_request_may_say_that_it_refuses_what_is_unknown() {
    let request = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_udp_timeout": 5}, "uncertain": "fail"}"#;
    let machine = with_acct().live("udp_timeout", 5);
    let report = checked(request, &too_large(machine.clone(), "/etc/sysctl.d/99-a.conf"));
    let failure = report.failure.clone().expect("it is refused");
    assert_eq!(failure.kind, Kind::BootUnknown);
    assert_eq!(failure.key.as_deref(), Some("net.netfilter.nf_conntrack_acct"));
    assert_eq!(failure.pointer.as_deref(), Some("/settings/nf_conntrack_acct"));
    assert!(failure.message.contains("`/etc/sysctl.d/99-a.conf`"), "{}", failure.message);
    assert!(failure.hint.is_some_and(|hint| hint.ends_with("or set `uncertain` to warn")));
    assert_eq!((report.exit().code(), text::summary(&report).as_str()), (1, "could not tell, and apply would fail"));
    // The line of the request comes behind the file, so that it is certain.
    let before = checked(request, &too_large(machine, "/etc/sysctl.d/10-a.conf"));
    assert_eq!((before.failure, before.changed), (None, true));
}

#[test]
fn one_warning_tells_of_a_doubt_and_names_the_setting_if_it_is_one() {
    let machine = too_large(with_acct().live("udp_timeout", 5), "/etc/sysctl.d/60-a.conf");
    let keys = |request| {
        let warnings = checked(request, &machine).warnings.into_iter();
        warnings.map(|warning| (warning.code, warning.key)).collect::<Vec<_>>()
    };
    let acct = Some("net.netfilter.nf_conntrack_acct".to_owned());
    assert_eq!(keys(r#"{"settings": {"nf_conntrack_acct": 1}}"#), [(Code::BootUnknown, acct.clone())]);
    // Our line is read behind the file.
    let both = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_udp_timeout": 5}}"#;
    assert_eq!(keys(both), [(Code::BootUnknown, acct)]);
    let file = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_udp_timeout": 5},
        "file": "/etc/sysctl.d/50-acct.conf"}"#;
    assert_eq!(keys(file), [(Code::BootUnknown, None)]);
}

/// A root that boots with systemd and loads the module early.
fn root() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let root = directory.path();
    for below in ["etc/sysctl.d", "etc/modules-load.d", "usr/lib/systemd"] {
        fs::create_dir_all(root.join(below)).expect("a directory can be made");
    }
    fs::write(root.join("usr/lib/systemd/systemd-sysctl"), "").expect("a file can be written");
    fs::write(root.join("etc/modules-load.d/a.conf"), "nf_conntrack\n").expect("a file can be written");
    directory
}

#[test]
fn a_fifo_and_a_file_without_end_hold_nobody_up() {
    let directory = root();
    let drop_ins = directory.path().join("etc/sysctl.d");
    let made = Command::new("mkfifo").arg(drop_ins.join("10-fifo.conf")).status().expect("mkfifo starts");
    assert!(made.success());
    let huge = fs::File::create(drop_ins.join("20-huge.conf")).expect("a file can be made");
    huge.set_len(LARGEST + 1).expect("it can have a hole");
    let request = r#"{"settings": {"nf_conntrack_max": 7}}"#;
    let run = |command: &str| Run::new(&[command]).root(directory.path()).input(request).report();
    let (report, code) = run("apply");
    assert_eq!((code, report.changed, report.in_sync), (0, true, false), "{report:?}");
    let doubts: Vec<Reason> = report.settings[0].doubts.iter().map(|doubt| doubt.reason).collect();
    assert_eq!(doubts, [Reason::NotRegularFile, Reason::FileTooLarge]);
    let codes: Vec<Code> = report.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [Code::BootUnknown; 2]);
    let (again, code) = run("apply");
    assert_eq!((code, again.changed, again.in_sync), (0, false, false));
    let (checked, code) = run("check");
    assert_eq!((code, checked.in_sync, checked.settings[0].verdict), (1, false, Verdict::Unknown));
}

/// Each file is small enough by itself; together they would fill the memory.
#[test]
fn files_that_are_too_large_together_are_a_failure_that_names_one() {
    let directory = root();
    for number in 0..400 {
        fs::File::create(directory.path().join(format!("etc/sysctl.d/{number:03}.conf")))
            .and_then(|file| file.set_len(LARGEST))
            .expect("a file can be made");
    }
    let request = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
    for command in ["check", "apply"] {
        let (report, code) = Run::new(&[command]).root(directory.path()).input(request).report();
        let failure = report.failure.expect("it fails");
        assert_eq!((code, failure.kind), (1, Kind::BootUnknown), "{failure}");
        assert!(failure.message.contains("/etc/sysctl.d/") && failure.message.contains("4 MiB"), "{failure}");
    }
}

#[test]
fn nothing_is_touched_where_the_request_says_so() {
    let directory = root();
    fs::File::create(directory.path().join("etc/sysctl.d/95-huge.conf"))
        .and_then(|file| file.set_len(LARGEST + 1))
        .expect("a file can be made");
    let before = describe(directory.path());
    let request = r#"{"settings": {"nf_conntrack_acct": 1}, "uncertain": "fail"}"#;
    let (report, code) = Run::new(&["apply"]).root(directory.path()).input(request).report();
    assert_eq!((code, report.changed, report.in_sync), (1, false, false));
    assert_eq!(report.failure.map(|failure| (failure.kind, failure.rolled_back)), Some((Kind::BootUnknown, None)));
    assert_eq!(describe(directory.path()), before);
}

#[test]
fn no_output_says_ok_of_what_is_unknown() {
    let directory = root();
    let drop_ins = directory.path().join("etc/sysctl.d");
    fs::write(drop_ins.join("50-acct.conf"), ACCT).expect("a file can be written");
    fs::File::create(drop_ins.join("95-huge.conf"))
        .and_then(|file| file.set_len(LARGEST + 1))
        .expect("a file can be made");
    let request = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
    let printed = |arguments: &[&str]| Run::new(arguments).root(directory.path()).input(request).finish();
    for output in ["json", "text", "junit", "sarif", "github", "salt"] {
        let ended = printed(&["check", "--output", output]);
        assert_eq!(ended.code, 1, "{output}");
        assert!(ended.stdout.contains("95-huge.conf"), "{output}: {}", ended.stdout);
        assert!(!ended.stdout.contains("ok:"), "{output}: {}", ended.stdout);
    }
    let quiet = printed(&["check", "--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (1, ""));
    let salt: serde_json::Value = serde_json::from_str(&printed(&["check", "--output", "salt"]).stdout).expect("JSON");
    assert_eq!(salt["result"], false);
    let junit = printed(&["check", "--output", "junit"]).stdout;
    assert!(junit.contains("failures=\"0\" errors=\"1\"") && junit.contains("<error type=\"unknown\""), "{junit}");
    let dsc = printed(&["dsc", "test"]);
    assert!(dsc.stdout.contains("\"_inDesiredState\":false"), "{}", dsc.stdout);
    for command in [&["show", "--output", "text"][..], &["explain", "nf_conntrack_acct", "--output", "text"]] {
        let shown = Run::new(command).root(directory.path()).finish().stdout;
        assert!(shown.contains("unknown") && shown.contains("95-huge.conf"), "{shown}");
        assert!(!shown.contains("in_sync"), "{shown}");
    }
}

privileged!(a_user_who_may_not_read_a_drop_in_cannot_tell, || {
    let world = World::new(Network::Private);
    world.sh("echo nf_conntrack > /etc/modules-load.d/a.conf; chmod 755 /mnt");
    let request = r#"{"settings": {"nf_conntrack_acct": 0}}"#;
    assert!(world.apply(request).report().in_sync);
    world.sh("echo '# nothing' > /etc/sysctl.d/99-secret.conf; chmod 600 /etc/sysctl.d/99-secret.conf");
    let checked = world.try_sh("exec setpriv --reuid 65534 --clear-groups $BIN check", request);
    let report = checked.report();
    assert_eq!((checked.code, verdicts(&report)), (1, vec![Verdict::Unknown]), "{}", checked.stdout);
    assert_eq!(report.settings[0].doubts[0].reason, Reason::UnreadableFile);
    assert_eq!(world.check(request).code, 0);
});
