//! Combines the reports of many hosts: which hosts are as desired, which are drifting, and which are unknown.

pub mod group;
pub mod html;
pub mod markdown;
pub mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::answer::{Exit, Output, Printed};
use crate::order::{InOrder, sorted_by};
use crate::origin::Origin;
use crate::report::finding::{Finding, findings};
use crate::report::{Agreement, Mode, Report, SettingReport};
use crate::text::seconds_of;
use group::{Group, groups};

/// The reports of many hosts in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The number of hosts that are as desired.
    pub in_sync: usize,
    /// The number of hosts that are not.
    pub drift: usize,
    /// The number of hosts whose state is unknown.
    pub unknown: usize,
    /// The findings of all hosts, equal ones together: errors first, and then the most frequent first.
    pub groups: Vec<Group>,
    /// The hosts, the worst first: unknown, drifting, in sync, and each of these by name.
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
    /// The machine, the moment and the program behind the report.
    pub origin: Option<Origin>,
    /// Whether the report is more than a day older than the newest one of the summary.
    pub is_stale: bool,
    /// The reason why there is no report.
    pub error: Option<String>,
    /// The kind of run that the report is about.
    #[serde(skip)]
    pub mode: Mode,
    /// The settings of the report. Nothing else of it is kept: there may be thousands of hosts.
    #[serde(skip)]
    pub settings: Vec<SettingReport>,
}

impl Summary {
    /// The summary of hosts, each with its name and its report or the reason why there is none.
    #[must_use]
    pub fn new(reports: impl IntoIterator<Item = (String, Result<Report, String>)>) -> Summary {
        let mut hosts: Vec<Host> = reports.into_iter().map(|(name, report)| host(name, report)).collect();
        let newest = hosts.iter().filter_map(Host::time).max();
        for host in &mut hosts {
            host.is_stale = host.time().zip(newest).is_some_and(|(time, newest)| newest - time > DAY);
        }
        let hosts = sorted_by(hosts, |a, b| (rank(a.outcome), &a.name).cmp(&(rank(b.outcome), &b.name)));
        let count = |outcome| hosts.iter().filter(|host| host.outcome == outcome).count();
        Summary {
            in_sync: count(Agreement::InSync),
            drift: count(Agreement::Drift),
            unknown: count(Agreement::Unknown),
            groups: groups(&hosts),
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

    /// The time of the newest report.
    #[must_use]
    pub fn newest(&self) -> Option<&str> {
        let newest = self.hosts.iter().filter(|host| host.time().is_some()).max_by_key(|host| host.time());
        newest.and_then(|host| host.origin.as_ref()).map(|origin| origin.time.as_str())
    }

    /// The names of all settings in the reports.
    #[must_use]
    pub fn settings(&self) -> BTreeSet<&str> {
        self.hosts.iter().flat_map(|host| &host.settings).map(|setting| setting.name.as_str()).into_set()
    }

    /// The numbers in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let hosts = match self.hosts.len() {
            1 => "1 host".to_owned(),
            count => format!("{count} hosts"),
        };
        format!("{hosts}: {} in sync, {} drifting, {} unknown", self.in_sync, self.drift, self.unknown)
    }
}

/// The seconds of a day.
const DAY: i64 = 86_400;

impl Host {
    /// The time of the report, in seconds after 1970.
    fn time(&self) -> Option<i64> {
        self.origin.as_ref().and_then(|origin| seconds_of(&origin.time))
    }
}

/// The place of an outcome among the hosts. An unknown host may hide anything, so it stands first.
fn rank(outcome: Agreement) -> u8 {
    match outcome {
        Agreement::Unknown => 0,
        Agreement::Drift => 1,
        Agreement::InSync => 2,
    }
}

fn host(name: String, report: Result<Report, String>) -> Host {
    let silent = Host {
        name,
        outcome: Agreement::Unknown,
        findings: Vec::new(),
        origin: None,
        is_stale: false,
        error: None,
        mode: Mode::Check,
        settings: Vec::new(),
    };
    match report {
        Ok(report) => Host {
            outcome: report.agreement(),
            findings: findings(&report),
            origin: report.origin,
            mode: report.mode,
            settings: report.settings,
            ..silent
        },
        Err(error) => Host { error: Some(error), ..silent },
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
