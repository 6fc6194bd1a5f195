//! Keeps the kernel's connection tracking sysctls as desired, live now and after the next boot.
//!
//! A run goes one way:
//!
//! ```text
//! request (JSON) -> Desired -> Snapshot -> Plan -> apply -> Snapshot -> verify -> Report (JSON)
//! ```
//!
//! [`request`] says what a user means, [`snapshot`] what a machine is, [`plan`] what has to change. [`apply`] obeys,
//! [`verify`] judges, [`report`] tells; [`run`] puts them together. Of these stages, all but [`host`] and [`apply`] are
//! pure. What the next boot makes of the files is the heart of it: [`sysctl_d`] knows what the loaders read and write,
//! [`boot`] plays a boot through. The entry points are [`cli`], [`ansible`] and [`dsc`]. [`table`] is a separate, read-only
//! subsystem.
//!
//! ```
//! use std::path::Path;
//! use conntrack_sysctl::{request, run};
//!
//! let desired = request::from_slice(br#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}}"#)?;
//! let image = Path::new("tests/cases/requests/story-on-a-fresh-host/root");
//! let report = run::check(&desired, image);
//! assert!(!report.in_sync);
//! assert_eq!(report.settings[0].desired.value, Some(28800));
//! assert_eq!(report.settings[0].boot.before, None);
//! # Ok::<(), conntrack_sysctl::failure::Failure>(())
//! ```
#![deny(missing_docs)]
// They panic where the stream is full or gone; `cli` has the ways that do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod answer;
pub mod apply;
pub mod boot;
pub mod cli;
pub mod clients;
pub mod failure;
pub mod formats;
pub mod host;
pub mod kernel;
pub mod plan;
pub mod report;
pub mod request;
pub mod run;
pub mod schema;
pub mod show;
pub mod snapshot;
pub mod summarize;
pub mod sysctl_d;
pub mod table;
pub mod text;
pub mod tree;
pub mod value;
pub mod verify;
pub mod warning;
