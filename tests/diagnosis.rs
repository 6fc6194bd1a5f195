//! Judges the conclusions from a reading of the table: the status, its levels, and the diagnosis. No test here needs root.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Run, golden};
use anstream::adapter::strip_str;
use conntrack_sysctl::kernel::catalog::default_timeout;
use conntrack_sysctl::table::analysis::diagnosis::{Diagnosis, Health, Observations, diagnose};
use conntrack_sysctl::table::analysis::gap;
use conntrack_sysctl::table::analysis::losses::{LossInterval, losses, with_losses};
use conntrack_sysctl::table::analysis::namespaces::were_never_full;
use conntrack_sysctl::table::analysis::profile::Profile;
use conntrack_sysctl::table::analysis::status::{self, Thresholds};
use conntrack_sysctl::table::analysis::tally::{Tally, Timeouts};
use conntrack_sysctl::table::model::counters::{Counters, Counts};
use conntrack_sysctl::table::model::entry::{Marks, ProtocolState, TableEntry, Timeout, timeout};
use conntrack_sysctl::table::model::log::{Log, LogMessage};
use conntrack_sysctl::table::model::reading::{Namespace, NamespaceCounts, Reading, Sizes, TableSource, Unread};
use conntrack_sysctl::table::source::evidence::bundle;
use conntrack_sysctl::table::source::log::kmsg::record_message;
use conntrack_sysctl::table::source::proc::listeners;
use conntrack_sysctl::table::view::json::{DiagnosisDocument, StatusDocument};
use conntrack_sysctl::table::view::{self, prometheus};

const THRESHOLDS: Thresholds = Thresholds { warn: 75.0, crit: 90.0 };

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/table")
}

/// Two looks at a table, a second apart, in which nothing happened unless a test says so. The table has 65,536 buckets, and
/// the machine 4 GiB of memory.
struct Table(Observations);

impl Table {
    fn new(count: u64, limit: u64) -> Table {
        let cpus = vec![Counts::from([("drop".into(), 0), ("early_drop".into(), 0)])];
        let reading = Reading {
            at: Instant::now(),
            is_loaded: true,
            count: Some(count),
            limit: Some(limit),
            counters: Some(Counters { entries: None, cpus }),
            unread: Vec::new(),
        };
        let sizes = Sizes {
            buckets: Some(65_536),
            entry_bytes: Some(256),
            memory: Some(4 << 30),
            limit_is_ours: true,
            ..Sizes::default()
        };
        let mut before = reading.clone();
        before.at = reading.at.checked_sub(Duration::from_secs(1)).expect("the machine runs for longer");
        let mut status = status::status("2012-06-07T08:09:10Z".into(), &reading, Some(&before), &sizes);
        status.log = Some(Log::new("/dev/kmsg"));
        let source = TableSource::File("a test".into());
        let other_losses = Some(LossInterval::default());
        Table(Observations {
            source,
            status,
            profile: None,
            gap: None,
            other_losses,
            sizes,
            since_boot: Some(1 << 40),
            pid: None,
            saved_options: None,
        })
    }

    fn profile(mut self, profile: Profile) -> Table {
        self.0.profile = Some(profile);
        self
    }

    fn memory(mut self, bytes: u64) -> Table {
        self.0.sizes.memory = Some(bytes);
        self
    }

    /// None: the number of buckets is not known.
    fn buckets(mut self, buckets: Option<u64>) -> Table {
        self.0.status.buckets = buckets;
        self
    }

    /// The number of entries by which the table grew between the two looks.
    fn growth(mut self, entries: i64) -> Table {
        self.interval().growth = entries;
        self
    }

    /// The rise of a counter of connection tracking between the two looks.
    fn counted(mut self, counter: &str, events: u64) -> Table {
        self.interval().counted.as_mut().expect("it has counters").total.insert(counter.into(), events);
        self
    }

    /// A counter of connection tracking since the boot.
    fn since_boot(mut self, counter: &str, events: u64) -> Table {
        self.0.status.since_boot.as_mut().expect("it has counters").total.insert(counter.into(), events);
        self
    }

    /// A counter of the network stack at both looks: `eth0.rx_drop` of an interface, `eth0.qdisc_drops` of its queue,
    /// `ens5.*` of a driver, `dropped` of softnet, or another.
    fn other_counter(mut self, counter: &str, before: u64, after: u64) -> Table {
        let losses = self.0.other_losses.as_mut().expect("both looks were taken");
        for (counts, value) in [(&mut losses.before, before), (&mut losses.after, after)] {
            let counts = match counter {
                "dropped" => &mut counts.softnet,
                _ if counter.ends_with(".qdisc_drops") => &mut counts.queues,
                _ if counter.starts_with("ens5.") => &mut counts.drivers,
                _ if counter.starts_with("eth0.") => &mut counts.interfaces,
                _ => &mut counts.network,
            };
            counts.insert(counter.into(), value);
        }
        self
    }

    /// A message of the kernel, and how many microseconds after the boot the machine was observed.
    fn message(mut self, message: LogMessage, observed_at: u64) -> Table {
        self.0.status.log.as_mut().expect("it has a log").push(message);
        self.0.since_boot = Some(observed_at);
        self
    }

    fn interval(&mut self) -> &mut status::Interval {
        self.0.status.interval.as_mut().expect("it was observed twice")
    }

    fn status(self) -> status::Status {
        self.0.status
    }

    fn diagnose(mut self) -> Diagnosis {
        let after = self.0.other_losses.as_ref().map(|losses| losses.after.clone()).unwrap_or_default();
        self.0.status = with_losses(self.0.status, &after);
        diagnose(self.0)
    }
}

