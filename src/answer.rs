//! Defines how a command answers: the text for each stream, the exit code, and the outputs that a value has.
//!
//! A command returns its [`Answer`]; only `cli` writes to a stream. A value that a command prints lists its outputs as
//! [`Printed::OUTPUTS`], one row each. The values of `--output`, its help, the manual pages and the completions are made
//! of these rows.

mod indented;

use std::fmt::Display;

use serde::Serialize;

use indented::Indented;

use crate::text::{printable, printable_json};

/// The text that a command prints, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text for standard output, without the last line end.
    pub stdout: String,
    /// The text for standard error, with every line end.
    pub stderr: String,
    /// The exit code.
    pub exit: Exit,
    /// Whether it tells of changes, so that it is an error if nobody reads it.
    pub must_arrive: bool,
}

impl Answer {
    /// An answer on standard output alone.
    #[must_use]
    pub fn new(stdout: String, exit: Exit) -> Answer {
        Answer { stdout, stderr: String::new(), exit, must_arrive: false }
    }

    /// A message on standard error and nothing on standard output.
    #[must_use]
    pub fn error(message: impl Display, exit: Exit) -> Answer {
        let message = message.to_string();
        let stderr = format!("conntrack-sysctl: {}\n", printable(&message));
        Answer { stderr, ..Answer::new(String::new(), exit) }
    }

    /// The same answer, of a command that makes changes.
    #[must_use]
    pub fn of_changes(self) -> Answer {
        Answer { must_arrive: true, ..self }
    }
}

/// The exit codes. Several of them share a number: callers learn its meaning from the command that they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command did its work.
    Done,
    /// Desired = live = boot.
    InSync,
    /// The run failed.
    Failed,
    /// The command could not find out what it was asked.
    CouldNotTell,
    /// Desired, live and boot differ.
    Drift,
    /// The last boot is as the last apply predicted.
    Held,
    /// The last boot is not as the last apply predicted.
    Broken,
    /// As a monitoring plugin: the table is below both thresholds.
    Ok,
    /// As a monitoring plugin: the table is at the first threshold.
    Warning,
    /// As a monitoring plugin: the table is at the second threshold, or packets are being dropped.
    Critical,
    /// As a monitoring plugin: the state of the table cannot be found out.
    Unknown,
}

impl Exit {
    /// The number that the process returns.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done | Exit::InSync | Exit::Held | Exit::Ok => 0,
            Exit::Failed | Exit::CouldNotTell | Exit::Warning => 1,
            Exit::Drift | Exit::Broken | Exit::Critical => 2,
            Exit::Unknown => 3,
        }
    }

    /// The meaning in a word or two, for `--help` and the manual pages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::InSync => "in sync",
            Exit::Failed => "failed",
            Exit::CouldNotTell => "could not tell",
            Exit::Drift => "drift",
            Exit::Held => "held",
            Exit::Broken => "broken",
            Exit::Ok => "ok",
            Exit::Warning => "warning",
            Exit::Critical => "critical",
            Exit::Unknown => "unknown",
        }
    }
}

/// A value that a command prints, in the outputs that it lists.
pub trait Printed: Sized + 'static {
    /// The outputs in the order of `--help`. [`JSON`] and [`TEXT`] are always among them.
    const OUTPUTS: &'static [Output<Self>];

    /// The output with that name, if the value has it.
    #[must_use]
    fn output(name: &str) -> Option<&'static Output<Self>> {
        Self::OUTPUTS.iter().find(|output| output.name == name)
    }
}

/// One value of `--output`: a form in which a command prints a `T`.
#[derive(Debug)]
pub struct Output<T> {
    /// The name that `--output` takes.
    pub name: &'static str,
    /// The help, without a full stop.
    pub help: &'static str,
    /// Renders a value, without the last line end. An empty text says that the value has nothing to print in this form.
    pub render: fn(&T) -> String,
}

/// The name of the output for programs, which is the default if standard output is not a terminal.
pub const JSON: &str = "json";

/// The name of the output for people, which is the default on a terminal.
pub const TEXT: &str = "text";

/// The name of the same output with the changed lines of each file.
pub const DIFF: &str = "diff";

impl<T> Output<T> {
    /// Whether people read the output as it is. Only such an output is painted.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        [TEXT, DIFF].contains(&self.name)
    }
}

impl<T: Serialize> Output<T> {
    /// The value itself as indented JSON.
    pub const JSON: Output<T> = Output { name: JSON, help: "JSON, one object", render: json };
}

impl<T> Output<T> {
    /// Text for people.
    #[must_use]
    pub const fn text(render: fn(&T) -> String) -> Output<T> {
        Output { name: TEXT, help: "Text for people", render }
    }
}

/// The room for the JSON of most answers. More would be mapped and unmapped by calls of its own.
const ROOM: usize = 32 << 10;

/// `value` as indented JSON, which a terminal can show too.
///
/// # Panics
/// Never for the types of this crate: their maps have strings as keys.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> String {
    // What is not written takes no memory, and what is need not move.
    let mut bytes = Vec::with_capacity(ROOM);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Indented::default());
    value.serialize(&mut serializer).expect("every map has string keys");
    printable_json(String::from_utf8(bytes).expect("JSON is text"))
}
