//! Runs the machine's own program that makes an initrd.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::root::Root;
use crate::tree::Moment;

/// The directories of root's programs: Ansible and cron may give a PATH without them.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The part of a program's messages that an error keeps: the end, where the cause is.
const LONGEST_MESSAGE: usize = 500;

/// When the initrd at `path` was made, if it exists.
#[must_use]
pub fn initrd_made(root: &Root, path: &Path) -> Option<Moment> {
    root.moments(path).first().map(|(_, moment)| *moment)
}

/// Runs `command`, which makes an initrd, and waits for its end. The error tells its last messages.
pub fn make_initrd(command: &[String]) -> io::Result<()> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let output = Command::new(program).args(arguments).env("PATH", PATH).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let message = message.trim();
    let start = message.char_indices().rev().nth(LONGEST_MESSAGE).map_or(0, |(start, _)| start);
    Err(io::Error::other(format!("{}: {}", output.status, &message[start..])))
}
