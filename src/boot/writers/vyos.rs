//! VyOS: at boot it writes what its own configuration says about connection tracking (vyos-1x: `src/conf_mode/conntrack.py`,
//! later `system_conntrack.py`, with their templates).
//!
//! Its releases write different settings, and have defaults of their own, so that a setting that its configuration does not
//! name may get any value.

use super::{Evidence, Scene, Writer, Written};
use crate::kernel::catalog::{BUCKETS, Name, PREFIX};
use crate::tree::{Place, Read, Tree};

/// The programs that carry its configuration out.
const PROGRAMS: &str = "/usr/libexec/vyos/conf_mode";

/// The configuration, which is on a file system of its own, and its usual place on the disk.
const CONFIGURATIONS: [&str; 2] = ["/config/config.boot", "/opt/vyatta/etc/config/config.boot"];

/// The section about connection tracking.
const SECTION: &str = "system.conntrack.";

/// The options in that section, each with the end of its setting's name.
const OPTIONS: [(&str, &str); 17] = [
    ("table-size", "max"),
    ("expect-table-size", "expect_max"),
    ("hash-size", "buckets"),
    ("tcp.loose", "tcp_loose"),
    ("tcp.max-retrans", "tcp_max_retrans"),
    ("timeout.icmp", "icmp_timeout"),
    ("timeout.other", "generic_timeout"),
    ("timeout.tcp.close", "tcp_timeout_close"),
    ("timeout.tcp.close-wait", "tcp_timeout_close_wait"),
    ("timeout.tcp.established", "tcp_timeout_established"),
    ("timeout.tcp.fin-wait", "tcp_timeout_fin_wait"),
    ("timeout.tcp.last-ack", "tcp_timeout_last_ack"),
    ("timeout.tcp.syn-recv", "tcp_timeout_syn_recv"),
    ("timeout.tcp.syn-sent", "tcp_timeout_syn_sent"),
    ("timeout.tcp.time-wait", "tcp_timeout_time_wait"),
    ("timeout.udp.other", "udp_timeout"),
    ("timeout.udp.stream", "udp_timeout_stream"),
];

pub(super) const VYOS: Writer = Writer {
    name: "vyos",
    summary: "VyOS writes the limit, the buckets and the timeouts of its own configuration when it starts.",
    reads: |tree| {
        let files = CONFIGURATIONS.iter().filter(|_| starts(tree)).map(|path| Read::Candidate((*path).into()));
        Read::presences(&[PROGRAMS]).chain(files).collect()
    },
    starts,
    writes,
    remedy: ["set it in its configuration (`set system conntrack ...`, then `commit` and `save`)"; 2],
};

fn starts(tree: &Tree) -> bool {
    tree.get(PROGRAMS).is_some()
}

fn writes(scene: &Scene) -> Vec<Written> {
    if !starts(scene.tree) {
        return Vec::new();
    }
    let file = CONFIGURATIONS.iter().find(|path| scene.tree.get(path).is_some());
    let text = file.map(|path| scene.tree.text(path).into_owned()).unwrap_or_default();
    let set = options(&text);
    let of_option = |(option, end): (&str, &str)| {
        let setting = Name::of_key(&[PREFIX, end].concat())?;
        let line = set.iter().rfind(|(path, ..)| path.strip_prefix(SECTION) == Some(option));
        let value = line.and_then(|(_, value, _)| number(value));
        let evidence = match (line, file) {
            (Some((.., line)), Some(file)) => Evidence::Line(Place::new(file, *line)),
            _ => Evidence::Presence(PROGRAMS.into()),
        };
        // Nobody wants the buckets that no file sets.
        let counts = setting != BUCKETS || scene.values.contains_key(&setting);
        let is_so_already = value.is_some() && value == scene.values.get(&setting).copied();
        (counts && !is_so_already).then_some(Written::Perhaps { setting, evidence, value })
    };
    OPTIONS.into_iter().filter_map(of_option).collect()
}

fn number(text: &str) -> Option<i64> {
    match text {
        "enable" => Some(1),
        "disable" => Some(0),
        _ => text.parse().ok(),
    }
}

/// The options of a configuration: the path of sections and the name, joined by dots; the value; and the line.
fn options(text: &str) -> Vec<(String, String, usize)> {
    let mut sections: Vec<&str> = Vec::new();
    let mut options = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(section) = line.strip_suffix('{') {
            sections.push(section.trim());
        } else if line == "}" {
            sections.pop();
        } else if let Some((name, value)) = line.split_once([' ', '\t']) {
            let path = sections.iter().copied().chain([name]).collect::<Vec<_>>().join(".");
            options.push((path, value.trim().trim_matches(['"', '\'']).to_owned(), index + 1));
        }
    }
    options
}
