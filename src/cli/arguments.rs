//! Defines the command line. Only this file and those below it know clap; the commands get plain options.

mod numbers;
mod options;
mod outputs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args};

use numbers::{pause, percent, seconds};
pub(super) use options::color_choice;
use options::is_plugin;
pub(super) use outputs::Chosen;

use crate::answer::{Answer, Exit};
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

/// A command with its arguments.
pub(super) enum Command {
    Apply(RunArguments),
    Check(RunArguments),
    Show(ShowArguments),
    Explain(ExplainArguments),
    Verify(VerifyArguments),
    Summarize(SummarizeArguments),
    Module(ModuleArguments),
    Dsc(DscArguments),
    Schema(SchemaArguments),
    Status(StatusArguments),
    Diagnose(DiagnoseArguments),
    Collect(CollectArguments),
    Watch(WatchArguments),
}

/// What the command line says of a command.
struct Row {
    name: &'static str,
    about: &'static str,
    /// Its exit codes with their words; a command without them is for other programs, and the help does not list it.
    exits: fn() -> String,
    arguments: &'static (dyn Arguments + Sync),
}

/// All commands, in the order of the help.
static COMMANDS: [Row; 13] = [
    row("apply", "Make the machine match the request", || listed(&[Exit::Done, Exit::Failed]), &With(Command::Apply)),
    row("check", "Report what differs, and what apply would change", in_sync_or_not, &With(Command::Check)),
    row(
        "show",
        "List all conntrack settings: the live value, the value after the next boot, and the line that decides",
        done_or_not,
        &With(Command::Show),
    ),
    row(
        "explain",
        "Show every line that assigns one setting, in boot order, and the line that wins",
        done_or_not,
        &With(Command::Explain),
    ),
    row(
        "verify",
        "After a boot, compare the machine with the prediction of the last apply",
        || listed(&[Exit::Held, Exit::Broken, Exit::CouldNotTell]),
        &With(Command::Verify),
    ),
    row("summarize", "Summarize the reports of many hosts", in_sync_or_not, &With(Command::Summarize)),
    row("module", "Run an Ansible task; its arguments are JSON on standard input", String::new, &With(Command::Module)),
    row(
        "dsc",
        "Run an operation of the DSC resource; its request is JSON on standard input",
        String::new,
        &With(Command::Dsc),
    ),
    row(
        "schema",
        "Print the JSON Schema of the request or of the report",
        || listed(&[Exit::Done]),
        &With(Command::Schema),
    ),
    row(
        "status",
        "Show how full the table is, and how many packets were dropped",
        || {
            let plugin = listed(&[Exit::Ok, Exit::Warning, Exit::Critical, Exit::Unknown]);
            format!("{}; with --warn or --crit: {plugin}", done_or_not())
        },
        &With(Command::Status),
    ),
    row(
        "diagnose",
        "Show what fills the table and why packets are dropped, and propose settings",
        done_or_not,
        &With(Command::Diagnose),
    ),
    row(
        "collect",
        "Save everything that a diagnosis of this machine needs: the table, its sysctls, counters and log, and a list of \
         files that could not be read",
        done_or_not,
        &With(Command::Collect),
    ),
    row(
        "watch",
        "Watch the table: a live view on a terminal, otherwise one JSON line for each reading",
        done_or_not,
        &With(Command::Watch),
    ),
];

const fn row(
    name: &'static str,
    about: &'static str,
    exits: fn() -> String,
    arguments: &'static (dyn Arguments + Sync),
) -> Row {
    Row { name, about, exits, arguments }
}

impl Row {
    /// The command with its help.
    fn command(&self) -> clap::Command {
        let command = self.arguments.define(clap::Command::new(self.name)).about(self.about).long_about(None);
        let command = match (self.exits)() {
            exits if exits.is_empty() => command.hide(true),
            exits => command.long_about(format!("{}.\n\nExit code: {exits}.", self.about)),
        };
        // The global options come when clap completes the command that is run.
        command.defer(hide_missing)
    }
}

/// The arguments of a command, whatever their type.
trait Arguments {
    /// Adds them to the command.
    fn define(&self, command: clap::Command) -> clap::Command;

    /// The command with what clap has found.
    fn read(&self, found: &ArgMatches) -> Result<Command, clap::Error>;
}

/// The command that these arguments make.
struct With<A>(fn(A) -> Command);

impl<A: Args> Arguments for With<A> {
    fn define(&self, command: clap::Command) -> clap::Command {
        A::augment_args(command)
    }

    fn read(&self, found: &ArgMatches) -> Result<Command, clap::Error> {
        A::from_arg_matches(found).map(self.0)
    }
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

/// The arguments of show.
#[derive(Args)]
pub(super) struct ShowArguments {
    /// Show only these settings, by any of their names, such as nf_conntrack_max.
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Show only settings with different values now and after the next boot, and settings whose next boot cannot be known.
    #[arg(long)]
    pub(super) drift: bool,
    #[command(flatten)]
    pub(super) output: Chosen<Inventory>,
    #[command(flatten)]
    pub(super) loader: Loader,
    #[command(flatten)]
    pub(super) root: Root,
}

/// The arguments of explain.
#[derive(Args)]
pub(super) struct ExplainArguments {
    /// Any name of the setting, such as nf_conntrack_max.
    pub(super) setting: String,
    #[command(flatten)]
    pub(super) output: Chosen<Story>,
    #[command(flatten)]
    pub(super) loader: Loader,
    #[command(flatten)]
    pub(super) root: Root,
}

/// The arguments of verify.
#[derive(Args)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    pub(super) output: Chosen<Verification>,
    /// If a setting is not as predicted, write everything that may explain it to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
}

