//! Puts the reasons why a boot does not read a line into words.

use std::path::Path;

use crate::boot::{System, UnreadCause};
use crate::kernel::catalog::Name;

/// The reason why a boot of `system` does not read a line of `file` about the setting `name`, as the end of a sentence.
#[must_use]
pub fn unread_reason(cause: &UnreadCause, file: &Path, system: &System, name: &Name) -> String {
    match cause {
        UnreadCause::InRun => "/run is empty at the next boot; move the line to a file in /etc/sysctl.d".to_owned(),
        UnreadCause::OtherFile => {
            format!("{} does not read {}; move the line to a file in /etc/sysctl.d", system.command, file.display())
        }
        UnreadCause::Suffix => "the name of the file does not end in .conf; rename the file".to_owned(),
        UnreadCause::Masked(by) => format!("{} hides the file; move the line to another file", by.display()),
        UnreadCause::Misspelt(key) => format!("the kernel has no key {key}; did you mean {name}?"),
    }
}
