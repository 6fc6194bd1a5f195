//! The run: request, snapshot, plan, apply, snapshot, verify, report. Every front end calls this.
//!
//! A run gives up the rights that it does not need ([`crate::host::restraint`]), so a process can serve only one
//! request.

use std::fmt;
use std::io;
use std::path::{self, Path, PathBuf};

use crate::apply::{self, Outcome};
use crate::failure::{Failure, Kind};
use crate::host::{self, Keeper, Kernel, Lock, MachineKernel, Root, restraint};
use crate::origin::Origin;
use crate::plan::{Plan, Planned, planned};
use crate::promise::{self, Promise, Verification};
use crate::report::{Mode, Report};
use crate::request::Desired;
use crate::snapshot::Snapshot;
use crate::verify::{Forecast, judge};
use crate::warning::{Code, Warning};

/// The report of a check of `desired` on the machine at `root`. Nothing is opened for writing.
#[must_use]
pub fn check(desired: &Desired, root: &Path) -> Report {
    let origin = Some(host::origin(Some(desired.fingerprint())));
    let report = match entered(desired, host::name_of_root(root)).and_then(look) {
        Ok(before) => {
            let before = Forecast::of(desired, &before);
            predicted(Mode::Check, desired, &before, planned(desired, &before))
        }
        Err(failure) => Report::refused(Mode::Check, failure),
    };
    Report { origin, ..report }
}

/// The report of a run that was asked for something that cannot be understood.
#[must_use]
pub fn refused(mode: Mode, failure: Failure) -> Report {
    Report { origin: Some(host::origin(None)), ..Report::refused(mode, failure) }
}

/// Observes the machine at `root` for a run that changes nothing. The process first gives up the right to write.
pub fn look(root: &Path) -> Result<Snapshot, Failure> {
    host::observe(&opened(root)?)
}

/// The same, with the files beside those that a boot reads.
pub fn look_around(root: &Path) -> Result<Snapshot, Failure> {
    host::observe_around(&opened(root)?)
}

/// The root at `path`, opened before the process gives up the right to write.
fn opened(path: &Path) -> Result<Root, Failure> {
    let root = host::open_root(host::name_of_root(path))?;
    restraint::confine_to_reading();
    Ok(root)
}

/// The report of an apply of `desired` to the machine at `root`.
#[must_use]
pub fn apply(desired: &Desired, root: &Path) -> Report {
    let origin = host::origin(Some(desired.fingerprint()));
    let changed = entered(desired, host::name_of_root(root)).and_then(|root| changed(desired, root, &origin));
    let report = changed.unwrap_or_else(|failure| Report::refused(Mode::Apply, failure));
    Report { origin: Some(origin), ..report }
}

/// The root of the run. If it is that of the machine that runs now, seen from a container, the process enters it.
fn entered<'a>(desired: &Desired, root: &'a Path) -> Result<&'a Path, Failure> {
    if desired.enters_root && root != Path::new("/") {
        host::enter(root)?;
        return Ok(Path::new("/"));
    }
    Ok(root)
}

fn changed(desired: &Desired, path: &Path, origin: &Origin) -> Result<Report, Failure> {
    let root = host::open_root(path)?;
    let mut before = host::observe(&root)?;
    // Most runs find nothing to do: they take no lock and open nothing for writing.
    let (mut plan, mut unpromised) = (None, None);
    if removable(&before).is_empty() {
        let forecast = Forecast::of(desired, &before);
        match planned(desired, &forecast) {
            Ok(planned) if !planned.plan.steps.is_empty() => plan = Some(planned.plan),
            nothing => {
                let report = predicted(Mode::Apply, desired, &forecast, nothing);
                if news(&report, desired, &before, origin).is_none() {
                    return Ok(report);
                }
                unpromised = Some(report);
            }
        }
    }
    let _lock = match (Lock::take(path), unpromised) {
        // Everything is as desired, but for the promise.
        (Err(failure), Some(mut report)) => {
            report.warnings.push(not_kept(&failure));
            return Ok(report);
        }
        (lock, _) => lock?,
    };
    // Another run may have changed the machine while this one waited. If none has, the plan holds.
    let now = host::observe(&root)?;
    plan = plan.filter(|_| now.differs_only_in_time(&before));
    before = now;
    let leftovers = removable(&before);
    if !leftovers.is_empty() {
        let kept = host::sweep(&root, &leftovers);
        // The sweep changed the directories, of which the moments count.
        before = host::observe(&root)?;
        for (path, error) in kept {
            let it = before.leftovers.iter_mut().filter(|leftover| leftover.path == path);
            it.for_each(|leftover| leftover.obstacle = Some(error.to_string()));
        }
    }
    let plan = if let Some(plan) = plan {
        plan
    } else {
        let forecast = Forecast::of(desired, &before);
        match planned(desired, &forecast) {
            Ok(planned) if !planned.plan.steps.is_empty() => planned.plan,
            nothing => {
                let mut report = predicted(Mode::Apply, desired, &forecast, nothing);
                if let Some(promise) = news(&report, desired, &before, origin) {
                    let keeper = Keeper::new();
                    restraint::confine_to(Keeper::directory());
                    report.warnings.extend(keeper.keep(&root, &promise).err().map(|error| not_kept(&error)));
                }
                return Ok(report);
            }
        }
    };
    let keeper = is_promised(desired, &before).then(Keeper::new);
    restraint::defer_termination_signals().map_err(|error| {
        Failure::new(Kind::WriteFailed, format!("signals cannot be delayed: {error}"))
            .hint("see the limits of this process")
    })?;
    restraint::confine_to_plan(&plan, &root, keeper.is_some().then(Keeper::directory));
    let mut report = carried_out(desired, &before, &plan, &root, &mut MachineKernel);
    if let Some((keeper, promise)) = keeper.zip(news(&report, desired, &before, origin)) {
        report.warnings.extend(keeper.keep(&root, &promise).err().map(|error| not_kept(&error)));
    }
    Ok(report)
}

