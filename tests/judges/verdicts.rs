//! Collects what a judge finds, so that one run names every case that does not hold.

use std::fmt::Display;

/// The comparisons, and the differences that they found.
#[derive(Default)]
pub(crate) struct Verdicts {
    count: usize,
    wrong: Vec<String>,
}

impl Verdicts {
    /// Compares what is expected of `subject` with what was found.
    pub(crate) fn compare<T: PartialEq + Display>(&mut self, subject: &str, expected: &T, found: &T) {
        self.count += 1;
        if expected != found {
            self.wrong.push(format!("{subject}:\n  expected {expected}\n  found    {found}\n"));
        }
    }

    /// Fails unless all was as expected, and at least `least` was compared: a judge that sees nothing proves nothing.
    pub(crate) fn assert(&self, least: usize) {
        assert!(self.wrong.is_empty(), "{} of {} differ\n{}", self.wrong.len(), self.count, self.wrong.concat());
        assert!(self.count >= least, "only {} values were compared", self.count);
    }
}
