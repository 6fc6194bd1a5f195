//! Decides which number a value in a request means, and how a number reads for people.
//!
//! A request may use fewer forms than the kernel would take, on purpose: the kernel silently reads `010` as 8, and `5 6`
//! as 5.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::kernel::catalog::{Setting, ValueKind};
use crate::text::{UNITS, duration_text, excerpt};

/// A value as the request's JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireValue {
    /// A JSON integer of any size that JSON readers agree on.
    Integer(i128),
    /// A JSON string.
    Text(String),
    /// A JSON boolean.
    Boolean(bool),
    /// The JSON null.
    Null,
}

impl<'de> Deserialize<'de> for WireValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl Visitor<'_> for Forms {
            type Value = WireValue;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number, a string, or a boolean")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<WireValue, E> {
                Ok(WireValue::Boolean(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<WireValue, E> {
                Ok(WireValue::Integer(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<WireValue, E> {
                Ok(WireValue::Integer(value.into()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<WireValue, E> {
                Ok(WireValue::Text(value.to_owned()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<WireValue, E> {
                Ok(WireValue::Null)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for WireValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An integer; or a string: decimal digits, a boolean word (true, yes, on, false, no, off) for \
                            a switch, a duration (8h, 5d, 1h30m) for a timeout; null only with state absent.",
            "type": ["integer", "string", "boolean", "null"],
            "pattern": "^(-?(0|[1-9][0-9]*)|[A-Za-z]+|([0-9]+[wdhms])+)$",
        })
    }
}

/// The reason for which a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The value has no form that this setting knows; the sentence says why.
    Form(String),
    /// The number lies outside the setting's bounds; the sentence says which.
    Range(String),
}

/// The number that `value` means for `setting`.
pub fn number(value: &WireValue, setting: &Setting) -> Result<i64, ValueError> {
    let number = match value {
        WireValue::Integer(number) => *number,
        WireValue::Text(text) => number_in_text(text, setting.kind)?,
        WireValue::Boolean(switch) if setting.kind == ValueKind::Boolean => i128::from(*switch),
        WireValue::Boolean(switch) => return Err(ValueError::Form(format!("`{switch}` is a switch, not a number"))),
        WireValue::Null => return Err(ValueError::Form("null is only valid with `state` absent".into())),
    };
    match i64::try_from(number) {
        Ok(number) if (setting.min..=setting.max).contains(&number) => Ok(number),
        _ => Err(ValueError::Range(format!("{number} is not within {}", range(setting)))),
    }
}

/// The bounds of `setting`, for a message.
#[must_use]
pub fn range(setting: &Setting) -> String {
    let unit = if setting.unit.is_empty() { String::new() } else { format!(" {}", setting.unit) };
    format!("{}..={}{unit}", setting.min, setting.max)
}

/// The forms that a value of `kind` may have, for a hint.
#[must_use]
pub fn forms(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Integer => "write a whole decimal number, such as 98000",
        ValueKind::Boolean => "write 0 or 1, or one of true, yes, on, false, no, off",
        ValueKind::Seconds => "write a whole number of seconds, or a duration like 8h, 5d or 1h30m",
    }
}

fn number_in_text(text: &str, kind: ValueKind) -> Result<i128, ValueError> {
    let refuse = |why: &str| Err(ValueError::Form(format!("`{}` {why}", excerpt(text))));
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() {
        return refuse("has no digits");
    }
    if digits.chars().all(|c| c.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return refuse("starts with 0, which the kernel would read as octal");
        }
        // A number that does not fit is outside of every setting's bounds. The message keeps the digits as they were given.
        return text.parse().map_err(|_| ValueError::Range(format!("{} is too large", excerpt(text))));
    }
    if digits.starts_with("0x") || digits.starts_with("0X") {
        return refuse("is hexadecimal; write it in decimal");
    }
    if text.chars().any(char::is_whitespace) {
        return refuse("contains blanks, and the kernel would silently ignore everything after them");
    }
    match kind {
        ValueKind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(1),
            "false" | "no" | "off" => Ok(0),
            _ => refuse("is not on or off"),
        },
        ValueKind::Seconds => match duration(text) {
            Some(seconds) => Ok(seconds),
            None => refuse("is not a time"),
        },
        ValueKind::Integer => refuse("is not a whole decimal number"),
    }
}

/// The seconds of a duration such as `1h30m`: each unit at most once, the larger first.
fn duration(text: &str) -> Option<i128> {
    let mut units = UNITS.iter();
    let mut total: i128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, tail) = rest.split_at(end);
        let unit = tail.chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(count.parse::<i128>().ok()?.checked_mul(*seconds)?)?;
        rest = &tail[unit.len_utf8()..];
    }
    Some(total)
}

/// `number` as a person reads it, if that differs from the digits.
#[must_use]
pub fn human(number: i64, kind: ValueKind) -> Option<String> {
    match kind {
        // Below a minute the digits by themselves are plain.
        ValueKind::Seconds if number < 60 => None,
        ValueKind::Seconds => Some(duration_text(number)),
        ValueKind::Boolean if number == 0 => Some("off".into()),
        ValueKind::Boolean => Some("on".into()),
        ValueKind::Integer => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::catalog::find;

    #[test]
    fn values_mean_these_numbers() {
        let text = |text: &str| WireValue::Text(text.to_owned());
        let cases = [
            ("nf_conntrack_acct", WireValue::Boolean(true), 1),
            ("nf_conntrack_acct", WireValue::Boolean(false), 0),
            ("nf_conntrack_acct", text("Yes"), 1),
            ("nf_conntrack_acct", text("off"), 0),
            ("nf_conntrack_acct", text("0"), 0),
            ("nf_conntrack_max", WireValue::Integer(0), 0),
            ("nf_conntrack_max", text("98000"), 98_000),
            ("nf_conntrack_udp_timeout", text("30"), 30),
            ("nf_conntrack_udp_timeout", text("1h30m"), 5400),
            ("nf_conntrack_udp_timeout", text("2w1d1s"), 1_296_001),
        ];
        for (name, value, expected) in cases {
            let setting = find(name).expect("it is a setting").setting();
            assert_eq!(number(&value, setting), Ok(expected), "{name}: {value:?}");
        }
    }

    #[test]
    fn numbers_read_as_a_person_says_them() {
        let cases = [
            (0, ValueKind::Seconds, None),
            (59, ValueKind::Seconds, None),
            (60, ValueKind::Seconds, Some("1m")),
            (5401, ValueKind::Seconds, Some("1h30m1s")),
            (604_800, ValueKind::Seconds, Some("7d")),
            (0, ValueKind::Boolean, Some("off")),
            (1, ValueKind::Boolean, Some("on")),
            (98_000, ValueKind::Integer, None),
        ];
        for (number, kind, expected) in cases {
            assert_eq!(human(number, kind).as_deref(), expected, "{number}");
        }
        assert_eq!(duration_text(0), "0s");
    }
}
