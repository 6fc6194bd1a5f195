//! Lays out the settings and the changes of a report: one row for each change, with both sides of it and its place.

use super::{desired, style_of, verdict, verdicts};
use crate::report::{Change, FileAction, Mode, Report, SettingReport};
use crate::text::style::{BAD, Cell, GOOD, PLAIN};
use crate::text::{columns, number, short};
use crate::verify::Verdict;

/// The table; nothing if the report has neither settings nor changes.
pub(super) fn changes(report: &Report) -> String {
    let rows: Vec<Vec<Cell>> = report
        .settings
        .iter()
        .flat_map(|setting| setting_rows(setting, report.mode))
        .chain(report.changes.iter().filter_map(other_row))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    columns(&["WHAT", "FROM", "TO", "WHERE", "VERDICT"], rows.into_iter())
}

/// One side of a setting: the kernel now, or the next boot.
struct Side<'a> {
    place: &'static str,
    before: Option<i64>,
    after: Option<i64>,
    human: Option<&'a str>,
    /// The verdicts that are about this side.
    verdicts: Vec<Verdict>,
}

fn sides(setting: &SettingReport) -> [Side<'_>; 2] {
    let (live, boot) = (&setting.live, &setting.boot);
    let is_of_boot = |drift: &&Verdict| matches!(**drift, Verdict::BootDrift | Verdict::LostAtBoot | Verdict::Shadowed);
    let doubt = (!setting.doubts.is_empty()).then_some(Verdict::Unknown);
    [
        Side {
            place: "live",
            before: live.before,
            after: live.after,
            human: live.human.as_deref(),
            verdicts: setting.drifts.iter().filter(|drift| !is_of_boot(drift)).copied().collect(),
        },
        Side {
            place: "boot",
            before: boot.before,
            after: boot.after,
            human: boot.human.as_deref(),
            verdicts: setting.drifts.iter().filter(is_of_boot).copied().chain(doubt).collect(),
        },
    ]
}

/// A row for each side that changes or is not as desired; one row for both if nothing is to be told of them.
fn setting_rows(setting: &SettingReport, mode: Mode) -> Vec<Vec<Cell>> {
    let [live, boot] = sides(setting);
    let tells = |side: &&Side| side.before != side.after || !side.verdicts.is_empty();
    let rows: Vec<Vec<Cell>> =
        [&live, &boot].into_iter().filter(tells).map(|side| side_row(setting, side, mode)).collect();
    if !rows.is_empty() {
        return rows;
    }
    let place = match (live.after, boot.after) {
        (Some(_), Some(_)) => "both",
        (Some(_), None) => "live",
        (None, Some(_)) => "boot",
        (None, None) => "-",
    };
    let to = match live.after.or(boot.after) {
        Some(value) => number(Some(value), live.human.or(boot.human)),
        None => desired(setting),
    };
    let verdict = Cell::new(style_of(setting.verdict), verdicts(setting));
    vec![vec![name(setting), String::new().into(), to.into(), place.to_owned().into(), verdict]]
}

fn side_row(setting: &SettingReport, side: &Side, mode: Mode) -> Vec<Cell> {
    let changes = side.before != side.after;
    let to = if changes { number(side.after, side.human) } else { desired(setting) };
    let style = match (changes, mode) {
        (true, Mode::Check) => BAD,
        _ => PLAIN,
    };
    let found = match side.verdicts.as_slice() {
        [] if mode == Mode::Apply => Cell::new(GOOD, verdict(Verdict::InSync)),
        [] => String::new().into(),
        [first, ..] => {
            let words: Vec<&str> = side.verdicts.iter().copied().map(verdict).collect();
            Cell::new(style_of(*first), words.join(", "))
        }
    };
    let from = Cell::new(style, number(side.before, None));
    vec![name(setting), from, Cell::new(if changes { GOOD } else { PLAIN }, to), side.place.to_owned().into(), found]
}

fn name(setting: &SettingReport) -> Cell {
    short(&setting.name).to_owned().into()
}

/// The row of a change that is none of a setting.
fn other_row(change: &Change) -> Option<Vec<Cell>> {
    let (what, from, to, place) = match change {
        Change::Live { .. } => return None,
        Change::Module { name } => (format!("module {name}"), "absent", "loaded", "live"),
        Change::File { path, action } => {
            let (from, to) = match action {
                FileAction::Created => ("absent", "created"),
                FileAction::Edited => ("", "edited"),
                FileAction::Removed => ("", "removed"),
            };
            (path.to_string_lossy().into_owned(), from, to, "file")
        }
        Change::Initrd { path, .. } => (path.to_string_lossy().into_owned(), "stale", "rebuilt", "file"),
    };
    let cell = |text: &str| Cell::from(text.to_owned());
    Some(vec![what.into(), cell(from), Cell::new(GOOD, to), cell(place), cell("")])
}
