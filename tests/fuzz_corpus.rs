//! Replays the fuzzers' corpus on stable Rust. `cargo fuzz run document` (request, plan, table) finds more.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for item in fs::read_dir(directory).expect("the corpus is there") {
        check(&fs::read(item.expect("the corpus can be read").path()).expect("an input can be read"));
        count += 1;
    }
    assert!(count > 5, "the corpus of {target} has only {count} inputs");
}

#[test]
fn documents() {
    replay("document", checks::document);
}

#[test]
fn requests() {
    replay("request", checks::request);
}

#[test]
fn plans() {
    replay("plan", checks::planned);
}

#[test]
fn tables() {
    replay("table", checks::table);
}
