//! Draws the live view of `watch` on a terminal of any size. All of it is pure: [`Live`] takes looks and keys, and draws itself.

mod graph;
mod lists;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::table::analysis::look::Look;
use crate::table::view::look::{growth_parts, lost};
use crate::text::{duration_text, grouped, printable, to_f64, to_u64};

use lists::List;

/// The looks that the graph remembers: as many as the widest terminal has columns.
const HISTORY: usize = 1024;

/// The intervals that the keys `+` and `-` choose among.
const INTERVALS: [f64; 8] = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// From these fills on, the bar is yellow and red.
const YELLOW_PERCENT: f64 = 75.0;
const RED_PERCENT: f64 = 90.0;

/// A terminal with fewer columns has one list, and the words of the title that matter most.
const NARROW: u16 = 60;

/// A terminal with fewer rows does without the lines that can be missed.
const LOW: u16 = 12;

/// The name of a host is cut to this length, so that the figures behind it are on the screen.
const HOST: usize = 24;

/// The keys in the last line.
const HINTS: [&str; 6] = ["q quit", "? help", "p pause", "s next list", "o order", "+/- interval"];

/// The help. The narrowest terminal that anybody uses has room for it.
const KEYS: [(&str, &str); 7] = [
    ("p", "pause, and go on"),
    ("s", "the next list first"),
    ("o", "order by count or name"),
    ("+", "a longer interval"),
    ("-", "a shorter interval"),
    ("?", "this help"),
    ("q", "quit"),
];

/// The abilities of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Whether colours may be used (<https://no-color.org>).
    pub colour: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

/// The effect of a key that the view does not have by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// The view changes at most.
    Shown,
    /// The time between two looks is this from now on.
    Interval(Duration),
    /// The view ends.
    Quit,
}

/// The looks so far.
#[derive(Clone, Debug, Default)]
struct Looks {
    last: Option<Look>,
    /// The seconds of each of the last looks, and the fill in percent or, without a limit, the entries.
    history: VecDeque<(f64, f64)>,
    /// The seconds since the first look.
    seconds: f64,
    /// The losses since then: dropped packets, evicted entries, failed insertions, and invalid packets.
    lost: [u64; 4],
}

/// The live view.
#[derive(Clone, Debug)]
pub struct Live {
    host: String,
    namespace: Option<String>,
    interval: Duration,
    looks: Looks,
    /// What is shown during a pause. The looks go on.
    paused: Option<Looks>,
    first: List,
    is_by_name: bool,
    has_help: bool,
}

impl Live {
    /// A view of the table of `host`, in the network namespace of that name, before the first look.
    #[must_use]
    pub fn new(host: String, namespace: Option<String>, interval: Duration) -> Live {
        Live {
            host,
            namespace,
            interval,
            looks: Looks::default(),
            paused: None,
            first: List::Sources,
            is_by_name: false,
            has_help: false,
        }
    }

    /// Takes the next look.
    pub fn take(&mut self, look: Look) {
        let looks = &mut self.looks;
        if looks.history.len() == HISTORY {
            looks.history.pop_front();
        }
        looks.history.push_back((look.seconds, look.fill_percent.unwrap_or_else(|| to_f64(look.count.unwrap_or(0)))));
        looks.seconds += look.seconds;
        let new = [look.drop, look.early_drop, look.insert_failed, look.invalid];
        for (total, new) in looks.lost.iter_mut().zip(new) {
            *total = total.saturating_add(new);
        }
        looks.last = Some(look);
    }

    /// Takes a key.
    pub fn press(&mut self, key: char) -> Effect {
        match key {
            'q' | 'Q' => return Effect::Quit,
            'p' | ' ' => {
                self.paused = match self.paused {
                    None => Some(self.looks.clone()),
                    Some(_) => None,
                }
            }
            's' => self.first = self.first.next(),
            'o' => self.is_by_name = !self.is_by_name,
            '?' | 'h' => self.has_help = !self.has_help,
            '+' | '=' => return self.pace(INTERVALS.into_iter().find(|step| *step > self.interval.as_secs_f64())),
            '-' => return self.pace(INTERVALS.into_iter().rfind(|step| *step < self.interval.as_secs_f64())),
            _ => {}
        }
        Effect::Shown
    }

    fn pace(&mut self, seconds: Option<f64>) -> Effect {
        let Some(seconds) = seconds else { return Effect::Shown };
        self.interval = Duration::from_secs_f64(seconds);
        Effect::Interval(self.interval)
    }

    /// Draws the view.
    pub fn draw(&self, frame: &mut Frame, paint: Paint) {
        let area = frame.area();
        if area.is_empty() {
            return;
        }
        let looks = self.paused.as_ref().unwrap_or(&self.looks);
        let mut page = Page { frame, area, paint };
        let room = usize::from(area.width);
        page.line(self.title(looks, area.width));
        if area.height >= LOW {
            page.last_line(Line::raw(fitting(&HINTS, "  ", room)).patch_style(dim()));
        }
        if self.has_help && area.height < LOW {
            return help(&mut page);
        }
        let Some(look) = &looks.last else {
            page.line(Line::raw(format!("the first look is in {}s", self.interval.as_secs_f64())));
            if self.has_help {
                help(&mut page);
            }
            return;
        };
        page.line(bar(look, area.width));
        page.line(Line::raw(fitting(&growth_parts(look), ", ", room)));
        let head = if area.width < NARROW { "lost " } else { "lost since start  " };
        page.line(losses(head, looks.lost, room));
        if area.height >= LOW && area.width >= NARROW {
            let lost = [look.drop, look.early_drop, look.insert_failed, look.invalid];
            page.line(losses("lost in this look ", lost, room));
        }
        if self.has_help {
            return help(&mut page);
        }
        let lists = lists::height(look, page.area.height);
        if let Some(rest) = page.area.height.checked_sub(lists).filter(|rest| *rest >= 2) {
            let area = page.take(rest);
            graph::draw(&looks.history, look.fill_percent.is_some(), &mut page, area);
        }
        let area = page.take(lists);
        lists::draw(look, self.first, self.is_by_name, &mut page, area);
    }

