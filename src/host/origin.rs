//! Reads the machine and the moment of a run.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::origin::Origin;
use crate::text::utc;

/// The origin of a report about a run that begins now, for the request with the hash `request`.
#[must_use]
pub fn origin(request: Option<String>) -> Origin {
    let system = rustix::system::uname();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Origin {
        host: system.nodename().to_string_lossy().into_owned(),
        time: utc(i64::try_from(seconds).unwrap_or(i64::MAX)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: system.release().to_string_lossy().into_owned(),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned()),
        request,
    }
}
