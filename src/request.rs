//! Defines a request as its JSON has it ([`Request`]) and its meaning ([`Desired`]), and refuses a request without one.
//!
//! Every error that shows without a look at the machine is refused here, with a JSON pointer to its cause.

mod backup;
mod fingerprint;
mod json;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::boot::LoaderChoice;
use crate::failure::{Failure, Kind, pointer_step};
use crate::kernel::catalog::{self, Access, Name};
use crate::text::excerpt;
use crate::value::{self, ValueError, WireValue};

pub use backup::Backup;
pub use json::LIMIT;

/// The file for our lines, unless the request names another.
pub const DEFAULT_FILE: &str = "/etc/sysctl.d/90-conntrack.conf";

/// The hint of a failure whose cause is a `file` that no boot reads.
pub const FILE_HINT: &str = "name a *.conf directly in /etc/sysctl.d, such as /etc/sysctl.d/90-conntrack.conf";

/// The state that a user asks for. The options of a run (check mode, another root) are not part of it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// Maps the name of a setting to its exact value. Every name of a setting is accepted: `nf_conntrack_max`,
    /// `net.netfilter.nf_conntrack_max`, `net/netfilter/nf_conntrack_max`, `net.ipv4.netfilter.ip_conntrack_max`.
    pub settings: BTreeMap<String, WireValue>,
    /// Maps the name of a setting to a floor. A value at or above the floor is left alone.
    pub at_least: BTreeMap<String, WireValue>,
    /// `present`: the settings have these values. `absent`: `file` assigns none of these settings; live is untouched.
    pub state: State,
    /// Whether the live kernel is managed. If not, the report still shows its values. With `--root`, only a request that says
    /// true manages it.
    #[cfg_attr(test, schemars(with = "bool"))]
    pub live: Live,
    /// Whether the next boot is managed, by `file`. If not, the report still shows its values.
    pub persist: bool,
    /// The file for our lines, which the boot must read: `/etc/sysctl.conf`, or a `*.conf` directly in `/etc/sysctl.d`.
    pub file: PathBuf,
    /// The action if another file's assignment would win at boot.
    pub conflicts: Conflicts,
    /// Whether other conntrack assignments in `file` are removed.
    pub exclusive: bool,
    /// The action if connection tracking is a module that is not loaded in time.
    pub module: ModulePolicy,
    /// The program that reads the files at boot.
    pub loader: LoaderChoice,
    /// The action if the next boot cannot be known.
    pub uncertain: Uncertain,
    /// The action if a new file of ours would hide lines of a package's file of the same name.
    pub masks: Masks,
    /// The action if an initrd is older than a file of which it holds a copy, and a setting rests on that.
    pub initrd: Initrd,
    /// Whether the old content of a changed file is kept beside it, as `NAME.TIME~`. TIME is in milliseconds since 1970. A number
    /// says how many such copies of a file there are at most: the oldest go. With true there are ten at most.
    pub backup: Backup,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            settings: BTreeMap::new(),
            at_least: BTreeMap::new(),
            state: State::Present,
            live: Live::Usual,
            persist: true,
            file: DEFAULT_FILE.into(),
            conflicts: Conflicts::Fail,
            exclusive: false,
            module: ModulePolicy::Load,
            loader: LoaderChoice::Auto,
            uncertain: Uncertain::Warn,
            masks: Masks::Fail,
            initrd: Initrd::Keep,
            backup: Backup::NONE,
        }
    }
}

/// The member that names the schema of a JSON document.
const SCHEMA: &str = "$schema";

/// The fields of [`Request`]. The failure of a misspelt field names the nearest. A test compares them with the schema.
pub const FIELDS: [&str; 14] = [
    "settings",
    "at_least",
    "state",
    "live",
    "persist",
    "file",
    "conflicts",
    "exclusive",
    "module",
    "loader",
    "uncertain",
    "masks",
    "initrd",
    "backup",
];

