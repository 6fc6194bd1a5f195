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

/// The files that are known. The first one with one of its words is named.
const FOREIGN: [Foreign; 16] = [
    Foreign {
        name: "a compressed file",
        advice: "unpack it first: `zcat FILE | conntrack-sysctl diagnose --from -` (or xzcat, zstdcat)",
        words: &["\u{1f}\u{8b}"],
    },
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
    Foreign { name: "a list of sockets of `ss`", advice: SAVE, words: &["Recv-Q"] },
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
    Foreign { name: "a capture of packets", advice: SAVE, words: &["\u{d4}\u{c3}\u{b2}\u{a1}", " IP ", "Flags ["] },
    Foreign {
        name: "a message of an error",
        advice: SAVE,
        words: &["Operation not permitted", "command not found", "No such file"],
    },
    Foreign { name: "a list of tunnels or links", advice: SAVE, words: &["link/ether"] },
    Foreign { name: "JSON", advice: SAVE, words: &["{\"", "{\n"] },
    Foreign { name: "HTML", advice: SAVE, words: &["<html", "<!DOCTYPE", "<HTML"] },
];

/// The file that begins with these bytes, if it is one of those.
#[must_use]
pub fn name(beginning: &[u8]) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.words.iter().any(|word| memmem::find(beginning, &bytes(word)).is_some()))
}

/// The bytes that a word stands for: one for each of its characters.
fn bytes(word: &str) -> Vec<u8> {
    word.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}
