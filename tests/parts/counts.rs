//! Counts what passed and what failed in a part, by what it printed and how it ended.

use std::ops::AddAssign;

/// How the checks of a part are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counted {
    /// The scripts tell of each check in a line, `ok: ...` or `FAILED: ...` (tests/checks, tests/checks.py).
    Lines,
    /// The harness closes with a summary: that of cargo, `test result: ok. 12 passed; 0 failed; ...`, after each binary;
    /// that of the reboots, `12 passed, 0 failed`, once.
    Summaries,
    /// The part is one check, which passes if the part ends with 0.
    Once,
}

/// How many checks passed and failed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The counts of a part. One that did not end with 0 has failed, and so has one in which nothing was checked, whatever it
/// printed.
pub(crate) fn of(log: &str, counted: Counted, succeeded: bool) -> Counts {
    let mut counts = Counts::default();
    for line in log.lines() {
        counts += match counted {
            Counted::Lines if line.starts_with("ok: ") => Counts { passed: 1, failed: 0 },
            Counted::Lines if is_failure(line) => Counts { passed: 0, failed: 1 },
            Counted::Summaries => summary(line).unwrap_or_default(),
            Counted::Lines | Counted::Once => Counts::default(),
        };
    }
    if counted == Counted::Once {
        counts.passed = u32::from(succeeded);
    }
    if counts.failed == 0 && (!succeeded || counts.passed == 0) {
        counts.failed = 1;
    }
    counts
}

/// Whether a line tells of a check that failed.
pub(crate) fn is_failure(line: &str) -> bool {
    line.starts_with("FAILED: ")
}

/// The counts of a line that is a summary.
fn summary(line: &str) -> Option<Counts> {
    let counts: Vec<&str> = match line.strip_prefix("test result: ") {
        Some(result) => result.split_once(". ")?.1.split("; ").take(2).collect(),
        None => line.split(", ").collect(),
    };
    let [passed, failed] = counts[..] else { return None };
    Some(Counts {
        passed: passed.strip_suffix(" passed")?.parse().ok()?,
        failed: failed.strip_suffix(" failed")?.parse().ok()?,
    })
}
