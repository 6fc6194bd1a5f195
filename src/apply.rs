//! Carries out a plan: each step in order, or none of them, if one fails.
//!
//! Each step is read back after it is done. The undo goes in reverse order and is read back too; the failure names
//! everything that could not be undone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::host::{Kernel, Root, failure_kind, initrd_made, keep_copy, make_initrd, open_for_undo, put_back, replace};
use crate::plan::{Plan, Step, Target};
use crate::request::Aim;
use crate::tree::{Entry, Moment};

/// The outcome of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// Every step is done and read back. It can still be undone.
    Applied(Applied),
    /// A step failed, and the machine is as it was before.
    RolledBack(Failure),
    /// A step failed, and the undo of the steps before it failed too. The failure lists the changes that remain.
    RollbackFailed(Failure),
}

/// The steps that were carried out, kept so that they can be undone.
#[derive(Debug, Default)]
pub struct Applied {
    done: Vec<Done>,
}

/// A step that was carried out, or may have been.
#[derive(Debug)]
enum Done {
    Module,
    Live { target: Target, before: i64 },
    Copy { copy: PathBuf, bytes: Vec<u8> },
    File(Replacement),
    Initrd { path: PathBuf, command: Vec<String>, before: Option<Moment> },
}

/// A file that was replaced, or may have been.
#[derive(Debug)]
struct Replacement {
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    /// The old file, if the step removed it: an undo takes its attributes from here.
    removed: Option<File>,
    /// The directories that were made for the new file.
    directories: Vec<PathBuf>,
    /// Whether the replacement ended without an error.
    ended: bool,
}

/// Carries out `plan`.
pub fn apply(plan: &Plan, root: &Root, kernel: &mut dyn Kernel) -> Outcome {
    let mut applied = Applied::default();
    for step in &plan.steps {
        if let Err(failure) = applied.carry_out(step, root, kernel) {
            return applied.undo(root, kernel, failure);
        }
    }
    Outcome::Applied(applied)
}

impl Applied {
    /// Undoes everything because of `failure`.
    pub fn undo(self, root: &Root, kernel: &mut dyn Kernel, mut failure: Failure) -> Outcome {
        if self.done.is_empty() {
            return Outcome::RolledBack(failure);
        }
        let module_goes = self.done.iter().any(|done| matches!(done, Done::Module));
        // An initrd is made of the files, so that these go back first.
        let is_initrd = |done: &Done| matches!(done, Done::Initrd { .. });
        let (initrds, others): (Vec<Done>, Vec<Done>) = self.done.into_iter().rev().partition(is_initrd);
        let undone = others.into_iter().chain(initrds);
        let remains: Vec<String> = undone.filter_map(|done| undo(done, root, kernel, module_goes).err()).collect();
        failure.rolled_back = Some(remains.is_empty());
        if remains.is_empty() {
            return Outcome::RolledBack(failure);
        }
        failure.message = format!("{}; the undo failed too", failure.message);
        failure.kind = Kind::RollbackFailed;
        failure.remains = remains;
        Outcome::RollbackFailed(failure)
    }

    /// Carries out `step`. Each change is recorded before its success is known.
    fn carry_out(&mut self, step: &Step, root: &Root, kernel: &mut dyn Kernel) -> Result<(), Failure> {
        match step {
            Step::LoadModule => self.load_module(kernel),
            Step::SetLive { target, name, aim, before, write, after } => {
                let before = match before {
                    Some(before) => *before,
                    // An earlier step loaded the module: the number before this step is that of the fresh module.
                    None => number(kernel, target).map_err(|error| cannot_set(name.as_str(), *write, &error))?,
                };
                let is_met = matches!(aim, Aim::AtLeast(floor) if before >= *floor) || before == *after;
                if is_met {
                    return Ok(());
                }
                // Recorded first: a write that reports an error may still have had its effect.
                self.done.push(Done::Live { target: target.clone(), before });
                set_live(target, name.as_str(), *write, *after, kernel)
            }
            Step::KeepCopy { path, copy } => self.keep_copy(path, copy, root),
            Step::ReplaceFile { path, before, after } => {
                self.replace_file(path, before.as_deref(), after.as_deref(), root)
            }
            Step::MakeInitrd { path, command } => self.make_initrd(path, command, root),
        }
    }

