//! Runs ethtool(8), which asks the driver of an interface for the counters that only this driver has.
//!
//! The kernel gives them by ioctl alone, which takes unsafe code (docs/dependencies.md).

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The places of the program. A monitoring system may give a PATH without the directories of root's programs.
const PROGRAMS: [&str; 4] = ["/usr/sbin/ethtool", "/sbin/ethtool", "/usr/bin/ethtool", "/usr/local/sbin/ethtool"];

/// The output of `ethtool -S INTERFACE`. The error says that the program is missing, or what it says.
pub fn statistics(interface: &str) -> io::Result<String> {
    let program = PROGRAMS.into_iter().find(|program| Path::new(program).exists());
    let program = program.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no ethtool"))?;
    let output = Command::new(program).args(["-S", interface]).env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!("ethtool: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
