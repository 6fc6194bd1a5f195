//! Defines what is known of the table, without how it came to be known.

pub mod counters;
pub mod entry;
