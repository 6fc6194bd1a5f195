//! Decides what the readings mean. No I/O: values in, values out.

pub mod diagnosis;
pub mod gap;
pub mod heavy;
pub mod idleness;
mod kinds;
pub mod look;
pub mod loss;
pub mod losses;
pub mod namespaces;
pub mod ports;
pub mod profile;
pub mod proposal;
pub mod status;
pub mod tally;
pub mod unanswered;
pub mod untracked;
