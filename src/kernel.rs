//! Knows the kernels: their settings, how they read a number, their sizes.

pub mod catalog;
pub mod number;
pub mod release;
pub mod settings;
