//! Carries out a plan: each step in order, or none of them, if one fails.
//!
//! Each step is read back after it is done. The undo goes in reverse order and is read back too; the failure names
//! everything that could not be undone.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};
use crate::host::{
    Kernel, Restored, Root, Traces, failure_kind, initrd_made, is_missing, is_of_another, keep_copy, leads_nowhere,
    make_initrd, remove_directories, replace, restore,
};
use crate::kernel::catalog::{BUCKETS, Name};
use crate::plan::{Plan, Step, Target};
use crate::request::Aim;
use crate::tree::{Entry, Moment};

/// The outcome of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// Every step is done and read back. It can still be undone.
    Applied(Applied),
    /// A step failed, and everything that the run had changed is undone. The failure lists what another program has changed
    /// meanwhile, which stays.
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
    Live { target: Target, before: i64, wrote: BTreeSet<i64> },
    Copy { copy: PathBuf, bytes: Vec<u8>, traces: Traces },
    DroppedCopy { copy: PathBuf, bytes: Vec<u8>, traces: Traces },
    File(Replacement),
    Initrd { path: PathBuf, command: Vec<String>, before: Option<Moment> },
}

impl Done {
    /// The files that the step has left beside the one that it changed.
    fn traces(&mut self) -> Option<&mut Traces> {
        match self {
            Done::File(Replacement { traces, .. }) | Done::Copy { traces, .. } | Done::DroppedCopy { traces, .. } => {
                Some(traces)
            }
            Done::Module | Done::Live { .. } | Done::Initrd { .. } => None,
        }
    }
}

/// A file that was replaced, or may have been.
#[derive(Debug)]
struct Replacement {
    path: PathBuf,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    traces: Traces,
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
        let remains: Vec<Remains> = undone.flat_map(|done| undo(done, root, kernel, module_goes)).collect();
        let is_whole = !remains.iter().any(|remains| matches!(remains, Remains::Ours(_) | Remains::Foreign(_)));
        let has_failed = remains.iter().any(|remains| matches!(remains, Remains::Ours(_)));
        failure.rolled_back = Some(is_whole);
        failure.remains = remains.into_iter().map(Remains::text).collect();
        if has_failed {
            failure.message = format!("{}; the undo failed too", failure.message);
            failure.kind = Kind::RollbackFailed;
            Outcome::RollbackFailed(failure)
        } else {
            Outcome::RolledBack(failure)
        }
    }

    /// Ends the run, of which nothing will be undone any more, and returns the files that it could not remove, each with the
    /// reason.
    #[must_use]
    pub fn finish(mut self) -> Vec<(PathBuf, String)> {
        let mut left = Vec::new();
        for done in &mut self.done {
            if let Some(traces) = done.traces() {
                traces.finish();
                left.extend(traces.left().iter().map(|(path, error)| (path.clone(), error.to_string())));
            }
        }
        left
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
                let found = set_live(target, name, *write, *after, kernel);
                // A write that reports an error may still have had its effect. A number that is neither the old nor the new
                // one is ours only if the kernel rounds.
                let mut wrote = BTreeSet::from([*after]);
                let rounds = *name == BUCKETS || *target == Target::Hashsize || !name.is_catalogued();
                wrote.extend(number(kernel, target).ok().filter(|_| rounds));
                self.done.push(Done::Live { target: target.clone(), before, wrote });
                found
            }
            Step::KeepCopy { path, copy } => self.keep_copy(path, copy, root),
            Step::DropCopy { copy } => self.drop_copy(copy, root),
            Step::ReplaceFile { path, before, after } => {
                self.replace_file(path, before.as_deref(), after.as_deref(), root)
            }
            Step::MakeInitrd { path, command } => self.make_initrd(path, command, root),
        }
    }

    fn make_initrd(&mut self, path: &Path, command: &[String], root: &Root) -> Result<(), Failure> {
        // The old files go before: the initrd would hold copies of them, and their removal would make it stale. An undo then
        // writes them anew.
        self.done.iter_mut().filter_map(Done::traces).for_each(Traces::finish);
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
        let mut traces = Traces::default();
        let kept = keep_copy(root, path, copy, &mut traces);
        let bytes = kept.map_err(|error| with_left(cannot_replace(copy, &error), &traces))?;
        self.done.push(Done::Copy { copy: copy.to_owned(), bytes, traces });
        Ok(())
    }

    /// Removes a copy that an earlier run kept.
    fn drop_copy(&mut self, copy: &Path, root: &Root) -> Result<(), Failure> {
        // One that cannot be read, or is gone, stays as it is.
        let Some(Entry::File(bytes)) = root.entry(copy) else { return Ok(()) };
        let mut traces = Traces::default();
        let result = replace(root, copy, Some(&bytes), None, &mut traces);
        self.done.push(Done::DroppedCopy { copy: copy.to_owned(), bytes, traces });
        result.map_err(|error| cannot_replace(copy, &error))
    }

    fn replace_file(
        &mut self,
        path: &Path,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        root: &Root,
    ) -> Result<(), Failure> {
        let mut traces = Traces::default();
        let result = replace(root, path, before, after, &mut traces);
        // Recorded after an error too: if the exchange succeeded and a later call failed, the new file is in place.
        self.done.push(Done::File(Replacement {
            path: path.to_owned(),
            before: before.map(<[u8]>::to_vec),
            after: after.map(<[u8]>::to_vec),
            traces,
        }));
        result.map_err(|error| cannot_replace(path, &error))?;
        if root.entry(path).as_ref().and_then(Entry::bytes) == after {
            return Ok(());
        }
        let message = format!("`{}` does not have the content that was written to it", path.display());
        Err(Failure::new(Kind::WriteFailed, message).hint("look for another program that writes this file"))
    }
}

