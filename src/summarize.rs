//! Decides what the reports of many hosts say together: who is as desired, who is not, and of whom nobody can tell.

pub mod html;
pub mod markdown;
pub mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::{DRIFT, FAILED, OK, check_code};
use crate::report::Report;
use crate::report::finding::{Finding, findings};

/// What the reports of many hosts say together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many hosts are as desired.
    pub in_sync: usize,
    /// How many are not.
    pub drift: usize,
    /// Of how many nobody can tell.
    pub unknown: usize,
    /// The hosts, in the order of the arguments.
    pub hosts: Vec<Host>,
}

/// One host in a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name: the report's file name without `.json`.
    pub name: String,
    /// What its report says.
    pub outcome: Outcome,
    /// What is worth a line of its own.
    pub findings: Vec<Finding>,
    /// Why there is no report, if there is none.
    pub error: Option<String>,
    /// The report itself.
    #[serde(skip)]
    pub report: Option<Report>,
}

/// What a report says of its host, as the exit code of a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Desired = live = boot.
    InSync,
    /// They are not equal.
    Drift,
    /// The report does not say, or is none.
    Unknown,
}

impl Outcome {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::InSync => "in_sync",
            Outcome::Drift => "drift",
            Outcome::Unknown => "unknown",
        }
    }
}

impl Summary {
    /// The summary of hosts' names and their reports, or why there is none.
    #[must_use]
    pub fn new(reports: impl IntoIterator<Item = (String, Result<Report, String>)>) -> Summary {
        let hosts: Vec<Host> = reports.into_iter().map(|(name, report)| host(name, report)).collect();
        let count = |outcome| hosts.iter().filter(|host| host.outcome == outcome).count();
        Summary {
            in_sync: count(Outcome::InSync),
            drift: count(Outcome::Drift),
            unknown: count(Outcome::Unknown),
            hosts,
        }
    }

    /// The exit code, as of a check. A host of which nobody can tell may hide anything: it outweighs a drift.
    #[must_use]
    pub fn code(&self) -> u8 {
        match (self.unknown, self.drift) {
            (0, 0) => OK,
            (0, _) => DRIFT,
            _ => FAILED,
        }
    }

    /// The names of all settings in the reports.
    #[must_use]
    pub fn settings(&self) -> BTreeSet<&str> {
        let reports = self.hosts.iter().filter_map(|host| host.report.as_ref());
        reports.flat_map(|report| &report.settings).map(|setting| setting.name.as_str()).collect()
    }

    /// All in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        format!(
            "{} hosts: {} in sync, {} with a drift, {} of which nobody can tell",
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
            let outcome = match check_code(&report) {
                OK => Outcome::InSync,
                DRIFT => Outcome::Drift,
                _ => Outcome::Unknown,
            };
            Host { name, outcome, findings: findings(&report), error: None, report: Some(report) }
        }
        Err(error) => Host { name, outcome: Outcome::Unknown, findings: Vec::new(), error: Some(error), report: None },
    }
}
