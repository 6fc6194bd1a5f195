//! Runs the tasks of Ansible. The binary serves as three modules.
//!
//! Ansible passes a task's arguments as JSON, with its own arguments under names that begin with `_ansible_`, and reads
//! one JSON object from standard output. The collection's action plugin writes the arguments to standard input. If the
//! binary itself is a module of a collection, Ansible names a file with the arguments.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Exit};
use crate::failure::{Failure, Kind};
use crate::report::{Mode, ansible};
use crate::table::gather::{self, DiagnoseOptions};
use crate::table::view::json::DiagnosisDocument;
use crate::text::ascii_json;
use crate::{request, run, show};

/// The modules as which the binary serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsibleModule {
    /// Makes the settings match the task.
    Settings,
    /// Reports the settings.
    SettingsInfo,
    /// Reports how full the table is, and diagnoses it.
    TableInfo,
}

impl AnsibleModule {
    /// The module for a program of this name. Ansible puts a prefix before the name of the file.
    #[must_use]
    pub fn of(program: &OsStr) -> AnsibleModule {
        let is_named = |name: &str| program.to_str().is_some_and(|program| program.ends_with(name));
        match () {
            () if is_named("settings_info") => AnsibleModule::SettingsInfo,
            () if is_named("table_info") => AnsibleModule::TableInfo,
            () => AnsibleModule::Settings,
        }
    }

    /// The module of this name.
    #[must_use]
    pub fn named(name: &OsStr) -> Option<AnsibleModule> {
        match name.to_str()? {
            "settings" => Some(AnsibleModule::Settings),
            "settings_info" => Some(AnsibleModule::SettingsInfo),
            "table_info" => Some(AnsibleModule::TableInfo),
            _ => None,
        }
    }
}

/// The switches of a request. Older versions of Ansible pass them as words if a playbook has a template.
const SWITCHES: [&str; 4] = ["live", "persist", "exclusive", "backup"];

/// A task: the request, and what Ansible asks of the run.
struct Task {
    mode: Mode,
    wants_diff: bool,
    request: Value,
}

/// Runs a task of `module` with the JSON text `arguments`.
#[must_use]
pub fn run(module: AnsibleModule, arguments: Result<Vec<u8>, Failure>) -> Answer {
    let arguments = arguments.and_then(|bytes| match request::strict_json(&bytes)? {
        Value::Object(arguments) if arguments.keys().any(|name| is_ansibles(name)) => Ok(arguments),
        // `conntrack-sysctl /root/request.json` must not apply: the user may have forgotten the word `check`.
        Value::Object(_) => Err(Failure::new(Kind::BadRequest, "these are not the arguments of an Ansible task")
            .hint("say what to do with a request: `apply FILE` or `check FILE`")),
        _ => Err(Failure::new(Kind::BadRequest, "the task's arguments are not a JSON object").at("")),
    });
    let result = match module {
        AnsibleModule::Settings => manage(arguments),
        AnsibleModule::SettingsInfo => inform(arguments),
        AnsibleModule::TableInfo => examine(arguments).unwrap_or_else(|failure| ansible::refusal(&failure)),
    };
    let exit = if result["failed"] == true { Exit::Failed } else { Exit::Done };
    // Ansible ends a line wherever Unicode does, which may be within the name of a file.
    Answer::new(ascii_json(&result.to_string()), exit)
}

/// `failure`, with a hint if its cause is a template that Ansible did not fill in.
fn untemplated(failure: Failure) -> Failure {
    if failure.key.as_ref().is_some_and(|key| key.contains("{{")) {
        let hint =
            r#"Ansible fills in no template in a key; write the whole dictionary as one: settings: "{{ {name: 5} }}""#;
        failure.hint(hint)
    } else {
        failure
    }
}

fn manage(arguments: Result<Map<String, Value>, Failure>) -> Value {
    let report = arguments.map(task).map_err(|failure| (Mode::Apply, failure)).and_then(|task| {
        let desired = request::from_value(task.request)
            .and_then(|request| request::desired(&request))
            .map_err(|failure| (task.mode, untemplated(failure)))?;
        let report = match task.mode {
            Mode::Apply => run::apply(&desired, Path::new("/")),
            Mode::Check => run::check(&desired, Path::new("/")),
        };
        Ok(if task.wants_diff { ansible::report_with_diff(&report) } else { ansible::report(&report) })
    });
    report.unwrap_or_else(|(mode, failure)| ansible::report(&run::refused(mode, failure)))
}

