//! Prints the JSON Schemas of the request and of the report, made from their types. `schemas/` holds the same.

use clap::ValueEnum;
use schemars::schema_for;

use crate::report::Report;
use crate::request::Request;

/// What a schema is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// The request that apply and check take.
    Request,
    /// The report that they print.
    Report,
}

/// The schema as indented JSON.
#[must_use]
pub fn text(of: Of) -> String {
    let schema = match of {
        Of::Request => schema_for!(Request),
        Of::Report => schema_for!(Report),
    };
    crate::cli::json(&schema)
}
