//! Lists the modules that bring connection tracking with them.

/// Connection tracking itself, its aliases, and the modules that depend on it in every kernel that has them (`depends` of
/// modinfo(8)).
const BRINGS_CONNTRACK: [&str; 17] = [
    "nf_conntrack",
    "ip_conntrack",
    "nf_conntrack_ipv4",
    "nf_conntrack_ipv6",
    "nf_conntrack_netlink",
    "nf_conntrack_ftp",
    "nf_conntrack_sip",
    "nf_conntrack_tftp",
    "nf_conntrack_pptp",
    "nf_conntrack_h323",
    "nf_nat",
    "nf_nat_ftp",
    "xt_conntrack",
    "xt_state",
    "xt_MASQUERADE",
    "nft_ct",
    "nft_nat",
];

/// Whether connection tracking is there once the module `name` is loaded. A `-` in a name is the same as a `_`.
#[must_use]
pub fn brings_conntrack(name: &str) -> bool {
    let name = name.replace('-', "_");
    BRINGS_CONNTRACK.contains(&name.as_str())
}