/// Whether the live kernel is managed. In JSON it is true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Live {
    /// The request does not say: it is managed, unless the run names the root of an image.
    Usual,
    /// It is managed. If the run names another root, that is the root of the machine that runs now.
    Managed,
    /// It is left alone.
    LeftAlone,
}

impl From<bool> for Live {
    fn from(is_managed: bool) -> Live {
        if is_managed { Live::Managed } else { Live::LeftAlone }
    }
}

impl From<Live> for bool {
    fn from(live: Live) -> bool {
        live != Live::LeftAlone
    }
}

/// Whether the file assigns the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The settings have their values.
    Present,
    /// The file assigns none of the settings.
    Absent,
}

/// The action if another file's assignment would win at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Conflicts {
    /// Fail, and name the file, the line and the remedies.
    Fail,
    /// Turn each such line into a comment, in files under /etc only.
    CommentOut,
    /// Change nothing there, and warn.
    Warn,
}

/// The action if connection tracking is a module that is not loaded in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModulePolicy {
    /// Load it now, and have the next boot load it before the files are read (a line in /etc/modules-load.d).
    Load,
    /// Fail if it is not loaded now, or not early at boot.
    Require,
    /// Do not load it, and warn.
    Ignore,
}

/// The action if the next boot cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Do what can be done, and warn. The settings are not in sync.
    Warn,
    /// Fail before anything is touched.
    Fail,
}

/// The action if a new file of ours would hide lines of a package's file of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Masks {
    /// Fail, and name the lines and the remedies.
    Fail,
    /// Take these lines over into our file, between two comments, and keep them as they are in the package's file.
    Carry,
}

/// The action if an initrd is older than a file of which it holds a copy, and a setting rests on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Initrd {
    /// Leave it alone. The next boot of such a setting cannot be known.
    Keep,
    /// Make it anew with the machine's own program, after the files are written.
    Rebuild,
}

/// The aim of a request for one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// This value.
    Exactly(i64),
    /// This value or more.
    AtLeast(i64),
    /// No assignment in our file.
    Absent,
}

/// One setting of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The setting.
    pub name: Name,
    /// The aim for it.
    pub aim: Aim,
    /// The place in the request, as a JSON pointer.
    pub pointer: String,
}

/// The meaning of a request: every name is resolved, and every value is a number within its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The settings, by name.
    pub wants: BTreeMap<Name, Want>,
    /// Whether the live kernel is managed.
    pub live: bool,
    /// Whether another root that the run names is that of the machine that runs now, whose live kernel is managed.
    pub enters_root: bool,
    /// Whether the next boot is managed.
    pub persist: bool,
    /// The file for our lines.
    pub file: PathBuf,
    /// The action if another file's assignment would win at boot.
    pub conflicts: Conflicts,
    /// Whether other conntrack assignments in `file` are removed.
    pub exclusive: bool,
    /// The action if the module is not loaded in time.
    pub module: ModulePolicy,
    /// The program that reads the files at boot.
    pub loader: LoaderChoice,
    /// The action if the next boot cannot be known.
    pub uncertain: Uncertain,
    /// The action if a new file of ours would hide lines of a package's file of the same name.
    pub masks: Masks,
    /// The action if an initrd is older than a file of which it holds a copy.
    pub initrd: Initrd,
    /// Whether the old content of a changed file is kept beside it, and how often.
    pub backup: Backup,
}

/// The meaning of the request in the JSON text `bytes`.
pub fn from_slice(bytes: &[u8]) -> Result<Desired, Failure> {
    desired(&from_value(json::parse(bytes)?)?)
}

impl FromStr for Desired {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Desired, Failure> {
        from_slice(text.as_bytes())
    }
}

/// The JSON value in `bytes`. Text that two readers could understand differently is refused.
pub fn strict_json(bytes: &[u8]) -> Result<Value, Failure> {
    json::parse(bytes)
}