/// The profile of a table in which 6 of 10 entries are established and have been idle for ten hours.
fn idle_profile(count: u64) -> Profile {
    let timeouts = Timeouts::from([("net.netfilter.nf_conntrack_tcp_timeout_established".to_owned(), 432_000)]);
    let mut tally = Tally::new(timeouts);
    let address: IpAddr = [192, 0, 2, 1].into();
    for number in 0..count {
        let is_idle = number % 10 < 6;
        tally.add(&TableEntry {
            protocol: 6,
            state: ProtocolState::named(6, "ESTABLISHED"),
            remaining: Some(if is_idle { 432_000 - 36_000 } else { 432_000 }),
            source: Some(address),
            destination: Some(address),
            port: Some(443),
            zone: 0,
            marks: Marks { replied: true, assured: true, offloaded: false },
        });
    }
    tally.profile(None)
}

fn checked(diagnosis: &Diagnosis, name: &str) {
    golden(
        &directory().join(format!("diagnosis/{name}.txt")),
        &(strip_str(&view::diagnosis::text(diagnosis)).to_string() + "\n"),
    );
    let document = DiagnosisDocument::from(diagnosis);
    let json = serde_json::to_string_pretty(&document).expect("it has string keys") + "\n";
    assert_eq!(serde_json::from_str::<DiagnosisDocument>(&json).expect("it can be read back"), document);
    golden(&directory().join(format!("diagnosis/{name}.json")), &json);
    if let Some(request) = diagnosis.proposal.request() {
        conntrack_sysctl::request::from_slice(request.to_string().as_bytes()).expect("it is a request");
    }
}

#[test]
fn a_full_table_of_idle_connections() {
    let diagnosis = Table::new(65_536, 65_536).profile(idle_profile(65_536)).counted("drop", 1234).diagnose();
    assert_eq!(diagnosis.verdict, Health::Full);
    let request = diagnosis.proposal.request().expect("there is one");
    assert_eq!(request["settings"]["net.netfilter.nf_conntrack_tcp_timeout_established"], 28_800);
    // 26,214 entries stay. Twice that is less than the limit, so the proposal keeps the limit.
    assert_eq!(request["at_least"]["net.netfilter.nf_conntrack_max"], 65_536);
    checked(&diagnosis, "full-of-idle");
}

/// A profile of `count` entries of UDP, of which `answered` have seen traffic both ways.
fn udp_profile(count: u64, answered: u64) -> Profile {
    let mut tally = Tally::new(Timeouts::new());
    for number in 0..count {
        let is_answered = number < answered;
        let marks = Marks { replied: is_answered, assured: is_answered, offloaded: false };
        tally.add(&TableEntry { marks, port: Some(9), ..self::answered(17, None, Some(20)) });
    }
    tally.profile(None)
}

#[test]
fn a_full_table_evicts_or_drops_and_the_summary_says_which() {
    let summary = |answered: u64, counters: &[(&str, u64)]| {
        let table = Table::new(1000, 1000).profile(udp_profile(1000, answered));
        let table = counters.iter().fold(table, |table, (name, count)| table.counted(name, *count));
        let diagnosis = table.diagnose();
        assert_eq!(diagnosis.verdict, Health::Full);
        assert!(diagnosis.losses.is_empty(), "the full table explains them");
        view::words::summary(&diagnosis)
    };
    let evicts = summary(200, &[("early_drop", 894)]);
    assert!(evicts.contains("894 entries evicted") && evicts.contains("no packet dropped"), "{evicts}");
    assert!(evicts.contains("(80% of them)"), "{evicts}");
    let drops = summary(200, &[("early_drop", 5), ("drop", 7)]);
    assert!(drops.contains("7 packets of new connections dropped and 5 entries evicted"), "{drops}");
    let quiet = summary(200, &[]);
    assert!(quiet.contains("evicts an entry") && !quiet.contains("dropped here"), "{quiet}");
    assert!(summary(1000, &[]).contains("no entry can be evicted"));
    // The kernel evicts at the limit only: the table was full during the run, whatever it is now.
    assert_eq!(Table::new(700, 1000).counted("early_drop", 3).diagnose().verdict, Health::Full);
    checked(&Table::new(1000, 1000).profile(udp_profile(1000, 200)).counted("early_drop", 894).diagnose(), "evicting");
}

#[test]
fn who_asks_for_evictable_entries_is_warned_of_the_others() {
    let status = |answered: u64| {
        let mut status = Table::new(950, 1000).status();
        status.evictable = Some(status::Evictable::new(&udp_profile(950, answered), status.count, status.limit));
        status.alert = Some(status::alert(&status, THRESHOLDS));
        status
    };
    let firm = |answered| status(answered).evictable.and_then(|evictable| evictable.firm_percent);
    assert_eq!([firm(0), firm(749), firm(950)], [Some(0.0), Some(74.9), Some(95.0)]);
    let code = |answered| status(answered).exit().code();
    assert_eq!([code(0), code(749), code(750), code(950)], [0, 0, 1, 2]);
    let text = strip_str(&view::status::text(&status(200))).to_string();
    assert!(
        text.starts_with("CONNTRACK OK - 20.0% is below 75% | firm=20.00%;75;90;0;100 fill=95.00%;;;0;100 "),
        "{text}"
    );
    assert!(text.contains("evictable:  750 (78.95%); the others fill 20.00% of the limit\n"), "{text}");
    assert!(prometheus::metrics(&status(200)).contains("conntrack_entries_evictable 750\n"));
}

#[test]
fn closing_connections_make_room_too() {
    let mut tally = Tally::new(Timeouts::new());
    for (protocol, state) in [(6, "TIME_WAIT"), (6, "ESTABLISHED"), (132, "SHUTDOWN_SENT"), (132, "ESTABLISHED")] {
        tally.add(&answered(protocol, ProtocolState::named(protocol, state), Some(10)));
    }
    let unanswered = TableEntry { marks: Marks::default(), ..answered(6, ProtocolState::named(6, "CLOSE"), Some(1)) };
    tally.add(&unanswered);
    let profile = tally.profile(None);
    assert_eq!((profile.evictable, profile.closing, profile.assured), (1, 2, 4));
}

