//! Reads the arguments, calls what they name, and prints one thing on standard output.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::clients::{ansible, dsc};
use crate::failure::{Failure, Kind};
use crate::report::{Mode, Report, github, junit, salt, sarif, text};
use crate::request::{self, Desired};
use crate::run;
use crate::summarize::{self, Summary};
use crate::table::analysis::status::Level;
use crate::table::{self, Form};
use crate::{schema, show};

/// The run did what it was to do; a check found desired = live = boot.
pub const OK: u8 = 0;
/// The run failed; a check could not tell.
pub const FAILED: u8 = 1;
/// A check found a drift.
pub const DRIFT: u8 = 2;

/// Keeps the kernel's connection tracking sysctls as desired: live now, and after the next boot.
#[derive(Debug, Parser)]
#[command(name = "conntrack-sysctl", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to print: text on a terminal and JSON otherwise, unless this says so.
    #[arg(long, global = true, value_enum, default_value_t = Output::Auto)]
    output: Output,
    /// The directory of an image or a chroot: its files only, and no live kernel.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Of apply and check: print no report, the exit code tells; a failure is one line on standard error.
    #[arg(long, global = true, conflicts_with = "output")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// JSON, one object.
    Json,
    /// Text for people.
    Text,
    /// Prometheus' text format.
    Prometheus,
    /// A request that `apply` takes.
    Request,
    /// JUnit XML: each setting is a test.
    Junit,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// What a Salt state returns, all but its name.
    Salt,
    /// Markdown.
    Markdown,
    /// One HTML page that needs nothing else.
    Html,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the machine as the request says.
    ///
    /// Exit code: 0 done, 1 failed.
    Apply {
        /// The request, a JSON file; `-` or nothing for standard input.
        request: Option<PathBuf>,
    },
    /// Say what differs and what apply would change.
    ///
    /// Exit code: 0 in sync, 2 drift, 1 could not tell.
    Check {
        /// The request, a JSON file; `-` or nothing for standard input.
        request: Option<PathBuf>,
    },
    /// List all conntrack settings: the live value, what the next boot makes of it, and the line that decides.
    ///
    /// Exit code: 0 done, 1 could not tell.
    Show,
    /// Tell the whole story of one setting: every line that assigns it, in boot order, and who wins.
    ///
    /// Exit code: 0 done, 1 could not tell.
    Explain {
        /// Any name of the setting, such as nf_conntrack_max.
        setting: String,
    },
    /// Say what the reports of many hosts say together.
    ///
    /// Exit code: 0 all in sync, 2 drift, 1 could not tell of each.
    Summarize {
        /// Reports of check or apply, a JSON file for each host, named after it.
        #[arg(required = true)]
        reports: Vec<PathBuf>,
    },
    /// Do an Ansible task, whose arguments stand on standard input as JSON.
    #[command(hide = true)]
    Module {
        /// Which of the modules.
        name: ansible::Module,
    },
    /// Do an operation of the DSC resource, whose request stands on standard input as JSON.
    #[command(hide = true)]
    Dsc {
        /// Which of the operations.
        operation: dsc::Operation,
    },
    /// Print the JSON Schema of the request or of the report.
    ///
    /// Exit code: 0.
    Schema {
        /// Which of the two.
        of: schema::Of,
    },
    /// Say how full the connection tracking table is, and what was dropped.
    ///
    /// Exit code: 0 done, 1 could not tell; with --warn or --crit that of a monitoring plugin.
    Status(table::StatusArgs),
    /// Say what fills the table, why packets are dropped, and what to set.
    ///
    /// Exit code: 0 done, whatever is found, 1 could not tell.
    Diagnose(table::DiagnoseArgs),
    /// Watch the table: a live view on a terminal, otherwise a line of JSON for each look.
    ///
    /// Exit code: 0 done, 1 could not tell.
    Watch(table::watch::WatchArgs),
}

/// Which of the options that all commands have in common mean something to a command.
struct Common {
    outputs: &'static [Output],
    root: bool,
    quiet: bool,
}

/// What the command of that name has of the common options.
fn common(command: &str) -> Common {
    use Output::{Auto, Github, Html, Json, Junit, Markdown, Prometheus, Request, Salt, Sarif, Text};
    let (outputs, root): (&[Output], bool) = match command {
        "apply" | "check" => (&[Auto, Json, Text, Junit, Sarif, Github, Salt], true),
        "show" | "explain" | "dsc" => (&[Auto, Json, Text], true),
        "summarize" => (&[Auto, Json, Text, Markdown, Html], false),
        "status" => (&[Auto, Json, Text, Prometheus], false),
        "diagnose" => (&[Auto, Json, Text, Request], false),
        _ => (&[Auto, Json, Text], false),
    };
    Common { outputs, root, quiet: matches!(command, "apply" | "check") }
}

