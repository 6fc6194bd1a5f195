//! Runs the command that the arguments name, and prints its answer.
//!
//! The program writes to its streams here only. The one exception is the live view of `watch`, which draws on the
//! terminal that it has taken.

mod arguments;
mod reports;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use crate::answer::{Answer, Exit, JSON, Output, Printed, TEXT};
use crate::clients::ansible::{self, AnsibleModule};
use crate::clients::dsc;
use crate::failure::{Failure, Kind};
use crate::report::{Mode, Report, text};
use crate::snapshot::Snapshot;
use crate::summarize::Summary;
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::look::Look;
use crate::table::gather::{self, DiagnoseOptions};
use crate::table::view::words;
use crate::table::watch::{self, Display, WatchOptions};
use crate::{request, run as runs, show};

pub use arguments::command;
use arguments::{Chosen, Command, RunArguments};

/// Runs the command that `arguments` name, and returns its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Everybody can read the files that a run makes, whatever umask the caller's shell or Ansible's connection has.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    // Ansible runs a binary module with one argument, the absolute path of the task's arguments. No other call has this
    // form.
    if let [program, task] = &arguments[..] {
        if Path::new(task).is_absolute() {
            return print(&ansible::run(AnsibleModule::of(program), read(Some(Path::new(task)))));
        }
    }
    match arguments::parse(&arguments) {
        Ok(command) => print(&answer(command)),
        Err(answer) => print(&answer),
    }
}

fn answer(command: Command) -> Answer {
    match command {
        Command::Apply(arguments) => apply_or_check(Mode::Apply, &arguments),
        Command::Check(arguments) => apply_or_check(Mode::Check, &arguments),
        Command::Show { output, loader, root } => shown(runs::look(&root.path), &output, |snapshot| {
            Ok(show::inventory_with(show::loader(&loader.name, snapshot), snapshot))
        }),
        Command::Explain { setting, output, loader, root } => {
            shown(runs::look_around(&root.path), &output, |snapshot| {
                show::story_with(show::loader(&loader.name, snapshot), &setting, snapshot)
            })
        }
        Command::Summarize { reports, output } => {
            let summary = Summary::new(reports::read(&reports));
            rendered(&summary, &output, summary.exit())
        }
        Command::Module { name } => ansible::run(name, read(None)),
        Command::Dsc { operation, root } => dsc::run(operation, || read(None), &root.path),
        Command::Schema { of, output } => rendered(&of, &output, Exit::Done),
        Command::Status(arguments) => {
            let status = gather::status(&arguments.options());
            rendered(&status, &arguments.output, status.exit())
        }
        Command::Diagnose(arguments) => diagnose(&arguments.options(), &arguments.output),
        Command::Watch(arguments) => watch(&arguments.options(), output_of(&arguments.output)),
    }
}

fn rendered<T: Printed>(value: &T, output: &Chosen<T>, exit: Exit) -> Answer {
    Answer::new((output_of(output).render)(value), exit)
}

/// The chosen output; without a choice, text on a terminal and JSON otherwise.
fn output_of<T: Printed>(chosen: &Chosen<T>) -> &'static Output<T> {
    chosen.0.unwrap_or_else(|| {
        let name = if io::stdout().is_terminal() { TEXT } else { JSON };
        T::output(name).expect("every value has JSON and text")
    })
}

fn apply_or_check(mode: Mode, arguments: &RunArguments) -> Answer {
    let root = &arguments.root.path;
    let desired = read(arguments.request.as_deref()).and_then(|bytes| request::from_slice(&bytes));
    let report = match (desired, mode) {
        (Ok(desired), Mode::Apply) => runs::apply(&desired, root),
        (Ok(desired), Mode::Check) => runs::check(&desired, root),
        (Err(failure), _) => runs::refused(mode, failure),
    };
    if arguments.quiet.is_set { render_quiet(&report) } else { rendered(&report, &arguments.output, report.exit()) }
}

/// The answer for a caller that wants the exit code alone: only a failure has a text, for standard error.
fn render_quiet(report: &Report) -> Answer {
    let stderr = report.failure.as_ref().map(text::failure_alone).unwrap_or_default();
    Answer { stdout: String::new(), stderr, exit: report.exit() }
}

/// The answer of a command that only reads the machine at `root`.
fn shown<T: Printed>(
    snapshot: Result<Snapshot, Failure>,
    output: &Chosen<T>,
    value: impl FnOnce(&Snapshot) -> Result<T, Failure>,
) -> Answer {
    match snapshot.and_then(|snapshot| value(&snapshot)) {
        Ok(value) => rendered(&value, output, Exit::Done),
        Err(failure) => Answer::error(failure, Exit::CouldNotTell),
    }
}

fn diagnose(options: &DiagnoseOptions, output: &Chosen<Diagnosis>) -> Answer {
    let diagnosis = match gather::diagnose(options) {
        Ok(diagnosis) => diagnosis,
        Err(error) => return Answer::error(error, Exit::CouldNotTell),
    };
    let answer = rendered(&diagnosis, output, diagnosis.exit());
    // `request` is the only output that can be empty: the diagnosis proposes nothing then.
    if answer.stdout.is_empty() {
        return Answer::error(
            format!("there is nothing to request: {}", words::summary(&diagnosis)),
            Exit::CouldNotTell,
        );
    }
    answer
}

/// Shows each look as it is taken, so that only the exit code is left for the answer.
fn watch(options: &WatchOptions, output: &'static Output<Look>) -> Answer {
    let is_view = output.name == TEXT && watch::has_view();
    let mut print_look = |look: &Look| write_line(&(output.render)(look));
    let display = if is_view { Display::View } else { Display::Lines(&mut print_look) };
    match watch::watch(options, display) {
        // A reader that closes the pipe has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Answer::error(format!("the watch ended: {error}"), Exit::CouldNotTell)
        }
        _ => Answer::new(String::new(), Exit::Done),
    }
}

/// The bytes of the request in a file, or on standard input; at most one byte more than a request may have.
fn read(request: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let from = request.filter(|path| *path != Path::new("-"));
    let mut bytes = Vec::new();
    let most = request::LIMIT as u64 + 1;
    let result = match from {
        Some(path) => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        None => io::stdin().lock().take(most).read_to_end(&mut bytes),
    };
    let name = from.map_or_else(|| "standard input".into(), |path| path.display().to_string());
    match result {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Kind::BadRequest, format!("the request `{name}` cannot be read: {error}"))
            .hint("name a JSON file, or give the request on standard input")),
    }
}

/// Prints an answer, and returns the exit code. If standard output cannot be written, the code must not report success.
fn print(answer: &Answer) -> Exit {
    write_stderr(&answer.stderr);
    if answer.stdout.is_empty() {
        return answer.exit;
    }
    match write_line(&answer.stdout) {
        Ok(()) => answer.exit,
        Err(error) => {
            write_stderr(&format!("conntrack-sysctl: the run is over, but its report cannot be printed: {error}\n"));
            Exit::Failed
        }
    }
}

fn write_line(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes to standard error. An error there is ignored, because the exit code says the same; `eprintln!` would panic.
fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
