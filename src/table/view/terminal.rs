//! Borrows the terminal for a view, and gives it back as it was, however the view ends.
//!
//! On the way out by a key, an error, a signal that ends or stops a process, or a panic, the terminal is restored. Only
//! SIGKILL leaves it (`reset` helps then).

use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use ratatui::layout::Rect;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use termion::event::{Event, Key};
use termion::input::TermRead as _;
use termion::screen::{ToAlternateScreen, ToMainScreen};
use termion::{clear, cursor, style};

use crate::table::view::live::Paint;

/// The signals that end the view.
const ENDS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// A terminal that shows a view. It is given back when this is dropped.
pub struct Terminal {
    before: Option<Termios>,
    ended: Vec<(i32, Arc<AtomicBool>)>,
    stopped: Arc<AtomicBool>,
    colour: bool,
    unicode: bool,
}

impl Terminal {
    /// Takes the terminal on standard output, and the keys of standard input if that is a terminal too.
    pub fn take() -> io::Result<Terminal> {
        let before = io::stdin().is_terminal().then(|| tcgetattr(io::stdin())).transpose()?;
        let mut ended = Vec::new();
        for signal in ENDS {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            ended.push((signal, flag));
        }
        let stopped = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTSTP, Arc::clone(&stopped))?;
        // The handler does nothing, but the signal ends the wait, and the view is then drawn in its new size.
        signal_hook::flag::register(SIGWINCH, Arc::new(AtomicBool::new(false)))?;
        restore_on_panic(before.clone());
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable).into_iter().find(|value| !value.is_empty());
        let terminal = Terminal {
            before,
            ended,
            stopped,
            // By `--color`, NO_COLOR and their kin, as everywhere else.
            colour: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            // The console of a virtual terminal takes UTF-8, but its fonts lack most of the blocks.
            unicode: variable("TERM") != "linux"
                && locale.is_some_and(|locale| locale.to_uppercase().replace('-', "").contains("UTF8")),
        };
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&self) -> io::Result<()> {
        if let Some(before) = &self.before {
            let mut keys = before.clone();
            // Ctrl-C and Ctrl-Z stay signals.
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            keys.special_codes[SpecialCodeIndex::VMIN] = 0;
            keys.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(io::stdin(), OptionalActions::Flush, &keys)?;
        }
        write(&format!("{ToAlternateScreen}{}{}", cursor::Hide, clear::All))
    }

    /// What the terminal can show.
    #[must_use]
    pub fn paint(&self) -> Paint {
        Paint { colour: self.colour, unicode: self.unicode }
    }

    /// The size of the terminal.
    #[must_use]
    pub fn size(&self) -> Rect {
        let size = tcgetwinsize(io::stdout().as_fd()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or(Rect::new(0, 0, 80, 24), |size| Rect::new(0, 0, size.ws_col, size.ws_row))
    }

    /// The keys that were pressed, as far as they are characters; None: the input has ended.
    #[must_use]
    pub fn pressed(&self) -> Option<Vec<char>> {
        let mut bytes = [0; 64];
        let read = match rustix::io::read(io::stdin(), &mut bytes[..]) {
            Ok(0) => return None,
            Ok(read) => read,
            Err(error) => return (error == rustix::io::Errno::INTR).then(Vec::new),
        };
        let events = bytes[..read].events().filter_map(Result::ok);
        let key = |event| match event {
            Event::Key(Key::Char(key)) => Some(key),
            // Where Ctrl-C and Ctrl-D are no signals, they mean the same.
            Event::Key(Key::Ctrl('c' | 'd')) => Some('q'),
            _ => None,
        };
        Some(events.filter_map(key).collect())
    }

    /// The input that keys come from, if it is a terminal.
    #[must_use]
    pub fn keys(&self) -> Option<Stdin> {
        self.before.as_ref().map(|_| io::stdin())
    }

    /// The signal that came to end the view.
    #[must_use]
    pub fn ended_by(&self) -> Option<i32> {
        self.ended.iter().find(|(_, flag)| flag.load(Ordering::Relaxed)).map(|(signal, _)| *signal)
    }

    /// If the user stops the process (Ctrl-Z), gives the terminal back, stops, and takes it again afterwards. Returns
    /// whether the process was stopped.
    pub fn stop_if_asked(&self) -> io::Result<bool> {
        let is_asked = self.stopped.swap(false, Ordering::Relaxed);
        if is_asked {
            restore(self.before.as_ref());
            signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
            self.enter()?;
        }
        Ok(is_asked)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore(self.before.as_ref());
    }
}

fn restore(before: Option<&Termios>) {
    // Errors are ignored: a terminal that is gone needs no restoring.
    let _ = write(&format!("{}{}{ToMainScreen}", style::Reset, cursor::Show));
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
    }
}

/// Restores the terminal on a panic too: it aborts the process, and drops nothing.
fn restore_on_panic(before: Option<Termios>) {
    let message = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore(before.as_ref());
        message(panic);
    }));
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
