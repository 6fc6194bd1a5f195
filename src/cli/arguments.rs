//! Defines the command line. This is the only file that knows clap; the commands get plain options.

mod numbers;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use numbers::{pause, percent, seconds};

use crate::answer::{Answer, Exit, Output, Printed};
use crate::clients::ansible::AnsibleModule;
use crate::clients::dsc::Operation;
use crate::promise::Verification;
use crate::report::Report;
use crate::schema::Of;
use crate::show::{self, Inventory, Story};
use crate::summarize::Summary;
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::look::Look;
use crate::table::analysis::proposal::LARGEST;
use crate::table::analysis::status::Status;
use crate::table::gather::{DiagnoseOptions, StatusOptions};
use crate::table::offline::Evidence;
use crate::table::watch::WatchOptions;

/// Keeps the kernel's connection tracking sysctls as desired: live now, and after the next boot.
#[derive(Parser)]
#[command(name = "conntrack-sysctl", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// A command with its options. `defer` completes only the command that is run or that a page is made of.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make the machine match the request.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::Failed]))))]
    Apply(RunArguments),
    /// Report what differs, and what apply would change.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::InSync, Exit::Drift, Exit::CouldNotTell]))))]
    Check(RunArguments),
    /// List all conntrack settings: the live value, the value after the next boot, and the line that decides.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::CouldNotTell]))))]
    Show {
        /// Show only these settings, by any of their names, such as nf_conntrack_max.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Show only settings with different values now and after the next boot, and settings whose next boot cannot be known.
        #[arg(long)]
        drift: bool,
        #[command(flatten)]
        output: Chosen<Inventory>,
        #[command(flatten)]
        loader: Loader,
        #[command(flatten)]
        root: Root,
    },
    /// Show every line that assigns one setting, in boot order, and the line that wins.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::CouldNotTell]))))]
    Explain {
        /// Any name of the setting, such as nf_conntrack_max.
        setting: String,
        #[command(flatten)]
        output: Chosen<Story>,
        #[command(flatten)]
        loader: Loader,
        #[command(flatten)]
        root: Root,
    },
    /// After a boot, compare the machine with the prediction of the last apply.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Held, Exit::Broken, Exit::CouldNotTell]))))]
    Verify {
        #[command(flatten)]
        output: Chosen<Verification>,
        /// If a setting is not as predicted, write everything that may explain it to this file.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
    },
    /// Summarize the reports of many hosts.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::InSync, Exit::Drift, Exit::CouldNotTell]))))]
    Summarize {
        /// Reports of check or apply: a JSON file for each host, with its name; a directory of such files; or - for standard
        /// input with one report per line.
        #[arg(required = true)]
        reports: Vec<PathBuf>,
        #[command(flatten)]
        output: Chosen<Summary>,
    },
    /// Run an Ansible task; its arguments are JSON on standard input.
    #[command(hide = true, defer(hide_missing))]
    Module {
        /// The module.
        #[arg(value_parser = one_of(&[
            ("settings", "Make the settings match the task", AnsibleModule::Settings),
            ("settings_info", "Report the settings", AnsibleModule::SettingsInfo),
            ("table_info", "Report how full the table is", AnsibleModule::TableInfo),
        ]))]
        name: AnsibleModule,
    },
    /// Run an operation of the DSC resource; its request is JSON on standard input.
    #[command(hide = true, defer(hide_missing))]
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
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done]))))]
    Schema {
        /// The document.
        #[arg(value_parser = one_of(&[
            ("request", "The request that apply and check take", Of::Request),
            ("report", "The report that apply and check print", Of::Report),
        ]))]
        of: Of,
        #[command(flatten)]
        output: Chosen<Of>,
    },
    /// Show how full the table is, and how many packets were dropped.
    #[command(defer(|command| {
        let plugin = listed(&[Exit::Ok, Exit::Warning, Exit::Critical, Exit::Unknown]);
        let exits = format!("{}; with --warn or --crit: {plugin}", listed(&[Exit::Done, Exit::CouldNotTell]));
        with_exits(command, &exits)
    }))]
    Status(StatusArguments),
    /// Show what fills the table and why packets are dropped, and propose settings.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::CouldNotTell]))))]
    Diagnose(DiagnoseArguments),
    /// Save everything that a diagnosis of this machine needs: the table, its sysctls, counters and log, and a list of files
    /// that could not be read.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::CouldNotTell]))))]
    Collect {
        /// The directory, which must be new or empty; only its owner can read it.
        directory: PathBuf,
    },
    /// Watch the table: a live view on a terminal, otherwise one JSON line for each reading.
    #[command(defer(|command| with_exits(command, &listed(&[Exit::Done, Exit::CouldNotTell]))))]
    Watch(WatchArguments),
}