/// Whether an apply to the machine of `snapshot` keeps a promise: an image and a container have no boot of their own.
fn is_promised(desired: &Desired, snapshot: &Snapshot) -> bool {
    desired.persist && snapshot.live.is_some() && snapshot.container().is_none()
}

/// The promise of a run with this report. None: it promises nothing, or the same as the last one, which need not be written
/// anew.
fn news(report: &Report, desired: &Desired, snapshot: &Snapshot, origin: &Origin) -> Option<Promise> {
    if report.failure.is_some() || !is_promised(desired, snapshot) {
        return None;
    }
    let loaders = desired.loader.systems(&snapshot.tree).into_iter().map(|system| system.name.to_owned());
    let promise = Promise::of(report, loaders.collect(), origin.clone());
    let is_kept = host::kept_promise().is_some_and(|kept| kept.is_like(&promise));
    (!is_kept).then_some(promise)
}

/// The warning of an apply that cannot keep its promise. It has not failed.
fn not_kept(why: &dyn fmt::Display) -> Warning {
    let message = format!("the prediction of the next boot cannot be stored in {}: {why}", promise::FILE);
    Warning::new(Code::PromiseNotKept, message)
}

/// The comparison of the last apply's promise with the machine. If the promise is broken, a report of all that may tell why
/// is written to `bundle`.
pub fn verify(bundle: Option<&Path>) -> Result<Verification, Failure> {
    let root = host::open_root(Path::new("/"))?;
    let refused = |path: &Path, error: &io::Error| {
        Failure::new(Kind::WriteFailed, format!("`{}` cannot be written: {error}", path.display()))
            .hint("name another file in `--bundle`")
    };
    let absolute = |path: &Path| path::absolute(path).map_err(|error| refused(path, &error));
    let bundle = bundle.map(absolute).transpose()?;
    match bundle.as_deref().and_then(Path::parent) {
        Some(directory) => restraint::confine_to(directory),
        None => restraint::confine_to_reading(),
    }
    let snapshot = host::observe(&root)?;
    let mut verification = promise::compare(host::kept_promise(), &snapshot, host::origin(None), &[]);
    // The journal is read only to find a cause.
    let messages = if verification.outcome == promise::Outcome::Broken { host::messages() } else { Vec::new() };
    if !messages.is_empty() {
        verification = promise::compare(verification.promise, &snapshot, verification.origin, &messages);
    }
    if let Some((path, text)) = bundle.zip(verification.bundle(&snapshot, &messages)) {
        host::write_bundle(&root, &path, &text).map_err(|error| refused(&path, &error))?;
    }
    Ok(verification)
}

/// The staged files of killed runs.
fn removable(snapshot: &Snapshot) -> Vec<PathBuf> {
    let removable = snapshot.leftovers.iter().filter(|leftover| leftover.obstacle.is_none());
    removable.map(|leftover| leftover.path.clone()).collect()
}

/// The report that predicts the effect of a plan: for a check, and for an apply that has nothing to do or refuses.
fn predicted(mode: Mode, desired: &Desired, before: &Forecast, planned: Result<Planned, Failure>) -> Report {
    match planned {
        Ok(planned) => Report::predicted(mode, desired, before, &planned),
        Err(failure) => Report::unchanged(mode, desired, before, failure),
    }
}

/// The report of a plan that was carried out and verified, or undone.
pub fn carried_out(desired: &Desired, before: &Snapshot, plan: &Plan, root: &Root, kernel: &mut dyn Kernel) -> Report {
    let outcome = match apply::apply(plan, root, kernel) {
        Outcome::Applied(applied) => match verified(desired, before, plan, root) {
            Ok(after) => {
                let mut report = Report::new(Mode::Apply, desired, before, &after, plan);
                let left = applied.finish().into_iter();
                report.warnings.extend(left.map(|(path, error)| Warning::leftover(&path, &error)));
                return report;
            }
            Err(failure) => applied.undo(root, kernel, failure),
        },
        outcome => outcome,
    };
    let (Outcome::RolledBack(failure) | Outcome::RollbackFailed(failure)) = outcome else {
        unreachable!("what is applied and verified has returned");
    };
    // The machine is read again, not assumed; this matters most after a rollback.
    let after = host::observe(root).unwrap_or_else(|_| before.clone());
    let changed = failure.kind == Kind::RollbackFailed;
    Report { changed, ..Report::failed(Mode::Apply, desired, before, &after, failure) }
}

/// The machine after `plan`, if each setting is as the plan predicted.
fn verified(desired: &Desired, before: &Snapshot, plan: &Plan, root: &Root) -> Result<Snapshot, Failure> {
    let after = host::observe(root)?;
    let predicted = plan.predict(before);
    let (predicted, found_after) = (Forecast::of(desired, &predicted), Forecast::of(desired, &after));
    for want in desired.wants.values() {
        let expected = judge(want, desired, predicted.snapshot(), predicted.boots());
        let found = judge(want, desired, &after, found_after.boots());
        if expected.drifts.is_empty() && found.verdict > expected.verdict {
            let message = format!(
                "`{}` changed again right after the run set it (live {}, boot {})",
                want.name,
                number(found.live),
                number(found.outlook.value)
            );
            return Err(Failure::new(Kind::WriteFailed, message)
                .key(&want.name)
                .hint("look for another program that writes this setting or its files"));
        }
    }
    Ok(after)
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}
