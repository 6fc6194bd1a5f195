//! Describes the kernels: their settings, how they read a number, their sizes.

pub mod bounds;
pub mod catalog;
pub mod modules;
mod names;
pub mod number;
pub mod pages;
pub mod quirks;
pub mod release;
mod setting;
mod settings;
pub mod sizes;
