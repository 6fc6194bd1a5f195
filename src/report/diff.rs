//! Renders a [`Diff`] as a unified diff.
//!
//! `similar` finds the changed lines. Its own unified format would link all its algorithms into the binary; this file
//! uses one of them.

use std::ops::Range;

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{DiffOp, group_diff_ops};

use super::Diff;
use crate::text::printable;

/// The unchanged lines that are shown around a change.
const CONTEXT: usize = 3;

/// The unified diff, with the last line end.
pub(super) fn unified(diff: &Diff) -> String {
    let before: Vec<&str> = diff.before.split_inclusive('\n').collect();
    let after: Vec<&str> = diff.after.split_inclusive('\n').collect();
    let mut text = format!("--- {}\n+++ {}\n", printable(&diff.before_header), printable(&diff.after_header));
    for group in group_diff_ops(operations(&before, &after), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        text += &format!("@@ -{} +{} @@\n", span(&old), span(&new));
        for operation in &group {
            if matches!(operation, DiffOp::Equal { .. }) {
                text.extend(before[operation.old_range()].iter().map(|content| line(' ', content)));
            } else {
                text.extend(before[operation.old_range()].iter().map(|content| line('-', content)));
                text.extend(after[operation.new_range()].iter().map(|content| line('+', content)));
            }
        }
    }
    text
}

fn operations(before: &[&str], after: &[&str]) -> Vec<DiffOp> {
    let mut hook = Compact::new(Replace::new(Capture::new()), before, after);
    let Ok(()) = myers::diff(&mut hook, before, 0..before.len(), after, 0..after.len());
    hook.into_inner().into_inner().into_ops()
}

/// A range of lines as the head of a hunk has it: the first line and the count. An empty range has the line before it.
fn span(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        length => format!("{},{length}", lines.start + 1),
    }
}

fn line(sign: char, content: &str) -> String {
    match content.strip_suffix('\n') {
        Some(content) => format!("{sign}{content}\n"),
        None => format!("{sign}{content}\n\\ No newline at end of file\n"),
    }
}
