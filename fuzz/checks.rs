//! What must hold for any bytes whatever. The fuzz targets call these, and a test on stable Rust replays the corpus.

use conntrack_sysctl::kernel::catalog::Key;
use conntrack_sysctl::kernel::release::Release;
use conntrack_sysctl::plan::{Plan, Step, plan};
use conntrack_sysctl::report::{Mode, Report, text};
use conntrack_sysctl::request::{self, Conflicts, Desired, ModulePolicy};
use conntrack_sysctl::snapshot::{LiveKernel, LiveValue, Module, Snapshot};
use conntrack_sysctl::sysctl_d::{DIALECTS, Document, parse};
use conntrack_sysctl::table::source::evidence::{statistics, sysctls};
use conntrack_sysctl::table::source::netlink::message::{self, Reply};
use conntrack_sysctl::table::source::proc::counters;
use conntrack_sysctl::table::source::{log, saved};
use conntrack_sysctl::tree::{Entry, Tree};
use conntrack_sysctl::verify::Verdict;

/// Any file can be read, printed as it is, and edited so that exactly the intended assignment changes.
pub(crate) fn document(bytes: &[u8]) {
    assert_eq!(Document::new(bytes.to_vec()).as_bytes(), bytes);
    for dialect in DIALECTS {
        let before = parse(bytes, dialect);
        for (index, assignment) in before.iter().enumerate().filter(|(_, assignment)| assignment.value.is_some()) {
            let mut edited = Document::new(bytes.to_vec());
            edited.set_value(assignment, "98000");
            let after = parse(edited.as_bytes(), dialect);
            assert_eq!(after.len(), before.len());
            // A value over several lines, which a backslash joins, leaves one line behind.
            let joined = memchr::memchr_iter(b'\n', &bytes[assignment.value_span.clone()]).count();
            for (other, (old, new)) in before.iter().zip(&after).enumerate() {
                let value = if other == index { Some(&b"98000"[..]) } else { old.value.as_deref() };
                let line = if other > index { old.line - joined } else { old.line };
                assert_eq!((line, &old.subject.key, value), (new.line, &new.subject.key, new.value.as_deref()));
            }
            let mut edited = Document::new(bytes.to_vec());
            edited.comment_out(assignment, "note: ");
            assert_eq!(parse(edited.as_bytes(), dialect).len(), before.len() - 1);
        }
        let mut edited = Document::new(bytes.to_vec());
        edited.append("net.netfilter.nf_conntrack_max = 98000");
        let last = parse(edited.as_bytes(), dialect).pop().expect("it has been added");
        assert_eq!(last.value.as_deref(), Some(&b"98000"[..]));
    }
}

/// Any request is understood or refused.
pub(crate) fn request(bytes: &[u8]) {
    if let Err(failure) = request::from_slice(bytes) {
        assert!(!failure.message.is_empty() && failure.pointer.is_some());
    }
}

/// Any request on any machine leads to a plan that does what it promises, or to a failure. The bytes are sections divided
/// by 0xFF: the request, our file, an earlier one, a later one, /etc/sysctl.conf, modules-load.d.
pub(crate) fn planned(bytes: &[u8]) {
    let mut sections = bytes.split(|byte| *byte == 0xff);
    let Ok(desired) = request::from_slice(sections.next().unwrap_or_default()) else { return };
    let paths = [
        desired.file.to_str().unwrap_or_default(),
        "/etc/sysctl.d/10-earlier.conf",
        "/etc/sysctl.d/95-later.conf",
        "/etc/sysctl.conf",
        "/etc/modules-load.d/a.conf",
    ];
    let mut tree = Tree::default();
    for (path, text) in paths.iter().zip(sections) {
        tree.insert(*path, Entry::File(text.to_vec()));
    }
    let before = machine(tree, bytes.len());
    let Ok(steps) = plan(&desired, &before) else { return };
    promises(&desired, &before, &steps);
}

/// A machine with a few live settings; with systemd or sysvinit, with or without the module built in.
fn machine(mut tree: Tree, salt: usize) -> Snapshot {
    if salt % 2 == 0 {
        tree.insert("/usr/lib/systemd/systemd-sysctl", Entry::Program);
    } else {
        tree.insert("/sbin/init", Entry::Link { target: "/sbin/init".into(), bytes: Vec::new() });
        tree.insert("/etc/rcS.d/S06kmod", Entry::File(Vec::new()));
        tree.insert("/etc/rcS.d/S09procps", Entry::File(Vec::new()));
    }
    let live = ["max", "buckets", "acct", "tcp_timeout_established", "frag6_low_thresh", "frag6_high_thresh"];
    let sysctls = live.iter().map(|name| {
        let text = if name.starts_with("frag6") { "3145728" } else { "1" };
        (Key::new(format!("net.netfilter.nf_conntrack_{name}")), LiveValue { text: text.into(), writable: true })
    });
    let module = if salt % 3 == 0 { Module::Loaded } else { Module::BuiltIn };
    let release = Release::parse("6.12");
    let live = LiveKernel { sysctls: sysctls.collect(), release, ..LiveKernel::default() };
    Snapshot { live: Some(live), ..Snapshot::image(tree, module) }
}

