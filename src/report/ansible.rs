//! The envelope around a report that makes the binary an Ansible module.
//!
//! Ansible hands a binary module the path of a file with the task's arguments as JSON, its own among them under names
//! that begin with `_ansible_`, and reads one JSON object from standard output.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Mode, Report, text};
use crate::cli::{Answer, FAILED, OK};
use crate::failure::{Failure, Kind};
use crate::{request, run};

/// The request's switches, which older versions of Ansible pass as words where a playbook has a template.
const SWITCHES: [&str; 4] = ["live", "persist", "exclusive", "backup"];

/// What Ansible wants of the run besides the request.
struct Task {
    mode: Mode,
    wants_diff: bool,
    request: Value,
}

/// Does the task whose arguments are in the file `path`.
#[must_use]
pub fn run(path: &Path) -> Answer {
    let report = task(path).map_err(|failure| (Mode::Apply, failure)).and_then(|task| {
        let desired = request::from_value(task.request)
            .and_then(|request| request::desired(&request))
            .map_err(|failure| (task.mode, failure))?;
        let report = match task.mode {
            Mode::Apply => run::apply(&desired, Path::new("/")),
            Mode::Check => run::check(&desired, Path::new("/")),
        };
        Ok((report, task.wants_diff))
    });
    let (report, wants_diff) = report.unwrap_or_else(|(mode, failure)| (Report::refused(mode, failure), false));
    let code = if report.failure.is_some() { FAILED } else { OK };
    Answer { text: envelope(&report, wants_diff).to_string(), code }
}

/// The object that Ansible reads.
fn envelope(report: &Report, wants_diff: bool) -> Value {
    let message = match &report.failure {
        Some(failure) => failure.to_string(),
        None => text::summary(report),
    };
    let warnings: Vec<&str> = report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    let mut result = json!({
        "changed": report.changed,
        "failed": report.failure.is_some(),
        "msg": message,
        "in_sync": report.in_sync,
        "settings": value(&report.settings),
        "changes": value(&report.changes),
        "warnings": warnings,
        "warning_codes": report.warnings.iter().map(|warning| value(&warning.code)).collect::<Vec<_>>(),
        "failure": value(&report.failure),
    });
    if wants_diff {
        result["diff"] = value(&report.diff);
    }
    if let Some(file) = report.backup_files.first() {
        result["backup_file"] = value(file);
    }
    result
}

fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a report has string keys only")
}

fn task(path: &Path) -> Result<Task, Failure> {
    let bytes = read(path).map_err(|error| {
        let message = format!("the task's arguments `{}` cannot be read: {error}", path.display());
        Failure::new(Kind::BadRequest, message)
    })?;
    let Value::Object(arguments) = request::strict_json(&bytes)? else {
        return Err(Failure::new(Kind::BadRequest, "the task's arguments are not a JSON object").at(""));
    };
    let is_set = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or(false);
    let mode = if is_set("_ansible_check_mode") { Mode::Check } else { Mode::Apply };
    let wants_diff = is_set("_ansible_diff");
    // Ansible leaves out what a playbook omits; what is null there was given as `option:` without a value.
    let own: Map<String, Value> = arguments
        .into_iter()
        .filter(|(name, value)| !name.starts_with("_ansible_") && !value.is_null())
        .map(|(name, value)| {
            let value = if SWITCHES.contains(&name.as_str()) { switch(value) } else { value };
            (name, value)
        })
        .collect();
    Ok(Task { mode, wants_diff, request: Value::Object(own) })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(request::LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn switch(value: Value) -> Value {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes" | "on") => true.into(),
        Some("false" | "no" | "off") => false.into(),
        _ => value,
    }
}
