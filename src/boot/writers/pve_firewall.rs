//! pve-firewall of Proxmox VE: once the cluster's firewall is enabled, it writes the limit, the buckets and one or two
//! timeouts of the host again and again (pve-firewall: `PVE/Firewall.pm`, `update_nf_conntrack_max` and its neighbours).

use super::service::Service;
use super::{Evidence, Scene, Writer, Written};
use crate::kernel::catalog::{BUCKETS, Key, MAX};
use crate::sysctl_d::Write;
use crate::tree::{Place, Read, Tree};

/// The options of the cluster, which enable the firewall.
const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";

/// The options of this host.
const HOST: &str = "/etc/pve/local/host.fw";

const ESTABLISHED: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";
const SYN_RECV: &str = "net.netfilter.nf_conntrack_tcp_timeout_syn_recv";

/// The limit that it sets where the option is missing or smaller, and the step to which it rounds a larger one up.
const LEAST_LIMIT: i64 = 65_536;
const STEP: i64 = 8192;

/// The timeout of established connections where the option is missing.
const DEFAULT_ESTABLISHED: i64 = 432_000;

const SERVICE: Service = Service { name: "pve-firewall", programs: &["/usr/sbin/pve-firewall"], runlevels: &[] };

pub(super) const PVE_FIREWALL: Writer = Writer {
    name: "pve-firewall",
    summary: "pve-firewall, on a host of Proxmox VE whose cluster has its firewall enabled, writes the limit and some timeouts again and again.",
    starts: |tree| SERVICE.starts(tree),
    reads,
    writes,
    remedy: ["set the options `nf_conntrack_max` and `nf_conntrack_tcp_timeout_established` of the host's firewall"; 2],
};

fn reads(_: &Tree) -> Vec<Read> {
    SERVICE.reads().chain(Read::files(&[CLUSTER, HOST])).collect()
}

fn writes(scene: &Scene) -> Vec<Written> {
    let tree = scene.tree;
    let enabled = option(tree, CLUSTER, "enable").filter(|(number, _)| *number != 0);
    let Some((_, enabled)) = enabled.filter(|_| SERVICE.starts(tree)) else { return Vec::new() };
    let or_default = |name: &str, default: i64| option(tree, HOST, name).unwrap_or((default, enabled.clone()));
    let (limit, at) = or_default("nf_conntrack_max", LEAST_LIMIT);
    let limit = if limit > LEAST_LIMIT { limit.saturating_add(STEP - 1) / STEP * STEP } else { LEAST_LIMIT };
    let surely = |key: Key, number: i64, place: Place| {
        Written::Surely(Write { key, text: number.to_string().into_bytes(), place })
    };
    let (established, line) = or_default("nf_conntrack_tcp_timeout_established", DEFAULT_ESTABLISHED);
    let mut written = Vec::new();
    // It writes the buckets only where the limit is another.
    if scene.values.get(&MAX) != Some(&limit) {
        written.push(Written::Perhaps { setting: BUCKETS, evidence: Evidence::Line(at.clone()), value: None });
    }
    written.extend([surely(MAX.into(), limit, at), surely(Key::new(ESTABLISHED), established, line)]);
    let syn_recv = option(tree, HOST, "nf_conntrack_tcp_timeout_syn_recv");
    written.extend(syn_recv.map(|(number, line)| surely(Key::new(SYN_RECV), number, line)));
    written
}

/// The number of an option in the section `[OPTIONS]` of a file, and its line.
fn option(tree: &Tree, file: &str, name: &str) -> Option<(i64, Place)> {
    let text = String::from_utf8_lossy(tree.bytes(file)?);
    let mut is_inside = false;
    let mut found = None;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with('[') {
            is_inside = line.eq_ignore_ascii_case("[options]");
        } else if let Some((option, value)) = line.split_once(':').filter(|_| is_inside) {
            if let (true, Ok(number)) = (option.eq_ignore_ascii_case(name), value.trim().parse()) {
                found = Some((number, Place::new(file, index + 1)));
            }
        }
    }
    found
}
