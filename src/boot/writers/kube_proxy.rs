//! kube-proxy writes the limit and some timeouts when it starts (kubernetes: pkg/proxy/conntrack/sysctls.go, in older
//! releases cmd/kube-proxy/app/conntrack.go).
//!
//! Where its configuration is on disk (kubeadm has the volume of its pod below /var/lib/kubelet), the values are computed
//! from that, from the number of CPUs, and from what the boot has written before. On any other node of a cluster nobody
//! can tell them: the configuration comes with the cluster.

use std::path::{Path, PathBuf};

use super::service::Service;
use super::{Evidence, Scene, Writer, Written};
use crate::formats::yaml::{self, Pair};
use crate::kernel::catalog::{BUCKETS, Key, MAX, Name};
use crate::sysctl_d::Write;
use crate::tree::{Entry, Place, Read, Tree};

/// The files of a node of a cluster, under the names of the usual distributions of Kubernetes.
const MARKERS: [&str; 18] = [
    "/var/lib/kube-proxy",
    "/var/lib/kubelet/config.yaml",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet",
    "/etc/kubernetes/kubelet",
    "/var/lib/rancher/k3s/agent",
    "/etc/rancher/k3s",
    "/var/lib/rancher/rke2",
    "/etc/rancher/rke2",
    "/etc/eks",
    "/var/lib/k0s",
    "/var/snap/microk8s",
    "/var/lib/rancher/rke",
    "/etc/k0s",
    "/etc/kubernetes/manifests",
    "/var/lib/minikube",
    "/var/snap/k8s",
];

const SETTINGS: [&str; 5] = [
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.netfilter.nf_conntrack_udp_timeout_stream",
];

/// The timeouts in its configuration: the option, the setting, and the seconds where the option is missing or null.
const TIMEOUTS: [(&str, &str, i64); 4] = [
    ("tcpEstablishedTimeout", SETTINGS[1], 86_400),
    ("tcpCloseWaitTimeout", SETTINGS[2], 3600),
    ("udpTimeout", SETTINGS[3], 0),
    ("udpStreamTimeout", SETTINGS[4], 0),
];

/// The limit for each CPU, and the least limit, where the options are missing or null.
const DEFAULT_PER_CORE: i64 = 32_768;
const DEFAULT_LEAST: i64 = 131_072;

/// The limit that the newest versions do not go beyond.
const MOST: i64 = 1_048_576;

/// The directories of the pods of a node, in each of which kubelet has the pod's volumes.
const PODS: &str = "/var/lib/kubelet/pods";
const VOLUME: &str = "volumes/kubernetes.io~configmap/kube-proxy";

/// Where its configuration stands if it is a service of the machine.
const CONFIGURATIONS: [&str; 2] = ["/var/lib/kube-proxy/config.conf", "/var/lib/kube-proxy/kube-proxy-config.yaml"];

const SERVICE: Service =
    Service { name: "kube-proxy", programs: &["/usr/local/bin/kube-proxy", "/usr/bin/kube-proxy"], runlevels: &[] };

/// The configurations of distributions that give it arguments.
const DISTRIBUTIONS: [&str; 2] = ["/etc/rancher/k3s/config.yaml", "/etc/rancher/rke2/config.yaml"];

/// The arguments that stand for options of its configuration.
const ARGUMENTS: [(&str, &str); 7] = [
    ("conntrack-max-per-core", "maxPerCore"),
    ("conntrack-min", "min"),
    ("conntrack-tcp-timeout-established", "tcpEstablishedTimeout"),
    ("conntrack-tcp-timeout-close-wait", "tcpCloseWaitTimeout"),
    ("conntrack-udp-timeout", "udpTimeout"),
    ("conntrack-udp-timeout-stream", "udpStreamTimeout"),
    ("conntrack-tcp-be-liberal", "tcpBeLiberal"),
];

/// The CPUs of the machine that are in use.
const CPUS: &str = "/sys/devices/system/cpu/online";

pub(super) const KUBE_PROXY: Writer = Writer {
    name: "kube-proxy",
    summary: "kube-proxy, on a node of a Kubernetes cluster, writes the limit and some timeouts when it starts.",
    reads,
    starts: |tree| marker(tree).is_some(),
    writes,
    remedy: ["set the limit and the timeouts in its configuration (`conntrack:`)"; 2],
};

