//! Reads a saved table: the text of conntrack(8) with or without `-o extended`, its XML,
//! `/proc/net/nf_conntrack`, and `/proc/net/ip_conntrack` of old kernels. One pass, in bounded memory.

pub mod xml;

use std::io::{self, BufRead};
use std::net::IpAddr;

use crate::table::model::entry::{Entry, Marks, State};
use crate::table::source::lines::Lines;
use crate::table::source::netlink::message::has_ports;
use crate::table::source::saved::xml::Flow;

/// What became of a saved table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The lines, or flows in XML, that describe no entry.
    pub unread: u64,
    /// The number of the first of them, from 1.
    pub first_unread: Option<u64>,
}

/// Gives each entry in `source` to `each`.
pub fn read(mut source: impl BufRead, mut each: impl FnMut(&Entry)) -> io::Result<Saved> {
    let is_xml = source.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
    let mut saved = Saved::default();
    let mut number = 0;
    let mut take = |number: u64, entry: Option<Entry>| {
        if let Some(entry) = entry {
            each(&entry);
        } else {
            saved.unread += 1;
            saved.first_unread.get_or_insert(number);
        }
    };
    let mut lines = Lines::new(source);
    if is_xml {
        let mut flow = Flow::default();
        while let Some(token) = lines.until(b'>')? {
            if let Some(ended) = flow.token(&String::from_utf8_lossy(token)) {
                number += 1;
                take(number, ended);
            }
        }
        return Ok(saved);
    }
    while let Some(line) = lines.next_line()? {
        number += 1;
        let line = String::from_utf8_lossy(line);
        // The tool's own last word, where it was saved with the rest.
        if !line.trim().is_empty() && !line.starts_with("conntrack v") {
            take(number, entry(&line));
        }
    }
    Ok(saved)
}

/// The entry in a line of text.
#[must_use]
pub fn entry(line: &str) -> Option<Entry> {
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
    Some(Entry {
        protocol,
        state: state.and_then(|name| State::named(protocol, name)),
        remaining: remaining.filter(|_| !marks.offloaded),
        source: source?,
        destination: destination?,
        port: port.filter(|_| has_ports(protocol)),
        zone: zone.unwrap_or(0),
        marks,
    })
}
