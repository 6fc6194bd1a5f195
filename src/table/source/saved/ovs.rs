//! Reads what `ovs-appctl dpctl/dump-conntrack` of Open vSwitch prints, also with `-m` and `-s` (`ct_dpif_format_entry` of
//! `lib/ct-dpif.c`).

use std::io;

use memchr::memmem;

use crate::table::model::entry::ProtocolState;
use crate::table::source::lines::Text;
use crate::table::source::saved::draft::{Address, Draft, number, protocol};
use crate::table::source::saved::{Entries, SavedForm};

/// The row.
pub const FORM: SavedForm =
    SavedForm { name: "ovs", recognises: |beginning| memmem::find(beginning, ORIGINAL).is_some(), read };

const ORIGINAL: &[u8] = b",orig=(";

/// The states of Open vSwitch's own table that have another name in the kernel's.
const STATES: [(&str, &str); 4] =
    [("FIN_WAIT_1", "FIN_WAIT"), ("FIN_WAIT_2", "TIME_WAIT"), ("CLOSING", "LAST_ACK"), ("CLOSED", "CLOSE")];

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let mut number = 0;
    while let Some(line) = text.next_line()? {
        number += 1;
        match draft(line) {
            Some(draft) => entries.draft(number, &draft),
            None if super::is_noise(line) => {}
            None => entries.take(number, None),
        }
    }
    Ok(())
}

fn draft(line: &[u8]) -> Option<Draft> {
    let start = memmem::find(line, ORIGINAL)?;
    let name = line[..start].rsplit(|byte| !byte.is_ascii_alphanumeric()).next()?;
    let mut draft = Draft { protocol: protocol(name), ..Draft::default() };
    let rest = &line[start + ORIGINAL.len()..];
    let end = memchr::memchr(b')', rest)?;
    for (key, value) in pairs(&rest[..end]) {
        match key {
            b"src" => draft.source = Some(Address::parse(value)),
            b"dst" => draft.destination = Some(Address::parse(value)),
            b"sport" => draft.source_port = number(value),
            b"dport" => draft.port = number(value),
            _ => {}
        }
    }
    let rest = &rest[end..];
    // The tuple of the reply says nothing new.
    let rest = memchr::memchr(b'(', rest).and_then(|start| rest[start..].splitn(2, |byte| *byte == b')').nth(1));
    let mut state = None;
    for (key, value) in pairs(rest.unwrap_or_default()) {
        match key {
            b"zone" => draft.zone = number(value),
            b"timeout" => draft.remaining = number(value),
            b"status" => {
                draft.knows_answers = true;
                for flag in value.split(|byte| *byte == b'|') {
                    draft.marks.replied |= flag == b"SEEN_REPLY";
                    draft.marks.assured |= flag == b"ASSURED";
                    draft.marks.offloaded |= flag == b"OFFLOAD";
                }
            }
            b"protoinfo" | b"state" | b"state_orig" => state = Some(value.rsplit(|byte| *byte == b'=').next()?),
            _ => {}
        }
    }
    let state = state.and_then(|state| std::str::from_utf8(state).ok());
    let state = state.map(|state| STATES.iter().find(|(own, _)| *own == state).map_or(state, |(_, name)| *name));
    draft.state = draft.protocol.zip(state).and_then(|(protocol, state)| ProtocolState::named(protocol, state));
    Some(draft)
}

/// The `key=value` pairs between commas and brackets.
fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| matches!(byte, b',' | b')') || byte.is_ascii_whitespace()).filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        Some((&pair[..equals], pair[equals + 1..].strip_prefix(b"(").unwrap_or(&pair[equals + 1..])))
    })
}
