//! The warnings of a run: facts that a user should know, although nothing failed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::boot::{Certainty, Evidence, LaterWrite, Writer};

/// The codes of warnings. The names are stable: playbooks and alerts may match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The setting is not in the catalog; it is handled as a plain integer.
    Uncatalogued,
    /// Chains of the hash table would be longer than with the kernel's own default ratio.
    LongChains,
    /// The new limit is below the present number of entries: new connections are dropped until entries expire.
    LimitBelowCount,
    /// The limit is 0: the table may use all memory.
    NoLimit,
    /// A timeout is 0: the kernel removes such an entry at once.
    ZeroTimeout,
    /// Another file decides the setting at boot, and the request allows this.
    Shadowed,
    /// The module may be loaded after the loader ran at boot, and the request allows this.
    BootNotGuaranteed,
    /// The next boot cannot be known.
    BootUnknown,
    /// The changes also give a setting that the request does not name another value at the next boot.
    AlsoChanges,
    /// A file has the name of a staged file of this program, and cannot be removed.
    Leftover,
    /// An update of the system may not keep a file of the request.
    NotKept,
    /// A program writes the setting after the boot's loader.
    LaterWriter,
    /// The promise for `verify` cannot be stored.
    PromiseNotKept,
}

/// One fact that a user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// The kind of warning.
    pub code: Code,
    /// The warning as a sentence that names the key or the path.
    pub message: String,
    /// The setting that the warning is about.
    pub key: Option<String>,
    /// The program, if the code is `later_writer`.
    #[cfg_attr(test, schemars(with = "Option<Writer>"))]
    pub by: Option<String>,
}

impl Warning {
    /// A warning about no setting in particular.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Warning { code, message: message.into(), key: None, by: None }
    }

    /// Names the setting that the warning is about.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The warning about a file with the name of a staged one, which cannot be removed because of `obstacle`.
    #[must_use]
    pub fn leftover(path: &Path, obstacle: &str) -> Warning {
        let path = path.display();
        let message =
            format!("`{path}` has the name of a staged file, and is not removed: {obstacle}; remove it by hand");
        Warning::new(Code::Leftover, message)
    }

    /// The warning about a program and all that it writes, which is never nothing.
    #[must_use]
    pub fn later_writer(writes: &[LaterWrite]) -> Warning {
        let Writer { name, remedy: [of_one, of_several], .. } = writes[0].by;
        let mut message = (*name).to_owned();
        let parts = writes.chunk_by(|a, b| (a.certainty, &a.evidence) == (b.certainty, &b.evidence)).enumerate();
        for (index, part) in parts {
            let verb = match part[0].certainty {
                Certainty::Surely => "writes",
                Certainty::Perhaps => "may write",
            };
            let when = if index == 0 { " after the boot's loader" } else { "" };
            let evidence = match &part[0].evidence {
                Evidence::Line(place) => format!("`{place}`"),
                Evidence::Presence(path) => format!("`{}` is there", path.display()),
            };
            let names: Vec<String> = part.iter().map(|write| format!("`{}`", write.setting)).collect();
            let also = if index == 0 { " " } else { ", and " };
            message += &format!("{also}{verb} {}{when} ({evidence})", listed(&names));
        }
        let is_one = writes.iter().all(|write| write.evidence == writes[0].evidence);
        let message = format!("{message}; {}", if is_one { of_one } else { of_several });
        let warning = Warning { by: Some((*name).to_owned()), ..Warning::new(Code::LaterWriter, message) };
        match writes {
            [write] => warning.key(&write.setting),
            _ => warning,
        }
    }
}

/// The names with commas, and `and` before the last.
fn listed(names: &[String]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        names => names.concat(),
    }
}
