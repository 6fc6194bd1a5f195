//! Reads the text of conntrack(8) with or without `-o extended`, `/proc/net/nf_conntrack`, and `/proc/net/ip_conntrack`
//! of old kernels.

use std::io;
use std::net::IpAddr;

use crate::table::model::entry::{Marks, ProtocolState, TableEntry, has_ports};
use crate::table::source::lines::Text;
use crate::table::source::saved::{Entries, SavedForm};

/// The row, which recognises any text.
pub const FORM: SavedForm = SavedForm { name: "text", recognises: |_| true, read };

fn read(text: &mut Text<'_>, entries: &mut Entries<'_>) -> io::Result<()> {
    let mut number = 0;
    while let Some(line) = text.next_line()? {
        number += 1;
        let line = String::from_utf8_lossy(line);
        // conntrack(8) prints its version and a count at the end, to another stream that may have been saved too.
        if !line.trim().is_empty() && !line.starts_with("conntrack v") {
            entries.take(number, entry(&line));
        }
    }
    Ok(())
}

/// The entry in a line.
fn entry(line: &str) -> Option<TableEntry> {
    let mut words = line.split_ascii_whitespace().peekable();
    // The extended form and /proc/net/nf_conntrack begin with the family and its number.
    if words.next_if(|word| matches!(*word, "ipv4" | "ipv6")).is_some() {
        words.next()?.parse::<u16>().ok()?;
    }
    let _name = words.next()?;
    let protocol = words.next()?.parse().ok()?;
    let remaining = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let remaining = remaining.and_then(|seconds| seconds.parse().ok());
    let state =
        words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b'2'));
    let (mut source, mut destination, mut port, mut zone) = (None::<IpAddr>, None::<IpAddr>, None, None);
    let mut marks = Marks { replied: true, ..Marks::default() };
    for word in words {
        match word.split_once('=') {
            // The first of each is of the direction that opened the connection, the second of the reply.
            Some(("src", text)) => source = source.or(Some(text.parse().ok()?)),
            Some(("dst", text)) => destination = destination.or(Some(text.parse().ok()?)),
            Some(("dport", text)) => port = port.or(Some(text.parse().ok()?)),
            Some(("zone" | "zone-orig", text)) => zone = zone.or(Some(text.parse().ok()?)),
            Some(_) => {}
            None => match word {
                "[UNREPLIED]" => marks.replied = false,
                "[ASSURED]" => marks.assured = true,
                "[OFFLOAD]" | "[HW_OFFLOAD]" => marks.offloaded = true,
                _ => {}
            },
        }
    }
    Some(TableEntry {
        protocol,
        state: state.and_then(|name| ProtocolState::named(protocol, name)),
        remaining: remaining.filter(|_| !marks.offloaded),
        source: source?,
        destination: destination?,
        port: port.filter(|_| has_ports(protocol)),
        zone: zone.unwrap_or(0),
        marks,
    })
}
