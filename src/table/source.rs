//! Reads the table, its counters and the log: from the kernel, or from saved files.

pub mod evidence;
pub mod lines;
pub mod log;
pub mod netlink;
pub mod netns;
pub mod presence;
pub mod proc;
pub mod saved;
