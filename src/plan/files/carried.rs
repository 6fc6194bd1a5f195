//! Decides what becomes of the lines of a package that a file of ours hides: they are carried over, they are renewed, or they
//! count again when our file goes.

use std::path::{Path, PathBuf};

use super::{Editor, persistent};
use crate::boot::{self, HASHSIZE_FILE};
use crate::failure::Failure;
use crate::plan::masking::{self, Hidden};
use crate::request::{Desired, Masks};
use crate::sysctl_d;
use crate::tree::Entry;

impl Editor<'_, '_> {
    /// Makes the lines that a file of ours took over from a hidden file as they are there now.
    pub(super) fn renew_carried_lines(&mut self) -> Result<(), Failure> {
        if !self.carries() {
            return Ok(());
        }
        let desired = self.desired;
        let files = boot::module_files().into_iter().chain([desired.file.as_path(), Path::new(HASHSIZE_FILE)]);
        for path in files.map(Path::to_owned) {
            let Some(bytes) = self.after.tree.bytes(&path) else { continue };
            let Some(old) = masking::block_of(bytes) else { continue };
            // A package that is gone has no lines any more.
            let hidden = masking::hidden(&path, desired, &self.after.tree, &self.systems);
            let block = match &hidden {
                Some(hidden) if !hidden.is_known() => continue,
                Some(hidden) => {
                    let rest = [&bytes[..old.start], &bytes[old.end..]].concat();
                    hidden.block(desired, &rest)
                }
                None => Vec::new(),
            };
            if bytes[old.clone()] != block {
                let document = masking::with_block(bytes, old, &block);
                self.put(&path, &document)?;
            }
        }
        Ok(())
    }

    /// Removes our file if removing lines has left it empty, unless it masks a file of a lower directory. If it hides that file
    /// by our own doing, it goes: the lines of the other file count again.
    pub(super) fn drop_if_emptied(&mut self) {
        let file = self.desired.file.clone();
        let (before, after) = (self.before.snapshot().tree.bytes(&file), self.after.tree.bytes(&file));
        let hides_by_us = after.is_some_and(masking::is_block_alone);
        let is_emptied = after != before && (after.is_some_and(<[u8]>::is_empty) || hides_by_us);
        let masks = || masking::hidden(&file, self.desired, &self.after.tree, &self.systems).is_some();
        let is_drop_in = file.parent() == Some(Path::new(sysctl_d::paths::SYSCTL_D[0]));
        if is_emptied
            && is_drop_in
            && (hides_by_us || !masks())
            && matches!(self.after.tree.get(&file), Some(Entry::File(_)))
        {
            self.write(&file, None);
        }
    }

    pub(super) fn carries(&self) -> bool {
        self.desired.masks == Masks::Carry
    }

    /// The file of a package that a new file at `path` would hide.
    pub(super) fn hidden_by_new(&self, path: &Path) -> Option<Hidden> {
        let tree = &self.after.tree;
        if tree.get(path).is_some() { None } else { masking::hidden(path, self.desired, tree, &self.systems) }
    }

    /// A file of ours in the place of `path` that hides no other, with which the request can be met.
    pub(super) fn other_file(&self, path: &Path) -> Option<PathBuf> {
        if path != self.file() {
            return None;
        }
        let mut names = masking::other_names(path, &self.before.snapshot().tree);
        let meets = |file: &PathBuf| {
            let desired = Desired { file: file.clone(), ..self.desired.clone() };
            persistent(&desired, self.before).is_ok_and(|other| other.warnings().is_empty())
        };
        let best = names.iter().position(meets).unwrap_or_default();
        (best < names.len()).then(|| names.swap_remove(best))
    }
}
