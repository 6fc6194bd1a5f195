//! The table itself: how full it is (`status`), what fills it and what to do (`diagnose`), and how it moves (`watch`).
//!
//! The kernel is read here and never changed: what `diagnose` proposes is a request, which `apply` takes. What cannot
//! be read is listed in the answer, and the rest is given. `docs/table.md` tells what each line means.

pub mod analysis;
pub mod gather;
pub mod model;
pub mod source;
pub mod view;
pub mod watch;