/// The arguments of apply and check.
#[derive(Args)]
pub(super) struct RunArguments {
    /// The request, a JSON file; without it, or with `-`, standard input.
    pub(super) request: Option<PathBuf>,
    /// Also show the changed lines of each file; short for --output diff.
    #[arg(long, conflicts_with_all = ["output", "quiet"])]
    pub(super) diff: bool,
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
    /// Read twice, SECONDS apart, and report the change.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,
    /// Warn if the table is at least PERCENT full; the exit code is then that of a monitoring plugin (0 ok, 1 warning,
    /// 2 critical, 3 unknown).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    warn: Option<f64>,
    /// Critical if the table is at least PERCENT full.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    crit: Option<f64>,
    /// Also count the entries that a full table may remove to make room; --warn and --crit then judge only the others.
    #[arg(long)]
    evictable: bool,
    /// Search this saved log for messages of a full table, not the kernel's own log: dmesg, syslog, journalctl.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Status>,
}

impl StatusArguments {
    /// The options that the table takes.
    pub(super) fn options(&self) -> StatusOptions {
        StatusOptions {
            interval: self.interval,
            evictable: self.evictable,
            warn: self.warn,
            crit: self.crit,
            log: self.log.clone(),
        }
    }
}

/// The arguments of diagnose.
#[derive(Args)]
pub(super) struct DiagnoseArguments {
    /// How long to count; the time to read the table is included.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    interval: Duration,
    /// Read the whole table; otherwise larger tables are sampled: 16,384 random entries.
    #[arg(long, conflicts_with = "from")]
    all: bool,
    /// Read a saved table, not the live one: what `conntrack -L` (also -o extended, xml, save), `conntrack -E`,
    /// /proc/net/nf_conntrack, or `ovs-appctl dpctl/dump-conntrack` printed; `-` for standard input.
    #[arg(long, value_name = "FILE", group = "saved")]
    from: Option<PathBuf>,
    /// Look into the network namespace of this process, such as that of a container.
    #[arg(long, value_name = "PID", conflicts_with = "saved", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Find the saved files in this directory, which `conntrack-sysctl collect` or sos made.
    #[arg(long, value_name = "DIR", group = "saved", conflicts_with = "all")]
    bundle: Option<PathBuf>,
    /// With --from or --bundle: the limit that the table had.
    #[arg(long, value_name = "ENTRIES", requires = "saved", value_parser = clap::value_parser!(u64).range(..=LARGEST))]
    limit: Option<u64>,
    /// With --from or --bundle: the sysctls of that machine, as `sysctl -a` printed them.
    #[arg(long, value_name = "FILE", requires = "saved")]
    sysctl: Option<PathBuf>,
    /// With --from or --bundle: the counters of that machine, as `conntrack -S` printed them, or
    /// /proc/net/stat/nf_conntrack.
    #[arg(long, value_name = "FILE", requires = "saved")]
    stat: Option<PathBuf>,
    /// Search this saved log for messages of a full table, not the kernel's own log: dmesg, syslog, journalctl.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Diagnosis>,
}

impl DiagnoseArguments {
    /// The options that the table takes.
    pub(super) fn options(&self) -> io::Result<DiagnoseOptions> {
        Ok(DiagnoseOptions {
            interval: self.interval,
            all: self.all,
            pid: self.pid,
            evidence: self.evidence()?,
            log: self.log.clone(),
        })
    }

