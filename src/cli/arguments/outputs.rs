//! Defines `--output`.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgMatches, Args, FromArgMatches};

use super::refused;
use crate::answer::{Output, Printed};
use crate::report::Report;
use crate::summarize::Summary;
use crate::table::analysis::diagnosis::Diagnosis;
use crate::table::analysis::status::Status;

/// The output that `--output` chooses among those of `T`. None leaves the choice to the program.
pub(in crate::cli) struct Chosen<T: 'static>(pub(in crate::cli) Option<&'static Output<T>>);

/// The value of `--output` that leaves the choice to the program.
pub(super) const AUTO: &str = "auto";

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

/// The option before the name of a command: it takes the outputs of all commands, each once.
pub(super) fn anywhere() -> Arg {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for row in rows::<Report>().chain(rows::<Summary>()).chain(rows::<Status>()).chain(rows::<Diagnosis>()) {
        if all.iter().all(|(name, _)| *name != row.0) {
            all.push(row);
        }
    }
    output(values(all.into_iter()))
}
