//! Compares `status`, `diagnose` and `watch` with conntrack(8) on the real kernel, and plays an incident from the first
//! dropped packet to the last, in a network namespace of its own.

use crate::support::world::{Ended, Limit, Network, World, privileged};
use conntrack_sysctl::table::analysis::diagnosis::Health;
use conntrack_sysctl::table::analysis::look::Look;
use conntrack_sysctl::table::analysis::status::AlertLevel;
use conntrack_sysctl::table::view::json::{DiagnosisDocument, StatusDocument};

/// Makes connection tracking look at all traffic of the namespace.
const TRACKED: &str = "ip link set lo up
    nft add table inet t
    nft add chain inet t c '{ type filter hook output priority 0; }'
    nft add rule inet t c ct state new
    sysctl -qw net.netfilter.nf_conntrack_udp_timeout=300";

fn tracked_world() -> World {
    let world = World::new(Network::Private);
    world.sh(TRACKED);
    world
}

/// A script that sends a packet from `address` to each of `count` ports, beginning with `first`.
fn flood(address: &str, first: u32, count: u32) -> String {
    format!(
        "python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('{address}', 0))
for port in range({first}, {first} + {count}):
    try: s.sendto(b'x', ('127.0.0.1', port))
    except OSError: pass
END"
    )
}

fn diagnosis(ended: &Ended) -> DiagnosisDocument {
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{}", ended.stdout))
}