fn promises(desired: &Desired, before: &Snapshot, steps: &Plan) {
    for step in &steps.steps {
        match step {
            Step::SetLive { before, after, .. } => assert_ne!(*before, Some(*after)),
            Step::ReplaceFile { before, after, .. } => assert_ne!(before, after),
            Step::LoadModule | Step::KeepCopy { .. } | Step::DropCopy { .. } | Step::MakeInitrd { .. } => {}
        }
    }
    let after = steps.predict(before);
    let again = plan(desired, &after).expect("what could be planned once can be planned again");
    assert!(again.steps.is_empty(), "{again:?}");
    let report = Report::new(Mode::Apply, desired, before, &after, steps);
    let strict = desired.conflicts != Conflicts::Warn && desired.module != ModulePolicy::Ignore;
    for setting in &report.settings {
        // The clock of the kernel is not known, so that it may refuse a long timeout.
        let is_unknown = setting.verdict == Verdict::Unknown && !setting.doubts.is_empty();
        assert!(!strict || setting.verdict == Verdict::InSync || is_unknown, "{setting:?}");
    }
    let paint = ["0", "1", "31", "32", "33", "36"].map(|code| format!("\u{1b}[{code}m"));
    let text = paint.iter().fold(text::report(&report), |text, code| text.replace(code, ""));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
}

/// Any datagram of the kernel, and any saved table, log or counters, are read as far as they go.
pub(crate) fn table(bytes: &[u8]) {
    for reply in message::replies(bytes, 1) {
        if let Reply::Data(attributes, _) = reply {
            let _ = (message::entry(attributes.clone()), message::counters(attributes.clone()));
            let _ = message::totals(attributes);
        }
    }
    let _ = saved::read(bytes, |_| {});
    let _ = log::text(bytes, "x");
    let _ = (sysctls::read(bytes), statistics::read(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (
            counters::statistics(text),
            counters::netstat(text, &["TcpExt.ListenDrops", ""]),
            counters::interfaces(text),
        );
        let _ = counters::softnet(text);
    }
}

/// The files of other programs that may decide a boot.
const PATHS: [&str; 24] = [
    "/etc/sysctl.d/95-later.conf",
    "/usr/lib/sysctl.d/95-later.conf",
    "/etc/sysctl.conf",
    "/etc/modules-load.d/a.conf",
    "/etc/modprobe.d/a.conf",
    "/etc/udev/rules.d/a.rules",
    "/usr/lib/udev/rules.d/a.rules",
    "/etc/systemd/system/systemd-sysctl.service.d/a.conf",
    "/etc/systemd/system/a.service",
    "/etc/systemd/system/multi-user.target.wants/a.service",
    "/etc/tmpfiles.d/a.conf",
    "/etc/ufw/ufw.conf",
    "/etc/ufw/sysctl.conf",
    "/etc/default/ufw",
    "/etc/tuned/active_profile",
    "/etc/tuned/tuned-main.conf",
    "/etc/tuned/p/tuned.conf",
    "/var/lib/kube-proxy/config.conf",
    "/etc/cloud/cloud.cfg",
    "/etc/fstab",
    "/proc/self/mountinfo",
    "/proc/cmdline",
    "/etc/rc.local",
    "/etc/crontab",
];

/// Any files of other programs lead to a plan that does what it promises, or to a failure. The bytes are sections divided
/// by 0xFF; the first byte of each picks its path.
pub(crate) fn boot(bytes: &[u8]) {
    let mut tree = Tree::default();
    for program in ["/usr/sbin/ufw", "/usr/lib/ufw/ufw-init", "/usr/sbin/tuned", "/usr/bin/cloud-init"] {
        tree.insert(program, Entry::Program);
    }
    for section in bytes.split(|byte| *byte == 0xff) {
        let Some((pick, text)) = section.split_first() else { continue };
        tree.insert(PATHS[usize::from(*pick) % PATHS.len()], Entry::File(text.to_vec()));
    }
    let before = machine(tree, bytes.len() & !1);
    for conflicts in ["fail", "warn", "comment_out"] {
        let request = format!(
            r#"{{"settings": {{"nf_conntrack_acct": 1, "nf_conntrack_max": 98000}}, "conflicts": "{conflicts}"}}"#
        );
        let desired = request::from_slice(request.as_bytes()).expect("it is well formed");
        match plan(&desired, &before) {
            Ok(steps) => promises(&desired, &before, &steps),
            Err(failure) => assert!(!failure.message.is_empty()),
        }
    }
}
