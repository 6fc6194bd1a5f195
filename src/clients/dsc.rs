//! Answers the operations of the DSC resource, as its manifest in `dsc/` has them called.
//!
//! DSC takes any other exit code than 0 for an error. So a test that finds a drift ends with 0, and the answer tells.

use std::path::Path;

use clap::ValueEnum;

use crate::cli::{Answer, FAILED, OK, complain};
use crate::failure::{Failure, Kind};
use crate::report::dsc;
use crate::show::{self, Inventory};
use crate::{request, run, schema};

/// What DSC asks of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// What the settings of the request are; without a request, all settings.
    Get,
    /// Whether they are as desired.
    Test,
    /// Makes them as desired.
    Set,
    /// What set would make of them.
    WhatIf,
    /// What a request would say of this machine.
    Export,
    /// The JSON Schema of requests and answers.
    Schema,
}

/// Does `operation` on the machine at `root`; `input` reads the request.
#[must_use]
pub fn run(operation: Operation, input: impl FnOnce() -> Result<Vec<u8>, Failure>, root: &Path) -> Answer {
    let answer = match operation {
        Operation::Schema => Ok(schema::of_instances()),
        _ => input().and_then(|request| answer(operation, &request, root)),
    };
    match answer {
        Ok(text) => Answer { text, code: OK },
        Err(failure) => {
            complain(&dsc::refusal(&failure));
            Answer { text: String::new(), code: FAILED }
        }
    }
}

fn answer(operation: Operation, request: &[u8], root: &Path) -> Result<String, Failure> {
    let asks_nothing = request.trim_ascii().is_empty();
    match operation {
        Operation::Get if asks_nothing => return Ok(dsc::got_all(&inventory(root)?)),
        Operation::Export if asks_nothing => return Ok(dsc::exported(&inventory(root)?)),
        Operation::Export => {
            return Err(Failure::new(Kind::BadRequest, "export takes no filter: it tells of all settings")
                .hint("leave the input out"));
        }
        _ => {}
    }
    let desired = request::from_slice(request)?;
    let report = if operation == Operation::Set { run::apply(&desired, root) } else { run::check(&desired, root) };
    // To look is no failure where to set would be one, as long as something was seen.
    let has_looked = matches!(operation, Operation::Get | Operation::Test) && !report.settings.is_empty();
    if let Some(failure) = report.failure.clone().filter(|_| !has_looked) {
        return Err(failure);
    }
    if operation == Operation::Get {
        return Ok(dsc::got(&report));
    }
    complain(&dsc::messages(&report));
    Ok(if operation == Operation::Test { dsc::tested(&report) } else { dsc::set(&report) })
}

fn inventory(root: &Path) -> Result<Inventory, Failure> {
    Ok(show::inventory(&run::look(root)?))
}