    fn make_initrd(&mut self, path: &Path, command: &[String], root: &Root) -> Result<(), Failure> {
        let before = initrd_made(root, path);
        // Recorded first: a program that fails may have written to the initrd.
        self.done.push(Done::Initrd { path: path.to_owned(), command: command.to_vec(), before });
        let shown = command.join(" ");
        let refuse = |message: String| {
            Err(Failure::new(Kind::WriteFailed, message)
                .hint(format!("run `{shown}` by hand, or set `initrd` to keep")))
        };
        match make_initrd(command) {
            Err(error) => refuse(format!("`{shown}` did not make the initrd: {error}")),
            Ok(()) if initrd_made(root, path) <= before => {
                refuse(format!("`{shown}` reported success, but `{}` is as old as before", path.display()))
            }
            Ok(()) => Ok(()),
        }
    }

    fn load_module(&mut self, kernel: &mut dyn Kernel) -> Result<(), Failure> {
        kernel.load_module().map_err(|error| {
            Failure::new(Kind::ModuleAbsent, format!("the module nf_conntrack could not be loaded: {error}"))
                .hint("see `dmesg`; in a container, load it on the machine outside")
        })?;
        self.done.push(Done::Module);
        Ok(())
    }

    fn keep_copy(&mut self, path: &Path, copy: &Path, root: &Root) -> Result<(), Failure> {
        let bytes = keep_copy(root, path, copy).map_err(|error| cannot_replace(copy, &error))?;
        self.done.push(Done::Copy { copy: copy.to_owned(), bytes });
        Ok(())
    }

    fn replace_file(
        &mut self,
        path: &Path,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        root: &Root,
    ) -> Result<(), Failure> {
        let removed = match (before, after) {
            (Some(_), None) => Some(open_for_undo(root, path).map_err(|error| cannot_replace(path, &error))?),
            _ => None,
        };
        let mut directories = Vec::new();
        let result = replace(root, path, before, after, &mut directories);
        // Recorded after an error too: if the exchange succeeded and a later call failed, the new file is in place.
        self.done.push(Done::File(Replacement {
            path: path.to_owned(),
            before: before.map(<[u8]>::to_vec),
            after: after.map(<[u8]>::to_vec),
            removed,
            directories,
            ended: result.is_ok(),
        }));
        result.map_err(|error| cannot_replace(path, &error))?;
        if root.entry(path).as_ref().and_then(Entry::bytes) == after {
            return Ok(());
        }
        let message = format!("`{}` does not have the content that was written to it", path.display());
        Err(Failure::new(Kind::WriteFailed, message).hint("look for another program that writes this file"))
    }
}

/// Writes the number `write` to `target`, and fails unless the kernel has `after` then.
fn set_live(target: &Target, name: &str, write: i64, after: i64, kernel: &mut dyn Kernel) -> Result<(), Failure> {
    kernel.write(target, &write.to_string()).map_err(|error| cannot_set(name, write, &error))?;
    match number(kernel, target) {
        Ok(value) if value == after => Ok(()),
        Ok(value) => {
            let message = format!("the kernel changed the value {write} of `{name}` to {value}");
            let failure = Failure::new(Kind::Clamped, message).key(name);
            Err(failure.hint("ask for a value that the kernel accepts"))
        }
        Err(error) => Err(cannot_set(name, write, &error)),
    }
}

