//! Renders a report in Prometheus' text format, for the textfile collector of `node_exporter`.
//!
//! The labels are names of settings and a few words. A drift changes the value of a row and never its labels, so that it starts no
//! new series.

use super::{Agreement, Report, SettingReport};
use crate::exposition::{Exposition, labels};
use crate::text;
use crate::verify::Verdict;

/// The metrics of a report, without a line end at its end.
#[must_use]
pub fn metrics(report: &Report) -> String {
    let mut text = Exposition::default();
    let agreement = report.agreement();
    let states = [Agreement::InSync, Agreement::Drift, Agreement::Unknown]
        .map(|state| (labels(&[("state", state.name())]), number(agreement == state)));
    let about = "Whether desired, live and boot agree.";
    text.family("conntrack_sysctl_state", "gauge", about, states.into_iter());
    let drifts = report.settings.iter().flat_map(|setting| {
        ["live", "boot"].map(|side| {
            let drifts = setting.drifts.iter().any(|drift| side_of(*drift) == side);
            (labels(&[("setting", &setting.name), ("side", side)]), number(drifts))
        })
    });
    let about = "Whether a setting differs from the request, live or after the next boot.";
    text.family("conntrack_sysctl_setting_drift", "gauge", about, drifts);
    let is_unknown = |setting: &SettingReport| number(setting.verdict == Verdict::Unknown);
    let unknown = report.settings.iter().map(|setting| (labels(&[("setting", &setting.name)]), is_unknown(setting)));
    let about = "Whether the next boot of a setting cannot be known.";
    text.family("conntrack_sysctl_setting_unknown", "gauge", about, unknown);
    let failed = [(String::new(), number(report.failure.is_some()))];
    text.family("conntrack_sysctl_failed", "gauge", "Whether apply fails, or would fail.", failed.into_iter());
    let warnings = [(String::new(), report.warnings.len().to_string())];
    text.family("conntrack_sysctl_warnings", "gauge", "Warnings of the run.", warnings.into_iter());
    if let Some(origin) = &report.origin {
        let request = origin.request.iter().map(|request| (labels(&[("request", request)]), number(true)));
        text.family("conntrack_sysctl_request_info", "gauge", "The hash of the request that was compared.", request);
        let time = text::seconds_of(&origin.time).map(|seconds| (String::new(), seconds.to_string()));
        text.family("conntrack_sysctl_run_timestamp_seconds", "gauge", "The time of the run.", time.into_iter());
    }
    text.finish()
}

fn number(holds: bool) -> String {
    u8::from(holds).to_string()
}

/// The side of a setting that a drift is about.
fn side_of(drift: Verdict) -> &'static str {
    match drift {
        Verdict::LiveDrift | Verdict::NotOnThisKernel | Verdict::NotHere => "live",
        _ => "boot",
    }
}
