//! Draws the entries of a week under two timeouts: connections that end without a word, one a second.

use conntrack_sysctl::text::{grouped, to_u64};

/// The seconds of an hour, and of a day.
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// The limit of the story, and the most entries of the scale.
const LIMIT: f64 = 98_000.0;
const MOST: f64 = 480_000.0;

const SIZE: (f64, f64) = (820.0, 360.0);
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 44.0;

pub(super) fn svg() -> String {
    let title = "Entries of connections that end without a word, one each second";
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\">\n<title>{title}</title>\n\
         <style>svg {{ background: #fff }} text {{ font: 13px sans-serif; fill: #1f2328 }} .heading {{ font-weight: bold }}\n\
         .axis {{ fill: #57606a }} line {{ stroke: #d0d7de }} polyline {{ fill: none; stroke-width: 2.5 }}</style>\n\
         <text class=\"heading\" x=\"16\" y=\"24\">{title}</text>\n",
        SIZE.0, SIZE.1,
    );
    for entries in [0.0, 100_000.0, 200_000.0, 300_000.0, 400_000.0] {
        let y = y(entries);
        svg += &format!("<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n", SIZE.0 - RIGHT);
        svg += &text("axis", "end", LEFT - 8.0, y + 4.0, &grouped(to_u64(entries)));
    }
    for day in 0..=7 {
        let anchor = if day == 7 { "end" } else { "middle" };
        let (name, at) = (if day == 0 { "0".to_owned() } else { format!("{day}d") }, x(f64::from(day) * DAY));
        svg += &text("axis", anchor, at, SIZE.1 - BOTTOM + 20.0, &name);
    }
    svg += &format!(
        "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" style=\"stroke: #cf222e; stroke-dasharray: 6 4\"/>\n",
        y(LIMIT),
        SIZE.0 - RIGHT,
    );
    // One connection a second fills the limit after as many seconds.
    let full = format!("a limit of {}: full after {:.0} hours", grouped(to_u64(LIMIT)), LIMIT / HOUR);
    svg += &text("", "end", SIZE.0 - RIGHT, y(LIMIT) - 6.0, &full);
    for (timeout, name, colour) in [(5.0 * DAY, "5d", "#bf8700"), (8.0 * HOUR, "8h", "#0969da")] {
        let corner = (timeout, timeout);
        let points =
            [(0.0, 0.0), corner, (7.0 * DAY, timeout)].map(|(at, most)| format!("{:.1},{:.1}", x(at), y(most)));
        svg += &format!("<polyline points=\"{}\" style=\"stroke: {colour}\"/>\n", points.join(" "));
        let label = format!("tcp_timeout_established = {name}: {} entries", grouped(to_u64(timeout)));
        svg += &text("", "end", SIZE.0 - RIGHT, y(timeout) - 6.0, &label);
    }
    svg + "</svg>\n"
}

fn x(seconds: f64) -> f64 {
    LEFT + (SIZE.0 - LEFT - RIGHT) * seconds / (7.0 * DAY)
}

fn y(entries: f64) -> f64 {
    SIZE.1 - BOTTOM - (SIZE.1 - TOP - BOTTOM) * entries / MOST
}

fn text(class: &str, anchor: &str, x: f64, y: f64, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}