/// The command line. Each command shows, of the common options and of their values, those that it has: in `--help`, and
/// in the manual pages and the completions, which are made of this.
#[must_use]
pub fn command() -> clap::Command {
    let whole = Arguments::command();
    let options: Vec<clap::Arg> = whole.get_arguments().filter(|option| option.is_global_set()).cloned().collect();
    whole.mut_subcommands(|command| {
        let Common { outputs, root, quiet } = common(command.get_name());
        command.args(options.iter().cloned().map(|option| match option.get_id().as_str() {
            "output" => option.value_parser(one_of(outputs)),
            "root" => option.hide(!root),
            _ => option.hide(!quiet),
        }))
    })
}

fn one_of(outputs: &[Output]) -> impl TypedValueParser<Value = Output> + use<> {
    let names = PossibleValuesParser::new(outputs.iter().filter_map(ValueEnum::to_possible_value));
    names.map(|name| Output::from_str(&name, false).expect("the names are those of outputs"))
}

/// Runs the command that `arguments` name, and returns its exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Files that a run makes are readable for all, whatever the caller's shell or Ansible's connection set.
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    // Ansible runs a binary module with one argument, the absolute path of the task's arguments. No command starts so.
    if let [program, task] = &arguments[..] {
        if Path::new(task).is_absolute() {
            return print(&ansible::run(ansible::Module::of(program), read(Some(Path::new(task)))));
        }
    }
    match command().try_get_matches_from(&arguments) {
        Ok(matches) => answered(&common(matches.subcommand_name().unwrap_or_default()), &matches),
        Err(error) => usage(&error, if is_plugin(&arguments) { Level::Unknown.code() } else { FAILED }),
    }
}

/// Whether a monitoring system calls, to which 1 is a warning about the table.
fn is_plugin(arguments: &[OsString]) -> bool {
    let begins = |argument: &OsString, with: &str| argument.to_str().is_some_and(|text| text.starts_with(with));
    arguments.iter().any(|argument| argument == "status")
        && arguments.iter().any(|argument| begins(argument, "--warn") || begins(argument, "--crit"))
}

/// Prints what clap has to say: the help or the version that was asked for, or what is wrong with the arguments, which
/// ends with `wrong`.
fn usage(error: &clap::Error, wrong: u8) -> u8 {
    let _ = error.print();
    if error.use_stderr() { wrong } else { OK }
}

/// What a command prints and how it ends.
pub struct Answer {
    /// The text for standard output, without the last line end.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

fn answered(common: &Common, matches: &ArgMatches) -> u8 {
    let arguments = match Arguments::from_arg_matches(matches) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, FAILED),
    };
    let Arguments { command, output, root, quiet } = arguments;
    // What cannot be done or printed is refused before anything is done: the options may stand before the command too,
    // where clap knows nothing of it.
    let refusal = if !common.outputs.contains(&output) {
        Some("this command has no such --output; its --help lists those that it has")
    } else if quiet && !common.quiet {
        Some("only apply and check have --quiet")
    } else if root != Path::new("/") && !common.root {
        Some("only apply, check, show and explain look at an image; leave --root out")
    } else {
        None
    };
    if let Some(refusal) = refusal {
        complain(&format!("conntrack-sysctl: {refusal}\n"));
        return FAILED;
    }
    let output = match output {
        Output::Auto if io::stdout().is_terminal() => Output::Text,
        Output::Auto => Output::Json,
        output => output,
    };
    let form = match output {
        Output::Text => Form::Text,
        Output::Prometheus => Form::Prometheus,
        Output::Request => Form::Request,
        _ => Form::Json,
    };
    let root = &root;
    let said = |report: &Report| if quiet { hushed(report) } else { rendered(report, output) };
    let answer = match command {
        Command::Apply { request } => {
            let report = report(Mode::Apply, request.as_deref(), |desired| run::apply(desired, root));
            let code = if report.failure.is_some() { FAILED } else { OK };
            Answer { text: said(&report), code }
        }
        Command::Check { request } => {
            let report = report(Mode::Check, request.as_deref(), |desired| run::check(desired, root));
            Answer { text: said(&report), code: check_code(&report) }
        }
        Command::Show => observed(root, |snapshot| {
            let inventory = show::inventory(snapshot);
            Ok(render(&inventory, output, text::inventory))
        }),
        Command::Explain { setting } => observed(root, |snapshot| {
            let story = show::story(&setting, snapshot)?;
            Ok(render(&story, output, text::story))
        }),
        Command::Summarize { reports } => {
            let summary = Summary::new(reports.iter().map(|path| (host_name(path), report_of(path))));
            let text = match output {
                Output::Markdown => summarize::markdown::summary(&summary),
                Output::Html => summarize::html::summary(&summary),
                _ => render(&summary, output, summarize::text::summary),
            };
            Answer { text, code: summary.code() }
        }
        Command::Module { name } => ansible::run(name, read(None)),
        Command::Dsc { operation } => dsc::run(operation, || read(None), root),
        Command::Schema { of } => Answer { text: schema::text(of), code: OK },
        Command::Status(arguments) => table::status(&arguments, form),
        Command::Diagnose(arguments) => table::diagnose(&arguments, form),
        Command::Watch(arguments) => table::watch::watch(&arguments, form),
    };
    print(&answer)
}

