//! Picks lines from the large indexes that lie beside the modules of a kernel.

use std::collections::BTreeMap;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

/// The most bytes that are kept of an index: those about the modules of connection tracking are 20 KiB.
const MOST: usize = 1 << 20;

/// The lines of `index` that have one of `words` in them, in their order and with `_` for `-`, as modules are named.
pub(super) fn lines_with(index: &[u8], words: &[String]) -> Vec<u8> {
    let mut lines = BTreeMap::new();
    for word in words.iter().map(|word| named(word.as_bytes())) {
        // A part between two signs is the same in every spelling.
        let part = word.split(|byte| *byte == b'_').max_by_key(|part| part.len()).unwrap_or(&word);
        if part.is_empty() {
            continue;
        }
        let (part, whole) = (Finder::new(part), Finder::new(&word));
        let mut from = 0;
        while let Some(found) = part.find(&index[from..]) {
            let start = memrchr(b'\n', &index[..from + found]).map_or(0, |end| end + 1);
            let end = memchr(b'\n', &index[from + found..]).map_or(index.len(), |end| from + found + end + 1);
            let line = named(&index[start..end]);
            if whole.find(&line).is_some() {
                lines.insert(start, line);
            }
            from = end;
        }
    }
    let mut kept = Vec::new();
    for line in lines.into_values() {
        if kept.len() + line.len() > MOST {
            break;
        }
        kept.extend(line);
    }
    kept
}

/// A name or a line with `_` for `-`.
fn named(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(text: &str, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        String::from_utf8(lines_with(text.as_bytes(), &words)).expect("it is text")
    }

    #[test]
    fn a_line_is_kept_once_and_in_its_place() {
        let index = "a/nft-ct.ko: a/ct.ko\na/loop.ko:\na/ct.ko:\nlast a/ct.ko";
        assert_eq!(picked(index, &["/ct.ko", "/nft_ct.ko"]), "a/nft_ct.ko: a/ct.ko\na/ct.ko:\nlast a/ct.ko");
        assert_eq!(picked(index, &["/lo-p.ko"]), "");
        assert_eq!(picked(index, &["/loop.ko"]), "a/loop.ko:\n");
        assert_eq!(picked(index, &[]), "");
    }

    #[test]
    fn an_index_without_end_is_cut() {
        let index = "a/ct.ko: b\n".repeat(1 << 18);
        assert!(picked(&index, &["/ct.ko"]).len() <= MOST);
    }
}
