//! Groups the findings of many hosts, so that one cause on a hundred hosts is read once.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Host;
use crate::order::sorted_by;
use crate::report::finding::Severity;

/// One finding, and all hosts that have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The severity.
    pub level: Severity,
    /// The stable name: a verdict, a kind of failure, or a code of a warning; `no_report` for hosts without a report.
    pub rule: String,
    /// The problem in one line, without the values of a single host.
    pub about: String,
    /// The remedy: the one thing to do.
    pub advice: Option<String>,
    /// The names of the hosts, in the order of the summary.
    pub hosts: Vec<String>,
}

/// The groups of all findings: errors before warnings, and then the one with the most hosts first.
#[must_use]
pub fn groups(hosts: &[Host]) -> Vec<Group> {
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for host in hosts {
        for finding in &host.findings {
            let key = (finding.level, finding.rule.as_str(), finding.about.as_str(), finding.advice.as_deref());
            groups.entry(key).or_default().push(host.name.clone());
        }
        if host.error.is_some() {
            let key = (Severity::Error, "no_report", "there is no readable report", None);
            groups.entry(key).or_default().push(host.name.clone());
        }
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|((level, rule, about, advice), hosts)| Group {
            level,
            rule: rule.to_owned(),
            about: about.to_owned(),
            advice: advice.map(ToOwned::to_owned),
            hosts,
        })
        .collect();
    let order = |group: &Group| (group.level, Reverse(group.hosts.len()));
    sorted_by(groups, |one, other| order(one).cmp(&order(other)))
}