/// The exit code of a check. A failure that apply would meet is a drift all the same, where settings were compared.
#[must_use]
pub fn check_code(report: &Report) -> u8 {
    match &report.failure {
        _ if report.in_sync => OK,
        Some(_) if report.settings.is_empty() => FAILED,
        _ => DRIFT,
    }
}

fn observed(root: &Path, answer: impl FnOnce(&crate::snapshot::Snapshot) -> Result<String, Failure>) -> Answer {
    match run::look(root).and_then(|snapshot| answer(&snapshot)) {
        Ok(text) => Answer { text, code: OK },
        Err(failure) => {
            complain(&format!("conntrack-sysctl: {failure}\n"));
            Answer { text: String::new(), code: FAILED }
        }
    }
}

fn report(mode: Mode, request: Option<&Path>, run: impl FnOnce(&Desired) -> Report) -> Report {
    match read(request).and_then(|bytes| request::from_slice(&bytes)) {
        Ok(desired) => run(&desired),
        Err(failure) => Report::refused(mode, failure),
    }
}

/// The bytes of the request: of the file, or of standard input; no more of them than a request may have.
fn read(request: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let from = request.filter(|path| *path != Path::new("-"));
    let mut bytes = Vec::new();
    let most = request::LIMIT as u64 + 1;
    let result = match from {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        None => io::stdin().lock().take(most).read_to_end(&mut bytes),
    };
    let name = from.map_or_else(|| "standard input".into(), |path| path.display().to_string());
    match result {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Kind::BadRequest, format!("the request `{name}` cannot be read: {error}"))
            .hint("name a JSON file, or give the request on standard input")),
    }
}

/// The report in the file `path`, or why there is none.
fn report_of(path: &Path) -> Result<Report, String> {
    // A report of every setting there is takes some 100 KiB, and it comes from a host that nobody has to trust.
    const MOST: u64 = 16 << 20;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("`{}` is not a report: {error}", path.display()))
}

/// The host whose report is in the file `path`.
fn host_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".json").unwrap_or(&name).to_owned()
}

/// Nothing, for a caller that wants the exit code alone. A failure is not kept from whoever reads standard error.
fn hushed(report: &Report) -> String {
    if let Some(failure) = &report.failure {
        complain(&text::failure_alone(failure));
    }
    String::new()
}

fn rendered(report: &Report, output: Output) -> String {
    match output {
        Output::Junit => junit::report(report),
        Output::Sarif => sarif::report(report),
        Output::Github => github::report(report),
        Output::Salt => salt::report(report),
        _ => render(report, output, text::report),
    }
}

fn render<T: Serialize>(value: &T, output: Output, text: impl FnOnce(&T) -> String) -> String {
    if output == Output::Text { text(value) } else { json(value) }
}

/// `value` as indented JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("a report has string keys only")
}

/// Writes to standard error. Where that cannot be written either, the exit code has to do: `eprintln!` would panic.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints the answer. Where nobody reads standard output any more, the exit code must not say that all is well.
fn print(answer: &Answer) -> u8 {
    if answer.text.is_empty() {
        return answer.code;
    }
    let mut stdout = io::stdout().lock();
    let printed = stdout.write_all(answer.text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    match printed.and_then(|()| stdout.flush()) {
        Ok(()) => answer.code,
        Err(error) => {
            complain(&format!("conntrack-sysctl: the run is over, but its report cannot be printed: {error}\n"));
            FAILED
        }
    }
}
