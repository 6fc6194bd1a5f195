//! Defines which init systems a request names, by the loaders that they run. The names come from [`SYSTEMS`].

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{SYSTEMD, SYSTEMS, SYSVINIT, System, detected};
use crate::text::excerpt;
use crate::tree::Tree;

/// The program that reads the files at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoaderChoice {
    /// The loader that the machine boots with.
    Auto,
    /// These loaders; a setting must be right with each of them.
    Named(Vec<&'static System>),
}

/// A name for two init systems together.
const BOTH: (&str, [&System; 2]) = ("both", [&SYSTEMD, &SYSVINIT]);

const AUTO: &str = "auto";

impl LoaderChoice {
    /// The init systems with which a request must be right, at least one.
    #[must_use]
    pub fn systems(&self, tree: &Tree) -> Vec<&'static System> {
        match self {
            LoaderChoice::Auto => vec![detected(tree)],
            LoaderChoice::Named(systems) => systems.clone(),
        }
    }

    fn of_name(name: &str) -> Result<LoaderChoice, String> {
        match name {
            AUTO => Ok(LoaderChoice::Auto),
            name if name == BOTH.0 => Ok(LoaderChoice::Named(BOTH.1.to_vec())),
            name => system(name, &[AUTO, BOTH.0]).map(|system| LoaderChoice::Named(vec![system])),
        }
    }

    fn of_list(names: &[Value]) -> Result<LoaderChoice, String> {
        let mut systems = Vec::new();
        for name in names {
            let system = system(name.as_str().ok_or("a list has names of loaders")?, &[])?;
            if systems.contains(&system) {
                return Err(format!("the list has `{}` twice", system.name));
            }
            systems.push(system);
        }
        if systems.is_empty() { Err("the list is empty".to_owned()) } else { Ok(LoaderChoice::Named(systems)) }
    }
}

/// The init system of this name, or a message that lists the names and `others`.
fn system(name: &str, others: &[&str]) -> Result<&'static System, String> {
    SYSTEMS.into_iter().find(|system| system.name == name).ok_or_else(|| {
        let names = others.iter().copied().chain(SYSTEMS.iter().map(|system| system.name));
        format!("there is no loader `{}`; the names are {}", excerpt(name), names.collect::<Vec<_>>().join(", "))
    })
}

impl<'de> Deserialize<'de> for LoaderChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let choice = match Value::deserialize(deserializer)? {
            Value::String(name) => LoaderChoice::of_name(&name),
            Value::Array(names) => LoaderChoice::of_list(&names),
            _ => Err("name a loader, or list some".to_owned()),
        };
        choice.map_err(D::Error::custom)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for LoaderChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoaderChoice".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let name = |name: &str, description: &str| schemars::json_schema!({"description": description, "type": "string", "const": name});
        let both = format!("The settings must be right with {} and with {}.", BOTH.1[0].name, BOTH.1[1].name);
        let mut ways = vec![name(AUTO, "The loader that this host boots with.")];
        ways.extend(SYSTEMS.iter().map(|system| name(system.name, system.summary)));
        ways.push(name(BOTH.0, &both));
        ways.push(schemars::json_schema!({
            "description": "The settings must be right with each of these.",
            "type": "array",
            "items": {"type": "string", "enum": SYSTEMS.map(|system| system.name)},
            "minItems": 1,
            "uniqueItems": true,
        }));
        schemars::json_schema!({"description": "The program that reads the files at boot.", "oneOf": ways})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_names_one_loader_or_some() {
        let read = |value: Value| serde_json::from_value::<LoaderChoice>(value).map_err(|error| error.to_string());
        let named = |systems: &[&'static System]| Ok(LoaderChoice::Named(systems.to_vec()));
        assert_eq!(read(json!("auto")), Ok(LoaderChoice::Auto));
        for system in SYSTEMS {
            assert_eq!(read(json!(system.name)), named(&[system]));
        }
        assert_eq!(read(json!("both")), named(&[&SYSTEMD, &SYSVINIT]));
        assert_eq!(read(json!(["procps", "systemd"])), named(&[&SYSVINIT, &SYSTEMD]));
        for (value, part) in [
            (json!("busybox"), "no loader `busybox`; the names are auto, both, systemd, procps"),
            (json!(["systemd", "both"]), "no loader `both`; the names are systemd, procps"),
            (json!(["systemd", "systemd"]), "`systemd` twice"),
            (json!([7]), "names of loaders"),
            (json!([]), "empty"),
            (json!(null), "name a loader"),
        ] {
            let message = read(value.clone()).expect_err("it is no choice");
            assert!(message.contains(part), "{value}: {message}");
        }
    }
}
