//! Defines the messages of a full table that a log holds.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// The messages that are kept whole: as many as the kernel prints in five seconds.
const KEPT: usize = 10;

/// The messages of a full table that a log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The name of the log: `/dev/kmsg`, or the file.
    pub source: String,
    /// The number of messages. The kernel rate-limits them (`callbacks suppressed`).
    pub messages: u64,
    /// The first message in the log.
    pub first: Option<LogMessage>,
    /// The last messages, at most ten, the newest at the end.
    pub last: VecDeque<LogMessage>,
    /// The messages by network namespace: `initial`, or the namespace's number. (Old kernels do not tell them apart.)
    pub namespaces: BTreeMap<String, NamespaceMessages>,
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

/// One message of a full table.
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
        Log { source: source.into(), messages: 0, first: None, last: VecDeque::new(), namespaces: BTreeMap::new() }
    }

    /// Adds a message.
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
}
