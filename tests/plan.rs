//! Judges plans for kernels of a certain kind: with read-only buckets, with thresholds that bound each other, with sizes
//! that deserve a warning, or without the module.

use std::path::{Path, PathBuf};

use crate::support::machine::Machine;
use anstream::adapter::strip_str;
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::kernel::catalog::{BUCKETS, Key, MAX};
use conntrack_sysctl::plan::{Plan, Step, Target, plan};
use conntrack_sysctl::report::{Change, FileAction, Mode, Report, text};
use conntrack_sysctl::request;
use conntrack_sysctl::show;
use conntrack_sysctl::snapshot::{Module, Snapshot};
use conntrack_sysctl::tree::{Entry, Obstacle};
use conntrack_sysctl::verify::{Verdict, arrival_text};
use conntrack_sysctl::warning::Code;

fn planned(request: &str, machine: &Snapshot) -> Plan {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    plan(&desired, machine).unwrap_or_else(|failure| panic!("{failure}"))
}

fn refusal(request: &str, machine: &Snapshot) -> Failure {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    plan(&desired, machine).expect_err("it cannot be planned")
}

fn failure(request: &str, machine: &Snapshot) -> Kind {
    refusal(request, machine).kind
}

/// The live writes of a plan, in order.
fn writes(plan: &Plan) -> Vec<(String, i64)> {
    let name = |target: &Target| match target {
        Target::Sysctl(key) => key.as_str().rsplit("nf_conntrack_").next().unwrap_or_default().to_owned(),
        Target::Hashsize => "hashsize".to_owned(),
    };
    let write = |step: &Step| match step {
        Step::SetLive { target, write, .. } => Some((name(target), *write)),
        _ => None,
    };
    plan.steps.iter().filter_map(write).collect()
}

fn codes(plan: &Plan) -> Vec<Code> {
    plan.warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn buckets_of_a_kernel_that_has_them_read_only() {
    let bare = Machine::modern().kernel(4, 4).max(65536).buckets(16384).read_only(BUCKETS);
    let old = bare.clone().hashsize();
    let request = r#"{"settings": {"nf_conntrack_buckets": 60000}}"#;
    let plan = planned(request, &old);
    assert_eq!(writes(&plan), [("hashsize".to_owned(), 60000)]);
    let files: Vec<String> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::ReplaceFile { path, after, .. } => {
                Some(format!("{}: {}", path.display(), String::from_utf8_lossy(after.as_deref().unwrap_or_default())))
            }
            _ => None,
        })
        .collect();
    assert!(
        files.contains(&"/etc/modprobe.d/nf_conntrack.conf: options nf_conntrack hashsize=60000\n".to_owned()),
        "{files:?}"
    );
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let report = Report::new(Mode::Apply, &desired, &old, &plan.predict(&old), &plan);
    assert_eq!((report.settings[0].live.after, report.settings[0].boot.after), (Some(60416), Some(60416)));
    assert!(report.in_sync);
    assert!(planned(request, &plan.predict(&old)).steps.is_empty());

    assert_eq!(failure(request, &old.built_in()), Kind::ReadOnly);
    assert_eq!(failure(request, &bare), Kind::ReadOnly);
}

#[test]
fn buckets_that_a_sysctl_sets_need_no_option_of_the_module() {
    let request = r#"{"settings": {"nf_conntrack_buckets": 16384}}"#;
    let today = Machine::modern().built_in().hashsize().max(65536).buckets(16384);
    // In a network namespace within the machine both are read-only, but the boot does not happen there.
    let child = today.clone().read_only(MAX).read_only(BUCKETS);
    for machine in [&today, &child] {
        let [Step::ReplaceFile { path, .. }] = &planned(request, machine).steps[..] else { panic!("it is one file") };
        assert_eq!(path, Path::new("/etc/sysctl.d/90-conntrack.conf"));
    }
    let more = r#"{"settings": {"nf_conntrack_buckets": 32768}}"#;
    assert_eq!(writes(&planned(more, &today)), [("buckets".to_owned(), 32768)]);
}

