//! Measures the cost of a check beside the tools that a user would pick instead, as ratios within one run.
//!
//! Each time is the median wall time of whole processes, the contenders taking turns, so that whatever else the
//! machine does meets them alike. The system calls are counted by strace(1). `cargo bench --bench check` needs sysctl(8)
//! of procps, strace, and a kernel with connection tracking.

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
    let both = request(&keys);
    let live = both.replacen('{', "{\"persist\": false, ", 1);

    let mut check = Vec::new();
    let mut check_live = Vec::new();
    let mut ten = Vec::new();
    let mut one = Vec::new();
    for _ in 0..ROUNDS {
        check.push(timed(|| checked(&both, &[])));
        check_live.push(timed(|| checked(&live, &[])));
        ten.push(timed(|| keys.iter().for_each(|key| sysctl(std::slice::from_ref(key)))));
        one.push(timed(|| sysctl(&keys)));
    }
    let [check, check_live, ten, one] = [check, check_live, ten, one].map(median);
    println!("ten settings, median of {ROUNDS} rounds");
    row("check (live and boot)", check, one, ten);
    row("check (live only)", check_live, one, ten);
    row("ten `sysctl -n KEY`", ten, one, ten);
    row("one `sysctl -n KEY...`", one, one, ten);
    system_calls(&both, &keys);
    all_settings();
    growth();
}

/// A check of all settings that can be set, beside a `sysctl -n` of each and one of all.
fn all_settings() {
    let items = std::fs::read_dir("/proc/sys/net/netfilter").expect("there is connection tracking");
    let names = items.flatten().map(|item| item.file_name().to_string_lossy().into_owned());
    let mut keys: Vec<String> = names
        .filter(|name| name.starts_with("nf_conntrack_") && name != "nf_conntrack_count")
        .map(|name| format!("net.netfilter.{name}"))
        .collect();
    keys.sort();
    let request = request(&keys);
    let (mut check, mut each, mut one) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS / 2 {
        check.push(timed(|| checked(&request, &[])));
        each.push(timed(|| keys.iter().for_each(|key| sysctl(std::slice::from_ref(key)))));
        one.push(timed(|| sysctl(&keys)));
    }
    let [check, each, one] = [check, each, one].map(median);
    println!("\nall {} settings, median of {} rounds", keys.len(), ROUNDS / 2);
    row("check (live and boot)", check, one, each);
    row("a `sysctl -n KEY` each", each, one, each);
    row("one `sysctl -n KEY...`", one, one, each);
    system_calls(&request, &keys);
}

/// The system calls of a check of `request`, beside those of one `sysctl -n` of all keys.
fn system_calls(request: &str, keys: &[String]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
    file.write_all(request.as_bytes()).expect("a file can be written");
    let path = file.path().to_str().expect("a temporary path is text");
    let of_check = traced(&[env!("CARGO_BIN_EXE_conntrack-sysctl"), "check", "--output", "json", path]);
    let of_one = traced(&["sysctl", "-n"].into_iter().chain(keys.iter().map(String::as_str)).collect::<Vec<_>>());
    let ratio = f64::from(of_check) / f64::from(of_one);
    println!("system calls: check {of_check}, one `sysctl -n KEY...` {of_one}, ratio {ratio:.2}");
}

/// The number of the system calls that a command makes.
fn traced(command: &[&str]) -> u32 {
    let counts = tempfile::NamedTempFile::new().expect("a file can be made");
    let options = ["-c", "-f", "-U", "calls,name", "-o"];
    let status = Command::new("strace").args(options).arg(counts.path()).args(command).stdout(Stdio::null()).status();
    let status = status.expect("strace is installed");
    assert!(matches!(status.code(), Some(0 | 2)), "{status}");
    let text = std::fs::read_to_string(counts.path()).expect("strace has written its counts");
    let total = text.lines().rfind(|line| line.trim_end().ends_with("total"));
    let total = total.and_then(|line| line.split_whitespace().next()?.parse().ok());
    total.unwrap_or_else(|| panic!("strace has counted something else: {text}"))
}

/// How a check grows with the number of drop-ins, and with the lines of one: three settings, in an image.
fn growth() {
    println!("\na check of three settings in an image");
    let request = r#"{"conflicts": "warn", "settings": {"nf_conntrack_max": 98000, "nf_conntrack_udp_timeout": 30,
        "nf_conntrack_acct": 1}}"#;
    for (files, lines) in [(1, 2), (10, 2), (100, 2), (1000, 2), (1, 100), (1, 1000), (1, 10_000)] {
        let root = tempfile::tempdir().expect("a directory can be made");
        let directory = root.path().join("etc/sysctl.d");
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        let loader = root.path().join("usr/lib/systemd/systemd-sysctl");
        std::fs::create_dir_all(loader.parent().expect("it is in a directory")).expect("a directory can be made");
        std::fs::write(loader, "").expect("a file can be written");
        for file in 0..files {
            let text: String = (0..lines)
                .map(|line| match line % 2 {
                    0 => format!("net.ipv4.conf.eth{line}.rp_filter = 1\n"),
                    _ => format!("net.netfilter.nf_conntrack_udp_timeout = {}\n", 10 + file),
                })
                .collect();
            std::fs::write(directory.join(format!("{:05}.conf", 10_000 + file)), text).expect("a file can be written");
        }
        let root = root.path().to_str().expect("a temporary path is text").to_owned();
        let times = (0..ROUNDS / 5).map(|_| timed(|| checked(request, &["--root", &root]))).collect();
        println!("{files:>5} files of {lines:>6} lines {:>8.2} ms", median(times).as_secs_f64() * 1e3);
    }
}

/// The request for what the keys are now.
fn request(keys: &[String]) -> String {
    let values = keys.iter().map(|key| {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        let value = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        format!("\"{key}\": {}", value.trim())
    });
    format!("{{\"settings\": {{{}}}}}", values.collect::<Vec<_>>().join(", "))
}

/// A row with the ratios to one `sysctl -n` of all keys, and to a `sysctl -n` of each.
fn row(name: &str, time: Duration, one: Duration, each: Duration) {
    let ratio = |of: Duration| time.as_secs_f64() / of.as_secs_f64();
    let (to_one, to_each) = (ratio(one), ratio(each));
    println!(
        "{name:<24} {:>8.2} ms   {to_one:.2} times one `sysctl -n` of all, {to_each:.2} times one of each",
        time.as_secs_f64() * 1e3
    );
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

fn checked(request: &str, options: &[&str]) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conntrack-sysctl"))
        .args(["check", "--output", "json"])
        .args(options)
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
