//! Finds the settings that hang on the kernel command line where kexec(8) has the next kernel ready, with a command line of
//! its own.

use super::{Played, command_line};
use crate::boot::doubt::{About, Doubt, Reason};
use crate::boot::parameters::CMDLINE;
use crate::tree::{Read, Tree};

/// `1` if a kernel is loaded for the next reboot.
pub(super) const LOADED: &str = "/sys/kernel/kexec_loaded";

pub(super) fn reads(tree: &Tree) -> Vec<Read> {
    command_line::matters(&tree.text(CMDLINE)).then(|| Read::OfKernel(LOADED.into())).into_iter().collect()
}

/// The command line of the loaded kernel cannot be read: a setting that another one makes otherwise is in doubt.
pub(super) fn doubts(played: &Played) -> Vec<Doubt> {
    let tree = &played.snapshot.tree;
    if tree.bytes(LOADED).is_none_or(|bytes| bytes.trim_ascii() != b"1") {
        return Vec::new();
    }
    let mut without = tree.clone();
    without.remove(CMDLINE);
    let names = played.differing(&played.with_files(without, played.snapshot.module));
    let doubt = Doubt::of_file(Reason::KexecLoaded, CMDLINE.as_ref());
    (!names.is_empty()).then(|| doubt.about(About::Only(names))).into_iter().collect()
}