/// The arguments of summarize.
#[derive(Args)]
pub(super) struct SummarizeArguments {
    /// Reports of check or apply: a JSON file for each host, with its name; a directory of such files; or - for standard
    /// input with one report per line.
    #[arg(required = true)]
    pub(super) reports: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) output: Chosen<Summary>,
}

/// The arguments of module.
#[derive(Args)]
pub(super) struct ModuleArguments {
    /// The module.
    #[arg(value_parser = one_of(&[
        ("settings", "Make the settings match the task", AnsibleModule::Settings),
        ("settings_info", "Report the settings", AnsibleModule::SettingsInfo),
        ("table_info", "Report how full the table is", AnsibleModule::TableInfo),
    ]))]
    pub(super) name: AnsibleModule,
}

/// The arguments of dsc.
#[derive(Args)]
pub(super) struct DscArguments {
    /// The operation.
    #[arg(value_parser = one_of(&[
        ("get", "Report the settings of the request; without a request, all settings", Operation::Get),
        ("test", "Report whether they are as desired", Operation::Test),
        ("set", "Make them as desired", Operation::Set),
        ("what-if", "Report what set would change", Operation::WhatIf),
        ("export", "Report this machine as requests", Operation::Export),
        ("schema", "Print the JSON Schema of requests and answers", Operation::Schema),
    ]))]
    pub(super) operation: Operation,
    #[command(flatten)]
    pub(super) root: Root,
}

/// The arguments of schema.
#[derive(Args)]
pub(super) struct SchemaArguments {
    /// The document.
    #[arg(value_parser = one_of(&[
        ("request", "The request that apply and check take", Of::Request),
        ("report", "The report that apply and check print", Of::Report),
    ]))]
    pub(super) of: Of,
    #[command(flatten)]
    pub(super) output: Chosen<Of>,
}

/// The arguments of collect.
#[derive(Args)]
pub(super) struct CollectArguments {
    /// The directory, which must be new or empty; only its owner can read it.
    pub(super) directory: PathBuf,
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
        .default_value(outputs::AUTO)
        .value_parser(PossibleValuesParser::new(values.map(|(name, help)| PossibleValue::new(name).help(help))))
        .help("When to colour the text; auto means on a terminal, unless NO_COLOR is set or TERM is dumb")
}

/// The command line, from which `--help`, the manual pages and the completions are made.
///
/// The options `--output`, `--root`, `--quiet` and `--color` may stand before or after the command. A command that does not
/// have one of them hides it, and `parse` refuses it there.
#[must_use]
pub fn command() -> clap::Command {
    command_with(|_| true)
}

/// The command line with the commands that `is_wanted` wants.
fn command_with(is_wanted: impl Fn(&Row) -> bool) -> clap::Command {
    let whole = clap::Command::new("conntrack-sysctl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Keeps the kernel's connection tracking sysctls as desired: live now, and after the next boot")
        .arg_required_else_help(true)
        .subcommand_required(true)
        .subcommands(COMMANDS.iter().filter(|row| is_wanted(row)).map(Row::command))
        .args([outputs::anywhere(), color()]);
    Quiet::augment_args(Root::augment_args(whole)).mut_args(|option| option.global(true))
}

/// Hides the global options that a command does not have itself.
fn hide_missing(command: clap::Command) -> clap::Command {
    let is_missing = |option: &Arg| option.is_global_set() && option.get_id() != COLOR;
    command.mut_args(|option| if is_missing(&option) { option.hide(true) } else { option })
}

/// The command that `arguments` name, or the answer in its place: the help, the version, or a refusal.
pub(super) fn parse(arguments: &[OsString]) -> Result<Command, Answer> {
    // To describe all commands takes longer than most of them run, and only the help and the refusals need it.
    let is_named = |row: &Row| arguments.iter().any(|argument| argument == row.name);
    let parsed = match parse_with(command_with(is_named), arguments) {
        Err(error) if error.kind() != ErrorKind::DisplayVersion => parse_with(command(), arguments),
        parsed => parsed,
    };
    parsed.map_err(|error| {
        let text = error.render().ansi().to_string();
        if !error.use_stderr() {
            return Answer::new(text.trim_end_matches('\n').to_owned(), Exit::Done);
        }
        let exit = if is_plugin(arguments) { Exit::Unknown } else { Exit::Failed };
        Answer { stderr: text, ..Answer::new(String::new(), exit) }
    })
}

fn parse_with(mut whole: clap::Command, arguments: &[OsString]) -> Result<Command, clap::Error> {
    let matches = whole.try_get_matches_from_mut(arguments)?;
    refuse_hidden(&whole, &matches)?;
    let (name, matches) = matches.subcommand().expect("clap requires a command");
    let row = COMMANDS.iter().find(|row| row.name == name).expect("clap knows only the commands of the rows");
    row.arguments.read(matches)
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

/// The exit codes with their words.
fn listed(exits: &[Exit]) -> String {
    let codes = exits.iter().map(|exit| format!("{} {}", exit.code(), exit.words()));
    codes.collect::<Vec<_>>().join(", ")
}

fn done_or_not() -> String {
    listed(&[Exit::Done, Exit::CouldNotTell])
}

fn in_sync_or_not() -> String {
    listed(&[Exit::InSync, Exit::Drift, Exit::CouldNotTell])
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
