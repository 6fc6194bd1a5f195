//! In a container: who owns the network and its module, whether anything reads the files, and whose files they are. Real
//! containers are tried by `tests/containers/run`.

use std::fs;

use crate::support::machine::Machine;
use crate::support::world::{Network as Net, World, privileged};
use conntrack_sysctl::failure::{Failure, Kind};
use conntrack_sysctl::kernel::catalog::MAX;
use conntrack_sysctl::plan::{Step, plan};
use conntrack_sysctl::report::{Mode, Report};
use conntrack_sysctl::request;
use conntrack_sysctl::show;
use conntrack_sysctl::snapshot::{Container, Module, Network, Snapshot};
use conntrack_sysctl::tree::Entry;
use conntrack_sysctl::verify::{Reason, Verdict};

const CLOSE_WAIT: &str = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 240}}"#;
const LIMIT_IN_FILES: &str = r#"{"settings": {"nf_conntrack_max": 98000}, "live": false}"#;
const FILES: [(&str, &str); 2] = [
    (
        "/etc/sysctl.d/90-conntrack.conf",
        "net.netfilter.nf_conntrack_max = 98000\nnet.netfilter.nf_conntrack_tcp_timeout_close_wait = 240\n",
    ),
    ("/etc/modules-load.d/nf_conntrack.conf", "nf_conntrack\n"),
];

fn container(first_program: &str, network: Network) -> Container {
    let engine = Some("podman".to_owned());
    Container { engine, first_program: Some(first_program.to_owned()), network, loads_modules: false }
}

/// A machine whose files and live values are as desired.
fn settled() -> Machine {
    Machine::modern().max(65536).live("tcp_timeout_close_wait", 240).files(&FILES)
}

/// The same in a container with a network of its own.
fn within(first_program: &str) -> Machine {
    settled().read_only(MAX).container(container(first_program, Network::Own))
}

fn checked(request: &str, machine: &Snapshot) -> Report {
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    match plan(&desired, machine) {
        Ok(plan) => Report::new(Mode::Check, &desired, machine, &plan.predict(machine), &plan),
        Err(failure) => Report::failed(Mode::Check, &desired, machine, machine, failure),
    }
}

fn refusal(request: &str, machine: &Snapshot) -> Failure {
    checked(request, machine).failure.expect("it is refused")
}

#[test]
fn files_that_nothing_reads_promise_nothing() {
    use Reason::{ContainerWithoutInit, MachineNetwork, ModuleOfMachine, SysctlsReadOnly};
    let shared = |program| settled().container(container(program, Network::Machine));
    let hidden = Container { first_program: None, ..container("", Network::Own) };
    let init = |machine: Machine, target: &str| {
        machine.entry("/sbin/init", Entry::Link { target: target.into(), bytes: Vec::new() })
    };
    let cases = [
        (settled(), None, Some(240)),
        // Whatever runs there, the machine does not read its files.
        (shared("sleep"), Some(MachineNetwork), None),
        (shared("systemd"), Some(MachineNetwork), None),
        (within("sleep"), Some(ContainerWithoutInit), None),
        (within("catatonit"), Some(ContainerWithoutInit), None),
        (within("docker-init"), Some(ContainerWithoutInit), None),
        // The container shows the processes of the machine.
        (settled().container(hidden), Some(ContainerWithoutInit), None),
        (within("systemd").read_only_proc_sys(), Some(SysctlsReadOnly), None),
        // After a restart of the container it is as the files say.
        (within("systemd"), Some(ModuleOfMachine), Some(240)),
        (init(within("openrc-init"), "/usr/sbin/openrc-init"), Some(Reason::UnknownInit), Some(240)),
        (within("systemd").built_in(), None, Some(240)),
    ];
    for (machine, reason, boot) in cases {
        let report = checked(CLOSE_WAIT, &machine);
        let setting = &report.settings[0];
        let first = Snapshot::container(&machine).and_then(|container| container.first_program.clone());
        // An init system without a row adds a reason of its own.
        let found = setting.doubts.last().map(|doubt| doubt.reason);
        assert_eq!((found, setting.boot.before), (reason, boot), "{first:?}: {report:?}");
        assert_eq!(report.in_sync, reason.is_none(), "{first:?}");
        assert_eq!(report.exit().code(), u8::from(reason.is_some()), "{first:?}");
        let inventory = show::named(&["nf_conntrack_tcp_timeout_close_wait".to_owned()], &machine);
        let shown = inventory.expect("it is a setting").settings[0].verdict;
        assert_eq!(shown == Verdict::InSync, reason.is_none(), "{first:?}: {shown:?}");
    }
}

