//! Reads the XML of conntrack(8) tag by tag (`__snprintf_xml` of `libnetfilter_conntrack`), also that of events.

use std::io;

use memchr::memmem;

use crate::table::model::entry::ProtocolState;
use crate::table::source::lines::Text;
use crate::table::source::saved::draft::{Address, Draft, number};
use crate::table::source::saved::{Entries, Event, SavedForm};

/// The row.
pub const FORM: SavedForm = SavedForm {
    name: "xml",
    recognises: |beginning| [&b"<conntrack>"[..], b"<flow"].iter().any(|tag| memmem::find(beginning, tag).is_some()),
    read,
};

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let mut flow = Flow::default();
    let mut number = 0;
    while let Some(token) = text.until(b'>')? {
        if let Some(Flow { event, draft, .. }) = flow.token(token) {
            number += 1;
            match event {
                Some(event) => entries.event(number, event, &draft),
                None => entries.draft(number, &draft),
            }
        }
    }
    if flow.is_open {
        // The file ends within it.
        entries.take(number + 1, None);
    }
    Ok(())
}

/// The `<flow>` that is being read.
#[derive(Default)]
struct Flow {
    is_open: bool,
    event: Option<Event>,
    direction: Direction,
    state: Option<String>,
    draft: Draft,
}

/// The direction that a `<meta>` is about, or the part that belongs to no direction.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Direction {
    Original,
    Reply,
    #[default]
    Independent,
}

impl Flow {
    /// Takes the text up to the next `>`, which is the content of an element and then a tag. Returns the flow, if the tag
    /// ends it.
    fn token(&mut self, token: &[u8]) -> Option<Flow> {
        let start = memchr::memchr(b'<', token).unwrap_or(token.len());
        let (text, tag) = (token[..start].trim_ascii(), token.get(start + 1..).unwrap_or_default());
        let name = tag.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next().unwrap_or_default();
        if name == b"flow" {
            let draft = Draft { knows_answers: true, ..Draft::default() };
            let event = attribute(tag, b" type=\"").map(|event| match event {
                b"destroy" => Event::Gone,
                _ => Event::Kept,
            });
            *self = Flow { is_open: true, event, draft, ..Flow::default() };
            self.draft.marks.replied = true;
            return None;
        }
        if !self.is_open {
            return None;
        }
        match tag.strip_prefix(b"/") {
            Some(b"flow") => return Some(std::mem::take(self).ended()),
            Some(name) => self.element(name.trim_ascii_end(), text),
            None => self.opening(name, tag),
        }
        None
    }

    fn opening(&mut self, name: &[u8], tag: &[u8]) {
        match name {
            b"meta" => {
                self.direction = match attribute(tag, b" direction=\"") {
                    Some(b"original") => Direction::Original,
                    Some(b"reply") => Direction::Reply,
                    _ => Direction::Independent,
                };
            }
            b"layer4" if self.direction == Direction::Original => {
                self.draft.protocol = attribute(tag, b" protonum=\"").and_then(number);
            }
            b"unreplied" => self.draft.marks.replied = false,
            b"assured" => self.draft.marks.assured = true,
            b"offload" | b"hw_offload" => self.draft.marks.offloaded = true,
            _ => {}
        }
    }

    fn element(&mut self, name: &[u8], text: &[u8]) {
        let draft = &mut self.draft;
        match (self.direction, name) {
            (Direction::Original, b"src") => draft.source = Some(Address::parse(text)),
            (Direction::Original, b"dst") => draft.destination = Some(Address::parse(text)),
            (Direction::Original, b"sport") => draft.source_port = number(text),
            (Direction::Original, b"dport") => draft.port = number(text),
            (Direction::Original, b"zone") => draft.zone = draft.zone.or(number(text)),
            (Direction::Independent, b"zone") => draft.zone = number(text),
            (Direction::Independent, b"state") => self.state = Some(String::from_utf8_lossy(text).into_owned()),
            (Direction::Independent, b"timeout") => draft.remaining = number(text),
            (Direction::Independent, b"id") => draft.number = number(text),
            _ => {}
        }
    }

    fn ended(mut self) -> Flow {
        const TCP: u8 = crate::table::model::entry::TCP;
        let Flow { draft, state, .. } = &mut self;
        draft.state = draft.protocol.zip(state.as_deref()).and_then(|(protocol, state)| {
            // conntrack 1.4.7 names the states of all protocols by TCP's names: the number is right.
            let by_number =
                || (0..=9).find(|number| ProtocolState::numbered(TCP, *number).is_some_and(|own| own.name() == state));
            ProtocolState::named(protocol, state).or_else(|| ProtocolState::numbered(protocol, by_number()?))
        });
        self
    }
}

/// The value of the attribute that begins with `start`, which ends with its quotation mark.
fn attribute<'a>(tag: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    // A tag is short, and to prepare a search costs more than to try each blank.
    let mut blanks = memchr::memchr_iter(b' ', tag);
    let value = blanks.find_map(|blank| tag[blank..].strip_prefix(start))?;
    value.split(|byte| *byte == b'"').next()
}
