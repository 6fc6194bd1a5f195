//! Lists the outputs of a verification, one row each.

use super::{Outcome, Verification, text};
use crate::answer::{Output, Printed};
use crate::exposition::{Exposition, labels};

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

/// The metrics of a verification.
fn metrics(verification: &Verification) -> String {
    let value = |holds: bool| u8::from(holds).to_string();
    let outcomes = OUTCOMES
        .into_iter()
        .map(|(name, outcome)| (labels(&[("outcome", name)]), value(verification.outcome == outcome)));
    let settings = verification.settings.iter().map(|it| (labels(&[("setting", &it.name)]), value(it.held)));
    let mut text = Exposition::default();
    let about = "Whether the last boot is as the last apply predicted.";
    text.family("conntrack_sysctl_promise", "gauge", about, outcomes);
    let about = "Whether a setting is as the last apply predicted.";
    text.family("conntrack_sysctl_promise_setting_held", "gauge", about, settings);
    text.finish()
}
