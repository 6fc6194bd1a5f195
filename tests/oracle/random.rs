//! Makes random roots in which every odd case of the loaders is frequent.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::loader::{LEGACY, Node, Root};

#[rustfmt::skip]
const DIRECTORIES: &[&str] = &[
    "/etc/sysctl.d", "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d",
];

#[rustfmt::skip]
const NAMES: &[&[u8]] = &[
    b"10-a.conf", b"10-a.conf", b"50-b.conf", b"50-b.conf", b"90-conntrack.conf", b"99-sysctl.conf",
    b"99-sysctl.conf", b"99-z.conf", b".hidden.conf", b".conf", b"a.conf.bak", b"b.CONF", b"lost+found", b"x[1].conf",
    b"x1.conf", b"x?.conf", b"{p,q}.conf", b"p.conf", b"q.conf", b"{p}.conf", b"{p,q.conf", b"{.hidden,[pq]}.conf",
    b"we\\ird.conf", b"weird.conf", b"w*.conf", b"~.conf", b"-.conf", b"Z.conf", b"_.conf", b"\xff.conf",
    b"two words.conf",
];

#[rustfmt::skip]
const LINKS: &[&str] = &[
    "/dev/null", "/dev/null", "nowhere.conf", "../sysctl.conf", "/etc/sysctl.conf", "10-a.conf", "/etc/other",
    "/usr/lib/sysctl.d/50-b.conf", "99-sysctl.conf", "/etc",
];

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "netfilter/nf_conntrack_max", "netfilter/nf_conntrack_max", "nf_conntrack_max", "nf_conntrack_max",
    "netfilter/nf_conntrack_generic_timeout", "netfilter/nf_conntrack_generic_timeout",
    "netfilter/nf_conntrack_tcp_timeout_established", "netfilter/nf_conntrack_tcp_timeout_established",
    "netfilter/nf_conntrack_tcp_timeout_close", "netfilter/nf_conntrack_acct", "netfilter/nf_conntrack_log_invalid",
    "netfilter/nf_conntrack_events", "netfilter/nf_conntrack_tcp_max_retrans", "netfilter/nf_conntrack_buckets",
    "netfilter/nf_conntrack_frag6_low_thresh", "netfilter/nf_conntrack_frag6_high_thresh",
    "netfilter/nf_conntrack_expect_max", "netfilter/nf_conntrack_count", "ipv4/netfilter/ip_conntrack_max",
    "ipv4/ip_conntrack_max", "netfilter/nf_conntrack_no_such_key", "netfilter",
];

#[rustfmt::skip]
const GLOBS: &[&str] = &[
    "netfilter/*", "netfilter/nf_conntrack_*", "netfilter/nf_conntrack_m*x", "*/nf_conntrack_max", "nf_*",
    "netfilter/nf_conntrack_tcp_*", "netfilter/nf_conntrack_[ag]*", "netfilter/nf_conntrack_[!ag]*",
    "netfilter/nf_conntrack_[^m]??", "netfilter/nf_conntrack_ma[x", "netfilter/nf_conntrack_[[:alpha:]]ax",
    "netfilter/nf_conntrack_[a-g]*", "netfilter/nf_conntrack_[]m]ax", "netfilter/nf_conntrack_{acct,max}",
    "netfilter/nf_conntrack_{acct,m*}", "{netfilter/,}nf_conntrack_ma?", "netfilter{/,//}nf_conntrack_m[a]x",
    "netfilter/nf_conntrack_{{acct,max},[e]*}", "netfilter/nf_conntrack_{max}", "{netfilter/../,}nf_conntrack_[m]*",
    "net*/*_timeout", "*/*/ip_*", "*", "netfilter/nf_conntrack_\\max*", "netfilter/nf_conntrack_ma\\x",
    ".*/netfilter/nf_conntrack_max", "*netfilter/.*/netfilter/nf_conntrack_acct", "netfilter//nf_conntrack_ma?",
    "netfilter/./nf_conntrack_[m]ax", "netfilter/nf_conntrack_max*/", "netfilter/nf_conntrack_[[:nonsense:]m]ax",
    "netfilter/nf_conntrack_[[.m.]]ax", "netfilter/nf_conntrack_ma[w-]",
];

#[rustfmt::skip]
const VALUES: &[&[u8]] = &[
    b"0", b"1", b"2", b"5", b"5", b"6", b"60", b"255", b"256", b"600", b"65536", b"3000000", b"4000000", b"5000000",
    b"2147483647", b"2147483648", b"8589934", b"8589935", b"4294967297", b"010", b"08", b"0x10", b"0X1F", b"0x",
    b"-1", b"-0", b"+1", b"5 6", b"5\t6", b"5,6", b"1.5", b"abc", b"5 # note", b"5;", b"\"5\"", b"'5'", b"", b"",
    b"5=6", b"= 5", b"=", b"5\r6", b"5\0", b"5\x006", b"\xff", b"5\xff", b"\xa05", b"\x0b5", b"5\x0b", b"5\x0c6",
    b"000000000000000000005", b"00000000000000000005", b"18446744073709551616", b"yes", b"- 5", b"$(reboot)", b"\\5",
    b"5\\",
];

/// A whole line, or two for a loader that sees an end of a line in it.
#[rustfmt::skip]
const LINES: &[&[u8]] = &[
    b"", b" ", b"\t", b"=", b"-", b"-=5", b"==", b"x", b"#", b";", b"# net.netfilter.nf_conntrack_max = 7", b"\r",
    b"\0", b"\n\r", b" ; net.netfilter.nf_conntrack_max = 7", b"net.netfilter.nf_conntrack_max",
    b"net.netfilter.nf_conntrack_max 7", b"a\0net.netfilter.nf_conntrack_max = 7",
    b"#\rnet.netfilter.nf_conntrack_max = 7", b"[section]", b"net.ipv4.ip_forward",
    b"\xef\xbb\xbfnet.netfilter.nf_conntrack_max = 7", b"net.netfilter.nf_conntrack_acct = \\",
];

