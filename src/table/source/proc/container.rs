//! Recognises the container of a process by its control groups, and reads the name that the container's engine gave it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::table::model::reading::Container;
use crate::text::printable;

/// What an engine puts into the name of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// The container's number, of 64 hexadecimal digits.
    Number,
    /// The container's name, as systemd escapes it.
    Name,
}

/// The names of control groups: the engine, and the text before and behind the container's number or name.
const GROUPS: [(&str, &str, &str, Naming); 10] = [
    ("docker", "docker-", ".scope", Naming::Number),
    ("containerd", "cri-containerd-", ".scope", Naming::Number),
    ("containerd", "nerdctl-", ".scope", Naming::Number),
    ("cri-o", "crio-", ".scope", Naming::Number),
    ("podman", "libpod-", ".scope", Naming::Number),
    ("podman", "libpod-payload-", "", Naming::Number),
    ("systemd-nspawn", "systemd-nspawn@", ".service", Naming::Name),
    ("systemd-nspawn", "machine-", ".scope", Naming::Name),
    ("lxc", "lxc.payload.", "", Naming::Name),
    ("lxc", "lxc.payload/", "", Naming::Name),
];

/// The control groups below which an engine has one for each container.
const PARENTS: [(&str, &str, Naming); 3] =
    [("docker", "docker", Naming::Number), ("kubernetes", "kubepods", Naming::Number), ("lxc", "lxc", Naming::Name)];

/// The container that `/proc/PID/cgroup` says a process is in; None: it is in none. Of nested ones, the innermost counts.
#[must_use]
pub fn of_groups(groups: &str) -> Option<Container> {
    groups.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let parts: Vec<&str> = path.split('/').collect();
        (1..parts.len()).rev().find_map(|place| of_group(&parts[..=place]))
    })
}

/// The container to which the control group at the end of `path` belongs.
fn of_group(path: &[&str]) -> Option<Container> {
    let (group, above) = path.split_last()?;
    let container = |engine: &str, naming: Naming, text: &str| match naming {
        Naming::Number => {
            is_number(text).then(|| Container { engine: engine.to_owned(), id: Some(text.to_owned()), name: None })
        }
        Naming::Name => (!text.is_empty()).then(|| {
            let name = printable(&unescaped(text)).into_owned();
            Container { engine: engine.to_owned(), id: None, name: Some(name) }
        }),
    };
    let by_name = GROUPS.iter().find_map(|(engine, start, end, naming)| {
        container(engine, *naming, group.strip_prefix(start)?.strip_suffix(end)?)
    });
    let by_parent = || {
        let (engine, _, naming) = PARENTS.iter().find(|(_, parent, naming)| match naming {
            // The groups of Kubernetes stand between, one for each class of service and each pod.
            Naming::Number => above.contains(parent),
            Naming::Name => above.last() == Some(parent),
        })?;
        container(engine, *naming, group)
    };
    by_name.or_else(by_parent).or_else(|| container("container", Naming::Number, group))
}

fn is_number(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A name without systemd's escapes: `a\x2db` is `a-b`.
fn unescaped(text: &str) -> String {
    let mut name = String::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once("\\x") {
        name += before;
        let byte = escape.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match byte {
            Some(byte) => name.push(char::from(byte)),
            None => name += "\\x",
        }
        rest = if byte.is_some() { &escape[2..] } else { escape };
    }
    name + rest
}

/// The most bytes of an engine's file that are read: such files have some 10 KiB.
const LARGEST: u64 = 4 << 20;

/// The runtime files of containers with a number, which hold the names that Kubernetes and nerdctl gave them.
const RUNTIME_FILES: [(&str, &str); 6] = [
    ("run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"),
    ("run/containerd/io.containerd.runtime.v2.task/default", "config.json"),
    ("run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"),
    ("var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"),
    ("run/containers/storage/overlay-containers", "userdata/config.json"),
    ("var/lib/containers/storage/overlay-containers", "userdata/config.json"),
];

/// The name that the engine below `root` has for the container, if its files say one.
#[must_use]
pub fn name(root: &Path, container: &Container) -> Option<String> {
    let id = container.id.as_deref()?;
    let name = match container.engine.as_str() {
        "docker" => docker_name(root, id),
        "podman" => podman_name(root, id),
        _ => RUNTIME_FILES
            .iter()
            .find_map(|(directory, file)| runtime_name(&json(&root.join(directory).join(id).join(file))?)),
    };
    name.map(|name| printable(&name).into_owned())
}

fn docker_name(root: &Path, id: &str) -> Option<String> {
    let file = json(&root.join("var/lib/docker/containers").join(id).join("config.v2.json"))?;
    Some(file.get("Name")?.as_str()?.trim_start_matches('/').to_owned())
}

fn podman_name(root: &Path, id: &str) -> Option<String> {
    let file = json(&root.join("var/lib/containers/storage/overlay-containers/containers.json"))?;
    let own = file.as_array()?.iter().find(|container| container["id"] == id)?;
    Some(own["names"].get(0)?.as_str()?.to_owned())
}

/// The name in a runtime file's annotations: `NAMESPACE/POD/CONTAINER` of Kubernetes, or nerdctl's. The container of the pod
/// itself has no name of its own.
fn runtime_name(file: &Value) -> Option<String> {
    let annotation = |name: &str| file["annotations"][name].as_str().filter(|text| !text.is_empty());
    let of_kubernetes = [
        ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name", "io.kubernetes.cri.container-name"],
        ["io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name"],
    ];
    let pod = of_kubernetes.iter().find_map(|[namespace, pod, container]| {
        let mut parts = vec![annotation(namespace)?, annotation(pod)?];
        parts.extend(annotation(container).filter(|name| *name != "POD"));
        Some(parts.join("/"))
    });
    pod.or_else(|| annotation("nerdctl/name").map(str::to_owned))
}

fn json(path: &Path) -> Option<Value> {
    // A pipe or a device would never end.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    serde_json::from_reader(std::io::BufReader::new(File::open(path).ok()?.take(LARGEST))).ok()
}
