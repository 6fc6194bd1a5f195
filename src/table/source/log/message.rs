//! Finds the kernel's messages about full tables in a text.

use memchr::memmem;

/// The words of a message within a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The byte of the text that they start at.
    pub start: usize,
    /// The message.
    pub kind: Kind,
}

/// The messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The table is full.
    Full {
        /// The number of the network namespace that it names.
        namespace: Option<u64>,
    },
    /// The table of expectations is full.
    Expectations,
    /// The kernel kept this many network messages for itself, because there were too many.
    Suppressed(u64),
}

/// Whether a line may have a message: one search rejects most lines.
#[must_use]
pub fn may_have_words(line: &[u8]) -> bool {
    memmem::find(line, b"table full").is_some() || memmem::find(line, b"s suppressed").is_some()
}

/// The words of a message in `text`, if it has them.
#[must_use]
pub fn find(text: &str) -> Option<Words> {
    full(text).or_else(|| expectations(text)).or_else(|| suppressed(text))
}

/// The words in `text`, if it begins with them: a text that quotes them does not.
#[must_use]
pub fn begins(text: &str) -> Option<Words> {
    find(text).filter(|words| words.start == 0)
}

/// The old form is `ip_conntrack: table full, dropping packet.`, today's `nf_conntrack: nf_conntrack: table full, dropping
/// packet`, and `table full in netns N` for a network namespace other than the first. OpenVZ's kernel names a container.
fn full(text: &str) -> Option<Words> {
    let at = text.find("table full")?;
    let (before, rest) = (&text[..at], &text[at + "table full".len()..]);
    let (namespace, rest) = match rest.strip_prefix(" in netns ") {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            (Some(rest[..end].parse().ok()?), &rest[end..])
        }
        None => (None, rest),
    };
    rest.starts_with(", dropping packet").then_some(())?;
    Some(Words { start: start(without_container(before))?, kind: Kind::Full { namespace } })
}

fn expectations(text: &str) -> Option<Words> {
    let at = text.find("expectation table full")?;
    Some(Words { start: start(&text[..at])?, kind: Kind::Expectations })
}

/// `before` without the container of OpenVZ at its end: `CT 101: `, `VPS 101 `.
fn without_container(before: &str) -> &str {
    let words = before.trim_end_matches([' ', ':']);
    let name = words.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() == words.len() {
        return before;
    }
    let name = name.trim_end_matches([' ', ':']);
    ["CT", "VPS", "VE"].iter().find_map(|own| name.strip_suffix(own)).unwrap_or(before)
}

/// The byte at which the name of the module starts that ends `before`.
fn start(before: &str) -> Option<usize> {
    let named = before.strip_suffix("nf_conntrack: ").or_else(|| before.strip_suffix("ip_conntrack: "))?;
    // Today's form has the name twice: once from the module, once from the message.
    Some(named.strip_suffix("nf_conntrack: ").unwrap_or(named).len())
}

/// `net_ratelimit: 5988 callbacks suppressed`, `__ratelimit: 83 callbacks suppressed`, `printk: 5 messages suppressed.`
fn suppressed(text: &str) -> Option<Words> {
    let at = text.find(" callbacks suppressed").or_else(|| text.find(" messages suppressed"))?;
    let (before, number) = text[..at].rsplit_once(": ")?;
    let name = before.rsplit([' ', ']']).next()?;
    let known = [
        "net_ratelimit",
        "__ratelimit",
        "printk",
        "nf_conntrack",
        "__nf_conntrack_alloc",
        "nf_conntrack_expect_related_report",
    ];
    known.contains(&name).then_some(())?;
    Some(Words { start: before.len() - name.len(), kind: Kind::Suppressed(number.parse().ok()?) })
}
