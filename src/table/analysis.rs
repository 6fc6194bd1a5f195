//! Decides what the readings mean. Pure.

pub mod diagnosis;
pub mod heavy;
pub mod losses;
pub mod profile;
pub mod proposal;
pub mod status;