fn status(ended: &Ended) -> StatusDocument {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{}{}", ended.stdout, ended.stderr))
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

privileged!(the_numbers_are_those_of_conntrack, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    world.sh(&flood("127.0.0.5", 1000, 500));
    world.sh(&flood("127.0.0.6", 1000, 1500));
    let status = status(&world.try_sh("exec $BIN status", ""));
    assert_eq!(status.count, Some(number(&world.sh("conntrack -C"))));
    assert_eq!(status.count, Some(number(&world.sh("conntrack -L 2>/dev/null | wc -l"))));
    assert_eq!(status.limit, Some(number(&world.sysctl("net.netfilter.nf_conntrack_max"))));
    assert_eq!(status.buckets, Some(number(&world.sysctl("net.netfilter.nf_conntrack_buckets"))));
    let own = status.namespaces.iter().find(|namespace| namespace.own).expect("it knows where it is");
    assert_eq!(own.count, status.count);
    assert_eq!(format!("net:[{}]\n", own.id), world.sh("readlink /proc/self/ns/net"));

    let diagnosis = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0.1", ""));
    let profile = diagnosis.profile.expect("the table can be read");
    assert_eq!((Some(profile.entries), profile.sample_of, profile.unreplied), (status.count, None, profile.entries));
    let by_source: Vec<(&str, u64)> =
        profile.sources.items.iter().map(|item| (item.name.as_str(), item.entries)).collect();
    assert_eq!(by_source, [("127.0.0.6", 1500), ("127.0.0.5", 500)]);
    assert_eq!(profile.timeouts[0].setting, "net.netfilter.nf_conntrack_udp_timeout");
    assert_eq!((profile.timeouts[0].seconds, profile.timeouts[0].entries), (Some(300), 2000));

    // The same table, saved in each of its forms, gives the same profile, whatever the clock did meanwhile.
    world.sh("conntrack -L >/mnt/text 2>/dev/null; conntrack -L -o extended >/mnt/extended 2>/dev/null
        conntrack -L -o xml >/mnt/xml 2>/dev/null; cat /proc/net/nf_conntrack >/mnt/proc");
    for saved in ["text", "extended", "xml", "proc"] {
        let ended = world.try_sh(&format!("exec $BIN diagnose --from /mnt/{saved} --limit 2400"), "");
        let again = self::diagnosis(&ended);
        assert_eq!(again.verdict, Health::Near, "{saved}");
        let again = again.profile.expect("it is read");
        assert_eq!(
            (&again.classes, &again.sources, &again.ports),
            (&profile.classes, &profile.sources, &profile.ports)
        );
    }
});

// A queue for sending that drops, as tc(8) counts it; and a driver of a cloud, of which only the strings are played: no
// machine of a test has its hardware.
privileged!(losses_elsewhere_are_named, || {
    // Another test's full table would be the verdict.
    let _limit = Limit::borrow();
    let world = World::new(Network::Private);
    world.sh("ip link set lo up
        tc qdisc add dev lo root tbf rate 8kbit burst 1600 limit 1600
        mount -t tmpfs none /sys/class/net
        mount -t tmpfs none /sys/bus
        mkdir -p /sys/bus/pci/drivers/ena
        mkdir -p /sys/class/net/ens5/device /sys/class/net/eth9/device
        ln -s ../../../../bus/pci/drivers/ena /sys/class/net/ens5/device/driver
        ln -s ../../../../bus/virtio/drivers/virtio_net /sys/class/net/eth9/device/driver
        mount -t tmpfs none /usr/local/sbin
        cat >/usr/local/sbin/ethtool <<'END'
#!/bin/sh
# The counter rises by one in a second. Other interfaces are not asked.
[ \"$*\" = '-S ens5' ] || exit 1
echo 'NIC statistics:'
echo '     conntrack_allowance_available: 1000'
echo '     conntrack_allowance_exceeded:' $(date +%s)
END
        chmod +x /usr/local/sbin/ethtool
        python3 -c \"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20): s.sendto(b'x' * 1000, ('127.0.0.1', 9))
\"");
    let seen = status(&world.try_sh("exec $BIN status", ""));
    let dropped = world.sh("tc -s qdisc show dev lo | sed -n 's/.*dropped \\([0-9]*\\),.*/\\1/p'");
    let lost: Vec<&str> = seen.elsewhere.iter().map(|loss| loss.counter.as_str()).collect();
    assert_eq!(lost, ["Ip.OutDiscards", "lo.qdisc_drops", "ens5.conntrack_allowance_exceeded"], "{:?}", seen.unread);
    assert_eq!([seen.elsewhere[0].count, seen.elsewhere[1].count], [number(&dropped); 2]);
    assert!(!seen.unread.iter().any(|unread| unread.why.contains("ethtool")), "{:?}", seen.unread);
    assert_eq!(seen.cloud_room.get("ens5"), Some(&1000));

    let diagnosed = diagnosis(&world.try_sh("exec $BIN diagnose --interval 1.1", ""));
    assert_eq!(diagnosed.verdict, Health::DroppingElsewhere);
    let lost: Vec<&str> = diagnosed.drops.iter().map(|loss| loss.counter.as_str()).collect();
    assert_eq!(lost, ["ens5.conntrack_allowance_exceeded"]);
    world.sh("umount /usr/local/sbin");
    let unread = status(&world.try_sh("exec $BIN status", "")).unread;
    assert!(unread.iter().any(|unread| unread.why == "`ethtool -S ens5`: there is no ethtool"), "{unread:?}");
});

privileged!(a_sample_tells_of_the_whole, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    world.sh(&flood("127.0.0.5", 1, 60_000));
    world.sh(&flood("127.0.0.6", 1, 20_000));
    let profile = |arguments: &str| {
        let ended = world.try_sh(&format!("exec $BIN diagnose --interval 0 {arguments}"), "");
        diagnosis(&ended).profile.expect("the table can be read")
    };
    let (sample, whole) = (profile(""), profile("--all"));
    assert_eq!((sample.entries, sample.sample_of), (16_384, Some(80_000)));
    assert_eq!((whole.entries, whole.sample_of, whole.sources.items[0].percent), (80_000, None, 75.0));
    let off = (sample.sources.items[0].percent - 75.0).abs();
    // The margin is two standard deviations. One run in a billion is off by more than six.
    assert!(off < 3.0 * sample.margin_points, "{off} of {}", sample.margin_points);
});

privileged!(the_incident, || {
    let limit = Limit::borrow();
    let world = tracked_world();
    assert_eq!(diagnosis(&world.try_sh("exec $BIN diagnose --interval 0.2", "")).verdict, Health::Healthy);

    limit.set(2000);
    // No address opens half of the entries: then the answer would be that address, and not a larger limit.
    let flood_once =
        ["127.0.0.5", "127.0.0.10", "127.0.0.11", "127.0.0.12"].map(|from| flood(from, 10_000, 750)).join("\n");
    world.sh(&format!("send() {{\n{flood_once}\n}}\n(for i in 1 2 3 4 5 6; do send; sleep 0.3; done; touch /mnt/done) >/dev/null 2>&1 &"));
    // The limit applies to each namespace separately: another namespace has room although this one is full.
    let other = tracked_world();
    other.sh(&flood("127.0.0.5", 10_000, 1000));
    let seen = status(&other.try_sh("exec $BIN status", ""));
    assert_eq!((seen.count, seen.since_boot.map(|counted| counted.total["drop"])), (Some(1000), Some(0)));
    drop(other);
    // The kernel rate-limits its messages: ten in five seconds, for all of networking.
    let own =
        world.sh("readlink /proc/self/ns/net").trim().trim_start_matches("net:[").trim_end_matches(']').to_owned();
    let mut found = diagnosis(&world.try_sh("sleep 0.5; exec $BIN diagnose --interval 1", ""));
    let is_logged =
        |found: &DiagnosisDocument| found.status.log.as_ref().is_some_and(|log| log.namespaces.contains_key(&own));
    let dropped_now =
        |found: &DiagnosisDocument| found.status.interval.as_ref().is_some_and(|own| own.count("drop") > 0);
    for _ in 0..5 {
        if found.verdict == Health::Full && is_logged(&found) && dropped_now(&found) {
            break;
        }
        world.sh(&flood("127.0.0.7", 20_000, 3000));
        found = diagnosis(&world.try_sh(
            &format!("( sleep 0.2; {}\n) & exec $BIN diagnose --interval 2", flood("127.0.0.8", 30_000, 3000)),
            "",
        ));
    }
    assert_eq!(found.verdict, Health::Full, "{found:#?}");
    assert!(is_logged(&found), "{found:#?}");
    assert!(dropped_now(&found), "{found:#?}");
    assert!(!found.limit_is_ours, "a child namespace cannot set it");
    let text = world.try_sh("exec $BIN diagnose --interval 0 --output text", "").stdout;
    assert!(text.starts_with("FULL: the table is full (2,000 of 2,000 (100.00%))"), "{text}");
    let plugin = world.try_sh("exec $BIN status --warn 75 --crit 90 --output text", "");
    assert_eq!(plugin.code, 2);
    assert!(plugin.stdout.starts_with("CONNTRACK CRITICAL - "), "{}", plugin.stdout);

    world.sh("while [ ! -e /mnt/done ]; do sleep 0.1; done");

    // The proposal is a request, and applying it ends the drops.
    let request = world.try_sh("exec $BIN diagnose --interval 0 --output request", "");
    let request: serde_json::Value = serde_json::from_str(&request.stdout).expect("a request is JSON");
    assert!(conntrack_sysctl::request::from_slice(request.to_string().as_bytes()).is_ok(), "{request}");
    let proposed = request["at_least"]["net.netfilter.nf_conntrack_max"].as_u64().expect("it asks for a limit");
    assert_eq!(proposed, 4096);
    // The limit can only be set in the machine's own network namespace; the files of this world are private all the same.
    let machine = World::new(Network::Machine);
    let applied = machine.apply(&request.to_string()).report();
    assert!(applied.in_sync && applied.changed, "{applied:#?}");
    assert_eq!(machine.sysctl("net.netfilter.nf_conntrack_max"), "4096");
    drop(machine);
    let before = status(&world.try_sh("exec $BIN status", ""));
    world.sh(&flood("127.0.0.9", 40_000, 1000));
    let after = status(&world.try_sh("exec $BIN status", ""));
    let dropped = |status: &StatusDocument| status.since_boot.as_ref().map(|counted| counted.total["drop"]);
    assert!(dropped(&before) > Some(0), "the drops of before stay counted");
    assert_eq!(dropped(&after), dropped(&before));
    assert_eq!(after.count, Some(before.count.expect("it is known") + 1000));
    let after = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0.5", ""));
    assert!(matches!(after.verdict, Health::WasFull | Health::Near), "{after:#?}");
    // The limit stays borrowed: another test would set its own.
    limit.set(65_536);
    let after = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0.2", ""));
    assert_eq!(after.verdict, Health::WasFull, "{after:#?}");
});

// The incident of `tests/demo`: a table of 1,000 entries gets 3,000 connections. Whoever looks at it there, and whoever gets
// what `collect` saved of it, read the same words.
privileged!(the_incident_is_told_in_the_same_words_live_and_from_what_was_saved, || {
    let limit = Limit::borrow();
    let world = tracked_world();
    limit.set(1000);
    world.sh(&flood("127.0.0.1", 20_000, 3000));
    let text = |arguments: &str| {
        let ended = world.try_sh(&format!("exec $BIN diagnose {arguments} --output text"), "");
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        ended.stdout
    };
    let live = text("--interval 0.2");
    world.sh("$BIN collect /mnt/saved >/mnt/told && test -s /mnt/saved/table.txt");
    let saved = text("--bundle /mnt/saved");
    // Only a look at the machine itself knows how fast packets are lost, and the way into the first namespace.
    let told = |text: &str| {
        let heads = [
            "protocols:",
            "answers:",
            "evictable:",
            "sources:",
            "destinations:",
            "ports:",
            "unanswered:",
            "timeout:",
            "lost earlier:",
            "kernel log:",
            "proposal:",
            "  127.0.0.1:",
            "  memory when full:",
        ];
        let lines = text.lines().filter(|line| heads.iter().any(|head| line.starts_with(head)));
        // The entries have grown older when they are saved.
        lines.map(|line| line.split(", the oldest ").next().unwrap_or(line).to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(told(&live), told(&saved), "{live}\n\n{saved}");
    assert!(told(&live).len() >= 13, "{live}");
    let lead = "FULL: 127.0.0.1 opened 1,000 (100%) of the entries (udp), and none was answered: the ";
    assert!([&live, &saved].iter().all(|text| text.starts_with(lead)), "{live}\n\n{saved}");
});

privileged!(a_table_at_its_limit_that_evicts_is_not_said_to_drop, || {
    let limit = Limit::borrow();
    let world = tracked_world();
    // The kernel looks for an entry to evict in eight buckets: it finds one if there are as many entries as buckets.
    let buckets = number(&world.sysctl("net.netfilter.nf_conntrack_buckets"));
    limit.set(buckets);
    let ports = 60_000;
    for address in 1..=buckets.div_ceil(ports) + 1 {
        world.sh(&flood(&format!("127.0.1.{address}"), 1, 60_000));
    }
    let script = format!("( {}\n) & exec $BIN diagnose --interval 1.5", flood("127.0.2.1", 1, 60_000));
    let found = diagnosis(&world.try_sh(&script, ""));
    let interval = found.status.interval.as_ref().expect("there are two readings");
    assert_eq!(found.verdict, Health::Full, "{found:#?}");
    assert!(interval.count("early_drop") > 1000, "{interval:?}");
    // Now and then eight buckets are empty.
    assert!(interval.count("drop") < interval.count("early_drop") / 10, "{interval:?}");
    assert!(found.summary.contains("entries evicted within"), "{}", found.summary);
    let ended = world.try_sh("exec $BIN status --evictable --warn 75 --output text", "");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(
        ended.stdout.starts_with("CONNTRACK OK - 0.0% is below 75% | firm=0.00%;75;90;0;100 fill="),
        "{}",
        ended.stdout
    );
    assert_eq!(world.try_sh("exec $BIN status --warn 75", "").code, 2);
});

privileged!(entries_that_are_counted_and_not_listed, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    // A listener that wants every event and reads none, as a stuck program does: the entries cannot go.
    let listener = "python3 - <<'END' >/mnt/listener 2>&1 &
import socket, time
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.setsockopt(270, 4, 1)
s.bind((0, 4))
print('ready', flush=True)
time.sleep(20)
END
echo $! >/mnt/pid; while ! grep -q ready /mnt/listener; do sleep 0.05; done";
    world.sh(&format!("sysctl -qw net.netfilter.nf_conntrack_events=1\n{listener}"));
    world.sh(&flood("127.0.0.5", 1000, 3000));
    let none = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0", ""));
    assert_eq!(none.gap, None, "all are listed");
    world.sh("conntrack -F 2>/dev/null");
    let found = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0", ""));
    let gap = found.gap.clone().expect("the entries are counted");
    assert!(gap.entries > 2000 && gap.dying.is_some_and(|dying| dying > 2000), "{gap:?}");
    let pid = world.sh("cat /mnt/pid").trim().to_owned();
    assert!(gap.listener.as_deref().is_some_and(|listener| listener.contains(&format!("(pid {pid})"))), "{gap:?}");
    let text = world.try_sh("exec $BIN diagnose --interval 0 --output text", "").stdout;
    assert!(text.contains("not listed:    ") && text.contains("a listener with unread events (python3"), "{text}");
    world.sh("kill $(cat /mnt/pid)");
});

privileged!(a_full_listen_queue_is_not_blamed_on_the_table, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    let script = "python3 - <<'END' >/dev/null 2>&1 &
import socket, time
listener = socket.socket()
listener.bind(('127.0.0.1', 7777))
listener.listen(1)
clients = []
end = time.time() + 4
while time.time() < end:
    client = socket.socket()
    client.setblocking(False)
    try: client.connect(('127.0.0.1', 7777))
    except OSError: pass
    clients.append(client)
    time.sleep(0.05)
END
exec $BIN diagnose --interval 2.5";
    let found = diagnosis(&world.try_sh(script, ""));
    assert_eq!(found.verdict, Health::DroppingElsewhere, "{found:#?}");
    let overflows = found.drops.iter().find(|drops| drops.counter == "TcpExt.ListenOverflows").expect("it is named");
    assert!(overflows.look.contains("ss -ltn"));
    assert_eq!(found.proposal.timeouts.len(), 0, "there is nothing wrong with the table");
    assert_eq!(found.proposal.buckets, None);
});

privileged!(what_cannot_be_read_is_named_and_the_rest_is_given, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    world.sh(&flood("127.0.0.5", 1000, 10));
    world.sh("cp $BIN /mnt/binary; chmod 755 /mnt /mnt/binary");
    let unread = |diagnosis: &DiagnosisDocument| format!("{:?}", diagnosis.status.unread);

    // A user other than root cannot read the table by netlink, but can read the counts.
    let nobody = "exec setpriv --reuid 65534 --regid 65534 --clear-groups";
    let found = diagnosis(&world.try_sh(&format!("{nobody} /mnt/binary diagnose --interval 0"), ""));
    assert_eq!((found.verdict, found.status.count, &found.profile), (Health::Healthy, Some(10), &None));
    assert!(unread(&found).contains("CAP_NET_ADMIN"), "{}", unread(&found));

    // Without the keys under /proc/sys, netlink has the limit and the count.
    world.sh("mount -t tmpfs none /proc/sys/net");
    let found = diagnosis(&world.try_sh("exec $BIN diagnose --interval 0", ""));
    assert_eq!((found.status.count, found.profile.map(|profile| profile.entries)), (Some(10), Some(10)));
    assert!(found.status.limit.is_some());

    // Without both, the counters in /proc/net/stat still have the number of entries.
    let ended = world.try_sh(&format!("{nobody} /mnt/binary status --warn 75"), "");
    let seen = status(&ended);
    assert_eq!((ended.code, seen.level.map(|judged| judged.level), seen.limit), (3, Some(AlertLevel::Unknown), None));
    assert_eq!(seen.count, Some(10));
    assert!(seen.unread.iter().any(|unread| unread.what == "the limit"), "{:?}", seen.unread);
});