#[test]
fn entries_that_come_and_go_are_no_gap() {
    let missing = |before, after, listed| gap::missing(Some(before), Some(after), listed);
    assert_eq!(missing(5000, 5000, 0), Some(5000));
    assert_eq!(missing(5000, 4000, 3900), Some(100));
    // The reading itself removes entries whose time is over, and others come meanwhile.
    assert_eq!(missing(5000, 100, 100), None);
    assert_eq!(missing(100, 5000, 101), None);
    assert_eq!(missing(31, 31, 0), None);
    assert_eq!(missing(10_000, 10_000, 9801), None);
    assert_eq!(gap::missing(None, Some(5000), 0), None);
    let mut table = Table::new(5000, 65_536).profile(udp_profile(40, 0));
    table.0.gap = Some(gap::Gap {
        entries: 4960,
        dying: Some(4000),
        unconfirmed: Some(960),
        listener: Some("a\u{1b}b (pid 7)".into()),
    });
    checked(&table.diagnose(), "gap");
    let table = "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode\n0 12 7 00000004 100 0 0 2 0 1\n0 12 8 00000007 900 0 0 2 0 1\n\
                 0 12 9 00000003 9999 0 0 2 0 1\n0 4 10 00000004 9999 0 0 2 0 1\n0 12 x\n";
    assert_eq!(listeners::fullest(table), Some(8));
    assert_eq!((listeners::fullest(""), listeners::fullest("nonsense\n")), (None, None));
}

#[test]
fn a_table_full_of_tunnels_and_questions() {
    let mut tally = Tally::new(Timeouts::new());
    for number in 0..1000 {
        let port = if number % 10 < 6 { 8472 } else { 53 };
        tally.add(&TableEntry { port: Some(port), ..answered(17, None, Some(20)) });
    }
    let profile = tally.profile(None);
    checked(&Table::new(1000, 1000).profile(profile.clone()).counted("drop", 9).diagnose(), "tunnels");
    assert!(Table::new(1000, 65_536).profile(profile).diagnose().untracked().is_empty(), "it has room");
}

/// The first network namespace has the limit, and each has its own timeouts.
#[test]
fn a_full_table_in_a_namespace_of_its_own() {
    let mut table = Table::new(65_536, 65_536).profile(idle_profile(65_536)).memory(256 << 20);
    table.0.sizes.limit_is_ours = false;
    table.0.pid = Some(4711);
    checked(&table.diagnose(), "full-in-a-namespace");
}

#[test]
fn a_nearly_full_table_of_busy_connections() {
    let diagnosis = Table::new(60_000, 65_536).growth(100).diagnose();
    assert_eq!((diagnosis.verdict, diagnosis.seconds_until_full), (Health::Near, Some(55)));
    assert_eq!((diagnosis.proposal.limit, diagnosis.proposal.buckets), (Some(131_072), Some(131_072)));
    checked(&diagnosis, "near");
    let has_them = Table::new(60_000, 65_536).growth(100).buckets(Some(131_072)).diagnose();
    assert_eq!((has_them.proposal.limit, has_them.proposal.buckets), (Some(131_072), None));
}

#[test]
fn a_table_at_the_brim_is_full_if_it_drops() {
    let health = |counter, events| Table::new(65_500, 65_536).counted(counter, events).diagnose().verdict;
    assert_eq!([health("drop", 1), health("early_drop", 1)], [Health::Full, Health::Full]);
    assert_eq!(health("drop", 0), Health::Near);
}

#[test]
fn little_memory_bounds_the_limit() {
    let diagnosis = Table::new(65_536, 65_536).memory(256 << 20).diagnose();
    assert_eq!(diagnosis.proposal.limit, Some(65_536), "131,072 entries and buckets would take more than 32 MiB");
    checked(&diagnosis, "full-in-little-memory");
}

#[test]
fn a_healthy_host_is_not_called_ill() {
    // Drops of long ago, and the few that an interface has now and then, do not make a host unhealthy now.
    let table = Table::new(1000, 65_536).profile(idle_profile(1000));
    let diagnosis = table.since_boot("drop", 17).other_counter("eth0.rx_drop", 0, 3).diagnose();
    assert_eq!(diagnosis.verdict, Health::Healthy);
    assert!(diagnosis.proposal.timeouts.is_empty(), "nothing is pressing");
    assert_eq!(diagnosis.proposal.limit, Some(65_536));
    checked(&diagnosis, "healthy");
}

#[test]
fn another_door_is_named() {
    let diagnosis = Table::new(1000, 65_536)
        .counted("insert_failed", 2)
        .other_counter("TcpExt.ListenOverflows", 5, 9)
        .other_counter("dropped", 0, 1)
        .diagnose();
    assert_eq!(diagnosis.verdict, Health::DroppingElsewhere);
    let names: Vec<&str> = diagnosis.losses.iter().map(|loss| loss.counter.as_str()).collect();
    assert_eq!(names, ["conntrack.insert_failed", "TcpExt.ListenOverflows", "softnet.dropped"]);
    checked(&diagnosis, "dropping-elsewhere");
}

/// A cloud tracks connections outside of the machine too. The driver of its interfaces says when that table is full.
#[test]
fn a_full_table_of_the_cloud_is_named() {
    let of_a_cloud = |exceeded: u64| {
        Table::new(1000, 65_536)
            .other_counter("ens5.conntrack_allowance_exceeded", 40, 40 + exceeded)
            .other_counter("ens5.conntrack_allowance_available", 128_270, 136_812)
            .other_counter("ens5.bw_out_allowance_exceeded", 7, 9)
            .other_counter("eth0.qdisc_drops", 3, 3)
            .other_counter("TcpExt.ListenDrops", 0, 0)
            .diagnose()
    };
    let diagnosis = of_a_cloud(2);
    assert_eq!(diagnosis.verdict, Health::DroppingElsewhere);
    checked(&diagnosis, "full-in-the-cloud");
    // Past losses are told, and are no verdict.
    assert_eq!(of_a_cloud(0).verdict, Health::Healthy);
    let told: Vec<(&str, u64)> =
        diagnosis.status.elsewhere.iter().map(|loss| (loss.counter.as_str(), loss.count)).collect();
    assert_eq!(
        told,
        [("eth0.qdisc_drops", 3), ("ens5.bw_out_allowance_exceeded", 9), ("ens5.conntrack_allowance_exceeded", 42)]
    );
    let text = strip_str(&view::status::text(&diagnosis.status)).to_string();
    golden(&directory().join("status/lost-elsewhere.txt"), &(text + "\n"));
}

