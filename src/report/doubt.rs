//! Defines the form of a doubt about the next boot in a report.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::tree::lossy_optional;
use crate::verify::{Doubt, Reason, doubt_remedy};

/// One reason why the next boot of a setting cannot be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DoubtReport {
    /// The reason.
    pub reason: Reason,
    /// The file that is the cause; null if there is none.
    #[serde(serialize_with = "lossy_optional")]
    pub file: Option<PathBuf>,
    /// The line of that file, counted from 1; null if it is the whole file.
    pub line: Option<usize>,
    /// The reason as a sentence.
    pub message: String,
    /// The one thing to do.
    pub advice: String,
}

impl From<&Doubt> for DoubtReport {
    fn from(doubt: &Doubt) -> DoubtReport {
        DoubtReport {
            reason: doubt.reason,
            file: doubt.file.clone(),
            line: doubt.line,
            message: doubt.to_string(),
            advice: doubt_remedy(doubt).to_owned(),
        }
    }
}

impl DoubtReport {
    /// The file, with the line if it is one line.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?.display();
        Some(self.line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}")))
    }
}
