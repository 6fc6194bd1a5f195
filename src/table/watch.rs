//! Looks at the table again and again: a live view on a terminal, a line for each look otherwise.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::now;
use crate::host::restraint;
use crate::table::analysis::profile::{Profile, Tally};
use crate::table::analysis::status::{fill, interval};
use crate::table::source::netlink::{self, NewEntries};
use crate::table::source::proc::{self, Reading};
use crate::table::view::screen::{self, Canvas, Look, New};
use crate::table::view::terminal::Terminal;
use crate::text::{to_f64, to_u64};

/// The options of `watch`.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The time between two looks.
    pub interval: Duration,
    /// The number of looks after which the watch ends.
    pub count: Option<u64>,
    /// Whether to count the new entries by the kernel's events.
    pub new: bool,
}

/// The place where the looks are shown.
pub enum Display<'a> {
    /// A live view, drawn over the whole terminal until a key or a signal ends it.
    View,
    /// A function that prints each look.
    Lines(&'a mut dyn FnMut(&Look) -> io::Result<()>),
}

/// The entries that are read for the top: right to two points, and read in a few milliseconds.
const SAMPLE: u64 = 8192;

/// How many of the top are shown.
const TOP: usize = 10;

/// The looks that the history line remembers: as many as the widest terminal has columns.
const HISTORY: usize = 1024;

/// Whether standard output is a terminal that can show the live view.
#[must_use]
pub fn has_view() -> bool {
    io::stdout().is_terminal() && !std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb")
}

/// Looks at the table again and again, and shows each look on `display`.
pub fn watch(options: &WatchOptions, display: Display) -> io::Result<()> {
    restraint::only_look();
    match display {
        Display::View => view(options),
        Display::Lines(print) => run(options, Screen::Lines(print)),
    }
}

/// Shows the looks as a live view on the terminal, which has its own content back afterwards.
fn view(options: &WatchOptions) -> io::Result<()> {
    let terminal = Terminal::take()?;
    let watched = run(options, Screen::View(&terminal));
    let signal = terminal.ended_by();
    drop(terminal);
    if let Some(signal) = signal {
        // The process ends as the signal demands, so that the caller sees the reason.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    watched
}

/// The display, with the terminal that a live view has taken.
enum Screen<'a> {
    View(&'a Terminal),
    Lines(&'a mut dyn FnMut(&Look) -> io::Result<()>),
}

fn run(options: &WatchOptions, mut screen: Screen) -> io::Result<()> {
    let pause = options.interval;
    let new = if options.new { Some(NewEntries::listen()?) } else { None };
    let terminal = match screen {
        Screen::View(terminal) => Some(terminal),
        Screen::Lines(_) => None,
    };
    let mut history = VecDeque::new();
    let mut before = proc::read();
    let mut looks = 0;
    let mut drawn: Option<(Look, Canvas)> = None;
    let mut due = Instant::now() + pause;
    loop {
        let mut counted = new.as_ref().map(|_| New::default());
        loop {
            // Even where a look takes longer than the interval, keys and signals are heard.
            let has_keys = wait(due.saturating_duration_since(Instant::now()), terminal, new.as_ref())?;
            if let (Some(new), Some(counted)) = (&new, &mut counted) {
                let (entries, or_more) = new.take()?;
                counted.entries += entries;
                counted.or_more |= or_more;
            }
            if let Some(terminal) = terminal {
                if (has_keys && terminal.is_quit()) || terminal.ended_by().is_some() {
                    return Ok(());
                }
                let was_away = terminal.stop_if_asked()?;
                let canvas = terminal.canvas();
                if let Some((look, _)) = drawn.as_ref().filter(|(_, before)| was_away || *before != canvas) {
                    terminal.draw(&screen::frame(look, &history, canvas))?;
                    drawn = Some((look.clone(), canvas));
                }
            }
            if Instant::now() >= due {
                break;
            }
        }
        // A look that comes late does not make the next ones come early.
        due = (due + pause).max(Instant::now());
        let after = proc::read();
        let look = look(&before, &after, counted);
        before = after;
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(look.fill_percent.unwrap_or(0.0));
        match &mut screen {
            Screen::View(terminal) => {
                let canvas = terminal.canvas();
                terminal.draw(&screen::frame(&look, &history, canvas))?;
                drawn = Some((look, canvas));
            }
            Screen::Lines(print) => print(&look)?,
        }
        looks += 1;
        if options.count.is_some_and(|count| looks >= count) {
            return Ok(());
        }
    }
}

/// Waits for a key, a signal, events, or the time. Returns whether there is a key to read.
fn wait(left: Duration, terminal: Option<&Terminal>, new: Option<&NewEntries>) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut sources = Vec::new();
    let has_keys = terminal.is_some_and(Terminal::has_keys);
    if has_keys {
        sources.push(PollFd::new(&stdin, PollFlags::IN));
    }
    if let Some(new) = new {
        sources.push(PollFd::new(new, PollFlags::IN));
    }
    let left = Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
    match poll(&mut sources, Some(&left)) {
        Ok(_) => Ok(has_keys && !sources[0].revents().is_empty()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn look(before: &Reading, after: &Reading, new: Option<New>) -> Look {
    let interval = interval(before, after);
    let profile = top();
    let items = |pick: fn(&Profile) -> &crate::table::analysis::profile::Top| {
        profile.iter().flat_map(|profile| pick(profile).items.iter().take(TOP).cloned()).collect()
    };
    let rate = interval.growth_per_second();
    let room = after.count.zip(after.limit).filter(|(_, limit)| *limit > 0);
    Look {
        time: now(),
        count: after.count,
        limit: after.limit,
        fill_percent: fill(after.count, after.limit),
        seconds: interval.seconds,
        growth: interval.growth,
        new,
        drop: interval.count("drop"),
        early_drop: interval.count("early_drop"),
        insert_failed: interval.count("insert_failed"),
        invalid: interval.count("invalid"),
        seconds_until_full: room
            .filter(|_| rate > 0.0)
            .map(|(count, limit)| to_u64(to_f64(limit.saturating_sub(count)) / rate)),
        sources: items(|profile| &profile.sources),
        ports: items(|profile| &profile.ports),
        unread: after.unread.len() as u64 + u64::from(profile.is_none()),
    }
}

/// The top of a sample of the table, if it can be read.
fn top() -> Option<Profile> {
    let mut tally = Tally::new(crate::table::analysis::profile::Timeouts::new());
    let dumped = netlink::dump(|entry| {
        tally.add(entry);
        if tally.entries() >= SAMPLE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    dumped.is_ok().then(|| tally.profile(None))
}
