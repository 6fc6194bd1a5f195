//! Judges the parsers of tables, logs and counters on saved output. No test here needs root.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::support::golden;
use conntrack_sysctl::table::analysis::heavy::HeavyHitters;
use conntrack_sysctl::table::model::counters::{Counters, Counts};
use conntrack_sysctl::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports, protocol_name};
use conntrack_sysctl::table::model::reading::NamespaceCounts;
use conntrack_sysctl::table::source::netlink::message::{self, Reply};
use conntrack_sysctl::table::source::netlink::qdisc::{self, Roots};
use conntrack_sysctl::table::source::proc::{counters, drivers};
use conntrack_sysctl::table::source::{log, saved};
use conntrack_sysctl::text as time;
use proptest::prelude::*;
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table")
}

/// The directories of cases in `tests/cases/NAME`, in order; each begins with the name of the form that it is a case of.
fn cases(name: &str) -> Vec<PathBuf> {
    let items = fs::read_dir(case_directory(name)).expect("there are cases");
    let mut cases: Vec<PathBuf> = items.map(|item| item.expect("an item").path()).collect();
    cases.sort();
    cases
}

fn case_directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn name(case: &Path) -> &str {
    case.file_name().and_then(|name| name.to_str()).expect("a case has a name")
}

/// The bytes of a case, if the form that recognises them is the one that it is named after.
fn input(case: &Path, form_of: impl Fn(&[u8]) -> &'static str) -> Vec<u8> {
    let bytes = fs::read(case.join("in")).expect("a case has an input");
    let form = form_of(&bytes);
    assert!(name(case).starts_with(form), "{} is read as {form}", case.display());
    bytes
}

/// The entries of a saved table.
fn entries(case: &Path) -> Vec<TableEntry> {
    let bytes = input(case, |bytes| saved::form(bytes).name);
    let mut entries = Vec::new();
    let saved = saved::read(&bytes[..], |entry| entries.push(entry.clone())).expect("it can be read");
    if saved != saved::Saved::default() {
        golden(&case.join("beside.txt"), &format!("{saved:#?}\n"));
    }
    entries
}

fn described(entry: &TableEntry) -> Value {
    let TableEntry { protocol, state, remaining, source, destination, port, zone, marks } = entry;
    json!({
        "protocol": protocol_name(*protocol),
        "state": state.map(ProtocolState::name),
        "remaining": remaining,
        "source": source,
        "destination": destination,
        "port": port,
        "zone": zone,
        "replied": marks.replied,
        "assured": marks.assured,
        "offloaded": marks.offloaded,
    })
}

#[test]
fn saved_tables() {
    let cases = cases("tables");
    for case in &cases {
        let entries: Vec<String> = entries(case).iter().map(|entry| format!("  {}", described(entry))).collect();
        golden(&case.join("entries.json"), &format!("[\n{}\n]\n", entries.join(",\n")));
    }
    for form in &saved::FORMS {
        assert!(cases.iter().any(|case| name(case).starts_with(form.name)), "no case of {}", form.name);
    }
}

/// The four forms are of one table, saved one after the other within a second, so that the remaining times may differ by
/// one.
#[test]
fn one_table_in_four_forms() {
    let bare = |case: &str| {
        let entries = entries(&case_directory("tables").join(case));
        let entries = entries.iter().map(|entry| format!("{:?}", TableEntry { remaining: None, ..entry.clone() }));
        let mut entries: Vec<String> = entries.collect();
        entries.sort();
        entries
    };
    let extended = bare("text-conntrack-L-extended");
    assert_eq!(extended.len(), 17);
    for case in ["text-conntrack-L", "text-proc-nf_conntrack", "xml-conntrack-L"] {
        assert_eq!(bare(case), extended, "{case}");
    }
}

