//! Reads the message in one line, and adds it to the log.

use crate::table::model::log::{Log, LogMessage};
use crate::table::source::log::message::{Kind, Words};
use crate::table::source::log::prefix::prefix;

/// Adds a message, which came `times` times, and says whether it is of a full table.
pub(super) fn push(kind: &Kind, message: LogMessage, times: u64, log: &mut Log) -> bool {
    match kind {
        Kind::Full { .. } => {
            log.push(message);
            log.repeat(times.saturating_sub(1));
        }
        Kind::Expectations => log.push_expectations(message, times),
        Kind::Suppressed(messages) => log.suppress(*messages),
    }
    matches!(kind, Kind::Full { .. })
}

/// The message with `words` in `line`, and how often it came; `known` is its time, if another line has it.
pub(super) fn message(line: &str, words: &Words, known: Option<&str>) -> Option<(LogMessage, u64)> {
    let prefix = prefix(&line[..words.start])?;
    let namespace = match words.kind {
        Kind::Full { namespace } => namespace,
        Kind::Expectations | Kind::Suppressed(_) => None,
    };
    let text = line[words.start..].trim_end();
    let text = if prefix.times > 1 { text.trim_end_matches(']') } else { text };
    let time = prefix.time.or_else(|| known.map(str::to_owned));
    Some((LogMessage { time, since_boot: prefix.since_boot, namespace, text: text.to_owned() }, prefix.times))
}
