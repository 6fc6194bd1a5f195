//! Defines the messages about full tables that a log holds.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// The messages that are kept whole: as many as the kernel prints in five seconds.
const KEPT: usize = 10;

/// The messages about full tables that a log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The name of the log: `/dev/kmsg`, or the file.
    pub source: String,
    /// The number of messages of a full table. The kernel rate-limits them.
    pub messages: u64,
    /// The first message in the log.
    pub first: Option<LogMessage>,
    /// The last messages, at most ten, the newest at the end.
    pub last: VecDeque<LogMessage>,
    /// The messages by network namespace: `initial`, or the namespace's number. (Old kernels do not tell them apart.)
    pub namespaces: BTreeMap<String, NamespaceMessages>,
    /// The messages that the table of expectations is full; null: there are none.
    pub expectations: Option<NamespaceMessages>,
    /// The messages of the network that the kernel did not print because there were too many; some may be of a full table.
    pub suppressed: u64,
    /// The lines with such words that are not the kernel's, or have an unknown form.
    pub not_understood: u64,
    /// The first of them.
    pub example: Option<String>,
}

/// The messages about one network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceMessages {
    /// The number of messages.
    pub messages: u64,
    /// The last message.
    pub last: LogMessage,
}

/// The name of the first network namespace in [`Log::namespaces`].
pub const INITIAL: &str = "initial";

/// The network namespaces that are told apart. A user who makes a thousand of them must not make this log grow.
const NAMESPACES: usize = 256;

/// The characters of a line that is shown because it is not understood.
const EXAMPLE: usize = 200;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMessage {
    /// The time as the log has it; UTC for the kernel's own log and the journal.
    pub time: Option<String>,
    /// Microseconds since the boot, if the log has them.
    pub since_boot: Option<u64>,
    /// The number of the network namespace whose table was full; null: the first namespace, or an old kernel.
    pub namespace: Option<u64>,
    /// The message.
    pub text: String,
}

impl Log {
    /// A log without a message.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Log {
        Log {
            source: source.into(),
            messages: 0,
            first: None,
            last: VecDeque::new(),
            namespaces: BTreeMap::new(),
            expectations: None,
            suppressed: 0,
            not_understood: 0,
            example: None,
        }
    }

    /// Adds a message of a full table.
    pub fn push(&mut self, message: LogMessage) {
        self.messages += 1;
        if self.first.is_none() {
            self.first = Some(message.clone());
        }
        let name = message.namespace.map_or_else(|| INITIAL.to_owned(), |number| number.to_string());
        let before = self.namespaces.get(&name).map_or(0, |own| own.messages);
        if before > 0 || self.namespaces.len() < NAMESPACES {
            self.namespaces.insert(name, NamespaceMessages { messages: before + 1, last: message.clone() });
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(message);
    }

    /// Counts the last message of a full table `times` more: the log says that it was repeated.
    pub fn repeat(&mut self, times: u64) {
        let Some(last) = self.last.back() else { return };
        let name = last.namespace.map_or_else(|| INITIAL.to_owned(), |number| number.to_string());
        self.messages = self.messages.saturating_add(times);
        if let Some(own) = self.namespaces.get_mut(&name) {
            own.messages = own.messages.saturating_add(times);
        }
    }

    /// Adds a message that the table of expectations is full, which came `times` times.
    pub fn push_expectations(&mut self, last: LogMessage, times: u64) {
        let before = self.expectations.as_ref().map_or(0, |own| own.messages);
        self.expectations = Some(NamespaceMessages { messages: before.saturating_add(times), last });
    }

    /// Counts messages that the kernel did not print.
    pub fn suppress(&mut self, messages: u64) {
        self.suppressed = self.suppressed.saturating_add(messages);
    }

    /// Counts a line that has the words and is not understood.
    pub fn misunderstand(&mut self, line: &str) {
        self.not_understood += 1;
        self.example.get_or_insert_with(|| line.trim().chars().take(EXAMPLE).collect());
    }
}
