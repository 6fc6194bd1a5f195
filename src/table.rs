//! Examines the table itself: how full it is (`status`), what fills it and what to set (`diagnose`), and how it changes
//! (`watch`).
//!
//! Nothing here changes the kernel: the proposal of `diagnose` is a request, which `apply` takes. A reading that fails is
//! listed in the answer, and the others are given. `docs/table.md` explains each line.
//!
//! [`model`] defines what is known, [`source`] reads it, [`analysis`] decides what it means, and [`view`] renders that.
//! [`gather`] puts them together for `status` and `diagnose`, [`offline`] for saved files, [`collect`] saves them, `watch` for `watch`.

pub mod analysis;
pub mod collect;
pub mod gather;
pub mod model;
pub mod offline;
pub mod source;
pub mod view;
#[cfg(feature = "commands")]
pub mod watch;
