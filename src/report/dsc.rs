//! Renders a report, and an inventory, as Microsoft DSC wants the answers of a resource.
//!
//! An answer is the instance, JSON on one line; for test, set and what-if the names of the properties that differ are
//! on a second line. What else is to be known goes to standard error: a JSON object a line, whose key is the level. The
//! source is PowerShell/DSC, docs/reference/schemas/resource/stdout and docs/concepts/resources/anatomy.md.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::summary;
use super::{Report, Rule, SettingReport};
use crate::failure::Failure;
use crate::request::{self, Request};
use crate::show::{Inventory, Overview};
use crate::text::printable;
use crate::tree::Place;
use crate::value::WireValue;
use crate::verify::Verdict;

/// What a setting is. An answer has it where a request has the value that is desired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actual {
    /// The kernel's value. Null: the kernel has no such setting, or there is no live side.
    live: Option<i64>,
    /// What the next boot makes of it. Null: no file decides, and the kernel's default holds.
    boot: Option<i64>,
    /// The assignment that decides at boot.
    winner: Option<Place>,
}

/// The answer to get: what the settings of the request are.
#[must_use]
pub fn got(report: &Report) -> String {
    instance(report.settings.iter().map(|setting| (setting.name.as_str(), before(setting))), None)
}

/// The answer to get without a request: what all settings are.
#[must_use]
pub fn got_all(inventory: &Inventory) -> String {
    let actual = |setting: &Overview| Actual { live: setting.live, boot: setting.boot, winner: setting.winner.clone() };
    instance(inventory.settings.iter().map(|setting| (setting.name.as_str(), actual(setting))), None)
}

/// The answer to test: what the settings are, and which properties of the request do not hold.
#[must_use]
pub fn tested(report: &Report) -> String {
    let settings = report.settings.iter().map(|setting| (setting.name.as_str(), before(setting)));
    let drifts = report.settings.iter().filter(|setting| setting.verdict != Verdict::InSync);
    let names = drifts.map(|setting| match setting.desired.rule {
        Rule::AtLeast => "at_least",
        Rule::Exactly | Rule::Absent => "settings",
    });
    instance(settings, Some(report.in_sync)) + "\n" + &properties(names, !report.in_sync)
}

/// The answer to set, and to what-if: what the settings are after it, and which properties it changes.
#[must_use]
pub fn set(report: &Report) -> String {
    let settings = report.settings.iter().map(|setting| (setting.name.as_str(), after(setting)));
    let changes = report.settings.iter().filter(|setting| before(setting) != after(setting));
    instance(settings, None) + "\n" + &properties(changes.map(|_| "settings"), report.changed)
}

/// The answer to export: an instance of what is live, and one of what the next boot makes. Each holds here as it is.
#[must_use]
pub fn exported(inventory: &Inventory) -> String {
    let live = requestable(inventory, |setting| setting.live);
    let boot = requestable(inventory, |setting| setting.boot);
    let instances = [(live, "persist"), (boot, "live")].into_iter().filter(|(settings, _)| !settings.is_empty());
    let lines = instances.map(|(settings, unmanaged)| json!({"settings": settings, unmanaged: false}).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// What is to be known of a test, set or what-if that gives an answer, for standard error.
#[must_use]
pub fn messages(report: &Report) -> String {
    let advice = report.settings.iter().filter_map(|setting| {
        setting.advice.as_ref().map(|advice| message("info", &format!("{}: {advice}", setting.name)))
    });
    let warnings = report.warnings.iter().map(|warning| message("warn", &warning.message));
    let failure = report.failure.iter().map(|failure| message("warn", &format!("set would fail: {failure}")));
    advice.chain(warnings).chain(failure).chain([message("info", &summary(report))]).collect()
}

/// What is said where there is no answer.
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

/// The properties `names`. Where no setting is another although something is, it is the lines of `file`.
fn properties<'a>(names: impl Iterator<Item = &'a str>, something: bool) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() && something {
        names.push("file");
    }
    json!(names).to_string()
}

fn before(setting: &SettingReport) -> Actual {
    Actual { live: setting.live.before, boot: setting.boot.before, winner: setting.boot.winner_before.clone() }
}

fn after(setting: &SettingReport) -> Actual {
    Actual { live: setting.live.after, boot: setting.boot.after, winner: setting.boot.winner.clone() }
}

/// The settings with the number that `side` picks, as far as a request may ask for it: not for a reading, nor for a
/// number that makes no sense, although the kernel has it.
fn requestable(inventory: &Inventory, side: fn(&Overview) -> Option<i64>) -> Map<String, Value> {
    let numbers = inventory.settings.iter().filter_map(|setting| Some((setting.name.clone(), side(setting)?)));
    let accepted = numbers.filter(|(name, number)| {
        let mut request = Request::default();
        request.settings.insert(name.clone(), WireValue::Integer((*number).into()));
        request::desired(&request).is_ok()
    });
    map(accepted.map(|(name, number)| (name, number.into())))
}

/// A map is not collected: that sorts first, and the code of a sort weighs more than all the rest here.
fn map(members: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut map = Map::new();
    map.extend(members);
    map
}
