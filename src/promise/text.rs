//! Puts a verification into words for people.

use super::{FILE, Outcome, Verification};
use crate::text::printable;
use crate::text::style::{BAD, DOUBT, GOOD, PLAIN, painted};

/// One line for each setting that is not as predicted, and one that says whether the promise was held.
pub(super) fn verification(verification: &Verification) -> String {
    let mut lines: Vec<String> = Vec::new();
    for setting in verification.settings.iter().filter(|setting| !setting.held) {
        let seen = setting.seen.map_or_else(|| "nothing".to_owned(), |seen| seen.to_string());
        let from = setting.from.as_ref().map(|from| format!(" (`{from}`)")).unwrap_or_default();
        let cause = setting.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        lines.push(format!("{}: predicted {}{from}, seen {seen}{cause}", setting.name, setting.predicted));
    }
    let when = verification.promise.as_ref().map(|promise| promise.origin.time.as_str()).unwrap_or_default();
    let count = verification.settings.len();
    let s = if count == 1 { "" } else { "s" };
    lines.push(match verification.outcome {
        Outcome::Held => format!("held: {count} setting{s} as predicted at {when}"),
        Outcome::Broken => {
            let broken = verification.settings.iter().filter(|setting| !setting.held).count();
            format!("broken: {broken} of {count} setting{s} not as predicted at {when}")
        }
        Outcome::NotYet => format!("could not tell: the machine was not booted since the promise of {when}"),
        Outcome::NoPromise => {
            format!("could not tell: {FILE} has no promise; an apply with `persist` on this machine makes one")
        }
    });
    let style = match verification.outcome {
        Outcome::Held => GOOD,
        Outcome::Broken => BAD,
        Outcome::NotYet | Outcome::NoPromise => DOUBT,
    };
    let last = lines.len() - 1;
    let paint =
        |(index, line): (usize, &String)| painted(if index == last { style.bold() } else { PLAIN }, printable(line));
    lines.iter().enumerate().map(paint).collect::<Vec<_>>().join("\n")
}