/// What an undo leaves otherwise than it was.
enum Remains {
    /// A change of this run.
    Ours(String),
    /// A change of another program, which is not ours to undo.
    Foreign(String),
    /// A file with its old content and attributes, which is a new file.
    Copied(String),
}

impl Remains {
    fn text(self) -> String {
        match self {
            Remains::Ours(text) | Remains::Foreign(text) | Remains::Copied(text) => text,
        }
    }
}

/// `failure`, with the files that could not be removed.
fn with_left(mut failure: Failure, traces: &Traces) -> Failure {
    failure.remains.extend(left_over(traces).map(Remains::text));
    failure
}

/// The staged files that could not be removed.
fn left_over(traces: &Traces) -> impl Iterator<Item = Remains> {
    let text = |(path, error): &(PathBuf, io::Error)| {
        format!("`{}` is left over: it cannot be removed ({error}); see `lsattr -d` of its directory", path.display())
    };
    traces.left().iter().map(move |left| Remains::Ours(text(left)))
}

/// Writes the number `write` to `target`, and fails unless the kernel has `after` then.
fn set_live(target: &Target, name: &Name, write: i64, after: i64, kernel: &mut dyn Kernel) -> Result<(), Failure> {
    kernel.write(target, &write.to_string()).map_err(|error| cannot_set(name.as_str(), write, &error))?;
    match number(kernel, target) {
        Ok(value) if value == after => Ok(()),
        Ok(value) => {
            let message =
                format!("`{name}` was set to {write} and is {value} now: the kernel, or another program, changed it");
            let failure = Failure::new(Kind::Clamped, message).key(name);
            Err(failure.hint("ask for a value that the kernel accepts, or look for a program that sets it too"))
        }
        Err(error) => Err(cannot_set(name.as_str(), write, &error)),
    }
}

