//! Renders the findings of the analysis. Each value lists its outputs here; a new output is a file and a row.

pub mod diagnosis;
pub mod prometheus;
pub mod screen;
pub mod status;
pub mod terminal;

use super::analysis::diagnosis::Diagnosis;
use super::analysis::status::Status;
use crate::answer::{JSON, Output, Printed};
use screen::Look;

impl Printed for Status {
    const OUTPUTS: &'static [Output<Status>] = &[
        Output::JSON,
        Output::text(status::text),
        Output { name: "prometheus", help: "Prometheus' text format", render: prometheus::metrics },
    ];
}

impl Printed for Diagnosis {
    const OUTPUTS: &'static [Output<Diagnosis>] = &[
        Output::JSON,
        Output::text(diagnosis::text),
        Output { name: "request", help: "A request that `apply` takes", render: diagnosis::request },
    ];
}

impl Printed for Look {
    const OUTPUTS: &'static [Output<Look>] = &[
        Output { name: JSON, help: "JSON, one object on each line", render: screen::json_line },
        Output::text(screen::line),
    ];
}
