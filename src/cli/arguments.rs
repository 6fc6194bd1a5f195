//! Defines the command line. This is the only file that knows clap; the commands get plain options.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use schemars::Schema;

use crate::answer::{Answer, Exit, Output, Printed};
use crate::clients::ansible::AnsibleModule;
use crate::clients::dsc::Operation;
use crate::report::Report;
use crate::schema::Of;
use crate::show::{Inventory, Story};
use crate::summarize::Summary;
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::look::Look;
use crate::table::analysis::proposal::LARGEST;
use crate::table::analysis::status::Status;
use crate::table::gather::{DiagnoseOptions, StatusOptions};
use crate::table::watch::WatchOptions;

/// Keeps the kernel's connection tracking sysctls as desired: live now, and after the next boot.
#[derive(Parser)]
#[command(name = "conntrack-sysctl", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// A command with its options.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make the machine as the request says.
    #[command(exit_codes = listed(&[Exit::Done, Exit::Failed]))]
    Apply(RunArguments),
    /// Say what differs and what apply would change.
    #[command(exit_codes = listed(&[Exit::InSync, Exit::Drift, Exit::CouldNotTell]))]
    Check(RunArguments),
    /// List all conntrack settings: the live value, what the next boot makes of it, and the line that decides.
    #[command(exit_codes = listed(&[Exit::Done, Exit::CouldNotTell]))]
    Show {
        #[command(flatten)]
        output: Chosen<Inventory>,
        #[command(flatten)]
        root: Root,
    },
    /// Tell the whole story of one setting: every line that assigns it, in boot order, and the one that wins.
    #[command(exit_codes = listed(&[Exit::Done, Exit::CouldNotTell]))]
    Explain {
        /// Any name of the setting, such as nf_conntrack_max.
        setting: String,
        #[command(flatten)]
        output: Chosen<Story>,
        #[command(flatten)]
        root: Root,
    },
    /// Summarize the reports of many hosts.
    #[command(exit_codes = listed(&[Exit::InSync, Exit::Drift, Exit::CouldNotTell]))]
    Summarize {
        /// Reports of check or apply, a JSON file for each host, named after it.
        #[arg(required = true)]
        reports: Vec<PathBuf>,
        #[command(flatten)]
        output: Chosen<Summary>,
    },
    /// Do an Ansible task, whose arguments stand on standard input as JSON.
    #[command(hide = true)]
    Module {
        /// The module.
        #[arg(value_parser = one_of(&[
            ("settings", "Make the settings as the task asks", AnsibleModule::Settings),
            ("settings_info", "Report the settings", AnsibleModule::SettingsInfo),
        ]))]
        name: AnsibleModule,
    },
    /// Do an operation of the DSC resource, whose request stands on standard input as JSON.
    #[command(hide = true)]
    Dsc {
        /// The operation.
        #[arg(value_parser = one_of(&[
            ("get", "Report the settings of the request; without a request, all settings", Operation::Get),
            ("test", "Report whether they are as desired", Operation::Test),
            ("set", "Make them as desired", Operation::Set),
            ("what-if", "Report what set would change", Operation::WhatIf),
            ("export", "Report this machine as requests", Operation::Export),
            ("schema", "Print the JSON Schema of requests and answers", Operation::Schema),
        ]))]
        operation: Operation,
        #[command(flatten)]
        root: Root,
    },
    /// Print the JSON Schema of the request or of the report.
    #[command(exit_codes = listed(&[Exit::Done]))]
    Schema {
        /// The document.
        #[arg(value_parser = one_of(&[
            ("request", "The request that apply and check take", Of::Request),
            ("report", "The report that apply and check print", Of::Report),
        ]))]
        of: Of,
        #[command(flatten)]
        output: Chosen<Schema>,
    },
    /// Say how full the connection tracking table is, and what was dropped.
    #[command(exit_codes = format!(
        "{}; with --warn or --crit: {}",
        listed(&[Exit::Done, Exit::CouldNotTell]),
        listed(&[Exit::Ok, Exit::Warning, Exit::Critical, Exit::Unknown]),
    ))]
    Status(StatusArguments),
    /// Say what fills the table, why packets are dropped, and what to set.
    #[command(exit_codes = listed(&[Exit::Done, Exit::CouldNotTell]))]
    Diagnose(DiagnoseArguments),
    /// Watch the table: a live view on a terminal, otherwise a line of JSON for each look.
    #[command(exit_codes = listed(&[Exit::Done, Exit::CouldNotTell]))]
    Watch(WatchArguments),
}

