//! What a check costs beside the tools that a user would pick instead, as ratios within one run.
//!
//! Each measure is the median wall time of whole processes, the contenders taking turns, so that whatever else the
//! machine does meets them alike. `cargo bench --bench check`

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ten settings that every kernel of today has in every network namespace.
const SETTINGS: [&str; 10] = [
    "acct",
    "checksum",
    "generic_timeout",
    "icmp_timeout",
    "tcp_loose",
    "tcp_timeout_close_wait",
    "tcp_timeout_established",
    "tcp_timeout_time_wait",
    "udp_timeout",
    "udp_timeout_stream",
];
const ROUNDS: usize = 100;

fn main() {
    let keys: Vec<String> = SETTINGS.iter().map(|name| format!("net.netfilter.nf_conntrack_{name}")).collect();
    let values = keys.iter().map(|key| {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        let value = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        format!("\"{key}\": {}", value.trim())
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let both = format!("{{\"settings\": {{{values}}}}}");
    let live = format!("{{\"persist\": false, \"settings\": {{{values}}}}}");

    let mut check = Vec::new();
    let mut check_live = Vec::new();
    let mut ten = Vec::new();
    let mut one = Vec::new();
    for _ in 0..ROUNDS {
        check.push(timed(|| checked(&both)));
        check_live.push(timed(|| checked(&live)));
        ten.push(timed(|| keys.iter().for_each(|key| sysctl(std::slice::from_ref(key)))));
        one.push(timed(|| sysctl(&keys)));
    }
    let [check, check_live, ten, one] = [check, check_live, ten, one].map(median);
    println!("ten settings, median of {ROUNDS} rounds");
    row("check (live and boot)", check, ten);
    row("check (live only)", check_live, ten);
    row("ten `sysctl -n KEY`", ten, ten);
    row("one `sysctl -n KEY...`", one, ten);
}

fn row(name: &str, time: Duration, of: Duration) {
    let ratio = time.as_secs_f64() / of.as_secs_f64();
    println!("{name:<24} {:>8.2} ms   {ratio:.2} times ten `sysctl -n`", time.as_secs_f64() * 1e3);
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn checked(request: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conntrack-sysctl"))
        .args(["check", "--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("it has a standard input").write_all(request.as_bytes()).expect("it reads");
    let status = child.wait().expect("it ends");
    // In sync, or the boot side differs: this machine's files are not the benchmark's to change.
    assert!(matches!(status.code(), Some(0 | 2)), "{status}");
}

fn sysctl(keys: &[String]) {
    let status = Command::new("sysctl").arg("-n").args(keys).stdout(Stdio::null()).status().expect("sysctl starts");
    assert!(status.success());
}
