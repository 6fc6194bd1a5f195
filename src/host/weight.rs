//! Weighs the files of a boot: a run keeps some fifteen times as much memory as they weigh, whatever is in them.

use std::path::Path;

use memchr::memmem::Finder;
use memchr::{memchr, memchr2, memchr3};

use crate::kernel::catalog::WORDS;

/// The most that the files of a boot may weigh together: those of a server with many packages weigh less than 1 MiB.
pub(super) const LARGEST_TOGETHER: u64 = 4 << 20;

/// The weight of a line beside its bytes: a program keeps something of each.
pub(super) const WEIGHT_OF_LINE: u64 = 64;

/// The same of a line about connection tracking: it may be the only one about a setting, of which each boot has an outlook.
const WEIGHT_OF_SETTING: u64 = 192;

/// The same of a line whose key is a pattern: it may be an assignment of each setting.
const WEIGHT_OF_PATTERN: u64 = 1000;

/// The weight of a line that is the same as the one before it, as long as it is short: both share what is kept of their texts. A
/// file may have 100,000 such lines. Rules of udev share nothing.
const WEIGHT_OF_REPEATED: u64 = 40;

/// The weight of the file at `path`.
pub(super) fn weight(path: &Path, bytes: &[u8]) -> u64 {
    // The signs of a pattern stand in most rules of udev, which are no sysctls.
    let is_rule = path.extension().is_some_and(|extension| extension == "rules");
    let may_have_patterns = !is_rule && has_sign(bytes);
    let words = WORDS.map(Finder::new);
    let may_have_settings = words.iter().any(|word| word.find(bytes).is_some());
    let is_pattern = |line: &[u8]| may_have_patterns && memchr(b'=', line).is_some_and(|end| has_sign(&line[..end]));
    let is_setting = |line: &[u8]| may_have_settings && words.iter().any(|word| word.find(line).is_some());
    let (mut rest, mut last) = (bytes, None);
    let mut weight = 0;
    while !rest.is_empty() {
        // Whatever ends a line in the eyes of a reader.
        let end = memchr3(b'\n', b'\r', 0, rest).map_or(rest.len(), |end| end + 1);
        let (line, behind) = rest.split_at(end);
        let length = line.len() as u64;
        weight += if last == Some(line) && !is_rule {
            (length * 5 / 8).max(WEIGHT_OF_REPEATED)
        } else if is_pattern(line) {
            length + WEIGHT_OF_PATTERN
        } else if is_setting(line) {
            length + WEIGHT_OF_SETTING
        } else {
            length + WEIGHT_OF_LINE
        };
        (rest, last) = (behind, Some(line));
    }
    weight + WEIGHT_OF_LINE
}

/// Whether `text` has a sign of a pattern.
fn has_sign(text: &[u8]) -> bool {
    memchr3(b'*', b'?', b'[', text).is_some() || memchr2(b'{', b'\\', text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_weighs_what_a_run_keeps_of_it() {
        let of = |path: &str, text: &str| weight(Path::new(path), text.as_bytes()) - WEIGHT_OF_LINE;
        let conf = "/etc/sysctl.d/a.conf";
        assert_eq!(of(conf, "a=1\nb=2\n"), 2 * (4 + WEIGHT_OF_LINE));
        assert_eq!(of(conf, "a=1\na=1\na=1"), 4 + WEIGHT_OF_LINE + WEIGHT_OF_REPEATED + 3 + WEIGHT_OF_LINE);
        assert_eq!(of(conf, "net.nf_conntrack_max=1\n"), 23 + WEIGHT_OF_SETTING);
        assert_eq!(of(conf, "net.*_max=1\n"), 12 + WEIGHT_OF_PATTERN);
        assert_eq!(of("/etc/udev/rules.d/a.rules", "KERNEL=*\nA{b}=c\n"), 9 + 7 + 2 * WEIGHT_OF_LINE);
        let long = "a".repeat(799) + "\n";
        assert_eq!(of(conf, &long.repeat(2)), 800 + WEIGHT_OF_LINE + 500);
        assert_eq!(weight(Path::new(conf), b""), WEIGHT_OF_LINE);
    }
}
