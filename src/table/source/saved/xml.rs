//! Reads the XML of conntrack(8) tag by tag (`__snprintf_xml` of `libnetfilter_conntrack`).

use std::io;
use std::net::IpAddr;

use crate::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports};
use crate::table::source::lines::Text;
use crate::table::source::saved::{Entries, SavedForm};

/// The row.
pub const FORM: SavedForm =
    SavedForm { name: "xml", recognises: |beginning| beginning.trim_ascii_start().starts_with(b"<"), read };

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let mut flow = Flow::default();
    let mut number = 0;
    while let Some(token) = text.until(b'>')? {
        if let Some(ended) = flow.token(&String::from_utf8_lossy(token)) {
            number += 1;
            entries.take(number, ended.entry());
        }
    }
    Ok(())
}

/// The `<flow>` that is being read.
#[derive(Default)]
struct Flow {
    is_open: bool,
    direction: Direction,
    protocol: Option<u8>,
    state: Option<String>,
    remaining: Option<u32>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    port: Option<u16>,
    zone: Option<u16>,
    is_unreplied: bool,
    is_assured: bool,
    is_offloaded: bool,
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
    fn token(&mut self, token: &str) -> Option<Flow> {
        let (text, tag) = token.split_once('<').unwrap_or((token, ""));
        let text = text.trim();
        let name = tag.split([' ', '\t', '\n', '/']).next().unwrap_or("");
        if name == "flow" {
            *self = Flow { is_open: true, ..Flow::default() };
            return None;
        }
        if !self.is_open {
            return None;
        }
        match tag.strip_prefix('/') {
            Some("flow") => return Some(std::mem::take(self)),
            Some(name) => self.element(name.trim_end(), text),
            None => self.opening(name, tag),
        }
        None
    }

    fn opening(&mut self, name: &str, tag: &str) {
        match name {
            "meta" => {
                self.direction = match attribute(tag, "direction") {
                    Some("original") => Direction::Original,
                    Some("reply") => Direction::Reply,
                    _ => Direction::Independent,
                };
            }
            "layer4" if self.direction == Direction::Original => {
                self.protocol = attribute(tag, "protonum").and_then(|number| number.parse().ok());
            }
            "unreplied" => self.is_unreplied = true,
            "assured" => self.is_assured = true,
            "offload" | "hw_offload" => self.is_offloaded = true,
            _ => {}
        }
    }

    fn element(&mut self, name: &str, text: &str) {
        match (self.direction, name) {
            (Direction::Original, "src") => self.source = text.parse().ok(),
            (Direction::Original, "dst") => self.destination = text.parse().ok(),
            (Direction::Original, "dport") => self.port = text.parse().ok(),
            (Direction::Original, "zone") => self.zone = self.zone.or(text.parse().ok()),
            (Direction::Independent, "zone") => self.zone = text.parse().ok(),
            (Direction::Independent, "state") => self.state = Some(text.to_owned()),
            (Direction::Independent, "timeout") => self.remaining = text.parse().ok(),
            _ => {}
        }
    }

    /// The entry; None: the flow lacks the protocol or an address.
    fn entry(self) -> Option<TableEntry> {
        let protocol = self.protocol?;
        Some(TableEntry {
            protocol,
            state: self.state.and_then(|name| ProtocolState::named(protocol, &name)),
            remaining: self.remaining.filter(|_| !self.is_offloaded),
            source: self.source?,
            destination: self.destination?,
            port: self.port.filter(|_| has_ports(protocol)),
            zone: self.zone.unwrap_or(0),
            marks: Marks { replied: !self.is_unreplied, assured: self.is_assured, offloaded: self.is_offloaded },
        })
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}
