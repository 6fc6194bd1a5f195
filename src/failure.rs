//! Defines the failure of a run: one type for every stage, because a user reads one message, whichever stage failed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of failure. The names are stable: playbooks and alerts may match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is not JSON, has an unknown field, a value in an unknown form, or an impossible demand.
    BadRequest,
    /// A name is not a connection tracking sysctl, or this kernel does not have it.
    UnknownSetting,
    /// A value is outside the range of the setting or of this kernel.
    OutOfRange,
    /// Connection tracking is not loaded, and the request or the system forbids loading it.
    ModuleAbsent,
    /// The kernel once had the setting and has dropped it.
    RemovedInKernel,
    /// The kernel does not let this process write the setting: network namespace, container, or old kernel.
    ReadOnly,
    /// The operating system refused access.
    Permission,
    /// Another file decides the setting at boot.
    Conflict,
    /// The next boot cannot be known, and the request does not allow that.
    BootUnknown,
    /// The kernel changed the written value to another one.
    Clamped,
    /// A write failed, or the value that was read back differs.
    WriteFailed,
    /// Another run holds the lock.
    Busy,
    /// A run failed, and its undo failed too.
    RollbackFailed,
}

/// The reason of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The kind of failure.
    pub kind: Kind,
    /// The failure as a sentence that names the key or the path, and the cause.
    pub message: String,
    /// The setting that the failure is about.
    pub key: Option<String>,
    /// The place of the cause in the request, as a JSON pointer (RFC 6901); the empty pointer is the whole request.
    pub pointer: Option<String>,
    /// The action that would help.
    pub hint: Option<String>,
    /// Whether everything that the run had changed is as it was before. Null: nothing had been changed.
    pub rolled_back: Option<bool>,
    /// After an undo: what is not as it was before, as a change that could not be undone, or one that another program made
    /// meanwhile.
    pub remains: Vec<String>,
}

impl Failure {
    /// A failure of `kind`, with its message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            key: None,
            pointer: None,
            hint: None,
            rolled_back: None,
            remains: Vec::new(),
        }
    }

    /// Names the setting that the failure is about.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Points at the cause in the request.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Adds the action that would help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(pointer) = self.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
            write!(f, " (at {pointer})")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// `token` as one step of a JSON pointer.
#[must_use]
pub fn pointer_step(token: &str) -> String {
    format!("/{}", token.replace('~', "~0").replace('/', "~1"))
}
