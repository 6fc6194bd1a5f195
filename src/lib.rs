//! Keeps the kernel's connection tracking sysctls as desired, live now and after the next boot.
#![deny(missing_docs)]

pub mod catalog;
pub mod snapshot;
pub mod tree;
