//! Judges the catalog against the names that known kernels have, and its look-ups against what people type.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::world::{Network, World, privileged};
use conntrack_sysctl::kernel::catalog::{
    self, Access, CATALOG, FLOWTABLE, Key, Name, PREFIX, Scope, Setting, ValueKind,
};
use conntrack_sysctl::kernel::release::Release;

/// Every key of a mainline release built with all of connection tracking, one a line. 7.2 and 7.3 are the lists of running
/// kernels of Debian. 6.18 is that of a running kernel, and the two keys of flow tables, without which it was built. The
/// others are that list with what `net/netfilter/nf_conntrack_standalone.c` lost or gained in between.
const KERNELS: [(&str, &str); 6] = [
    ("5.10", include_str!("cases/kernels/5.10.txt")),
    ("6.1", include_str!("cases/kernels/6.1.txt")),
    ("6.12", include_str!("cases/kernels/6.12.txt")),
    ("6.18", include_str!("cases/kernels/6.18.txt")),
    ("7.2", include_str!("cases/kernels/7.2.txt")),
    ("7.3", include_str!("cases/kernels/7.3.txt")),
];

/// The keys of `ip_conntrack` in 2.6.18: `net/ipv4/netfilter/ip_conntrack_standalone.c` and `_proto_sctp.c`.
const LEGACY: &str = include_str!("cases/kernels/ip_conntrack-2.6.18.txt");

/// The timeouts of a network namespace just made, on a running 6.18: `sysctl -a`. The two of flow tables are those of 7.2.
const TIMEOUTS: &str = include_str!("cases/kernels/timeouts-6.18.txt");

fn release(text: &str) -> Release {
    Release::parse(text).unwrap_or_else(|| panic!("`{text}` is no release"))
}

fn catalogued(key: &str) -> Option<Name> {
    Name::of_key(key).filter(Name::is_catalogued)
}

#[test]
fn names_are_canonical_sorted_and_no_key_belongs_to_two_settings() {
    assert!(CATALOG.is_sorted_by(|a, b| a.name < b.name), "the table is not in the order of the names");
    let mut seen = BTreeSet::new();
    for setting in CATALOG {
        assert!([PREFIX, FLOWTABLE].iter().any(|prefix| setting.name.starts_with(prefix)), "{}", setting.name);
        for key in Name::from(setting).keys() {
            assert!(seen.insert(key.clone()), "`{key}` stands twice");
        }
    }
}

#[test]
fn every_entry_is_whole() {
    for setting in CATALOG {
        let name = setting.name;
        assert!(setting.is_catalogued(), "{name}");
        assert!(setting.min <= setting.max && setting.min >= 0, "{name}: {}..={}", setting.min, setting.max);
        assert!(setting.until.is_none_or(|until| setting.since <= Some(until)), "{name}");
        assert!(setting.source.ends_with(".rst") || setting.source.ends_with(".c"), "{name}: {}", setting.source);
        assert!(!setting.summary.is_empty() && !setting.summary.ends_with('.'), "{name}: {}", setting.summary);
        assert!(setting.summary.len() <= 80 && !setting.summary.contains('\n'), "{name}: {}", setting.summary);
        match setting.kind {
            ValueKind::Boolean => assert_eq!((setting.min, setting.max, setting.unit), (0, 1, ""), "{name}"),
            ValueKind::Seconds => {
                assert_eq!((setting.min, setting.max, setting.unit), (0, 21_474_836, "seconds"), "{name}");
            }
            ValueKind::Integer => assert!(setting.max > 1, "{name}"),
        }
        assert_eq!(setting.kind == ValueKind::Seconds, name.contains("timeout"), "{name}");
    }
}

#[test]
fn each_kernel_has_exactly_the_settings_that_since_and_until_say() {
    for (kernel, list) in KERNELS {
        let listed: BTreeSet<_> = list.lines().filter(|key| key.starts_with("net.netfilter.")).collect();
        let now = release(kernel);
        let in_catalog =
            |setting: &&Setting| setting.since <= Some(now) && setting.until.is_none_or(|until| now <= until);
        let said: BTreeSet<_> = CATALOG.iter().filter(in_catalog).map(|setting| setting.name).collect();
        assert_eq!(said, listed, "kernel {kernel}");
        assert!(list.lines().all(|key| catalogued(key).is_some()), "kernel {kernel}");
    }
}

/// The timeouts in the output of `sysctl -a`, by canonical name.
fn timeouts(text: &str) -> BTreeMap<&str, u32> {
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    let timeouts = lines.filter(|(key, _)| key.starts_with("net.netfilter.") && key.contains("timeout"));
    timeouts.map(|(key, value)| (key, value.parse().expect("a timeout is a number of seconds"))).collect()
}

