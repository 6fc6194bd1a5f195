//! Judges what is told of the other network namespaces of a machine: the container in each, which table is full, and the way
//! there.

use std::fs;

use crate::support::world::{Limit, Network, World, privileged};
use conntrack_sysctl::table::analysis::diagnosis::Health;
use conntrack_sysctl::table::analysis::namespaces::{Room, room};
use conntrack_sysctl::table::analysis::status::AlertLevel;
use conntrack_sysctl::table::model::reading::{Container, Namespace, NamespaceCounts};
use conntrack_sysctl::table::source::proc::container::{name, of_groups};
use conntrack_sysctl::table::view::json::{DiagnosisDocument, StatusDocument};
use conntrack_sysctl::table::view::places;

/// The number of a container, as its engine has it.
const ID: &str = "3f2a86d0c41b9e57a0f1d2c3b4a5968778695a4b3c2d1e0f123456789abcdef0";

fn container(engine: &str, id: Option<&str>, name: Option<&str>) -> Container {
    Container { engine: engine.into(), id: id.map(str::to_owned), name: name.map(str::to_owned) }
}

#[test]
fn the_container_of_a_process_by_its_control_groups() {
    let numbered = |engine| Some(container(engine, Some(ID), None));
    let named = |engine, name| Some(container(engine, None, Some(name)));
    let rows = [
        ("0::/system.slice/docker-ID.scope", numbered("docker")),
        ("12:pids:/docker/ID\n1:name=systemd:/docker/ID\n0::/system.slice/containerd.service", numbered("docker")),
        ("0::/docker/ID/init.scope", numbered("docker")),
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab12.slice/cri-containerd-ID.scope",
            numbered("containerd"),
        ),
        ("11:memory:/kubepods/besteffort/pod1f0d3c5e-1b7b/ID", numbered("kubernetes")),
        ("0::/kubepods.slice/kubepods-podab12.slice/crio-ID.scope/container", numbered("cri-o")),
        ("0::/machine.slice/libpod-ID.scope/container", numbered("podman")),
        ("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container", numbered("podman")),
        ("0::/system.slice/web.service/libpod-payload-ID", numbered("podman")),
        ("0::/system.slice/nerdctl-ID.scope", numbered("containerd")),
        ("0::/default/ID", numbered("container")),
        ("0::/ecs/0123/ID", numbered("container")),
        ("0::/machine.slice/systemd-nspawn@web-1.service/payload/init.scope", named("systemd-nspawn", "web-1")),
        ("0::/machine.slice/machine-web\\x2d1.scope/payload", named("systemd-nspawn", "web-1")),
        ("0::/lxc.payload.web/init.scope", named("lxc", "web")),
        ("10:cpuset:/lxc/web", named("lxc", "web")),
        // A container in a container: the inner one.
        ("0::/machine.slice/machine-outer.scope/payload/system.slice/docker-ID.scope", numbered("docker")),
        // No containers: services, sessions, the monitors of containers, and names that only look like one.
        ("0::/system.slice/docker.service", None),
        ("0::/user.slice/user-1000.slice/session-3.scope", None),
        ("0::/lxc.monitor.web", None),
        ("0::/system.slice/docker-short.scope", None),
        ("0::/", None),
        ("nonsense", None),
        ("", None),
    ];
    for (groups, expected) in rows {
        assert_eq!(of_groups(&groups.replace("ID", ID)), expected, "{groups}");
    }
    let hostile = of_groups("0::/machine-a\\x1b[2Jb\u{9b}c.scope").expect("it is one");
    assert!(!hostile.name.expect("it has one").contains(char::is_control));
    for odd in ["\\x", "\\x1", "\\xzz", "\\x\u{e9}\u{e9}", "\\xff"] {
        assert!(of_groups(&format!("0::/machine-{odd}.scope")).is_some(), "{odd}");
    }
}

