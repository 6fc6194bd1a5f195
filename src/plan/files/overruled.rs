//! Decides what becomes of the lines of other files that win although our line is right: they are commented out, they stay with a
//! warning, or the request is refused.

use std::path::Path;

use super::{Editor, with_equals_behind};
use crate::boot::{Lost, Outlook};
use crate::failure::{Failure, Kind};
use crate::kernel::number::kernel_reading;
use crate::request::{Conflicts, Want};
use crate::sysctl_d::{self, Assignment, Dialect};
use crate::verify::{commentable, rivals, satisfies};
use crate::warning::{Code, Warning};

/// The beginning of the comment that a line of another file is turned into: it names this program.
const NOTE: &str = "conntrack-sysctl: ";

impl Editor<'_, '_> {
    /// Comments out an assignment of another file that wins although our line is right, warns of it, or refuses; true:
    /// the file was edited.
    pub(super) fn overrule(&mut self, want: &Want, dialect: &Dialect, outlook: &Outlook) -> Result<bool, Failure> {
        let name = &want.name;
        let is_refused = matches!(outlook.lost, Some(Lost::NoSuchKey(_) | Lost::Refused(_)));
        if is_refused && self.holds_under_another_kernel(want, dialect) {
            // Another kernel that can boot takes our line, so that no edit helps: the plan warns of this one.
            return Ok(false);
        }
        let ours = self.file().display();
        let (winner, message) = match (&outlook.winner, &outlook.lost) {
            (Some(winner), _) => {
                let value = outlook.value.map(|value| value.to_string()).unwrap_or_default();
                (winner.clone(), format!("at boot `{winner}` sets `{name}` to {value}, whatever {ours} says"))
            }
            // systemd keeps one line for each key, and has kept this one instead of ours.
            (None, Some(Lost::Refused(place))) if !self.is_in_our_file(place) => {
                let message = format!("at boot `{place}` replaces the line in {ours}, but the kernel refuses it");
                (place.clone(), message)
            }
            (None, Some(Lost::Excluded { place, by })) => {
                let message = format!("at boot `{by}` names the key without a value, so that `{place}` is not written");
                (by.clone(), message)
            }
            (None, Some(Lost::FileEnded { place, by })) => {
                let message =
                    format!("at boot the kernel refuses `{by}`, and the loader does not read `{place}` after it");
                (by.clone(), message)
            }
            _ => return Err(self.boot_refuses_value(want)),
        };
        let ours_to_change = commentable(&self.after.tree, &winner, name);
        if let (Conflicts::CommentOut, Some(assignment)) = (self.desired.conflicts, ours_to_change) {
            let mut document = self.document(&winner.file);
            document.comment_out_each(&self.all_that_go(want, &winner.file, assignment, dialect), NOTE);
            self.put(&winner.file, &document)?;
            return Ok(true);
        }
        let rivals = rivals(want, self.desired, &self.after, &winner);
        let message = match rivals.others() {
            Some(others) => format!("{message}, and without that line {others} would decide"),
            None => message,
        };
        let refuse = |hint: String| Failure::new(Kind::Conflict, &message).key(name).at(&want.pointer).hint(hint);
        match self.desired.conflicts {
            Conflicts::Fail => Err(refuse(rivals.to_string())),
            Conflicts::Warn => {
                self.warnings.push(Warning::new(Code::Shadowed, message).key(name));
                Ok(false)
            }
            Conflicts::CommentOut => {
                let bound = "comment_out can only change lines of this one setting in files under /etc";
                Err(refuse(format!("{bound}; {rivals}")))
            }
        }
    }

    /// `winner`, an assignment in `file`, with all lines of its key there that would decide after it, one after the other: the
    /// wrong ones before it and the equal ones behind it. Of equal lines, one program obeys the first and another the last.
    fn all_that_go(&self, want: &Want, file: &Path, winner: Assignment, dialect: &Dialect) -> Vec<Assignment> {
        let mut read = sysctl_d::parse(self.after.tree.bytes(file).unwrap_or_default(), dialect);
        read.retain(|assignment| assignment.subject.path == winner.subject.path);
        let Some(at) = read.iter().position(|assignment| *assignment == winner) else { return vec![winner] };
        let pages = self.pages();
        let is_wrong = |assignment: &&Assignment| {
            let value = assignment.value.as_ref();
            let number = value.and_then(|value| kernel_reading(value, &want.name, pages));
            number.is_some() && !satisfies(want, number, pages)
        };
        let start = at - read[..at].iter().rev().take_while(is_wrong).count();
        let end = at + with_equals_behind(&read, &winner).len();
        read.drain(start..end).collect()
    }

    /// Whether one of the kernels that can boot makes the setting as desired, with the same loader.
    fn holds_under_another_kernel(&self, want: &Want, dialect: &Dialect) -> bool {
        let mut boots = self.boots_in_time().iter().filter(|boot| boot.dialect == dialect);
        boots.any(|boot| satisfies(want, boot.outlook(&want.name).value, boot.bounds.pages))
    }
}
