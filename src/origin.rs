//! Says of which machine and moment a report is, so that a fleet can keep its reports and see which are stale.

use serde::{Deserialize, Serialize};

/// The machine, the moment and the program behind a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The name of the machine on which the run was.
    pub host: String,
    /// The time of the run, in UTC, in the form of RFC 3339.
    pub time: String,
    /// The version of this program.
    pub version: String,
    /// The release of the kernel that ran.
    pub kernel: String,
    /// The identity of the boot, which each boot has anew. Null: /proc does not tell it.
    pub boot_id: Option<String>,
    /// A hash of the meaning of the request: requests that ask for the same have the same. Null: the request was refused.
    pub request: Option<String>,
}
