//! Borrows the terminal for a view, and gives it back as it was, however the view ends.
//!
//! On the way out by a key, an error, a signal that ends or stops a process, or a panic, the terminal is restored. Only
//! SIGKILL leaves it (`reset` helps then).

use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use crate::table::view::screen::Canvas;

/// The sequences that switch to the alternate screen without a cursor, and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

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
            colour: variable("NO_COLOR").is_empty(),
            unicode: locale.is_some_and(|locale| locale.to_uppercase().replace('-', "").contains("UTF8")),
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
        write(ENTER)
    }

    /// The size and the abilities of the terminal.
    #[must_use]
    pub fn canvas(&self) -> Canvas {
        let size = tcgetwinsize(io::stdout().as_fd()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (width, height) = size.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()));
        Canvas { width, height, colour: self.colour, unicode: self.unicode }
    }

    /// Draws the lines over what was there.
    pub fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut text = "\u{1b}[H".to_owned();
        text += &lines.iter().map(|line| format!("{line}\u{1b}[K")).collect::<Vec<_>>().join("\r\n");
        text += "\u{1b}[J";
        write(text.as_bytes())
    }

    /// Reads the keys that were pressed. Returns whether one of them ends the view, or the input has ended.
    #[must_use]
    pub fn is_quit(&self) -> bool {
        let mut keys = [0; 64];
        match rustix::io::read(io::stdin(), &mut keys[..]) {
            Ok(0) => true,
            Ok(read) => keys[..read].iter().any(|key| matches!(key, b'q' | b'Q' | 3 | 4)),
            Err(error) => error != rustix::io::Errno::INTR,
        }
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
    let _ = write(LEAVE);
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

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