/// Undoes one step and reads it back. The error names the change that remains.
fn undo(done: Done, root: &Root, kernel: &mut dyn Kernel, module_goes: bool) -> Result<(), String> {
    match done {
        Done::Module => kernel
            .unload_module()
            .map_err(|error| format!("the module nf_conntrack is still loaded, and was not loaded before ({error})")),
        // The module is unloaded next, and the value disappears with it.
        Done::Live { .. } if module_goes => Ok(()),
        Done::Live { target, before } => {
            let name = match &target {
                Target::Sysctl(key) => key.as_str(),
                Target::Hashsize => "the module parameter hashsize",
            };
            if number(kernel, &target).is_ok_and(|now| now == before) {
                return Ok(());
            }
            let wrote = kernel.write(&target, &before.to_string());
            match (wrote, number(kernel, &target)) {
                (_, Ok(now)) if now == before => Ok(()),
                (Err(error), Ok(now)) => Err(format!("`{name}` is {now}, was {before} ({error})")),
                (Ok(()), Ok(now)) => Err(format!("`{name}` is {now}, was {before}")),
                (_, Err(error)) => Err(format!("`{name}` was {before} and cannot be read now ({error})")),
            }
        }
        Done::Copy { copy, bytes } => replace(root, &copy, Some(&bytes), None, &mut Vec::new())
            .map_err(|error| format!("`{}` was created and is still there ({error})", copy.display())),
        Done::File(replacement) => undo_file(&replacement, root),
        // It never changed, so that it still fits the files, which are as they were.
        Done::Initrd { path, before, .. } if initrd_made(root, &path) == before => Ok(()),
        Done::Initrd { path, command, .. } => make_initrd(&command).map_err(|error| {
            let command = command.join(" ");
            format!("`{}` may have copies of files that are undone; run `{command}` ({error})", path.display())
        }),
    }
}

fn undo_file(file: &Replacement, root: &Root) -> Result<(), String> {
    let found = root.entry(&file.path);
    let bytes = found.as_ref().and_then(Entry::bytes);
    let result = if bytes == file.after.as_deref() {
        match (&file.before, &file.removed) {
            (Some(before), Some(removed)) => put_back(root, &file.path, before, removed),
            (before, _) => replace(root, &file.path, file.after.as_deref(), before.as_deref(), &mut Vec::new()),
        }
    } else if bytes == file.before.as_deref() || !file.ended {
        // Either the two files never changed places, or another process replaced the file first; leave it alone.
        Ok(())
    } else {
        Err(io::Error::other("another writer has changed it since"))
    };
    crate::host::remove_directories(root, &file.directories);
    result.map_err(|error| format!("`{}` is not as it was ({error})", file.path.display()))
}

fn number(kernel: &dyn Kernel, target: &Target) -> io::Result<i64> {
    let text = kernel.read(target)?;
    text.trim().parse().map_err(|_| io::Error::other(format!("`{text}` is not a number")))
}

fn cannot_set(name: &str, write: i64, error: &io::Error) -> Failure {
    // EINVAL: the value is outside the range of this kernel. ENOMEM: there is no memory for a table of that size.
    let (kind, hint) = match error.kind() {
        io::ErrorKind::InvalidInput => (Kind::OutOfRange, "this kernel has narrower bounds; choose another value"),
        io::ErrorKind::OutOfMemory => (Kind::OutOfRange, "there is no memory for a table of that size"),
        io::ErrorKind::PermissionDenied => (Kind::Permission, "run as root, with CAP_NET_ADMIN"),
        // A plan that loads the module cannot know which sysctls this module has.
        io::ErrorKind::NotFound => (Kind::UnknownSetting, "this kernel does not have it: leave it out of the request"),
        io::ErrorKind::ReadOnlyFilesystem => (Kind::ReadOnly, "run on the machine itself, not in a container"),
        _ => (Kind::WriteFailed, "see `dmesg`"),
    };
    Failure::new(kind, format!("`{name}` could not be set to {write}: {error}")).key(name).hint(hint)
}

fn cannot_replace(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root; see `lsattr` if root is refused",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is mounted read-only",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that file system",
        io::ErrorKind::ResourceBusy => "run again",
        _ => "see the file system's state",
    };
    Failure::new(failure_kind(error), format!("`{}` could not be written: {error}", path.display())).hint(hint)
}
