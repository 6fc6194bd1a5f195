//! Makes the JSON Schemas of the request and of the report from their types. `schemas/` holds copies.

use schemars::generate::SchemaSettings;
use schemars::{Schema, schema_for};

use crate::answer::{Output, Printed, json};
use crate::report::Report;
use crate::report::dsc::Actual;
use crate::request::Request;
use crate::value::WireValue;

/// The documents that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The request that apply and check take.
    Request,
    /// The report that apply and check print.
    Report,
}

/// The schema of the request or of the report.
#[must_use]
pub fn of(of: Of) -> Schema {
    match of {
        Of::Request => schema_for!(Request),
        Of::Report => schema_for!(Report),
    }
}

impl Printed for Schema {
    // A schema has no other text for people than its JSON.
    const OUTPUTS: &'static [Output<Schema>] = &[Output::JSON, Output::text(json)];
}

/// The schema of the DSC resource's instances, as JSON on one line. An instance is a request; an answer has the state of
/// each setting in the place of its desired value.
///
/// DSC checks an instance against the schema before it calls the resource. Its message names neither the place of a wrong
/// value nor the right form. So the schema does not restrict the form of a value: the request's own parser does, and
/// names both.
#[must_use]
pub fn of_instances() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let forms = [generator.subschema_for::<WireValue>(), generator.subschema_for::<Actual>()];
    let mut schema = generator.into_root_schema_for::<Request>().to_value();
    if let Some(value) = schema["$defs"]["Value"].as_object_mut() {
        value.remove("pattern");
    }
    schema["properties"]["settings"]["additionalProperties"] = serde_json::json!({"anyOf": forms});
    schema["properties"]["_inDesiredState"] = serde_json::json!({
        "description": "Whether the settings are as desired. Only the answer to test has it.",
        "type": ["boolean", "null"],
        "readOnly": true,
    });
    schema.to_string()
}
