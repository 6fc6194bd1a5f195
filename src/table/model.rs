//! Defines the facts about the table, independent of their source.

pub mod counters;
pub mod entry;
pub mod folding;
pub mod log;
pub mod reading;
