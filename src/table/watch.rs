//! Looks at the table again and again: a live view on a terminal, a line for each look otherwise.

use std::io::{self, IsTerminal, Stdin, Stdout};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ratatui::backend::TermionBackend;
use ratatui::{TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::host::restraint;
use crate::table::analysis::look::{Look, look};
use crate::table::analysis::profile::Profile;
use crate::table::analysis::tally::{Tally, Timeouts};
use crate::table::gather::now;
use crate::table::model::counters::NewEntries;
use crate::table::model::entry::TableEntry;
use crate::table::model::reading::Reading;
use crate::table::source::netlink::{self, NewEntryEvents};
use crate::table::source::presence::Ctnetlink;
use crate::table::source::proc;
use crate::table::view::live::{Effect, Live};
use crate::table::view::terminal::Terminal;

/// The options of `watch`.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The time between two looks.
    pub interval: Duration,
    /// The number of looks after which the watch ends.
    pub count: Option<u64>,
    /// Whether to count new entries from the kernel's events.
    pub new: bool,
}

/// The place where the looks are shown.
pub enum Display<'a> {
    /// A live view, drawn over the whole terminal until a key or a signal ends it.
    View,
    /// A function that prints each look.
    Lines(&'a mut dyn FnMut(&Look) -> io::Result<()>),
}

/// The entries that a look reads for its sources and ports: accurate to two points, and read in a few milliseconds.
const SAMPLE: u64 = 8192;

/// Whether standard output is a terminal that can show the live view.
#[must_use]
pub fn has_view() -> bool {
    io::stdout().is_terminal() && !std::env::var("TERM").is_ok_and(|terminal| terminal == "dumb")
}

/// Looks at the table again and again, and shows each look on `display`.
pub fn watch(options: &WatchOptions, display: Display) -> io::Result<()> {
    // Before the restraint: Landlock may keep a process from its own namespaces.
    let live = Live::new(host(), network(), options.interval);
    restraint::confine_to_reading();
    match display {
        Display::View => view(options, live),
        Display::Lines(print) => lines(options, print),
    }
}

/// Prints the looks.
fn lines(options: &WatchOptions, print: &mut dyn FnMut(&Look) -> io::Result<()>) -> io::Result<()> {
    let mut watcher = Watcher::new(options)?;
    loop {
        while !watcher.is_due() {
            watcher.wait(None)?;
        }
        print(&watcher.look()?)?;
        if watcher.is_over() {
            return Ok(());
        }
    }
}

