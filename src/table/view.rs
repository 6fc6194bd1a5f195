//! Renders what the analysis found.

pub mod diagnosis;
pub mod prometheus;
pub mod screen;
pub mod status;
pub mod terminal;
