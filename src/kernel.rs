//! Knows the kernels: their settings, how they read a number, their sizes.

pub mod catalog;
pub mod modules;
pub mod number;
pub mod quirks;
pub mod release;
pub mod settings;
pub mod sizes;