/// The arguments of apply and check.
#[derive(Args)]
pub(super) struct RunArguments {
    /// The request, a JSON file; `-` or nothing for standard input.
    pub(super) request: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Report>,
    #[command(flatten)]
    pub(super) root: Root,
    #[command(flatten)]
    pub(super) quiet: Quiet,
}

/// The arguments of status.
#[derive(Args)]
pub(super) struct StatusArguments {
    /// Look twice, so many seconds apart, and say what changed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,
    /// The fill in percent that is a warning: the exit code is then that of a monitoring plugin (0 ok, 1 warning, 2
    /// critical, 3 unknown).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    warn: Option<f64>,
    /// The fill in percent that is critical.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    crit: Option<f64>,
    /// A saved log to search for messages of a full table, instead of the kernel's own: dmesg, syslog, journalctl.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Status>,
}

impl StatusArguments {
    /// The options that the table takes.
    pub(super) fn options(&self) -> StatusOptions {
        StatusOptions { interval: self.interval, warn: self.warn, crit: self.crit, log: self.log.clone() }
    }
}

/// The arguments of diagnose.
#[derive(Args)]
pub(super) struct DiagnoseArguments {
    /// How long to look at the counters; reading the table counts towards it.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    interval: Duration,
    /// Read the whole table. Otherwise a random sample of 16,384 entries is read of a larger one.
    #[arg(long, conflicts_with = "from")]
    all: bool,
    /// A saved table instead of the live one: text or XML of `conntrack -L`, `/proc/net/nf_conntrack` or `ip_conntrack`; `-`
    /// for standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// With --from: the limit that the table had.
    #[arg(long, value_name = "ENTRIES", requires = "from", value_parser = clap::value_parser!(u64).range(..=LARGEST))]
    limit: Option<u64>,
    /// A saved log to search for messages of a full table, instead of the kernel's own: dmesg, syslog, journalctl.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Diagnosis>,
}

impl DiagnoseArguments {
    /// The options that the table takes.
    pub(super) fn options(&self) -> DiagnoseOptions {
        DiagnoseOptions {
            interval: self.interval,
            all: self.all,
            from: self.from.clone(),
            limit: self.limit,
            log: self.log.clone(),
        }
    }
}

/// The arguments of watch.
#[derive(Args)]
pub(super) struct WatchArguments {
    /// The time between two looks.
    #[arg(long, value_name = "SECONDS", value_parser = pause, default_value = "1")]
    interval: Duration,
    /// End after so many looks.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Count the new entries by the kernel's events. That costs the kernel a message for each.
    #[arg(long)]
    new: bool,
    #[command(flatten)]
    pub(super) output: Chosen<Look>,
}

impl WatchArguments {
    /// The options that the table takes.
    pub(super) fn options(&self) -> WatchOptions {
        WatchOptions { interval: self.interval, count: self.count, new: self.new }
    }
}

// Root and Quiet have no documentation comment: clap would show it as that of the command.
#[derive(Args)]
pub(super) struct Root {
    /// The directory of an image or a chroot: its files only, and no live kernel.
    #[arg(id = "root", long = "root", global = true, value_name = "DIR", default_value = "/")]
    pub(super) path: PathBuf,
}

#[derive(Args)]
pub(super) struct Quiet {
    /// Of apply and check: print no report; the exit code has the result, and a failure is one line on standard error.
    #[arg(id = "quiet", long = "quiet", global = true, conflicts_with = "output")]
    pub(super) is_set: bool,
}

/// The output that `--output` chooses among those of `T`. None leaves the choice to the program.
pub(super) struct Chosen<T: 'static>(pub(super) Option<&'static Output<T>>);

/// The name of no output: that of the choice of the program.
const AUTO: &str = "auto";

impl<T: Printed> Args for Chosen<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        let rows = T::OUTPUTS.iter().map(|row| PossibleValue::new(row.name).help(row.help));
        let auto = PossibleValue::new(AUTO).help("Text on a terminal, JSON otherwise");
        command.arg(output(std::iter::once(auto).chain(rows).collect()))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<T: Printed> FromArgMatches for Chosen<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Chosen<T>, clap::Error> {
        match matches.get_one::<String>("output").map_or(AUTO, String::as_str) {
            AUTO => Ok(Chosen(None)),
            // An `--output` before the command may name any output, because clap does not know the command there yet.
            name => T::output(name)
                .map(|output| Chosen(Some(output)))
                .ok_or_else(|| refused("this command has no such --output; its --help lists the outputs that it has")),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|chosen| *self = chosen)
    }
}

