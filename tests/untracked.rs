//! Judges the rules that would end the tracking of traffic that fills the table: which traffic is named, and that the rules do
//! what is said, by nft and the real kernel.

use conntrack_sysctl::table::analysis::diagnosis::Health;
use conntrack_sysctl::table::analysis::profile::Profile;
use conntrack_sysctl::table::analysis::tally::{Tally, Timeouts};
use conntrack_sysctl::table::analysis::untracked::{Traffic, Untracked};
use conntrack_sysctl::table::model::entry::{Marks, ProtocolState, TableEntry};
use conntrack_sysctl::table::view::json::DiagnosisDocument;
use conntrack_sysctl::table::view::notrack;

use crate::support::world::{Limit, Network, World, privileged};

/// A group of equal entries: protocol, port, state, whether they were answered, and their number.
type Group = (u8, Option<u16>, Option<&'static str>, bool, u64);

fn profile(groups: &[Group]) -> Profile {
    let mut tally = Tally::new(Timeouts::new());
    for (protocol, port, state, replied, count) in groups {
        let entry = TableEntry {
            protocol: *protocol,
            state: state.and_then(|name| ProtocolState::named(*protocol, name)),
            remaining: Some(10),
            source: Some([192, 0, 2, 1].into()),
            destination: Some([192, 0, 2, 2].into()),
            port: *port,
            zone: 0,
            marks: Marks { replied: *replied, assured: *replied, offloaded: false },
        };
        (0..*count).for_each(|_| tally.add(&entry));
    }
    tally.profile(None)
}

fn found(groups: &[Group]) -> Vec<(Traffic, Option<u16>)> {
    profile(groups).untracked.iter().map(|own| (own.traffic, own.port)).collect()
}

#[test]
fn traffic_that_need_not_be_tracked() {
    const REST: Group = (6, Some(443), Some("ESTABLISHED"), true, 60);
    assert_eq!(found(&[REST]), []);
    for port in [4789, 8472, 6081] {
        assert_eq!(found(&[REST, (17, Some(port), None, false, 40)]), [(Traffic::Tunnel, Some(port))]);
    }
    assert_eq!(found(&[REST, (47, None, None, true, 40)]), [(Traffic::Tunnel, None)]);
    assert_eq!(found(&[REST, (4, None, None, true, 40)]), [(Traffic::Tunnel, None)]);
    assert_eq!(found(&[REST, (17, Some(53), None, true, 40)]), [(Traffic::Dns, Some(53))]);
    assert_eq!(found(&[REST, (17, Some(514), None, false, 40)]), [(Traffic::OneWay, Some(514))]);
    assert_eq!(found(&[REST, (6, Some(8080), Some("TIME_WAIT"), true, 40)]), [(Traffic::Short, Some(8080))]);
    // The most frequent first.
    let both = [REST, (17, Some(53), None, true, 20), (17, Some(4789), None, false, 30)];
    assert_eq!(found(&both), [(Traffic::Tunnel, Some(4789)), (Traffic::Dns, Some(53))]);
}

#[test]
fn traffic_of_ordinary_hosts_is_not_named() {
    for group in [
        // Answered UDP on a port of no tunnel, HTTP with kept connections, a scan of many ports, and little of anything.
        (17, Some(443), None, true, 100),
        (6, Some(443), Some("ESTABLISHED"), true, 100),
        (6, Some(22), Some("SYN_SENT"), false, 100),
        (132, Some(3868), Some("ESTABLISHED"), true, 100),
        (1, None, None, true, 100),
    ] {
        assert_eq!(found(&[group]), [], "{group:?}");
    }
    assert_eq!(found(&[(6, Some(443), Some("ESTABLISHED"), true, 91), (17, Some(53), None, true, 9)]), []);
    let mixed = [(17, Some(514), None, false, 80), (17, Some(514), None, true, 20)];
    assert_eq!(found(&mixed), [], "a fifth of it is answered");
    let scan: Vec<Group> = (1..=100).map(|port| (17, Some(port), None, false, 1)).collect();
    assert_eq!(found(&scan), []);
}

#[test]
fn both_sides_of_a_question_and_one_of_a_tunnel() {
    let rules = |traffic, protocol, port| {
        let own = [Untracked { traffic, protocol, port, entries: 1, percent: 50.0 }];
        (notrack::nft(&own).split_off(3), notrack::iptables(&own))
    };
    let (nft, iptables) = rules(Traffic::Tunnel, 17, Some(4789));
    assert_eq!(nft.len(), 2);
    assert_eq!(iptables[0], "iptables -t raw -A PREROUTING -p udp --dport 4789 -j CT --notrack");
    let (nft, iptables) = rules(Traffic::Dns, 17, Some(53));
    assert_eq!((nft.len(), iptables.len()), (4, 4));
    assert!(nft.contains(&"nft add rule inet untracked output udp sport 53 notrack".to_owned()), "{nft:?}");
    let (nft, iptables) = rules(Traffic::Tunnel, 47, None);
    assert_eq!(nft[0], "nft add rule inet untracked prerouting meta l4proto 47 notrack");
    assert_eq!(iptables[1], "iptables -t raw -A OUTPUT -p 47 -j CT --notrack");
}

privileged!(the_rules_end_the_tracking_and_diagnose_applies_none, || {
    let limit = Limit::borrow();
    let world = World::new(Network::Private);
    world.sh("ip link set lo up
        nft add table inet t
        nft add chain inet t c '{ type filter hook output priority 0; }'
        nft add rule inet t c ct state new");
    let send = "python3 - <<'END'
import socket
for port in (4789, 53):
    for own in range(10000, 10400):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(('127.0.0.1', own))
        try: s.sendto(b'x', ('127.0.0.1', port))
        except OSError: pass
        s.close()
END";
    limit.set(800);
    world.sh(send);
    let ended = world.try_sh("exec $BIN diagnose --interval 0", "");
    let found: DiagnosisDocument = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!((found.verdict, found.status.count), (Health::Full, Some(800)), "{found:#?}");
    let rules = found.without_tracking.expect("two kinds of traffic fill it");
    assert!(rules.arithmetic[2].starts_with("800 entries - 800 = 0 that stay; 2 x 0 = 0 fits"), "{rules:#?}");
    let text = world.sh("$BIN diagnose --interval 0 --output text");
    assert!(text.contains("tunnels of VXLAN (udp 4789): 400 entries (50%)"), "{text}");
    assert!(text.contains("questions to name servers (udp 53): 400 entries (50%)"), "{text}");
    assert!(!world.sh("nft list tables").contains("untracked"), "nothing is applied");

    world.sh(&rules.nft.join("\n"));
    world.sh("conntrack -F 2>/dev/null");
    world.sh(send);
    assert_eq!(world.sh("conntrack -C").trim(), "0", "the rules end the tracking");
    world.sh("nft delete table inet untracked");
    world.sh(send);
    assert_eq!(world.sh("conntrack -C").trim(), "800");
});