    fn title(&self, looks: &Looks, width: u16) -> Line<'static> {
        let host = printable(&self.host);
        let host = cut(&host, HOST);
        let filled = looks.last.as_ref().map_or_else(Vec::new, filled);
        let mut spans = Vec::new();
        if self.paused.is_some() {
            spans.push(Span::styled("PAUSED", Style::new().add_modifier(Modifier::REVERSED)));
            spans.push(Span::raw(" "));
        }
        let room = usize::from(width).saturating_sub(spans.iter().map(Span::width).sum());
        if width < NARROW {
            // The percentage first: it is what the narrowest terminal has to show.
            let parts: Vec<&str> = filled.iter().rev().map(String::as_str).chain([&*host]).collect();
            spans.push(Span::styled(fitting(&parts, " ", room), bold()));
        } else {
            let figures = fitting(&[format!("{host}  conntrack {}", filled.join("  ")).trim_end()], "", room);
            let every = format!("every {}s", self.interval.as_secs_f64());
            let seen = format!("for {}", age(looks.seconds));
            let namespace = self.namespace.as_ref().map(|name| format!("netns {}", printable(name)));
            let parts: Vec<String> = [figures.clone(), every, seen].into_iter().chain(namespace).collect();
            let rest = fitting(&parts, "  ", room).split_off(figures.len());
            spans.extend([Span::styled(figures, bold()), Span::raw(rest)]);
        }
        Line::from(spans)
    }
}

fn help(page: &mut Page) {
    for (key, meaning) in KEYS {
        page.line(Line::from(vec![Span::styled(format!("  {key}  "), bold()), Span::raw(meaning)]));
    }
}

/// As many of the parts as fit into a line of `room` characters; the first one is cut if it alone does not.
fn fitting(parts: &[impl AsRef<str>], gap: &str, room: usize) -> String {
    let mut text = String::new();
    for (number, part) in parts.iter().map(AsRef::as_ref).enumerate() {
        if number == 0 {
            text += &cut(part, room);
        } else if text.chars().count() + gap.len() + part.chars().count() <= room {
            text = text + gap + part;
        } else {
            break;
        }
    }
    text
}

/// At most `room` characters of a text.
fn cut(text: &str, room: usize) -> Cow<'_, str> {
    if text.chars().count() <= room {
        return text.into();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    Cow::Owned(if room == 0 { kept } else { kept + "~" })
}

/// The rows of the terminal that are not drawn yet.
struct Page<'a, 'b> {
    frame: &'a mut Frame<'b>,
    area: Rect,
    paint: Paint,
}

impl Page<'_, '_> {
    /// Takes rows from the top.
    fn take(&mut self, rows: u16) -> Rect {
        let height = rows.min(self.area.height);
        let taken = Rect { height, ..self.area };
        self.area = Rect { y: self.area.y + height, height: self.area.height - height, ..self.area };
        taken
    }

    fn line(&mut self, line: Line) {
        let area = self.take(1);
        self.put(line, area);
    }

    fn last_line(&mut self, line: Line) {
        let Some(height) = self.area.height.checked_sub(1) else { return };
        self.put(line, Rect { y: self.area.y + height, height: 1, ..self.area });
        self.area.height = height;
    }

    fn put(&mut self, mut line: Line, area: Rect) {
        if !self.paint.colour {
            for span in &mut line.spans {
                span.style.fg = None;
            }
            line.style.fg = None;
        }
        self.frame.render_widget(line, area);
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// `61,204 of 65,536` and `93.4%`.
fn filled(look: &Look) -> Vec<String> {
    if !look.loaded {
        return vec!["is not loaded".to_owned()];
    }
    match (look.count, look.limit, look.fill_percent) {
        (Some(count), Some(limit), Some(fill)) => {
            vec![format!("{} of {}", grouped(count), grouped(limit)), format!("{fill:.1}%")]
        }
        (Some(count), Some(_), None) => vec![format!("{}, no limit", grouped(count))],
        (Some(count), None, _) => vec![format!("{} entries", grouped(count))],
        (None, ..) => vec!["not known".to_owned()],
    }
}

/// `[#####     ]`, in the colour of its fill.
fn bar(look: &Look, width: u16) -> Line<'static> {
    let Some(fill) = look.fill_percent else { return Line::default() };
    let room = usize::from(width.saturating_sub(2));
    let marks = usize::try_from(to_u64(to_f64(room as u64) * fill.clamp(0.0, 100.0) / 100.0)).unwrap_or(room).min(room);
    let colour = match fill {
        fill if fill >= RED_PERCENT => Color::Red,
        fill if fill >= YELLOW_PERCENT => Color::Yellow,
        _ => Color::Green,
    };
    Line::styled(format!("[{}{}]", "#".repeat(marks), " ".repeat(room - marks)), Style::new().fg(colour))
}

fn losses(head: &'static str, counts: [u64; 4], room: usize) -> Line<'static> {
    // A dropped packet or an evicted entry is a connection that somebody misses.
    let style = if counts[0] + counts[1] > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    Line::from(vec![Span::raw(head), Span::styled(fitting(&lost(counts), " ", room.saturating_sub(head.len())), style)])
}

/// Seconds as `4m12s`.
fn age(seconds: f64) -> String {
    duration_text(i64::try_from(to_u64(seconds.round())).unwrap_or(i64::MAX))
}