#[test]
fn a_setting_that_cannot_be_written_is_refused_with_the_reason() {
    let machine = Machine::modern().hashsize().max(65536).buckets(16384).live("acct", 0);
    let old = machine.clone().read_only(Key::new("net.netfilter.nf_conntrack_acct"));
    // A limit that nobody can write shows that the run is in a network namespace within the machine.
    let child = machine.clone().read_only(MAX);
    for (name, machine, reason) in [
        ("acct", old, "it is read-only on this kernel"),
        ("max", child, "it is one number for the whole machine, and this is a network namespace within it"),
        ("buckets", machine.read_only_proc_sys(), "/proc/sys/net is mounted read-only here"),
    ] {
        let failure = refusal(&format!(r#"{{"settings": {{"nf_conntrack_{name}": 1}}}}"#), &machine);
        assert_eq!(failure.kind, Kind::ReadOnly);
        assert!(failure.message.ends_with(reason), "{}", failure.message);
    }
}

#[test]
fn a_floor_keeps_what_the_kernel_has_above_it() {
    let machine = Machine::modern().built_in().max(262_144);
    let line = |floor: i64| match &planned(&format!(r#"{{"at_least": {{"nf_conntrack_max": {floor}}}}}"#), &machine)
        .steps[..]
    {
        [.., Step::ReplaceFile { after: Some(after), .. }] => String::from_utf8_lossy(after).into_owned(),
        other => panic!("it writes our file: {other:?}"),
    };
    assert_eq!(line(98_000), "net.netfilter.nf_conntrack_max = 262144\n");
    assert_eq!(line(300_000), "net.netfilter.nf_conntrack_max = 300000\n");
}

#[test]
fn a_limit_of_zero_is_above_every_floor_and_no_other_zero_is() {
    let machine = Machine::modern().max(0).live("expect_max", 0);
    let floor = |name: &str| writes(&planned(&format!(r#"{{"at_least": {{"{name}": 10}}}}"#), &machine));
    assert_eq!(floor("nf_conntrack_max"), []);
    assert_eq!(floor("nf_conntrack_expect_max"), [("expect_max".to_owned(), 10)]);
}

#[test]
fn a_file_that_cannot_be_edited_is_refused_with_the_reason() {
    let refusal = |entry: Entry| {
        let machine = Machine::modern().max(98000).entry("/etc/sysctl.d/90-conntrack.conf", entry);
        let failure = refusal(r#"{"settings": {"nf_conntrack_max": 98000}}"#, &machine);
        (failure.kind, failure.message)
    };
    let because = |why: &str| format!("`/etc/sysctl.d/90-conntrack.conf` cannot be edited: {why}");
    assert_eq!(refusal(Entry::Dangling), (Kind::BadRequest, because("it is a link to nothing")));
    assert_eq!(
        refusal(Entry::Unreadable(Obstacle::Refused("no access".into()))),
        (Kind::Permission, because("no access"))
    );
}

#[test]
fn thresholds_are_written_in_the_order_that_the_kernel_takes() {
    let machine = Machine::modern().live("frag6_high_thresh", 4_194_304).live("frag6_low_thresh", 3_145_728);
    let order = |high: i64, low: i64| {
        let request = format!(
            r#"{{"settings": {{"nf_conntrack_frag6_high_thresh": {high}, "nf_conntrack_frag6_low_thresh": {low}}},
                "persist": false}}"#
        );
        writes(&planned(&request, &machine)).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(order(8_388_608, 6_291_456), ["frag6_high_thresh", "frag6_low_thresh"]);
    assert_eq!(order(2_097_152, 1_048_576), ["frag6_low_thresh", "frag6_high_thresh"]);
}

#[test]
fn sizes_that_a_user_should_know_of() {
    let machine = Machine::modern().max(262_144).buckets(262_144).count(50_000);
    let warnings = |request: &str| planned(request, &machine).warnings;
    assert_eq!(warnings(r#"{"settings": {"nf_conntrack_max": 98000}}"#), []);
    assert_eq!(warnings(r#"{"settings": {"nf_conntrack_max": 50000}}"#), []);
    let below = warnings(r#"{"settings": {"nf_conntrack_max": 40000}}"#);
    assert_eq!(below.len(), 1);
    assert_eq!(below[0].code, Code::LimitBelowCount);
    assert!(
        below[0].message.contains("40000") && below[0].message.contains("50000") && below[0].message.contains("10001")
    );
    let long = warnings(r#"{"settings": {"nf_conntrack_max": 1048576}}"#);
    assert_eq!((long.len(), long[0].code), (1, Code::LongChains));
    assert!(long[0].message.contains("chains of 8 ") && long[0].message.contains("256.0 MiB"), "{}", long[0].message);
    assert_eq!(codes(&planned(r#"{"settings": {"nf_conntrack_max": 0}}"#, &machine)), [Code::NoLimit]);
    assert_eq!(warnings(r#"{"settings": {"nf_conntrack_max": 1048576, "nf_conntrack_buckets": 1048576}}"#), []);
    // Kernels before 5.15 have four entries a bucket by themselves.
    let old = machine.clone().kernel(5, 10);
    assert_eq!(codes(&planned(r#"{"settings": {"nf_conntrack_max": 1048576}}"#, &old)), []);
    let long = planned(r#"{"settings": {"nf_conntrack_max": 1048577}}"#, &old).warnings;
    assert_eq!((long.len(), long[0].code), (1, Code::LongChains));
    assert!(long[0].message.contains("default has 8; nf_conntrack_buckets 262144 takes"), "{}", long[0].message);
    let newer = machine.kernel(5, 15);
    assert_eq!(codes(&planned(r#"{"settings": {"nf_conntrack_max": 1048576}}"#, &newer)), [Code::LongChains]);
}

#[test]
fn a_module_that_is_not_there() {
    let bare = Machine::modern().module(Module::Absent);
    let request = |module: &str| format!(r#"{{"settings": {{"nf_conntrack_max": 98000}}, "module": "{module}"}}"#);
    let plan = planned(&request("load"), &bare);
    assert_eq!(plan.steps[0], Step::LoadModule);
    assert_eq!(writes(&plan), [("max".to_owned(), 98000)]);
    assert!(planned(&request("load"), &plan.predict(&bare)).steps.is_empty());
    let desired = request::from_slice(request("load").as_bytes()).expect("the request is well formed");
    let report = Report::new(Mode::Check, &desired, &bare, &bare, &plan);
    assert_eq!(report.settings[0].advice.as_deref(), Some("connection tracking is not loaded; apply loads it"));
    assert_eq!(failure(&request("require"), &bare), Kind::ModuleAbsent);
    assert_eq!(failure(&request("ignore"), &bare), Kind::ModuleAbsent);
    let files_only = r#"{"settings": {"nf_conntrack_max": 98000}, "module": "ignore", "live": false}"#;
    let plan = planned(files_only, &bare);
    assert_eq!(codes(&plan), [Code::BootNotGuaranteed]);
    let desired = request::from_slice(files_only.as_bytes()).expect("the request is well formed");
    let report = Report::new(Mode::Apply, &desired, &bare, &plan.predict(&bare), &plan);
    assert_eq!((report.in_sync, report.settings[0].verdict), (false, Verdict::LostAtBoot));
}

#[test]
fn the_line_that_bars_the_module_is_named() {
    const LINE: &str = "remove that line";
    const COMMAND_LINE: &str =
        "remove nf_conntrack from `module_blacklist` and `modprobe.blacklist` in the boot loader's configuration";
    let cases = [
        ("/proc/cmdline", "ro module_blacklist=nf_conntrack", "the kernel command line", COMMAND_LINE),
        ("/proc/cmdline", "modprobe.blacklist=nf_conntrack", "the kernel command line", COMMAND_LINE),
        ("/etc/modprobe.d/b.conf", "# x\nblacklist nf_conntrack", "`/etc/modprobe.d/b.conf:2`", LINE),
        ("/etc/modprobe.d/b.conf", "install nf_conntrack /bin/false", "`/etc/modprobe.d/b.conf:1`", LINE),
    ];
    for (file, text, bar, remedy) in cases {
        let machine = Machine::modern()
            .max(98000)
            .file("/usr/lib/systemd/systemd-sysctl", "")
            .file("/etc/modules-load.d/a.conf", "nf_conntrack")
            .file("/etc/sysctl.d/90-conntrack.conf", "net.netfilter.nf_conntrack_max = 98000\n")
            .file(file, text);
        let desired = |module: &str| {
            let request = format!(r#"{{"settings": {{"nf_conntrack_max": 98000}}, "module": "{module}"}}"#);
            request::from_slice(request.as_bytes()).expect("the request is well formed")
        };
        let bars = format!("{bar} prevents early loading of nf_conntrack at boot");
        for module in ["load", "require"] {
            let failure = plan(&desired(module), &machine).expect_err("the module is barred");
            assert_eq!((failure.kind, failure.message.as_str()), (Kind::ModuleAbsent, bars.as_str()));
            assert_eq!(failure.hint, Some(format!("{remedy}, or set `module` to ignore")));
        }
        let plan = plan(&desired("ignore"), &machine).expect("it is not asked for");
        let warnings: Vec<&str> = plan.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, [format!("{bars}: the values in the files are lost; {remedy}")]);
        let report = Report::new(Mode::Check, &desired("ignore"), &machine, &machine, &plan);
        let lost = format!(
            "`/etc/sysctl.d/90-conntrack.conf:1` is read before the module is loaded, and {bar} prevents early loading; \
             {remedy}"
        );
        assert_eq!(report.settings[0].verdict, Verdict::LostAtBoot);
        assert_eq!(report.settings[0].advice.as_ref(), Some(&lost));
        let story = show::story("nf_conntrack_max", &machine).expect("it is a setting");
        assert_eq!(story.overview.advice.map(|advice| advice.to_string()), Some(lost));
        let arrival = format!("{bar} prevents early loading at boot: the values in the files are lost");
        assert_eq!(arrival_text(&story.module), arrival);
    }
}

#[test]
fn a_run_that_fails_does_not_advise_to_apply() {
    let request = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_max": 98000, "nf_conntrack_tcp_loose": 1}}"#;
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let machine = Machine::modern()
        .built_in()
        .live("acct", 0)
        .max(98000)
        .live("tcp_loose", 1)
        .file("/etc/sysctl.d/95-vendor.conf", "net.netfilter.nf_conntrack_max = 5\n")
        .file(&desired.file, "net.netfilter.nf_conntrack_tcp_loose = 0\n");
    let failure = plan(&desired, &machine).expect_err("another file wins");
    let report = Report::new(Mode::Check, &desired, &machine, &machine, &Plan::default());
    let told = |report: &Report| -> Vec<(Verdict, Option<String>)> {
        report.settings.iter().map(|setting| (setting.verdict, setting.advice.clone())).collect()
    };
    let apply = || Some("apply the request".to_owned());
    let [acct, max, loose] = &told(&report)[..] else { panic!("it has three settings") };
    assert_eq!([acct, loose], [&(Verdict::BootDrift, apply()), &(Verdict::BootDrift, apply())]);
    let failed = Report::failed(Mode::Check, &desired, &machine, &machine, failure);
    assert_eq!(told(&failed), [(Verdict::BootDrift, None), max.clone(), (Verdict::BootDrift, None)]);
    assert_eq!(max.0, Verdict::Shadowed);
    assert!(!failed.in_sync);
}

#[test]
fn a_setting_has_each_drift_and_the_most_serious_verdict() {
    use Verdict::{BootDrift, InSync, LiveDrift, LostAtBoot, NotHere, Shadowed, Unknown};
    let right = "net.netfilter.nf_conntrack_max = 98000\n";
    let wrong = "net.netfilter.nf_conntrack_max = 5\n";
    let machine = |limit| Machine::modern().built_in().max(limit);
    let ours = "/etc/sysctl.d/90-conntrack.conf";
    let cases: Vec<(Snapshot, Vec<Verdict>, Verdict, &str)> = vec![
        (machine(98000).file(ours, right).snapshot(), vec![], InSync, "in_sync"),
        (machine(5).file(ours, right).snapshot(), vec![LiveDrift], LiveDrift, "live_drift"),
        (machine(98000).snapshot(), vec![BootDrift], BootDrift, "boot_drift"),
        (machine(5).snapshot(), vec![LiveDrift, BootDrift], BootDrift, "live_drift, boot_drift"),
        (
            machine(5).file("/etc/sysctl.d/95-a.conf", wrong).snapshot(),
            vec![LiveDrift, Shadowed],
            Shadowed,
            "live_drift, shadowed",
        ),
        (
            machine(5).module(Module::Loaded).file(ours, right).snapshot(),
            vec![LiveDrift, LostAtBoot],
            LostAtBoot,
            "live_drift, lost_at_boot",
        ),
        (machine(5).read_only(MAX).snapshot(), vec![NotHere, BootDrift], NotHere, "not_here, boot_drift"),
        (
            machine(5).entry("/etc/sysctl.d/95-a.conf", Entry::Unreadable(Obstacle::TooLarge)).snapshot(),
            vec![LiveDrift],
            LiveDrift,
            "live_drift, unknown",
        ),
        (
            machine(98000).entry("/etc/sysctl.d/95-a.conf", Entry::Unreadable(Obstacle::TooLarge)).snapshot(),
            vec![],
            Unknown,
            "unknown",
        ),
    ];
    let desired = request::from_slice(br#"{"settings": {"nf_conntrack_max": 98000}}"#).expect("it is well formed");
    for (machine, drifts, verdict, words) in cases {
        let report = Report::new(Mode::Check, &desired, &machine, &machine, &Plan::default());
        let setting = &report.settings[0];
        assert_eq!((&setting.drifts, setting.verdict), (&drifts, verdict));
        assert_eq!(text::verdicts(setting), words);
        // Each side has a row of its own.
        let shown = strip_str(&text::report(&report)).to_string();
        for word in words.split(", ") {
            assert!(shown.lines().any(|row| row.ends_with(&format!("  {word}"))), "{word}: {shown}");
        }
    }
}

#[test]
fn the_advice_on_a_line_that_wins_is_what_helps() {
    let cases = [
        // Our file would be read later, so no other file is in the way.
        ("fail", "/etc/sysctl.d/50-vendor.conf", "net.netfilter.nf_conntrack_max = 5", "apply overrules it"),
        ("comment_out", "/etc/sysctl.d/95-vendor.conf", "net.netfilter.nf_conntrack_max = 5", "apply overrules it"),
        ("fail", "/etc/sysctl.d/95-vendor.conf", "net.netfilter.nf_conntrack_max = 5", "set `conflicts`"),
        ("warn", "/etc/sysctl.d/95-vendor.conf", "net.netfilter.nf_conntrack_max = 5", "set `conflicts`"),
        (
            "fail",
            "/usr/lib/sysctl.d/95-vendor.conf",
            "net.netfilter.nf_conntrack_max = 5",
            "choose a `file` that is read later",
        ),
        (
            "comment_out",
            "/usr/lib/sysctl.d/95-vendor.conf",
            "net.netfilter.nf_conntrack_max = 5",
            "choose a `file` that is read later",
        ),
        (
            "comment_out",
            "/etc/sysctl.d/95-vendor.conf",
            "net.nf_conntrack_ma* = 5",
            "choose a `file` that is read later",
        ),
    ];
    for (conflicts, file, line, expected) in cases {
        let request = format!(r#"{{"settings": {{"nf_conntrack_max": 98000}}, "conflicts": "{conflicts}"}}"#);
        let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
        let machine = Machine::modern().built_in().max(98000).file(file, &format!("{line}\n"));
        let (report, hint) = match plan(&desired, &machine) {
            Ok(plan) => (Report::new(Mode::Check, &desired, &machine, &plan.predict(&machine), &plan), None),
            Err(failure) => {
                let hint = failure.hint.clone();
                (Report::failed(Mode::Check, &desired, &machine, &machine, failure), hint)
            }
        };
        let setting = &report.settings[0];
        let advice = setting.advice.as_deref().expect("there is advice");
        assert_eq!(setting.verdict, Verdict::Shadowed, "{conflicts} {file} {line}");
        assert!(advice.starts_with(&format!("`{file}:1` wins at boot; ")), "{conflicts} {file} {line}: {advice}");
        assert!(advice.contains(expected), "{conflicts} {file} {line}: {advice}");
        assert!(hint.is_none_or(|hint| hint.contains(expected)), "{conflicts} {file} {line}");
    }
}

/// Files by path and text.
type Files<'a> = &'a [(&'a str, String)];

#[test]
fn all_lines_that_are_in_the_way_are_named_at_once() {
    let wrong = |value: u32| format!("net.netfilter.nf_conntrack_max = {value}\n");
    let alias = "net.nf_conntrack_max = 7\n";
    let cases: &[(Files, &str, &str)] = &[
        (
            &[("/etc/sysctl.d/95-a.conf", wrong(5)), ("/etc/sysctl.d/99-b.conf", wrong(6))],
            "`/etc/sysctl.d/99-b.conf:1` wins at boot, and without it `/etc/sysctl.d/95-a.conf:1`; ",
            "remove these lines, or set `conflicts` to comment_out, or choose a `file` that is read later",
        ),
        (
            &[("/etc/sysctl.d/95-a.conf", format!("{}{alias}{}", wrong(5), wrong(6)))],
            "`/etc/sysctl.d/95-a.conf:3` wins at boot, and without it `/etc/sysctl.d/95-a.conf:2` and \
             `/etc/sysctl.d/95-a.conf:1`; ",
            "remove these lines, ",
        ),
        (
            &[("/etc/sysctl.d/95-a.conf", wrong(5)), ("/usr/lib/sysctl.d/99-b.conf", wrong(6))],
            "`/usr/lib/sysctl.d/99-b.conf:1` wins at boot, and without it `/etc/sysctl.d/95-a.conf:1`; ",
            "remove `/etc/sysctl.d/95-a.conf:1`, and choose a `file` that is read later than `/usr/lib/sysctl.d/99-b.conf:1`",
        ),
        // A line that is read before our file is not in the way, nor is one that is right.
        (
            &[("/etc/sysctl.d/10-a.conf", wrong(5)), ("/etc/sysctl.d/99-b.conf", wrong(6))],
            "`/etc/sysctl.d/99-b.conf:1` wins at boot; ",
            "remove that line, ",
        ),
        (
            &[
                ("/etc/sysctl.d/95-a.conf", wrong(5)),
                ("/etc/sysctl.d/96-b.conf", wrong(98000)),
                ("/etc/sysctl.d/99-c.conf", wrong(6)),
            ],
            "`/etc/sysctl.d/99-c.conf:1` wins at boot; ",
            "remove that line, ",
        ),
        // A glob that nobody else's line keeps from the key.
        (
            &[
                ("/etc/sysctl.d/95-a.conf", "net.nf_conntrack_m* = 5\n".to_owned()),
                ("/etc/sysctl.d/99-b.conf", wrong(6)),
            ],
            "`/etc/sysctl.d/99-b.conf:1` wins at boot, and without it `/etc/sysctl.d/95-a.conf:1`; ",
            "remove `/etc/sysctl.d/99-b.conf:1`, and choose a `file` that is read later than `/etc/sysctl.d/95-a.conf:1`",
        ),
    ];
    let desired = request::from_slice(br#"{"settings": {"nf_conntrack_max": 98000}}"#).expect("it is well formed");
    for (files, named, remedy) in cases {
        let machine = files
            .iter()
            .fold(Machine::modern().built_in().max(98000), |machine, (path, text)| machine.file(path, text));
        let failure = plan(&desired, &machine).expect_err("other files win");
        let hint = failure.hint.clone().unwrap_or_default();
        assert!(hint.starts_with(remedy), "{hint}");
        let others = named.split("without it ").nth(1).map(|others| others.trim_end_matches("; "));
        let told =
            others.is_none_or(|others| failure.message.contains(&format!("without that line {others} would decide")));
        assert!(told, "{}", failure.message);
        let report = Report::failed(Mode::Check, &desired, &machine, &machine, failure);
        let advice = report.settings[0].advice.clone().unwrap_or_default();
        assert!(advice.starts_with(named) && advice[named.len()..].starts_with(remedy), "{advice}");
    }
    // Bounded, whatever a file holds.
    let many: String = (1..1000).map(wrong).collect();
    let machine = Machine::modern().built_in().max(98000).file("/etc/sysctl.d/95-a.conf", &many);
    let failure = plan(&desired, &machine).expect_err("another file wins");
    assert!(
        failure.message.contains(" and further lines would decide") && failure.message.len() < 1000,
        "{}",
        failure.message
    );
}

#[test]
fn what_cannot_be_had_here_has_a_verdict_of_its_own() {
    let request = r#"{"settings": {"nf_conntrack_dccp_loose": 1, "nf_conntrack_max": 98000}}"#;
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let machine = Machine::modern().max(65536).read_only(MAX);
    let report = Report::new(Mode::Check, &desired, &machine, &machine, &Plan::default());
    let verdicts: Vec<Verdict> = report.settings.iter().map(|setting| setting.verdict).collect();
    assert_eq!(verdicts, [Verdict::NotOnThisKernel, Verdict::NotHere]);
}

#[test]
fn settings_that_this_kernel_does_not_have() {
    let machine = Machine::modern().max(262_144).live("new_thing", 1);
    let of = |name: &str| format!(r#"{{"settings": {{"{name}": 1}}}}"#);
    assert_eq!(failure(&of("nf_conntrack_dccp_loose"), &machine), Kind::RemovedInKernel);
    let acct = refusal(&of("nf_conntrack_acct"), &machine);
    assert_eq!(acct.kind, Kind::UnknownSetting);
    assert!(acct.message.ends_with("kernels from 2.6.27 on can have it"), "{}", acct.message);
    assert_eq!(failure(&of("nf_conntrack_mox"), &machine), Kind::UnknownSetting);
    // A setting of a newer kernel is treated as a plain number.
    let plan = planned(r#"{"settings": {"nf_conntrack_new_thing": 7}}"#, &machine);
    assert_eq!((writes(&plan), codes(&plan)), (vec![("new_thing".to_owned(), 7)], vec![Code::Uncatalogued]));
}

#[test]
fn a_file_that_only_the_boot_can_read_is_named() {
    let unreadable = Entry::Unreadable(Obstacle::Refused("permission denied".into()));
    let machine = Machine::modern().max(98000).entry("/etc/sysctl.d/95-vendor.conf", unreadable);
    let request = r#"{"settings": {"nf_conntrack_max": 98000}}"#;
    assert_eq!(codes(&planned(request, &machine)), [Code::BootUnknown]);
}

#[test]
fn a_copy_is_kept_of_a_file_before_it_changes() {
    let request = |backup: bool| format!(r#"{{"settings": {{"nf_conntrack_max": 98000}}, "backup": {backup}}}"#);
    let ours = PathBuf::from("/etc/sysctl.d/90-conntrack.conf");
    let machine = Machine::modern().built_in().max(98000).time(1_795_572_000_123);
    let is_kept = |plan: Plan| plan.steps.iter().any(|step| matches!(step, Step::KeepCopy { .. }));
    // A file that does not exist yet needs no copy.
    assert!(!is_kept(planned(&request(true), &machine)));
    let machine = machine.file(&ours, "net.netfilter.nf_conntrack_max = 5\n");
    assert!(!is_kept(planned(&request(false), &machine)));
    let copy = PathBuf::from("/etc/sysctl.d/90-conntrack.conf.1795572000123~");
    let plan = planned(&request(true), &machine);
    assert_eq!(plan.steps[0], Step::KeepCopy { path: ours.clone(), copy: copy.clone() });
    assert!(matches!(plan.steps[1..], [Step::ReplaceFile { .. }]));
    let desired = request::from_slice(request(true).as_bytes()).expect("the request is well formed");
    let report = Report::new(Mode::Apply, &desired, &machine, &plan.predict(&machine), &plan);
    assert_eq!(report.backup_files, [copy]);
    assert_eq!(report.changes, [Change::File { path: ours, action: FileAction::Edited }]);
}

#[test]
fn a_setting_that_is_to_be_absent_drifts_while_our_file_assigns_it() {
    let request = r#"{"settings": {"nf_conntrack_max": null, "nf_conntrack_acct": null,
                                      "nf_conntrack_dccp_loose": null}, "state": "absent"}"#;
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let machine = Machine::modern().max(262_144).live("acct", 0).file(&desired.file, "net.nf_conntrack_max = 98000\n");
    let plan = planned(request, &machine);
    let after = plan.predict(&machine);
    let check = Report::new(Mode::Check, &desired, &machine, &after, &plan);
    let verdict = |name: &str| check.settings.iter().find(|setting| setting.name.ends_with(name)).map(|s| s.verdict);
    assert_eq!((verdict("_max"), verdict("_acct")), (Some(Verdict::BootDrift), Some(Verdict::InSync)));
    assert_eq!(verdict("_dccp_loose"), Some(Verdict::InSync));
    assert!(!check.in_sync);
    let apply = Report::new(Mode::Apply, &desired, &machine, &after, &plan);
    assert!(apply.in_sync && apply.settings.iter().all(|setting| setting.verdict == Verdict::InSync));
}

#[test]
fn our_file_is_read_or_nothing_is_said_of_it() {
    for request in [
        r#"{"settings": {"nf_conntrack_max": null}, "state": "absent"}"#,
        r#"{"settings": {"nf_conntrack_max": 98000}, "exclusive": true}"#,
    ] {
        let machine = Machine::modern()
            .built_in()
            .max(98000)
            .file("/etc/sysctl.d/50-a.conf", "net.netfilter.nf_conntrack_max = 98000\n")
            .entry(
                "/etc/sysctl.d/90-conntrack.conf",
                Entry::Unreadable(Obstacle::Refused("Permission denied".to_owned())),
            );
        assert_eq!(failure(request, &machine), Kind::Permission, "{request}");
    }
}

#[test]
fn a_summary_says_what_is_equal_and_no_more() {
    let cases = [
        (r#"{"settings": {"nf_conntrack_max": 98000}}"#, Some(98000), "ok: desired = live = boot"),
        (r#"{"settings": {"nf_conntrack_max": 98000}}"#, None, "ok: desired = boot"),
        (
            r#"{"settings": {"nf_conntrack_max": 98000}, "live": false}"#,
            Some(5),
            "ok: everything that the request manages is as desired",
        ),
        (
            r#"{"settings": {"nf_conntrack_max": 5}, "persist": false}"#,
            Some(5),
            "ok: everything that the request manages is as desired",
        ),
        (
            r#"{"settings": {"nf_conntrack_acct": null}, "state": "absent"}"#,
            Some(98000),
            "ok: everything that the request manages is as desired",
        ),
    ];
    for (request, live, expected) in cases {
        let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
        let running = |limit| Machine::modern().built_in().max(limit).live("acct", 0);
        let machine = live.map_or_else(Machine::image, running);
        let machine = machine.file("/etc/sysctl.d/90-conntrack.conf", "net.netfilter.nf_conntrack_max = 98000\n");
        let plan = planned(request, &machine);
        let report = Report::new(Mode::Check, &desired, &machine, &plan.predict(&machine), &plan);
        assert_eq!(text::summary(&report), expected, "{request} {live:?}");
    }
    let nothing = r#"{"settings": {"nf_conntrack_max": 5}, "persist": false}"#;
    assert_eq!(failure(nothing, &Machine::image()), Kind::BadRequest);
}

#[test]
fn a_floor_that_a_loaded_module_meets_is_not_told_as_set() {
    let absent = Machine::modern().module(Module::Absent);
    let request = r#"{"at_least": {"nf_conntrack_max": 1024}, "persist": false}"#;
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let plan = planned(request, &absent);
    let loaded = Machine::modern().max(262_144);
    let report = Report::new(Mode::Apply, &desired, &absent, &loaded, &plan);
    let told = Change::Live { name: MAX.into(), before: None, after: 262_144 };
    assert_eq!(report.changes.last(), Some(&told));
    assert_eq!(report.diff[0].after, format!("module nf_conntrack\n{MAX} = 262144\n"));
}

/// The plan for a request, and the plan for the same request once the first one has been carried out.
fn planned_twice(request: &str, machine: &Snapshot) -> Result<(Plan, Plan), Kind> {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let first = plan(&desired, machine).map_err(|failure| failure.kind)?;
    let second = plan(&desired, &first.predict(machine)).map_err(|failure| failure.kind)?;
    Ok((first, second))
}

#[test]
fn a_line_that_does_not_help_is_not_written_again_and_again() {
    let old = Machine::modern()
        .max(65536)
        .buckets(16384)
        .read_only(BUCKETS)
        .hashsize()
        .file("/etc/modprobe.d/zz.conf", "options nf_conntrack hashsize=4096\n");
    let request = r#"{"settings": {"nf_conntrack_buckets": 60000}, "live": false}"#;
    assert_eq!(planned_twice(request, &old), Err(Kind::Conflict));

    let barred = |prefix: &str| {
        let rule = format!(
            "SUBSYSTEM==\"module\", KERNEL==\"nf_conntrack\", RUN+=\"/usr/lib/systemd/systemd-sysctl --prefix={prefix}\"\n"
        );
        Machine::modern()
            .live("acct", 0)
            .max(65536)
            .entry("/usr/lib/systemd/systemd-sysctl", Entry::Program)
            .file("/etc/modprobe.d/b.conf", "blacklist nf_conntrack\n")
            .file("/etc/udev/rules.d/90-ct.rules", &rule)
    };
    let request = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
    assert_eq!(planned_twice(request, &barred("/net/ipv4")), Err(Kind::ModuleAbsent));
    // A rule that runs the loader again for the setting needs no help.
    let request = r#"{"settings": {"nf_conntrack_acct": 1, "nf_conntrack_max": 98000}}"#;
    let (first, second) = planned_twice(request, &barred("/net/netfilter")).expect("it can be done");
    let files = first.steps.iter().filter(|step| matches!(step, Step::ReplaceFile { .. })).count();
    assert_eq!((files, second.steps.len()), (1, 0), "{first:?} {second:?}");
}

/// The bytes of the file at `path` after a plan, which changes no other file.
fn only_change(plan: &Plan, path: &str) -> Option<String> {
    let [Step::ReplaceFile { path: changed, after, .. }] = plan.steps.as_slice() else {
        panic!("{:?}", plan.steps.len())
    };
    assert_eq!(changed, Path::new(path));
    after.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// One edit changes them all: to edit and to play the boot for each would take minutes here, and hours for more.
/// A run could not read such a file back.
#[test]
fn no_edit_makes_a_file_larger_than_what_is_read() {
    let vendors = "/etc/sysctl.d/95-vendor.conf";
    let lines = "net.netfilter.nf_conntrack_acct = 0\n".repeat(200_000);
    let machine = Machine::image().module(Module::BuiltIn).files(&[(vendors, lines.as_str())]);
    let request = r#"{"settings": {"nf_conntrack_acct": 1}, "conflicts": "comment_out"}"#;
    let failure = refusal(request, &machine);
    assert!(failure.message.starts_with("`/etc/sysctl.d/95-vendor.conf` would have "), "{}", failure.message);
}

#[test]
fn thousands_of_equal_lines_are_edited_at_once() {
    const LINES: usize = 4000;
    let line = "net.netfilter.nf_conntrack_acct = 0\n";
    let ours = "/etc/sysctl.d/90-conntrack.conf";
    let machine = |file: &str, text: &str| {
        let files = [(ours, "net.netfilter.nf_conntrack_acct = 1\n"), (file, text)];
        Machine::image().module(Module::BuiltIn).files(&files)
    };
    let vendors = "/etc/sysctl.d/95-vendor.conf";
    let other = "net.netfilter.nf_conntrack_acct = 1\n";
    let comment_out = r#"{"settings": {"nf_conntrack_acct": 1}, "conflicts": "comment_out"}"#;
    // Equal ones; and ones that would win in turn, for two keys that the file names alternately.
    let alternating = format!("{line}-net.netfilter.nf_conntrack_acct = 0\n-net.netfilter.nf_conntrack_acct = 0 \n");
    for lines in [line.repeat(LINES), alternating.repeat(LINES)] {
        let plan = planned(comment_out, &machine(vendors, &(other.to_owned() + &lines)));
        let note = "# conntrack-sysctl: ";
        let commented = lines.trim_end_matches('\n').replace('\n', &format!("\n{note}"));
        assert_eq!(only_change(&plan, vendors), Some(format!("{other}{note}{commented}\n")));
    }
    // systemd obeys the first of equal lines of our own file, until that one has another value.
    let set = r#"{"settings": {"nf_conntrack_acct": 1}}"#;
    let plan = planned(set, &machine(ours, &line.repeat(LINES)));
    assert_eq!(only_change(&plan, ours), Some(line.replace('0', "1").repeat(LINES)));
    for request in [
        r#"{"settings": {"nf_conntrack_acct": null}, "state": "absent"}"#,
        r#"{"settings": {"nf_conntrack_acct": null}, "state": "absent", "exclusive": true}"#,
    ] {
        let plan = planned(request, &machine(ours, &format!("# kept\n{}", line.repeat(LINES))));
        assert_eq!(only_change(&plan, ours).as_deref(), Some("# kept\n"), "{request}");
    }
}
