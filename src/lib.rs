//! Keeps the kernel's connection tracking sysctls as desired, live now and after the next boot.
#![deny(missing_docs)]

pub mod catalog;
pub mod failure;
pub mod request;
pub mod snapshot;
pub mod sysctl_d;
pub mod tree;
pub mod value;