fn inform(arguments: Result<Map<String, Value>, Failure>) -> Value {
    let inventory = arguments.and_then(named).and_then(|names| {
        let snapshot = run::look(Path::new("/"))?;
        match names {
            Some(names) => show::named(&names, &snapshot),
            None => Ok(show::inventory(&snapshot)),
        }
    });
    match inventory {
        Ok(inventory) => ansible::inventory(&inventory),
        Err(failure) => ansible::refusal(&failure),
    }
}

/// The status and the diagnosis of the table, as a module returns them.
fn examine(arguments: Result<Map<String, Value>, Failure>) -> Result<Value, Failure> {
    let interval = interval(arguments?)?;
    let options = DiagnoseOptions { interval, ..DiagnoseOptions::default() };
    let diagnosis = gather::diagnose(&options).map_err(|error| Failure::new(Kind::Permission, error.to_string()))?;
    let mut diagnosis = json!(DiagnosisDocument::from(&diagnosis));
    let status = diagnosis["status"].take();
    let is_full = matches!(diagnosis["verdict"].as_str(), Some("full" | "full_in_namespace"));
    Ok(json!({
        "changed": false,
        "failed": false,
        "full": is_full,
        "verdict": diagnosis["verdict"],
        "msg": diagnosis["summary"],
        "status": status,
        "diagnosis": diagnosis,
    }))
}

/// The seconds over which a task counts.
fn interval(arguments: Map<String, Value>) -> Result<Duration, Failure> {
    let refuse = |message: &str, pointer: &str| Err(Failure::new(Kind::BadRequest, message).at(pointer));
    let mut own = own(arguments);
    let interval = own.remove("interval");
    if let Some(unknown) = own.keys().next() {
        return refuse(&format!("`{unknown}` is not an option of this module; the only one is `interval`"), "");
    }
    let seconds = match interval {
        None => Some(1.0),
        // Older versions of Ansible pass the result of a template as text.
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(number) => number.as_f64(),
    };
    match seconds.filter(|seconds| (0.0..=60.0).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => refuse("`interval` is not a number of seconds from 0 to 60", "/interval"),
    }
}

/// The settings that a task asks for. None means all settings.
fn named(arguments: Map<String, Value>) -> Result<Option<Vec<String>>, Failure> {
    let refuse = |message: &str, pointer: &str| Err(Failure::new(Kind::BadRequest, message).at(pointer));
    let mut own = own(arguments);
    let names = own.remove("settings");
    if let Some(unknown) = own.keys().next() {
        return refuse(&format!("`{unknown}` is not an option of this module; the only one is `settings`"), "");
    }
    match names {
        None => Ok(None),
        Some(Value::Array(names)) if names.is_empty() => Ok(None),
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
            Ok(Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        }
        Some(Value::String(names)) => Ok(Some(names.split(',').map(|name| name.trim().to_owned()).collect())),
        Some(_) => refuse("`settings` is not a list of names", "/settings"),
    }
}

fn task(arguments: Map<String, Value>) -> Task {
    let is_set = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or(false);
    let mode = if is_set("_ansible_check_mode") { Mode::Check } else { Mode::Apply };
    let wants_diff = is_set("_ansible_diff");
    let mut own = own(arguments);
    for (name, value) in &mut own {
        if SWITCHES.contains(&name.as_str()) {
            *value = switch(value.take());
        }
    }
    Task { mode, wants_diff, request: Value::Object(own) }
}

/// The options of the task. Ansible leaves out an option that a playbook omits, and passes null for one without a value
/// (`option:`).
fn own(mut arguments: Map<String, Value>) -> Map<String, Value> {
    arguments.retain(|name, value| !is_ansibles(name) && !value.is_null());
    arguments
}

/// Whether an argument comes from Ansible itself, which adds some to every task.
fn is_ansibles(name: &str) -> bool {
    name.starts_with("_ansible_")
}

fn switch(value: Value) -> Value {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "yes" | "on") => true.into(),
        Some("false" | "no" | "off") => false.into(),
        // The number of copies.
        Some(text) => text.parse::<u16>().map_or(value, Value::from),
        None => value,
    }
}
