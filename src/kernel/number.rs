//! Decides which number the kernel takes from a text that is written to a sysctl.
//!
//! Measured on 6.18 and read in its `kernel/sysctl.c` (`proc_get_long` and the handlers above it). The bounds are the
//! catalog's, which are as wide as those of any kernel: a given one may refuse more (a timeout ends at `INT_MAX / HZ`).

use super::names::{BUCKETS, Name};
use super::pages::Pages;
use super::setting::{Setting, ValueKind};

/// The kernel copies at most 21 bytes before parsing, and rejects a number that fills the buffer (`TMPBUFLEN - 1`).
const LONGEST: usize = 21;

/// The largest `int` of the kernel. A signed setting reads `-0` as 0; an unsigned one refuses it.
const INT_MAX: i64 = 2_147_483_647;

/// The number that the setting `name` has after a loader has written `text` and a line end, on a machine with such
/// pages. None: the kernel refuses the text, and the old number stays.
#[must_use]
pub fn kernel_reading(text: &[u8], name: &Name, pages: Pages) -> Option<i64> {
    let setting = name.setting();
    let number = first_number(text, setting, pages)?;
    let bounds = match setting.kind {
        // A timeout below zero makes no sense, but every kernel accepts it.
        ValueKind::Seconds => -setting.max..=setting.max,
        ValueKind::Integer | ValueKind::Boolean => setting.min..=setting.max,
    };
    let number = i64::try_from(number).ok().filter(|number| bounds.contains(number))?;
    Some(kernel_value(name, number, pages))
}

/// The number that the setting `name` has after `number` has been written, if the kernel accepts it.
#[must_use]
pub fn kernel_value(name: &Name, number: i64, pages: Pages) -> i64 {
    if *name == BUCKETS { pages.rounded(number) } else { number }
}

/// The number at the start of `text`, decimal, octal or hexadecimal. The kernel ignores everything after a blank.
fn first_number(text: &[u8], setting: &Setting, pages: Pages) -> Option<i128> {
    let seen = &text[..text.len().min(pages.smallest().saturating_sub(1))];
    let seen = &seen[seen.iter().take_while(|byte| is_space(**byte)).count()..];
    let copied = &seen[..seen.len().min(LONGEST)];
    let (negative, unsigned) = match copied {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', ..] => (8, unsigned),
        rest => (10, rest),
    };
    let length = digits.iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let (digits, rest) = digits.split_at(length);
    let after = &seen[copied.len() - rest.len()..];
    let fills_the_copy = rest.is_empty() && copied.len() == LONGEST;
    if fills_the_copy || !matches!(after, [] | [b' ' | b'\t' | b'\n', ..]) {
        return None;
    }
    let magnitude = u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    if negative && !is_signed(setting) {
        return None;
    }
    let sign = if negative { -1 } else { 1 };
    Some(sign * i128::from(magnitude))
}

/// Whether the kernel reads a minus sign at all: the small levels, the switches and the sizes are unsigned.
fn is_signed(setting: &Setting) -> bool {
    setting.kind == ValueKind::Seconds || setting.max == INT_MAX || !setting.is_catalogued()
}

/// A blank of the kernel's `isspace`, which knows the no-break space of Latin-1.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::catalog::find;

    #[test]
    fn texts_are_read_as_the_kernel_reads_them() {
        const TIMEOUT: &str = "nf_conntrack_generic_timeout";
        const SWITCH: &str = "nf_conntrack_acct";
        let long = format!("{}7", " ".repeat(4095));
        let cases: &[(&str, &str, Option<i64>)] = &[
            (TIMEOUT, "600", Some(600)),
            (TIMEOUT, "", None),
            (TIMEOUT, " \t600", Some(600)),
            (TIMEOUT, "010", Some(8)),
            (TIMEOUT, "08", None),
            (TIMEOUT, "0x10", Some(16)),
            (TIMEOUT, "0X1f", Some(31)),
            (TIMEOUT, "0x", None),
            (TIMEOUT, "5 6", Some(5)),
            (TIMEOUT, "70\t# seconds", Some(70)),
            (TIMEOUT, "5,6", None),
            (TIMEOUT, "5\r", None),
            (TIMEOUT, "1.5", None),
            (TIMEOUT, "+5", None),
            (TIMEOUT, "-1", Some(-1)),
            (TIMEOUT, "-0", Some(0)),
            (TIMEOUT, "- 1", None),
            (TIMEOUT, "\"600\"", None),
            (TIMEOUT, "00000000000000000005", Some(5)),
            (TIMEOUT, "000000000000000000005", None),
            (TIMEOUT, "-2147483648", None),
            (TIMEOUT, "18446744073709551616", None),
            (TIMEOUT, &long[1..], Some(7)),
            (TIMEOUT, &long, None),
            (SWITCH, "1", Some(1)),
            (SWITCH, "2", None),
            (SWITCH, "-0", None),
            ("nf_conntrack_max", "-0", Some(0)),
            ("nf_conntrack_max", "-1", None),
            ("nf_conntrack_buckets", "100001", Some(100_352)),
            ("nf_conntrack_buckets", "0", None),
            ("nf_conntrack_frag6_high_thresh", "4294967297", Some(4_294_967_297)),
            ("nf_conntrack_of_tomorrow", "-3", Some(-3)),
        ];
        for (name, text, expected) in cases {
            let setting = find(name).expect("it is a setting");
            assert_eq!(kernel_reading(text.as_bytes(), &setting, Pages::USUAL), *expected, "{name}: {text:?}");
        }
        let setting = find(TIMEOUT).expect("it is a setting");
        assert_eq!(kernel_reading(b"\xa05", &setting, Pages::USUAL), Some(5));
    }
}
