//! Reads the sysctls of connection tracking that somebody has saved: `sysctl -a`, `grep -r . /proc/sys/net`,
//! `tail -n +1 /proc/sys/net/netfilter/*`, or the facts of a configuration management.

use std::collections::BTreeMap;
use std::io::{self, Read};

use memchr::memmem;

use crate::kernel::catalog::{self, BUCKETS, COUNT, MAX, Name};
use crate::table::source::lines::Lines;

/// The saved sysctls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// The values by the canonical name of the setting.
    pub values: BTreeMap<String, u64>,
}

impl Sysctls {
    fn get(&self, name: &Name) -> Option<u64> {
        self.values.get(&name.to_string()).copied()
    }

    /// The limit of the table.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.get(&MAX)
    }

    /// The entries of the table.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.get(&COUNT)
    }

    /// The buckets of the hash table.
    #[must_use]
    pub fn buckets(&self) -> Option<u64> {
        self.get(&BUCKETS)
    }

    /// The timeouts in seconds, by the canonical name of the setting.
    #[must_use]
    pub fn timeouts(&self) -> BTreeMap<String, u32> {
        let timeouts = self.values.iter().filter(|(name, _)| name.contains("_timeout"));
        timeouts.filter_map(|(name, seconds)| Some((name.clone(), u32::try_from(*seconds).ok()?))).collect()
    }
}

/// The most settings that are kept. A kernel has some 60.
const MOST: usize = 1024;

/// The sysctls in `source`.
pub fn read(mut source: impl Read) -> io::Result<Sysctls> {
    let mut sysctls = BTreeMap::new();
    let mut headed = None;
    let mut text = Lines::new(&mut source as &mut dyn Read);
    while let Some(line) = text.next_line()? {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        match key(line) {
            Some((name, rest)) => match value(rest) {
                Some(value) if sysctls.len() < MOST => {
                    sysctls.insert(name, value);
                }
                // The value may stand in the next line: `==> /proc/sys/net/netfilter/nf_conntrack_max <==`.
                _ => headed = Some(name),
            },
            None if line.trim_ascii().is_empty() => {}
            None => {
                if let (Some(name), Some(value)) = (headed.take(), value(line).filter(|_| sysctls.len() < MOST)) {
                    sysctls.insert(name, value);
                }
            }
        }
    }
    if sysctls.is_empty() {
        let expected = "no sysctl of connection tracking is in it; expected what `sysctl -a` prints";
        return Err(io::Error::new(io::ErrorKind::InvalidData, expected));
    }
    Ok(Sysctls { values: sysctls })
}

/// The setting that a line names, and the text behind the name.
fn key(line: &[u8]) -> Option<(String, &[u8])> {
    let start =
        [&b"nf_conntrack_"[..], b"ip_conntrack_", b"nf_flowtable_"].iter().find_map(|word| memmem::find(line, word))?;
    let is_name = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'_';
    let end = start + line[start..].iter().take_while(is_name).count();
    let name = std::str::from_utf8(&line[start..end]).ok()?;
    Some((catalog::find(name).ok()?.to_string(), &line[end..]))
}

/// The number that a text begins with, behind the signs of an assignment.
fn value(text: &[u8]) -> Option<u64> {
    let signs = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b':' | b'"' | b'\'' | b',');
    let start = text.iter().position(|byte| !signs(byte))?;
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[start..start + digits]).ok()?.parse().ok()
}
