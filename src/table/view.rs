//! Renders the values of the analysis. Each value lists its outputs and its exit code here; a new output is a file and a
//! row.

pub mod diagnosis;
pub mod json;
#[cfg(feature = "commands")]
pub mod live;
pub mod look;
pub mod losses;
pub mod notrack;
mod offline;
pub mod places;
pub mod prometheus;
pub mod status;
#[cfg(feature = "commands")]
pub mod terminal;
pub mod unread;
pub mod words;

use crate::answer::{Exit, JSON, Output, Printed};
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::look::Look;
use crate::table::analysis::status::{AlertLevel, Status};

impl Printed for Status {
    const OUTPUTS: &'static [Output<Status>] = &[
        Output { name: JSON, help: "JSON, one object", render: json::status },
        Output::text(status::text),
        Output { name: "prometheus", help: "Prometheus' text format", render: prometheus::metrics },
    ];
}

impl Status {
    /// The exit code: that of a monitoring plugin if thresholds are given.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.alert {
            Some(alert) => alert.level.exit(),
            None if self.is_loaded && self.count.is_none() && self.limit.is_none() => Exit::CouldNotTell,
            None => Exit::Done,
        }
    }
}

impl AlertLevel {
    /// The exit code of a monitoring plugin.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            AlertLevel::Ok => Exit::Ok,
            AlertLevel::Warning => Exit::Warning,
            AlertLevel::Critical => Exit::Critical,
            AlertLevel::Unknown => Exit::Unknown,
        }
    }
}

impl Printed for Diagnosis {
    const OUTPUTS: &'static [Output<Diagnosis>] = &[
        Output { name: JSON, help: "JSON, one object", render: json::diagnosis },
        Output::text(diagnosis::text),
        Output { name: "request", help: "A request that `apply` takes", render: json::request },
    ];
}

impl Diagnosis {
    /// The exit code, which does not depend on the verdict.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.status.is_loaded && self.profile.is_none() && self.status.count.is_none() {
            Exit::CouldNotTell
        } else {
            Exit::Done
        }
    }
}

impl Printed for Look {
    const OUTPUTS: &'static [Output<Look>] = &[
        Output { name: JSON, help: "JSON, one object on each line", render: look::json_line },
        Output::text(look::line),
    ];
}
