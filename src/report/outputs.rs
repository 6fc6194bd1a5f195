//! Lists the outputs of a report, of an inventory and of a story, one row each. A new output is a file in this directory
//! and a row here.

use super::{Report, github, junit, prometheus, salt, sarif, tap, text};
use crate::answer::{DIFF, Output, Printed};
use crate::show::{Inventory, Story};

impl Printed for Report {
    const OUTPUTS: &'static [Output<Report>] = &[
        Output::JSON,
        Output::text(text::report),
        Output {
            name: DIFF,
            help: "Text for people, with the changed lines of each file",
            render: text::report_with_diff,
        },
        Output { name: "junit", help: "JUnit XML: each setting is a test", render: junit::report },
        Output { name: "tap", help: "TAP 13, the Test Anything Protocol: each setting is a test", render: tap::report },
        Output { name: "sarif", help: "SARIF 2.1.0, for code scanners", render: sarif::report },
        Output { name: "github", help: "Annotations of GitHub Actions", render: github::report },
        Output {
            name: "prometheus",
            help: "Metrics for the textfile collector of node_exporter",
            render: prometheus::metrics,
        },
        Output { name: "salt", help: "The result of a Salt state, without its name", render: salt::report },
    ];
}

impl Printed for Inventory {
    const OUTPUTS: &'static [Output<Inventory>] = &[Output::JSON, Output::text(text::inventory)];
}

impl Printed for Story {
    const OUTPUTS: &'static [Output<Story>] = &[Output::JSON, Output::text(text::story)];
}
