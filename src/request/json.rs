//! Reads only JSON that all readers understand alike: without duplicate keys, and of a bounded size.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::failure::{Failure, Kind, pointer_step};

/// The most bytes that a request may have. All settings with all fields take less than 10 KB.
pub const LIMIT: usize = 1 << 20;

/// The JSON value in `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    let refuse = |message: String| Failure::new(Kind::BadRequest, message).at("");
    if bytes.len() > LIMIT {
        return Err(refuse(format!("the request is larger than {LIMIT} bytes"))
            .hint("a request with every setting takes less than 10 KB"));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("the request is empty".into())
            .hint(r#"a minimal request is {"settings": {"nf_conntrack_max": 98000}}"#));
    }
    let duplicate = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { pointer: "", duplicate: &duplicate }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match (value, duplicate.into_inner()) {
        (_, Some(pointer)) => {
            let message = format!("`{pointer}` is given twice");
            Err(Failure::new(Kind::BadRequest, message).at(pointer).hint("keep one of the two"))
        }
        (Ok(value), None) => Ok(value),
        (Err(error), None) => {
            let failure = refuse(format!("the request is not JSON: {error}"));
            Err(match other_language(bytes) {
                Some(language) => failure.hint(format!(
                    r#"this looks like {language}; a request is JSON: {{"settings": {{"nf_conntrack_max": 98000}}}}"#
                )),
                None => failure,
            })
        }
    }
}

/// The language of a text that is not JSON, if its first line tells.
fn other_language(bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let is_name = |name: &str| {
        let name = name.trim_matches(['"', '\'', ' ', '\t', '-']);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.$/".contains(c))
    };
    if line == "---" || line.starts_with("%YAML") || line.split_once(':').is_some_and(|(name, _)| is_name(name)) {
        return Some("YAML");
    }
    line.split_once('=').is_some_and(|(name, _)| is_name(name)).then_some("lines of a sysctl file")
}

/// Reads a [`Value`] and remembers the first object key that is given twice. (`serde_json` keeps the last, silently.)
#[derive(Clone, Copy)]
struct Strict<'a> {
    pointer: &'a str,
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let pointer = format!("{}/{}", self.pointer, array.len());
            match elements.next_element_seed(Strict { pointer: &pointer, ..self })? {
                Some(element) => array.push(element),
                None => return Ok(array.into()),
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let pointer = format!("{}{}", self.pointer, pointer_step(&key));
            let value = members.next_value_seed(Strict { pointer: &pointer, ..self })?;
            if object.insert(key, value).is_some() {
                self.duplicate.borrow_mut().get_or_insert(pointer);
            }
        }
        Ok(object.into())
    }
}
