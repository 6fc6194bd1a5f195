//! Keeps the kernel's connection tracking sysctls as desired, live now and after the next boot.
//!
//! A run goes one way:
//!
//! ```text
//! request (JSON) -> Desired -> Snapshot -> Plan -> apply -> Snapshot -> verify -> Report (JSON)
//! ```
//!
//! [`request`] validates what a user asks for, [`snapshot`] describes a machine, and [`plan`] computes every change.
//! [`apply`] carries the plan out, [`verify`] compares desired, live and boot, and [`report`] has the result. [`run`]
//! puts these stages together. All of them are pure except [`apply`] and [`host`], which observes the machine. The core
//! is the prediction of the next boot: [`sysctl_d`] reads sysctl files as the loaders do, and [`boot`] plays a boot
//! through.
//!
//! The entry points are [`cli`], [`ansible`](clients::ansible) and [`dsc`](clients::dsc). [`table`] is a separate,
//! read-only subsystem.
//!
//! Programs that use the library need five names, which stand here and stay: [`Desired`], [`check`], [`apply`], [`Report`] and
//! [`Failure`]. A call gives up rights of its thread for good; `docs/rust.md` says which, and has more examples.
//!
//! ```
//! use std::path::Path;
//! use conntrack_sysctl::{Desired, check};
//!
//! let desired: Desired = r#"{"settings": {"nf_conntrack_tcp_timeout_established": "8h"}}"#.parse()?;
//! let image = Path::new("tests/cases/requests/story-on-a-fresh-host/root");
//! let report = check(&desired, image);
//! assert!(!report.in_sync);
//! assert_eq!(report.settings[0].desired.value, Some(28800));
//! assert_eq!(report.settings[0].boot.before, None);
//! # Ok::<(), conntrack_sysctl::Failure>(())
//! ```
#![deny(missing_docs)]
// These macros panic if the stream is full or closed; the functions in `cli` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod answer;
pub mod apply;
pub mod boot;
pub mod cli;
pub mod clients;
pub mod exposition;
pub mod failure;
pub mod formats;
pub mod host;
pub mod kernel;
pub mod order;
pub mod origin;
pub mod plan;
pub mod promise;
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

pub use failure::Failure;
pub use report::Report;
pub use request::Desired;
pub use run::{apply, check};

/// The examples of the page are tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust.md")]
struct Page;
