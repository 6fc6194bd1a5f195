//! Tests the writes of the loaders, on the roots of `tests/cases/sysctl_d`, to a kernel that has every key of today.
//!
//! `expected` has a line for each write, in order; `BLESS=1` writes it. The real loaders judge the same lines
//! (`judges::loader`).

use std::collections::BTreeSet;

use crate::judges::case::{Case, cases, groups};
use crate::judges::dialects;
use crate::judges::expected::Line;
use crate::support::golden;
use crate::support::tree::tree;
use conntrack_sysctl::kernel::catalog::{CATALOG, Key};
use conntrack_sysctl::sysctl_d::{Dialect, PROCPS, SYSTEMD, assignments, parse, writes};

#[test]
fn the_loaders_write_what_the_cases_say() {
    let today = CATALOG.iter().filter(|setting| setting.until.is_none()).map(|setting| Key::new(setting.name));
    let keys: BTreeSet<Key> = today.chain([Key::new("net.nf_conntrack_max")]).collect();
    for case in groups("sysctl_d").iter().flat_map(|group| cases(group)) {
        let written: Vec<(&str, Vec<Line>)> =
            dialects(&case).into_iter().map(|dialect| (dialect.name, lines(&case, dialect, &keys))).collect();
        golden(&case.directory.join("expected"), &together(written));
    }
}

/// The writes of a program for `case`.
fn lines(case: &Case, dialect: &Dialect, keys: &BTreeSet<Key>) -> Vec<Line> {
    let tree = tree(&case.root());
    let writes = writes(&assignments(&tree, dialect, &dialect.files(&tree)), dialect, keys);
    let line = |write: conntrack_sysctl::sysctl_d::Write| Line {
        name: write.key.to_string(),
        value: write.text,
        from: Some(write.place.to_string()),
        places: Vec::new(),
    };
    writes.into_iter().map(line).collect()
}

/// The text of `expected`: what all programs write stands in it once.
fn together(mut written: Vec<(&str, Vec<Line>)>) -> String {
    if written.windows(2).all(|pair| pair[0].1 == pair[1].1) {
        written.truncate(1);
    } else {
        for (name, lines) in &mut written {
            for line in lines {
                line.places.push((*name).to_owned());
            }
        }
    }
    let lines = written.iter().flat_map(|(_, lines)| lines);
    lines.fold(String::new(), |text, line| format!("{text}{line}\n"))
}

#[test]
fn systemd_gives_up_at_a_line_of_a_mebibyte() {
    let lines_read = |length: usize| {
        let text = format!("net.nf_conntrack_max = 1\n{}\nnet.nf_conntrack_max = 3\n", "#".repeat(length));
        let lines = |dialect| parse(text.as_bytes(), dialect).iter().map(|found| found.line).collect::<Vec<_>>();
        [lines(&SYSTEMD), lines(&PROCPS)]
    };
    assert_eq!(lines_read((1 << 20) - 1), [[1, 3], [1, 3]]);
    assert_eq!(lines_read(1 << 20), [vec![1], vec![1, 3]]);
}
