//! Replays the fuzzers' corpus on stable Rust. `fuzz/run` finds more.

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "../fuzz/grammars.rs"]
mod grammars;

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

#[test]
fn boots() {
    replay("boot", checks::boot);
}

/// The readers of other programs' files, each by the name of its target.
#[test]
fn grammars() {
    type Target = (&'static str, fn(&[u8]));
    const TARGETS: [Target; 13] = [
        ("arguments", grammars::arguments),
        ("dumps", grammars::dumps),
        ("evidence", grammars::evidence),
        ("logs", grammars::logs),
        ("modprobe", grammars::modprobe),
        ("mounts", grammars::mounts),
        ("promise", grammars::promise),
        ("reports", grammars::reports),
        ("sections", grammars::sections),
        ("tmpfiles", grammars::tmpfiles_d),
        ("udev", grammars::udev),
        ("units", grammars::units),
        ("variables", grammars::variables),
    ];
    for (target, check) in TARGETS {
        replay(target, check);
    }
}
