//! What the loaders write, on small roots.
//!
//! A case is a directory in `tests/cases/sysctl_d` with a root and the file `expected`: the writes of each loader to a kernel
//! that has every key of today. `tests/oracle` asks the real loaders about the same cases.

use std::collections::BTreeSet;

use crate::support::tree::tree;
use crate::support::{cases, golden};
use conntrack_sysctl::kernel::catalog::CATALOG;
use conntrack_sysctl::sysctl_d::{PROCPS, SYSTEMD, assignments, parse, writes};

#[test]
fn the_loaders_write_what_the_cases_say() {
    let today = CATALOG.iter().filter(|setting| setting.until.is_none()).map(|setting| setting.name.to_string());
    let keys: BTreeSet<String> = today.chain(["net.nf_conntrack_max".to_owned()]).collect();
    for case in cases("sysctl_d/both") {
        let tree = tree(&case.join("root"));
        let mut found = String::new();
        for dialect in [&SYSTEMD, &PROCPS] {
            found += &format!("{}\n", dialect.command);
            for write in writes(&assignments(&tree, dialect, &dialect.files(&tree)), dialect, &keys) {
                found += &format!("    {} = {}    ({})\n", write.key, write.text.escape_ascii(), write.place);
            }
        }
        golden(&case.join("expected"), &found);
    }
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
