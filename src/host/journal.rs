//! Reads the messages of this boot from systemd's journal.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::promise::{FIELDS, Message};

/// The most bytes that are read, and the most messages that are kept: a boot has some hundred about anything.
const MOST_BYTES: u64 = 64 << 20;
const MOST_MESSAGES: usize = 200;

/// The messages of this boot about connection tracking. There are none on a machine without the journal.
#[must_use]
pub fn messages() -> Vec<Message> {
    let program = ["/usr/bin/journalctl", "/bin/journalctl"].into_iter().find(|program| Path::new(program).exists());
    let fields = format!("--output-fields={FIELDS}");
    let started = program.and_then(|program| {
        let mut command = Command::new(program);
        command.args(["--boot", "--quiet", "--no-pager", "--output=json", &fields]);
        // Opened for reading: this process may have given up the right to open it for writing, as `Stdio::null` would.
        let nothing = File::open("/dev/null").ok()?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(nothing).spawn().ok()
    });
    let Some(mut journal) = started else { return Vec::new() };
    let mut messages = Vec::new();
    if let Some(stdout) = journal.stdout.take() {
        let mut rest = BufReader::new(stdout.take(MOST_BYTES));
        let mut line = Vec::new();
        while messages.len() < MOST_MESSAGES && rest.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            messages.extend(Message::parse(&line));
            line.clear();
        }
    }
    // It may have more to say than was read.
    let _ = journal.kill();
    let _ = journal.wait();
    messages
}
