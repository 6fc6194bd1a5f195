//! Picks lines from the large indexes that lie beside the modules of a kernel.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::iter;
use std::ops::Range;

use memchr::memmem::{Finder, find};
use memchr::{memchr, memrchr};

/// The most bytes that are kept of an index: those about the modules of connection tracking are 20 KiB.
const MOST: usize = 1 << 20;

/// The bytes that are read at once. A buffer for a whole index would take longer to make than the index to search.
const AT_ONCE: usize = 1 << 16;

/// The lines of an index, in order, that have one of `words` in them, before the colon that parts a module from those that
/// it needs; with `_` for `-`, as modules are named.
pub(super) fn lines_with(mut index: impl Read, words: &[String]) -> io::Result<Vec<u8>> {
    let words: Vec<Word> = words.iter().filter_map(|word| Word::new(word)).collect();
    let mut kept = Vec::new();
    let mut buffer = vec![0; AT_ONCE];
    // The bytes of the line that the last read has cut.
    let mut begun = 0;
    loop {
        let read = match index.read(&mut buffer[begun..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        let end = begun + read;
        let whole = if read == 0 { end } else { memrchr(b'\n', &buffer[..end]).map_or(0, |at| at + 1) };
        for line in lines_of(&buffer[..whole], &words) {
            kept.extend(named(line));
        }
        if kept.len() > MOST || (whole == 0 && end > MOST) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        if read == 0 {
            return Ok(kept);
        }
        buffer.copy_within(whole..end, 0);
        begun = end - whole;
        if begun == buffer.len() {
            buffer.resize(2 * begun, 0);
        }
    }
}

/// A word to look for.
struct Word {
    word: Vec<u8>,
    /// The longest part of it between two signs, which is the same in every spelling.
    part: Finder<'static>,
}

impl Word {
    /// None: it has no part that is the same in every spelling.
    fn new(word: &str) -> Option<Word> {
        let word = named(word.as_bytes());
        let part = word.split(|byte| *byte == b'_').max_by_key(|part| part.len()).filter(|part| !part.is_empty())?;
        let part = Finder::new(part).into_owned();
        Some(Word { word, part })
    }
}

/// The lines of `text` that have one of `words` in them, in order.
fn lines_of<'a>(text: &'a [u8], words: &[Word]) -> impl Iterator<Item = &'a [u8]> {
    let mut lines = BTreeMap::new();
    for Word { word, part } in words {
        for range in lines_about(text, part) {
            let line = &text[range.clone()];
            let module = find(line, b": ").map_or(line, |colon| &line[..colon]);
            if find(&named(module), word).is_some() {
                lines.insert(range.start, line);
            }
        }
    }
    lines.into_values()
}

/// The lines of `text` that have `word` in them, in order. One search through the whole text takes far less time than one
/// through each line.
pub(super) fn lines_about(text: &[u8], word: &Finder) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    iter::from_fn(move || {
        let found = from + word.find(&text[from..])?;
        let start = memrchr(b'\n', &text[from..found]).map_or(from, |end| from + end + 1);
        from = memchr(b'\n', &text[found..]).map_or(text.len(), |end| found + end + 1);
        Some(start..from)
    })
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
        String::from_utf8(lines_with(text.as_bytes(), &words).expect("memory can be read")).expect("it is text")
    }

    #[test]
    fn the_lines_of_a_module_are_kept() {
        let index = "a/nft-ct.ko: a/ct.ko\na/loop.ko:\na/ct.ko:\nalias x:ct ct\nlast a/ct.ko";
        assert_eq!(picked(index, &["/ct.ko"]), "a/ct.ko:\nlast a/ct.ko");
        assert_eq!(picked(index, &["/nft_ct.ko"]), "a/nft_ct.ko: a/ct.ko\n");
        assert_eq!(picked(index, &["/lo-p.ko"]), "");
        assert_eq!(picked(index, &["/loop.ko"]), "a/loop.ko:\n");
        assert_eq!(picked(index, &["alias x:ct "]), "alias x:ct ct\n");
        assert_eq!(picked(index, &[""]), "");
    }

    #[test]
    fn the_lines_of_several_modules_are_kept_in_order() {
        let index = "a/nft-ct.ko: a/ct.ko\na/loop.ko:\na/ct.ko:\n";
        assert_eq!(picked(index, &["/ct.ko", "/nft_ct.ko", "t"]), "a/nft_ct.ko: a/ct.ko\na/ct.ko:\n");
    }

    #[test]
    fn lines_that_a_read_cuts_are_whole() {
        for around in AT_ONCE - 20..AT_ONCE + 20 {
            let index = format!("{}\na/ct.ko: b\n{}a/ct.ko: c", "x".repeat(around), "y\n".repeat(around));
            assert_eq!(picked(&index, &["/ct.ko"]), "a/ct.ko: b\na/ct.ko: c", "{around}");
        }
        let long = format!("a/ct.ko: {}\n", "b ".repeat(AT_ONCE));
        assert_eq!(picked(&format!("{long}a/b.ko:\n"), &["/ct.ko"]), long);
    }

    #[test]
    fn an_index_without_end_is_not_kept() {
        let word = ["/ct.ko".to_owned()];
        for index in ["a/ct.ko: b\n", "a/ct.ko: b"] {
            let endless = index.repeat(1 << 18);
            assert!(lines_with(endless.as_bytes(), &word).is_err(), "{index:?}");
        }
    }
}