#[test]
fn each_timeout_has_the_default_of_a_kernel_that_has_it() {
    for setting in CATALOG {
        assert_eq!(setting.default.is_some(), setting.kind == ValueKind::Seconds, "{}", setting.name);
    }
    let now = release("6.18");
    let in_6_18 = |setting: &&Setting| setting.until.is_none_or(|until| now <= until);
    let said: BTreeMap<_, _> =
        CATALOG.iter().filter(in_6_18).filter_map(|setting| Some((setting.name, setting.default?))).collect();
    assert_eq!(said, timeouts(TIMEOUTS));
}

// A namespace just made shows the defaults of the running kernel, whatever the machine has set.
privileged!(the_running_kernel_has_these_defaults, || {
    let world = World::new(Network::Private);
    if release(world.sh("cut -d- -f1 /proc/sys/kernel/osrelease").trim()) < release("6.18") {
        eprintln!("SKIPPED the_running_kernel_has_these_defaults: older kernels have other defaults");
        return;
    }
    let text = world.sh("sysctl -a 2>/dev/null | grep -e nf_conntrack -e nf_flowtable");
    let live = timeouts(&text);
    assert!(live.len() > 20, "{text}");
    for (name, seconds) in live {
        assert_eq!(catalog::default_timeout(name), Some(seconds), "{name}");
    }
});

#[test]
fn a_legacy_key_is_the_setting_that_ends_alike() {
    let mut listed: BTreeSet<_> = LEGACY.lines().collect();
    for key in &listed {
        let name = catalogued(key).unwrap_or_else(|| panic!("`{key}` is not in the catalog"));
        let last = key.rsplit("ip_conntrack_").next().unwrap();
        assert_eq!(name.as_str(), format!("{PREFIX}{last}"));
    }
    // The catalog has no other key for that kernel.
    listed.insert("net.nf_conntrack_max");
    assert_eq!(CATALOG.iter().flat_map(|setting| setting.other_keys).copied().collect::<BTreeSet<_>>(), listed);
}

#[test]
fn every_name_of_a_setting_finds_it() {
    for setting in CATALOG {
        let name = Name::from(setting);
        assert_eq!(name.setting(), setting);
        for key in name.keys() {
            let last = key.as_str().rsplit('.').next().unwrap();
            for written in [key.as_str(), &key.path(), last] {
                assert_eq!(catalog::find(written).as_ref(), Ok(&name), "{written}");
            }
        }
    }
}

#[test]
fn a_newer_kernels_setting_is_a_plain_number() {
    for name in
        ["nf_conntrack_brand_new2", "net/netfilter/nf_conntrack_brand_new2", "net.netfilter.nf_conntrack_brand_new2"]
    {
        let found = catalog::find(name).unwrap();
        assert!(!found.is_catalogued());
        assert_eq!(found.to_string(), "net.netfilter.nf_conntrack_brand_new2");
        assert_eq!(found.keys().collect::<Vec<_>>(), [Key::new("net.netfilter.nf_conntrack_brand_new2")]);
        assert_eq!(found.setting().kind, ValueKind::Integer);
    }
}

#[test]
fn what_is_not_a_setting_is_refused() {
    let long = format!("net.netfilter.nf_conntrack_{}", "x".repeat(100_000));
    let slashes = "/".repeat(100_000);
    for name in [
        "",
        ".",
        "/",
        "max",
        "net",
        "net.netfilter",
        "net.netfilter.",
        "net.netfilter.nf_conntrack_",
        "nf_conntrack_",
        "ip_conntrack_",
        "net.ipv4.ip_forward",
        "net.ipv4.nf_conntrack_max",
        "net.ipv4.netfilter.nf_conntrack_max",
        "net.netfilter.ip_conntrack_max",
        "net.ipv4.netfilter.ip_conntrack_expect_max",
        // The compatibility tree had this key for a variable that has no canonical name.
        "net.ipv4.netfilter.ip_conntrack_tcp_timeout_syn_sent2",
        // Only release candidates of 5.14 had this one.
        "net.netfilter.nf_flowtable_tcp_pickup",
        "net.netfilter.nf_log.0",
        "nf_log",
        "nf_log/0",
        "net.netfilter.nf_conntrack_../../x",
        "net/netfilter/nf_conntrack_/../../x",
        "net.netfilter.nf_conntrack_a.b",
        "net/netfilter/nf_conntrack_a/b",
        // The loaders read each of these as a path in which one component has a dot.
        "net.netfilter/nf_conntrack_max",
        "net/netfilter.nf_conntrack_max",
        "/net/netfilter/nf_conntrack_max",
        "/proc/sys/net/netfilter/nf_conntrack_max",
        ".net.netfilter.nf_conntrack_max",
        "net..netfilter.nf_conntrack_max",
        "-net.netfilter.nf_conntrack_max",
        "net.netfilter.nf_conntrack_max.",
        "net.netfilter.nf_conntrack_max ",
        " nf_conntrack_max",
        "nf_conntrack_max\n",
        "net.netfilter.nf_conntrack_\n",
        "nf_conntrack_max\0",
        "nf_conntrack_max=1",
        "nf_conntrack_max;",
        "nf_conntrack_*",
        "nf_conntrack_x*",
        "nf_conntrack_máx",
        "NF_CONNTRACK_MAX",
        "net.netfilter.NF_conntrack_max",
        "net.netfilter.nf_conntrack_Max",
        &long,
        &slashes,
    ] {
        assert!(catalog::find(name).is_err(), "{name:?}");
    }
}

