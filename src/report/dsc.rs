//! Renders a report and an inventory as the answers of a resource of Microsoft DSC.
//!
//! An answer is the instance as JSON on one line; for test, set and what-if, a second line has the names of the differing
//! properties. Messages go to standard error, one JSON object on each line, with the level as its key. The source is
//! PowerShell/DSC, docs/reference/schemas/resource/stdout and docs/concepts/resources/anatomy.md.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::summary;
use super::{Report, Rule, SettingReport};
use crate::failure::Failure;
use crate::order::InOrder;
use crate::request::{self, Request};
use crate::show::{Inventory, Overview};
use crate::text::printable;
use crate::tree::Place;
use crate::value::WireValue;
use crate::verify::Verdict;

/// The state of a setting. An answer has it in the place of the desired value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Actual {
    /// The kernel's value. Null: the kernel has no such setting, or there is no live side.
    live: Option<i64>,
    /// The value that the next boot sets. Null: no file sets it, and the kernel's default holds.
    boot: Option<i64>,
    /// The assignment that decides at boot.
    winner: Option<Place>,
}

/// The property that differs if the lines of the file do, and no setting.
const FILE: &str = "file";

/// The answer to get: the state of the settings in the request.
#[must_use]
pub fn got(report: &Report) -> String {
    instance(report.settings.iter().map(|setting| (setting.name.as_str(), before(setting))), None)
}

/// The answer to get without a request: the state of all settings.
#[must_use]
pub fn got_all(inventory: &Inventory) -> String {
    let actual = |setting: &Overview| Actual { live: setting.live, boot: setting.boot, winner: setting.winner.clone() };
    instance(inventory.settings.iter().map(|setting| (setting.name.as_str(), actual(setting))), None)
}

/// The answer to test: the state of the settings, and the properties of the request that do not hold.
#[must_use]
pub fn tested(report: &Report) -> String {
    let settings = report.settings.iter().map(|setting| (setting.name.as_str(), before(setting)));
    let drifts = report.settings.iter().filter(|setting| setting.verdict != Verdict::InSync);
    let names = drifts.map(|setting| match setting.desired.rule {
        Rule::AtLeast => "at_least",
        Rule::Exactly | Rule::Absent => "settings",
    });
    instance(settings, Some(report.in_sync)) + "\n" + &properties(names, (!report.in_sync).then_some(FILE))
}

/// The answer to set and to what-if: the state of the settings afterwards, and the properties that change.
#[must_use]
pub fn set(report: &Report) -> String {
    let settings = report.settings.iter().map(|setting| (setting.name.as_str(), after(setting)));
    let changes = report.settings.iter().filter(|setting| before(setting) != after(setting));
    instance(settings, None) + "\n" + &properties(changes.map(|_| "settings"), report.changed.then_some(FILE))
}

/// The answer to export: one instance with the live values, and one with those of the next boot. This machine satisfies
/// both.
#[must_use]
pub fn exported(inventory: &Inventory) -> String {
    let live = requestable(inventory, |setting| setting.live);
    // A boot that cannot be known is no state of this machine.
    let boot = requestable(inventory, |setting| setting.boot.filter(|_| setting.verdict != Verdict::Unknown));
    let instances = [(live, "persist"), (boot, "live")].into_iter().filter(|(settings, _)| !settings.is_empty());
    let lines = instances.map(|(settings, unmanaged)| json!({"settings": settings, unmanaged: false}).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// The messages of a test, set or what-if that succeeds, for standard error.
#[must_use]
pub fn messages(report: &Report) -> String {
    let is_said = |advice: &str| report.warnings.iter().any(|warning| warning.message == advice);
    let advice = report.settings.iter().filter_map(|setting| {
        let advice = setting.advice.as_ref().filter(|advice| !is_said(advice))?;
        Some(message("info", &format!("{}: {advice}", setting.name)))
    });
    let warnings = report.warnings.iter().map(|warning| message("warn", &warning.message));
    let failure = report.failure.iter().map(|failure| message("warn", &format!("set would fail: {failure}")));
    advice.chain(warnings).chain(failure).chain([message("info", &summary(report))]).collect()
}

/// The messages of an operation that fails, for standard error.
#[must_use]
pub fn refusal(failure: &Failure) -> String {
    let remains = failure.remains.iter().map(|remains| message("error", &format!("still changed: {remains}")));
    [message("error", &failure.to_string())].into_iter().chain(remains).collect()
}

fn message(level: &str, text: &str) -> String {
    json!({level: printable(text)}).to_string() + "\n"
}

fn instance<'a>(settings: impl Iterator<Item = (&'a str, Actual)>, in_desired_state: Option<bool>) -> String {
    let settings = map(settings.map(|(name, actual)| (name.to_owned(), json!(actual))));
    json!({"settings": settings, "_inDesiredState": in_desired_state}).to_string()
}

/// The names of the differing properties as JSON; if there are none, the `fallback`.
fn properties<'a>(names: impl Iterator<Item = &'a str>, fallback: Option<&'a str>) -> String {
    let mut names = names.into_set();
    if names.is_empty() {
        names.extend(fallback);
    }
    json!(names).to_string()
}

fn before(setting: &SettingReport) -> Actual {
    Actual { live: setting.live.before, boot: setting.boot.before, winner: setting.boot.winner_before.clone() }
}

fn after(setting: &SettingReport) -> Actual {
    Actual { live: setting.live.after, boot: setting.boot.after, winner: setting.boot.winner.clone() }
}

/// The settings with the number that `side` picks. Left out are those that no request may set: a counter, or a number that
/// the kernel has although it makes no sense.
fn requestable(inventory: &Inventory, side: fn(&Overview) -> Option<i64>) -> Map<String, Value> {
    let numbers = inventory.settings.iter().filter_map(|setting| Some((setting.name.to_string(), side(setting)?)));
    let accepted = numbers.filter(|(name, number)| {
        let mut request = Request::default();
        request.settings.insert(name.clone(), WireValue::Integer((*number).into()));
        request::desired(&request).is_ok()
    });
    map(accepted.map(|(name, number)| (name, number.into())))
}

/// Calls `extend` in place of `collect`, which would link the code of a sort into the binary: more than all of this file.
fn map(members: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut map = Map::new();
    map.extend(members);
    map
}