fn output(values: Vec<PossibleValue>) -> Arg {
    Arg::new("output")
        .long("output")
        .global(true)
        .value_name("OUTPUT")
        .default_value(AUTO)
        .value_parser(PossibleValuesParser::new(values))
        .help("The form of the output; without this option, text on a terminal and JSON otherwise")
}

/// The command line, from which `--help`, the manual pages and the completions are made.
///
/// The options `--output`, `--root` and `--quiet` may stand before or after the command. A command that does not have one
/// of them hides it, and `parse` refuses it there.
#[must_use]
pub fn command() -> clap::Command {
    let whole = Arguments::command();
    let outputs = outputs_of_all(&whole);
    let whole = Quiet::augment_args(Root::augment_args(whole.arg(output(outputs))));
    let common: Vec<Arg> = whole.get_arguments().filter(|option| option.is_global_set()).cloned().collect();
    whole.mut_subcommands(|command| {
        let has = |option: &&Arg| command.get_arguments().any(|own| own.get_id() == option.get_id());
        let missing: Vec<Arg> =
            common.iter().filter(|option| !has(option)).map(|option| option.clone().hide(true)).collect();
        command.args(missing)
    })
}

/// The outputs of all commands, each once, for an `--output` that stands before the command.
fn outputs_of_all(whole: &clap::Command) -> Vec<PossibleValue> {
    let options = whole.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut outputs: Vec<PossibleValue> = Vec::new();
    for value in options.filter(|option| option.get_id() == "output").flat_map(Arg::get_possible_values) {
        if outputs.iter().all(|known| known.get_name() != value.get_name()) {
            outputs.push(value);
        }
    }
    outputs
}

/// The command that `arguments` name, or the answer in its place: the help, the version, or a refusal.
pub(super) fn parse(arguments: &[OsString]) -> Result<Command, Answer> {
    let mut whole = command();
    let parsed = whole.try_get_matches_from_mut(arguments).and_then(|matches| {
        refuse_hidden(&whole, &matches)?;
        Arguments::from_arg_matches(&matches)
    });
    parsed.map(|arguments| arguments.command).map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Answer::new(text.trim_end_matches('\n').to_owned(), Exit::Done);
        }
        let exit = if is_plugin(arguments) { Exit::Unknown } else { Exit::Failed };
        Answer { stdout: String::new(), stderr: text, exit }
    })
}

/// Refuses an option that the command hides because it does not have it.
fn refuse_hidden(whole: &clap::Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let options = whole.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    let is_given = |option: &&Arg| matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
    match options.filter(|option| option.is_hide_set()).find(is_given) {
        Some(option) => Err(refused(&format!("`{name}` has no --{}", option.get_id()))),
        None => Ok(()),
    }
}

fn refused(message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::InvalidValue, format!("{message}\n"))
}

/// Whether the caller is a monitoring system, which would take the exit code 1 for a warning about the table.
fn is_plugin(arguments: &[OsString]) -> bool {
    let begins = |argument: &OsString, with: &str| argument.to_str().is_some_and(|text| text.starts_with(with));
    arguments.iter().any(|argument| argument == "status")
        && arguments.iter().any(|argument| begins(argument, "--warn") || begins(argument, "--crit"))
}

/// Adds the exit codes to the long help of a command.
trait ExitCodes {
    fn exit_codes(self, codes: String) -> Self;
}

impl ExitCodes for clap::Command {
    fn exit_codes(self, codes: String) -> clap::Command {
        let about = self.get_about().map(ToString::to_string).unwrap_or_default();
        self.long_about(format!("{about}.\n\nExit code: {codes}."))
    }
}

/// The exit codes with their words.
fn listed(exits: &[Exit]) -> String {
    let codes = exits.iter().map(|exit| format!("{} {}", exit.code(), exit.words()));
    codes.collect::<Vec<_>>().join(", ")
}

/// Takes one of the names in `rows`, each with its help and its value.
fn one_of<T: Copy + Send + Sync + 'static>(
    rows: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let values = rows.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(values).map(|name| {
        let row = rows.iter().find(|(known, ..)| *known == name);
        row.expect("clap lets only these names through").2
    })
}

/// A time that a person would wait.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds from 0 to 86400".to_owned()),
    }
}

/// A pause between two looks, long enough that the looks do not keep the machine busy.
fn pause(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds from 0.1 to 86400".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("expected a number of percent from 0 to 100".to_owned()),
    }
}
