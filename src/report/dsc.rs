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

/// The two sides of a setting, in the property `actual` of an answer.
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

/// The answer to get: `instance` with the values as they are. The settings without a value are in `named`, the others in
/// `report`.
#[must_use]
pub fn got(instance: Value, report: Option<&Report>, named: Option<&Inventory>) -> String {
    let named = named.iter().flat_map(|inventory| &inventory.settings);
    let of_named = named.map(|setting| State { holds: false, ..state_of(setting) });
    let states = report.iter().flat_map(|report| &report.settings).map(found).chain(of_named).collect();
    as_it_is(instance, states, None)
}

/// The answer to get without a request: the state of all settings.
#[must_use]
pub fn got_all(inventory: &Inventory) -> String {
    let settings = map(inventory.settings.iter().map(|setting| (setting.name.to_string(), Value::Null)));
    as_it_is(json!({"settings": settings}), inventory.settings.iter().map(state_of).collect(), None)
}

/// The answer to test: `instance` with the values as they are, and the properties of the request that do not hold.
#[must_use]
pub fn tested(instance: Value, report: &Report) -> String {
    let states = report.settings.iter().map(found).collect();
    let drifts = report.settings.iter().filter(|setting| setting.verdict != Verdict::InSync);
    let names = drifts.map(|setting| match setting.desired.rule {
        Rule::AtLeast => "at_least",
        Rule::Exactly | Rule::Absent => "settings",
    });
    let names = properties(names, (!report.in_sync).then_some(FILE));
    as_it_is(instance, states, Some(report.in_sync)) + "\n" + &names
}

/// The answer to set and to what-if: `instance` with the values afterwards, and the properties that change.
#[must_use]
pub fn set(instance: Value, report: &Report) -> String {
    let of = |setting: &SettingReport| {
        let actual = after(setting);
        // The verdict of a check is about the state before.
        let holds = setting.desired.rule == Rule::Absent || !is_apart(setting, &actual);
        State { name: setting.name.clone(), number: apart(setting, &actual), holds, actual }
    };
    let changes = report.settings.iter().filter(|setting| before(setting) != after(setting));
    let names = properties(changes.map(|_| "settings"), report.changed.then_some(FILE));
    as_it_is(instance, report.settings.iter().map(of).collect(), None) + "\n" + &names
}

/// One setting as it is.
struct State {
    name: String,
    /// The number that a person would take for its value.
    number: Option<i64>,
    /// Whether it is as the instance asks.
    holds: bool,
    actual: Actual,
}

fn found(setting: &SettingReport) -> State {
    let actual = before(setting);
    State {
        name: setting.name.clone(),
        number: apart(setting, &actual),
        holds: setting.verdict == Verdict::InSync,
        actual,
    }
}

fn state_of(setting: &Overview) -> State {
    let actual = Actual { live: setting.live, boot: setting.boot, winner: setting.winner.clone() };
    State { name: setting.name.to_string(), number: actual.live.or(actual.boot), holds: false, actual }
}

/// Whether one side of `actual` is not as the request asks, as far as numbers tell.
fn is_apart(setting: &SettingReport, actual: &Actual) -> bool {
    apart(setting, actual).is_some_and(|number| !meets(setting, number))
}

/// The number of the side that is not as the request asks; if both are, that of the kernel.
fn apart(setting: &SettingReport, actual: &Actual) -> Option<i64> {
    let sides = [actual.live, actual.boot];
    let apart = sides.into_iter().flatten().find(|number| !meets(setting, *number));
    apart.or(actual.live).or(actual.boot)
}

fn meets(setting: &SettingReport, number: i64) -> bool {
    setting.desired.value.is_some_and(|desired| match setting.desired.rule {
        Rule::AtLeast => number >= desired,
        Rule::Exactly | Rule::Absent => number == desired,
    })
}

/// `instance` with the values as they are: one that holds stays as it was written, under the name that it was given. DSC's group
/// `Assertion` compares the properties of an answer with those of the instance. The two sides of each setting, and the line
/// that decides, are in the property `actual`.
fn as_it_is(mut instance: Value, states: Vec<State>, in_desired_state: Option<bool>) -> String {
    for field in ["settings", "at_least"] {
        let Some(settings) = instance[field].as_object_mut() else { continue };
        for (name, value) in settings {
            let canonical = request::setting(name).map_or_else(|_| name.clone(), |name| name.to_string());
            let state = states.iter().find(|state| state.name == canonical && !state.holds);
            if let Some(state) = state {
                *value = json!(state.number);
            }
        }
    }
    let actual = map(states.into_iter().map(|state| (state.name, json!(state.actual))));
    // A field that the instance does not have was looked at above.
    let mut answer = instance.as_object().cloned().unwrap_or_default();
    answer.retain(|_, value| !value.is_null());
    answer.insert("actual".to_owned(), actual.into());
    answer.insert("_inDesiredState".to_owned(), json!(in_desired_state));
    Value::Object(answer).to_string()
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
