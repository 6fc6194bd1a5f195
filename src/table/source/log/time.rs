//! Recognises the times that logs print. A time is kept as the log has it; only a number of seconds is put into words.

use crate::text::utc;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The time that `text` begins with, and the rest.
pub(super) fn calendar(text: &str) -> Option<(String, &str)> {
    if let Some((seconds, rest)) = unix(text) {
        return Some((utc(seconds), rest));
    }
    let rest = words(text)?;
    Some((text[..text.len() - rest.len()].trim_end().to_owned(), rest))
}

/// The rest of a text behind the time that it begins with.
fn words(text: &str) -> Option<&str> {
    let weekday = DAYS.iter().find_map(|day| text.strip_prefix(day)).map(|rest| rest.trim_start_matches([',', ' ']));
    let date = |text| numeric_date(text).or_else(|| month_and_day(text));
    // dmesg and journalctl name days and months in the language of their user.
    let rest = date(weekday.unwrap_or(text)).or_else(|| date(name(text)?.strip_prefix(' ')?.trim_start()))?;
    Some(zone(rest))
}

/// The letters in the longest short name of a day or a month.
const LETTERS: usize = 6;

/// The rest of a text behind a short name of any language: `Dez`, `nov.`.
fn name(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(char::is_alphabetic);
    let letters = text[..text.len() - rest.len()].chars().count();
    (1..=LETTERS).contains(&letters).then(|| rest.strip_prefix('.').unwrap_or(rest))
}

/// `2026-11-20T22:30:22,123456`, `2026/11/20 22:30:22`, and `11-20 22:30:22.123` of Android.
fn numeric_date(text: &str) -> Option<&str> {
    let rest = match number(text, 4) {
        Some(rest) => number(rest.strip_prefix(['-', '/'])?, 2)?,
        None => number(text, 2)?,
    };
    let rest = number(rest.strip_prefix(['-', '/'])?, 2)?;
    clock(rest.strip_prefix(['T', ' '])?)
}

/// `Nov 20 22:30:22`, `Nov 20 22:30:22 2018`, `Nov 20 2018 22:30:22`, and `Nov20 22:30` of `dmesg -H`.
fn month_and_day(text: &str) -> Option<&str> {
    let rest = MONTHS.iter().find_map(|month| text.strip_prefix(month)).or_else(|| name(text))?.trim_start();
    let rest = number(rest, 2).or_else(|| number(rest, 1))?;
    let rest = rest.strip_prefix(' ')?.trim_start();
    let rest = number(rest, 4).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(rest);
    let rest = clock(rest)?;
    let year = zone(rest).strip_prefix(' ').and_then(|rest| number(rest, 4));
    Some(year.filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.' || c == ':')).unwrap_or(rest))
}

/// `22:30:22.123456`, or `22:30`.
fn clock(text: &str) -> Option<&str> {
    let rest = number(number(text, 2)?.strip_prefix(':')?, 2)?;
    let Some(rest) = rest.strip_prefix(':').and_then(|rest| number(rest, 2)) else { return Some(rest) };
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(rest) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// The rest of a text behind the time zone, if it begins with one: `Z`, `+00:00`, `+0000`, ` UTC`, ` CEST`.
fn zone(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('Z') {
        return rest;
    }
    let shifted = text.trim_start().strip_prefix(['+', '-']).and_then(|rest| {
        let colon = |rest: &'_ str| number(rest.strip_prefix(':')?, 2).map(str::len);
        let hours = number(rest, 2);
        hours.map(|rest| colon(rest).map_or(rest, |left| &rest[rest.len() - left..])).or_else(|| number(rest, 4))
    });
    if let Some(rest) = shifted {
        return rest;
    }
    // A host in capital letters is rarer than a zone, and a zone has three to five of them.
    let Some(named) = text.strip_prefix(' ') else { return text };
    let letters = named.bytes().take_while(u8::is_ascii_uppercase).count();
    let ends = named[letters..].is_empty() || named[letters..].starts_with(' ');
    if (3..=5).contains(&letters) && ends && !is_host_next(&named[letters..]) { &named[letters..] } else { text }
}

/// Whether the kernel's tag follows at once, so that the word before it was the host.
fn is_host_next(rest: &str) -> bool {
    rest.trim_start().starts_with("kern")
}

/// Seconds since 1970 with a fraction: `1763678422.123456`.
fn unix(text: &str) -> Option<(i64, &str)> {
    let rest = number(text, 10)?;
    let fraction = rest.strip_prefix('.')?;
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(())?;
    Some((text[..10].parse().ok()?, rest))
}

/// The rest of a text that begins with a number of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<&str> {
    (text.bytes().take_while(u8::is_ascii_digit).count() == digits).then(|| &text[digits..])
}

/// The microseconds in a number of seconds, `1234.567890`.
pub(super) fn microseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(seconds) && is_number(fraction)).then_some(())?;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}
