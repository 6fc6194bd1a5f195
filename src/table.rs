//! The table itself: how full it is (`status`), what fills it and what to do (`diagnose`), and how it moves (`watch`).
//!
//! The kernel is read here and never changed: what `diagnose` proposes is a request, which `apply` takes. What cannot
//! be read is listed in the answer, and the rest is given. `docs/table.md` tells what each line means.

pub mod counters;
pub mod ctnetlink;
pub mod entry;
pub mod kernel_log;
pub mod lines;
pub mod log_reader;
pub mod prometheus;
pub mod reading;
pub mod socket;
pub mod status;
pub mod status_text;
pub mod time;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::cli::{Answer, FAILED, OK, json};
use crate::host::restraint;
use kernel_log::Log;
use reading::Unread;

/// The forms that the commands of this module can answer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for people.
    Text,
    /// One JSON object.
    Json,
    /// Prometheus' text format.
    Prometheus,
    /// A request that `apply` takes.
    Request,
}

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Look twice, so many seconds apart, and say what changed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<f64>,
    /// The fill in percent that is a warning: the exit code is then that of a monitoring plugin (0 ok, 1 warning, 2
    /// critical, 3 unknown).
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    warn: Option<f64>,
    /// The fill in percent that is critical.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    crit: Option<f64>,
    /// A saved log to search for messages of a full table, instead of the kernel's own: dmesg, syslog, journalctl.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// A number of seconds that a person would wait.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds from 0 to 86400".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(share) if (0.0..=100.0).contains(&share) => Ok(share),
        _ => Err("it is a number of percent from 0 to 100".to_owned()),
    }
}

/// The thresholds where only one of them is given: those that most plugins have.
const THRESHOLDS: (f64, f64) = (75.0, 90.0);

/// Answers `status`.
#[must_use]
pub fn status(arguments: &StatusArgs, form: Form) -> Answer {
    if form == Form::Request {
        return refusal("`status` has no request to make; `diagnose` has");
    }
    let mut unread = Vec::new();
    // Before the restraint: Landlock also bars a process from looking at processes outside of its own domain.
    let namespaces = reading::namespaces(&mut unread);
    restraint::only_look();
    let before = arguments.interval.map(|seconds| {
        let before = reading::read();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        before
    });
    let reading = reading::read();
    let mut status = status::status(now(), &reading, before.as_ref(), &reading::sizes());
    status.unread.extend(unread);
    status.log = log(arguments.log.as_deref(), &mut status.unread);
    status.namespaces = namespaces;
    if arguments.warn.is_some() || arguments.crit.is_some() {
        let (warn, crit) = (arguments.warn.unwrap_or(THRESHOLDS.0), arguments.crit.unwrap_or(THRESHOLDS.1));
        status.level = Some(status::judge(&status, warn, crit));
    }
    let code = match &status.level {
        Some(judged) => judged.level.code(),
        None if status.count.is_none() && status.limit.is_none() => FAILED,
        None => OK,
    };
    let text = match form {
        Form::Text => status_text::text(&status),
        Form::Prometheus => prometheus::metrics(&status),
        Form::Json | Form::Request => json(&status),
    };
    Answer { text, code }
}

/// The messages in the log at `path`, or in the kernel's.
fn log(path: Option<&std::path::Path>, unread: &mut Vec<Unread>) -> Option<Log> {
    let (name, read) = match path {
        Some(path) => (path.display().to_string(), log_reader::file(path)),
        None => ("/dev/kmsg".to_owned(), log_reader::kernel()),
    };
    read.map_err(|error| unread.push(Unread::new("the kernel's messages", format!("`{name}`: {error}")))).ok()
}

/// The present time in UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    time::utc(i64::try_from(since).unwrap_or(i64::MAX))
}

fn refusal(why: &str) -> Answer {
    eprintln!("conntrack-sysctl: {why}");
    Answer { text: String::new(), code: FAILED }
}
