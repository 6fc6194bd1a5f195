//! Runs the operations of the DSC resource, which its manifest in `dsc/` calls.
//!
//! DSC treats every exit code but 0 as an error. So a test that finds a drift ends with 0, and its answer has the
//! drift.

use std::path::Path;

use serde_json::{Map, Value};

use crate::answer::{Answer, Exit};
use crate::failure::{Failure, Kind};
use crate::report::{Report, dsc};
use crate::schema::{self, Of};
use crate::show::{self, Inventory};
use crate::text::printable_json;
use crate::{request, run};

/// The operations that DSC asks of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reports the settings of the request; without a request, all settings.
    Get,
    /// Reports whether they are as desired.
    Test,
    /// Makes them as desired.
    Set,
    /// Reports what set would change.
    WhatIf,
    /// Reports this machine as requests.
    Export,
    /// Prints the JSON Schema of requests and answers.
    Schema,
}

/// Runs `operation` on the machine at `root`; `input` reads the request.
#[must_use]
pub fn run(operation: Operation, input: impl FnOnce() -> Result<Vec<u8>, Failure>, root: &Path) -> Answer {
    let answer = match operation {
        Operation::Schema => Ok(schema()),
        _ => input().and_then(|request| answer(operation, &request, root)),
    };
    let shown = answer.map(|answer| Answer { stdout: printable_json(answer.stdout), ..answer });
    shown
        .unwrap_or_else(|failure| Answer { stderr: dsc::refusal(&failure), ..Answer::new(String::new(), Exit::Failed) })
}

fn answer(operation: Operation, request: &[u8], root: &Path) -> Result<Answer, Failure> {
    // DSC 3.4 hands over an empty object where a document has no properties.
    let names_nothing =
        || request::strict_json(request).is_ok_and(|value| value.as_object().is_some_and(Map::is_empty));
    let is_empty = request.trim_ascii().is_empty() || names_nothing();
    let check = || Ok(run::check(&request::from_slice(request)?, root));
    let apply = || Ok(run::apply(&request::from_slice(request)?, root));
    match operation {
        Operation::Get if is_empty => Ok(Answer::new(dsc::got_all(&inventory(root)?), Exit::Done)),
        Operation::Get => get(request::strict_json(request)?, root),
        Operation::Test => with_messages(dsc::tested, request, &seen(check()?)?),
        Operation::WhatIf => with_messages(dsc::set, request, &succeeded(check()?)?),
        Operation::Set => with_messages(dsc::set, request, &succeeded(apply()?)?),
        Operation::Export if is_empty => Ok(Answer::new(dsc::exported(&inventory(root)?), Exit::Done)),
        Operation::Export => Err(Failure::new(Kind::BadRequest, "export takes no filter: it exports all settings")
            .hint("leave the input out")),
        Operation::Schema => Ok(schema()),
    }
}

/// The schema of the instances, on one line, as DSC reads every answer.
fn schema() -> Answer {
    let schema: Value = serde_json::from_str(schema::of(Of::Instance)).expect("a schema is JSON");
    Answer::new(schema.to_string(), Exit::Done)
}

/// The answer to get: a setting without a value is one to be read, whatever its value is.
fn get(instance: Value, root: &Path) -> Result<Answer, Failure> {
    let mut valued = instance.clone();
    let mut names = Vec::new();
    if let Some(settings) = valued["settings"].as_object_mut().filter(|_| instance["state"] != "absent") {
        names.extend(settings.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()));
        settings.retain(|_, value| !value.is_null());
    }
    let named = if names.is_empty() { None } else { Some(show::named(&names, &run::look(root)?)?) };
    let is_left = |field: &str| valued[field].as_object().is_some_and(|settings| !settings.is_empty());
    let report = if names.is_empty() || is_left("settings") || is_left("at_least") {
        let desired = request::from_value(valued).and_then(|request| request::desired(&request))?;
        Some(seen(run::check(&desired, root))?)
    } else {
        None
    };
    Ok(Answer::new(dsc::got(instance, report.as_ref(), named.as_ref()), Exit::Done))
}

fn with_messages(render: fn(Value, &Report) -> String, request: &[u8], report: &Report) -> Result<Answer, Failure> {
    let stdout = render(request::strict_json(request)?, report);
    Ok(Answer { stderr: dsc::messages(report), ..Answer::new(stdout, Exit::Done) })
}

/// The report, unless it has nothing to show. A failure that set would have is not a failure of an operation that only
/// reads.
fn seen(report: Report) -> Result<Report, Failure> {
    if report.settings.is_empty() { succeeded(report) } else { Ok(report) }
}

/// The report, unless the run failed.
fn succeeded(report: Report) -> Result<Report, Failure> {
    match report.failure {
        Some(failure) => Err(failure),
        None => Ok(report),
    }
}

fn inventory(root: &Path) -> Result<Inventory, Failure> {
    Ok(show::inventory(&run::look(root)?))
}