#[test]
fn lines_that_are_no_entries_are_counted() {
    let text = "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n\n\
        udp 17 29 src=1.2.3.4 dst=5.6.7.8 sport=1 dport=53 src=5.6.7.8 dst=1.2.3.4 sport=53 dport=1 mark=0 use=1\n\
        tcp 6 300 src=1.2.3.4 sport=1 dport=2\n\
        \u{1b}[31m rubbish\n\
        tcp 6 src=1.2.3.4 dst=5.6.7.8 sport=1 dport=443 [OFFLOAD] mark=0 use=2";
    let mut found = Vec::new();
    let saved = saved::read(text.as_bytes(), |entry| found.push(entry.clone())).expect("memory can be read");
    assert_eq!((found.len(), saved.unread, saved.first_unread), (2, 2, Some(4)));
    assert!(found[1].marks.offloaded && found[1].remaining.is_none());
}

#[test]
fn a_line_without_end_takes_no_memory() {
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(usize::try_from(self.0).unwrap_or(0));
            buffer[..length].fill(b'x');
            self.0 -= length as u64;
            Ok(length)
        }
    }
    let saved = saved::read(Endless(200 << 20), |_| {}).expect("it can be read");
    assert_eq!(saved.unread, 1);
}

/// Kernels differ in the columns of the statistics; each counter is found by its name.
#[test]
fn counters_by_name() {
    for (name, expected) in [("stat-6.18.txt", 2), ("stat-5.10.txt", 2), ("stat-2.6.18.txt", 1)] {
        let text = fs::read_to_string(directory().join(name)).expect("the case is there");
        let counters = counters::statistics(&text).expect("it is such a text");
        assert_eq!(counters.cpus.len(), expected, "{name}");
        let few = NamespaceCounts::new(counters.entries.expect("it has them"), &counters);
        assert_eq!(counters::namespace(&text), Some(few), "{name}");
    }
    let text = fs::read_to_string(directory().join("stat-5.10.txt")).expect("the case is there");
    let counters = counters::statistics(&text).expect("it is such a text");
    assert_eq!(counters.entries, Some(0x1234));
    let sum = counters.sum();
    let value = |name: &str| sum.get(name).copied();
    assert_eq!((value("drop"), value("early_drop"), value("search_restart")), (Some(0x30), Some(5), Some(7)));
    assert_eq!((value("insert_failed"), value("new"), value("entries")), (Some(0x10), None, None));
    assert_eq!(counters::statistics("nonsense"), None);
    assert_eq!(counters::statistics("entries found\nxyz 1"), None);
}

#[test]
fn counters_begin_again_at_zero() {
    let counters = |drop: u64| Counters { entries: None, cpus: vec![Counts::from([("drop".to_owned(), drop)])] };
    assert_eq!(counters(3).since(&counters(0xffff_fffe))[0]["drop"], 5);
    assert_eq!(counters(3).since(&counters(3))[0]["drop"], 0);
}

#[test]
fn other_counters() {
    let text = "TcpExt: A ListenOverflowsX XListenOverflows ListenOverflows\nTcpExt: 1 20 21 22\nIp: MaxConn X\nIp: -1 3\nIcmp: X\nIcmp: 4\n";
    let netstat = counters::netstat(text, &["TcpExt.ListenOverflows", "Ip.MaxConn", "Ip.X", "Udp.A"]);
    assert_eq!(netstat, Counts::from([("TcpExt.ListenOverflows".into(), 22), ("Ip.X".into(), 3)]));
    let softnet = counters::softnet("0000000f 00000002 00000001 0\n00000001 00000010 00000000 0\n");
    assert_eq!(softnet, Counts::from([("dropped".into(), 0x12), ("time_squeeze".into(), 1)]));
    let dev = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier \
        compressed\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n eth0:1:1 2 0 0 0 0 0 0 9 10 0 0 0 0 0 0\n";
    let interfaces = counters::interfaces(dev);
    assert_eq!((interfaces["lo.rx_drop"], interfaces["lo.tx_drop"], interfaces["lo.rx_errs"]), (4, 12, 3));
    assert_eq!(interfaces["eth0:1.rx_drop"], 0);
}

