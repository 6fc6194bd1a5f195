//! Draws the last fills as a graph with a scale of its own, so that a slow change is seen, and a time axis.

use std::collections::VecDeque;

use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::bar::{NINE_LEVELS, Set};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use super::{Page, age};
use crate::text::{grouped, to_u64};

/// The levels of a bar on a terminal that shows ASCII only.
const ASCII: Set = Set {
    full: ":",
    seven_eighths: ":",
    three_quarters: ":",
    five_eighths: ":",
    half: ".",
    three_eighths: ".",
    one_quarter: ".",
    one_eighth: ".",
    empty: " ",
};

/// The steps of a scale: the ends of the scale are multiples of one of them.
const STEPS: [f64; 4] = [1.0, 2.0, 2.5, 5.0];

/// A bar from the low to the high end of the scale has this height.
const HIGH: f64 = 1000.0;

/// Draws the graph into `area`, whose last row is the time axis.
pub(super) fn draw(history: &VecDeque<(f64, f64)>, is_percent: bool, page: &mut Page, area: Rect) {
    let rows = area.height - 1;
    let label = |value: f64, span: f64| match (is_percent, span < 2.0) {
        (true, true) => format!("{value:.1}%"),
        (true, false) => format!("{value:.0}%"),
        (false, _) => grouped(to_u64(value)),
    };
    // The largest value of all makes the widest label. The values that are shown depend on its width.
    let most = history.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let widest = if is_percent { "100.0%".len() } else { label(most * 2.0, most).len() };
    let width = u16::try_from(widest).unwrap_or(u16::MAX) + 1;
    let Some(room) = area.width.checked_sub(width).filter(|room| *room > 0) else { return };
    let shown = history.len().min(usize::from(room));
    let last = history.range(history.len() - shown..);
    let columns = u16::try_from(shown).unwrap_or(room);
    let (low, high) = scale(last.clone().map(|(_, value)| *value), rows, is_percent);
    let label = |value: f64| label(value, high - low);

    // The smallest value has a mark too.
    let least = (HIGH / 8.0 / f64::from(rows)).ceil();
    let heights: Vec<u64> =
        last.clone().map(|(_, value)| to_u64(((value - low) / (high - low) * HIGH).max(least))).collect();
    let bars = Rect { x: area.right() - columns, width: columns, height: rows, ..area };
    let style = if page.paint.colour { Style::new().fg(Color::Cyan) } else { Style::new() };
    let set = if page.paint.unicode { NINE_LEVELS } else { ASCII };
    page.frame.render_widget(Sparkline::default().data(&heights).max(to_u64(HIGH)).bar_set(set).style(style), bars);

    let at = |row: u16| Rect { y: area.y + row, height: 1, ..area };
    let edge = usize::from(width - 1);
    page.put(Line::raw(format!("{:>edge$}", label(high))), at(0));
    if rows > 8 {
        // The label of a bar that reaches the middle of its row.
        let row = rows / 2;
        let share = (f64::from(rows - row) - 0.5) / f64::from(rows);
        page.put(Line::raw(format!("{:>edge$}", label(low + (high - low) * share))), at(row));
    }
    if rows > 1 {
        page.put(Line::raw(format!("{:>edge$}", label(low))), at(rows - 1));
    }
    let seconds: f64 = last.skip(1).map(|(seconds, _)| seconds).sum();
    let (begin, room) = (format!("-{}", age(seconds)), usize::from(columns));
    let times =
        if begin.len() + 4 > room { "now".to_owned() } else { format!("{begin}{:>1$}", "now", room - begin.len()) };
    page.put(Line::raw(times).right_aligned(), at(rows));
}

/// The largest power of ten that is not above `number`, which is at least a tenth. The functions of C for this are in a
/// library of their own, which every run would load.
fn power_of_ten(number: f64) -> f64 {
    let mut power = if number < 1.0 { 0.1 } else { 1.0 };
    while power * 10.0 <= number {
        power *= 10.0;
    }
    power
}

/// The ends of the scale for `values`.
fn scale(values: impl Iterator<Item = f64> + Clone, rows: u16, is_percent: bool) -> (f64, f64) {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    let (least, smallest) = (if least.is_finite() { least } else { 0.0 }, if is_percent { 0.1 } else { 1.0 });
    let wanted = ((most - least) / f64::from(rows.clamp(1, 8))).max(smallest);
    let power = power_of_ten(wanted);
    let step = STEPS.into_iter().map(|step| step * power).find(|step| *step >= wanted).unwrap_or(10.0 * power);
    let low = (least / step).floor() * step;
    let high = (most / step).ceil() * step;
    (low, high.max(low + step))
}