/// Runs `watch`, after these words of shell, in a real terminal, and returns the screen while it runs and the screen after `end`.
fn watched(world: &World, size: &str, words: &str, end: &str) -> (String, String) {
    let (width, height) = size.split_once('x').expect("a size");
    let screens = world.sh(&format!(
        "t() {{ tmux -L table-test-$$ -f /dev/null \"$@\"; }}
        t new-session -d -x {width} -y {height} 'exec env PS1=\"prompt>\" sh -i'
        t send-keys '{words} watch --interval 0.3' Enter
        sleep 2; t capture-pane -p -e; echo ----; {end}; sleep 0.7
        t send-keys 'stty -a | grep -c -w -e -icanon -e -echo; echo ended' Enter; sleep 0.7
        t capture-pane -p; t kill-server"
    ));
    let (during, after) = screens.split_once("----\n").expect("two screens");
    (during.to_owned(), after.to_owned())
}

privileged!(the_view_in_a_real_terminal, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    world.sh(&flood("127.0.0.5", 1000, 300));
    let term = "kill -TERM $(pgrep -P $(t display-message -p '#{pane_pid}'))";
    for (size, words, end, has_colour) in [
        ("80x24", "LC_ALL=C.UTF-8 $BIN", "t send-keys q", true),
        ("80x24", "LC_ALL=C.UTF-8 $BIN --color never", "t send-keys Q", false),
        ("40x12", "NO_COLOR=1 $BIN", "t send-keys C-c", false),
        ("20x5", "$BIN", term, true),
    ] {
        let (during, after) = watched(&world, size, words, end);
        assert!(during.contains("300 of ") || size == "20x5", "{size}:\n{during}");
        // A bar that is nearly empty is green.
        assert_eq!(during.contains("\u{1b}[38;5;2m"), has_colour, "{size}:\n{during}");
        assert!(during.contains("127.0.0.5") || size == "20x5", "{size}:\n{during}");
        // The shell's screen is back, with echo and line editing.
        assert!(after.contains("ended") && !after.contains("SOURCES"), "{size}:\n{after}");
        assert!(after.lines().any(|line| line.trim() == "0"), "{size}:\n{after}");
    }
});