    /// The saved files; None: the live table is meant.
    fn evidence(&self) -> io::Result<Option<Evidence>> {
        let named = |table: PathBuf| Evidence {
            table,
            limit: self.limit,
            sysctls: self.sysctl.clone(),
            statistics: self.stat.clone(),
            log: self.log.clone(),
            ..Evidence::default()
        };
        match (&self.from, &self.bundle) {
            (Some(table), _) => Ok(Some(named(table.clone()))),
            (None, Some(bundle)) => Evidence::in_bundle(bundle, named(PathBuf::new())).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// The arguments of watch.
#[derive(Args)]
pub(super) struct WatchArguments {
    /// The time between two readings.
    #[arg(long, value_name = "SECONDS", value_parser = pause, default_value = "1")]
    interval: Duration,
    /// Stop after N readings.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Count new entries from the kernel's events; the kernel then sends a message for each new entry.
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

// Root, Loader and Quiet have no documentation comment: clap would show it as that of the command.
#[derive(Args)]
pub(super) struct Root {
    /// The directory of an image or a chroot; its files are used, and not the live kernel unless a request says `live`: true.
    #[arg(id = "root", long = "root", value_name = "DIR", default_value = "/")]
    pub(super) path: PathBuf,
}

#[derive(Args)]
pub(super) struct Loader {
    /// The program that reads the files at boot; auto finds it by the files.
    #[arg(id = "loader", long = "loader", value_name = "NAME", value_parser = show::loaders(), default_value = show::AUTO)]
    pub(super) name: String,
}

#[derive(Args)]
pub(super) struct Quiet {
    /// For apply and check: print no report; the exit code has the result, and a failure is one line on standard error.
    #[arg(id = "quiet", short = 'q', long = "quiet", conflicts_with = "output")]
    pub(super) is_set: bool,
}

/// The output that `--output` chooses among those of `T`. None leaves the choice to the program.
pub(super) struct Chosen<T: 'static>(pub(super) Option<&'static Output<T>>);

/// The value of `--output` that leaves the choice to the program.
const AUTO: &str = "auto";

impl<T: Printed> Args for Chosen<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.arg(output(values(rows::<T>())))
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

/// The name and the help of each output of `T`.
fn rows<T: Printed>() -> impl Iterator<Item = (&'static str, &'static str)> {
    T::OUTPUTS.iter().map(|output| (output.name, output.help))
}

fn values(rows: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<PossibleValue> {
    let auto = (AUTO, "Text on a terminal, JSON otherwise");
    std::iter::once(auto).chain(rows).map(|(name, help)| PossibleValue::new(name).help(help)).collect()
}

fn output(values: Vec<PossibleValue>) -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("OUTPUT")
        .default_value(AUTO)
        .value_parser(PossibleValuesParser::new(values))
        .help("The format of the output; the default is text on a terminal and JSON otherwise")
}

/// The name of the option that says where colours are used.
const COLOR: &str = "color";

/// When colours are used. Every command has the option.
fn color() -> Arg {
    let values = [
        ("auto", "On a terminal, unless NO_COLOR is set or TERM is dumb"),
        ("always", "Everywhere"),
        ("never", "Nowhere"),
    ];
    Arg::new(COLOR)
        .long(COLOR)
        .value_name("WHEN")
        .default_value(AUTO)
        .value_parser(PossibleValuesParser::new(values.map(|(name, help)| PossibleValue::new(name).help(help))))
        .help("When to colour the text; auto means on a terminal, unless NO_COLOR is set or TERM is dumb")
}

/// The wish of the command line for colours. A refusal of the arguments and the help are coloured too, so that the option is
/// read before all others.
pub(super) fn color_choice(arguments: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let after = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--color="));
    match after.chain(joined).last() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// The command line, from which `--help`, the manual pages and the completions are made.
///
/// The options `--output`, `--root`, `--quiet` and `--color` may stand before or after the command. A command that does not
/// have one of them hides it, and `parse` refuses it there.
#[must_use]
pub fn command() -> clap::Command {
    let whole = Arguments::command().arg(output(all_outputs())).arg(color());
    Quiet::augment_args(Root::augment_args(whole)).mut_args(|option| option.global(true))
}

/// Hides the global options that a command does not have itself.
fn hide_missing(command: clap::Command) -> clap::Command {
    let is_missing = |option: &Arg| option.is_global_set() && option.get_id() != COLOR;
    command.mut_args(|option| if is_missing(&option) { option.hide(true) } else { option })
}

/// Adds the exit codes to the help of a command, and hides the options that it does not have.
fn with_exits(command: clap::Command, exits: &str) -> clap::Command {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    hide_missing(command).long_about(format!("{about}.\n\nExit code: {exits}."))
}

/// The outputs of all commands, each once, for an `--output` that stands before the command.
fn all_outputs() -> Vec<PossibleValue> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for row in rows::<Report>().chain(rows::<Summary>()).chain(rows::<Status>()).chain(rows::<Diagnosis>()) {
        if all.iter().all(|(name, _)| *name != row.0) {
            all.push(row);
        }
    }
    values(all.into_iter())
}

/// The command that `arguments` name, or the answer in its place: the help, the version, or a refusal.
pub(super) fn parse(arguments: &[OsString]) -> Result<Command, Answer> {
    let mut whole = command();
    let parsed = whole.try_get_matches_from_mut(arguments).and_then(|matches| {
        refuse_hidden(&whole, &matches)?;
        Arguments::from_arg_matches(&matches)
    });
    parsed.map(|arguments| arguments.command).map_err(|error| {
        let text = error.render().ansi().to_string();
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

/// Whether the caller is a monitoring system, which would treat the exit code 1 as a warning about the table.
fn is_plugin(arguments: &[OsString]) -> bool {
    let begins = |argument: &OsString, with: &str| argument.to_str().is_some_and(|text| text.starts_with(with));
    arguments.iter().any(|argument| argument == "status")
        && arguments.iter().any(|argument| begins(argument, "--warn") || begins(argument, "--crit"))
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
