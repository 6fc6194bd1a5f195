//! Carries out the command that the arguments name.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;

use anstream::adapter::strip_str;
use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use super::arguments::{
    self, Chosen, Command, ExplainArguments, RunArguments, ShowArguments, SummarizeArguments, VerifyArguments,
};
use super::{read, reports, write_line};
use crate::answer::{Answer, DIFF, Exit, JSON, Output, Printed, TEXT};
use crate::clients::{ansible, dsc};
use crate::failure::Failure;
use crate::report::{Mode, Report, text};
use crate::snapshot::Snapshot;
use crate::summarize::Summary;
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::look::Look;
use crate::table::collect;
use crate::table::gather::{self, DiagnoseOptions};
use crate::table::view::words;
use crate::table::watch::{self, Display, WatchOptions};
use crate::{request, run as runs, show};

/// The answer of the command that `arguments` name, or the refusal of the arguments.
pub(super) fn answer(arguments: &[OsString]) -> Answer {
    // Where the variable CI is set, anstream takes every terminal for one with colours.
    let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    match arguments::color_choice(arguments) {
        ColorChoice::Auto if is_dumb => ColorChoice::Never.write_global(),
        choice => choice.write_global(),
    }
    arguments::parse(arguments).map_or_else(|refusal| unpainted(&refusal), carried_out)
}

/// A refusal of the arguments, or the help, with colours only if they can be seen and are wanted.
fn unpainted(answer: &Answer) -> Answer {
    let stderr = seen(&answer.stderr, &io::stderr());
    Answer { stderr, ..Answer::new(seen(&answer.stdout, &io::stdout()), answer.exit) }
}

/// The text as `stream` shall have it.
fn seen(text: &str, stream: &impl RawStream) -> String {
    match AutoStream::choice(stream) {
        ColorChoice::Never => strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

fn carried_out(command: Command) -> Answer {
    match command {
        Command::Apply(arguments) => apply_or_check(Mode::Apply, &arguments).of_changes(),
        Command::Check(arguments) => apply_or_check(Mode::Check, &arguments),
        Command::Show(ShowArguments { names, drift, output, loader, root }) => {
            shown(runs::look(&root.path), &output, |snapshot| {
                let loader = show::loader(&loader.name, snapshot);
                let inventory = match names.as_slice() {
                    [] => show::inventory_with(loader, snapshot),
                    // The pointer is one into the list of a task.
                    names => show::named_with(loader, names, snapshot)
                        .map_err(|failure| Failure { pointer: None, ..failure })?,
                };
                Ok(if drift { inventory.drifting() } else { inventory })
            })
        }
        Command::Explain(ExplainArguments { setting, output, loader, root }) => {
            shown(runs::look_around(&root.path), &output, |snapshot| {
                show::story_with(show::loader(&loader.name, snapshot), &setting, snapshot)
            })
        }
        Command::Verify(VerifyArguments { output, bundle }) => match runs::verify(bundle.as_deref()) {
            Ok(verification) => rendered(&verification, &output, verification.exit()),
            Err(failure) => Answer::error(failure, Exit::CouldNotTell),
        },
        Command::Summarize(SummarizeArguments { reports, output }) => {
            let summary = Summary::new(reports::read(&reports));
            rendered(&summary, &output, summary.exit())
        }
        Command::Module(arguments) => ansible::run(arguments.name, read(None)).of_changes(),
        Command::Dsc(arguments) => dsc::run(arguments.operation, || read(None), &arguments.root.path).of_changes(),
        Command::Schema(arguments) => rendered(&arguments.of, &arguments.output, Exit::Done),
        Command::Status(arguments) => {
            let status = gather::status(&arguments.options());
            rendered(&status, &arguments.output, status.exit())
        }
        Command::Diagnose(arguments) => diagnose(arguments.options(), &arguments.output),
        Command::Collect(arguments) => collected(&arguments.directory),
        Command::Watch(arguments) => watch(&arguments.options(), output_of(&arguments.output)),
    }
}

fn rendered<T: Printed>(value: &T, output: &Chosen<T>, exit: Exit) -> Answer {
    let output = output_of(output);
    let text = (output.render)(value);
    Answer::new(if output.is_for_people() { seen(&text, &io::stdout()) } else { text }, exit)
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
    if arguments.quiet.is_set {
        return render_quiet(&report);
    }
    let diff = Chosen(Report::output(DIFF));
    rendered(&report, if arguments.diff { &diff } else { &arguments.output }, report.exit())
}

/// The answer for a caller that wants the exit code alone: only a failure has a text, for standard error.
fn render_quiet(report: &Report) -> Answer {
    let stderr = report.failure.as_ref().map(text::failure_alone).unwrap_or_default();
    Answer { stderr, ..Answer::new(String::new(), report.exit()) }
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

fn diagnose(options: io::Result<DiagnoseOptions>, output: &Chosen<Diagnosis>) -> Answer {
    let diagnosis = match options.and_then(|options| gather::diagnose(&options)) {
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

fn collected(directory: &Path) -> Answer {
    match collect::collect(directory) {
        Ok(collection) => {
            let exit = if collection.has_table() { Exit::Done } else { Exit::CouldNotTell };
            Answer::new(collection.manifest().trim_end().to_owned(), exit)
        }
        Err(error) => Answer::error(format!("`{}` cannot be used: {error}", directory.display()), Exit::CouldNotTell),
    }
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
