//! Runs every test of the project in parts, side by side, and counts what passed. `tests/all` starts it, as root.
//!
//!     cargo test --test parts                every part
//!     cargo test --test parts -- quick       without the parts that take longest
//!     cargo test --test parts -- salt dsc    these parts, and those that come before them
//!
//! The output of a part goes to a log of its own, which is shown if the part fails. The last line is `N passed, M failed`.

mod counts;
mod lanes;
mod rows;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use counts::Counts;
use rows::Part;

/// How a part ended.
struct Ended {
    part: &'static Part,
    counts: Counts,
    took: Duration,
}

/// The state that the lanes share.
#[derive(Default)]
struct Work {
    waiting: Vec<&'static Part>,
    running: Vec<&'static Part>,
    ended: Vec<Ended>,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let chosen = match rows::chosen(&words) {
        Ok(parts) => parts,
        Err(refusal) => {
            eprintln!("tests/all: {refusal}");
            return ExitCode::from(2);
        }
    };
    // One processor too: parts that wait for the network leave it to others.
    let lanes = thread::available_parallelism().map_or(2, usize::from).max(2);
    let expected = Duration::from_secs(lanes::expected(&chosen, lanes).into());
    println!("{} parts, {lanes} at a time: about {} with nothing built", chosen.len(), length(expected));
    println!("The log of a part is in {}.\n", logs().display());
    println!("{:11} {:>8}  what it does", "part", "expected");
    for part in &chosen {
        println!("{:11} {:>8}  {}", part.name, length(Duration::from_secs(part.seconds.into())), part.about);
    }
    println!();

    let began = Instant::now();
    let ended = run(chosen, lanes, began);
    println!("\n{:11} {:>8} {:>8} {:>7} {:>7}", "part", "expected", "took", "passed", "failed");
    let mut total = Counts::default();
    for Ended { part, counts, took } in &ended {
        let expected = length(Duration::from_secs(part.seconds.into()));
        let Counts { passed, failed } = counts;
        println!("{:11} {expected:>8} {:>8} {passed:>7} {failed:>7}", part.name, length(*took));
        total += *counts;
    }
    println!("{:11} {:>8} {:>8}\n", "all", length(expected), length(began.elapsed()));
    for ended in ended.iter().filter(|ended| ended.counts.failed > 0) {
        show_failure(ended.part);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the parts, so many at a time, and prints a line as each ends.
fn run(parts: Vec<&'static Part>, lanes: usize, began: Instant) -> Vec<Ended> {
    let work = Mutex::new(Work { waiting: parts, ..Work::default() });
    let changed = Condvar::new();
    let lane = || {
        let mut held = work.lock().expect("no lane panics");
        loop {
            if held.waiting.is_empty() {
                return;
            }
            let Some(next) = lanes::next(&held.waiting, &held.running) else {
                held = changed.wait(held).expect("no lane panics");
                continue;
            };
            let part = held.waiting.remove(next);
            held.running.push(part);
            drop(held);
            let started = Instant::now();
            let counts = run_part(part);
            let ended = Ended { part, counts, took: started.elapsed() };
            let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
            let Counts { passed, failed } = counts;
            let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
            let (at, took) = (length(began.elapsed()), length(ended.took));
            println!("{at:>6}  {verdict:6}  {:11} {took:>6}  {passed} passed{failed}", part.name);
            held = work.lock().expect("no lane panics");
            held.running.retain(|other| other.name != part.name);
            held.ended.push(ended);
            changed.notify_all();
        }
    };
    thread::scope(|scope| (0..lanes).for_each(|_| drop(scope.spawn(lane))));
    work.into_inner().expect("no lane panics").ended
}

/// Runs one part to its end, with its output in its log.
fn run_part(part: &Part) -> Counts {
    let started = || -> io::Result<bool> {
        fs::create_dir_all(logs())?;
        let log = File::create(log_of(part))?;
        let mut command = Command::new("sh");
        command.args(["-ec", part.command]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Cargo's variables describe this program, and not the programs that a part builds.
        let of_cargo = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(of_cargo) {
                command.env_remove(name);
            }
        }
        Ok(command.status()?.success())
    };
    let succeeded = started().unwrap_or_else(|error| {
        eprintln!("{}: {error}", part.name);
        false
    });
    let log = fs::read(log_of(part)).unwrap_or_default();
    counts::of(&String::from_utf8_lossy(&log), part.counted, succeeded)
}

/// Prints the failed checks of a part and the end of its log.
fn show_failure(part: &Part) {
    const LINES: usize = 200;
    let log = fs::read(log_of(part)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    println!("== {} failed; the end of {}:", part.name, log_of(part).display());
    let (before, end) = lines.split_at(lines.len().saturating_sub(LINES));
    before.iter().filter(|line| counts::is_failure(line)).for_each(|line| println!("{line}"));
    for line in end {
        println!("{line}");
    }
    println!();
}

/// The directory of the logs.
fn logs() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from).join("tests")
}

fn log_of(part: &Part) -> PathBuf {
    logs().join(part.name).with_extension("log")
}

/// Minutes and seconds.
fn length(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}
