//! Keeps the kernel's connection tracking sysctls as desired, live now and after the next boot.
#![deny(missing_docs)]

pub mod apply;
pub mod boot;
pub mod catalog;
pub mod cli;
pub mod failure;
pub mod host;
pub mod kernel_reading;
pub mod markup;
pub mod plan;
pub mod report;
pub mod request;
pub mod run;
pub mod schema;
pub mod show;
pub mod snapshot;
pub mod summarize;
pub mod sysctl_d;
pub mod tree;
pub mod value;
pub mod verify;
pub mod warning;