#[test]
fn the_name_of_a_container_by_its_engines_files() {
    let root = tempfile::tempdir().expect("a directory can be made");
    let put = |path: &str, content: &str| {
        let path = root.path().join(path.replace("ID", ID));
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory can be made");
        fs::write(path, content.replace("ID", ID)).expect("a file can be written");
    };
    let name_in = |engine: &str| name(root.path(), &container(engine, Some(ID), None));
    for engine in ["docker", "podman", "containerd", "cri-o", "kubernetes", "container", "lxc"] {
        assert_eq!(name_in(engine), None, "{engine}: no file has it");
    }
    put("var/lib/docker/containers/ID/config.v2.json", r#"{"ID":"ID","Name":"/web"}"#);
    assert_eq!(name_in("docker").as_deref(), Some("web"));
    put(
        "var/lib/containers/storage/overlay-containers/containers.json",
        r#"[{"id":"0","names":["no"]},{"id":"ID","names":["db"]}]"#,
    );
    assert_eq!(name_in("podman").as_deref(), Some("db"));
    put(
        "run/containerd/io.containerd.runtime.v2.task/default/ID/config.json",
        r#"{"annotations":{"nerdctl/name":"n"}}"#,
    );
    assert_eq!(name_in("container").as_deref(), Some("n"));
    let cri =
        r#"{"annotations":{"io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"web-0"}}"#;
    put("run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json", cri);
    assert_eq!(name_in("containerd").as_deref(), Some("shop/web-0"));
    assert_eq!(name_in("kubernetes").as_deref(), Some("shop/web-0"));
    fs::remove_dir_all(root.path().join("run")).expect("it can be removed");
    put(
        "run/containers/storage/overlay-containers/ID/userdata/config.json",
        r#"{"annotations":{"io.kubernetes.pod.namespace":"a","io.kubernetes.pod.name":"b","io.kubernetes.container.name":"c"}}"#,
    );
    assert_eq!(name_in("cri-o").as_deref(), Some("a/b/c"));
    // Files of another form, and files that are none.
    for broken in ["", "[", "7", r#"{"Name":7}"#, r#"{"Name":"/\u001b[2J"}"#] {
        put("var/lib/docker/containers/ID/config.v2.json", broken);
        assert!(name_in("docker").is_none_or(|name| !name.contains(char::is_control)), "{broken}");
    }
    let file = root.path().join("var/lib/docker/containers").join(ID).join("config.v2.json");
    fs::remove_file(&file).expect("it can be removed");
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a pipe can be made");
    assert_eq!(name_in("docker"), None);
}

#[test]
fn the_way_into_a_namespace_is_a_line_for_a_shell() {
    let namespace =
        |name: Option<&str>, pid| Namespace { name: name.map(str::to_owned), pid, ..Namespace::new(7, None) };
    let way = |namespace: &Namespace| (places::enter(namespace), places::diagnose(namespace));
    assert_eq!(way(&namespace(None, None)), (None, None));
    let (enter, diagnose) = way(&namespace(Some("blue"), Some(4711)));
    assert_eq!(enter.as_deref(), Some("nsenter --target 4711 --net"));
    assert_eq!(diagnose.as_deref(), Some("conntrack-sysctl diagnose --pid 4711"));
    let (enter, diagnose) = way(&namespace(Some("it's; rm"), None));
    assert_eq!(enter.as_deref(), Some(r"nsenter --net='/run/netns/it'\''s; rm'"));
    assert!(diagnose.expect("there is a way").ends_with(" conntrack-sysctl diagnose"));
}

#[test]
fn a_full_table_and_one_that_only_looks_busy() {
    let namespace = |entries, run: Option<(u64, u64)>| Namespace {
        during_run: run.map(|(drop, early_drop)| NamespaceCounts { entries, drop, early_drop, expect_create: 0 }),
        ..Namespace::new(1, Some(NamespaceCounts { entries, drop: 9, early_drop: 9, expect_create: 0 }))
    };
    let limit = Some(100);
    assert_eq!(room(&namespace(100, None), limit), Room::None);
    assert_eq!(room(&namespace(96, Some((0, 3))), limit), Room::None);
    // Losses of before this run.
    assert_eq!(room(&namespace(96, Some((0, 0))), limit), Room::Little);
    assert_eq!(room(&namespace(96, None), limit), Room::Little);
    assert_eq!(room(&namespace(80, None), limit), Room::Little);
    assert_eq!(room(&namespace(79, Some((1, 0))), limit), Room::Some, "a protocol's tracker refused it");
    assert_eq!(room(&namespace(79, Some((0, 1))), limit), Room::None, "the kernel evicts at the limit only");
    for none in [Some(0), None] {
        assert_eq!(room(&namespace(100, None), none), Room::Some, "without a limit nothing is full");
    }
    assert_eq!(room(&Namespace::new(1, None), limit), Room::Some);
}

/// Fills the table of a network namespace to its limit.
const FLOOD: &str = "ip link set lo up
    nft add table inet t
    nft add chain inet t c '{ type filter hook output priority 0; }'
    nft add rule inet t c ct state new
    python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1000, 1600):
    try: s.sendto(b'x', ('127.0.0.1', port))
    except OSError: pass
