//! kube-proxy writes the limit and some timeouts when it starts (kubernetes: cmd/kube-proxy/app/conntrack.go). The
//! values come from the cluster and from the number of CPUs, so only the presence of a node's files is checked.

use std::path::Path;

use super::{Evidence, Scene, Writer, Written};
use crate::kernel::catalog::Name;
use crate::tree::{Read, Tree};

/// The files of a node of a cluster, under the names of the usual distributions of Kubernetes.
const MARKERS: [&str; 14] = [
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
];

const SETTINGS: [&str; 5] = [
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "net.netfilter.nf_conntrack_udp_timeout",
    "net.netfilter.nf_conntrack_udp_timeout_stream",
];

pub(super) const KUBE_PROXY: Writer = Writer {
    name: "kube-proxy",
    summary: "kube-proxy, on a node of a Kubernetes cluster, writes the limit and some timeouts when it starts.",
    reads,
    starts: |tree| marker(tree).is_some(),
    writes,
    remedy: ["set the limit and the timeouts in its configuration (`conntrack:`)"; 2],
};

fn reads(_: &Tree) -> Vec<Read> {
    Read::presences(&MARKERS).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let Some(marker) = marker(scene.tree) else { return Vec::new() };
    let evidence = Evidence::Presence(marker.to_owned());
    let settings = SETTINGS.iter().filter_map(|name| Name::of_key(name));
    settings.map(|setting| Written::Perhaps { setting, evidence: evidence.clone() }).collect()
}

/// The first of a node's files that the machine has.
fn marker(tree: &Tree) -> Option<&'static Path> {
    MARKERS.iter().map(Path::new).find(|path| tree.get(path).is_some())
}