/// The strings are those of Amazon's driver, as its users' manual and `ethtool -S` have them.
#[test]
fn counters_of_a_cloud() {
    let text = "NIC statistics:\n     tx_timeout: 0\n     bw_in_allowance_exceeded: 0\n     bw_out_allowance_exceeded: 12\n     \
        pps_allowance_exceeded: 946\n     conntrack_allowance_exceeded: 3\n     linklocal_allowance_exceeded: 0\n     \
        conntrack_allowance_available: 136812\n     queue_0_tx_cnt: 5170\n     conntrack_allowance_exceeded: \u{1b}[2J\n";
    let counts = drivers::statistics("ens5", text);
    let expected = [
        ("ens5.bw_in_allowance_exceeded", 0),
        ("ens5.bw_out_allowance_exceeded", 12),
        ("ens5.conntrack_allowance_available", 136_812),
        ("ens5.conntrack_allowance_exceeded", 3),
        ("ens5.linklocal_allowance_exceeded", 0),
        ("ens5.pps_allowance_exceeded", 946),
    ];
    assert_eq!(counts, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

/// Two queues in one datagram: that at the root of interface 7, which dropped 258 packets, and one below it.
#[test]
fn drops_of_queues() {
    let queue = |parent: u32| {
        let statistics = [1_u32, 2, 258, 4, 5].map(u32::to_ne_bytes).concat();
        let attributes = attribute(7, &attribute(3, &statistics));
        let head = [0, 7, 0x10000, parent, 2].map(u32::to_ne_bytes).concat();
        let length = u32::try_from(16 + head.len() + attributes.len()).expect("it is small");
        [&length.to_ne_bytes()[..], &36_u16.to_ne_bytes(), &[0; 10], &head, &attributes].concat()
    };
    let end = [&20_u32.to_ne_bytes()[..], &3_u16.to_ne_bytes(), &[0; 14]].concat();
    let datagram = [queue(u32::MAX), queue(0x10001), end].concat();
    assert_eq!(qdisc::roots(&datagram), Roots { drops: vec![(7, 258)], is_last: true });
    for cut in 0..datagram.len() {
        assert!(qdisc::roots(&datagram[..cut]).drops.len() <= 1);
    }
}

#[test]
fn saved_logs() {
    let cases = cases("logs");
    for case in &cases {
        let bytes = input(case, |bytes| log::form(bytes).name);
        let found = log::text(&bytes[..], "log").expect("it can be read");
        let found = serde_json::to_string_pretty(&found).expect("it has string keys") + "\n";
        golden(&case.join("messages.json"), &found);
    }
    for form in &log::FORMS {
        assert!(cases.iter().any(|case| name(case).starts_with(form.name)), "no case of {}", form.name);
    }
}

#[test]
fn the_kernels_records() {
    let record = |prefix: &str, text: &str| {
        let found = log::kmsg::record_message(&format!("{prefix};{text}\n SUBSYSTEM=x\n"), Some(1_000_000_000));
        found.map(|(_, message)| message)
    };
    let words = "nf_conntrack: nf_conntrack: table full in netns 4026532178, dropping packet";
    let message = record("4,812,74000000,-", words).expect("it is one");
    assert_eq!((message.namespace, message.since_boot), (Some(4_026_532_178), Some(74_000_000)));
    assert_eq!((message.time.as_deref(), &*message.text), (Some("2001-09-09T01:47:54Z"), words));
    // A line that a program wrote to /dev/kmsg has another facility, and a line that quotes the message does not begin with
    // it.
    assert_eq!(record("12,812,74000000,-", words), None);
    assert_eq!(record("4,812,74000000,-", &format!("someone said {words}")), None);
    assert_eq!(record("4,812", words), None);
    assert_eq!(record("4,1,2,-", "nf_conntrack: nf_conntrack: table full in netns x, dropping packet"), None);
}

/// Every metric in the alerts and in the dashboard exists.
#[test]
fn the_metrics_that_the_alerts_ask_for() {
    let of_check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs/prometheus/web2");
    let metrics = [directory().join("status/metrics.prom"), of_check]
        .map(|path| fs::read_to_string(path).expect("the case is there"))
        .concat();
    let known: Vec<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in ["alerts.yml", "dashboard.json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/prometheus").join(name);
        let text = fs::read_to_string(&path).expect("it is there");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // A recorded rule has a name with colons, of which `conntrack_fill` is only the middle.
        let asked: Vec<&str> =
            words.filter(|word| word.starts_with("conntrack_") && !text.contains(&format!(":{word}:"))).collect();
        assert!(asked.len() > 5, "{name}");
        for metric in asked {
            assert!(known.contains(&metric), "{name} asks for {metric}");
        }
        if name.ends_with(".json") {
            serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON");
        }
    }
}

#[test]
fn times_and_sizes() {
    assert_eq!(time::utc(0), "1970-01-01T00:00:00Z");
    assert_eq!(time::utc(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(time::utc(1_339_056_550), "2012-06-07T08:09:10Z");
    assert_eq!(time::utc(-1), "1969-12-31T23:59:59Z");
    assert_eq!(
        (time::grouped(0), time::grouped(999), time::grouped(1_234_567)),
        ("0".into(), "999".into(), "1,234,567".into())
    );
    assert_eq!((time::size(1023), time::size(69_206_016)), ("1023 B".into(), "66.0 MiB".into()));
}

proptest! {
    /// A count is never too high. It is too low by at most the error that the summary states, which is at most the bound of
    /// the theorem.
    #[test]
    fn heavy_hitters(items in proptest::collection::vec(0_u32..40, 0..400), most in 1_usize..20) {
        let mut heavy = HeavyHitters::new(most);
        for item in &items {
            heavy.add(*item);
        }
        let bound = items.len() as u64 / (most as u64 + 1);
        prop_assert!(heavy.missing() <= bound);
        let kept = heavy.top(usize::MAX);
        prop_assert!(kept.len() <= most);
        for item in 0..40 {
            let real = items.iter().filter(|own| **own == item).count() as u64;
            let found = kept.iter().find(|(own, _)| *own == item).map_or(0, |(_, count)| *count);
            prop_assert!(found <= real && real - found <= heavy.missing(), "{item}: {found} of {real}");
        }
    }

    #[test]
    fn any_datagram_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), sequence in 0_u32..2) {
        for reply in message::replies(&bytes, sequence) {
            if let Reply::Data(attributes, _) = reply {
                let _ = (message::entry(attributes.clone()), message::counters(attributes.clone()));
                let _ = message::totals(attributes);
            }
        }
    }

    /// A message with a wrong byte, or one that is cut off, is read as far as it makes sense.
    #[test]
    fn a_broken_datagram_is_read_without_a_panic(entry in any_entry(), place: usize, byte: u8, cut: usize) {
        let mut bytes = datagram(&entry);
        let (place, cut) = (place % bytes.len(), cut % bytes.len());
        bytes[place] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            for reply in message::replies(bytes, 1) {
                if let Reply::Data(attributes, _) = reply {
                    let _ = message::entry(attributes);
                }
            }
        }
    }

    #[test]
    fn what_the_kernel_would_send_is_read(entry in any_entry(), others in proptest::collection::vec(any_entry(), 0..3)) {
        let mut bytes = datagram(&entry);
        for other in &others {
            bytes.extend(datagram(other));
        }
        let found: Vec<TableEntry> = message::replies(&bytes, 1)
            .filter_map(|reply| match reply {
                Reply::Data(attributes, _) => message::entry(attributes),
                _ => None,
            })
            .collect();
        let sent: Vec<TableEntry> = std::iter::once(entry).chain(others).collect();
        prop_assert_eq!(found, sent);
        prop_assert_eq!(message::replies(&bytes, 2).count(), 0, "the answer to another request");
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}|([a-z0-9= \\[\\]<>/\"]{0,40}(src|dst|dport|<flow>|tcp 6 )){0,9}") {
        let _ = saved::read(text.as_bytes(), |_| {});
        let _ = saved::read(format!("<{text}").as_bytes(), |_| {});
        let _ = log::text(text.as_bytes(), "x");
        let _ = log::text(format!("[1.2] nf_conntrack: table full{text}").as_bytes(), "x");
        let _ = (counters::statistics(&text), counters::netstat(&text, &["TcpExt.ListenDrops", ""]), counters::interfaces(&text));
        let _ = counters::softnet(&text);
    }
}

fn any_entry() -> impl Strategy<Value = TableEntry> {
    let addresses = prop_oneof![
        (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(source, destination)| (source.into(), destination.into())),
        (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(source, destination)| (source.into(), destination.into())),
    ];
    let protocol = prop_oneof![Just(6_u8), Just(17), Just(132), Just(33), Just(1), Just(47), any::<u8>()];
    (addresses, protocol, 0_u8..10, any::<u32>(), any::<u16>(), any::<u16>(), any::<[bool; 3]>()).prop_map(
        |((source, destination), protocol, state, remaining, port, zone, [replied, assured, offloaded])| TableEntry {
            protocol,
            state: ProtocolState::numbered(protocol, state),
            remaining: (!offloaded).then_some(remaining),
            source: Some(source),
            destination: Some(destination),
            port: Some(port).filter(|_| has_ports(protocol)),
            zone,
            marks: Marks { replied, assured, offloaded },
        },
    )
}

fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).expect("it is short");
    let mut bytes = [length.to_ne_bytes(), number.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Builds the message that the kernel sends for an entry.
fn datagram(entry: &TableEntry) -> Vec<u8> {
    const NESTED: u16 = 0x8000;
    let (family, ip) = match (entry.source, entry.destination) {
        (Some(IpAddr::V4(source)), Some(IpAddr::V4(destination))) => {
            (2, [attribute(1, &source.octets()), attribute(2, &destination.octets())].concat())
        }
        (Some(IpAddr::V6(source)), Some(IpAddr::V6(destination))) => {
            (10, [attribute(3, &source.octets()), attribute(4, &destination.octets())].concat())
        }
        _ => unreachable!("both are of one family"),
    };
    let mut protocol = attribute(1, &[entry.protocol]);
    if let Some(port) = entry.port {
        protocol.extend(attribute(2, &1_u16.to_be_bytes()));
        protocol.extend(attribute(3, &port.to_be_bytes()));
    }
    let original = [attribute(1 | NESTED, &ip), attribute(2 | NESTED, &protocol)].concat();
    let Marks { replied, assured, offloaded } = entry.marks;
    let status = (u32::from(replied) << 1) | (u32::from(assured) << 2) | (u32::from(offloaded) << 14);
    let mut payload = vec![family, 0, 0, 0];
    payload.extend(attribute(1 | NESTED, &original));
    payload.extend(attribute(2 | NESTED, &original));
    payload.extend(attribute(3, &status.to_be_bytes()));
    payload.extend(entry.remaining.map(|remaining| attribute(7, &remaining.to_be_bytes())).unwrap_or_default());
    if let Some(state) = entry.state {
        let number =
            (0..10).find(|number| ProtocolState::numbered(entry.protocol, *number) == Some(state)).expect("it is one");
        let inner = attribute(1, &[number]);
        payload.extend(attribute(4 | NESTED, &attribute(1 | NESTED, &inner)));
    }
    payload.extend(attribute(18, &entry.zone.to_be_bytes()));
    let length = u32::try_from(payload.len() + 16).expect("it is short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(256_u16.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes
}
