//! Reads what `conntrack -o save` prints: the arguments of a conntrack(8) that would make the entry.

use std::io;

use memchr::memmem;

use crate::table::model::entry::ProtocolState;
use crate::table::source::lines::Text;
use crate::table::source::saved::draft::{Address, Draft, number, protocol};
use crate::table::source::saved::{Entries, Event, SavedForm};

/// The row.
pub const FORM: SavedForm = SavedForm {
    name: "save",
    recognises: |beginning| COMMANDS.iter().any(|(command, _)| memmem::find(beginning, command).is_some()),
    read,
};

/// The commands, and what they say of an entry if they are events. A saved table has the first two only. An entry that has
/// ended, or whose packets a flow table forwards, has no time left, so that `-u` stands first.
const COMMANDS: [(&[u8], Event); 6] = [
    (b"-A -t ", Event::Kept),
    (b"-A -u ", Event::Kept),
    (b"-U -t ", Event::Kept),
    (b"-U -u ", Event::Kept),
    (b"-D -t ", Event::Gone),
    (b"-D -u ", Event::Gone),
];

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let beginning = text.beginning()?;
    let are_events = COMMANDS[2..].iter().any(|(command, _)| memmem::find(beginning, command).is_some());
    let mut number = 0;
    while let Some(line) = text.next_line()? {
        number += 1;
        let command = COMMANDS.iter().find_map(|(command, event)| Some((memmem::find(line, command)?, *event)));
        match command {
            Some((start, event)) if are_events => entries.event(number, event, &draft(&line[start..])),
            // An end among entries: the events began later than this looks for them.
            Some((_, Event::Gone)) => entries.take(number, None),
            Some((start, _)) => entries.draft(number, &draft(&line[start..])),
            None if super::is_noise(line) => {}
            None => entries.take(number, None),
        }
    }
    Ok(())
}

fn draft(line: &[u8]) -> Draft {
    let mut draft = Draft { knows_answers: true, ..Draft::default() };
    let mut state = None;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(option) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match option {
            b"-t" => draft.remaining = number(value()),
            b"-u" => {
                for flag in value().split(|byte| *byte == b',') {
                    draft.marks.replied |= flag == b"SEEN_REPLY";
                    draft.marks.assured |= flag == b"ASSURED";
                    draft.marks.offloaded |= matches!(flag, b"OFFLOAD" | b"HW_OFFLOAD");
                }
            }
            b"-s" => draft.source = Some(Address::parse(value())),
            b"-d" => draft.destination = Some(Address::parse(value())),
            b"-p" => draft.protocol = protocol(value()),
            b"--sport" | b"--orig-port-src" => draft.source_port = number(value()),
            b"--dport" | b"--orig-port-dst" => draft.port = number(value()),
            b"--icmp-id" | b"--icmpv6-id" => draft.number = number(value()),
            b"-w" | b"--zone" | b"--orig-zone" => draft.zone = draft.zone.or(number(value())),
            b"--state" => state = Some(value()),
            _ => {}
        }
    }
    let state = state.and_then(|state| std::str::from_utf8(state).ok());
    draft.state = draft.protocol.zip(state).and_then(|(protocol, state)| ProtocolState::named(protocol, state));
    draft
}
