//! Checks properties that hold for any request on any machine: of the plan, of an apply, and of the undo at every failing
//! write.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::machine::Machine;
use crate::support::{Run, describe};
use conntrack_sysctl::apply::{Outcome, apply};
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::host::{self, Kernel, Root};
use conntrack_sysctl::kernel::catalog::{self, Key, MAX, PREFIX};
use conntrack_sysctl::kernel::number::kernel_value;
use conntrack_sysctl::kernel::pages::Pages;
use conntrack_sysctl::plan::{Plan, Step, Target, plan};
use conntrack_sysctl::report::{DoubtReport, Mode, Report, SettingReport};
use conntrack_sysctl::request::{self, Conflicts, Desired, ModulePolicy};
use conntrack_sysctl::run;
use conntrack_sysctl::snapshot::{Module, Snapshot};
use conntrack_sysctl::tree::{Entry, Tree};
use conntrack_sysctl::verify::{Reason, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// Settings of every kind: with aliases, rounded by the kernel, bounded by another, a switch, and timeouts.
const NAMES: [&str; 8] = [
    "nf_conntrack_max",
    "nf_conntrack_buckets",
    "nf_conntrack_expect_max",
    "nf_conntrack_acct",
    "nf_conntrack_frag6_low_thresh",
    "nf_conntrack_frag6_high_thresh",
    "nf_conntrack_tcp_timeout_established",
    "nf_conntrack_udp_timeout",
];

fn number(name: &'static str) -> BoxedStrategy<i64> {
    match name {
        "nf_conntrack_acct" => (0..=1_i64).boxed(),
        "nf_conntrack_frag6_low_thresh" => (1..=3_i64).prop_map(|n| n << 20).boxed(),
        "nf_conntrack_frag6_high_thresh" => (3..=6_i64).prop_map(|n| n << 20).boxed(),
        _ => (1..=200_000_i64).boxed(),
    }
}

prop_compose! {
    fn assignment()(name in select(&NAMES[..]))(
        name in Just(name),
        value in number(name),
        key in select(vec!["net.netfilter.", "net/netfilter/", "-net.netfilter.", "net.", "net.ipv4.netfilter.ip_", "#net.netfilter."]),
        odd in select(vec!["", "", "", " ", "x", "0x10"]),
    ) -> String {
        let name = if key.ends_with("ip_") { name.trim_start_matches("nf_") } else { name };
        let value = if odd == "x" { "abc".to_owned() } else { format!("{odd}{value}") };
        format!("{key}{name} = {value}")
    }
}

fn file() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => assignment(),
        1 => Just("# a comment".to_owned()),
        1 => Just(String::new()),
        1 => Just("net.netfilter.nf_conntrack_* = 77".to_owned()),
        1 => Just("-net.netfilter.nf_conntrack_max".to_owned()),
        1 => Just("kernel.panic = 10".to_owned()),
    ];
    (prop::collection::vec(line, 0..5), any::<bool>()).prop_map(|(lines, whole)| {
        let mut text = lines.join("\n");
        if whole && !text.is_empty() {
            text.push('\n');
        }
        text
    })
}

const PATHS: [&str; 6] = [
    "/etc/sysctl.d/90-conntrack.conf",
    "/etc/sysctl.d/10-a.conf",
    "/etc/sysctl.d/95-b.conf",
    "/run/sysctl.d/95-b.conf",
    "/usr/lib/sysctl.d/99-c.conf",
    "/etc/sysctl.conf",
];

