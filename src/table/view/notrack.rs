//! Writes the rules that would end the tracking of some traffic, and what they cost. Nobody but the reader applies them.

use crate::table::analysis::untracked::{Traffic, Untracked};
use crate::table::model::entry::protocol_name;

/// What such a rule costs.
pub const COST: &str = "cost: no NAT for these packets, no match on `ct state established` (they are `untracked`: a firewall \
                        that drops by default needs a rule that accepts them), no helper, and no count of connections. A \
                        host that translates their addresses (a router, kube-proxy, a published port of a container) \
                        needs the entries";

/// The name of the traffic: `VXLAN (udp 4789)`.
#[must_use]
pub fn name(untracked: &Untracked) -> String {
    let protocol = protocol_name(untracked.protocol);
    let name = match (untracked.traffic, untracked.port) {
        (Traffic::Tunnel, Some(4789 | 8472)) => "tunnels of VXLAN",
        (Traffic::Tunnel, Some(6081)) => "tunnels of GENEVE",
        (Traffic::Tunnel, _) => "tunnels",
        (Traffic::Dns, _) => "questions to name servers",
        (Traffic::OneWay, _) => "UDP without answers",
        (Traffic::Short, _) => "short connections (health checks?)",
    };
    let port = untracked.port.map(|port| format!(" {port}")).unwrap_or_default();
    format!("{name} ({protocol}{port})")
}

/// The commands of nft for a table of its own, which `nft delete table inet untracked` ends.
#[must_use]
pub fn nft(untracked: &[Untracked]) -> Vec<String> {
    let mut lines = vec!["nft add table inet untracked".to_owned()];
    for hook in ["prerouting", "output"] {
        lines.push(format!("nft 'add chain inet untracked {hook} {{ type filter hook {hook} priority -300; }}'"));
    }
    for own in untracked {
        for matched in nft_matches(own) {
            for hook in ["prerouting", "output"] {
                lines.push(format!("nft add rule inet untracked {hook} {matched} notrack"));
            }
        }
    }
    lines
}

fn nft_matches(untracked: &Untracked) -> Vec<String> {
    match untracked.port {
        None => vec![format!("meta l4proto {}", untracked.protocol)],
        Some(port) => {
            let protocol = protocol_name(untracked.protocol);
            untracked.sides().iter().map(|side| format!("{protocol} {side} {port}")).collect()
        }
    }
}

/// The commands of iptables; ip6tables takes the same.
#[must_use]
pub fn iptables(untracked: &[Untracked]) -> Vec<String> {
    let rules = untracked.iter().flat_map(|own| {
        let matches = match own.port {
            None => vec![format!("-p {}", own.protocol)],
            Some(port) => {
                let protocol = protocol_name(own.protocol);
                own.sides().iter().map(|side| format!("-p {protocol} --{side} {port}")).collect()
            }
        };
        matches.into_iter().flat_map(|matched| {
            ["PREROUTING", "OUTPUT"].map(|chain| format!("iptables -t raw -A {chain} {matched} -j CT --notrack"))
        })
    });
    rules.collect()
}
