//! Picks lines from the large indexes that lie beside the modules of a kernel.

use memchr::memmem::{Finder, find};
use memchr::{memchr, memrchr};

/// The most bytes that are kept of an index: those about the modules of connection tracking are 20 KiB.
pub(super) const MOST: usize = 1 << 20;

/// The lines of `index` that have `word` in them, before the colon that parts a module from those that it needs; with `_` for
/// `-`, as modules are named.
pub(super) fn lines_with(index: &[u8], word: &str) -> Vec<u8> {
    let word = named(word.as_bytes());
    // A part between two signs is the same in every spelling.
    let part = word.split(|byte| *byte == b'_').max_by_key(|part| part.len()).unwrap_or(&word);
    let mut kept = Vec::new();
    if part.is_empty() {
        return kept;
    }
    let finder = Finder::new(part);
    let mut from = 0;
    while let Some(found) = finder.find(&index[from..]) {
        let start = memrchr(b'\n', &index[..from + found]).map_or(0, |end| end + 1);
        let end = memchr(b'\n', &index[from + found..]).map_or(index.len(), |end| from + found + end + 1);
        let line = &index[start..end];
        from = end;
        let module = find(line, b": ").map_or(line, |colon| &line[..colon]);
        if find(&named(module), &word).is_some() {
            if kept.len() + line.len() > MOST {
                break;
            }
            kept.extend(named(line));
        }
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

    fn picked(text: &str, word: &str) -> String {
        String::from_utf8(lines_with(text.as_bytes(), word)).expect("it is text")
    }

    #[test]
    fn the_lines_of_a_module_are_kept() {
        let index = "a/nft-ct.ko: a/ct.ko\na/loop.ko:\na/ct.ko:\nalias x:ct ct\nlast a/ct.ko";
        assert_eq!(picked(index, "/ct.ko"), "a/ct.ko:\nlast a/ct.ko");
        assert_eq!(picked(index, "/nft_ct.ko"), "a/nft_ct.ko: a/ct.ko\n");
        assert_eq!(picked(index, "/lo-p.ko"), "");
        assert_eq!(picked(index, "/loop.ko"), "a/loop.ko:\n");
        assert_eq!(picked(index, "alias x:ct "), "alias x:ct ct\n");
        assert_eq!(picked(index, ""), "");
    }

    #[test]
    fn an_index_without_end_is_cut() {
        let index = "a/ct.ko: b\n".repeat(1 << 18);
        assert!(picked(&index, "/ct.ko").len() <= MOST);
    }
}
