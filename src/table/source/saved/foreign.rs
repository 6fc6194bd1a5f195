//! Recognises files that people take for a saved table, and names the command that saves one.

use memchr::memmem;

/// A file that is no saved table.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The words for it.
    pub name: &'static str,
    /// The thing to do.
    pub advice: &'static str,
    /// The words that it has, any of them.
    words: &'static [&'static str],
}

/// The command that saves a table.
const SAVE: &str = "save the table with `conntrack -L > FILE`";

/// The command that saves the table of Open vSwitch.
const SAVE_OVS: &str = "save the table with `ovs-appctl dpctl/dump-conntrack -m > FILE`";

/// The count that `conntrack -C` prints, which is a number alone.
const COUNT: Foreign = Foreign {
    name: "a count, as `conntrack -C` prints it",
    advice: "the single entries are needed: save the table with `conntrack -L > FILE`",
    words: &[],
};

/// The files that are known. The first one with one of its words is named.
const FOREIGN: [Foreign; 20] = [
    Foreign {
        name: "the table that VyOS shows in columns",
        advice: "save it with `sudo conntrack -L > FILE` there",
        words: &["Original src"],
    },
    Foreign {
        name: "the table of MikroTik's RouterOS or of a FortiGate",
        advice: "this program reads the tables of Linux and of Open vSwitch",
        words: &["seen-reply", "session info: proto="],
    },
    Foreign {
        name: "the table of IPVS, which balances load and is not connection tracking",
        advice: SAVE,
        words: &["IPVS connection entries", "IP Virtual Server"],
    },
    Foreign {
        name: "flows or sums of Open vSwitch",
        advice: SAVE_OVS,
        words: &["recirc_id(", "Connections Stats:", "actions="],
    },
    Foreign { name: "a firewall's log of packets", advice: SAVE, words: &[" PROTO=", " SPT="] },
    Foreign {
        name: "the output of `conntrack -L expect`, which lists expectations",
        advice: SAVE,
        words: &[" proto=", "expectations have been shown"],
    },
    Foreign {
        name: "the counters that `conntrack -S` prints",
        advice: "give them with --stat FILE, and save the table with `conntrack -L > FILE`",
        words: &["insert_failed=", "searched="],
    },
    Foreign {
        name: "the counters in `/proc/net/stat/nf_conntrack`",
        advice: "give them with --stat FILE, and save the table with `conntrack -L > FILE`",
        words: &["entries  searched", "entries  clashres", "entries searched", "entries clashres"],
    },
    Foreign {
        name: "a list of sysctls",
        advice: "give it with --sysctl FILE, and save the table with `conntrack -L > FILE`",
        words: &["net.netfilter.nf_conntrack_", "net.ipv4.", "nf_conntrack_max =", "nf_conntrack_max="],
    },
    Foreign {
        name: "a log",
        advice: "give it with --log FILE, and save the table with `conntrack -L > FILE`",
        words: &["table full, dropping", "kernel:"],
    },
    Foreign {
        name: "counts of `sort | uniq -c`",
        advice: "the single entries are needed: save the table with `conntrack -L > FILE`",
        words: &[" tcp      6 ", " udp      17 "],
    },
    Foreign {
        name: "a list of sockets of `ss` or `netstat`",
        advice: SAVE,
        words: &["Recv-Q", "Active Internet connections"],
    },
    Foreign {
        name: "a list of rules",
        advice: SAVE,
        words: &["*filter", "*nat", "table inet ", "table ip ", "Chain INPUT"],
    },
    Foreign {
        name: "Cilium's own table, which the kernel's connection tracking does not see",
        advice: SAVE,
        words: &["TCP OUT ", "TCP IN ", "UDP OUT ", "UDP IN "],
    },
    Foreign { name: "a table of the BSDs' pf", advice: SAVE, words: &["all tcp ", "all udp "] },
    Foreign {
        name: "a capture of packets",
        advice: SAVE,
        words: &["\u{d4}\u{c3}\u{b2}\u{a1}", "\u{a}\u{d}\u{d}\u{a}", " IP ", "Flags ["],
    },
    Foreign {
        name: "a message of an error",
        advice: SAVE,
        words: &["Operation not permitted", "(conntrack-tools): Operation ", "command not found", "No such file"],
    },
    Foreign { name: "a list of tunnels or links", advice: SAVE, words: &["link/ether"] },
    Foreign { name: "JSON", advice: SAVE, words: &["{\"", "{\n", "[\n", "[\"", "{ \""] },
    Foreign { name: "HTML", advice: SAVE, words: &["<html", "<!DOCTYPE", "<HTML"] },
];

/// The file that begins with these bytes, if it is one of those.
#[must_use]
pub fn name(beginning: &[u8]) -> Option<&'static Foreign> {
    let text = beginning.trim_ascii();
    if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
        return Some(&COUNT);
    }
    FOREIGN.iter().find(|foreign| foreign.words.iter().any(|word| memmem::find(beginning, word.as_bytes()).is_some()))
}