#[test]
fn a_table_that_was_full_an_hour_ago() {
    let words = "4,1,1000000000000,-;nf_conntrack: nf_conntrack: table full, dropping packet";
    let (_, message) = record_message(words, Some(1_339_000_000)).expect("it is one");
    let with = |since_boot: u64, dropped: u64| {
        Table::new(1000, 65_536).since_boot("drop", dropped).message(message.clone(), since_boot).diagnose()
    };
    let diagnosis = with(1_000_000_000_000 + 3_600_000_000, 5);
    assert_eq!((diagnosis.verdict, diagnosis.proposal.limit), (Health::WasFull, Some(131_072)));
    checked(&diagnosis, "was-full");
    assert_eq!(with(1_000_000_000_000 + 48 * 3_600_000_000, 5).verdict, Health::Healthy, "that was the day before");
    assert_eq!(with(1_000_000_000_000 + 3_600_000_000, 0).verdict, Health::Healthy, "another namespace of that number");
}

#[test]
fn a_table_without_limit_is_not_full() {
    let diagnosis = Table::new(1000, 0).diagnose();
    assert_eq!((diagnosis.verdict, diagnosis.proposal.request()), (Health::Healthy, None));
    checked(&diagnosis, "no-limit");
}

#[test]
fn levels_of_a_monitoring_plugin() {
    let level = |count: Option<u64>, limit: u64, dropped: u64| {
        let mut status = Table::new(count.unwrap_or(0), limit).counted("drop", dropped).status();
        status.count = count;
        status.fill_percent = status::fill(count, Some(limit));
        status::alert(&status, THRESHOLDS).level.exit().code()
    };
    assert_eq!(level(Some(74), 100, 0), 0);
    assert_eq!(level(Some(75), 100, 0), 1);
    assert_eq!(level(Some(90), 100, 0), 2);
    assert_eq!(level(Some(1), 100, 1), 2);
    assert_eq!(level(Some(1), 0, 0), 0);
    assert_eq!(level(None, 100, 0), 3);
}

#[test]
fn the_log_is_read_unless_every_table_is_known_to_have_had_room() {
    let never_full = |counts: &[Option<(u64, u64, u64)>], unread: &[Unread]| {
        let mut status = Table::new(10, 100).status();
        let namespaces = counts.iter().zip(1..).map(|(counts, id)| {
            let counts = counts.map(|(drop, early_drop, expect_create)| NamespaceCounts {
                entries: 1,
                drop,
                early_drop,
                expect_create,
            });
            Namespace::new(id, counts)
        });
        status.namespaces = namespaces.collect();
        status.unread = unread.to_vec();
        were_never_full(&status)
    };
    let quiet = Some((0, 0, 0));
    assert!(never_full(&[quiet, quiet], &[]));
    for lost in [Some((1, 0, 0)), Some((0, 1, 0)), Some((0, 0, 1)), None] {
        assert!(!never_full(&[quiet, lost], &[]), "{lost:?}");
    }
    assert!(!never_full(&[], &[]), "no namespace is known");
    assert!(never_full(&[quiet], &[Unread::Namespaces { processes: 1, never_full: true }]));
    assert!(!never_full(&[quiet], &[Unread::Namespaces { processes: 1, never_full: false }]));
}

#[test]
fn the_level_is_that_of_the_worst_namespace() {
    let alert = |own: u64, others: &[u64]| {
        let mut status = Table::new(own, 100).status();
        let others = others.iter().zip(1..).map(|(entries, id)| {
            Namespace::new(id, Some(NamespaceCounts { entries: *entries, drop: 7, early_drop: 7, expect_create: 0 }))
        });
        status.namespaces = others.collect();
        let alert = status::alert(&status, THRESHOLDS);
        (alert.level.exit().code(), alert.namespace)
    };
    assert_eq!(alert(10, &[10, 74]), (0, None), "drops of before this run alarm nobody");
    assert_eq!(alert(10, &[10, 75]), (1, Some(2)));
    assert_eq!(alert(10, &[80, 90]), (2, Some(2)));
    assert_eq!(alert(76, &[80]), (1, None), "this one is as bad");
    assert_eq!(alert(95, &[99]), (2, None));
}

#[test]
fn a_kernel_without_connection_tracking_is_not_full() {
    let none = |mut table: Table| {
        let status = &mut table.0.status;
        (status.is_loaded, status.count, status.limit, status.fill_percent) = (false, None, None, None);
        (status.since_boot, status.interval) = (None, None);
        table
    };
    let mut status = none(Table::new(0, 0)).status();
    assert_eq!(status.exit(), conntrack_sysctl::answer::Exit::Done);
    status.alert = Some(status::alert(&status, THRESHOLDS));
    assert_eq!(status.exit().code(), 0);
    let text = strip_str(&view::status::text(&status)).to_string();
    assert!(text.starts_with("CONNTRACK OK - connection tracking is not loaded\n"), "{text}");
    assert!(text.contains("entries:    none: connection tracking is not loaded\n"), "{text}");
    assert!(prometheus::metrics(&status).contains("conntrack_loaded 0\n"));
    let diagnosis = none(Table::new(0, 0)).diagnose();
    assert_eq!((diagnosis.verdict, diagnosis.proposal.request()), (Health::NotLoaded, None));
    checked(&diagnosis, "not-loaded");
    let lossy = none(Table::new(0, 0)).other_counter("TcpExt.ListenOverflows", 5, 9).diagnose();
    assert_eq!(lossy.verdict, Health::DroppingElsewhere);
}

