//! The runner of tests/all: how it counts, and in which order it runs its parts.

#[path = "parts/counts.rs"]
mod counts;
#[path = "parts/lanes.rs"]
mod lanes;
#[path = "parts/rows.rs"]
mod rows;

use std::path::Path;

use counts::{Counted, Counts};
use rows::{PARTS, Part};

fn counts(passed: u32, failed: u32) -> Counts {
    Counts { passed, failed }
}

#[test]
fn checks_are_counted_by_their_lines() {
    let log = "== a section\nok: one\nFAILED: two\n    ok: what two printed\nok: three\n";
    assert_eq!(counts::of(log, Counted::Lines, false), counts(2, 1));
    assert_eq!(counts::of(log, Counted::Lines, true), counts(2, 1));
}

#[test]
fn tests_are_counted_by_the_summaries_of_their_harness() {
    let log = "ok: printed by a test\n\
               test result: ok. 12 passed; 0 failed; 30 ignored; 0 measured; 0 filtered out; finished in 1.23s\n\
               test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
    assert_eq!(counts::of(log, Counted::Summaries, false), counts(15, 2));
    let table = "note: a guest was started again\n41 passed, 1 failed\n";
    assert_eq!(counts::of(table, Counted::Summaries, false), counts(41, 1));
}

#[test]
fn a_part_that_ends_early_or_checks_nothing_has_failed() {
    assert_eq!(counts::of("ok: one\n", Counted::Lines, false), counts(1, 1));
    assert_eq!(counts::of("", Counted::Lines, true), counts(0, 1));
    assert_eq!(counts::of("error: could not compile\n", Counted::Summaries, false), counts(0, 1));
    let nothing = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s\n";
    assert_eq!(counts::of(nothing, Counted::Summaries, true), counts(0, 1));
    assert_eq!(counts::of("ok: printed\n", Counted::Once, true), counts(1, 0));
    assert_eq!(counts::of("ok: printed\n", Counted::Once, false), counts(0, 1));
}

#[test]
fn a_part_stands_behind_those_that_come_before_it() {
    for (index, part) in PARTS.iter().enumerate() {
        for before in part.after {
            assert!(PARTS[..index].iter().any(|other| other.name == *before), "{}: after {before}", part.name);
        }
        assert!(PARTS[..index].iter().all(|other| other.name != part.name), "two parts are called {}", part.name);
    }
}

#[test]
fn a_row_tells_of_its_command() {
    for Part { name, about, command, counted, .. } in PARTS {
        let mut scripts = command.split([' ', ';']).filter(|word| word.starts_with("tests/"));
        assert!(scripts.all(|script| Path::new(script).is_file()), "{name}: there is no such script: {command}");
        let has_harness = ["cargo test", "tests/reboot"].iter().any(|harness| command.contains(harness));
        assert_eq!(*counted == Counted::Summaries, has_harness && !command.contains("--no-run"), "{name}");
        assert!(!about.is_empty() && about.len() <= 80, "{name}: the list has a line for each part");
    }
}

/// The parts of these names, in the order of the names.
fn parts(names: &[&str]) -> Vec<&'static Part> {
    names.iter().map(|name| PARTS.iter().find(|part| part.name == *name).expect("it is a part")).collect()
}

#[test]
fn a_part_waits_for_what_it_comes_after_and_for_what_another_uses() {
    assert_eq!(lanes::next(&parts(&["fleet", "docs"]), &parts(&["ansible"])), Some(1));
    assert_eq!(lanes::next(&parts(&["fleet"]), &[]), Some(0));
    assert_eq!(lanes::next(&parts(&["fleet", "ansible"]), &[]), Some(1));
    assert_eq!(lanes::next(&parts(&["comparison"]), &parts(&["salt"])), None);
    assert_eq!(lanes::next(&parts(&["demo", "kernel"]), &parts(&["docs"])), Some(0));
}

#[test]
fn side_by_side_they_take_as_long_as_the_longest() {
    let [docs, dsc] = parts(&["docs", "dsc"])[..] else { panic!("these are two") };
    assert_eq!(lanes::expected(&[docs, dsc], 2), docs.seconds.max(dsc.seconds));
    assert_eq!(lanes::expected(&[docs, dsc], 1), docs.seconds + dsc.seconds);
    let (ansible, fleet) = (parts(&["ansible"])[0], parts(&["fleet"])[0]);
    assert_eq!(lanes::expected(&[ansible, fleet], 2), ansible.seconds + fleet.seconds);
}

#[test]
fn the_words_choose_the_parts() {
    let chosen = |words: &[&str]| -> Vec<&str> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        rows::chosen(&words).expect("these are parts").iter().map(|part| part.name).collect()
    };
    assert_eq!(chosen(&[]).len(), PARTS.len());
    assert_eq!(chosen(&["dsc", "fleet"]), ["static", "packaging", "ansible", "fleet", "dsc"]);
    let quick = chosen(&["quick"]);
    assert!(!quick.contains(&"reboot") && !quick.contains(&"failed") && quick.contains(&"killed"));
    let refusal = rows::chosen(&["nothing".to_owned()]).expect_err("there is no such part");
    assert!(refusal.contains("`nothing`") && refusal.contains("fleet"), "{refusal}");
}
