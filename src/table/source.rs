//! Reads the table, its counters and the log: from the kernel, or from what somebody saved.

pub mod lines;
pub mod log;
pub mod netlink;
pub mod proc;
pub mod saved;
