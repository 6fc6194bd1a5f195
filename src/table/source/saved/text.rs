//! Reads the text of conntrack(8) with or without `-o extended`, `/proc/net/nf_conntrack`, and `/proc/net/ip_conntrack`
//! of old kernels.
//!
//! Other programs may have put their own words before each line (`grep -n`, `kubectl logs`, a journal), and a terminal or a
//! mail may have wrapped or cut it.

use std::io;

use memchr::memmem;

use crate::table::model::entry::ProtocolState;
use crate::table::source::lines::Text;
use crate::table::source::saved::draft::{Address, Draft, ipv4_at, is_protocol_name, number, port_at};
use crate::table::source::saved::{Entries, Event, SavedForm};

/// The row, which recognises any text.
pub const FORM: SavedForm = SavedForm { name: "text", recognises: |_| true, read };

/// The row of what `conntrack -E` prints.
pub const EVENTS: SavedForm = SavedForm {
    name: "events",
    recognises: |beginning| EVENT_WORDS.iter().any(|(word, _)| memmem::find(beginning, word).is_some()),
    read,
};

/// The words that `conntrack -E` puts before an entry.
const EVENT_WORDS: [(&[u8], Event); 3] =
    [(b"[NEW] ", Event::Kept), (b"[UPDATE] ", Event::Kept), (b"[DESTROY] ", Event::Gone)];

/// The length up to which a line has one entry at most. In a longer one the ends of the lines may be lost, as in an array of
/// JSON: all but its first entry would be left out without a word.
const ONE_ENTRY: usize = 220;

/// The longest entry that is put together from several lines.
const LONGEST: usize = 4096;

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let mut number = 0;
    let mut open = Open::default();
    let mut plain = Vec::new();
    while let Some(line) = text.next_line()? {
        number += 1;
        open.line(number, without_colours(line, &mut plain), entries);
    }
    open.close(entries);
    Ok(())
}

/// `line` without the codes by which a terminal colours it.
fn without_colours<'a>(line: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(0x1b, line).is_none() {
        return line;
    }
    plain.clear();
    let mut rest = line.iter();
    while let Some(byte) = rest.next() {
        if *byte == 0x1b {
            // ESC, `[`, parameters, and a letter.
            rest.by_ref().skip(1).find(|byte| byte.is_ascii_alphabetic());
        } else {
            plain.push(*byte);
        }
    }
    plain
}

/// The entry whose lines may go on.
#[derive(Default)]
struct Open {
    /// The number of its first line; 0: there is none.
    number: u64,
    text: Vec<u8>,
    draft: Option<Flow>,
}