privileged!(the_view_survives_a_stop_and_a_new_size, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    world.sh(&flood("127.0.0.5", 1000, 300));
    let screens = world.sh("t() { tmux -L table-test-$$ -f /dev/null \"$@\"; }
        t new-session -d -x 80 -y 24 'exec env PS1=\"prompt>\" sh -im'
        t send-keys '$BIN watch --interval 0.3' Enter; sleep 1.5
        t resize-window -x 100 -y 30; sleep 1; t capture-pane -p; echo ----
        t send-keys C-z; sleep 0.7; t capture-pane -p; echo ----
        t send-keys fg Enter; sleep 1; t capture-pane -p; echo ----
        t send-keys '?'; sleep 0.7; t capture-pane -p; t send-keys q; t kill-server");
    let screens: Vec<&str> = screens.split("----\n").collect();
    let [wide, stopped, again, help] = screens[..] else { panic!("{screens:?}") };
    assert!(wide.lines().any(|line| line.len() == 100 && line.starts_with('[')), "{wide}");
    assert!(stopped.contains("prompt>") && !stopped.contains("SOURCES"), "{stopped}");
    assert!(again.contains("SOURCES") && again.contains("lost since start"), "{again}");
    assert!(help.contains("pause, and go on"), "{help}");
});

privileged!(a_line_of_json_for_each_look, || {
    let _limit = Limit::borrow();
    let world = tracked_world();
    let script =
        format!("(sleep 0.5; {}\n) & exec $BIN watch --count 12 --interval 0.4 --new", flood("127.0.0.5", 1000, 300));
    let ended = world.try_sh(&script, "");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let looks: Vec<Look> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    assert_eq!(looks.len(), 12);
    let new = looks.iter().filter_map(|look| look.new);
    assert_eq!((looks[11].count, new.map(|new| new.entries).sum::<u64>()), (Some(300), 300), "{looks:?}");
    // The watch ends when its reader closes the pipe.
    assert_eq!(world.sh("timeout 10 $BIN watch --interval 0.1 | head -n 1 | wc -l").trim(), "1");
});
