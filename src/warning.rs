//! Defines what a user should know although nothing failed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The codes of warnings. The names are stable: playbooks and alerts may match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The setting is not in the catalog; it is handled as a plain integer.
    Uncatalogued,
    /// Chains of the hash table would be longer than with the kernel's own default ratio.
    LongChains,
    /// The new limit is below the present number of entries: new connections are dropped until entries expire.
    LimitBelowCount,
    /// The limit is 0: the table may grow until memory ends.
    NoLimit,
    /// Another file decides the setting at boot, and the request says to leave it.
    Shadowed,
    /// The module may come after the loader at boot, and the request says to leave it.
    BootNotGuaranteed,
    /// A file that a boot reads could not be read here.
    Unreadable,
    /// ufw writes the setting after the boot's loader.
    Ufw,
    /// tuned writes the setting after the boot's loader.
    Tuned,
    /// kube-proxy writes the setting as it starts.
    KubeProxy,
}

/// One thing that a user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// What kind of thing it is.
    pub code: Code,
    /// What it is, in a sentence that names the key or the path.
    pub message: String,
    /// The setting that it is about.
    pub key: Option<String>,
}

impl Warning {
    /// A warning with its code and its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Warning { code, message: message.into(), key: None }
    }

    /// Names the setting that it is about.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}