#[test]
fn a_status_in_text_and_metrics() {
    let mut status = Table::new(58_000, 65_536).status();
    status.alert = Some(status::alert(&status, THRESHOLDS));
    let document = StatusDocument::from(&status);
    let json = serde_json::to_string_pretty(&document).expect("it has string keys") + "\n";
    assert_eq!(serde_json::from_str::<StatusDocument>(&json).expect("it can be read back"), document);
    golden(&directory().join("status/status.json"), &json);
    status.unread.push(Unread::Log("\u{1b}[2J".into(), Arc::new(io::ErrorKind::NotFound.into())));
    status.namespaces = ["a\"b\\c\nd", "two"].map(namespace).to_vec();
    golden(&directory().join("status/text.txt"), &(strip_str(&view::status::text(&status)).to_string() + "\n"));
    // Each row of a metric has labels of its own.
    status.namespaces.push(namespace("two"));
    golden(&directory().join("status/metrics.prom"), &(prometheus::metrics(&status) + "\n"));
}

fn namespace(name: &str) -> Namespace {
    let counts = NamespaceCounts { entries: 7, drop: 0, early_drop: 0, expect_create: 0 };
    Namespace { name: Some(name.into()), ..Namespace::new(1, Some(counts)) }
}

#[test]
fn drops_of_a_full_table_are_not_counted_twice() {
    let counted = status::Counted { total: Counts::from([("drop".into(), 9)]), cpus: Vec::new() };
    let interval = status::Interval { seconds: 1.0, growth: 0, counted: Some(counted) };
    let none = LossInterval::default();
    assert!(losses(&none, Some(&interval), &["drop"]).is_empty());
    assert_eq!(losses(&none, Some(&interval), &[])[0].counter, "conntrack.drop");
}

#[test]
fn no_limit_is_too_large_to_be_reckoned_with() {
    let diagnosis = Table::new(1000, u64::MAX).buckets(None).diagnose();
    assert_eq!(diagnosis.proposal.memory, Some(u64::MAX));
    let arguments = ["diagnose", "--from", "-", "--limit", "2147483648"];
    let refused = Run::new(&arguments).input("").finish();
    assert!(refused.code == 1 && refused.stderr.contains("is not in 0..=2147483647"), "{}", refused.stderr);
}

#[test]
fn arguments_that_mean_nothing_are_no_warning_to_a_monitoring_system() {
    let code = |arguments: &[&str]| Run::new(arguments).finish().code;
    assert_eq!(code(&["status", "--warn", "101"]), 3);
    assert_eq!(code(&["status", "--warn=80", "--critt", "90"]), 3);
    assert_eq!(code(&["status", "--intervall", "1"]), 1);
    assert_eq!(code(&["check", "--warn", "80"]), 1);
}

/// An entry that has seen traffic both ways, with `remaining` seconds left.
fn answered(protocol: u8, state: Option<ProtocolState>, remaining: Option<u32>) -> TableEntry {
    let address: IpAddr = [192, 0, 2, 1].into();
    TableEntry {
        protocol,
        state,
        remaining,
        source: Some(address),
        destination: Some(address),
        port: Some(443),
        zone: 0,
        marks: Marks { replied: true, assured: true, offloaded: false },
    }
}

#[test]
fn a_saved_table_is_measured_by_the_kernels_defaults() {
    let entry = "sctp 132 200 ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 \
                 src=192.0.2.2 dst=192.0.2.1 sport=2 dport=1 [ASSURED] mark=0 use=1\n";
    let run = |output: &str| {
        Run::new(&["diagnose", "--from", "-", "--limit", "100", "--output", output]).input(entry).finish().stdout
    };
    golden(&directory().join("diagnosis/saved-sctp.txt"), &run("text"));
    let diagnosis: DiagnosisDocument = serde_json::from_str(&run("json")).expect("it is JSON");
    let [sctp] = &diagnosis.profile.expect("there is an entry").timeouts[..] else { panic!("one timeout rules it") };
    assert_eq!(sctp.setting, "net.netfilter.nf_conntrack_sctp_timeout_established");
    assert_eq!((sctp.seconds, sctp.assumed, sctp.other_timeout, sctp.not_known), (Some(210), true, 0, 0));
}

#[test]
fn an_unknown_idle_time_is_not_another_timeout() {
    let mut tally = Tally::new(Timeouts::new());
    let state = ProtocolState::named(132, "ESTABLISHED");
    for remaining in [Some(200), Some(211), Some(212), None] {
        tally.add(&answered(132, state, remaining));
    }
    let [sctp] = &tally.profile(None).timeouts[..] else { panic!("one timeout rules them") };
    assert_eq!((sctp.seconds, sctp.inferred, sctp.assumed), (Some(212), true, false), "more than the default allows");
    assert_eq!((sctp.entries, sctp.other_timeout, sctp.not_known, sctp.gone[0].entries), (4, 0, 1, 1));
    let setting = "net.netfilter.nf_conntrack_sctp_timeout_established".to_owned();
    let mut tally = Tally::new(Timeouts::from([(setting, 210)]));
    for remaining in [Some(200), Some(211), Some(212), None] {
        tally.add(&answered(132, state, remaining));
    }
    let [sctp] = &tally.profile(None).timeouts[..] else { panic!("one timeout rules them") };
    assert_eq!((sctp.entries, sctp.other_timeout, sctp.not_known, sctp.gone[0].entries), (4, 2, 1, 1));
}

#[test]
fn udp_lite_has_udps_timeouts_where_it_has_none_of_its_own() {
    let own = "net.netfilter.nf_conntrack_udplite_timeout_stream";
    let ruling = |timeouts: Timeouts| {
        let mut tally = Tally::new(timeouts);
        tally.add(&answered(136, None, Some(118)));
        let timeouts = tally.profile(None).timeouts;
        (timeouts[0].setting.clone(), timeouts[0].seconds, timeouts[0].assumed)
    };
    let udp = "net.netfilter.nf_conntrack_udp_timeout_stream".to_owned();
    assert_eq!(ruling(Timeouts::new()), (udp.clone(), Some(120), true));
    assert_eq!(ruling(Timeouts::from([(udp.clone(), 77)])), (udp.clone(), Some(77), false));
    assert_eq!(ruling(Timeouts::from([(own.into(), 99), (udp, 77)])), (own.into(), Some(99), false));
}

