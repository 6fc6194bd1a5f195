//! Combines the reports of many hosts: which hosts are as desired, which are drifting, and which are unknown.

pub mod html;
pub mod markdown;
pub mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::answer::{Exit, Output, Printed};
use crate::report::finding::{Finding, findings};
use crate::report::{Agreement, Report};

/// The reports of many hosts in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The number of hosts that are as desired.
    pub in_sync: usize,
    /// The number of hosts that are not.
    pub drift: usize,
    /// The number of hosts whose state is unknown.
    pub unknown: usize,
    /// The hosts, in the order of the arguments.
    pub hosts: Vec<Host>,
}

/// One host in a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The name: the report's file name without `.json`.
    pub name: String,
    /// Whether desired, live and boot agree, according to the report.
    pub outcome: Agreement,
    /// The findings of the report.
    pub findings: Vec<Finding>,
    /// The reason why there is no report.
    pub error: Option<String>,
    /// The report itself.
    #[serde(skip)]
    pub report: Option<Report>,
}

impl Summary {
    /// The summary of hosts, each with its name and its report or the reason why there is none.
    #[must_use]
    pub fn new(reports: impl IntoIterator<Item = (String, Result<Report, String>)>) -> Summary {
        let hosts: Vec<Host> = reports.into_iter().map(|(name, report)| host(name, report)).collect();
        let count = |outcome| hosts.iter().filter(|host| host.outcome == outcome).count();
        Summary {
            in_sync: count(Agreement::InSync),
            drift: count(Agreement::Drift),
            unknown: count(Agreement::Unknown),
            hosts,
        }
    }

    /// The exit code, as of a check. An unknown host may hide anything, so it outweighs a drift.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match (self.unknown, self.drift) {
            (0, 0) => Exit::InSync,
            (0, _) => Exit::Drift,
            _ => Exit::CouldNotTell,
        }
    }

    /// The names of all settings in the reports.
    #[must_use]
    pub fn settings(&self) -> BTreeSet<&str> {
        let reports = self.hosts.iter().filter_map(|host| host.report.as_ref());
        reports.flat_map(|report| &report.settings).map(|setting| setting.name.as_str()).collect()
    }

    /// The numbers in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        format!(
            "{} hosts: {} in sync, {} drifting, {} unknown",
            self.hosts.len(),
            self.in_sync,
            self.drift,
            self.unknown
        )
    }
}

fn host(name: String, report: Result<Report, String>) -> Host {
    match report {
        Ok(report) => {
            Host { name, outcome: report.agreement(), findings: findings(&report), error: None, report: Some(report) }
        }
        Err(error) => {
            Host { name, outcome: Agreement::Unknown, findings: Vec::new(), error: Some(error), report: None }
        }
    }
}

impl Printed for Summary {
    const OUTPUTS: &'static [Output<Summary>] = &[
        Output::JSON,
        Output::text(text::summary),
        Output { name: "markdown", help: "Markdown", render: markdown::summary },
        Output { name: "html", help: "One HTML page that loads nothing else", render: html::summary },
    ];
}
