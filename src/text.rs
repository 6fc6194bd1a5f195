//! Puts names, numbers, sizes and times into words, and escapes text so that no file or request drives a terminal.

pub mod style;

use std::borrow::Cow;

use memchr::memchr;
use style::{Cell, HEAD, PLAIN, painted};

/// The units of a duration in seconds, in the order in which they must appear.
pub const UNITS: [(char, i128); 5] = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// The control character that is not below the blank.
const DELETE: u8 = 0x7f;

/// A number with its form for people behind it: `28800 (8h)`; `-` if there is none.
#[must_use]
pub fn number(number: Option<i64>, human: Option<&str>) -> String {
    match (number, human) {
        (None, _) => "-".to_owned(),
        (Some(number), None) => number.to_string(),
        (Some(number), Some(human)) => format!("{number} ({human})"),
    }
}

/// The name without the prefix that the settings share: `nf_conntrack_max`.
#[must_use]
pub fn short(name: &str) -> &str {
    name.strip_prefix("net.netfilter.").unwrap_or(name)
}

/// The rows below their headings, in aligned columns.
#[must_use]
pub fn columns<C: Into<Cell>>(headings: &[&str], rows: impl Iterator<Item = Vec<C>>) -> String {
    let escaped = |cell: C| {
        let Cell { text, style } = cell.into();
        Cell { text: printable(&text).into_owned(), style }
    };
    let head = headings.iter().map(|heading| Cell::new(HEAD, *heading)).collect();
    let rows: Vec<Vec<Cell>> =
        std::iter::once(head).chain(rows.map(|row| row.into_iter().map(escaped).collect())).collect();
    let length = |cell: &Cell| cell.text.chars().count();
    let width = |column: usize| rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        // The blanks are not painted, so that they can be trimmed.
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let paint = if cell.text.is_empty() { PLAIN } else { cell.style };
            painted(paint, &cell.text) + &" ".repeat(width - length(cell))
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `text` with every character escaped that a reader would not see as it is, so that the content of a file can neither drive
/// a terminal nor look like something else. Every output for people goes through this function.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|c| if is_unseen(c) { c.escape_default().to_string() } else { c.to_string() });
    Cow::Owned(escaped.collect())
}

/// The same, but for the ends of the lines.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => printable(line).into_owned() + "\n",
            None => printable(line).into_owned(),
        })
        .collect()
}

/// The same for JSON, in which a program finds the same text as before. Outside of its strings JSON is ASCII.
#[must_use]
pub fn printable_json(json: String) -> String {
    // Most JSON is plain, and a fleet has much of it. In strings, JSON escapes every control character but the last.
    if json.is_ascii() && memchr(DELETE, json.as_bytes()).is_none() {
        json
    } else {
        with_escapes(&json, |c| c != '\n' && is_unseen(c))
    }
}

/// The same JSON with ASCII characters only.
#[must_use]
pub fn ascii_json(json: &str) -> String {
    with_escapes(json, |c| !c.is_ascii())
}

/// `json` with the characters that `escapes` picks as JSON escapes them: all of them stand in strings.
fn with_escapes(json: &str, escapes: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if escapes(c) {
            let mut units = [0; 2];
            escaped.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whether `c` is a control character, ends a line, changes the direction of writing, is invisible, or is a blank that looks
/// like the plain one and is another to every program. A tab is harmless.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    // Most text is ASCII.
    if c.is_ascii() {
        return c.is_ascii_control() && c != '\t';
    }
    c.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// The characters of Unicode 16 that nobody sees, as ranges: those with the property `Default_Ignorable_Code_Point`, of the
/// categories Zl and Zp (ends of lines), of the category Cf if they have no shape (marks of annotations, of shorthand, of
/// music and of hieroglyphs), and the blanks: those of the category Zs, and the empty pattern of Braille.
const UNSEEN: [(char, char); 23] = [
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// `seconds` as a duration that a request accepts: `8h`, `5d`, `1h30m`.
#[must_use]
pub fn duration_text(seconds: i64) -> String {
    if seconds <= 0 {
        return format!("{seconds}s");
    }
    let mut rest = i128::from(seconds);
    let mut text = String::new();
    // A request may say weeks, but people read 1209600 as 14 days.
    for (name, length) in UNITS.iter().skip(1) {
        if rest >= *length {
            text += &format!("{}{name}", rest / length);
            rest %= length;
        }
    }
    text
}

/// At most the first 40 characters of `text`, so that no input floods a message.
#[must_use]
pub fn excerpt(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(40).chain("...".chars()).collect()
}

/// The UTC time `seconds` after 1970 in the form of RFC 3339: `2012-06-07T08:09:10Z`.
#[must_use]
pub fn utc(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days count from the first of March of the year 0, so that a leap day is the last day of its year (Howard
    // Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The seconds after 1970 of a time that [`utc`] wrote.
#[must_use]
pub fn seconds_of(utc: &str) -> Option<i64> {
    let form = utc.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if utc.len() != 20 || !form {
        return None;
    }
    let part = |from: usize, to: usize| utc[from..to].parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    // The same count of days as above, from the first of March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100;
    let days = year.div_euclid(400) * 146_097 + of_era + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19)?)
}

/// A number with commas between its thousands: `262,144`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes in the largest fitting unit: `66.0 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = to_f64(bytes) / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// `part` of `whole` in percent, to two places; 0 if `whole` is 0.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (to_f64(part) * 10_000.0 / to_f64(whole)).round() / 100.0 }
}

/// A count as a floating-point number. It is exact up to 2^53, more than any count of entries.
#[expect(clippy::cast_precision_loss, reason = "no count of entries, bytes or packets here needs the last digit")]
#[must_use]
pub fn to_f64(number: u64) -> f64 {
    number as f64
}

/// The whole part of a number; 0 if it is negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
#[must_use]
pub fn to_u64(number: f64) -> u64 {
    number as u64
}

/// `text` as content or as a quoted attribute of XML or HTML. The caller escapes control characters before.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // XML and HTML forbid these two characters; U+FFFD is the replacement character.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