#[test]
fn a_protocol_without_a_tracker_has_the_generic_timeout() {
    let ruling = |entry: TableEntry| timeout(&entry, 30).map(Timeout::setting);
    let generic = Some("net.netfilter.nf_conntrack_generic_timeout".to_owned());
    // Old kernels give DCCP a state and UDP-Lite ports, and those of today neither.
    let (dccp, open) = (33, ProtocolState::named(33, "OPEN"));
    assert_eq!(ruling(answered(dccp, None, Some(599))), generic);
    assert_eq!(ruling(answered(dccp, open, Some(43_000))), Some("net.netfilter.nf_conntrack_dccp_timeout_open".into()));
    for port in [None, Some(0)] {
        assert_eq!(ruling(TableEntry { port, ..answered(136, None, Some(599)) }), generic);
    }
    assert_eq!(ruling(answered(89, None, Some(599))), generic);
    let sctp = "net.netfilter.nf_conntrack_sctp_timeout_established".to_owned();
    assert_eq!(ruling(answered(132, ProtocolState::named(132, "ESTABLISHED"), Some(209))), Some(sctp));
    for (protocol, setting) in [(47, "gre_timeout_stream"), (58, "icmpv6_timeout"), (1, "icmp_timeout")] {
        let setting = format!("net.netfilter.nf_conntrack_{setting}");
        assert_eq!(ruling(answered(protocol, None, Some(20))), Some(setting));
    }
}

#[test]
fn entries_that_are_counted_together_have_one_timeout() {
    let mut expected = BTreeMap::new();
    let mut tally = Tally::new(Timeouts::new());
    let bits = [false, true];
    for protocol in [1, 2, 6, 17, 33, 47, 58, 132, 136] {
        let states = (0..10).map(|number| ProtocolState::numbered(protocol, number)).chain([None]);
        for (state, replied, assured) in
            states.flat_map(|state| bits.map(|replied| bits.map(|assured| (state, replied, assured)))).flatten()
        {
            for (remaining, port) in [None, Some(10), Some(100)]
                .into_iter()
                .flat_map(|left| [None, Some(0), Some(5)].map(|port| (left, port)))
            {
                let marks = Marks { replied, assured, offloaded: false };
                let entry = TableEntry { marks, port, ..answered(protocol, state, remaining) };
                tally.add(&entry);
                if let Some(timeout) = timeout(&entry, 30) {
                    *expected.entry(timeout.successor().unwrap_or(timeout).setting()).or_insert(0) += 1;
                }
            }
        }
    }
    let seen = tally.profile(None).timeouts.into_iter().map(|used| (used.setting, used.entries));
    assert_eq!(seen.collect::<BTreeMap<String, u64>>(), expected);
}

#[test]
fn every_timeout_that_rules_an_entry_has_a_default() {
    for protocol in 0..=u8::MAX {
        let states = (0..=u8::MAX).map(|number| ProtocolState::numbered(protocol, number)).chain([None]);
        for (state, is_answered) in states.flat_map(|state| [(state, true), (state, false)]) {
            let marks = Marks { replied: is_answered, assured: is_answered, offloaded: false };
            let entry = TableEntry { marks, ..answered(protocol, state, Some(1)) };
            let Some(timeout) = timeout(&entry, 30) else { continue };
            for timeout in [Some(timeout), timeout.successor()].into_iter().flatten() {
                assert!(default_timeout(&timeout.setting()).is_some(), "{}", timeout.setting());
            }
        }
    }
}