/// Shows the looks as a live view on the terminal, which has its own content back afterwards.
fn view(options: &WatchOptions, live: Live) -> io::Result<()> {
    let terminal = Terminal::take()?;
    let watched = View::new(&terminal, live).and_then(|mut view| view.run(options));
    let signal = terminal.ended_by();
    drop(terminal);
    if let Some(signal) = signal {
        // The process ends as the signal demands, so that the caller sees the reason.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    watched
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The number of the network namespace, as lsns(8) has it.
fn network() -> Option<String> {
    let link = std::fs::read_link("/proc/self/ns/net").ok()?;
    let name = link.to_str()?;
    Some(name.strip_prefix("net:[")?.strip_suffix(']')?.to_owned())
}

/// Takes the looks, each at its time.
struct Watcher {
    interval: Duration,
    /// The time of the next look.
    due: Instant,
    /// The looks so far.
    looks: u64,
    /// The number of looks after which the watch ends.
    count: Option<u64>,
    /// The reading of the last look.
    before: Reading,
    events: Option<NewEntryEvents>,
    /// The events since the last look.
    new: NewEntries,
}

impl Watcher {
    fn new(options: &WatchOptions) -> io::Result<Watcher> {
        let WatchOptions { interval, count, new } = *options;
        let listen = || Ctnetlink::find().and_then(NewEntryEvents::listen).map_err(|error| without_events(&error));
        let events = if new { Some(listen()?) } else { None };
        let before = proc::read();
        let due = Instant::now() + interval;
        Ok(Watcher { interval, due, looks: 0, count, before, events, new: NewEntries::default() })
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    fn is_over(&self) -> bool {
        self.count.is_some_and(|count| self.looks >= count)
    }

    /// Waits for the time of the next look, an event, a signal, or a key in `keys`. Returns whether there is a key.
    fn wait(&mut self, keys: Option<&Stdin>) -> io::Result<bool> {
        let mut sources: Vec<PollFd<'_>> = keys.iter().map(|keys| PollFd::new(*keys, PollFlags::IN)).collect();
        sources.extend(self.events.iter().map(|events| PollFd::new(events, PollFlags::IN)));
        let left = self.due.saturating_duration_since(Instant::now());
        let seconds = left.as_secs().try_into().unwrap_or(i64::MAX);
        let has_key = match poll(&mut sources, Some(&Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() }))
        {
            Ok(_) => keys.is_some() && !sources[0].revents().is_empty(),
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        self.take_events()?;
        Ok(has_key)
    }

    /// Looks in this interval from now on.
    fn pace(&mut self, interval: Duration) {
        self.interval = interval;
        self.due = Instant::now() + interval;
    }

    fn take_events(&mut self) -> io::Result<()> {
        if let Some(events) = &self.events {
            self.new += events.take()?;
        }
        Ok(())
    }

    fn look(&mut self) -> io::Result<Look> {
        self.take_events()?;
        // A late look does not make the next ones early.
        self.due = (self.due + self.interval).max(Instant::now());
        let after = proc::read();
        let new = std::mem::take(&mut self.new);
        let new = self.events.as_ref().map(|_| new);
        let profile = if after.is_loaded { sample() } else { None };
        let look = look(now(), &self.before, &after, new, profile.as_ref());
        self.before = after;
        self.looks += 1;
        Ok(look)
    }
}

/// The error of a kernel that does not send its events, and the one thing to do.
fn without_events(error: &io::Error) -> io::Error {
    let need = match error.kind() {
        io::ErrorKind::PermissionDenied => "; that takes CAP_NET_ADMIN: run as root, or without --new",
        _ => "; run without --new",
    };
    io::Error::new(error.kind(), format!("the kernel does not send the events of new entries: {error}{need}"))
}

/// The profile of a sample of the table, if it can be read.
fn sample() -> Option<Profile> {
    let mut tally = Tally::new(Timeouts::new());
    let take = |entry: &TableEntry| {
        tally.add(entry);
        if tally.entries() >= SAMPLE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let is_read = match Ctnetlink::find() {
        Ok(ctnetlink) => netlink::dump(ctnetlink, take).is_ok(),
        Err(_) => proc::table(proc::TABLES[0], take).is_ok(),
    };
    is_read.then(|| tally.profile(None))
}

/// The live view, and the terminal that it is drawn on.
struct View<'a> {
    terminal: &'a Terminal,
    screen: Screen,
    live: Live,
    /// Whether the view is as it was drawn last.
    is_drawn: bool,
}

/// ratatui's picture of the terminal.
type Screen = ratatui::Terminal<TermionBackend<Stdout>>;

impl View<'_> {
    fn new(terminal: &Terminal, live: Live) -> io::Result<View<'_>> {
        // A terminal that does not tell its size has none for ratatui.
        let viewport = Viewport::Fixed(terminal.size());
        let screen = Screen::with_options(TermionBackend::new(io::stdout()), TerminalOptions { viewport })?;
        Ok(View { terminal, screen, live, is_drawn: false })
    }

    fn run(&mut self, options: &WatchOptions) -> io::Result<()> {
        let mut watcher = Watcher::new(options)?;
        while self.wait(&mut watcher)?.is_continue() {
            self.live.take(watcher.look()?);
            self.is_drawn = false;
            if watcher.is_over() {
                return self.draw();
            }
        }
        Ok(())
    }

    /// Waits for the time of the next look, and reacts to keys, signals and a new size. Breaks off if they end the view.
    fn wait(&mut self, watcher: &mut Watcher) -> io::Result<ControlFlow<()>> {
        let keys = self.terminal.keys();
        // The loop runs at least once, so that keys and signals are noticed even if a look takes longer than the
        // interval.
        loop {
            self.draw()?;
            let has_key = watcher.wait(keys.as_ref())?;
            if (has_key && self.press(watcher).is_break()) || self.terminal.ended_by().is_some() {
                return Ok(ControlFlow::Break(()));
            }
            if self.terminal.stop_if_asked()? {
                self.screen.clear()?;
                self.is_drawn = false;
            }
            if watcher.is_due() {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Gives the pressed keys to the view. Breaks off if one of them ends it, or if the input has ended.
    fn press(&mut self, watcher: &mut Watcher) -> ControlFlow<()> {
        let Some(keys) = self.terminal.pressed() else { return ControlFlow::Break(()) };
        for key in keys {
            match self.live.press(key) {
                Effect::Quit => return ControlFlow::Break(()),
                Effect::Interval(interval) => watcher.pace(interval),
                Effect::Shown => {}
            }
            self.is_drawn = false;
        }
        ControlFlow::Continue(())
    }

    /// Draws the view, unless it is drawn in this size already.
    fn draw(&mut self) -> io::Result<()> {
        let size = self.terminal.size();
        if self.screen.get_frame().area() != size {
            self.screen.resize(size)?;
            self.is_drawn = false;
        }
        if !self.is_drawn {
            self.screen.draw(|frame| self.live.draw(frame, self.terminal.paint()))?;
            self.is_drawn = true;
        }
        Ok(())
    }
}