END";

privileged!(a_full_table_of_another_namespace_is_found, || {
    let limit = Limit::borrow();
    limit.set(500);
    let machine = World::new(Network::Private);
    let status = |arguments: &str| {
        let ended = machine.try_sh(&format!("exec $BIN status {arguments} --output json"), "");
        let document: StatusDocument = serde_json::from_str(&ended.stdout).expect("it is JSON");
        (ended.code, document)
    };
    let diagnosis = |arguments: &str| -> DiagnosisDocument {
        let ended = machine.try_sh(&format!("exec $BIN diagnose --interval 0.2 {arguments} --output json"), "");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
    };
    assert_eq!(status("--warn 80").0, 0);
    assert_eq!(diagnosis("").verdict, Health::Healthy);

    let container = World::new(Network::Private);
    container.sh(FLOOD);
    let id = container.sh("readlink /proc/self/ns/net | tr -dc 0-9").parse::<u64>().expect("a namespace has a number");
    let (code, found) = status("--warn 80");
    let level = found.level.expect("there are thresholds");
    assert_eq!((code, level.level, level.namespace), (2, AlertLevel::Critical, Some(id)), "{level:?}");
    assert!(level.reason.contains(&format!("netns {id} (")) && level.reason.contains("100.0%"), "{}", level.reason);
    let full = found.namespaces.iter().find(|namespace| namespace.id == id).expect("it is listed");
    let pid = full.pid.expect("a process runs in it");
    assert_eq!((full.count, full.fill_percent, full.own), (Some(500), Some(100.0), false));
    assert!(full.drop > Some(0), "{full:?}");
    // The way that is named leads there.
    let there =
        machine.sh(&format!("{} readlink /proc/self/ns/net", full.enter.as_deref().expect("a way leads there")));
    assert!(there.contains(&id.to_string()), "{there}");

    let found = diagnosis("");
    assert_eq!(found.verdict, Health::FullInNamespace, "{found:#?}");
    assert!(found.summary.contains(&format!("conntrack-sysctl diagnose --pid {pid}")), "{}", found.summary);

    // From outside, the same is seen as from within.
    let entered = diagnosis(&format!("--pid {pid}"));
    assert_eq!((entered.verdict, entered.status.count), (Health::Full, Some(500)), "{entered:#?}");
    assert_eq!(entered.profile.map(|profile| profile.entries), Some(500));
    assert!(entered.status.namespaces.iter().any(|namespace| namespace.own && namespace.id == id));
    assert!(!entered.limit_is_ours);
    let text = machine.sh(&format!("$BIN diagnose --pid {pid} --interval 0 --output text"));
    assert!(text.contains("nsenter --target 1 --net conntrack-sysctl apply -"), "{text}");

    let ended = machine.try_sh("exec $BIN diagnose --pid 4194305", "");
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("process 4194305 cannot be entered"), "{}", ended.stderr);
});

privileged!(a_namespace_with_a_name_and_no_process_is_counted, || {
    let limit = Limit::borrow();
    limit.set(500);
    let machine = World::new(Network::Private);
    machine.sh("ip netns add 'bl\u{9b}ue' && ip netns add empty");
    machine.sh(&format!("cat >/mnt/flood <<'FLOOD'\n{FLOOD}\nFLOOD\nip netns exec 'bl\u{9b}ue' sh /mnt/flood"));
    let ended = machine.try_sh("exec $BIN status --warn 80 --output text", "");
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(ended.stdout.contains("500 (100.00%)  bl\\u{9b}ue\n"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{9b}'), "a name drives no terminal: {}", ended.stdout);
    let ended = machine.try_sh("exec $BIN status --output json", "");
    let document: StatusDocument = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let empty = document.namespaces.iter().find(|namespace| namespace.name.as_deref() == Some("empty"));
    assert_eq!(empty.expect("it is listed").count, Some(0));
    machine.sh("ip netns delete 'bl\u{9b}ue'; ip netns delete empty");
});