/// A saved table, its options, and the text of its diagnosis.
fn diagnosed(input: &str, options: &[&str]) -> String {
    let arguments = [&["diagnose", "--from", "-", "--output", "text"], options].concat();
    let run = Run::new(&arguments).input(input).finish();
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

#[test]
fn a_timeout_that_nobody_knows_is_inferred_and_never_raised() {
    let entry = |remaining: u32| {
        format!(
            "tcp 6 {remaining} ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=1 dport=2 src=192.0.2.2 dst=192.0.2.1 \
             sport=2 dport=1 [ASSURED] use=1\n"
        )
    };
    let table = |remaining: &[u32]| remaining.iter().copied().map(entry).collect::<String>();
    for remaining in [vec![7440], vec![7440; 9], vec![3599, 20, 7000, 7439], vec![80_000, 79_000, 100]] {
        let text = diagnosed(&table(&remaining), &["--limit", "1"]);
        let longest = remaining.iter().max().expect("there are entries");
        assert!(text.contains("inferred: of "), "{text}");
        assert!(!text.contains(" -> 1d;"), "{longest}: {text}");
    }
    // Entries that fit the default are measured by it.
    let text = diagnosed(&table(&[431_999, 100_000, 90_000]), &["--limit", "3"]);
    assert!(text.contains("tcp_timeout_established: 5d -> 1d; 2 entries"), "{text}");
    golden(&directory().join("diagnosis/saved-inferred.txt"), &diagnosed(&table(&[7440; 9]), &["--limit", "10"]));
}

#[test]
fn one_address_that_nobody_answers_is_named_first() {
    let entries: Vec<String> = (0..200)
        .map(|port| {
            let remaining = 120 - port % 19;
            format!(
                "tcp 6 {remaining} SYN_SENT src=192.0.2.7 dst=198.51.100.{port} sport={port} dport=443 [UNREPLIED] \
                 src=198.51.100.{port} dst=192.0.2.7 sport=443 dport={port} use=1\n"
            )
        })
        .collect();
    let entries = entries.concat();
    let text = diagnosed(&entries, &["--limit", "200"]);
    golden(&directory().join("diagnosis/saved-one-source.txt"), &text);
    // Where others are answered, no single one is to blame.
    let others =
        entries.replace("SYN_SENT", "ESTABLISHED").replace("[UNREPLIED] ", "").replace("192.0.2.7", "192.0.2.8");
    let text = diagnosed(&(entries + &others), &["--limit", "400"]);
    assert!(text.starts_with("FULL: 192.0.2.7 opened 200 (50%) of the entries"), "{text}");
}

#[test]
fn a_whole_incident_from_saved_files() {
    let case = |name: &str| directory().join("incident").join(name);
    let paths = ["table.txt", "sysctl.txt", "stat.txt", "log.txt"].map(case);
    let [table, sysctl, stat, log] = &paths.each_ref().map(|path| path.to_str().expect("its name is text"));
    let arguments = ["diagnose", "--from", table, "--sysctl", sysctl, "--stat", stat, "--log", log, "--output", "text"];
    let run = Run::new(&arguments).finish();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/table/");
    golden(&directory().join("diagnosis/saved-incident.txt"), &run.stdout.replace(here, ""));
    let bundle = directory().join("incident");
    let bundled = Run::new(&["diagnose", "--bundle", bundle.to_str().expect("text"), "--output", "text"]).finish();
    assert_eq!(bundled.stdout, run.stdout);
    let empty = tempfile::tempdir().expect("a directory");
    let refused = Run::new(&["diagnose", "--bundle", empty.path().to_str().expect("text")]).finish();
    assert!(refused.code == 1 && refused.stderr.contains("no saved table is in it"), "{}", refused.stderr);
}

#[test]
fn what_is_no_evidence_is_refused_with_what_was_expected() {
    let refused = |input: &str, options: &[&str], words: &str| {
        let run = Run::new(&[&["diagnose"], options].concat()).input(input).finish();
        assert!(run.code == 1 && run.stderr.contains(words), "{words}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    };
    let from = ["--from", "-"];
    refused("", &from, "it is empty; expected what `conntrack -L` prints");
    refused("hello\n", &from, "no line of it is an entry");
    refused("   6000 tcp      6 431999 ESTABLISHED src=10.0.0.1\n", &from, "counts of `sort | uniq -c`");
    refused("cpu=0 found=1 invalid=2 insert=0 insert_failed=0 drop=0\n", &from, "--stat FILE");
    refused("net.netfilter.nf_conntrack_max = 5\n", &from, "--sysctl FILE");
    refused("[1.0] nf_conntrack: table full, dropping packet\n", &from, "--log FILE");
    refused("297 proto=6 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=1\n", &from, "lists expectations");
    refused("State Recv-Q Send-Q Local Address:Port\n", &from, "sockets");
    refused("262144\n", &from, "a count, as `conntrack -C` prints it");
    refused("conntrack v1.4.8 (conntrack-tools): Operation failed: sorry\n", &from, "a message of an error");
    refused("Id   Original src   Original dst\n", &from, "VyOS");
    refused("recirc_id(0),in_port(2),ct_state(+trk+est) actions:drop\n", &from, "dpctl/dump-conntrack -m");
    refused("", &["--from", "/dev/zero"], "it is a device");
    refused("", &["--from", "/"], "it is a directory");
    let one = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tables/text-one-line/in");
    refused("nothing\n", &["--from", one, "--sysctl", "-"], "expected what `sysctl -a` prints");
    refused("nothing\n", &["--from", one, "--stat", "-"], "expected what `conntrack -S` prints");
    refused("", &["--from", one, "--log", "/dev/zero"], "it is a device");
    refused("", &["--sysctl", "-"], "required");
}

#[test]
fn a_collection_is_private_and_says_what_is_missing() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("incident");
    let path = directory.to_str().expect("its name is text");
    let run = Run::new(&["collect", path]).finish();
    let mode = std::fs::metadata(&directory).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let manifest = std::fs::read_to_string(directory.join("MANIFEST.txt")).expect("it has a list");
    assert_eq!(manifest, run.stdout);
    for name in ["table.txt", "sysctl.txt", "stat.txt", "log.txt", "netstat.txt"] {
        let line = manifest.lines().find(|line| line.starts_with(name)).expect("each file is listed");
        assert_eq!(line.contains("NOT READABLE: "), !directory.join(name).exists(), "{line}");
    }
    assert_eq!(run.code == 0, directory.join("table.txt").exists());
    let again = Run::new(&["collect", path]).finish();
    assert!(again.code == 1 && again.stderr.contains("it is not empty"), "{}", again.stderr);
    let file = Run::new(&["collect", directory.join("MANIFEST.txt").to_str().expect("text")]).finish();
    assert!(file.code == 1 && file.stderr.contains("it is no directory"), "{}", file.stderr);
}

#[test]
fn what_was_lost_elsewhere_is_read_from_a_bundle() {
    let bundle = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(bundle.path().join(name), text).expect("it can be written");
    let one = std::fs::read_to_string(directory().join("../cases/tables/text-one-line/in")).expect("the case is there");
    write("table.txt", &one);
    write("netstat.txt", "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 9 40 41\n");
    write("softnet_stat.txt", "00000001 00000003 00000000\n");
    write(
        "ethtool_-S_ens5",
        "NIC statistics:\n     conntrack_allowance_exceeded: 7\n     conntrack_allowance_available: 5000\n",
    );
    let run = Run::new(&["diagnose", "--bundle", bundle.path().to_str().expect("text"), "--output", "text"]).finish();
    let lost = "lost earlier:  TcpExt.ListenOverflows 40, TcpExt.ListenDrops 41, softnet.dropped 3, \
                ens5.conntrack_allowance_exceeded 7 (since the boot)\n\
                cloud:         room for 5,000 more connections in the cloud's own connection tracking (ens5)\n";
    assert!(run.stdout.contains(lost), "{}{}", run.stdout, run.stderr);
}

#[test]
fn saved_sysctls_and_counters_in_all_their_forms() {
    use conntrack_sysctl::table::source::evidence::{statistics, sysctls};
    let max = "net.netfilter.nf_conntrack_max";
    for text in [
        "net.netfilter.nf_conntrack_max = 4096\n",
        "net.nf_conntrack_max=4096\r\n",
        "12:net.netfilter.nf_conntrack_max = 4096\n",
        "web1.txt:net.netfilter.nf_conntrack_max = 4096\n",
        "[pod/x/y] net.ipv4.netfilter.ip_conntrack_max = 4096\n",
        "/proc/sys/net/netfilter/nf_conntrack_max:4096\n",
        "==> /proc/sys/net/netfilter/nf_conntrack_max <==\n4096\n\n==> /proc/sys/net/ipv4/ip_forward <==\n1\n",
        "  \"net.netfilter.nf_conntrack_max\": \"4096\",\n",
    ] {
        let found = sysctls::read(text.as_bytes()).expect("it has a sysctl");
        assert_eq!(found.values.get(max), Some(&4096), "{text}");
        assert_eq!((found.limit(), found.values.len()), (Some(4096), 1), "{text}");
    }
    assert!(sysctls::read(&b"net.ipv4.ip_forward = 1\n"[..]).is_err());
    let proc = std::fs::read_to_string(directory().join("stat-5.10.txt")).expect("the case is there");
    let prefixed = format!("stat.txt:{}", proc.trim_end().replace('\n', "\nstat.txt:"));
    for (text, drop, cpus) in [
        ("cpu=0   \tfound=1 invalid=2 drop=3 early_drop=4\ncpu=1 drop=5\n".to_owned(), 8, 2),
        ("gw1-1  | cpu=0   \tfound=1 invalid=2 drop=3 early_drop=4\n".to_owned(), 3, 1),
        ("entries             \t\t12\nsearched            \t\t5\ndrop                \t\t3\n".to_owned(), 3, 1),
        (proc.clone(), 0x30, 2),
        (prefixed, 0x30, 2),
    ] {
        let found = statistics::read(text.as_bytes()).expect("it has counters");
        assert_eq!((found.sum().get("drop").copied(), found.cpus.len()), (Some(drop), cpus), "{text}");
    }
    assert!(statistics::read(&b"nothing\n"[..]).is_err());
}

#[test]
fn files_that_are_no_text_are_named() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("file");
    let path = file.to_str().expect("its name is text");
    let table = self::directory().join("incident/table.txt");
    let table = table.to_str().expect("its name is text");
    for (bytes, words) in [
        (&b"\x1f\x8b\x08\x00rest of it"[..], "zcat FILE"),
        (b"\xfd7zXZ\x00rest of it", "xzcat"),
        (b"LPKSHHRHrest of it", "journalctl --file FILE"),
        (b"\xff\xfeN\x00o\x00v\x00", "iconv -f UTF-16"),
    ] {
        std::fs::write(&file, bytes).expect("the file can be written");
        for options in [&["--from", path][..], &["--from", table, "--log", path], &["--from", table, "--sysctl", path]]
        {
            let run = Run::new(&[&["diagnose"], options].concat()).finish();
            assert!(run.code == 1 && run.stderr.contains(words), "{words}: {}", run.stderr);
        }
    }
    // A mark of UTF-8 at the beginning is none of the text.
    let log = "\u{feff}Nov 28 23:15:20 gw1 kernel: nf_conntrack: nf_conntrack: table full, dropping packet\n";
    std::fs::write(&file, log).expect("the file can be written");
    let run = Run::new(&["diagnose", "--from", table, "--log", path, "--output", "text"]).finish();
    assert!(run.stdout.contains("1 message of a full table"), "{}", run.stdout);
}

/// The files of a report of sos 4.10, of its plugins conntrack, kernel, logs and networking.
#[test]
fn the_files_of_a_report_of_sos_are_found() {
    const TABLE: &str = "sos_commands/conntrack/conntrack_-L_-o_extended";
    let report = tempfile::tempdir().expect("a directory can be made");
    let write = |path: &str| {
        let path = report.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in a directory")).expect("the directory can be made");
        std::fs::write(path, "").expect("the file can be written");
    };
    let others = [
        "proc/4711/net/nf_conntrack",
        "sos_commands/conntrack/ip_netns_exec_blue_conntrack_-L_-o_extended",
        "sos_commands/conntrack/ip_netns_exec_blue_conntrack_-S",
        "sos_commands/kernel/dmesg",
        "sos_commands/logs/journalctl_--no-pager",
        "sos_commands/networking/ip_netns_exec_blue_sysctl_-a",
        "sos_reports/manifest.json",
        "var/log/messages",
    ];
    for path in others {
        write(path);
    }
    let own = ["sos_commands/conntrack/conntrack_-S", "sos_commands/kernel/sysctl_-a", "sos_commands/kernel/dmesg_-T"];
    for path in own {
        write(path);
    }
    write(TABLE);
    let at = |path: &str| report.path().join(path);
    let losses = ["proc/4711/net/netstat", "proc/4711/net/snmp", "sos_commands/networking/ethtool_-S_ens5"];
    for path in losses {
        write(path);
    }
    write("sos_commands/networking/ip_netns_exec_blue_ethtool_-S_ens5");
    let found = bundle::find(report.path()).expect("there is a table");
    assert_eq!((found.losses.netstat, found.losses.snmp), (Some(at(losses[0])), Some(at(losses[1]))));
    assert_eq!(found.losses.drivers, [("ens5".to_owned(), at(losses[2]))]);
    let found = bundle::find(report.path()).expect("there is a table");
    assert_eq!(found.table, at(TABLE));
    assert_eq!((found.statistics, found.sysctls, found.log), (Some(at(own[0])), Some(at(own[1])), Some(at(own[2]))));

    // Without the program conntrack, the report has what it copied of /proc.
    std::fs::remove_dir_all(at("sos_commands/conntrack")).expect("it can be removed");
    write("proc/4711/net/stat/nf_conntrack");
    let found = bundle::find(report.path()).expect("there is a table");
    assert_eq!(found.table, at("proc/4711/net/nf_conntrack"));
    assert_eq!(found.statistics, Some(at("proc/4711/net/stat/nf_conntrack")));

    // The counters are no table, whatever the end of their name.
    std::fs::remove_file(at("proc/4711/net/nf_conntrack")).expect("it can be removed");
    assert!(bundle::find(report.path()).is_err());
}
