//! Defines what is known of the table, whatever it was read from.

pub mod counters;
pub mod entry;
pub mod log;
pub mod reading;
