//! The table of [`super::Setting`]s, one entry each, with the kernel source that says so.

use std::borrow::Cow;

use super::{Access, Kind, Scope, Setting};

/// Every known connection tracking sysctl, in the order of the names.
pub const CATALOG: &[Setting] = &[Setting {
    name: Cow::Borrowed("net.netfilter.nf_conntrack_max"),
    other_keys: &["net.nf_conntrack_max", "net.ipv4.netfilter.ip_conntrack_max", "net.ipv4.ip_conntrack_max"],
    kind: Kind::Integer,
    unit: "entries",
    min: 0,
    max: 2_147_483_647,
    scope: Scope::Global,
    access: Access::ReadWrite,
    since: "2.6.15",
    until: None,
    summary: "how many connections may be tracked at once; 0 means no limit",
    source: "Documentation/networking/nf_conntrack-sysctl.rst",
}];
