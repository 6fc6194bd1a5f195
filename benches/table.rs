//! Measures the cost of `status` and `diagnose` beside the tools that a user would pick instead, as ratios within one
//! run, on real entries of the real kernel in a network namespace of its own. Needs root.
//!
//! Each measure is the median of whole processes, the contenders taking turns: the wall time, and the processor time of
//! all processes of a pipe together, which other work on the machine disturbs less. The limit of the machine is raised
//! for the largest table, and put back. `PACKAGED=$(packaging/static) cargo bench --bench table [-- ENTRIES...]`; without the
//! variable, `status` is only measured as cargo builds it.
//!
//! The other tools are those of Debian's packages conntrack, nftables, iproute2, mawk and python3.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_conntrack-sysctl");
/// Names the variable with the static binary of the packages (`packaging/static` prints its path). It starts faster.
const PACKAGED: &str = "PACKAGED";
const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// Fewer rounds of what takes seconds.
fn rounds(size: u64) -> usize {
    if size > 200_000 { 3 } else { 7 }
}

/// The programs that it needs, which the packages above have.
const PROGRAMS: [&str; 6] = ["conntrack", "nft", "ip", "mawk", "python3", "nsenter"];

/// The runs that are timed together of what takes milliseconds, which is about the precision of the shell's clock.
const REPEATED: u32 = 50;

/// Makes a tracked network, and keeps it until its input ends.
const SETUP: &str = "
set -e
ip link set lo up
nft add table inet t
nft add chain inet t c '{ type filter hook output priority 0; }'
nft add rule inet t c ct state new
sysctl -qw net.netfilter.nf_conntrack_udp_timeout=86400
echo ready
exec cat
";

/// Puts the limit back, whatever happens. One run at a time changes it.
struct Limit {
    before: String,
    _lock: File,
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::write(LIMIT, &self.before);
    }
}

fn main() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED the benchmark of the table: needs root");
        return;
    }
    let is_missing = |program: &&&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
        !found.is_ok_and(|status| status.success())
    };
    let missing: Vec<&&str> = PROGRAMS.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        println!("SKIPPED the benchmark of the table: {missing:?} must be installed");
        return;
    }
    let given: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if given.is_empty() { SIZES.to_vec() } else { given };
    let lock = File::create("/run/lock/conntrack-sysctl-tests.lock").expect("the lock can be made");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("the lock can be taken");
    let limit = Limit { before: std::fs::read_to_string(LIMIT).expect("there is a limit"), _lock: lock };
    let largest = sizes.iter().max().copied().unwrap_or(0) + 1000;
    if limit.before.trim().parse::<u64>().is_ok_and(|before| before < largest) {
        std::fs::write(LIMIT, largest.to_string()).expect("the limit can be raised");
    }
    for size in sizes {
        let network = Network::new();
        network.fill(size);
        measure(&network, size);
    }
    drop(limit);
}

/// The wall time and the processor time of a command, in seconds.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn measure(network: &Network, size: u64) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let saved = |name: &str| directory.path().join(name).display().to_string();
    let (listed, extended, file) = (saved("listed"), saved("extended"), saved("file"));
    network.sh(&format!("conntrack -L >{listed} 2>/dev/null; conntrack -L -o extended >{extended} 2>/dev/null"));
    network.sh(&format!("cat /proc/net/nf_conntrack >{file}"));
    let from = |path: &str| format!("{BINARY} diagnose --from {path} --output json >/dev/null");
    let words = |path: &str| format!("mawk '{{c[$3]++}}' {path}");
    let often = |command: &str| format!("for i in $(seq {REPEATED}); do {command} >/dev/null; done");
    let packaged = std::env::var(PACKAGED).ok();
    let mut commands = vec![
        often(&format!("{BINARY} status")),
        often("{ conntrack -C && conntrack -S; }"),
        format!("{BINARY} diagnose --interval 0 --output json >/dev/null"),
        format!("{BINARY} diagnose --interval 0 --all --output json >/dev/null"),
        "conntrack -L 2>/dev/null | wc -l >/dev/null".to_owned(),
        "wc -l /proc/net/nf_conntrack >/dev/null".to_owned(),
        "conntrack -L 2>/dev/null | grep -o 'src=[^ ]*' | sort | uniq -c | sort -rn | head >/dev/null".to_owned(),
        from(&listed),
        words(&listed),
        from(&extended),
        words(&extended),
        from(&file),
        words(&file),
    ];
    commands.extend(packaged.map(|binary| often(&format!("{binary} status"))));
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); commands.len()];
    for _ in 0..rounds(size) {
        for (command, costs) in commands.iter().zip(&mut costs) {
            costs.push(network.cost(command));
        }
    }
    let costs: Vec<Cost> = costs.iter().map(|costs| median(costs)).collect();
    println!("\n{size} entries, median of {} rounds", rounds(size));
    println!("  {:<30} {:>10} {:>10}   wall / cpu", "", "wall", "cpu");
    let rows = [
        ("status, 50 times", 0, 1, "`conntrack -C` and `-S`"),
        ("status as packaged, 50 times", 13, 1, "`conntrack -C` and `-S`"),
        ("diagnose (a sample)", 2, 4, "`conntrack -L | wc -l`"),
        ("diagnose --all", 3, 5, "`wc -l /proc/net/nf_conntrack`"),
        ("diagnose --all", 3, 4, "`conntrack -L | wc -l`"),
        ("top sources in a shell", 6, 4, "`conntrack -L | wc -l`"),
        ("conntrack -L | wc -l", 4, 4, "itself"),
        ("--from a `conntrack -L`", 7, 8, "mawk '{c[$3]++}'"),
        ("--from one with -o extended", 9, 10, "mawk '{c[$3]++}'"),
        ("--from /proc/net/nf_conntrack", 11, 12, "mawk '{c[$3]++}'"),
    ];
    for (name, own, other, contender) in rows {
        // The packaged binary is measured only if it is named.
        if let Some(cost) = costs.get(own) {
            row(name, *cost, costs[other], contender);
        }
    }
    let memory = ["", "--all"].map(|arguments| network.peak_memory(arguments));
    println!("  peak memory: diagnose {} KiB, diagnose --all {} KiB", memory[0], memory[1]);
}