fn reads(tree: &Tree) -> Vec<Read> {
    let mut reads: Vec<Read> = Read::presences(&MARKERS).collect();
    if marker(tree).is_none() {
        return reads;
    }
    // kubelet makes a link to the volume's present directory, in a directory that all may write to: it is not followed.
    let directories = |path: PathBuf| Read::mentions(path, "", &[]);
    reads.push(directories(PODS.into()));
    for pod in within(tree, Path::new(PODS)) {
        reads.push(directories(pod.join(VOLUME)));
        let versions = within(tree, &pod.join(VOLUME)).into_iter();
        reads.extend(versions.map(|version| Read::Candidate(version.join("config.conf"))));
    }
    let own = CONFIGURATIONS.iter().chain(&DISTRIBUTIONS).map(|path| Read::Candidate(path.into()));
    reads.into_iter().chain(own).chain(SERVICE.reads()).chain([Read::OfKernel(CPUS.into())]).collect()
}

/// The directories directly in `directory`.
fn within(tree: &Tree, directory: &Path) -> Vec<PathBuf> {
    let entries = tree.in_directory(directory).filter(|(_, entry)| **entry == Entry::Directory);
    entries.map(|(path, _)| path.to_owned()).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let Some(marker) = marker(scene.tree) else { return Vec::new() };
    if DISTRIBUTIONS.iter().any(|path| says(scene.tree, path, "disable-kube-proxy") == Some("true".to_owned())) {
        return Vec::new();
    }
    let computed = configuration(scene.tree).and_then(|configuration| computed(scene, &configuration));
    computed.unwrap_or_else(|| by_default(scene, &Evidence::Presence(marker.to_owned())))
}

/// What it writes with the values that it has without a configuration. The cluster may have others.
fn by_default(scene: &Scene, evidence: &Evidence) -> Vec<Written> {
    let limit = cpus(scene.tree).map(|cpus| (cpus * DEFAULT_PER_CORE).max(DEFAULT_LEAST));
    let timeouts = TIMEOUTS.iter().filter(|(.., seconds)| *seconds > 0);
    let timeouts = timeouts.filter_map(|(_, key, seconds)| Some((Name::of_key(key)?, Some(*seconds))));
    let values = [(MAX, limit), (BUCKETS, None)].into_iter().chain(timeouts);
    let has_room = |limit: i64| scene.values.get(&BUCKETS).is_some_and(|buckets| *buckets >= limit / 4);
    let is_left_alone = |name: &Name, value: Option<i64>| {
        if *name == BUCKETS {
            limit.is_some_and(has_room)
        } else {
            value == scene.values.get(name).copied() && value.is_some()
        }
    };
    // Nobody wants the buckets that no file sets.
    let counts = |name: &Name| *name != BUCKETS || scene.values.contains_key(name);
    let written = values.filter(|(name, value)| counts(name) && !is_left_alone(name, *value));
    written.map(|(setting, value)| Written::Perhaps { setting, evidence: evidence.clone(), value }).collect()
}

/// Its configuration, if there is one of which it is known that it is used.
fn configuration(tree: &Tree) -> Option<Configuration> {
    let read = |named: PathBuf, file: &Path| {
        let options = yaml::mapping(tree.bytes(file)?, "conntrack").ok()?;
        Some(Configuration { file: named, options })
    };
    let of_pod = |pod: PathBuf| {
        // The name of the newest one is the last.
        let versions = within(tree, &pod.join(VOLUME));
        let file = versions.iter().map(|version| version.join("config.conf")).rfind(|file| tree.get(file).is_some())?;
        read(pod.join(VOLUME).join("config.conf"), &file)
    };
    let of_service = |path: &str| read(path.into(), Path::new(path)).filter(|_| SERVICE.starts(tree));
    within(tree, Path::new(PODS))
        .into_iter()
        .find_map(of_pod)
        .or_else(|| CONFIGURATIONS.iter().find_map(|path| of_service(path)))
        .or_else(|| DISTRIBUTIONS.iter().find_map(|path| of_distribution(tree, path)))
}

/// Its options among the arguments that a distribution gives it: `- conntrack-min=0` in a list, if there is one about
/// connection tracking.
fn of_distribution(tree: &Tree, path: &str) -> Option<Configuration> {
    let text = String::from_utf8_lossy(tree.bytes(path)?).into_owned();
    let option = |(index, line): (usize, &str)| {
        let is_of_item = |c: char| c.is_ascii_whitespace() || "-[]'\",".contains(c);
        let item = line.trim().trim_start_matches("kube-proxy-arg:").trim_matches(is_of_item);
        let (argument, value) = item.split_once('=')?;
        let (_, option) = ARGUMENTS.iter().find(|(name, _)| *name == argument)?;
        Some(Pair { line: index + 1, key: (*option).to_owned(), value: Some(value.to_owned()) })
    };
    let options: Vec<Pair> = text.lines().enumerate().filter_map(option).collect();
    (!options.is_empty()).then(|| Configuration { file: path.into(), options })
}