#[rustfmt::skip]
const ENDS: &[&[u8]] = &[
    b"\n", b"\n", b"\n", b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\r", b"\n\r", b"\0", b"\r\n\0", b"\n\0",
    b"\n\n", b"\r\r",
];

/// A splitmix64 generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub(crate) fn root(&mut self) -> Root {
        let mut root = Root::new();
        for _ in 0..=self.below(6) {
            let directory = self.pick(DIRECTORIES);
            let path = Path::new(directory).join(OsStr::from_bytes(self.pick(NAMES)));
            let node = self.node();
            root.insert(path, node);
        }
        if self.one_in(2) {
            let node = self.node();
            root.insert("/etc/sysctl.conf".into(), node);
        }
        if self.one_in(4) {
            root.insert("/etc/other".into(), Node::File(self.text()));
        }
        if self.one_in(8) {
            let service = ["systemd-sysctl.service", "@system"];
            let path = format!("/run/credentials/{}/sysctl.extra", self.pick(&service));
            root.insert(path.into(), Node::File(self.text()));
        }
        if self.one_in(4) {
            root.insert(LEGACY.into(), Node::Link("../../netfilter/nf_conntrack_max".to_owned()));
        }
        root
    }

    fn node(&mut self) -> Node {
        match self.below(12) {
            0 | 1 => Node::Link(self.pick(LINKS).to_owned()),
            2 => Node::Directory,
            3 => Node::File(Vec::new()),
            _ => Node::File(self.text()),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(8) {
            if self.one_in(6) {
                text.extend_from_slice(self.pick(LINES));
            } else {
                self.assignment(&mut text);
            }
            text.extend_from_slice(self.pick(ENDS));
        }
        if self.one_in(5) {
            self.assignment(&mut text);
        }
        text
    }

    fn assignment(&mut self, text: &mut Vec<u8>) {
        let blanks: &[&[u8]] = &[b"", b"", b"", b" ", b"\t", b"  \t ", b"\x0b"];
        let around: &[&[u8]] = &[b"", b" ", b" ", b" ", b"\t", b" \x0c"];
        let dashes: &[&[u8]] = &[b"", b"", b"", b"", b"", b"-", b"-", b"- ", b"--", b"---"];
        text.extend_from_slice(self.pick(blanks));
        let dash = self.pick(dashes);
        text.extend_from_slice(dash);
        let key = self.key();
        text.extend_from_slice(&key);
        if self.one_in(if dash.is_empty() { 30 } else { 3 }) {
            return;
        }
        text.extend_from_slice(self.pick(around));
        text.push(b'=');
        text.extend_from_slice(self.pick(around));
        if self.one_in(500) {
            // Around the longest text of a kernel's page, a stdio buffer and systemd's line.
            let lengths: &[usize] = &[4090, 4095, 4096, 8192, 70_000, 1_048_500, 1_048_576];
            let length = self.pick(lengths) + self.below(60);
            text.resize(text.len() + length, self.pick(b"0 7,"));
        }
        text.extend_from_slice(self.pick(VALUES));
        text.extend_from_slice(self.pick(blanks));
    }

    fn key(&mut self) -> Vec<u8> {
        let rest = if self.one_in(8) { self.pick(GLOBS) } else { self.pick(KEYS) };
        let mut key = format!("net/{rest}").into_bytes();
        if self.one_in(8) {
            self.distort(&mut key);
        }
        if self.one_in(8) {
            self.generalise(&mut key);
        }
        match self.below(12) {
            0..3 => key,
            // Dots and slashes mixed: each separator for itself.
            3 => key.into_iter().map(|byte| if byte == b'/' { self.pick(b"/.") } else { byte }).collect(),
            _ => key.into_iter().map(|byte| if byte == b'/' { b'.' } else { byte }).collect(),
        }
    }

    /// Puts parts of patterns into `key`, most of which still match it.
    fn generalise(&mut self, key: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(key.len());
            let byte = char::from(key[at]);
            let part = match self.below(10) {
                0 => "*".to_owned(),
                1 => "?".to_owned(),
                2 => format!("[{byte}]"),
                3 => format!("[!{byte}]"),
                4 => format!("[a-{byte}x]"),
                5 => format!("\\{byte}"),
                6 => format!("{{{byte},?}}"),
                7 => format!("{{,x{byte}"),
                8 => format!("[[:lower:]{byte}"),
                _ => format!("[{byte}\\]]"),
            };
            let end = (at + 1 + self.below(2)).min(key.len());
            key.splice(at..end, part.into_bytes());
        }
    }

    fn distort(&mut self, key: &mut Vec<u8>) {
        let slashes: Vec<usize> = (0..key.len()).filter(|at| key[*at] == b'/').collect();
        let at = self.pick(&slashes);
        match self.below(10) {
            0 | 1 => key.insert(at, b'/'),
            2 => key.insert(0, b'/'),
            3 => key.push(b'/'),
            4 => drop(key.splice(at..at, *b"/.")),
            5 => drop(key.splice(at..at, *b"/netfilter/..")),
            6 => drop(key.splice(..0, *b"./")),
            7 => drop(key.splice(..0, *b"../sys/")),
            8 => drop(key.splice(..0, *b"/proc/sys/")),
            _ => key[at] = self.pick(b"\0\r\xff =#-;,"),
        }
    }
}