fn row(name: &str, cost: Cost, of: Cost, contender: &str) {
    let (wall, cpu) = (cost.wall / of.wall, cost.cpu / of.cpu.max(0.001));
    println!(
        "  {name:<30} {:>7.0} ms {:>7.0} ms   {wall:.2} / {cpu:.2} times {contender}",
        cost.wall * 1e3,
        cost.cpu * 1e3
    );
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |pick: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost { wall: middle(|cost| cost.wall), cpu: middle(|cost| cost.cpu) }
}

/// A network namespace whose table is filled. It ends when this is dropped.
struct Network {
    holder: Child,
}

impl Network {
    fn new() -> Network {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SETUP]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare starts");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("it has a standard output");
        BufReader::new(stdout).read_line(&mut line).expect("it prints a line");
        assert_eq!(line, "ready\n", "the namespace could not be set up");
        Network { holder }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--net", "sh", "-c", script]);
        command
    }

    /// The cost of `script`, as bash times it, without the way into the namespace.
    fn cost(&self, script: &str) -> Cost {
        let timed = format!("exec bash -c 'TIMEFORMAT=\"%R %U %S\"; time {}'", script.replace('\'', "'\\''"));
        let output = self.command(&timed).output().expect("nsenter starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let numbers: Vec<f64> =
            text.lines().last().unwrap_or("").split(' ').filter_map(|word| word.parse().ok()).collect();
        let [wall, user, system] = numbers[..] else { panic!("{script}: {text}") };
        assert!(output.status.success(), "{script}: {text}");
        Cost { wall, cpu: user + system }
    }

    fn sh(&self, script: &str) {
        let status = self.command(script).status().expect("nsenter starts");
        assert!(status.success(), "{script}");
    }

    /// Makes `size` entries: a packet from each of many addresses to each of 50,000 ports.
    fn fill(&self, size: u64) {
        let script = format!(
            "python3 -c \"
import socket
left = {size}
number = 0
while left > 0:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.1.%d.%d' % divmod(number, 250), 0))
    for port in range(1, min(left, 50000) + 1):
        try: s.sendto(b'x', ('127.0.0.1', port))
        except OSError: pass
    left -= 50000
    number += 1
    s.close()
\""
        );
        self.sh(&script);
        let output = self.command("conntrack -C").output().expect("conntrack runs");
        let count = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().unwrap_or(0);
        assert_eq!(count, size, "the table does not hold what it should");
    }

    /// The most memory that a diagnosis has had, in KiB: read while it still waits for its interval to end.
    fn peak_memory(&self, arguments: &str) -> u64 {
        let script = format!("exec {BINARY} diagnose --interval 30 --output json {arguments} >/dev/null");
        let mut child = self.command(&script).spawn().expect("nsenter starts");
        let read = |field: &str| {
            let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().trim().to_owned();
            line.trim_end_matches(" kB").to_owned()
        };
        let mut peak = 0;
        let start = Instant::now();
        // Asleep for a whole second: the table has been read.
        let mut asleep = 0;
        while start.elapsed() < Duration::from_secs(25) && asleep < 10 {
            std::thread::sleep(Duration::from_millis(100));
            asleep = if read("State:").starts_with('S') { asleep + 1 } else { 0 };
            peak = peak.max(read("VmHWM:").parse().unwrap_or(0));
        }
        let _ = child.kill();
        let _ = child.wait();
        peak
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