fn tree() -> impl Strategy<Value = Tree> {
    let files = prop::collection::btree_map(select(&PATHS[..]), file(), 0..4);
    let early = select(vec![None, Some("nf_conntrack\n"), Some("ip_conntrack\n"), Some("# nothing\n")]);
    (files, early, any::<bool>()).prop_map(|(files, early, systemd)| {
        let mut tree = Tree::default();
        // The programs of x86-64, so that the pages of an image's kernel are known.
        tree.insert("/lib64/ld-linux-x86-64.so.2", Entry::Program);
        for (path, text) in files {
            tree.insert(path, Entry::File(text.into_bytes()));
        }
        if let Some(text) = early {
            tree.insert("/etc/modules-load.d/a.conf", Entry::File(text.as_bytes().to_vec()));
        }
        if systemd {
            tree.insert("/usr/lib/systemd/systemd-sysctl", Entry::Program);
        } else {
            tree.insert("/sbin/init", Entry::Link { target: "/sbin/init".into(), bytes: Vec::new() });
            tree.insert("/etc/rcS.d/S06kmod", Entry::File(Vec::new()));
            tree.insert("/etc/rcS.d/S09procps", Entry::File(Vec::new()));
        }
        tree
    })
}

fn live() -> impl Strategy<Value = Machine> {
    let values: Vec<_> = NAMES.iter().map(|name| number(name)).collect();
    values.prop_map(|values| {
        let mut machine = Machine::modern();
        for (name, value) in NAMES.iter().zip(values) {
            let name = catalog::find(name).expect("it is in the catalog");
            let value = kernel_value(&name, value, Pages::USUAL);
            if name == MAX {
                machine = machine.key(Key::new("net.nf_conntrack_max"), value);
            }
            machine = machine.key(name, value);
        }
        machine
    })
}

prop_compose! {
    fn snapshot()(
        tree in tree(),
        machine in live(),
        module in select(vec![Module::BuiltIn, Module::Loaded]),
    ) -> Snapshot {
        let Snapshot { tree, fleeting, .. } = Snapshot::image(tree, module);
        Snapshot { tree, fleeting, ..machine.module(module).snapshot() }
    }
}

prop_compose! {
    fn wanted()(names in prop::sample::subsequence(&NAMES[..], 1..=NAMES.len()))(
        values in names.iter().map(|name| number(name)).collect::<Vec<_>>(),
        names in Just(names),
    ) -> Vec<(&'static str, i64)> {
        names.into_iter().zip(values).collect()
    }
}

