//! Renders the findings of the analysis. Each value lists its outputs here; a new output is a file and a row.

pub mod diagnosis;
pub mod json;
pub mod prometheus;
pub mod screen;
pub mod status;
pub mod terminal;
pub mod words;

use super::analysis::diagnosis::Diagnosis;
use super::analysis::look::Look;
use super::analysis::status::Status;
use crate::answer::{JSON, Output, Printed};

impl Printed for Status {
    const OUTPUTS: &'static [Output<Status>] = &[
        Output { name: JSON, help: "JSON, one object", render: json::status },
        Output::text(status::text),
        Output { name: "prometheus", help: "Prometheus' text format", render: prometheus::metrics },
    ];
}

impl Printed for Diagnosis {
    const OUTPUTS: &'static [Output<Diagnosis>] = &[
        Output { name: JSON, help: "JSON, one object", render: json::diagnosis },
        Output::text(diagnosis::text),
        Output { name: "request", help: "A request that `apply` takes", render: json::request },
    ];
}

impl Printed for Look {
    const OUTPUTS: &'static [Output<Look>] = &[
        Output { name: JSON, help: "JSON, one object on each line", render: screen::json_line },
        Output::text(screen::line),
    ];
}
