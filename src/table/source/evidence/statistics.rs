//! Reads the counters of connection tracking that somebody has saved: `conntrack -S` of any age, or
//! /proc/net/stat/nf_conntrack.

use std::io::{self, Read};

use memchr::memmem;

use crate::table::model::counters::{Counters, Counts};
use crate::table::source::lines::Lines;
use crate::table::source::proc::counters;

/// The most rows that are read. A machine has one for each CPU.
const MOST: usize = 8192;

/// The counters in `source`.
pub fn read(mut source: impl Read) -> io::Result<Counters> {
    let mut text = Lines::new(&mut source as &mut dyn Read);
    let mut table = String::new();
    let mut found = Counters::default();
    let mut rows = 0;
    while let Some(line) = text.next_line()? {
        let line = String::from_utf8_lossy(line);
        if let Some(start) = line.find("entries").filter(|start| counters::is_head(&line[*start..])) {
            // Whatever another program has put before the head stands before each row too.
            table = format!("{}\n", &line[start..]);
        } else if !table.is_empty() && rows < MOST {
            table += &row(&line);
            rows += 1;
        } else if let Some(start) = memmem::find(line.as_bytes(), b"cpu=").filter(|_| found.cpus.len() < MOST) {
            found.cpus.push(pairs(&line[start..]));
        } else {
            plain(&line, &mut found);
        }
    }
    let found = counters::statistics(&table).unwrap_or(found);
    if found.cpus.is_empty() {
        let expected = "no counter of connection tracking is in it; expected what `conntrack -S` prints, or \
                        /proc/net/stat/nf_conntrack";
        return Err(io::Error::new(io::ErrorKind::InvalidData, expected));
    }
    Ok(found)
}

/// The hexadecimal numbers at the end of a row of /proc/net/stat/nf_conntrack.
fn row(line: &str) -> String {
    let is_number = |word: &&str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = line.split_whitespace().map(|word| word.rsplit(':').next().unwrap_or(word));
    let numbers: Vec<&str> = words.filter(is_number).collect();
    numbers.join(" ") + "\n"
}

/// `found=12 invalid=3 ...`
fn pairs(line: &str) -> Counts {
    let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
    let known = pairs.filter(|(name, _)| *name != "cpu");
    known.filter_map(|(name, value)| Some((counters::current_name(name).to_owned(), value.parse().ok()?))).collect()
}

/// `early_drop    12` of conntrack before 1.2, which prints the sums over the CPUs.
fn plain(line: &str, found: &mut Counters) {
    const NAMES: [&str; 12] = [
        "searched",
        "found",
        "new",
        "invalid",
        "ignore",
        "delete",
        "delete_list",
        "insert",
        "insert_failed",
        "drop",
        "early_drop",
        "icmp_error",
    ];
    let mut words = line.split_whitespace();
    let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else { return };
    let Ok(value) = value.parse() else { return };
    if name == "entries" {
        found.entries = Some(value);
    } else if NAMES.contains(&name) {
        if found.cpus.is_empty() {
            found.cpus.push(Counts::new());
        }
        found.cpus[0].insert(counters::current_name(name).to_owned(), value);
    }
}
