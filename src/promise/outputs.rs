//! Lists the outputs of a verification, one row each.

use std::fmt::Write;

use super::{Outcome, Verification, text};
use crate::answer::{Output, Printed};

impl Printed for Verification {
    const OUTPUTS: &'static [Output<Verification>] = &[
        Output::JSON,
        Output::text(text::verification),
        Output { name: "prometheus", help: "Metrics for the textfile collector of node_exporter", render: metrics },
    ];
}

const OUTCOMES: [(&str, Outcome); 4] = [
    ("held", Outcome::Held),
    ("broken", Outcome::Broken),
    ("not_yet", Outcome::NotYet),
    ("no_promise", Outcome::NoPromise),
];

/// The metrics of a verification. Names of settings and outcomes have no character that a label must escape.
fn metrics(verification: &Verification) -> String {
    let mut text = "# HELP conntrack_sysctl_promise Whether the last boot is as the last apply predicted.\n\
                    # TYPE conntrack_sysctl_promise gauge\n"
        .to_owned();
    for (name, outcome) in OUTCOMES {
        let is_it = u8::from(verification.outcome == outcome);
        let _ = writeln!(text, "conntrack_sysctl_promise{{outcome=\"{name}\"}} {is_it}");
    }
    text += "# HELP conntrack_sysctl_promise_setting_held Whether a setting is as the last apply predicted.\n\
             # TYPE conntrack_sysctl_promise_setting_held gauge\n";
    for setting in &verification.settings {
        let held = u8::from(setting.held);
        let _ = writeln!(text, "conntrack_sysctl_promise_setting_held{{setting=\"{}\"}} {held}", setting.name);
    }
    text.pop();
    text
}
