//! Defines how many copies of the old content of a file are kept. In JSON it is true, false or a number.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The copies that are kept if the request says true.
const USUAL: u16 = 10;

/// The most copies that a request can ask for.
const MOST: u16 = 1000;

/// How many copies of the old content of a changed file are kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup(u16);

impl Backup {
    /// No copy is kept.
    pub const NONE: Backup = Backup(0);

    /// The most copies of a file that there may be. None: no copy is made, and none is removed.
    #[must_use]
    pub fn most(self) -> Option<usize> {
        (self != Backup::NONE).then_some(self.0.into())
    }
}

impl<'de> Deserialize<'de> for Backup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Backup, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Backup;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "true, false, or the number of copies from 1 to {MOST}")
    }

    fn visit_bool<E: Error>(self, keeps: bool) -> Result<Backup, E> {
        Ok(if keeps { Backup(USUAL) } else { Backup::NONE })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Backup, E> {
        let number = u16::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
        number.map(Backup).ok_or_else(|| E::custom(format!("the number of copies must be from 1 to {MOST}")))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Backup {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Backup".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": MOST}]})
    }
}