/// The request in a JSON value.
pub fn from_value(mut value: Value) -> Result<Request, Failure> {
    let Value::Object(members) = &mut value else {
        return Err(Failure::new(Kind::BadRequest, "the request is not a JSON object").at(""));
    };
    // An editor looks there for the schema of the file that it checks. It says nothing about the machine.
    if members.get(SCHEMA).is_some_and(Value::is_string) {
        members.remove(SCHEMA);
    }
    if let Some(unknown) = members.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(unknown_field(unknown));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer: String = error.path().iter().map(|segment| pointer_step(&segment.to_string())).collect();
        let reason = error.inner().to_string();
        let failure = Failure::new(Kind::BadRequest, format!("`{pointer}` is wrong: {reason}")).at(pointer);
        match meant(&reason) {
            Some(name) => failure.hint(format!("did you mean `{name}`?")),
            None => failure,
        }
    })
}

/// The name that is nearest to a wrong one, from the message that names both and lists the right ones.
fn meant(reason: &str) -> Option<&str> {
    let (wrong, right) = match reason.strip_prefix("unknown variant `") {
        Some(rest) => rest.split_once("`, expected ")?,
        None => reason.split_once("there is no loader `")?.1.split_once("`; the names are ")?,
    };
    nearest(wrong, right.split([' ', ',', '`']).filter(|word| !["", "one", "of", "or"].contains(word)))
}