/// Undoes one step and reads it back. Returns what is not as it was.
fn undo(done: Done, root: &Root, kernel: &mut dyn Kernel, module_goes: bool) -> Vec<Remains> {
    let undone = match done {
        Done::Module => kernel.unload_module().map_err(|error| {
            Remains::Ours(format!("the module nf_conntrack is still loaded, and was not loaded before ({error})"))
        }),
        // The module is unloaded next, and the value disappears with it.
        Done::Live { .. } if module_goes => Ok(()),
        Done::Live { target, before, wrote } => undo_live(&target, before, &wrote, kernel),
        Done::Copy { copy, bytes, mut traces } => {
            let gone = replace(root, &copy, Some(&bytes), None, &mut traces).map_err(|error| {
                Remains::Ours(format!("`{}` was created and is still there ({error})", copy.display()))
            });
            traces.finish();
            return gone.err().into_iter().chain(left_over(&traces)).collect();
        }
        Done::DroppedCopy { copy, bytes, mut traces } => {
            let back = match root.entry(&copy) {
                None => restore(root, &copy, Some(&bytes), None, &mut traces),
                Some(_) => Ok(Restored::Whole),
            };
            let back =
                back.map_err(|error| Remains::Ours(format!("the copy `{}` was removed ({error})", copy.display())));
            return back.err().into_iter().chain(left_over(&traces)).collect();
        }
        Done::File(replacement) => return undo_file(replacement, root),
        // It never changed, so that it still fits the files, which are as they were.
        Done::Initrd { path, before, .. } if initrd_made(root, &path) == before => Ok(()),
        Done::Initrd { path, command, .. } => make_initrd(&command).map_err(|error| {
            let command = command.join(" ");
            let path = path.display();
            Remains::Ours(format!("`{path}` may have copies of files that are undone; run `{command}` ({error})"))
        }),
    };
    undone.err().into_iter().collect()
}

/// Sets a live value back, unless another program has set it meanwhile.
fn undo_live(target: &Target, before: i64, wrote: &BTreeSet<i64>, kernel: &mut dyn Kernel) -> Result<(), Remains> {
    let name = match target {
        Target::Sysctl(key) => key.as_str(),
        Target::Hashsize => "the module parameter hashsize",
    };
    match number(kernel, target) {
        Ok(now) if now == before => return Ok(()),
        Ok(now) if !wrote.contains(&now) => {
            let message = format!(
                "`{name}` is {now}, was {before}: another program set it meanwhile, and the undo left it alone"
            );
            return Err(Remains::Foreign(message));
        }
        _ => {}
    }
    let set = kernel.write(target, &before.to_string());
    Err(Remains::Ours(match (set, number(kernel, target)) {
        (_, Ok(now)) if now == before => return Ok(()),
        (Err(error), Ok(now)) => format!("`{name}` is {now}, was {before} ({error})"),
        (Ok(()), Ok(now)) => format!("`{name}` is {now}, was {before}"),
        (_, Err(error)) => format!("`{name}` was {before} and cannot be read now ({error})"),
    }))
}

fn undo_file(mut file: Replacement, root: &Root) -> Vec<Remains> {
    let found = root.entry(&file.path);
    let has = |content: Option<&[u8]>| match content {
        Some(content) => found.as_ref().and_then(Entry::bytes) == Some(content),
        None => is_missing(root, &file.path),
    };
    let path = file.path.display();
    let foreign = || {
        Remains::Foreign(format!(
            "`{path}` is not as it was: another program changed it meanwhile, and the undo left it alone"
        ))
    };
    let remains = if has(file.after.as_deref()) {
        match restore(root, &file.path, file.before.as_deref(), file.after.as_deref(), &mut file.traces) {
            Ok(Restored::Whole) => None,
            Ok(Restored::Copied) => Some(Remains::Copied(format!(
                "`{path}` has its old content and attributes again, but is a new file: its time and other names of the old \
                 file did not come back"
            ))),
            Err(error) if is_of_another(&error) => file.traces.is_placed().then(foreign),
            Err(error) => Some(Remains::Ours(format!("`{path}` is not as it was ({error})"))),
        }
    } else {
        file.traces.finish();
        // Either the two files never changed places, or another program replaced the file first; leave it alone.
        let is_untouched = has(file.before.as_deref()) || !file.traces.is_placed();
        (!is_untouched).then(foreign)
    };
    remove_directories(root, &file.traces);
    remains.into_iter().chain(left_over(&file.traces)).collect()
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
        io::ErrorKind::NotFound => {
            "a directory of the path is a link to nothing: create the directory that it leads to"
        }
        _ if is_of_another(error) => "run again",
        io::ErrorKind::ResourceBusy => "the file is a mount point: change the file that is mounted there",
        io::ErrorKind::Unsupported => "remove these flags with `chattr`, or edit the file yourself",
        _ if leads_nowhere(error) => "replace the link or file in the path by a directory",
        _ => "see the file system's state",
    };
    Failure::new(failure_kind(error), format!("`{}` could not be written: {error}", path.display())).hint(hint)
}
