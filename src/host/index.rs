//! Picks lines from the large indexes that lie beside the modules of a kernel.

use std::collections::BTreeSet;

/// The most bytes that are kept of an index: those about the modules of connection tracking are 20 KiB.
const MOST: usize = 1 << 20;

/// The lines of `index` that have one of `words` in them, in their order and with `_` for `-`, as modules are named.
pub(super) fn lines_with(mut index: Vec<u8>, words: &[String]) -> Vec<u8> {
    for byte in &mut index {
        if *byte == b'-' {
            *byte = b'_';
        }
    }
    let text = String::from_utf8_lossy(&index);
    let mut starts = BTreeSet::new();
    for word in words {
        let mut from = 0;
        while let Some(found) = text[from..].find(&word.replace('-', "_")) {
            let start = text[..from + found].rfind('\n').map_or(0, |end| end + 1);
            starts.insert(start);
            from = text[from + found..].find('\n').map_or(text.len(), |end| from + found + end + 1);
        }
    }
    let lines = starts.into_iter().map(|start| text[start..].split_inclusive('\n').next().unwrap_or_default());
    let mut kept = Vec::new();
    for line in lines {
        if kept.len() + line.len() > MOST {
            break;
        }
        kept.extend_from_slice(line.as_bytes());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(text: &str, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        String::from_utf8(lines_with(text.into(), &words)).expect("it is text")
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
