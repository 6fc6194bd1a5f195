//! Renders a look at the table for `watch`: as the lines of a terminal of any size, or as one line of text.

use std::collections::VecDeque;

use crate::table::analysis::look::Look;
use crate::table::analysis::profile::Item;
use crate::table::model::counters::NewEntries;
use crate::text::{duration_text, grouped, printable, to_f64, to_u64};

/// The properties of a terminal that drawing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Its columns.
    pub width: usize,
    /// Its rows.
    pub height: usize,
    /// Whether colours may be used (<https://no-color.org>).
    pub colour: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
}

/// From these fills on, the bar is yellow and red.
const YELLOW_PERCENT: f64 = 75.0;
const RED_PERCENT: f64 = 90.0;

/// The lines of the view, none longer than the canvas is wide, and no more than it has rows.
#[must_use]
pub fn frame(look: &Look, history: &VecDeque<f64>, canvas: Canvas) -> Vec<String> {
    let Canvas { width, height, .. } = canvas;
    let fill = look.fill_percent.unwrap_or(0.0);
    let mut lines = vec![
        plain(&format!("conntrack {}", occupancy(look)), width),
        bar(fill, canvas),
        plain(&format!("growth {}", growth(look)), width),
        plain(&format!("lost   {}", losses(look)), width),
        plain(&format!("fill   {}", sparkline(history, canvas)), width),
        String::new(),
    ];
    // A narrow terminal has the ports below the sources, and not beside them.
    let half = width.saturating_sub(2) / 2;
    let (sources, ports) = (items("TOP SOURCES", &look.sources, half), items("TOP PORTS", &look.ports, half));
    if width >= 60 {
        let blank = String::new();
        for row in 0..sources.len().max(ports.len()) {
            let (left, right) = (sources.get(row).unwrap_or(&blank), ports.get(row).unwrap_or(&blank));
            lines.push(plain(&format!("{left:<half$}  {right}"), width));
        }
    } else {
        lines.extend(items("TOP SOURCES", &look.sources, width));
        lines.extend(items("TOP PORTS", &look.ports, width));
    }
    let last = plain(&format!("{}  q quits", look.time), width);
    lines.truncate(height.saturating_sub(1));
    lines.push(last);
    lines.truncate(height);
    lines
}

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
    serde_json::to_string(look).expect("a look has no map")
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
    let rate = |number: u64| to_f64(number) / look.seconds.max(0.001);
    let sign = if look.growth < 0 { "-" } else { "+" };
    let mut text = format!("{sign}{:.0}/s", rate(look.growth.unsigned_abs()));
    if let Some(NewEntries { entries, or_more }) = look.new {
        text += &format!(", new {}{:.0}/s", if or_more { ">" } else { "" }, rate(entries));
    }
    if let Some(seconds) = look.seconds_until_full {
        text += &format!(", full in {}", duration_text(i64::try_from(seconds.max(1)).unwrap_or(i64::MAX)));
    }
    text
}

fn losses(look: &Look) -> String {
    let Look { drop, early_drop, insert_failed, invalid, .. } = look;
    let mut text = format!("drop {} evicted {}", grouped(*drop), grouped(*early_drop));
    text += &format!(" insert_failed {} invalid {}", grouped(*insert_failed), grouped(*invalid));
    text
}

/// `[#####     ]`, in the colour of its fill.
fn bar(fill: f64, canvas: Canvas) -> String {
    let room = canvas.width.saturating_sub(2);
    if room == 0 {
        return String::new();
    }
    let marks = usize::try_from(to_u64(to_f64(room as u64) * fill.clamp(0.0, 100.0) / 100.0)).unwrap_or(room);
    let bar = format!("[{}{}]", "#".repeat(marks.min(room)), " ".repeat(room - marks.min(room)));
    if !canvas.colour {
        return bar;
    }
    let colour = match fill {
        fill if fill >= RED_PERCENT => 31,
        fill if fill >= YELLOW_PERCENT => 33,
        _ => 32,
    };
    format!("\u{1b}[{colour}m{bar}\u{1b}[0m")
}

/// The last fills, one column each. A full table has the full height.
fn sparkline(history: &VecDeque<f64>, canvas: Canvas) -> String {
    let steps: &[char] = if canvas.unicode {
        &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        &['_', '.', ',', '-', '=', '+', '*', '#']
    };
    let room = canvas.width.saturating_sub(7);
    let from = history.len().saturating_sub(room);
    let last = steps.len() - 1;
    let step = |fill: &f64| {
        let step = to_u64(fill.clamp(0.0, 100.0) * to_f64(steps.len() as u64) / 100.0);
        steps[usize::try_from(step).unwrap_or(last).min(last)]
    };
    history.iter().skip(from).map(step).collect()
}

fn items(head: &str, items: &[Item], width: usize) -> Vec<String> {
    // Items with one entry each are not worth a place.
    let rows = items.iter().filter(|item| item.entries > 1).map(|item| {
        // IPv6 addresses are long; the share must stay in sight.
        let room = width.saturating_sub(8);
        let mut name: String = item.name.chars().take(room).collect();
        if name.len() < item.name.len() {
            name.pop();
            name.push('~');
        }
        plain(&format!("{:>6.1}%  {}", item.percent, name), width)
    });
    std::iter::once(plain(head, width)).chain(rows).collect()
}

/// `text` cut to the width, without characters that control a terminal.
fn plain(text: &str, width: usize) -> String {
    printable(text).trim_end().chars().take(width).collect()
}