prop_compose! {
    fn request_json()(
        wanted in wanted(),
        floors in any::<bool>(),
        absent in prop::bool::weighted(0.2),
        conflicts in select(vec!["fail", "comment_out", "warn"]),
        module in select(vec!["load", "require", "ignore"]),
        loader in select(vec!["auto", "systemd", "procps", "both"]),
        exclusive in any::<bool>(),
        live in any::<bool>(),
    ) -> (Vec<(&'static str, i64)>, String) {
        let state = if absent { "absent" } else { "present" };
        let rest = format!(
            r#""state": "{state}", "conflicts": "{conflicts}", "module": "{module}", "loader": "{loader}",
               "exclusive": {exclusive}, "live": {live}"#
        );
        let field = if floors { "at_least" } else { "settings" };
        (wanted, format!(r#""{field}": VALUES, {rest}"#))
    }
}

fn json(wanted: &[(&str, i64)], rest: &str) -> String {
    let values: Vec<String> = wanted.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", rest.replace("VALUES", &format!("{{{}}}", values.join(", "))))
}

/// Any request, on any machine.
#[derive(Clone)]
struct Case {
    /// The wanted values, and the rest of the request, in which `VALUES` stands for them.
    wanted: Vec<(&'static str, i64)>,
    rest: String,
    desired: Desired,
    before: Snapshot,
}

/// Prints the request, the live values, and each file as text.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{:?}, live {:?}", json(&self.wanted, &self.rest), self.before.module, self.before.live)?;
        for (path, entry) in self.before.tree.iter() {
            writeln!(f, "{}:\n{}", path.display(), String::from_utf8_lossy(entry.bytes().unwrap_or_default()))?;
        }
        Ok(())
    }
}

fn parsed(wanted: &[(&str, i64)], rest: &str) -> Desired {
    request::from_slice(json(wanted, rest).as_bytes()).expect("the request is well formed")
}

fn case() -> impl Strategy<Value = Case> {
    (request_json(), snapshot()).prop_map(|((wanted, rest), before)| {
        let desired = parsed(&wanted, &rest);
        Case { wanted, rest, desired, before }
    })
}

/// Whether an apply must leave the boot as desired. A request may accept a conflict or a late module instead.
fn is_strict(desired: &Desired) -> bool {
    desired.conflicts != Conflicts::Warn && desired.module != ModulePolicy::Ignore
}

/// Whether a setting is as desired, or may be: the clock of the kernel is not known, so that it may refuse a long timeout.
fn is_in_sync(setting: &SettingReport) -> bool {
    let is_unknown = |doubt: &DoubtReport| doubt.reason == Reason::UnknownClock;
    setting.verdict == Verdict::InSync || setting.doubts.iter().any(is_unknown)
}

/// The number of cases of a property: PROPTEST_CASES, or `quick`.
fn cases(quick: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(quick)
}

/// Of a hundred cases, how many may be refused at most. About 13 are: most of them because another file wins and the
/// request says that this is a failure, or because the line that wins is not one that a run may change.
const MOST_REFUSED: u32 = 20;

/// Tries `property` on `count` cases that can be planned. A refusal must be legal, and refusals must be rare: otherwise a
/// property would hold for a planner that refuses everything.
fn for_each_plan(count: u32, property: impl Fn(&Case, &Plan) -> Result<(), TestCaseError>) {
    // A run of a few cases can have bad luck; in a long one the ten do not matter.
    let most_refused = 10 + count * MOST_REFUSED / (100 - MOST_REFUSED);
    let config =
        Config { cases: count, max_global_rejects: most_refused, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&case(), |case| match plan(&case.desired, &case.before) {
        Ok(plan) => property(&case, &plan),
        Err(failure) => {
            prop_assert!(is_legal(&failure, &case), "{failure:?}");
            Err(TestCaseError::reject("refused"))
        }
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(_)) => panic!("more than {MOST_REFUSED} of a hundred cases are refused"),
        Err(error) => panic!("{error}"),
    }
}

/// Whether a plan may be refused so: where nothing that the request allows would make the machine as desired. This is
/// judged by the text of the files, not by the program's own reading of them.
fn is_legal(failure: &Failure, Case { desired, before, .. }: &Case) -> bool {
    let name = failure.key.as_deref().and_then(|key| key.rsplit("nf_conntrack_").next()).unwrap_or("no name");
    let lines = before.tree.iter().flat_map(|(path, entry)| {
        let text = std::str::from_utf8(entry.bytes().unwrap_or_default()).expect("the files are text");
        text.lines().map(move |line| (path, line))
    });
    let lines: Vec<(&Path, &str)> = lines.collect();
    let is_glob = |line: &str| line.contains('*');
    // systemd does not write a key that a later line names without a value.
    let is_about_it = |line: &str| line.contains(&format!("conntrack_{name} ")) || line == format!("-{PREFIX}{name}");
    let mut winners = lines.iter().filter(|(path, line)| *path != desired.file && (is_glob(line) || is_about_it(line)));
    match failure.kind {
        Kind::Conflict => match desired.conflicts {
            Conflicts::Fail => winners.next().is_some(),
            Conflicts::CommentOut => winners.any(|(path, line)| is_glob(line) || !path.starts_with("/etc")),
            Conflicts::Warn => false,
        },
        Kind::ModuleAbsent => desired.module == ModulePolicy::Require && before.module == Module::Loaded,
        // The two thresholds bound each other.
        Kind::OutOfRange => name.starts_with("frag6"),
        _ => false,
    }
}

#[test]
fn a_plan_makes_it_so_and_then_there_is_nothing_to_do() {
    for_each_plan(cases(250), |case, steps| {
        let Case { desired, before, .. } = case;
        let after = steps.predict(before);
        let again = plan(desired, &after).expect("what could be planned once can be planned again");
        prop_assert_eq!(&again.steps, &Vec::<Step>::new());
        let report = Report::new(Mode::Apply, desired, before, &after, steps);
        for setting in &report.settings {
            prop_assert!(!is_strict(desired) || is_in_sync(setting), "{:?}", setting);
        }
        Ok(())
    });
}

#[test]
fn no_step_changes_nothing() {
    for_each_plan(cases(250), |_, plan| {
        for step in &plan.steps {
            match step {
                Step::SetLive { before, after, .. } => prop_assert_ne!(*before, Some(*after)),
                Step::ReplaceFile { before, after, .. } => prop_assert_ne!(before, after),
                Step::LoadModule | Step::KeepCopy { .. } | Step::DropCopy { .. } | Step::MakeInitrd { .. } => {}
            }
        }
        Ok(())
    });
}

#[test]
fn the_order_of_the_requests_keys_changes_nothing() {
    for_each_plan(cases(250), |case, steps| {
        let reversed: Vec<_> = case.wanted.iter().rev().copied().collect();
        prop_assert_eq!(plan(&parsed(&reversed, &case.rest), &case.before), Ok(steps.clone()));
        Ok(())
    });
}

#[test]
fn only_our_file_changes_unless_asked() {
    for_each_plan(cases(250), |Case { desired, .. }, plan| {
        for step in &plan.steps {
            let Step::ReplaceFile { path, .. } = step else { continue };
            let is_ours = *path == desired.file || path == Path::new("/etc/modules-load.d/nf_conntrack.conf");
            let is_asked = desired.conflicts == Conflicts::CommentOut && path.starts_with("/etc");
            prop_assert!(is_ours || is_asked, "{}", path.display());
        }
        Ok(())
    });
}

/// A kernel in memory. It rounds buckets, refuses a low threshold above the high one, and fails at one write.
#[derive(Clone, Default)]
struct FakeKernel {
    values: BTreeMap<Target, i64>,
    writes: usize,
    fails_at: Option<usize>,
    loaded: bool,
}

impl Kernel for FakeKernel {
    fn read(&self, target: &Target) -> io::Result<String> {
        self.values.get(target).map(i64::to_string).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, target: &Target, text: &str) -> io::Result<()> {
        self.writes += 1;
        let number: i64 = text.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let Target::Sysctl(key) = target else { return Err(io::ErrorKind::NotFound.into()) };
        let name = key.name().expect("only conntrack keys are written");
        // Half of the failing writes take effect all the same, so that an undo cannot rely on the error.
        let fails = self.fails_at == Some(self.writes);
        if !fails || self.writes % 2 == 0 {
            self.values.insert(target.clone(), kernel_value(&name, number, Pages::USUAL));
        }
        if fails { Err(io::Error::from(io::ErrorKind::InvalidInput)) } else { Ok(()) }
    }

    fn load_module(&mut self) -> io::Result<()> {
        self.loaded = true;
        Ok(())
    }

    fn unload_module(&mut self) -> io::Result<()> {
        self.loaded = false;
        Ok(())
    }
}

fn kernel(snapshot: &Snapshot, fails_at: Option<usize>) -> FakeKernel {
    let sysctls = snapshot.live.iter().flat_map(|live| &live.sysctls);
    let values = sysctls.filter_map(|(key, live)| Some((Target::Sysctl(key.clone()), live.number()?))).collect();
    FakeKernel { values, fails_at, ..FakeKernel::default() }
}

fn lay_out(root: &Path, snapshot: &Snapshot) {
    let put = |path: &Path, bytes: &[u8]| {
        let path = root.join(path.strip_prefix("/").expect("paths are absolute"));
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory can be made");
        fs::write(&path, bytes).expect("a file can be written");
        // Another mode than that of a new file, so that an undo has to restore it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a file's mode can be set");
    };
    for (path, entry) in snapshot.tree.iter().chain(snapshot.fleeting.iter()) {
        put(path, entry.bytes().unwrap_or_default());
    }
    if snapshot.module == Module::BuiltIn {
        put(Path::new("/lib/modules/6.18/modules.builtin"), b"kernel/net/netfilter/nf_conntrack.ko\n");
    }
}

/// `plan`, with a last step that cannot succeed, because its file does not have the content that the step expects.
fn plan_with_failing_step(mut plan: Plan) -> Plan {
    plan.steps.push(Step::ReplaceFile {
        path: "/etc/sysctl.d/00-doomed.conf".into(),
        before: Some(b"it is not there".to_vec()),
        after: Some(b"and never will be".to_vec()),
    });
    plan
}

/// The machine after a run, as another run would find it: its files are read anew, its values are those of the kernel.
fn found(before: &Snapshot, root: &Root, kernel: &FakeKernel) -> Snapshot {
    let files = host::observe(root).expect("the root can be read");
    let mut machine =
        Snapshot { tree: files.tree, fleeting: files.fleeting, leftovers: files.leftovers, ..before.clone() };
    for (key, live) in &mut machine.live.as_mut().expect("a kernel runs").sysctls {
        // All keys of a setting are names of one variable; the kernel has it under the first.
        let name = key.name().expect("only conntrack keys are live");
        let value = kernel.values.get(&Target::Sysctl(name.into())).expect("the kernel has the setting");
        live.text = value.to_string();
    }
    machine
}

#[test]
fn a_check_that_finds_drift_is_in_sync_after_an_apply() {
    for_each_plan(cases(20), |case, steps| {
        let Case { desired, before, .. } = case;
        let check = Report::new(Mode::Check, desired, before, &steps.predict(before), steps);
        prop_assert_eq!(check.changed, !steps.steps.is_empty());
        prop_assert!(!(check.changed && check.in_sync));
        let directory = tempfile::tempdir().expect("a directory can be made");
        lay_out(directory.path(), before);
        let root = host::open_root(directory.path()).expect("the root can be opened");
        let mut kernel = kernel(before, None);
        let applied = run::carried_out(desired, before, steps, &root, &mut kernel);
        prop_assert_eq!(&applied.failure, &None);
        let after = found(before, &root, &kernel);
        let again = plan(desired, &after).expect("what was applied can be planned again");
        let check = Report::new(Mode::Check, desired, &after, &after, &again);
        prop_assert!(!check.changed, "{:?}", again.steps);
        prop_assert!(check.settings.iter().all(is_in_sync) || !is_strict(desired), "{:?}", check.settings);
        prop_assert_eq!(check.in_sync, applied.in_sync);
        Ok(())
    });
}

#[test]
fn an_image_is_in_sync_after_an_apply() {
    // Three processes a case.
    for_each_plan(cases(20).min(200), |case, _| {
        let directory = tempfile::tempdir().expect("a directory can be made");
        lay_out(directory.path(), &case.before);
        let request = json(&case.wanted, &case.rest);
        // An image has no live side, and a request that asks for one is refused.
        let request = request.replace(r#", "live": true"#, "");
        let run = |command| Run::new(&[command]).root(directory.path()).input(request.as_str()).report();
        let (check, _) = run("check");
        let (applied, _) = run("apply");
        prop_assert_eq!(&check.failure, &applied.failure);
        prop_assert_eq!(check.changed, applied.changed);
        if let Some(failure) = &applied.failure {
            prop_assert!(is_legal(failure, case), "{failure:?}");
            return Ok(());
        }
        let (again, code) = run("check");
        prop_assert!(!again.changed, "{:?}", again.changes);
        prop_assert_eq!(again.in_sync, code == 0);
        prop_assert!(again.settings.iter().all(is_in_sync) || !is_strict(&case.desired), "{:?}", again.settings);
        Ok(())
    });
}

#[test]
fn every_failing_write_restores_the_machine() {
    for_each_plan(cases(20), |case, steps| {
        let Case { desired, before, .. } = case;
        let live_steps = steps.steps.iter().filter(|step| matches!(step, Step::SetLive { .. })).count();
        for n in 1..=live_steps + 1 {
            let directory = tempfile::tempdir().expect("a directory can be made");
            lay_out(directory.path(), before);
            let files = describe(directory.path());
            let root = host::open_root(directory.path()).expect("the root can be opened");
            let (plan, fails_at) =
                if n <= live_steps { (steps.clone(), Some(n)) } else { (plan_with_failing_step(steps.clone()), None) };
            let mut kernel = kernel(before, fails_at);
            let values = kernel.values.clone();
            let report = run::carried_out(desired, before, &plan, &root, &mut kernel);
            let failure = report.failure.expect("the write fails");
            prop_assert!(matches!(failure.kind, Kind::OutOfRange | Kind::WriteFailed), "{:?}", failure);
            prop_assert!(!report.changed && failure.rolled_back != Some(false));
            prop_assert_eq!(&kernel.values, &values, "write {} of {}", n, live_steps);
            prop_assert_eq!(describe(directory.path()), files);
        }
        Ok(())
    });
}

#[test]
fn what_is_carried_out_is_what_was_predicted() {
    for_each_plan(cases(20), |case, steps| {
        let Case { desired, before, .. } = case;
        let directory = tempfile::tempdir().expect("a directory can be made");
        lay_out(directory.path(), before);
        let root = host::open_root(directory.path()).expect("the root can be opened");
        let mut kernel = kernel(before, None);
        let report = run::carried_out(desired, before, steps, &root, &mut kernel);
        prop_assert_eq!(&report.failure, &None);
        let predicted = steps.predict(before);
        for (path, entry) in predicted.tree.iter().filter(|(_, entry)| matches!(entry, Entry::File(_))) {
            let found = root.entry(path);
            prop_assert_eq!(found.as_ref().and_then(Entry::bytes), entry.bytes(), "{}", path.display());
        }
        for step in &steps.steps {
            if let Step::SetLive { target, after, .. } = step {
                prop_assert_eq!(kernel.values.get(target), Some(after));
            }
        }
        Ok(())
    });
}

#[test]
fn a_file_whose_removal_is_undone_has_its_mode_again() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = Path::new("/etc/sysctl.d/90-conntrack.conf");
    let mut before = Snapshot::image(Tree::default(), Module::Loaded);
    let bytes = b"net.netfilter.nf_conntrack_acct = 1\n".to_vec();
    before.tree.write(path, Some(&bytes));
    lay_out(directory.path(), &before);
    let files = describe(directory.path());
    let root = host::open_root(directory.path()).expect("the root can be opened");
    let removal = Step::ReplaceFile { path: path.into(), before: Some(bytes), after: None };
    let plan = plan_with_failing_step(Plan { steps: vec![removal], ..Plan::default() });
    let outcome = apply(&plan, &root, &mut kernel(&before, None));
    assert!(matches!(&outcome, Outcome::RolledBack(failure) if failure.rolled_back == Some(true)), "{outcome:?}");
    assert_eq!(describe(directory.path()), files);
}

#[test]
fn a_file_that_goes_before_its_removal_is_another_writers_doing() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    fs::create_dir_all(directory.path().join("etc/sysctl.d")).expect("a directory can be made");
    let root = host::open_root(directory.path()).expect("the root can be opened");
    let bytes = b"net.netfilter.nf_conntrack_acct = 1\n".to_vec();
    let removal =
        Step::ReplaceFile { path: "/etc/sysctl.d/90-conntrack.conf".into(), before: Some(bytes), after: None };
    let plan = Plan { steps: vec![removal], ..Plan::default() };
    let outcome = apply(&plan, &root, &mut FakeKernel::default());
    let Outcome::RolledBack(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("another writer"), "{failure}");
    assert_eq!(failure.hint.as_deref(), Some("run again"));
}