/// The name that is most like `name`, if one is like it.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let like = names.map(|known| (strsim::jaro_winkler(&name.to_lowercase(), known), known));
    like.filter(|(likeness, _)| *likeness > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

fn unknown_field(name: &str) -> Failure {
    let message = format!("unknown field `{}`", excerpt(name));
    let failure = Failure::new(Kind::BadRequest, message).at(pointer_step(name));
    // The most likely mistake is a setting in the place of a field.
    match (catalog::find(name), nearest(name, FIELDS.into_iter())) {
        (Ok(_), _) => failure.hint(format!(r#"put settings one level deeper: {{"settings": {{"{name}": ...}}}}"#)),
        (_, Some(field)) => failure.hint(format!("did you mean `{field}`?")),
        _ => failure.hint(format!("the fields are {}", FIELDS.join(", "))),
    }
}

/// The meaning of `request`.
pub fn desired(request: &Request) -> Result<Desired, Failure> {
    let mut wants: BTreeMap<Name, Want> = BTreeMap::new();
    for (field, values) in [("/settings", &request.settings), ("/at_least", &request.at_least)] {
        for (name, value) in values {
            let pointer = format!("{field}{}", pointer_step(name));
            let want = want(request.state, field, name, value, pointer)?;
            if let Some(other) = wants.get(&want.name) {
                agree(other, &want)?;
            }
            wants.entry(want.name.clone()).or_insert(want);
        }
    }
    if wants.is_empty() && !request.exclusive {
        return Err(Failure::new(Kind::BadRequest, "the request names no setting")
            .at("/settings")
            .hint(r#"a minimal request is {"settings": {"nf_conntrack_max": 98000}}"#));
    }
    if request.live == Live::LeftAlone && !request.persist {
        return Err(Failure::new(Kind::BadRequest, "`live` and `persist` are both false, so nothing would be managed")
            .at("/live")
            .hint("leave out one of the two; use check to observe only"));
    }
    if !request.persist && (request.exclusive || request.state == State::Absent) {
        let what = if request.exclusive { "`exclusive`" } else { "`state` absent" };
        let message = format!("{what} changes lines of `file`, but `persist` is false");
        return Err(Failure::new(Kind::BadRequest, message).at("/persist").hint("leave `persist` out"));
    }
    Ok(Desired {
        wants,
        live: request.live != Live::LeftAlone && request.state == State::Present,
        enters_root: request.live == Live::Managed && request.state == State::Present,
        persist: request.persist,
        file: persistent_file(&request.file)?,
        conflicts: request.conflicts,
        exclusive: request.exclusive,
        module: request.module,
        loader: request.loader.clone(),
        uncertain: request.uncertain,
        masks: request.masks,
        initrd: request.initrd,
        backup: request.backup,
    })
}

/// The setting that a person means by `name`, or the failure if there is none.
pub fn setting(name: &str) -> Result<Name, Failure> {
    catalog::find(name).map_err(|unknown| {
        let message = format!("`{}` is not a connection tracking sysctl", excerpt(name));
        let failure = Failure::new(Kind::UnknownSetting, message).key(excerpt(name));
        match unknown.nearest {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure.hint("`conntrack-sysctl show` lists them"),
        }
    })
}

fn want(state: State, field: &str, name: &str, value: &WireValue, pointer: String) -> Result<Want, Failure> {
    let name = setting(name).map_err(|failure| failure.at(&pointer))?;
    let setting = name.setting();
    let refuse = |kind, message: String| Failure::new(kind, message).key(&name).at(&pointer);
    if state == State::Absent && *value == WireValue::Null {
        return Ok(Want { name, aim: Aim::Absent, pointer });
    }
    let number = value::number(value, setting).map_err(|error| match error {
        ValueError::Form(why) => refuse(Kind::BadRequest, format!("`{name}`: {why}")).hint(value::forms(setting.kind)),
        ValueError::Range(why) => refuse(Kind::OutOfRange, format!("`{name}`: {why}"))
            .hint(format!("choose a value within {}", value::range(setting))),
    })?;
    if state == State::Present && setting.access == Access::ReadOnly {
        return Err(refuse(Kind::ReadOnly, format!("`{name}` is read-only: the kernel counts it")));
    }
    let aim = match state {
        State::Absent => Aim::Absent,
        State::Present if field == "/at_least" => Aim::AtLeast(number),
        State::Present => Aim::Exactly(number),
    };
    Ok(Want { name, aim, pointer })
}

/// Refuses two names of one setting that ask for different values.
fn agree(one: &Want, other: &Want) -> Result<(), Failure> {
    if one.aim == other.aim {
        return Ok(());
    }
    let message = format!("`{}` and `{}` are the same setting with different values", one.pointer, other.pointer);
    Err(Failure::new(Kind::BadRequest, message)
        .key(&other.name)
        .at(&other.pointer)
        .hint(format!("both mean {}; keep one", other.name)))
}

/// `file` in its simplest form, if a boot can read it: `/etc/sysctl.conf`, or a `*.conf` directly in `/etc/sysctl.d`.
fn persistent_file(file: &Path) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| {
        Err(Failure::new(Kind::BadRequest, format!("no boot reads `{}`: {why}", file.display()))
            .at("/file")
            .hint(FILE_HINT))
    };
    if file.components().any(|part| matches!(part, Component::ParentDir)) || !file.is_absolute() {
        return refuse("it is not an absolute path without `..`");
    }
    // Rebuilding the path from its components drops doubled slashes and `/./`, so that paths compare.
    let file: PathBuf = file.components().collect();
    if file == Path::new("/etc/sysctl.conf") {
        return Ok(file);
    }
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return refuse("it has no readable name");
    };
    if file.parent() != Some(Path::new("/etc/sysctl.d")) {
        return refuse("it is not directly in /etc/sysctl.d");
    }
    if !name.ends_with(".conf") {
        return refuse("its name does not end in .conf");
    }
    if name.starts_with('.') {
        return refuse("its name starts with a dot, and loaders skip hidden files");
    }
    if name.chars().any(char::is_control) {
        return refuse("its name contains a control character");
    }
    // No file system of today has names of more than 255 bytes.
    if name.len() > 200 {
        return Err(Failure::new(Kind::BadRequest, "the name of `file` is longer than 200 bytes")
            .at("/file")
            .hint("choose a shorter name: the staged file has a name about 30 bytes longer"));
    }
    Ok(file)
}