impl Open {
    fn line(&mut self, number: u64, line: &[u8], entries: &mut Entries<'_>) {
        if let Some(flow) = Flow::of(line) {
            self.close(entries);
            self.start(number, line, Some(flow));
        } else if is_start(line) {
            self.close(entries);
            self.start(number, line, None);
        } else if self.number > 0
            && is_continuation(line)
            && !holds_several(line)
            && self.text.len() + line.len() < LONGEST
        {
            // A terminal wraps within a word, a mail between two.
            if goes_on(line) {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(line);
            self.draft = Flow::of(&self.text);
        } else {
            self.close(entries);
            if let Some(shown) = trailer(line) {
                entries.shown(shown);
            } else if !line.trim_ascii().is_empty() && memmem::find(line, b"conntrack v").is_none() {
                entries.take(number, None);
            }
        }
    }

    fn start(&mut self, number: u64, line: &[u8], flow: Option<Flow>) {
        self.number = number;
        self.text.clear();
        self.text.extend_from_slice(line);
        self.draft = flow;
    }

    fn close(&mut self, entries: &mut Entries<'_>) {
        if self.number == 0 {
            return;
        }
        match self.draft.take() {
            Some(Flow { event: Some(event), draft }) => entries.event(self.number, event, &draft),
            Some(Flow { draft, .. }) => entries.draft(self.number, &draft),
            None => entries.take(self.number, None),
        }
        self.number = 0;
    }
}

/// Whether a line has more than one entry.
fn holds_several(line: &[u8]) -> bool {
    line.len() > ONE_ENTRY && memmem::find_iter(line, b"src=").nth(2).is_some()
}

/// The words that the second and later lines of an entry can begin with.
const WORDS: [&[u8]; 23] = [
    b"src=",
    b"dst=",
    b"sport=",
    b"dport=",
    b"[UNREPLIED]",
    b"[ASSURED]",
    b"[OFFLOAD]",
    b"[HW_OFFLOAD]",
    b"mark=",
    b"use=",
    b"zone=",
    b"zone-orig=",
    b"zone-reply=",
    b"packets=",
    b"bytes=",
    b"secctx=",
    b"id=",
    b"labels=",
    b"helper=",
    b"delta-time=",
    b"type=",
    b"code=",
    b"[start=",
];

fn goes_on(text: &[u8]) -> bool {
    WORDS.iter().any(|word| text.starts_with(word))
}

fn is_continuation(line: &[u8]) -> bool {
    line.split(u8::is_ascii_whitespace).any(goes_on)
}

/// Whether an entry begins in `line` whose addresses stand in the next one.
fn is_start(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = words(line).take(7).collect();
    let words = match &words[..] {
        [b"ipv4" | b"ipv6", _, rest @ ..] => rest,
        words => words,
    };
    matches!(words, [name, protocol, rest @ ..]
        if rest.len() <= 2 && is_protocol_name(name) && number::<u8>(protocol).is_some())
}

/// The number in the line that conntrack(8) prints at the end.
fn trailer(line: &[u8]) -> Option<u64> {
    let end = memmem::find(line, b" flow entries have been shown")?;
    let count = line[..end].rsplit(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(count).ok()?.parse().ok()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// An entry, and what happened to it.
struct Flow {
    event: Option<Event>,
    draft: Draft,
}

impl Flow {
    /// The entry in a line that has its protocol and at least one address.
    fn of(line: &[u8]) -> Option<Flow> {
        let start = source_word(line)?;
        let mut flow = Flow { event: None, draft: Draft::default() };
        flow.head(&line[..start])?;
        flow.draft.marks.replied = true;
        let mut tuples = 0;
        let mut rest = &line[start..];
        while tuples < 2 && !rest.is_empty() {
            let read = flow.draft.usual_word(rest, &mut tuples).unwrap_or_else(|| {
                let end = memchr::memchr2(b' ', b'\t', rest).unwrap_or(rest.len());
                flow.draft.word(&rest[..end], &mut tuples);
                end
            });
            rest = rest.get(read + 1..).unwrap_or_default();
        }
        flow.draft.marks_behind(rest);
        if holds_several(line) {
            return None;
        }
        flow.draft.knows_answers = tuples > 1 || !flow.draft.marks.replied;
        Some(flow)
    }

    /// Reads the words before the addresses, from the last to the first: the state, the remaining time, the protocol's
    /// number and its name. Whatever stands before the name is another program's.
    fn head(&mut self, head: &[u8]) -> Option<()> {
        // The keys of GRE stand behind the remaining time in /proc: `timeout=600, stream_timeout=18000`.
        let mut words = head.rsplit(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).peekable();
        while words.next_if(|word| word.contains(&b'=')).is_some() {}
        let is_state = |word: &[u8]| word.first().is_some_and(u8::is_ascii_uppercase);
        let state = words.next_if(|word| is_state(word));
        let last = words.next()?;
        let before = words.next().unwrap_or_default();
        let (protocol, remaining) = match number::<u32>(before) {
            Some(protocol) => (protocol, Some(number(last)?)),
            // An offloaded flow and a destroyed one have no time left, so that the name stands before the number.
            None if before.last().is_some_and(u8::is_ascii_alphanumeric) => (number(last)?, None),
            None => return None,
        };
        let draft = &mut self.draft;
        draft.protocol = Some(u8::try_from(protocol).ok()?);
        draft.remaining = remaining;
        let state = state.and_then(|state| std::str::from_utf8(state).ok());
        draft.state = state.and_then(|state| ProtocolState::named(draft.protocol?, state));
        if memchr::memchr(b'[', head).is_some() {
            self.event = memchr::memchr_iter(b'[', head).find_map(|start| {
                EVENT_WORDS.iter().find(|(word, _)| head[start..].starts_with(word)).map(|(_, event)| *event)
            });
        }
        Some(())
    }
}

/// The byte of the line at which its first `src=` starts. Few words before it have a `=`, for which the search is cheaper.
fn source_word(line: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'=', line).find_map(|equals| {
        // Arrays are compared in one step, and slices by a call.
        let start = equals.checked_sub(3).filter(|_| line[..equals].last_chunk() == Some(b"src"))?;
        (start == 0 || matches!(line[start - 1], b' ' | b'\t')).then_some(start)
    })
}

/// The number in `sport=5353` or `dport=53`.
fn port(word: &[u8]) -> Option<u16> {
    word.get(4..).filter(|rest| rest.first_chunk() == Some(b"t=")).and_then(|rest| number(&rest[2..]))
}

impl Draft {
    /// Takes the marks and the zone in the text behind the addresses, of which the rest says nothing new.
    fn marks_behind(&mut self, text: &[u8]) {
        for start in memchr::memchr2_iter(b'[', b'z', text) {
            if start == 0 || matches!(text[start - 1], b' ' | b'\t') {
                self.word(text[start..].split(u8::is_ascii_whitespace).next().unwrap_or_default(), &mut 2);
            }
        }
    }

    /// Takes the word that `text` begins with, if it is one of nearly all lines: its end need not be searched for before it is
    /// read. Gives the bytes that were read.
    fn usual_word(&mut self, text: &[u8], tuples: &mut u32) -> Option<usize> {
        let value = text.get(4..)?;
        match (text.first_chunk::<4>()?, *tuples) {
            (b"src=", 0) => {
                let (address, length) = ipv4_at(value)?;
                *tuples = 1;
                self.source = Some(Address::Known(address.into()));
                Some(4 + length)
            }
            (b"dst=", 1) => {
                let (address, length) = ipv4_at(value)?;
                self.destination = Some(Address::Known(address.into()));
                Some(4 + length)
            }
            (b"spor", 1) => {
                let (port, length) = port_at(value.strip_prefix(b"t=")?)?;
                self.source_port = Some(port);
                Some(6 + length)
            }
            (b"dpor", 1) => {
                let (port, length) = port_at(value.strip_prefix(b"t=")?)?;
                self.port = Some(port);
                Some(6 + length)
            }
            _ => None,
        }
    }

    /// Takes a word of the addresses or behind them. `tuples` counts the directions that have begun.
    fn word(&mut self, word: &[u8], tuples: &mut u32) {
        // These four are nearly all words. Arrays are compared in one step, and slices by a call.
        match word.first_chunk::<4>() {
            Some(b"src=") => {
                *tuples += 1;
                // The first of each is of the direction that opened the connection, the second of the reply.
                if *tuples == 1 {
                    self.source = Some(Address::parse(&word[4..]));
                }
            }
            Some(b"dst=") if *tuples == 1 => self.destination = Some(Address::parse(&word[4..])),
            Some(b"spor") if *tuples == 1 => self.source_port = port(word).or(self.source_port),
            Some(b"dpor") if *tuples == 1 => self.port = port(word).or(self.port),
            _ => self.rare_word(word, *tuples),
        }
    }

    fn rare_word(&mut self, word: &[u8], tuples: u32) {
        match word.first() {
            Some(b'z') => {
                let text = word.strip_prefix(b"zone=").or_else(|| word.strip_prefix(b"zone-orig="));
                self.zone = self.zone.or(text.and_then(number));
            }
            Some(b'i') if tuples == 1 => self.number = word.strip_prefix(b"id=").and_then(number).or(self.number),
            Some(b'[') => match word {
                b"[UNREPLIED]" => self.marks.replied = false,
                b"[ASSURED]" => self.marks.assured = true,
                b"[OFFLOAD]" | b"[HW_OFFLOAD]" => self.marks.offloaded = true,
                _ => {}
            },
            _ => {}
        }
    }
}