#[test]
fn the_nearest_name_is_what_was_meant_or_nothing() {
    for (typed, meant) in [
        ("nf_contrack_max", Some("max")),
        ("nf_conntrack-max", Some("max")),
        ("nfconntrack_max", Some("max")),
        ("NF_CONNTRACK_MAX", Some("max")),
        ("conntrack_max", Some("max")),
        ("ip_contrack_max", Some("max")),
        ("nf_conntrack_max ", Some("max")),
        ("net.ipv4.nf_conntrack_max", Some("max")),
        ("net.netfilter/nf_conntrack_max", Some("max")),
        ("/proc/sys/net/netfilter/nf_conntrack_max", Some("max")),
        ("ip_conntrack_buckets_", Some("buckets")),
        ("nf_conntrack_bucket", Some("buckets")),
        ("tcp_timeout_established", Some("tcp_timeout_established")),
        ("ip_conntrack_tcp_timeout_establised", Some("tcp_timeout_established")),
        ("nf_conntrack_tcp_timeout_closewait", Some("tcp_timeout_close_wait")),
        ("nf_conntrack_tpc_loose", Some("tcp_loose")),
        ("udp_timeout_streams", Some("udp_timeout_stream")),
        ("nf_conntrack_maxx", Some("max")),
        ("nf_conntrack_maxxx", None),
        // A slip may leave out or add so many letters. One more is too many.
        ("nf_conntrack_tcp_timeout_establis", Some("tcp_timeout_established")),
        ("nf_conntrack_tcp_timeout_establi", None),
        ("nf_conntrack_tcp_timeout_establishedxxx", Some("tcp_timeout_established")),
        ("nf_conntrack_tcp_timeout_establishedxxxx", None),
        // Letters are counted, not bytes.
        ("nf_conntrack_m\u{20ac}x", Some("max")),
        ("max", Some("max")),
        ("nf_conntrack_foo", None),
        ("nf_contrack_foo", None),
        ("ip_conntrack_zzz", None),
        ("net.ipv4.ip_forward", None),
        ("net.ipv4.tcp_timestamps", None),
        ("net.ipv4.tcp_syn_retries", None),
        ("net.core.somaxconn", None),
        ("net.netfilter.nf_hooks_lwtunnel", None),
        ("nf_log", None),
        ("", None),
        ("/", None),
    ] {
        let meant = meant.map(|last| format!("{PREFIX}{last}"));
        assert_eq!(catalog::nearest(typed), meant.as_deref(), "{typed:?}");
    }
    let of_flow_tables = catalog::nearest("nf_flowtable_tcp_timout");
    assert_eq!(of_flow_tables, Some("net.netfilter.nf_flowtable_tcp_timeout"));
}

/// The running kernel is the one oracle that is always current.
#[test]
fn the_running_kernels_settings_are_in_the_catalog() {
    let directory = Path::new("/proc/sys/net/netfilter");
    let names: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("nf_conntrack_") || name.starts_with("nf_flowtable_"))
        .collect();
    if names.is_empty() {
        eprintln!("SKIPPED: this kernel has no connection tracking settings in {}", directory.display());
        return;
    }
    let unknown: Vec<_> = names.iter().filter(|name| catalogued(&format!("net.netfilter.{name}")).is_none()).collect();
    assert!(unknown.is_empty(), "not in the catalog: {unknown:?}");
}

#[test]
fn what_is_global_and_what_is_read_only() {
    let named = |is: fn(&Setting) -> bool| -> Vec<_> {
        let last = |setting: &Setting| setting.name.strip_prefix(PREFIX).unwrap_or(setting.name);
        CATALOG.iter().filter(|setting| is(setting)).map(last).collect()
    };
    assert_eq!(named(|setting| setting.scope == Scope::Global), ["buckets", "default_on", "expect_max", "max"]);
    assert_eq!(named(|setting| setting.access == Access::ReadOnly), ["count"]);
}