/// The word behind `name:` in a file of a distribution.
fn says(tree: &Tree, path: &str, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(tree.bytes(path)?).into_owned();
    let value = text.lines().rev().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// Its options about connection tracking.
struct Configuration {
    /// The path by which people know it.
    file: PathBuf,
    options: Vec<Pair>,
}

impl Configuration {
    /// The value of an option. None: it is missing or null.
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|pair| pair.key == name)?.value.as_deref()
    }

    /// The line of an option, or of the file's beginning where it is missing.
    fn place(&self, name: &str) -> Place {
        let line = self.options.iter().find(|pair| pair.key == name).map_or(1, |pair| pair.line);
        Place::new(&self.file, line)
    }

    /// A number. None: it is no number.
    fn number(&self, name: &str, default: i64) -> Option<i64> {
        self.option(name).map_or(Some(default), |text| text.parse().ok())
    }
}

/// What it writes with a configuration. None: the configuration is not understood.
fn computed(scene: &Scene, configuration: &Configuration) -> Option<Vec<Written>> {
    let mut written = limit(scene, configuration)?;
    let surely = |option: &str, key: &str, number: i64| {
        let key = Key::new(key.to_owned());
        let is_so_already = key.name().and_then(|name| scene.values.get(&name).copied()) == Some(number);
        let write = Write { key, text: number.to_string().into_bytes(), place: configuration.place(option) };
        (number > 0 && !is_so_already).then_some(Written::Surely(write))
    };
    for (option, key, default) in TIMEOUTS {
        let seconds = configuration.option(option).map_or(Some(default), seconds)?;
        written.extend(surely(option, key, seconds));
    }
    if configuration.option("tcpBeLiberal") == Some("true") {
        written.extend(surely("tcpBeLiberal", "net.netfilter.nf_conntrack_tcp_be_liberal", 1));
    }
    Some(written)
}

/// What it does about the limit and the buckets: it raises them. Older releases lower the limit too.
fn limit(scene: &Scene, configuration: &Configuration) -> Option<Vec<Written>> {
    let per_core = configuration.number("maxPerCore", DEFAULT_PER_CORE)?;
    let least = configuration.number("min", DEFAULT_LEAST)?;
    if per_core <= 0 {
        return Some(Vec::new());
    }
    let place = configuration.place("maxPerCore");
    let perhaps = |setting: Name, value: Option<i64>| {
        let evidence = Evidence::Line(place.clone());
        Written::Perhaps { setting, evidence, value }
    };
    let Some(limit) = cpus(scene.tree).map(|cpus| per_core.saturating_mul(cpus).max(least)) else {
        return Some(vec![perhaps(MAX, None), perhaps(BUCKETS, None)]);
    };
    let value = |name: &Name| scene.values.get(name).copied();
    let of_limit = match value(&MAX) {
        Some(present) if present == limit => None,
        Some(present) if present < limit && limit <= MOST => {
            let text = limit.to_string().into_bytes();
            Some(Written::Surely(Write { key: MAX.into(), text, place: place.clone() }))
        }
        _ => Some(perhaps(MAX, Some(limit))),
    };
    let of_buckets =
        value(&BUCKETS).is_none_or(|buckets| buckets < limit / 4).then(|| perhaps(BUCKETS, Some(limit / 4)));
    Some(of_limit.into_iter().chain(of_buckets).collect())
}

/// The number of CPUs in use, from a list such as `0-3,8`.
fn cpus(tree: &Tree) -> Option<i64> {
    let text = std::str::from_utf8(tree.bytes(CPUS)?).ok()?;
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<i64>().ok()? - first.parse::<i64>().ok()? + 1)
    };
    text.trim().split(',').map(count).sum()
}

/// The whole seconds of a duration as Go writes it: `1h30m0s`, `90s`, `0s`.
fn seconds(text: &str) -> Option<i64> {
    let mut sum = 0;
    let mut rest = text;
    while !rest.is_empty() && rest != "0" {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |length| end + length);
        sum += number.checked_mul(match &rest[end..unit_end] {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        })?;
        rest = &rest[unit_end..];
    }
    Some(sum)
}

/// The first of a node's files that the machine has.
fn marker(tree: &Tree) -> Option<&'static Path> {
    MARKERS.iter().map(Path::new).find(|path| tree.get(path).is_some())
}