#[test]
fn a_request_may_leave_the_files_of_a_container_alone_or_refuse() {
    let request = |field: &str| CLOSE_WAIT.replacen('{', &format!("{{{field}, "), 1);
    for machine in [within("sleep"), within("systemd"), settled().container(container("sleep", Network::Machine))] {
        let live = checked(&request(r#""persist": false"#), &machine);
        assert!(live.in_sync && live.warnings.is_empty(), "{live:?}");
        assert_eq!(refusal(&request(r#""uncertain": "fail""#), &machine).kind, Kind::BootUnknown);
    }
}

#[test]
fn a_loader_that_the_request_names_does_not_run_in_a_container_without_init() {
    for loader in ["systemd", "procps", "both"] {
        let request =
            format!(r#"{{"settings": {{"nf_conntrack_tcp_timeout_close_wait": 240}}, "loader": "{loader}"}}"#);
        let report = checked(&request, &within("sleep"));
        assert_eq!(report.settings[0].doubts[0].reason, Reason::ContainerWithoutInit, "{loader}");
    }
}

#[test]
fn no_file_of_a_container_sets_a_number_of_the_machine() {
    for machine in [within("systemd"), within("sleep"), within("systemd").built_in()] {
        let report = checked(LIMIT_IN_FILES, &machine);
        let setting = &report.settings[0];
        assert_eq!((setting.verdict, setting.boot.before), (Verdict::NotHere, None), "{report:?}");
        let both = checked(r#"{"settings": {"nf_conntrack_max": 98000}}"#, &machine);
        assert_eq!(both.settings[0].drifts, [Verdict::NotHere]);
        let failure = report.failure.expect("it is refused");
        assert_eq!(failure.kind, Kind::ReadOnly);
        assert!(!failure.hint.expect("there is a hint").contains("`live`"), "it would be no way out");
        let shown = show::inventory(&machine).settings;
        let limit = shown.iter().find(|setting| setting.name == MAX).expect("it is listed");
        assert_eq!((limit.verdict, limit.boot), (Verdict::NotHere, None));
    }
    // `ip netns exec` on a machine: the files are those of the machine, which boots in its own network.
    let namespace = settled().read_only(MAX);
    let report = checked(LIMIT_IN_FILES, &namespace);
    assert!(report.in_sync && report.settings[0].boot.before == Some(98000), "{report:?}");
    let hint = refusal(r#"{"settings": {"nf_conntrack_max": 98000}}"#, &namespace).hint.expect("there is a hint");
    assert!(hint.ends_with("or set `live` to false"), "{hint}");
}

#[test]
fn a_container_loads_no_module_unless_it_can() {
    let absent = |machine: Machine| machine.module(Module::Absent);
    let bare = || absent(Machine::modern().files(&FILES));
    let within = |container| bare().container(container);
    let unable = container("sleep", Network::Own);
    let failure = refusal(CLOSE_WAIT, &within(unable.clone()));
    assert_eq!(failure.kind, Kind::ModuleAbsent);
    assert!(failure.hint.is_some_and(|hint| hint.contains("on the machine")));
    let able = Container { loads_modules: true, ..unable };
    for machine in [bare(), within(able)] {
        let desired = request::from_slice(CLOSE_WAIT.as_bytes()).expect("the request is well formed");
        assert_eq!(plan(&desired, &machine).expect("it can be planned").steps[0], Step::LoadModule);
    }
}

#[test]
fn the_files_of_a_container_say_nothing_of_the_module() {
    let request = r#"{"settings": {"nf_conntrack_tcp_timeout_close_wait": 300}, "live": false}"#;
    let machine = within("systemd").entry(FILES[1].0, Entry::Null);
    let desired = request::from_slice(request.as_bytes()).expect("the request is well formed");
    let steps = plan(&desired, &machine).expect("it can be planned").steps;
    let [Step::ReplaceFile { path, .. }] = &steps[..] else { panic!("only our file is written: {steps:?}") };
    assert_eq!(path.to_str(), Some(FILES[0].0));
}

#[test]
fn root_of_a_user_namespace_is_told_so() {
    let machine =
        settled().live("tcp_timeout_close_wait", 60).container(container("sleep", Network::Machine)).foreign();
    let failure = refusal(CLOSE_WAIT, &machine);
    assert_eq!(failure.kind, Kind::Permission);
    assert!(failure.message.contains("root of a user namespace"), "{failure}");
}

/// The doubts of a container; the world itself may leave others.
fn reasons(report: &Report) -> Vec<Reason> {
    let of_containers =
        [Reason::MachineNetwork, Reason::ContainerWithoutInit, Reason::SysctlsReadOnly, Reason::ModuleOfMachine];
    let found = report.settings[0].doubts.iter().map(|doubt| doubt.reason);
    found.filter(|reason| of_containers.contains(reason)).collect()
}

privileged!(a_sandbox_and_a_chroot_are_no_containers, || {
    let world = World::new(Net::Private);
    // The machine's root may hold the file of an engine, of whose image it was made: this one holds none.
    world.sh("for root in /mnt/root /mnt/root/inner; do
             mkdir $root; cd $root; mkdir -p etc/modules-load.d run/lock run/systemd/system usr proc mnt
             ln -s usr/lib usr/lib64 usr/bin usr/sbin .; ln -s /bin/sh mnt/nginx; cp $BIN mnt
             echo nf_conntrack > etc/modules-load.d/a.conf
             mount --rbind /proc proc; mount --rbind /usr usr
         done");
    let within = |unshare: &str| {
        let script = format!(
            "exec chroot /mnt/root unshare --propagation unchanged --fork {unshare} --mount-proc /mnt/nginx -c '/mnt/conntrack-sysctl apply; true'"
        );
        world.try_sh(&script, CLOSE_WAIT).report()
    };
    let chroot = world.try_sh("exec chroot /mnt/root mnt/conntrack-sysctl apply", CLOSE_WAIT).report();
    assert_eq!(reasons(&chroot), []);
    assert_eq!(reasons(&within("--pid")), [], "it may be a sandbox, as installers and packagers make one");
    for namespaces in ["--pid --ipc", "--pid --uts"] {
        assert_eq!(reasons(&within(namespaces)), [Reason::ContainerWithoutInit], "{namespaces}");
    }
    // Another root than that of the first program, in the same tree of mounts.
    let script = "exec chroot /mnt/root unshare --propagation unchanged --fork --pid --ipc --mount-proc /mnt/nginx -c '
        mount --bind /proc /inner/proc; chroot /inner /mnt/conntrack-sysctl apply; true'";
    assert_eq!(reasons(&world.try_sh(script, CLOSE_WAIT).report()), [], "a chroot in a container is none");
    world.sh("touch /mnt/root/run/.containerenv");
    let report = within("--pid");
    assert_eq!(reasons(&report), [Reason::ContainerWithoutInit]);
    assert!(report.settings[0].doubts[0].message.contains("a container of podman (first program `nginx`)"));
});

privileged!(sysctls_of_the_network_that_cannot_be_written, || {
    let world = World::new(Net::Private);
    // As in LXC and systemd-nspawn.
    world.sh("mkdir /mnt/net; mount --rbind /proc/sys/net /mnt/net");
    world.sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys");
    let ended = world.apply(CLOSE_WAIT);
    assert_eq!(ended.report().failure.map(|failure| failure.kind), Some(Kind::ReadOnly));
    world.sh("mount --rbind /mnt/net /proc/sys/net");
    let report = world.apply(CLOSE_WAIT).report();
    assert!(report.in_sync && report.changed, "{report:?}");
});

privileged!(root_of_a_user_namespace_does_not_own_the_network, || {
    let world = World::new(Net::Private);
    // The user 0 of the namespace is the user 1000 outside, and the root of the container is that user's.
    world.sh(
        "mkdir /mnt/root; cd /mnt/root; mkdir etc run usr proc mnt; ln -s usr/lib usr/lib64 usr/bin .; cp $BIN mnt
         chown --no-dereference 1000:1000 . etc run usr mnt lib lib64 bin
         mount --rbind /proc proc; mount --rbind /usr usr",
    );
    let run = |unshare: &str| {
        let user = "setpriv --reuid 1000 --regid 1000 --clear-groups";
        let script = format!("exec {user} unshare --user --map-root-user {unshare} chroot /mnt/root $BIN check");
        world.try_sh(&script, CLOSE_WAIT).report()
    };
    let failure = run("").failure.expect("it is refused");
    assert_eq!(failure.kind, Kind::Permission);
    assert!(failure.message.contains("root of a user namespace"), "{failure}");
    assert_eq!(run("--net").failure, None, "it owns this network");
});

privileged!(a_directory_for_the_lock, || {
    let world = World::new(Net::Private);
    // With and without /run/lock, runs exclude each other.
    for change in ["true", "rmdir /run/lock"] {
        world.sh(&format!("chmod 755 /run; {change}; sysctl -qw {NAME}=60"));
        assert!(world.apply(CLOSE_WAIT).report().in_sync);
        let held = world.try_sh(&format!("sysctl -qw {NAME}=60; flock /run/conntrack-sysctl $BIN apply"), CLOSE_WAIT);
        assert_eq!(held.report().failure.map(|failure| failure.kind), Some(Kind::Busy), "{change}");
    }
    assert_eq!(world.sh("stat -c '%a %u %F' /run/conntrack-sysctl"), "700 0 directory\n");
    // Another user's directory could hold a run up.
    for make in ["mkdir -m 777", "ln -s /mnt"] {
        world.sh(&format!("rm -rf /run/conntrack-sysctl; {make} /run/conntrack-sysctl; sysctl -qw {NAME}=60"));
        let failure = world.apply(CLOSE_WAIT).report().failure.expect("it is refused");
        assert_eq!(failure.kind, Kind::Permission, "{make}: {failure}");
    }
});

const NAME: &str = "net.netfilter.nf_conntrack_tcp_timeout_close_wait";

privileged!(the_machine_s_root_with_its_live_side, || {
    let world = World::new(Net::Private);
    world.sh("mkdir /etc/modules-load.d; echo nf_conntrack > /etc/modules-load.d/a.conf");
    world.sh("mkdir /mnt/host /mnt/image; mount --rbind / /mnt/host");
    // The container has other files.
    world.sh("mkdir /mnt/etc; mount --bind /mnt/etc /etc");
    let live = CLOSE_WAIT.replacen('{', r#"{"live": true, "#, 1);
    let report = world.try_sh("exec $BIN apply --root /mnt/host", &live).report();
    assert!(report.in_sync && report.changed, "{report:?}");
    assert_eq!(world.sysctl(NAME), "240");
    assert_eq!(world.sh("cat /mnt/host/etc/sysctl.d/90-conntrack.conf; ls /etc"), format!("{NAME} = 240\n"));
    // Without the word it is an image.
    let report = world.try_sh("exec $BIN check --root /mnt/host", CLOSE_WAIT).report();
    assert_eq!((report.in_sync, report.settings[0].live.before), (true, None), "{report:?}");
    let failure = world.try_sh("exec $BIN check --root /mnt/image", &live).report().failure.expect("it is refused");
    assert_eq!((failure.kind, failure.pointer.as_deref()), (Kind::BadRequest, Some("/live")));
    assert!(fs::read_dir(world.path("/mnt/image")).expect("it is there").next().is_none());
});
