//! Defines the JSON Schemas of the documents. `schemas/` holds their texts, and the binary has a copy.
//!
//! The tests make the schemas from the types that read and write the documents, and compare them with the texts. So a
//! schema cannot differ from its types, and the binary does without the code that makes schemas.

use crate::answer::{JSON, Output, Printed};

/// The documents that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The request that apply and check take.
    Request,
    /// The report that apply and check print.
    Report,
    /// The instance of the DSC resource: a request, or an answer to one.
    Instance,
}

/// The schema of a document, as indented JSON.
#[must_use]
pub fn of(of: Of) -> &'static str {
    let text = match of {
        Of::Request => include_str!("../schemas/request.schema.json"),
        Of::Report => include_str!("../schemas/report.schema.json"),
        Of::Instance => include_str!("../schemas/instance.schema.json"),
    };
    text.trim_end()
}

impl Printed for Of {
    // A schema has no other text for people than its JSON.
    const OUTPUTS: &'static [Output<Of>] =
        &[Output { name: JSON, help: "JSON, one object", render: TEXT_OF }, Output::text(TEXT_OF)];
}

const TEXT_OF: fn(&Of) -> String = |document| of(*document).to_owned();

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::generate::SchemaSettings;
    use schemars::{Schema, schema_for};
    use serde_json::json;

    use super::*;
    use crate::report::Report;
    use crate::report::dsc::Actual;
    use crate::request::Request;
    use crate::value::WireValue;

    /// The schema of the DSC resource's instances. An instance is a request; an answer has the values as they are, and more
    /// about each setting in `actual`.
    ///
    /// DSC checks an instance against the schema before it calls the resource. Its message names neither the place of a
    /// wrong value nor the right form. So the schema does not restrict the form of a value: the request's own parser
    /// does, and names both.
    fn of_instance() -> Schema {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let (value, actual) = (generator.subschema_for::<WireValue>(), generator.subschema_for::<Actual>());
        let mut schema = generator.into_root_schema_for::<Request>().to_value();
        if let Some(value) = schema["$defs"]["Value"].as_object_mut() {
            value.remove("pattern");
        }
        schema["properties"]["settings"]["additionalProperties"] = value.to_value();
        schema["properties"]["actual"] = json!({
            "description": "Both sides of each setting, and the line that decides at boot. Only an answer has them.",
            "type": ["object", "null"],
            "additionalProperties": actual,
            "readOnly": true,
        });
        schema["properties"]["_inDesiredState"] = json!({
            "description": "Whether the settings are as desired. Only the answer to test has it.",
            "type": ["boolean", "null"],
            "readOnly": true,
        });
        schema.try_into().expect("an object is a schema")
    }

    /// The schema with an identifier that names the version, and so never means another text.
    fn identified(name: &str, schema: Schema) -> Schema {
        let mut schema = schema.to_value();
        let (place, version) = (env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_VERSION"));
        schema["$id"] = json!(format!("{place}/schemas/{version}/{name}.schema.json"));
        schema.try_into().expect("an object is a schema")
    }

    fn of_request() -> Schema {
        let mut schema = schema_for!(Request).to_value();
        schema["properties"]["$schema"] = json!({
            "description": "The schema by which an editor checks this file. It says nothing about the machine.",
            "type": "string",
        });
        schema.try_into().expect("an object is a schema")
    }

    /// `BLESS=1 cargo test --lib schema::` writes the texts.
    #[test]
    fn the_texts_are_those_of_the_types() {
        let made = [
            ("request", Of::Request, of_request()),
            ("report", Of::Report, schema_for!(Report)),
            ("instance", Of::Instance, of_instance()),
        ];
        for (name, document, schema) in made {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
            let made = serde_json::to_string_pretty(&identified(name, schema)).expect("a schema is JSON");
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&path, made + "\n").expect("a schema can be written");
            } else {
                assert!(made == of(document), "{} differs from the types; they make:\n{made}", path.display());
            }
        }
    }
}
