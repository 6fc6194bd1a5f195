//! The documents for people, and the fenced blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents for people, in order.
pub(crate) fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(project().join("docs")).expect("docs can be read");
    let docs =
        docs.map(|item| item.expect("docs can be read").path()).filter(|path| path.extension() == Some("md".as_ref()));
    let mut documents: Vec<PathBuf> = docs.chain([project().join("README.md")]).collect();
    documents.sort();
    documents
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a document, each with the text behind its opening fence.
pub(crate) fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    with_blocks(text, |info, block| {
        blocks.push((info.to_owned(), block.to_owned()));
        None
    });
    blocks
}

/// The document, with each block replaced by what `instead` returns for it. `instead` gets the text behind the opening
/// fence, and the block.
pub(crate) fn with_blocks(text: &str, mut instead: impl FnMut(&str, &str) -> Option<String>) -> String {
    let mut written = String::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.split_inclusive('\n') {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some((info.trim_end(), String::new()));
                written += line;
            }
            (Some((info, block)), Some(_)) => {
                written += instead(info, block).as_deref().unwrap_or(block);
                written += line;
                open = None;
            }
            (Some((_, block)), None) => *block += line,
            (None, None) => written += line,
        }
    }
    written
}
