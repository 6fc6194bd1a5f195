//! Looks for the writer of a setting in the messages of the boot: the loader tells what the kernel refused, and most programs
//! tell what they set.

use serde::Serialize;
use serde_json::Value;

use crate::kernel::catalog::Name;

/// The word without which a message is not about connection tracking.
const WORD: &str = "conntrack";

/// The fields of the journal that a message is made of.
pub const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER,_COMM,_SYSTEMD_UNIT,_UID";

/// The longest part of a message that a cause quotes, in characters.
const LONGEST: usize = 200;

/// A message of a program of root. Nobody else can write a setting, and anybody can write that he did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The unit that the program ran in, or else the name of the program.
    pub by: String,
    /// The text.
    pub text: String,
}

impl Message {
    /// The message of a line that `journalctl --output=json` prints, if it is about connection tracking and of another
    /// program of root than this one.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Message> {
        memchr::memmem::find(line, WORD.as_bytes())?;
        let fields: Value = serde_json::from_slice(line).ok()?;
        // What is no text, or too long, the journal gives as another type.
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        let text = field("MESSAGE").filter(|text| text.contains(WORD))?;
        let by = field("_SYSTEMD_UNIT").or(field("SYSLOG_IDENTIFIER")).or(field("_COMM"))?;
        // The kernel keeps 15 bytes of a program's name.
        let is_own = by.starts_with("conntrack-sysctl") || field("_COMM") == Some("conntrack-sysct");
        let is_of_root = field("_UID") == Some("0");
        (is_of_root && !is_own).then(|| Message { by: by.to_owned(), text: text.to_owned() })
    }
}

/// The surest of the messages that name a setting.
pub(super) enum Witness<'a> {
    /// It has the value that was seen as well.
    OfValue(&'a Message),
    /// It has not.
    OfName(&'a Message),
}

/// The last message that names `name` and has the number `seen`, or else the last one that names it.
pub(super) fn witness<'a>(messages: &'a [Message], name: &Name, seen: Option<i64>) -> Option<Witness<'a>> {
    let keys: Vec<String> = name.keys().map(|key| leaf(key.as_str()).to_owned()).collect();
    let named: Vec<&Message> = messages.iter().filter(|it| keys.iter().any(|key| has_word(&it.text, key))).collect();
    let seen = seen.map(|seen| seen.to_string());
    let has_seen = |it: &&&Message| seen.as_ref().is_some_and(|seen| has_word(&it.text, seen));
    let of_value = named.iter().rev().find(has_seen).map(|it| Witness::OfValue(it));
    of_value.or_else(|| named.last().map(|it| Witness::OfName(it)))
}

/// `message` as a cause.
pub(super) fn quoted(message: &Message) -> String {
    let text: String =
        message.text.lines().find(|line| line.contains(WORD)).unwrap_or_default().chars().take(LONGEST).collect();
    format!("`{}` says in the journal: `{}`", message.by, text.trim())
}

/// The last part of a dotted name: programs write the dots, slashes, or this part alone.
fn leaf(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Whether `text` has `word` with neither a letter nor a digit nor an underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !behind.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "net.netfilter.nf_conntrack_tcp_timeout_close";

    fn line(message: &str, uid: &str, by: &str) -> String {
        serde_json::json!({ "MESSAGE": message, "_UID": uid, "_SYSTEMD_UNIT": by, "_COMM": "sysctl" }).to_string()
    }

    fn cause(lines: &[String], seen: i64) -> Option<String> {
        let messages: Vec<Message> = lines.iter().filter_map(|line| Message::parse(line.as_bytes())).collect();
        witness(&messages, &Name::of_key(KEY)?, Some(seen)).map(|witness| match witness {
            Witness::OfValue(it) => format!("value: {}", quoted(it)),
            Witness::OfName(it) => format!("name: {}", quoted(it)),
        })
    }

    #[test]
    fn the_message_with_the_value_counts_most() {
        let refused = line("Couldn't write '9' to 'net/netfilter/nf_conntrack_tcp_timeout_close': no", "0", "loader");
        let set = line(&format!("{KEY} = 77"), "0", "late.service");
        let other = line(&format!("{KEY}_wait = 77"), "0", "other.service");
        let all = [set.clone(), other.clone(), refused.clone()];
        assert_eq!(
            cause(&all, 77).as_deref(),
            Some("value: `late.service` says in the journal: `net.netfilter.nf_conntrack_tcp_timeout_close = 77`")
        );
        assert!(cause(&all, 7).is_some_and(|it| it.starts_with("name: `loader` says in the journal: `Couldn't write")));
        assert_eq!(cause(&[other], 77), None);
    }

    #[test]
    fn only_programs_of_root_count_and_not_this_one() {
        let text = format!("{KEY} = 77");
        assert_eq!(cause(&[line(&text, "1000", "user@1000.service")], 77), None);
        assert_eq!(cause(&[line(&text, "0", "conntrack-sysctl-verify.service")], 77), None);
        let odd = [
            r#"{"MESSAGE": [1, 2], "_UID": "0", "_COMM": "conntrack"}"#,
            r#"{"MESSAGE": null}"#,
            "{",
            "[]",
            "conntrack",
        ];
        assert_eq!(cause(&odd.map(str::to_owned), 77), None);
        // A message of several lines, and one without an end.
        let many = line(&format!("first\n{KEY} = 77 {}", "x".repeat(9999)), "0", "late.service");
        assert!(cause(&[many], 77).is_some_and(|it| it.contains("= 77 xxx") && it.len() < 300));
    }
}
