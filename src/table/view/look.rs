//! Puts a look at the table into words, and renders it as one line for `watch`.

use crate::table::analysis::look::Look;
use crate::table::model::counters::NewEntries;
use crate::text::{duration_text, grouped, printable_json, to_f64};

/// One line of text, for a log.
#[must_use]
pub fn line(look: &Look) -> String {
    if !look.loaded {
        return format!("{}  connection tracking is not loaded", look.time);
    }
    format!("{}  {}  {}  {}", look.time, occupancy(look), growth(look), losses(look))
}

/// The look as JSON on one line.
///
/// # Panics
/// Never: a look has no map.
#[must_use]
pub fn json_line(look: &Look) -> String {
    printable_json(serde_json::to_string(look).expect("a look has no map"))
}

fn occupancy(look: &Look) -> String {
    if !look.loaded {
        return "is not loaded".to_owned();
    }
    match (look.count, look.limit, look.fill_percent) {
        (Some(count), Some(limit), Some(fill)) => format!("{} of {} ({fill:.1}%)", grouped(count), grouped(limit)),
        (Some(count), ..) => format!("{} entries", grouped(count)),
        (None, ..) => "not known".to_owned(),
    }
}

fn growth(look: &Look) -> String {
    growth_parts(look).join(", ")
}

/// The growth for each second, the time until the table is full, and the new entries for each second; the most urgent first.
#[must_use]
pub fn growth_parts(look: &Look) -> Vec<String> {
    let rate = |number: u64| to_f64(number) / look.seconds.max(0.001);
    let sign = if look.growth < 0 { "-" } else { "+" };
    let mut parts = vec![format!("{sign}{:.0}/s", rate(look.growth.unsigned_abs()))];
    if let Some(seconds) = look.seconds_until_full {
        parts.push(format!("full in {}", duration_text(i64::try_from(seconds.max(1)).unwrap_or(i64::MAX))));
    }
    if let Some(NewEntries { entries, or_more }) = look.new {
        parts.push(format!("new {}{:.0}/s", if or_more { ">" } else { "" }, rate(entries)));
    }
    parts
}

fn losses(look: &Look) -> String {
    lost([look.drop, look.early_drop, look.insert_failed, look.invalid]).join(" ")
}

/// Counts of dropped packets, evicted entries, failed insertions and invalid packets.
#[must_use]
pub fn lost(counts: [u64; 4]) -> [String; 4] {
    let [drop, evicted, failed, invalid] = counts.map(grouped);
    [
        format!("drop {drop}"),
        format!("evicted {evicted}"),
        format!("insert_failed {failed}"),
        format!("invalid {invalid}"),
    ]
}
